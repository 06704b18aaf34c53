"""Two graphs differ in what was added, removed and changed, and in nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.viz.networks import residual_loss
from tinygrad_cnn import nn, viz
from tinygrad_cnn.errors import DataError
from tinygrad_cnn.nn import functional as F

Activation = Callable[[Any], Any]


class Net(nn.Module):
    """Two linear layers, an activation behind each."""

    def __init__(self, one: Activation, two: Activation, width: int = 4) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, width), nn.Linear(width, 2)
        self.one, self.two = one, two

    def forward(self, x: Any) -> Any:
        return self.two(self.second(self.one(self.first(x))))


def draw(*options: Any) -> viz.Graph:
    return viz.graph(Net(*options)(tg.Tensor(np.ones((5, 3), np.float32))))


def told(difference: viz.Difference) -> list[tuple[str, str]]:
    return [(change.how, change.id) for change in difference.changes]


def test_equal_graphs_do_not_differ() -> None:
    difference = viz.diff(draw(F.relu, F.relu), draw(F.relu, F.relu))
    assert not difference
    assert difference.to_text() == "the graphs are equal\n"


def test_an_op_put_in_another_place_is_added_and_removed() -> None:
    difference = viz.diff(draw(F.relu, F.relu), draw(tg.tanh, F.relu))
    # the relu that is left is called Net/relu now, and was Net/relu#2: it has not changed
    assert told(difference) == [
        ("added", "Net/tanh"),
        ("changed", "Net/second/linear"),
        ("removed", "Net/relu"),
    ]
    assert "input Net/relu -> Net/tanh" in difference.to_text()


def test_a_setting_and_a_shape_that_changed_are_told_with_both_values() -> None:
    leaky = lambda slope: lambda x: F.leaky_relu(x, slope)  # noqa: E731
    text = viz.diff(draw(leaky(0.1), F.relu, 4), draw(leaky(0.2), F.relu, 6)).to_text()
    assert "~ Net/leaky_relu: detail negative_slope 0.1 -> negative_slope 0.2" in text
    assert "~ first.weight: shape (4, 3) -> (6, 3)" in text


def test_the_drawing_marks_what_is_new_and_keeps_what_is_gone() -> None:
    difference = viz.diff(draw(F.relu, F.relu), draw(tg.tanh, F.relu))
    marks = {n.id: n.notes["change"] for n in difference.picture.nodes if "change" in n.notes}
    assert marks == {
        "Net/tanh": "added",
        "Net/second/linear": "changed",
        "removed Net/relu": "removed",
    }
    places = [n.id for n in difference.picture.nodes]
    assert places.index("removed Net/relu") == places.index("Net/first/linear") + 1
    assert all(word in difference.to_dot() for word in ("added", "removed (dashed)", "changed"))
    assert "<svg" in difference.to_svg()
    assert "<template" in difference.to_html()


def test_a_graph_is_the_one_that_was_saved(tmp_path: Path) -> None:
    path = viz.graph(residual_loss()[1]).save(tmp_path / "expected.json")
    viz.assert_same_graph(viz.graph(residual_loss()[1]), path)
    viz.assert_same_graph(residual_loss()[1], path)


def test_measurements_are_no_part_of_the_comparison(tmp_path: Path) -> None:
    path = viz.graph(residual_loss()[1]).save(tmp_path / "expected.json")
    with viz.record() as measured:
        _, loss = residual_loss()
        loss.backward()
    viz.assert_same_graph(viz.graph(loss, record=measured), path)


def test_another_graph_fails_and_the_message_tells_the_difference(tmp_path: Path) -> None:
    path = draw(F.relu, F.relu).save(tmp_path / "expected.json")
    with pytest.raises(AssertionError, match=r"(?s)\+ Net/tanh.*write it again with graph\.save"):
        viz.assert_same_graph(draw(tg.tanh, F.relu), path)


def test_a_missing_or_broken_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="does not exist: write it once"):
        viz.assert_same_graph(draw(F.relu, F.relu), tmp_path / "none.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(DataError):
        viz.assert_same_graph(draw(F.relu, F.relu), tmp_path / "broken.json")
