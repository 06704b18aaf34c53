from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tinygrad_cnn.bench import report as reports
from tinygrad_cnn.bench.report import Report
from tinygrad_cnn.viz import plots


def test_json_carries_everything(report: Report) -> None:
    assert Report.from_json(report.to_json()) == report


def test_the_ratios_are_those_to_pytorch_eager(report: Report) -> None:
    assert reports.ratios(report, "training")["tinygrad_cnn blocked"] == pytest.approx([0.5, 0.5])
    assert reports.against_best(report, "MyGrad", "training") == pytest.approx(2)


def test_mygrad_is_set_against_each_of_our_tiers(report: Report) -> None:
    assert reports.to_mygrad(report).endswith("in steps of ours: 4.0 (4.0-4.0) blocked")
    alone = replace(report, results=[r for r in report.results if r.side != "MyGrad"])
    assert reports.to_mygrad(alone) == ""


def test_what_is_slower_than_another_library_is_told_worst_first(report: Report) -> None:
    assert reports.behind(report) == []
    slow = {("default", 3.0), ("3x3", 5.0)}
    for name, factor in slow:
        result = report.cases("networks")[name, "training"]["tinygrad_cnn blocked"]
        result.values[:] = [factor * value for value in result.values]
    assert [(network, other) for network, _, _, other, _ in reports.behind(report)] == [
        ("3x3", "PyTorch eager"),
        ("default", "PyTorch eager"),
    ]


def test_without_pytorch_the_last_of_ours_is_the_measure() -> None:
    assert reports.baseline(["tinygrad_cnn compiled", "tinygrad_cnn blocked", "JAX jit"]) == (
        "tinygrad_cnn blocked"
    )


def test_the_text_shows_every_suite_and_who_is_left_out(report: Report) -> None:
    text = reports.text(report)
    assert re.search(r"^tinygrad_cnn blocked +1 +0.50  0.50-0.50", text, re.MULTILINE)
    assert re.search(r"^MyGrad +4 +2.00", text, re.MULTILINE)
    for words in ("a shape", "recorded and swept", "peak memory", "size^k", "beyond NumPy"):
        assert words in text
    assert "JAX jit: not installed (pip install jax)" in text


def test_numbers_of_a_busy_machine_are_not_to_be_believed(report: Report) -> None:
    assert "OTHER WORK" not in reports.head(report)
    assert "OTHER WORK RAN (load 3.0 on 4 cores)" in reports.head(replace(report, load=3.0))


def test_the_text_fits_a_terminal_of_80_columns(report: Report) -> None:
    assert max(map(len, reports.text(report).splitlines())) <= 80


def test_the_share_of_the_ceiling_counts_the_products_alone(report: Report) -> None:
    # 2 * 8,825,856 multiply-adds in 1 ms are 17.7 GFLOP/s, of 100
    assert re.search(r"^3x3 +1.1 +18%", reports.text(report), re.MULTILINE)


def test_a_linear_growth_has_the_exponent_one(report: Report) -> None:
    ((_, _, _, k, _),) = reports.growth(report)
    assert k == pytest.approx(1)


def test_a_side_that_is_left_out_of_a_case_costs_no_other_case(report: Report) -> None:
    shape = report.of("convolutions")[1]
    assert shape.side == "PyTorch eager"
    whole = replace(shape, case="another", side="tinygrad_cnn blocked")
    found = replace(report, results=[*report.results, whole])
    assert re.search(r"^another +2 +- +-$", reports.text(found), re.MULTILINE)
    one = [r for r in report.results if r.case != "batch=16" and r.case != "batch=32"]
    assert list(reports.growth(replace(report, results=one))) == []


def test_the_plot_has_a_panel_for_training_and_one_for_inference(report: Report) -> None:
    pytest.importorskip("matplotlib")
    figure = reports.plot(report)
    assert [ax.get_title().split(":")[0] for ax in figure.axes] == ["Training", "Inference"]
    assert plots.png(figure).startswith(b"\x89PNG")
