"""Order among equals, NaN, and what is read off a sorted axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_cnn import Tensor, errors, ops
from tinygrad_cnn.core import gradients_of

TIES = hnp.arrays(
    np.float64,
    hnp.array_shapes(max_dims=3, min_side=0, max_side=5),
    elements=st.sampled_from([0.0, 1.0, 2.0, np.inf]),
)


def leaf(x: Any) -> Tensor:
    return Tensor(np.asarray(x, float), requires_grad=True)


@given(TIES, st.booleans())
def test_equal_elements_keep_their_order_upwards_and_downwards(x: np.ndarray, down: bool) -> None:
    order = ops.argsort(x, descending=down)
    expected = np.argsort(-x if down else x, axis=-1, kind="stable")
    assert order.tolist() == expected.tolist()
    assert ops.sort(x, descending=down).tolist() == np.take_along_axis(x, expected, -1).tolist()


@given(TIES)
def test_each_element_gets_the_gradient_of_its_place_also_among_equals(x: np.ndarray) -> None:
    y = ops.sort(t := leaf(x), axis=0)
    g = np.arange(1.0, 1 + y.size).reshape(y.shape)
    (G,) = gradients_of([y], [g], [t])
    order = np.argsort(x, axis=0, kind="stable")
    assert np.take_along_axis(G.data, order, 0).tolist() == g.tolist()


def test_nan_is_the_largest() -> None:
    x = np.array([2.0, np.nan, 1.0])
    assert ops.argsort(x).tolist() == [2, 0, 1]
    assert ops.argsort(x, descending=True).tolist() == [1, 0, 2]
    assert ops.topk(x, 2, largest=False).indices.tolist() == [2, 0]


def test_the_order_of_tensors_is_an_integer_tensor_without_a_gradient() -> None:
    order = ops.argsort(leaf([3, 1, 2]))
    assert isinstance(order, Tensor)
    assert not order.requires_grad
    assert order.dtype == np.intp


def test_topk_gives_values_and_indices_that_agree() -> None:
    x = np.random.default_rng(0).normal(size=(3, 5))
    values, indices = ops.topk(leaf(x), 2, axis=1)
    assert np.take_along_axis(x, indices.data, 1).tolist() == values.data.tolist()
    assert values.data.tolist() == (-np.sort(-x, axis=1))[:, :2].tolist()


def test_topk_refuses_more_than_there_are() -> None:
    with pytest.raises(errors.ShapeError, match="0 to 3, got 4"):
        ops.topk(np.ones(3), 4)


@given(
    st.lists(st.integers(0, 5), max_size=8),
    st.lists(st.integers(-1, 6)),
    st.sampled_from(["left", "right"]),
)
def test_searchsorted_is_numpys(x: list[int], v: list[int], side: Any) -> None:
    sorted_x, values = np.sort(np.array(x, int)), np.array(v, int)
    expected = np.searchsorted(sorted_x, values, side)
    assert (
        ops.searchsorted(Tensor(sorted_x), Tensor(values), side=side).data.tolist()
        == expected.tolist()
    )
    unsorted = np.array(x, int)
    sorter = ops.argsort(Tensor(unsorted))
    found = ops.searchsorted(unsorted, values, side=side, sorter=sorter)
    assert np.asarray(found.data).tolist() == expected.tolist()


def test_searchsorted_wants_a_vector_and_a_side() -> None:
    with pytest.raises(errors.ShapeError, match="sorted vector"):
        ops.searchsorted(np.ones((2, 2)), np.ones(2))
    with pytest.raises(errors.ConfigError, match="side"):
        ops.searchsorted(np.ones(2), np.ones(2), side="middle")


@given(
    hnp.arrays(np.float64, (3, 4), elements=st.floats(-9, 9)),
    st.sampled_from([None, 0, 1, (0, 1)]),
    st.booleans(),
    st.lists(st.floats(0, 1), max_size=3),
)
def test_quantiles_are_numpys(x: np.ndarray, axis: Any, keepdims: bool, q: list[float]) -> None:
    found = ops.quantile(x, q, axis=axis, keepdims=keepdims)
    expected = np.quantile(x, np.array(q), axis=axis, keepdims=keepdims)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_quantiles_of_infinities_are_no_nan_and_those_of_nan_are() -> None:
    x = np.array([-np.inf, 0.0, np.inf])
    assert ops.quantile(x, [0.0, 0.5, 1.0]).tolist() == [-np.inf, 0, np.inf]
    assert np.isnan(ops.median(np.array([1.0, np.nan, 2.0])))
    assert ops.median(np.array([1, 2, 4, 9])) == 3


def test_the_two_middle_elements_share_the_gradient_of_the_median() -> None:
    x = leaf([4, 1, 3, 2])
    ops.median(x).backward()
    assert x.grad.data.tolist() == [0, 0, 0.5, 0.5]


def test_quantiles_want_fractions_and_elements() -> None:
    with pytest.raises(errors.ConfigError, match=r"0\.\.1"):
        ops.quantile(np.ones(3), 1.5)
    with pytest.raises(errors.ShapeError, match="no elements"):
        ops.median(np.ones((0, 2)), axis=0)
