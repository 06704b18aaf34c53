"""Measurements reach the picture under their names, and colour shows how much."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.viz.networks import by_id, residual_loss
from tinygrad_cnn import nn, viz
from tinygrad_cnn.viz.looks import AMOUNTS, DIVERGING, overlay

NOTES = ("time", "backward_time", "grad_norm", "stats", "source")


def test_every_op_that_ran_inside_is_measured() -> None:
    with viz.record() as measured:
        _, loss = residual_loss()
        loss.backward(retain_graph=True)
    g = viz.graph(loss, record=measured, fold="none")
    ops = [n for n in g.picture.nodes if n.kind == "op"]
    assert all(n.notes.keys() >= set(NOTES) for n in ops)
    assert all(n.notes["time"] > 0 for n in ops)


def test_statistics_are_those_of_the_output() -> None:
    with viz.record() as measured:
        y = tg.exp(tg.Tensor(np.log([1.0, 2.0, 6.0]), requires_grad=True))
    stats = by_id(viz.graph(y, record=measured))["exp"].notes["stats"]
    assert stats == pytest.approx({"mean": 3.0, "std": 14**0.5 / 3**0.5, "min": 1.0, "max": 6.0})


def test_the_source_is_the_line_that_called_the_op() -> None:
    with viz.record() as measured:
        y = tg.exp(tg.Tensor([1.0], requires_grad=True))
    file, _, line = by_id(viz.graph(y, record=measured))["exp"].notes["source"].partition(":")
    assert file == Path(__file__).name
    assert "tg.exp" in Path(__file__).read_text().splitlines()[int(line) - 1]


def test_a_graph_drawn_inside_the_block_finds_the_record_by_itself() -> None:
    with viz.record():
        y = tg.exp(tg.Tensor([1.0], requires_grad=True))
        g = viz.graph(y, annotate=("shape", "time"))
    assert by_id(g)["exp"].notes["time"] > 0


def test_two_sweeps_add_up_their_times() -> None:
    w = tg.Tensor(np.ones(3), requires_grad=True)
    with viz.record() as measured:
        y = tg.sum(tg.exp(w))
        y.backward(retain_graph=True)
        once = viz.graph(y, record=measured)
        y.backward(retain_graph=True)
    again = viz.graph(y, record=measured)
    assert by_id(again)["exp"].notes["backward_time"] > by_id(once)["exp"].notes["backward_time"]


def test_a_closed_module_takes_as_long_as_its_ops() -> None:
    with viz.record() as measured:
        model, loss = residual_loss()
    whole = viz.graph(loss, model=model, record=measured)
    box = by_id(viz.graph(loss, model=model, record=measured, depth=0))["Residual"]
    assert box.notes["time"] == pytest.approx(
        sum(n.notes.get("time", 0) for n in whole.picture.nodes if n.scope.startswith("Residual"))
    )


def test_a_graph_drawn_after_the_block_finds_the_record_by_itself() -> None:
    with viz.record():
        y = tg.exp(tg.Tensor([1.0], requires_grad=True))
    g = viz.graph(y, annotate=("time",))
    assert by_id(g)["exp"].notes["time"] > 0
    assert g.picture.remarks == ()


def one_line(loss: tg.Tensor, model: nn.Module) -> viz.Graph:
    annotate = ("shape", "saved", "time")
    return viz.graph(
        loss, model=model, view="both", depth=2, fold="auto", annotate=annotate, color="grad_norm"
    )


def test_a_record_of_something_else_tells_nothing_and_the_picture_says_so() -> None:
    with viz.record():
        tg.exp(tg.Tensor([1.0], requires_grad=True))
    model, loss = residual_loss()
    g = one_line(loss, model)
    assert g.picture.remarks == (
        "time not known: run the computation inside of `with viz.record():`",
        "grad_norm not known: call loss.backward(retain_graph=True) first",
    )
    assert "viz.record()" in g.to_dot()
    assert "saves" in g.to_text()
    assert "<svg" in g.to_svg()


def test_gradients_that_lie_in_grad_are_shown_without_a_record() -> None:
    model, loss = residual_loss()
    loss.backward(retain_graph=True)
    g = one_line(loss, model)
    assert g.picture.remarks == (
        "time not known: run the computation inside of `with viz.record():`",
    )
    assert any("grad_norm" in n.notes for n in g.picture.nodes if n.kind == "gradient")
    assert DIVERGING[0] in g.to_dot()


def test_with_a_record_everything_that_was_asked_for_is_there() -> None:
    with viz.record():
        model, loss = residual_loss()
        loss.backward(retain_graph=True)
    g = one_line(loss, model)
    assert g.picture.remarks == ()
    gradients = [n for n in g.picture.nodes if n.kind == "gradient" and n.family != "output"]
    assert all("grad_norm" in n.notes for n in gradients)
    assert all("time" in n.notes for n in g.picture.nodes if n.kind in ("op", "module"))


def test_only_a_sweep_that_was_recorded_has_times() -> None:
    with viz.record():
        y = tg.exp(tg.Tensor([1.0], requires_grad=True))
    g = viz.graph(y, color="backward_time")
    assert "backward() too" in g.to_text()


def test_the_largest_amount_is_darkest_and_the_legend_tells_it() -> None:
    nodes = [viz.Node(str(i), "op", "exp", notes={"saved": i * 1000}) for i in range(5)]
    fills, scale = overlay(nodes, "saved")
    assert [fills[str(i)] for i in range(5)] == list(AMOUNTS)
    assert scale[-1] == (AMOUNTS[-1], 4000)


def test_gradients_are_shaded_by_powers_of_ten_around_their_median() -> None:
    norms = [1e-9, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1e9]
    nodes = [viz.Node(str(i), "op", "exp", notes={"grad_norm": v}) for i, v in enumerate(norms)]
    fills, scale = overlay(nodes, "grad_norm")
    assert [fills[str(i)] for i in range(7)] == [DIVERGING[i] for i in (0, 0, 1, 2, 3, 4, 4)]
    assert scale[2][1] == 1.0


def test_no_gradient_or_one_that_is_zero_or_nan_has_no_shade() -> None:
    notes = [{}, {"grad_norm": 0.0}, {"grad_norm": "nan"}]
    nodes = [viz.Node(str(i), "op", "exp", notes=n) for i, n in enumerate(notes)]
    assert overlay(nodes, "grad_norm") == ({}, [])


def test_an_overlay_is_drawn_with_its_scale() -> None:
    _, loss = residual_loss()
    g = viz.graph(loss, color="flops")
    assert AMOUNTS[-1] in g.to_dot()
    assert "FLOP" in g.to_dot()
    assert "<svg" in g.to_svg()


def test_a_box_tells_the_number_behind_its_colour() -> None:
    model, loss = residual_loss()
    loss.backward(retain_graph=True)
    for view in ("forward", "both", "backward"):
        g = viz.graph(loss, model, view=view, color="grad_norm")
        told = [n for n in g.picture.nodes if n.kind == "gradient" and "grad_norm" in n.notes]
        if view == "forward":
            told = [n for n in g.picture.nodes if n.kind == "parameter"]
        assert told
        numbers = [f"|\u2202| {n.notes['grad_norm']:.3g}" for n in told]
        assert [number for number in numbers if number not in g.to_dot()] == []
        assert [number for number in numbers if number not in g.to_text()] == []
