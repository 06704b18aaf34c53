"""Batch normalization in as few passes over memory as its formulas allow: two, forward and back."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from tinygrad_cnn.kernels import reference
from tinygrad_cnn.kernels.blocked.memory import fresh, workspace
from tinygrad_cnn.kernels.blocked.workers import share
from tinygrad_cnn.kernels.fallback import fall_back
from tinygrad_cnn.kernels.geometry import Array

BLOCK_BYTES = 1 << 20  # of samples at a time: a usual second-level cache
WIDE = 1 << 15  # elements of a constant spread over the positions of its channel
SHORT = 16  # with fewer positions a channel, loops over channels cost more than they save


def _flat(x: Array) -> Array:
    """(N, C, *S) -> (N, C, S)."""
    return np.ascontiguousarray(x).reshape(*x.shape[:2], prod(x.shape[2:]))


def _fits(x: Array) -> bool:
    return x.dtype.kind == "f" and x.size > 0 and prod(x.shape[2:]) >= SHORT


def _blocks(x: Array, start: int, stop: int) -> Iterator[slice]:
    step = max(1, BLOCK_BYTES // x[:1].nbytes)
    for first in range(start, stop, step):
        yield slice(first, min(first + step, stop))


def _wide(v: Array, x: Array) -> Array:
    """(C,) -> (C, S) to meet x (N, C, S), or (C, 1) where S copies would crowd the cache.

    NumPy then runs along whole samples instead of starting anew for each channel.
    """
    C, S = x.shape[1:]
    v = v.astype(x.dtype, copy=False)[:, None]
    return np.repeat(v, S, axis=1) if C * S <= WIDE else v


def batch_stats(x: Array) -> tuple[Array, Array]:
    """As `reference.batch_stats`, in one pass: mean = m + E[x - m], var = E[(x-m)^2] - E[x-m]^2.

    m is the mean of a few samples: so near the mean of all, the difference does not cancel.
    """
    if not _fits(x):
        return fall_back(reference.batch_stats, x)
    x = _flat(x)
    N, C, S = x.shape
    ones = np.ones(S, x.dtype)
    m = (x[:: max(1, N // 8)] @ ones).mean(0) / S
    shift, sums = _wide(m, x), np.empty((2, N, C), x.dtype)

    def work(start: int, stop: int) -> None:
        for at in _blocks(x, start, stop):
            d = np.subtract(x[at], shift, out=workspace("d", x[at].shape, x.dtype))
            np.vecdot(d, ones, out=sums[0, at])
            np.vecdot(d, d, out=sums[1, at])

    share(work, N, x.size)
    first, second = sums.mean(1, dtype=np.result_type(x, np.float64)) / S
    var = np.maximum(second - first * first, 0)
    return (m + first).astype(x.dtype), var.astype(x.dtype)


def batch_norm(x: Array, mean: Array, rstd: Array, weight: Array, bias: Array) -> Array:
    """As `reference.batch_norm`: y = x * a + b with a = rstd * weight, b = bias - mean * a."""
    if not _fits(x):
        return fall_back(reference.batch_norm, x, mean, rstd, weight, bias)
    a = rstd * weight
    y = fresh(x.shape, np.result_type(x, a))
    source, to = _flat(x), _flat(y)
    b = _wide(bias - mean * a, to)
    a = _wide(a, to)

    def work(start: int, stop: int) -> None:
        for at in _blocks(source, start, stop):
            np.multiply(source[at], a, out=to[at])
            np.add(to[at], b, out=to[at])

    share(work, len(x), x.size)
    return y


def batch_norm_grad(
    g: Array, x: Array, mean: Array, rstd: Array, weight: Array
) -> tuple[Array, Array, Array]:
    """As `reference.batch_norm_grad`: dx = a*g + b*x + c, where a, b and c are of a channel each,

    a = weight * rstd, b = -a * rstd * dweight / M, c = -a * dbias / M - b * mean, M = N*S.
    """
    if not _fits(x):
        return fall_back(reference.batch_norm_grad, g, x, mean, rstd, weight)
    dx = fresh(x.shape, np.result_type(g, x, mean))
    g, x, to = _flat(g), _flat(x), _flat(dx)
    N, C, S = x.shape

    ones, shift = np.ones(S, g.dtype), _wide(mean, x)
    sums = np.empty((2, N, C), dx.dtype)

    def products(start: int, stop: int) -> None:
        for at in _blocks(x, start, stop):
            d = np.subtract(x[at], shift, out=workspace("d", x[at].shape, x.dtype))
            np.vecdot(g[at], ones, out=sums[0, at])
            np.vecdot(g[at], d, out=sums[1, at])

    share(products, N, 2 * x.size)
    dbias, of_gd = sums.sum(1, dtype=np.result_type(dx, np.float64))
    dweight = rstd * of_gd
    a = weight * rstd
    b = -a * rstd * dweight / (N * S)
    c = -a * dbias / (N * S) - b * mean
    a, b, c = (_wide(v, to) for v in (a, b, c))

    def work(start: int, stop: int) -> None:
        for at in _blocks(x, start, stop):
            slope = np.multiply(x[at], b, out=workspace("d", x[at].shape, dx.dtype))
            slope += c
            np.multiply(g[at], a, out=to[at])
            np.add(to[at], slope, out=to[at])

    share(work, N, 2 * x.size)
    return dx, dweight.astype(dx.dtype), dbias.astype(dx.dtype)
