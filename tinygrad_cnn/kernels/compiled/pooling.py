"""Pooling of images of one or two axes: each window is read once."""

from __future__ import annotations

from math import prod

import numpy as np

from tinygrad_cnn.kernels import blocked
from tinygrad_cnn.kernels.blocked.memory import contiguous, fresh
from tinygrad_cnn.kernels.blocked.workers import share
from tinygrad_cnn.kernels.compiled.jit import jit, supported, whole
from tinygrad_cnn.kernels.fallback import fall_back
from tinygrad_cnn.kernels.geometry import Array, Ints, pool_output_size
from tinygrad_cnn.kernels.reference import argmax_dtype


def _images(x: Array) -> Array:
    """(N, C, H, W) or (N, C, L) -> (N*C, H, W): pooling does not know channels from samples."""
    return contiguous(x).reshape(
        prod(x.shape[:2]), *((1, *x.shape[2:]) if x.ndim == 3 else x.shape[2:])
    )


def _fits(x: Array, *options: Ints) -> bool:
    return x.ndim in (3, 4) and all(whole(option, x.ndim - 2) for option in options)


def _two(values: Ints, first: int) -> Ints:
    return values if len(values) == 2 else (first, *values)


def _side_by_side(where: tuple[Ints, ...], x: Array, y: Array) -> bool:
    """Whether the windows are of 2x2 with none between them, and all within x."""
    inside = all(2 * o <= n for o, n in zip(y.shape[1:], x.shape[1:], strict=True))
    return inside and where == ((2, 2), (2, 2), (0, 0), (1, 1))


@jit
def _pool_2x2(x: Array, y: Array, argmax: Array, first: int, last: int) -> None:
    """Windows of 2x2 side by side, without a branch."""
    for n in range(first, last):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                a, b = x[n, 2 * i, 2 * j], x[n, 2 * i, 2 * j + 1]
                c, d = x[n, 2 * i + 1, 2 * j], x[n, 2 * i + 1, 2 * j + 1]
                best, tap = a, 0
                # A later tap wins if it is larger, or the first NaN.
                take = (best == best) & ~(b <= best)
                best, tap = b if take else best, 1 if take else tap
                take = (best == best) & ~(c <= best)
                best, tap = c if take else best, 2 if take else tap
                take = (best == best) & ~(d <= best)
                y[n, i, j], argmax[n, i, j] = d if take else best, 3 if take else tap


@jit
def _max_pool(
    x: Array,
    y: Array,
    argmax: Array,
    kernel: Ints,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    first: int,
    last: int,
) -> None:
    H, W = x.shape[1:]
    for n in range(first, last):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                found, best, chosen = False, x.dtype.type(0), 0
                for a in range(kernel[0]):
                    row = stride[0] * i + dilation[0] * a - padding[0]
                    if not 0 <= row < H:
                        continue
                    for b in range(kernel[1]):
                        column = stride[1] * j + dilation[1] * b - padding[1]
                        if not 0 <= column < W:
                            continue
                        v = x[n, row, column]
                        if not found or (best == best and not v <= best):
                            found, best, chosen = True, v, a * kernel[1] + b
                y[n, i, j], argmax[n, i, j] = best if found else -np.inf, chosen


