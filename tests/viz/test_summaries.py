"""Parameters, work and saved bytes are those worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.viz.networks import Residual, by_id
from tinygrad_cnn import models, nn, viz
from tinygrad_cnn.errors import ConfigError


def resnet20_by_hand(n: int) -> tuple[int, int, int]:
    """(parameters, multiply-adds of convolutions and the last layer, bytes saved) for n images.

    Saved in training, as float32, each array once: the image; of every convolution its output,
    which the norm reads; of every ReLU its output, which the next convolution reads too; for every
    norm a mean and a 1/std a channel; what the last layer takes. Nobody reads a norm's output.
    """
    parameters, multiplies, kept, statistics = 650, n * 640, n * (3 * 32 * 32 + 64), 0

    def conv_norm(c: int, f: int, size: int) -> None:
        nonlocal parameters, multiplies, kept, statistics
        parameters += 9 * c * f + 2 * f
        multiplies += n * 9 * c * f * size * size
        kept += 2 * n * f * size * size  # of convolution and ReLU (of the sum, at the end)
        statistics += 2 * f

    conv_norm(3, 16, 32)
    c = 16
    for f, size in ((16, 32), (32, 16), (64, 8)):
        for _ in range(3):
            conv_norm(c, f, size)
            conv_norm(f, f, size)
            c = f
    return parameters, multiplies, 4 * (kept + statistics)


def test_resnet20_has_the_parameters_and_the_work_worked_out_by_hand() -> None:
    parameters, multiplies, _ = resnet20_by_hand(2)
    table = viz.summary(models.resnet20(), (2, 3, 32, 32))
    assert table.parameters == table.trainable == parameters == 269_722
    convolutions = sum(r.flops for r in table.rows if r.module in ("Conv2d", "Linear"))
    assert convolutions == 2 * multiplies + 2 * 10  # and the last layer's bias


def test_the_graph_of_resnet20_counts_as_it_is_done_by_hand() -> None:
    parameters, multiplies, saved = resnet20_by_hand(2)
    model = models.resnet20()
    y = model(tg.Tensor(np.zeros((2, 3, 32, 32), np.float32)))
    g = viz.graph(y, model=model, fold="none")
    heavy = sum(n.notes["flops"] for n in g.picture.nodes if n.op in ("conv", "linear"))
    assert heavy == 2 * multiplies + 2 * 10
    for depth in (0, 1, None):
        nodes = viz.graph(y, model=model, depth=depth).picture.nodes
        assert sum(n.notes.get("saved", 0) for n in nodes) == saved
    box = by_id(viz.graph(y, model=model, depth=0))["ResNet"]
    assert box.notes["parameters"] == parameters


def test_a_bottleneck_block_counts_as_it_is_done_by_hand() -> None:
    block = models.Bottleneck(8, 4, stride=2)  # 8 channels -> 4 -> 4 -> 16, 6x6 -> 3x3
    x = tg.Tensor(np.ones((1, 8, 6, 6), np.float32))
    box = by_id(viz.graph(block(x), depth=0))["Bottleneck"]
    weights = 8 * 4 + 9 * 4 * 4 + 4 * 16 + 8 * 16
    norms = 2 * (4 + 4 + 16 + 16)
    assert box.notes["parameters"] == weights + norms
    products = 36 * 8 * 4 + 9 * 9 * 4 * 4 + 9 * 4 * 16 + 9 * 8 * 16
    # a norm costs 4 a number, a ReLU and the sum 1
    rest = 4 * (36 * 4 + 9 * 4 + 9 * 16 + 9 * 16) + (36 * 4 + 9 * 4 + 9 * 16) + 9 * 16
    assert box.notes["flops"] == 2 * products + rest
    # x; output of each convolution; of the three ReLUs; two numbers a channel
    kept = 36 * 8 + (36 * 4 + 9 * 4 + 9 * 16 + 9 * 16) + (36 * 4 + 9 * 4 + 9 * 16) + norms
    assert box.notes["saved"] == 4 * kept


def test_attention_has_the_parameters_and_products_worked_out_by_hand() -> None:
    E, L, N = 8, 5, 2
    attention = nn.MultiheadAttention(E, num_heads=2, batch_first=True)
    x = tg.Tensor(np.ones((N, L, E), np.float32))
    table = viz.summary(_Self(attention), x)
    assert table.parameters == 4 * E * E + 4 * E
    g = viz.graph(_Self(attention)(x), fold="none")
    products = sum(n.notes["flops"] for n in g.picture.nodes if n.op in ("linear", "matmul"))
    projections = 2 * N * L * 4 * E * E + N * L * 4 * E
    scores = 2 * (2 * N * L * L * E)  # q k^T and its product with v, over all heads
    assert products == projections + scores


@pytest.mark.parametrize("data_learns", [False, True])
def test_attention_saves_the_bytes_worked_out_by_hand(data_learns: bool) -> None:
    """Slices of the projections' one weight are views of it and no bytes of their own."""
    E, L, N, heads = 8, 5, 2, 2
    model = _Self(nn.MultiheadAttention(E, heads, batch_first=True))
    x = tg.Tensor(np.ones((N, L, E), np.float32), requires_grad=data_learns)
    sequence, scores = N * L * E, N * heads * L * L
    # x, which three projections read; q / sqrt(D), k and v, which the two products read; softmax's
    # output, which its gradient and the second product read; what the output projection reads
    kept = sequence + 3 * sequence + scores + sequence
    for depth in (0, 1, None):
        nodes = viz.graph(model(x), depth=depth, fold="none").picture.nodes
        assert sum(n.notes.get("saved", 0) for n in nodes) == 4 * kept


