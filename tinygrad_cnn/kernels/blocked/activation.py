"""Elementwise kernels, a piece at a time, so that temporaries never leave the cache."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from tinygrad_cnn.kernels import reference
from tinygrad_cnn.kernels.blocked.memory import bits, contiguous, fresh, workspace
from tinygrad_cnn.kernels.blocked.workers import share
from tinygrad_cnn.kernels.fallback import fall_back
from tinygrad_cnn.kernels.geometry import Array

PIECE = 1 << 17  # elements at a time
FEW = 1 << 10  # elements for which the plain form is as fast


def _in_pieces(work: Callable[..., None], *arrays: Array) -> None:
    """work(*pieces) over corresponding pieces of contiguous arrays of one size."""
    flat = [a.reshape(-1) for a in arrays]
    if arrays[0].size <= PIECE:
        work(*flat)
        return

    def span(start: int, stop: int) -> None:
        for first in range(start, stop, PIECE):
            at = slice(first, min(first + PIECE, stop))
            work(*(a[at] for a in flat))

    share(span, arrays[0].size, arrays[0].size)


@lru_cache(maxsize=4)
def _constant(value: float, dtype: np.dtype[Any], size: int) -> Array:
    """An array full of one value, only to be read: a maximum with a scalar is five times slower."""
    return np.full(size, value, dtype)


def leaky_relu(x: Array, slope: float) -> Array:
    """As `reference.leaky_relu`: max(x, slope * x) where slope lies in [0, 1]."""
    if x.size < FEW or x.dtype.kind != "f" or not 0 <= slope <= 1:
        return fall_back(reference.leaky_relu, x, slope)
    x = contiguous(x)
    y = fresh(x.shape, x.dtype)

    def piece(x: Array, y: Array) -> None:
        if slope:
            np.multiply(x, slope, out=y)
            np.maximum(x, y, out=y)
        else:
            np.maximum(x, _constant(0, x.dtype, PIECE)[: x.size], out=y)

    _in_pieces(piece, x, y)
    return y


def leaky_relu_grad(g: Array, y: Array, slope: float) -> Array:
    """As `reference.leaky_relu_grad`: g times max(slope, 1 where y > 0); a mask for slope 0."""
    fits = g.dtype == y.dtype and g.dtype.kind == "f" and g.itemsize <= 8 and g.shape == y.shape
    if g.size < FEW or not fits or not 0 <= slope <= 1:
        return fall_back(reference.leaky_relu_grad, g, y, slope)
    g, y = contiguous(g), contiguous(y)
    dx = fresh(g.shape, g.dtype)

    def piece(g: Array, y: Array, dx: Array) -> None:
        positive = workspace("positive", y.shape, np.dtype(bool))
        np.greater(y, 0, out=positive)
        if slope:
            np.copyto(dx, positive)
            np.maximum(dx, _constant(slope, dx.dtype, PIECE)[: dx.size], out=dx)
            np.multiply(g, dx, out=dx)
        else:  # not g * 0, which is NaN for an infinite g
            mask = workspace("mask", y.shape, bits(g).dtype)
            np.copyto(mask, positive.view(np.int8))
            np.negative(mask, out=mask)
            np.bitwise_and(bits(g), mask, out=bits(dx))

    _in_pieces(piece, g, y, dx)
    return dx
