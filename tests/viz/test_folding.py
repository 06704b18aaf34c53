"""Blocks fold where they are equal and in a row, and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_cnn as tg
from tests.viz.networks import Block, by_id, residual_loss
from tinygrad_cnn import nn, viz
from tinygrad_cnn.nn import functional as F

X = tg.Tensor(np.ones((2, 4), np.float32))


class Layer(nn.Module):
    """tanh(linear(x))"""

    def __init__(self, size: int = 4) -> None:
        super().__init__()
        self.linear = nn.Linear(size, size)

    def forward(self, x: Any) -> Any:
        return tg.tanh(self.linear(x))


def repeats(g: viz.Graph) -> dict[str, int]:
    return {s.path: s.repeats for s in g.picture.scopes if s.repeats > 1}


def test_equal_blocks_in_a_row_are_one() -> None:
    g = viz.graph(nn.Sequential(*[Layer() for _ in range(5)])(X))
    assert repeats(g) == {"0-4": 5}
    assert [n.op for n in g.picture.nodes if n.kind == "op"] == ["linear", "tanh"]


def test_fold_none_draws_each() -> None:
    g = viz.graph(nn.Sequential(Layer(), Layer())(X), fold="none")
    assert repeats(g) == {}
    assert len([n for n in g.picture.nodes if n.op == "tanh"]) == 2


def test_the_arrow_behind_a_fold_starts_at_the_block_that_is_drawn() -> None:
    g = viz.graph(tg.sum(nn.Sequential(Layer(), Layer())(X)))
    (edge,) = (e for e in g.picture.edges if e.target == "sum")
    assert edge.source == "Sequential/0/tanh"


def test_parameters_and_measurements_are_those_of_all_blocks_together() -> None:
    model = nn.Sequential(*[Layer() for _ in range(3)])
    folded, each = viz.graph(model(X)), viz.graph(model(X), fold="none")
    (block,) = (s for s in folded.picture.scopes if s.repeats == 3)
    assert block.parameters == 3 * 20
    for key in ("saved", "flops"):
        sums = [sum(n.notes.get(key, 0) for n in g.picture.nodes) for g in (folded, each)]
        assert sums[0] == sums[1] > 0
    box = by_id(viz.graph(model(X), depth=0))["Sequential"]
    assert box.notes["flops"] == sums[0]


def test_blocks_of_other_sizes_or_settings_do_not_fold() -> None:
    class Leaky(nn.Module):
        def __init__(self, slope: float) -> None:
            super().__init__()
            self.linear, self.slope = nn.Linear(4, 4), slope

        def forward(self, x: Any) -> Any:
            return F.leaky_relu(self.linear(x), self.slope)

    assert repeats(viz.graph(nn.Sequential(Leaky(0.1), Leaky(0.2))(X))) == {}
    assert repeats(viz.graph(nn.Sequential(Leaky(0.1), Leaky(0.1))(X))) == {"0-1": 2}
    model = nn.Sequential(Block(1, 1), Block(1, 2), Block(2, 2))
    assert repeats(viz.graph(model(tg.Tensor(np.ones((2, 1, 3, 3)))))) == {}


def test_a_run_that_something_else_looks_into_does_not_fold() -> None:
    model = nn.Sequential(Layer(), Layer(), Layer())
    middle = model[0](X)
    end = model[2](model[1](middle))
    assert repeats(viz.graph([tg.sum(end), tg.sum(middle)], model=model)) == {"1-2": 2}


def test_parallel_branches_do_not_fold() -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = Layer(), Layer()

        def forward(self, x: Any) -> Any:
            x = tg.exp(x * nn.Parameter(np.ones(4, np.float32)))
            return self.left(x) + self.right(x)

    assert repeats(viz.graph(Branches()(X))) == {}


def test_a_module_called_again_and_again_folds_and_says_that_it_shares_its_parameters() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = Layer()

        def forward(self, x: Any) -> Any:
            for _ in range(4):
                x = self.cell(x)
            return x

    g = viz.graph(Recurrent()(X))
    (cell,) = (s for s in g.picture.scopes if s.repeats == 4)
    assert (cell.path, cell.shared, cell.parameters) == ("cell", True, 20)
    box = by_id(viz.graph(Recurrent()(X), depth=1))["Recurrent/cell"]
    assert box.notes["shared"]
    assert "parameters shared" in viz.graph(Recurrent()(X), depth=1).to_text()


def test_folds_nest() -> None:
    model = nn.Sequential(*[nn.Sequential(Layer(), Layer()) for _ in range(3)])
    g = viz.graph(model(X))
    assert repeats(g) == {"0-2": 3, "0.0-1": 2}
    assert all(words in g.to_dot() for words in ("0-2 \u00d7 3", "0.0-1 \u00d7 2"))
    assert [n.op for n in g.picture.nodes if n.kind == "op"] == ["linear", "tanh"]
    assert next(s.parameters for s in g.picture.scopes if s.repeats == 2) == 6 * 20


def test_the_skip_of_a_folded_block_stays_visible() -> None:
    _, loss = residual_loss()
    whole, closed = viz.graph(loss), viz.graph(loss, depth=1)
    block = "Residual/layers/0"
    assert repeats(whole) == {"layers.0-1": 2}
    assert ("Residual/relu", f"{block}/add") in {
        (e.source, e.target) for e in whole.picture.edges if e.kind == "skip"
    }
    assert ("Residual/relu", block) in {
        (e.source, e.target) for e in closed.picture.edges if e.kind == "skip"
    }
    assert "layers.0-1 \u00d7 2" in closed.to_dot()
