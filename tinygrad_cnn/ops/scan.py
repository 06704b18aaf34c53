"""Running sums and products."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.op import op
from tinygrad_cnn.ops.axes import normalize_axis
from tinygrad_cnn.ops.shape import concat, flip


@op
def cumsum(x, /, *, axis):
    """y[i] = x[0] + ... + x[i] along `axis`"""
    return np.cumsum(x, axis=normalize_axis(axis, np.ndim(x), "cumsum"), dtype=x.dtype)


cumsum.vjp(lambda g, _y, _x, axis: flip(cumsum(flip(g, axis=axis), axis=axis), axis=axis))


def exclusive_cumulative_prod(x: Any, /) -> Any:
    """y[i] = x[0] ... x[i-1] along the last axis, y[0] = 1, by log2(n) doubling steps.

    After the step of width w, y[i] is the product of the w elements before i (of all of them, where
    there are fewer). Made of products and slices alone, it is differentiable to any order at zeros.
    """
    n = x.shape[-1]
    one = np.ones((*x.shape[:-1], 1), x.dtype)
    y = concat([one, x[..., :-1]], axis=-1)  # y[i] = x[i-1]
    w = 1
    while w < n:
        head = np.ones((*x.shape[:-1], w), x.dtype)
        y = y * concat([head, y[..., :-w]], axis=-1)
        w *= 2
    return y