def test_what_enters_a_module_after_its_weights_were_sliced_is_an_input() -> None:
    x = tg.Tensor(np.ones((2, 5, 8), np.float32))
    g = viz.graph(_Self(nn.MultiheadAttention(8, 2, batch_first=True))(x))
    assert [n.shape for n in g.picture.nodes if n.kind == "input"] == [(2, 5, 8)]
    assert "constant" not in [n.kind for n in g.picture.nodes]


class _Self(nn.Module):
    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, x: Any) -> Any:
        y = self.attention(x, x, x)
        return y[0] if isinstance(y, tuple) else y


def test_a_summary_leaves_the_model_as_it_was() -> None:
    model = Residual()
    model.layers.eval()
    state = {name: value.copy() for name, value in model.state_dict().items()}
    modes = [m.training for m in model.modules()]
    viz.summary(model, (2, 1, 6, 6))
    assert [m.training for m in model.modules()] == modes
    assert all(np.array_equal(state[name], value) for name, value in model.state_dict().items())


def test_a_model_that_fails_is_put_back_into_its_mode() -> None:
    model = Residual()
    with pytest.raises(tg.TinygradError):
        viz.summary(model, (2, 7, 6, 6))
    assert model.training


def test_a_layer_called_twice_says_so_and_counts_its_parameters_once() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x: Any) -> Any:
            return self.layer(self.layer(x))

    table = viz.summary(Twice(), (1, 3))
    assert "layer  Linear  x 2" in str(table)
    assert table.parameters == 12
    assert table.flops == 2 * (2 * 9 + 3)


def test_depth_limits_the_table_and_frozen_parameters_are_told() -> None:
    model = Residual()
    model.head.requires_grad_(False)
    table = viz.summary(model, (1, 1, 6, 6), depth=1)
    assert [row.path for row in table.rows] == ["", "stem", "layers", "head"]
    assert "27 of them frozen" in str(table)


@pytest.mark.parametrize("x", ["picture", 3, (), [1.5]])
def test_what_is_no_input_is_refused(x: Any) -> None:
    with pytest.raises(ConfigError, match="shape such as"):
        viz.summary(nn.ReLU(), x)


def test_a_model_prints_its_own_summary() -> None:
    model, x = Residual(), (2, 1, 6, 6)
    assert str(model.summary(x)) == repr(model.summary(x)) == str(viz.summary(model, x))
    assert str(model.summary(x, depth=1)) == str(viz.summary(model, x, depth=1))


def test_without_an_input_nothing_runs_and_the_parameters_are_told() -> None:
    class Broken(Residual):
        def forward(self, x: Any) -> Any:
            raise AssertionError("it ran")

    table = Broken().summary()
    assert table.parameters == viz.summary(Residual(), (2, 1, 6, 6)).parameters
    assert table.flops is None
    assert str(table).splitlines()[0].split() == ["layer", "parameters"]
    assert "FLOP" not in str(table)
