"""Layers of one's own: their gradients, to the second order, and what they compute."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cnn import Tensor, nn
from tinygrad_cnn.models import custom
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.testing import gradcheck


def arrays(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.normal(size=shape) for shape in shapes]


@pytest.mark.parametrize(
    ("op", "inputs"),
    [
        (lambda x, w: custom.conv_by_columns(x, w, padding=1), arrays((2, 2, 4, 3), (3, 2, 3, 3))),
        (lambda x, w: custom.conv_by_columns(x, w, padding=0), arrays((1, 2, 5, 5), (2, 2, 5, 5))),
        (custom.squeeze_excite, arrays((2, 4, 2, 3), (2, 4), (4, 2))),
        (custom.attend, arrays((2, 2, 4), (2, 2, 4), (2, 3, 4))),
        (lambda x: custom.lp_mean(x, p=3.0), arrays((2, 2, 4, 5))),
        (custom.mixed_pool, [*arrays((2, 2, 5, 4)), np.array([0.3])]),
        (custom.gated, [*arrays((2, 3, 2, 2)), np.array([0.5, 1.0, 2.0]).reshape(3, 1, 1)]),
    ],
    ids=["convolution", "one window", "squeeze", "attention", "lp", "mixed", "activation"],
)
def test_the_gradients_are_those_of_difference_quotients_to_second_order(op, inputs) -> None:
    assert gradcheck(op, *inputs, order=2)


def test_the_convolution_is_the_library_s() -> None:
    x, w = arrays((2, 3, 6, 5), (4, 3, 3, 3))
    np.testing.assert_allclose(
        custom.conv_by_columns(x, w, padding=1), F.conv2d(x, w, padding=1), rtol=1e-12
    )


def test_squeeze_excitation_is_the_library_s_without_biases() -> None:
    (x,) = arrays((2, 8, 3, 3))
    own = custom.OwnSqueezeExcitation(8).to(np.float64)
    a, b = own.squeeze.weight.data, own.excite.weight.data
    s = 1 / (1 + np.exp(-np.maximum(x.mean((2, 3)) @ a.T, 0) @ b.T))
    np.testing.assert_allclose(own(Tensor(x)).data, x * s[:, :, None, None], rtol=1e-12)


def test_attention_is_the_library_s() -> None:
    q, k, v = arrays((2, 3, 5), (2, 3, 5), (2, 4, 5))
    turned = (a.transpose(0, 2, 1) for a in (q, k, v))
    expected = F.scaled_dot_product_attention(*turned).transpose(0, 2, 1)
    np.testing.assert_allclose(custom.attend(q, k, v), expected, rtol=1e-12)


def test_self_attention_begins_as_the_identity() -> None:
    (x,) = arrays((2, 8, 3, 3))
    np.testing.assert_array_equal(custom.OwnSelfAttention(8)(Tensor(x)).data, x)


def test_lp_pooling_lies_between_the_mean_and_the_maximum() -> None:
    x = np.abs(arrays((2, 3, 4, 4))[0])
    low, high = F.avg_pool2d(x, 2), F.max_pool2d(x, 2)
    np.testing.assert_allclose(custom.lp_mean(x, p=1), low, rtol=1e-12)
    y = custom.lp_mean(x, p=3)
    assert np.all((low < y) & (y < high))


def test_lp_pooling_of_a_window_of_zeros_has_no_gradient() -> None:
    x = Tensor(np.zeros((1, 1, 2, 2)), requires_grad=True)
    custom.lp_mean(x, p=3.0).sum().backward()
    np.testing.assert_array_equal(x.grad.data, 0)


@pytest.mark.parametrize(("mix", "pool"), [(1.0, F.max_pool2d), (0.0, F.avg_pool2d)])
def test_mixed_pooling_has_both_kinds_at_its_ends(mix, pool) -> None:
    (x,) = arrays((2, 3, 5, 4))
    np.testing.assert_allclose(custom.mixed_pool(x, np.array([mix])), pool(x, 2), rtol=1e-12)


@pytest.mark.parametrize(
    "layer",
    [
        custom.OwnConv2d(4, 6),
        custom.OwnSqueezeExcitation(4),
        custom.OwnSelfAttention(4),
        custom.OwnLpPool(),
        custom.OwnMixedPool(),
        custom.OwnActivation(4),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_every_parameter_of_a_layer_gets_a_gradient_in_its_own_shape(layer: nn.Module) -> None:
    x = Tensor(arrays((2, 4, 6, 6))[0].astype(np.float32), requires_grad=True)
    layer(x).sum().backward()
    for p in (x, *layer.parameters()):
        assert p.grad is not None
        assert p.grad.shape == p.shape
