"""NaN and Inf are found where they begin, and the way from there is drawn."""

from __future__ import annotations

import numpy as np

import tinygrad_cnn as tg
from tests.viz.networks import by_id, residual_loss
from tinygrad_cnn import viz


def faults(g: viz.Graph) -> dict[str, str]:
    return {n.id: n.notes["nonfinite"] for n in g.picture.nodes if "nonfinite" in n.notes}


def first(g: viz.Graph) -> list[str]:
    return [n.id for n in g.picture.nodes if "first_bad" in n.notes]


def test_a_healthy_graph_has_no_red_in_it() -> None:
    g = viz.graph(residual_loss()[1])
    assert not faults(g)
    assert "NaN" not in g.to_dot()


def test_the_first_nan_is_named_and_the_path_from_it_is_red() -> None:
    x = tg.Tensor([-1.0, 1.0], requires_grad=True)
    with np.errstate(all="ignore"):
        y = tg.sum(tg.exp(tg.log(x)) * 2.0)
    g = viz.graph(y)
    assert first(g) == ["log"]
    assert set(faults(g)) == {"log", "exp", "sum"}  # nobody kept what multiply gave
    path = [n.id for n in g.picture.nodes if "bad_path" in n.notes]
    assert path == ["log", "exp", "multiply", "sum"]
    assert "the first NaN" in g.to_text()
    assert "double red" in g.to_dot()


def test_an_overflow_is_an_inf() -> None:
    x = tg.Tensor([1000.0], requires_grad=True)
    with np.errstate(all="ignore"):
        y = tg.exp(x)
    assert faults(viz.graph(y)) == {"exp": "Inf"}


def test_a_mask_of_minus_infinity_is_no_fault() -> None:
    x = tg.Tensor(np.ones((2, 2)), requires_grad=True)
    masked = x + np.array([[0.0, -np.inf], [0.0, 0.0]])
    g = viz.graph(tg.sum(tg.exp(masked)))
    assert not faults(g)


def test_a_nan_that_came_in_is_shown_at_the_input() -> None:
    w = tg.Tensor(np.ones(2), requires_grad=True)
    g = viz.graph(tg.sum(w * np.array([np.nan, 1.0])))
    assert first(g) == ["input"]


def test_a_nan_in_a_weight_is_shown_at_the_weight_even_when_the_graph_is_freed() -> None:
    model, _ = residual_loss()
    model.head.weight.data[0, 0] = np.nan
    x = tg.Tensor(np.ones((2, 1, 6, 6), np.float32))
    loss = tg.sum(model(x))
    loss.backward()
    g = viz.graph(loss, model=model)
    assert first(g) == ["head.weight"]
    assert by_id(g)["stem.weight"].notes["bad_gradient"]
    assert "nonfinite" not in by_id(g)["stem.weight"].notes


def test_a_closed_box_tells_that_the_first_nan_is_inside() -> None:
    model, _ = residual_loss()
    model.layers[0].conv.weight.data[0] = np.nan
    with np.errstate(all="ignore"):
        loss = tg.sum(model(tg.Tensor(np.ones((2, 1, 6, 6), np.float32))))
    g = viz.graph(loss, model=model, depth=0)
    assert "the first NaN" in g.to_text()


def test_a_record_knows_of_a_nan_after_the_arrays_are_gone() -> None:
    x = tg.Tensor([-1.0], requires_grad=True)
    with viz.record() as measured, np.errstate(all="ignore"):
        y = tg.sum(tg.log(x) * 0.0)
        y.backward()
    assert first(viz.graph(y, record=measured)) == ["log"]
    assert viz.Picture.from_json(viz.graph(y, record=measured).to_json())
