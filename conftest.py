"""What holds for every test, the doctests of the package included (so it lies at the root)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextvars import Context, ContextVar, copy_context
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

from tinygrad_cnn.core.modes import manual_seed

pytest_plugins = ["_tinygrad_cnn_pytest"]  # --gradcheck-profile, whether installed or not

TESTS = Path(__file__).with_name("tests")
RESULTS = ("tinygrad_cnn_rng", "tinygrad_cnn_last_record")

# A slow machine is no failure: no deadlines. CI draws the same examples every time, so that a red
# run can be repeated; at one's desk they are new every time, and those that fail are remembered.
hypothesis.settings.register_profile("desk", deadline=None)
hypothesis.settings.register_profile(
    "ci", deadline=None, derandomize=True, database=None, print_blob=True
)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "desk")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Doctests are the package's: of `tests`, only the files of tests are collected.

    The modules that these share would else be imported as well, those that need PyTorch included.
    """
    shared = TESTS in collection_path.parents and not collection_path.name.startswith("test_")
    return True if shared and collection_path.suffix == ".py" else None


def _modes() -> dict[ContextVar[Any], Any]:
    """The value of every context variable of the package that has been set so far.

    Two are none of them, since no op runs differently for what they held: the random generator,
    for drawing changes it and each test gets a new one, and the measurements of the last record.
    """
    return {
        mode: value
        for mode, value in copy_context().items()
        if mode.name.startswith("tinygrad_cnn") and mode.name not in RESULTS
    }


def _others() -> dict[str, Any]:
    pyplot = sys.modules.get("matplotlib.pyplot")
    return {
        "NumPy's error state": np.geterr(),
        "the working directory": Path.cwd(),
        "matplotlib's open figures": pyplot.get_fignums() if pyplot else [],
    }


@pytest.fixture(autouse=True)
def every_test_leaves_the_global_state_as_it_found_it() -> Iterator[None]:
    """Each test starts from one seed, and none changes what the next one meets."""
    modes, others = _modes(), _others()
    manual_seed(0)
    yield
    leaked = []
    for mode, value in _modes().items():
        before = modes[mode] if mode in modes else Context().run(mode.get)  # its default
        if value != before:
            leaked.append(f"{mode.name}: {before} became {value}")
            mode.set(before)  # so that only the culprit fails
    for name, value in _others().items():
        if value != others[name]:
            leaked.append(f"{name}: {others[name]} became {value}")
    if leaked:
        np.seterr(**others["NumPy's error state"])
        os.chdir(others["the working directory"])
        if pyplot := sys.modules.get("matplotlib.pyplot"):
            pyplot.close("all")
        pytest.fail("this test leaks global state: " + "; ".join(leaked))
