"""The backward view mirrors the forward one, and shows what was saved for it."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.viz.networks import by_id, residual_loss
from tinygrad_cnn import models, nn, viz
from tinygrad_cnn.errors import MissingDependencyError
from tinygrad_cnn.viz import drawing


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


def middles(g: viz.Graph) -> dict[str, float]:
    """The x in the middle of each box's outline."""
    space = "{http://www.w3.org/2000/svg}"
    found = {}
    for group in ET.fromstring(g.to_svg()).iter(f"{space}g"):
        if group.get("class") != "node" or not group.attrib["id"].startswith("n"):
            continue
        outlines = [*group.iter(f"{space}polygon"), *group.iter(f"{space}path")]
        drawn = " ".join(o.get("points") or o.get("d") or "" for o in outlines)
        xs = [float(pair.split(",")[0].strip("MC")) for pair in drawn.split() if "," in pair]
        if not xs:
            xs = [float(e.attrib["cx"]) for e in group.iter(f"{space}ellipse")]
        found[g.picture.nodes[int(group.attrib["id"][1:])].id] = (min(xs) + max(xs)) / 2
    return found


@pytest.mark.parametrize("engine", drawing.ENGINES)
@pytest.mark.parametrize("depth", [0, 1, None])
@pytest.mark.parametrize("learns", [False, True])
def test_every_gradient_stands_to_the_right_of_its_box(
    engine: str, depth: int | None, learns: bool
) -> None:
    try:
        drawing.find(engine)
    except MissingDependencyError as absent:
        pytest.skip(str(absent))
    x = tg.Tensor(np.ones((2, 4, 6, 6), np.float32), requires_grad=True)
    y = models.BasicBlock(4, 4)(x) if learns else residual_loss()[1]
    g = viz.graph(y, inputs={"x": x}, view="both", depth=depth, engine=engine)
    place = middles(g)
    pairs = [(n.notes["of"], n.id) for n in g.picture.nodes if n.kind == "gradient"]
    drawn = [(of, id_) for of, id_ in pairs if of in place and id_ in place]
    assert len(drawn) >= 3
    assert [id_ for of, id_ in drawn if place[id_] <= place[of]] == []
