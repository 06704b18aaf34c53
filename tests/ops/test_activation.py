"""Activations where the table of derivatives does not look: at kinks, in the tails, in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor, ops
from tinygrad_cnn.errors import ConfigError, ShapeError

POINTS = np.array([-800, -6, -3, -2, -1, -0.5, -0.0, 0.0, 0.5, 1, 2, 3, 6, 25, 800.0])

AS_PYTORCH: list[tuple[str, dict[str, Any]]] = [
    ("relu", {}),
    ("relu6", {}),
    ("leaky_relu", {"negative_slope": 0.1}),
    ("leaky_relu", {"negative_slope": -0.5}),
    ("hardtanh", {"min_val": -2.0, "max_val": 0.5}),
    ("hardswish", {}),
    ("hardshrink", {"lambd": 0.5}),
    ("softshrink", {"lambd": 0.5}),
    ("elu", {"alpha": 0.7}),
    ("elu", {"alpha": -0.7}),
    ("celu", {"alpha": 2.0}),
    ("celu", {"alpha": -2.0}),
    ("selu", {}),
    ("silu", {}),
    ("mish", {}),
    ("gelu", {}),
    ("gelu", {"approximate": "tanh"}),
    ("logsigmoid", {}),
    ("softsign", {}),
    ("tanhshrink", {}),
]


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "options"), AS_PYTORCH)
def test_values_and_slopes_at_kinks_and_far_out_are_pytorchs(
    name: str, options: dict[str, Any]
) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")
    x, other = Tensor(POINTS, requires_grad=True), torch.tensor(POINTS, requires_grad=True)
    y, expected = (
        getattr(ops, name)(x, **options),
        getattr(torch.nn.functional, name)(other, **options),
    )
    y.sum().backward()
    expected.sum().backward()
    np.testing.assert_allclose(y.data, expected.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(x.grad.data, other.grad.numpy(), rtol=1e-10, atol=1e-300)


@pytest.mark.parametrize(("name", "options"), AS_PYTORCH)
def test_a_second_derivative_is_finite_at_kinks_and_far_out(
    name: str, options: dict[str, Any]
) -> None:
    f = lambda x: getattr(ops, name)(x, **options).sum()  # noqa: E731
    second = tg.grad(lambda x: tg.grad(f)(x).sum())(Tensor(POINTS))
    assert np.isfinite(second.data).all()


def kept(y: Tensor) -> list[bool]:
    """Whether the graph keeps the values of (the input, the output)."""
    node = y._node
    assert node is not None
    return [isinstance(a, np.ndarray) for a in (node.args[0], node.output)]


@pytest.mark.parametrize("f", [ops.relu, ops.leaky_relu, ops.relu6, ops.hardtanh, ops.tanh])
def test_the_graph_keeps_the_output_alone_which_the_next_layer_keeps_anyway(f: Any) -> None:
    assert kept(f(Tensor(POINTS, requires_grad=True))) == [False, True]


def test_the_slope_of_selu_keeps_mean_0_and_variance_1() -> None:
    x = tg.manual_seed(0).normal(size=100_000)
    y = ops.selu(x)
    assert abs(y.mean()) < 0.02
    assert abs(y.var() - 1) < 0.02
    dropped = ops.alpha_dropout(y, p=0.2)
    assert abs(dropped.mean()) < 0.02
    assert abs(dropped.var() - 1) < 0.02


def test_rrelu_draws_each_slope_between_its_bounds_in_training_alone() -> None:
    x = -np.ones(1000)
    slopes = -ops.rrelu(x, lower=0.2, upper=0.4, training=True)
    assert 0.2 <= slopes.min() < 0.21
    assert 0.39 < slopes.max() <= 0.4
    np.testing.assert_allclose(ops.rrelu(x, lower=0.2, upper=0.4), -0.3)


@pytest.mark.parametrize(
    ("call", "kind", "match"),
    [
        (lambda x: ops.hardtanh(x, min_val=1.0, max_val=0.0), ConfigError, "may not exceed"),
        (lambda x: ops.softshrink(x, lambd=-1.0), ConfigError, "at least 0, got -1.0"),
        (lambda x: ops.celu(x, alpha=0), ConfigError, "must not be 0"),
        (lambda x: ops.gelu(x, approximate="erf"), ConfigError, "got 'erf'"),
        (lambda x: ops.rrelu(x, lower=1.0, upper=0.0), ConfigError, "may not exceed upper"),
        (lambda x: ops.alpha_dropout(x, p=2.0), ConfigError, "alpha_dropout: p is a probability"),
        (lambda x: ops.glu(x, axis=1), ShapeError, r"must be even, got shape \(2, 3\)"),
        (lambda x: ops.prelu(x, np.ones(2)), ShapeError, r"or \(3,\) for the channels of x"),
    ],
)
def test_an_option_that_makes_no_sense_is_told(
    call: Any, kind: type[Exception], match: str
) -> None:
    with pytest.raises(kind, match=match):
        call(np.ones((2, 3)))