def max_pool(
    x: Array, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> tuple[Array, Array]:
    """As `reference.max_pool`."""
    if not (supported(x) and _fits(x, kernel, stride, padding, dilation)):
        return fall_back(blocked.max_pool, x, kernel, stride, padding, dilation, ceil_mode)
    out = pool_output_size(x.shape[2:], kernel, stride, padding, dilation, ceil_mode)
    y = fresh((*x.shape[:2], *out), x.dtype)
    argmax = fresh(y.shape, argmax_dtype(kernel))
    images, maxima, chosen = _images(x), _images(y), _images(argmax)
    where = (_two(kernel, 1), _two(stride, 1), _two(padding, 0), _two(dilation, 1))
    plain = _side_by_side(where, images, maxima)

    def work(first: int, last: int) -> None:
        if plain:
            _pool_2x2(images, maxima, chosen, first, last)
        else:
            _max_pool(images, maxima, chosen, *where, first, last)

    share(work, len(images), x.size)
    return y, argmax


@jit
def _window_scatter(
    g: Array,
    argmax: Array,
    dx: Array,
    kernel: Ints,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    first: int,
    last: int,
) -> None:
    H, W = dx.shape[1:]
    for n in range(first, last):
        dx[n] = 0
        for i in range(g.shape[1]):
            for j in range(g.shape[2]):
                tap = int(argmax[n, i, j])
                row = stride[0] * i + dilation[0] * (tap // kernel[1]) - padding[0]
                column = stride[1] * j + dilation[1] * (tap % kernel[1]) - padding[1]
                if 0 <= row < H and 0 <= column < W:
                    dx[n, row, column] += g[n, i, j]


@jit
def _scatter_2x2(g: Array, argmax: Array, dx: Array, first: int, last: int) -> None:
    """Windows of 2x2 side by side: every pixel is written once, one row after the other."""
    OH, OW = g.shape[1:]
    zero = g.dtype.type(0)
    for n in range(first, last):
        for i in range(OH):
            for j in range(OW):
                v, tap = g[n, i, j], argmax[n, i, j]
                dx[n, 2 * i, 2 * j] = v if tap == 0 else zero
                dx[n, 2 * i, 2 * j + 1] = v if tap == 1 else zero
            for j in range(OW):
                v, tap = g[n, i, j], argmax[n, i, j]
                dx[n, 2 * i + 1, 2 * j] = v if tap == 2 else zero
                dx[n, 2 * i + 1, 2 * j + 1] = v if tap == 3 else zero
        dx[n, :, 2 * OW :] = 0
        dx[n, 2 * OH :] = 0


def window_scatter(
    g: Array, argmax: Array, size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> Array:
    """As `reference.window_scatter`."""
    fits = supported(g) and _fits(g, size, kernel, stride, padding, dilation)
    if not (fits and g.shape == argmax.shape):
        return fall_back(blocked.window_scatter, g, argmax, size, kernel, stride, padding, dilation)
    dx = fresh((*g.shape[:2], *size), g.dtype)
    images, chosen, to = _images(g), _images(argmax), _images(dx)
    where = (_two(kernel, 1), _two(stride, 1), _two(padding, 0), _two(dilation, 1))
    plain = _side_by_side(where, to, images)

    def work(first: int, last: int) -> None:
        if plain:
            _scatter_2x2(images, chosen, to, first, last)
        else:
            _window_scatter(images, chosen, to, *where, first, last)

    share(work, len(images), dx.size)
    return dx


@jit
def _sum_pool(
    x: Array, y: Array, kernel: Ints, stride: Ints, padding: Ints, first: int, last: int
) -> None:
    H, W = x.shape[1:]
    for n in range(first, last):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                top, left = stride[0] * i - padding[0], stride[1] * j - padding[1]
                total = x.dtype.type(0)
                for row in range(max(top, 0), min(top + kernel[0], H)):
                    for column in range(max(left, 0), min(left + kernel[1], W)):
                        total += x[n, row, column]
                y[n, i, j] = total


def sum_pool(x: Array, kernel: Ints, stride: Ints, padding: Ints, ceil_mode: bool) -> Array:
    """As `reference.sum_pool`; large windows overlap in `blocked`'s sums along each axis."""
    if prod(kernel) > 4 * prod(stride):
        return blocked.sum_pool(x, kernel, stride, padding, ceil_mode)
    if not (supported(x) and _fits(x, kernel, stride, padding)):
        return fall_back(blocked.sum_pool, x, kernel, stride, padding, ceil_mode)
    ones = (1,) * len(kernel)
    out = pool_output_size(x.shape[2:], kernel, stride, padding, ones, ceil_mode)
    y = fresh((*x.shape[:2], *out), x.dtype)
    images, sums = _images(x), _images(y)
    where = (_two(kernel, 1), _two(stride, 1), _two(padding, 0))

    def work(first: int, last: int) -> None:
        _sum_pool(images, sums, *where, first, last)

    share(work, len(images), x.size)
    return y


@jit
def _sum_pool_input(
    g: Array, dx: Array, kernel: Ints, stride: Ints, padding: Ints, first: int, last: int
) -> None:
    H, W = dx.shape[1:]
    for n in range(first, last):
        dx[n] = 0
        for i in range(g.shape[1]):
            for j in range(g.shape[2]):
                top, left = stride[0] * i - padding[0], stride[1] * j - padding[1]
                for row in range(max(top, 0), min(top + kernel[0], H)):
                    for column in range(max(left, 0), min(left + kernel[1], W)):
                        dx[n, row, column] += g[n, i, j]


def sum_pool_input(g: Array, size: Ints, kernel: Ints, stride: Ints, padding: Ints) -> Array:
    """As `reference.sum_pool_input`; large windows overlap as in `sum_pool`."""
    if prod(kernel) > 4 * prod(stride):
        return blocked.sum_pool_input(g, size, kernel, stride, padding)
    if not (supported(g) and _fits(g, size, kernel, stride, padding)):
        return fall_back(blocked.sum_pool_input, g, size, kernel, stride, padding)
    dx = fresh((*g.shape[:2], *size), g.dtype)
    images, to = _images(g), _images(dx)
    where = (_two(kernel, 1), _two(stride, 1), _two(padding, 0))

    def work(first: int, last: int) -> None:
        _sum_pool_input(images, to, *where, first, last)

    share(work, len(images), dx.size)
    return dx
