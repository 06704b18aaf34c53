"""Running products through zeros, sums of exponentials beyond floats, records and differences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tinygrad_cnn import Tensor, errors, ops
from tinygrad_cnn.core import gradients_of
from tinygrad_cnn.ops.scan import recurrence

RNG = np.random.default_rng(0)


def leaf(x: Any) -> Tensor:
    return Tensor(np.asarray(x, float), requires_grad=True)


@pytest.mark.parametrize("zeros", [(), (1,), (0, 2), (1, 2, 3), (0, 1, 2, 3, 4)])
def test_every_derivative_of_a_running_product_is_exact_through_zeros(
    zeros: tuple[int, ...],
) -> None:
    # prod (x_i + t v_i) is a polynomial in t: its coefficients are the derivatives along v.
    x, v = RNG.normal(size=5), RNG.normal(size=5)
    x[list(zeros)] = 0
    w = RNG.normal(size=5)
    expected = np.zeros(6)
    p = np.ones(1)
    for i in range(5):
        p = np.convolve(p, [x[i], v[i]])
        expected[: len(p)] += w[i] * p
    at = leaf(x)
    y = ops.sum(ops.cumulative_prod(at) * w)
    found = [y.item()]
    for order in range(1, 6):
        (g,) = gradients_of([y], [np.ones(())], [at], create_graph=True)
        y = ops.sum(g * v)
        found.append(y.item() / math.factorial(order))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


def test_the_product_of_everything_has_every_derivative_at_zeros() -> None:
    x = leaf([0.0, 2.0, 0.0, 3.0])
    y = ops.prod(x)
    (g,) = gradients_of([y], [np.ones(())], [x], create_graph=True)
    (h,) = gradients_of([g[0]], [np.ones(())], [x])
    assert g.data.tolist() == [0, 0, 0, 0]
    assert h.data.tolist() == [0, 0, 6, 0]


def test_a_running_sum_starts_with_nothing_where_asked() -> None:
    x = np.array([[1, 2], [3, 4]], np.int8)
    assert ops.cumulative_sum(x, axis=1, include_initial=True).tolist() == [[0, 1, 3], [0, 3, 7]]
    assert ops.cumulative_prod(x, axis=0, include_initial=True).tolist() == [[1, 1], [1, 2], [3, 8]]
    assert ops.cumulative_sum(x, axis=0).dtype == np.int64
    assert ops.cumulative_sum(x, axis=0, dtype=np.float32).dtype == np.float32


def test_a_running_sum_of_more_than_a_vector_names_its_axis() -> None:
    with pytest.raises(errors.AxisError, match=r"name the axis, unless x is a vector.*\(2, 2\)"):
        ops.cumulative_sum(np.ones((2, 2)))


def test_running_sums_of_exponentials_neither_overflow_nor_start_with_nan() -> None:
    x = leaf([-np.inf, -np.inf, 1e4, 1e4 - 1, -np.inf])
    y = ops.logcumsumexp(x)
    last = 1e4 + math.log1p(math.exp(-1))
    np.testing.assert_allclose(y.data, [-np.inf, -np.inf, 1e4, last, last])
    (g,) = gradients_of([y], [np.ones(5)], [x])
    p = 1 / (1 + math.exp(-1))
    np.testing.assert_allclose(g.data, [0, 0, 1 + 2 * p, 2 * (1 - p), 0], atol=1e-12)


def test_a_recurrence_is_a_running_sum_for_factors_of_one_and_takes_any_factor() -> None:
    b = RNG.normal(size=(2, 6))
    np.testing.assert_allclose(recurrence(np.ones(()) * np.ones(6), b), np.cumsum(b, axis=-1))
    # a product of the factors alone would overflow, and 0 * inf is no number
    y = recurrence(np.array([1.0, 1e200, 1e200, 2.0]), np.array([0.0, 0.0, 3.0, 1.0]))
    assert y.tolist() == [0, 0, 3, 7]


def test_of_equal_records_the_first_gets_the_gradient() -> None:
    x = leaf([1, 3, 3, 2, 4])
    y = ops.cumulative_max(x)
    y.backward(np.ones(5))
    assert y.data.tolist() == [1, 3, 3, 3, 4]
    assert x.grad.data.tolist() == [1, 3, 0, 0, 1]
    assert ops.cumulative_min(np.array([2.0, 1.0, 1.5])).tolist() == [2, 1, 1]


def test_a_nan_stands_from_where_it_is_met() -> None:
    y = ops.cumulative_max(np.array([1.0, np.nan, 3.0]))
    np.testing.assert_array_equal(y, [1, np.nan, np.nan])


def test_differences_take_what_is_put_before_and_after() -> None:
    x = np.array([[1.0, 4.0, 9.0]])
    y = ops.diff(x, prepend=np.zeros((1, 1)), append=np.full((1, 1), 16.0))
    assert y.tolist() == [[1, 3, 5, 7]]
    assert ops.diff(np.array([True, False, False])).tolist() == [True, False]
    assert ops.diff(x, n=5).shape == (1, 0)
    with pytest.raises(errors.ConfigError, match="at least 0, got -1"):
        ops.diff(x, n=-1)


def test_differences_undo_running_sums() -> None:
    x = RNG.normal(size=(3, 4))
    y = ops.diff(ops.cumulative_sum(x, axis=1, include_initial=True), axis=1)
    np.testing.assert_allclose(y, x, rtol=1e-12)
