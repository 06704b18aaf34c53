"""Sizes, padding and windows against their definitions, position by position."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_cnn.kernels import geometry

sizes = st.integers(0, 9)
small = st.integers(1, 4)


@given(n=sizes, k=small, s=small, p=st.integers(0, 3), d=small)
@settings(derandomize=True)
def test_the_output_size_counts_the_windows_that_fit(n, k, s, p, d):
    fitting = [i for i in range(100) if s * i + d * (k - 1) < n + 2 * p]
    assert geometry.conv_output_size((n,), (k,), (s,), (p,), (d,)) == (len(fitting),)
    assert geometry.pool_output_size((n,), (k,), (s,), (p,), (d,), False) == (len(fitting),)


@given(n=st.integers(1, 9), k=small, s=small, d=small, data=st.data())
@settings(derandomize=True)
def test_ceil_mode_adds_the_overhanging_window_that_starts_inside(n, k, s, d, data):
    p = data.draw(st.integers(0, k // 2))
    (floor,) = geometry.pool_output_size((n,), (k,), (s,), (p,), (d,), False)
    (ceil,) = geometry.pool_output_size((n,), (k,), (s,), (p,), (d,), True)
    leftover = n + 2 * p - (d * (k - 1) + 1) - s * (floor - 1)
    assert ceil == floor + (floor > 0 and leftover > 0 and s * floor < n + p) or floor == 0


@pytest.mark.parametrize(
    ("before", "extent", "expected"),
    [
        ((0,), (3,), [1, 2, 3]),
        ((2,), (6,), [9, 9, 1, 2, 3, 9]),
        ((-1,), (2,), [2, 3]),
        ((-1,), (4,), [2, 3, 9, 9]),
        ((1,), (2,), [9, 1]),
        ((5,), (3,), [9, 9, 9]),
        ((-5,), (3,), [9, 9, 9]),
        ((0,), (0,), []),
    ],
)
def test_a_frame_shows_the_array_where_it_lies_and_the_value_elsewhere(before, extent, expected):
    x = np.array([[[1.0, 2.0, 3.0]]])
    assert geometry.frame(x, before, extent, 9).tolist() == [[expected]]


def test_padding_is_a_copy_even_where_there_is_none():
    x = np.ones((1, 1, 3, 3))
    assert not np.shares_memory(geometry.pad(x, (0, 0)), x)


@given(data=st.data(), dims=st.integers(1, 3))
@settings(derandomize=True, max_examples=50)
def test_fold_is_the_transpose_of_unfold(data, dims):
    def draw(low, high):
        return tuple(data.draw(st.integers(low, high)) for _ in range(dims))

    size, kernel, stride, padding, dilation = (
        draw(1, 6),
        draw(1, 3),
        draw(1, 3),
        draw(0, 2),
        draw(1, 2),
    )
    out = geometry.conv_output_size(size, kernel, stride, padding, dilation)
    rng = np.random.default_rng(0)
    x, c = rng.normal(size=(2, 3, *size)), rng.normal(size=(2, 3, *out, *kernel))
    unfolded = geometry.unfold(x, out, kernel, stride, padding, dilation)
    folded = geometry.fold(c, size, stride, padding, dilation)
    np.testing.assert_allclose((unfolded * c).sum(), (x * folded).sum(), rtol=1e-9, atol=1e-9)
