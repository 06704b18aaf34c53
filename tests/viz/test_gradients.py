"""The backward view mirrors the forward one, and shows what was saved for it."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.viz.networks import by_id, residual_loss
from tinygrad_cnn import nn, viz


def test_every_computed_box_and_parameter_has_a_gradient_beside_it() -> None:
    _, loss = residual_loss()
    forward, both = viz.graph(loss), viz.graph(loss, view="both")
    mirrored = {n.notes["of"] for n in both.picture.nodes if n.kind == "gradient"}
    assert mirrored == {
        n.id for n in forward.picture.nodes if n.kind in ("op", "parameter", "output")
    }


def test_gradients_flow_against_the_arrows() -> None:
    w = tg.Tensor(np.ones(3), requires_grad=True)
    g = viz.graph(tg.sum(tg.exp(w)), view="both")
    flow = [(e.source, e.target) for e in g.picture.edges if e.kind == "gradient"]
    assert flow == [
        ("gradient output", "gradient sum"),
        ("gradient sum", "gradient exp"),
        ("gradient exp", "gradient w1"),
    ]


def test_the_backward_view_holds_gradients_alone() -> None:
    _, loss = residual_loss()
    g = viz.graph(loss, view="backward", depth=1)
    assert {n.kind for n in g.picture.nodes} == {"gradient"}
    assert {e.kind for e in g.picture.edges} == {"gradient"}
    assert g.to_svg()


def test_an_arrow_joins_a_box_to_its_gradient_where_something_was_saved() -> None:
    w = tg.Tensor(np.ones(3), requires_grad=True)
    y = tg.sum(tg.exp(w))  # exp keeps its output, sum needs nothing
    saved = [
        (e.source, e.kind)
        for e in viz.graph(y, view="both").picture.edges
        if e.kind in ("saved", "freed")
    ]
    assert saved == [("exp", "saved")]
    assert "24 B" in viz.graph(y, view="both").to_dot()


def test_what_was_saved_is_hollow_once_it_is_released() -> None:
    w = tg.Tensor(np.ones(3), requires_grad=True)
    y = tg.sum(tg.exp(w))
    y.backward()
    g = viz.graph(y, view="both")
    assert "odot" in g.to_dot()
    assert "24 B" not in g.to_dot()
    assert "released" in g.to_dot()


def test_the_ops_of_a_second_order_graph_are_marked() -> None:
    w = tg.Tensor(np.ones(3), requires_grad=True)
    tg.sum(tg.exp(w) * 2.0).backward(create_graph=True)
    assert w.grad is not None
    g = viz.graph(w.grad)
    assert {n.op for n in g.picture.nodes if n.order == 2} == {"scale"}
    assert by_id(g)["exp"].order == 1
    assert "\u2202" in g.to_dot()


@pytest.mark.parametrize("view", ["forward", "both", "backward"])
def test_a_leaf_can_be_drawn_in_every_view(view: str) -> None:
    assert "<svg" in viz.graph(tg.Tensor([1.0], requires_grad=True), view=view).to_svg()


def test_the_norm_of_a_parameters_gradient_is_known_without_a_record() -> None:
    model = nn.Linear(2, 1)
    loss = tg.sum(model(tg.Tensor(np.array([[3.0, 4.0]], np.float32))))
    loss.backward(retain_graph=True)
    g = viz.graph(loss, annotate=("grad_norm",), color="grad_norm")
    assert by_id(g)["weight"].notes["grad_norm"] == pytest.approx(5.0)
    assert "|\u2202| 5" in g.to_dot()


def test_an_input_that_learns_is_an_input_and_has_a_gradient() -> None:
    x = tg.Tensor(np.ones((2, 3)), requires_grad=True)
    g = viz.graph(tg.sum(nn.Linear(3, 2)(x)), inputs={"image": x}, view="both")
    assert by_id(g)["image"].kind == "input"
    assert by_id(g)["gradient image"].family == "input"
    plain = viz.graph(tg.sum(nn.Linear(3, 2)(x.detach())), view="both")
    assert "gradient input" not in by_id(plain)
