"""What is read off a network: gradients, fields of view, memory."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cnn import models, nn
from tinygrad_cnn.data import ArrayDataset
from tinygrad_cnn.train import recipes
from tinygrad_cnn.train.study import insights

X = np.random.default_rng(0).random((4, 1, 16, 16), dtype=np.float32)
Y = np.array([0, 1, 2, 3])
FACTS = models.Images(size=16)


def test_looking_leaves_the_network_as_it_was() -> None:
    model = models.SimpleCNN(FACTS, batch_norm=True).eval()
    before = model.state_dict()
    insights.gradient_flow(model, X, Y)
    insights.step_memory(model, X, Y)
    insights.field_of_view(model, X)
    assert not model.training
    assert all(p.grad is None or not p.grad.data.any() for p in model.parameters())
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_the_gradients_come_in_the_order_of_the_layers() -> None:
    flow = insights.gradient_flow(models.DeepCNN(FACTS, depth=2), X, Y)
    assert list(flow) == ["convolutions.0.weight", "convolutions.1.weight", "classify.weight"]
    assert all(value > 0 for value in flow.values())


@pytest.mark.parametrize(("kernel", "layers"), [(3, 1), (3, 3), (5, 2)])
def test_the_extent_of_a_field_is_the_receptive_field(kernel: int, layers: int) -> None:
    convolutions = [nn.Conv2d(1, 1, kernel, padding=kernel // 2) for _ in range(layers)]
    for layer in convolutions:
        nn.init.ones_(layer.weight)
    field = insights.field_of_view(nn.Sequential(*convolutions), X)
    size = 1 + layers * (kernel - 1)
    assert insights.extent(field) == (size, size)
    assert field[8, 8] == field.max() == 1


# By hand, backwards from one pixel of the last maps: pooling doubles, a 3x3 convolution adds 2.
@pytest.mark.parametrize(
    ("network", "size"),
    [("cnn", 22), ("own-convolution", 22), ("depth-2", 10), ("depth-4", 16), ("depth-6", 22)],
)
def test_rounding_widens_no_receptive_field(network: str, size: int) -> None:
    digits = ArrayDataset(np.zeros((10, 28, 28), np.uint8), np.arange(10))
    model = recipes.get(f"study-{network}").fitted_to(digits).model()
    x = np.random.default_rng(0).random((32, 1, 28, 28), dtype=np.float32)
    assert insights.extent(insights.field_of_view(model, x)) == (size, size)


def test_a_network_without_maps_has_no_field() -> None:
    field = insights.field_of_view(models.FullyConnected(FACTS), X)
    assert field.size == 0
    assert insights.extent(field) == (0, 0)


def test_memory_is_what_the_layers_keep() -> None:
    layer = nn.Sequential(nn.Flatten(), nn.Linear(256, 10))
    kept = insights.step_memory(layer, X, Y)
    assert kept >= X.nbytes  # the input of the linear layer, for its weight's gradient
    assert kept < 4 * (X.nbytes + 4 * 256 * 10)
