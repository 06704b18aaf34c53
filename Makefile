# `make train` and `make test` are the two commands of the README; `make help` lists them all.
# Whatever these write stays inside the clone: .venv (environment), .cache (what tools remember),
# runs (results of training), docs/_build, dist. `make clean` removes all but the runs.

VENV  := .venv
CACHE := $(CURDIR)/.cache
BIN    = $(VENV)/bin
READY  = $(VENV)/.ready
READY_DOCS = $(VENV)/.ready-docs

ARGS        ?=
PYTEST_ARGS ?=
# One process a core; `make test PARALLEL=` runs in a single one, for a debugger.
PARALLEL    ?= -n auto --dist worksteal
ORACLE      ?=

# The first interpreter that is new enough. Running it is the test: a name on the PATH may be a
# wrapper around nothing.
NEW_ENOUGH = import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python3.14 python; do \
    $$name -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$name && break; done)

export PIP_CACHE_DIR ?= $(CACHE)/pip
export MPLCONFIGDIR ?= $(CACHE)/matplotlib
export NUMBA_CACHE_DIR ?= $(CACHE)/numba
export HYPOTHESIS_STORAGE_DIRECTORY ?= $(CACHE)/hypothesis
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help train test lint format docs coverage bench wheel oracle clean

help:  ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  make train ARGS="--epochs 2 --seed 1"    options of tinygrad-cnn train'
	@echo '  make test PYTEST_ARGS="-k conv2d -x"     options of pytest'

train: $(READY)  ## train on the embedded digits; prints where the results lie
	@$(BIN)/tinygrad-cnn train $(ARGS)
	@command -v tinygrad-cnn >/dev/null || echo "The command     $(BIN)/tinygrad-cnn"

test: $(READY) oracle  ## run the whole test suite
	@$(BIN)/python -m pytest $(PARALLEL) $(PYTEST_ARGS)

lint: $(READY)  ## ruff, mypy and the rule that imports point downward
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports --cache-dir $(CACHE)/import-linter --no-logo

format: $(READY)  ## let ruff mend what it can
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

docs: $(READY_DOCS)  ## build the documentation into docs/_build/html
	$(BIN)/python -m sphinx -W --keep-going -q -d $(CACHE)/doctrees docs docs/_build/html
	@echo "docs/_build/html/index.html"

coverage: $(READY) oracle  ## run the tests and list the lines that none of them reached
	@$(BIN)/python -m pytest --cov --cov-report=term --cov-report=html $(PYTEST_ARGS)
	@echo ".cache/coverage-html/index.html"

bench: $(READY)  ## measure against the libraries installed in .venv; fill docs/performance.md
	$(BIN)/tinygrad-cnn bench $(ARGS) --json docs/performance.json
	$(BIN)/python docs/make_performance.py

wheel: $(READY)  ## build the wheel into dist
	@$(BIN)/python -m pip wheel -qq --no-deps --wheel-dir dist .
	@ls dist/*.whl

# PyTorch is an oracle of the tests and never a dependency. Absent, its tests skip and say so; an
# install that fails, or that would bring its CUDA libraries (gigabytes), leaves it absent.
oracle: $(READY)
ifneq ($(ORACLE),)
	@plan=$$($(BIN)/python -m pip install --dry-run $(ORACLE) 2>&1) || plan="nothing: pip failed"; \
	case "$$plan" in \
	    *nvidia*|*"pip failed"*) echo "no oracle: $(ORACLE) is not to be had here without CUDA" ;; \
	    *) $(BIN)/python -m pip install -qq $(ORACLE) || echo "no oracle: pip failed" ;; \
	esac
endif

$(READY): setup.cfg pyproject.toml
	@test -n "$(PYTHON)" || { \
	    echo "Python 3.11 or newer is needed and none was found on the PATH ($$(python3 --version 2>&1 | head -n 1))."; \
	    echo "Install one (Debian, Ubuntu: apt install python3 python3-venv), or name it: make PYTHON=/path/to/python3.12"; \
	    exit 1; } >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv --clear $(VENV) || { \
	    rm -rf $(VENV); \
	    echo "$(PYTHON) could not make the virtual environment $(VENV)."; \
	    echo "Its venv module is often a package of its own (Debian, Ubuntu: apt install python3-venv)."; \
	    exit 1; } >&2
	@echo "Installing tinygrad_cnn and its extras into $(VENV) (a minute or two, only this once) ..."
	@$(BIN)/python -m pip install -qq --editable '.[all,dev]'
	@touch $@

$(READY_DOCS): $(READY)
	@$(BIN)/python -m pip install -qq --editable '.[docs]'
	@touch $@

clean:  ## remove all that make made, except the runs
	rm -rf $(VENV) .cache .hypothesis .benchmarks build dist docs/_build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
