"""Reductions at their edges: no elements, no axes, ties, zeros, infinities, integers."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor
from tinygrad_cnn.core import gradients_of
from tinygrad_cnn.errors import AxisError, ShapeError


def leaf(values: Any, dtype: Any = np.float64) -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


def slope(f: Any, at: Any) -> Any:
    x = leaf(at)
    tg.sum(f(x)).backward()
    return x.grad.tolist()


REDUCTIONS = ["sum", "mean", "prod", "max", "min", "logsumexp", "std", "var", "all", "any"]
NUMPYS = {"logsumexp": lambda x, **k: np.log(np.sum(np.exp(x), **k))}
AXES = [None, 0, -1, 1, (0,), (0, 2), (-1, 0), (), (0, 1, 2), [0, 1]]


@pytest.mark.parametrize("name", REDUCTIONS)
def test_axis_and_keepdims_mean_what_numpy_means(name: str) -> None:
    a = np.random.default_rng(0).normal(size=(2, 3, 4))
    for axis, keepdims in product(AXES, (True, False)):
        options = {"axis": tuple(axis) if isinstance(axis, list) else axis, "keepdims": keepdims}
        expected = NUMPYS.get(name, getattr(np, name, None))(a, **options)
        y = getattr(tg, name)(leaf(a), axis=axis, keepdims=keepdims)
        np.testing.assert_allclose(y.data, expected, rtol=1e-13)
        assert y.shape == np.shape(expected)


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize(
    ("axis", "message"),
    [(3, "3 axes"), (-4, "axis=-4"), ((0, 0), "once"), ((0, -3), "once"), ((1, 5), "axis=5")],
)
def test_an_axis_that_does_not_exist_or_comes_twice_is_refused(
    name: str, axis: Any, message: str
) -> None:
    with pytest.raises(AxisError, match=message):
        getattr(tg, name)(leaf(np.ones((2, 3, 4))), axis=axis)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_scalar_is_its_own_reduction_and_has_no_axis(name: str) -> None:
    y = getattr(tg, name)(leaf(2.0))
    assert y.shape == ()
    with pytest.raises(AxisError, match="scalar"):
        getattr(tg, name)(leaf(2.0), axis=0)


@pytest.mark.parametrize(
    ("name", "of_nothing"),
    [("sum", 0.0), ("prod", 1.0), ("logsumexp", -np.inf), ("mean", np.nan), ("var", np.nan)],
)
def test_reductions_of_nothing(name: str, of_nothing: float) -> None:
    f = getattr(tg, name)
    for shape, axis, out in [((0,), None, ()), ((3, 0), 1, (3,)), ((0, 3), 0, (3,))]:
        x = leaf(np.ones(shape))
        y = f(x, axis=axis)
        assert np.array_equal(y.data, np.full(out, of_nothing), equal_nan=True)
        y.backward(np.ones(out))
        assert x.grad.shape == shape
    assert f(leaf(np.ones((3, 0))), axis=0).shape == (0,)


@pytest.mark.parametrize("name", ["max", "min"])
def test_there_is_no_largest_of_nothing(name: str) -> None:
    with pytest.raises(ShapeError, match=r"no elements.*\(3, 0\)"):
        getattr(tg, name)(leaf(np.ones((3, 0))), axis=1)
    assert getattr(tg, name)(leaf(np.ones((3, 0))), axis=0).shape == (0,)


@pytest.mark.parametrize(
    ("f", "at", "expected"),
    [
        (tg.max, [1.0, 4.0, 4.0], [0, 0.5, 0.5]),
        (tg.min, [1.0, 1.0, 4.0], [0.5, 0.5, 0]),
        (tg.max, [2.0, 2.0, 2.0, 2.0], [0.25] * 4),
        (lambda x: tg.max(x, axis=1), [[1.0, 1.0], [0.0, 2.0]], [[0.5, 0.5], [0, 1]]),
        (tg.max, [-np.inf, -np.inf], [0.5, 0.5]),
        (lambda x: tg.prod(x), [2.0, 0.0, 3.0], [0, 6, 0]),
        (lambda x: tg.prod(x), [0.0, 0.0, 3.0], [0, 0, 0]),
        (lambda x: tg.prod(x), [5.0], [1]),
        (lambda x: tg.prod(x, axis=()), [5.0, 0.0], [1, 1]),
        (tg.std, [3.0, 3.0, 3.0], [0, 0, 0]),
        (tg.std, [3.0], [0]),
        (tg.var, [3.0, 3.0], [0, 0]),
        (tg.logsumexp, [-np.inf, -np.inf], [0, 0]),
        (tg.logsumexp, [-np.inf, 0.0], [0, 1]),
        (tg.logsumexp, [1000.0, 1000.0], [0.5, 0.5]),
        (tg.logsumexp, [-1000.0, -1000.0], [0.5, 0.5]),
    ],
)
def test_at_ties_zeros_and_infinities_the_derivative_is_the_documented_one(
    f: Any, at: Any, expected: Any
) -> None:
    np.testing.assert_allclose(slope(f, at), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_the_hessian_of_a_product_is_exact_at_zeros(zeros: int) -> None:
    a = np.array([2.0, 3.0, 5.0, 7.0])
    a[:zeros] = 0.0
    x = leaf(a)
    (g,) = gradients_of([tg.prod(x)], [1.0], [x], create_graph=True)
    for i in range(4):
        (row,) = gradients_of([g[i]], [1.0], [x], retain_graph=True)
        for j in range(4):
            others = [a[k] for k in range(4) if k not in (i, j)]
            assert row.data[j] == (np.prod(others) if i != j else 0.0)


@pytest.mark.parametrize("name", ["logsumexp", "softmax", "log_softmax"])
@pytest.mark.parametrize("shift", [0.0, 1000.0, -1000.0, 1e300])
def test_a_shift_of_the_logits_neither_overflows_nor_loses_digits(name: str, shift: float) -> None:
    a = np.array([[0.0, 1.0, 2.0], [2.0, 2.0, 2.0]]) * (1 if abs(shift) < 1e300 else 0)
    f = getattr(tg, name)
    y = f(leaf(a + shift), axis=1)
    expected = f(a, axis=1) + (shift if name == "logsumexp" else 0)
    np.testing.assert_allclose(y.data, expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_logits_of_minus_infinity_get_no_probability_and_no_gradient(name: str) -> None:
    x = leaf([0.0, -np.inf, 0.0])
    y = getattr(tg, name)(x, axis=0)
    weights = np.array([1.0, 0.0, 0.0]) if y.shape else 1.0
    y.backward(np.broadcast_to(weights, y.shape))
    assert np.isfinite(x.grad.data).all()
    assert x.grad.data[1] == 0.0


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "cumsum"])
def test_a_function_along_an_axis_of_nothing_gives_nothing(
    name: str, axis: int, shape: tuple[int, int]
) -> None:
    x = leaf(np.ones(shape))
    y = getattr(tg, name)(x, axis=axis)
    assert y.shape == shape
    y.backward(np.ones(shape))
    assert x.grad.shape == shape


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "mean", "var", "logsumexp"])
def test_integers_are_reduced_as_numpy_reduces_them(name: str) -> None:
    a = np.array([[1, 2], [3, 4]], np.int8)
    expected = NUMPYS.get(name, getattr(np, name, None))(a.astype(float), axis=0)
    y = getattr(tg, name)(Tensor(a), axis=0)
    np.testing.assert_allclose(y.data, expected, rtol=1e-12)
    assert y.dtype.kind == ("f" if name in ("mean", "var", "logsumexp") else "i")


@pytest.mark.parametrize(("correction", "n"), [(1, 1), (2, 2), (5, 3)])
def test_a_variance_without_degrees_of_freedom_is_not_a_number(correction: int, n: int) -> None:
    assert np.isnan(tg.var(np.arange(float(n)), correction=correction))


def test_a_long_sum_in_single_precision_keeps_its_digits() -> None:
    x = np.full(1_000_000, 0.1, np.float32)
    assert float(tg.sum(x)) == pytest.approx(100_000, rel=1e-6)
    assert float(tg.mean(x)) == pytest.approx(0.1, rel=1e-6)
    assert float(tg.var(x + 1000)) < 1e-4
