"""Batch normalization: two passes over memory forward, two back."""

from __future__ import annotations

from math import prod

import numpy as np

from tinygrad_cnn.kernels import blocked, reference
from tinygrad_cnn.kernels.blocked.memory import contiguous, fresh
from tinygrad_cnn.kernels.blocked.workers import share
from tinygrad_cnn.kernels.compiled.jit import jit, jit_sums, supported
from tinygrad_cnn.kernels.fallback import fall_back
from tinygrad_cnn.kernels.geometry import Array


def _flat(x: Array) -> Array:
    """(N, C, *S) -> (N, C, S)."""
    return contiguous(x).reshape(*x.shape[:2], prod(x.shape[2:]))


def _per_channel(x: Array, *arrays: Array) -> bool:
    """Whether each array has one entry for each channel of x."""
    return all(a.shape == x.shape[1:2] for a in arrays)


@jit_sums
def _moments(x: Array, shift: Array, sums: Array, first: int, last: int) -> None:
    """sums (2, C) += of x - shift and its square: a row in x's dtype, the rows in float64."""
    for n in range(first, last):
        for c in range(x.shape[1]):
            row, m = x[n, c], shift[c]
            s = q = x.dtype.type(0)
            for i in range(len(row)):
                d = row[i] - m
                s += d
                q += d * d
            sums[0, c] += s
            sums[1, c] += q


def batch_stats(x: Array) -> tuple[Array, Array]:
    """As `reference.batch_stats`, in one pass: mean = m + E[x - m], var = E[(x-m)^2] - E[x-m]^2.

    m is the mean of a few samples: so near the mean of all, the difference does not cancel.
    """
    if not supported(x) or not x.size:
        return fall_back(blocked.batch_stats, x)
    x = _flat(x)
    N, C, S = x.shape
    few = x[:: max(1, N // 8)]
    m = few.mean((0, 2), dtype=np.float64).astype(x.dtype)

    def work(first: int, last: int) -> Array:
        sums = np.zeros((2, C))
        _moments(x, m, sums, first, last)
        return sums

    parts = share(work, N, x.size)
    mean, square = sum(parts[1:], start=parts[0]) / (N * S)
    var = np.maximum(square - mean * mean, 0)
    return (m + mean).astype(x.dtype), var.astype(x.dtype)


@jit_sums
def _sum(x: Array, sums: Array, first: int, last: int) -> None:
    for n in range(first, last):
        for c in range(x.shape[1]):
            row, s = x[n, c], x.dtype.type(0)
            for i in range(len(row)):
                s += row[i]
            sums[c] += s


def channel_sum(x: Array) -> Array:
    """As `reference.channel_sum`: a row in x's dtype, the rows in float64."""
    if not supported(x):
        return fall_back(reference.channel_sum, x)
    source = _flat(x)

    def work(first: int, last: int) -> Array:
        sums = np.zeros(source.shape[1])
        _sum(source, sums, first, last)
        return sums

    parts = share(work, len(x), x.size)
    total: Array = sum(parts[1:], start=parts[0])
    return total.astype(x.dtype)


@jit
def _scale(x: Array, a: Array, b: Array, y: Array, first: int, last: int) -> None:
    for n in range(first, last):
        for c in range(x.shape[1]):
            row, to, slope, shift = x[n, c], y[n, c], a[c], b[c]
            for i in range(len(row)):
                to[i] = row[i] * slope + shift


def batch_norm(x: Array, mean: Array, rstd: Array, weight: Array, bias: Array) -> Array:
    """As `reference.batch_norm`: y = x * a + b with a = rstd * weight, b = bias - mean * a."""
    if not (supported(x, mean, rstd, weight, bias) and _per_channel(x, mean, rstd, weight, bias)):
        return fall_back(blocked.batch_norm, x, mean, rstd, weight, bias)
    y = fresh(x.shape, x.dtype)
    source, to = _flat(x), _flat(y)
    a = rstd * weight
    b = bias - mean * a
    share(lambda first, last: _scale(source, a, b, to, first, last), len(x), x.size)
    return y


@jit_sums
def _products(g: Array, x: Array, mean: Array, sums: Array, first: int, last: int) -> None:
    """sums (2, C) += of g, and of g * (x - mean)."""
    for n in range(first, last):
        for c in range(x.shape[1]):
            row, slope, m = x[n, c], g[n, c], mean[c]
            s = q = x.dtype.type(0)
            for i in range(len(row)):
                s += slope[i]
                q += slope[i] * (row[i] - m)
            sums[0, c] += s
            sums[1, c] += q


@jit
def _combine(
    g: Array, x: Array, a: Array, b: Array, c: Array, dx: Array, first: int, last: int
) -> None:
    for n in range(first, last):
        for k in range(x.shape[1]):
            slope, row, to = g[n, k], x[n, k], dx[n, k]
            of_g, of_x, shift = a[k], b[k], c[k]
            for i in range(len(row)):
                to[i] = slope[i] * of_g + (row[i] * of_x + shift)


def batch_norm_grad(
    g: Array, x: Array, mean: Array, rstd: Array, weight: Array
) -> tuple[Array, Array, Array]:
    """As `reference.batch_norm_grad`: dx = a*g + b*x + c, where a, b and c are of a channel each,

    a = weight * rstd, b = -a * rstd * dweight / M, c = -a * dbias / M - b * mean, M = N*S.
    """
    fits = supported(g, x, mean, rstd, weight) and _per_channel(x, mean, rstd, weight)
    if not (fits and x.size and g.shape == x.shape):
        return fall_back(blocked.batch_norm_grad, g, x, mean, rstd, weight)
    dx = fresh(x.shape, x.dtype)
    g, x, to = _flat(g), _flat(x), _flat(dx)
    N, C, S = x.shape
    mean = contiguous(mean)

    def products(first: int, last: int) -> Array:
        sums = np.zeros((2, C))
        _products(g, x, mean, sums, first, last)
        return sums

    parts = share(products, N, 2 * x.size)
    dbias, of_gd = sum(parts[1:], start=parts[0])
    dweight = rstd * of_gd
    a = weight * rstd
    b = -a * rstd * dweight / (N * S)
    c = -a * dbias / (N * S) - b * mean
    a, b, c = (v.astype(x.dtype) for v in (a, b, c))
    share(lambda first, last: _combine(g, x, a, b, c, to, first, last), N, 2 * x.size)
    return dx, dweight.astype(x.dtype), dbias.astype(x.dtype)
