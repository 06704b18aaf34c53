"""The numbers of docs/performance.md are those of docs/performance.json."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from tinygrad_cnn.bench import Report
from tinygrad_cnn.bench.suites import SUITES

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(DOCS)
    return importlib.import_module("make_performance")


@pytest.fixture
def numbers(script: ModuleType) -> Report:
    if not script.NUMBERS.exists():
        pytest.skip("docs/performance.json is not there yet: `make bench` measures it")
    return Report.from_json(script.NUMBERS.read_text(encoding="utf-8"))


def test_the_page_holds_what_the_script_writes(script: ModuleType, numbers: Report) -> None:
    page = script.PAGE.read_text(encoding="utf-8")
    assert script.filled(page, numbers) == page, "run `python docs/make_performance.py`"


def test_every_place_of_the_script_is_on_the_page(script: ModuleType) -> None:
    marks = {match[2] for match in script.MARK.finditer(script.PAGE.read_text(encoding="utf-8"))}
    assert marks == set(script.PLACES)


def test_the_numbers_cover_every_suite_and_both_tiers(numbers: Report) -> None:
    assert {result.suite for result in numbers.results} == set(SUITES)
    assert {"tinygrad_cnn compiled", "tinygrad_cnn blocked", "PyTorch eager"} <= set(
        numbers.versions
    )


def test_the_plot_is_there(script: ModuleType, numbers: Report) -> None:
    assert script.PLOT.read_bytes().startswith(b"\x89PNG")
