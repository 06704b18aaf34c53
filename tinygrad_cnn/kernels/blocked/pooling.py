"""Pooling as arithmetic on whole shifted arrays, a few images at a time.

A tap of the kernel meets every window at once: as one strided slice of the image. So a maximum over
windows is a running maximum over taps, and needs no array that is kernel-size times the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from operator import mul
from typing import Any

import numpy as np

from tinygrad_cnn.kernels import reference
from tinygrad_cnn.kernels.blocked.memory import as_rows, bits, workspace
from tinygrad_cnn.kernels.blocked.workers import share
from tinygrad_cnn.kernels.geometry import (
    Array,
    Ints,
    last_axes,
    overlap,
    pool_output_size,
    taps,
    window_extent,
)

BLOCK_BYTES = 1 << 19  # of images at a time: half a usual second-level cache


def _blocks(start: int, stop: int, bytes_each: int) -> Iterator[slice]:
    step = max(1, BLOCK_BYTES // max(bytes_each, 1))
    for first in range(start, stop, step):
        yield slice(first, min(first + step, stop))


def _images(x: Array) -> Array:
    """(N, C, *S) -> (N*C, *S): pooling does not know channels from samples."""
    return np.ascontiguousarray(x).reshape(prod(x.shape[:2]), *x.shape[2:])


def _framed(x: Array, before: Ints, extent: Ints, value: float) -> Array:
    """x (n, *S) as `geometry.frame` shows it: x itself where it spans the extent, else a buffer."""
    if not any(before) and all(e <= n for e, n in zip(extent, x.shape[1:], strict=True)):
        return x
    box, array = overlap(x.shape[1:], before, extent)
    framed = workspace("frame", (x.shape[0], *extent), x.dtype)
    framed.fill(value)
    framed[box] = x[array]
    return framed


# --- maxima ---------------------------------------------------------------------------------------


def max_pool(
    x: Array, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> tuple[Array, Array]:
    """As `reference.max_pool`: a running maximum over the taps.

    A comparison knows nothing of NaN, and cannot tell -inf from the padding: a result that is not
    finite sends the call to `reference`.
    """
    out = pool_output_size(x.shape[2:], kernel, stride, padding, dilation, ceil_mode)
    y = np.empty((*x.shape[:2], *out), x.dtype)
    argmax = np.empty(y.shape, reference.argmax_dtype(kernel))
    images, maxima, chosen = _images(x), _images(y), _images(argmax)
    extent = window_extent(out, kernel, stride, dilation)

    def work(start: int, stop: int) -> bool:
        finite = True
        for at in _blocks(start, stop, images[:1].nbytes):
            source = _framed(images[at], padding, extent, -np.inf)
            _running_maximum(source, maxima[at], chosen[at], out, kernel, stride, dilation)
            finite = finite and bool(np.isfinite(maxima[at]).all())
        return finite

    if y.size and not all(share(work, len(images), x.size)):
        return reference.max_pool(x, kernel, stride, padding, dilation, ceil_mode)
    return y, argmax


def _running_maximum(
    x: Array, y: Array, argmax: Array, out: Ints, kernel: Ints, stride: Ints, dilation: Ints
) -> None:
    larger = workspace("larger", y.shape, np.dtype(bool))
    index = workspace("index", y.shape, argmax.dtype)
    for tap, (_, at) in enumerate(taps(out, kernel, stride, dilation)):
        if tap == 0:
            np.copyto(y, x[at])
            argmax.fill(0)
            continue
        np.greater(x[at], y, out=larger)
        np.maximum(y, x[at], out=y)
        # Taps only grow, so "tap where larger" is a maximum; masked assignment is much slower.
        np.multiply(larger.view(np.uint8), argmax.dtype.type(tap), out=index)
        np.maximum(argmax, index, out=argmax)


def window_scatter(
    g: Array, argmax: Array, size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> Array:
    """As `reference.window_scatter`, tap by tap."""
    if g.dtype.kind != "f" or g.itemsize > 8 or not g.size:
        return reference.window_scatter(g, argmax, size, kernel, stride, padding, dilation)
    dx = np.zeros((*g.shape[:2], *size), g.dtype)
    out, images = g.shape[2:], [_images(a) for a in (g, argmax, dx)]
    extent = window_extent(out, kernel, stride, dilation)
    room = tuple(max(e, n + p) for e, n, p in zip(extent, size, padding, strict=True))
    inside = last_axes(slice(p, p + n) for p, n in zip(padding, size, strict=True))
    tiled = kernel == stride and extent == tuple(map(mul, kernel, out)) and room == size

    def work(start: int, stop: int) -> None:
        for block in _blocks(start, stop, images[2][:1].nbytes):
            g, argmax, dx = (a[block] for a in images)
            if tiled:
                _scatter_tiles(g, argmax, dx, kernel)
                continue
            framed = workspace("frame", (len(g), *room), g.dtype)
            framed.fill(0)
            _scatter_windows(g, argmax, framed, out, (kernel, stride, dilation))
            np.copyto(dx, framed[inside])

    share(work, len(images[0]), dx.size)
    return dx


def _where_chosen(g: Array, argmax: Array, tap: Array | np.integer[Any], out: Array) -> Array:
    """out = g where argmax == tap, 0 elsewhere; g and out are given as `bits`.

    The bits of g are and-ed with all ones or none: multiplying by 0 would turn an infinite gradient
    into NaN, and np.where is four times slower.
    """
    equal = workspace("equal", g.shape, np.dtype(np.int8))
    mask = workspace("mask", g.shape, g.dtype)
    np.equal(argmax, tap, out=equal.view(bool))
    np.negative(equal, out=equal)
    np.copyto(mask, equal)  # 0 or -1, which has every bit set
    return np.bitwise_and(g, mask, out=out)


def _scatter_windows(
    g: Array, argmax: Array, dx: Array, out: Ints, where: tuple[Ints, ...]
) -> None:
    """dx (n, *room), zeros, gets each tap's chosen g added where that tap meets the image."""
    chosen = workspace("chosen", g.shape, g.dtype)
    for tap, (_, at) in enumerate(taps(out, *where)):
        _where_chosen(bits(g), argmax, argmax.dtype.type(tap), out=bits(chosen))
        dx[at] += chosen


def _scatter_tiles(g: Array, argmax: Array, dx: Array, kernel: Ints) -> None:
    """Windows that tile the image: rows of dx are made whole, then stored as a whole.

    g and argmax stand k times side by side, once for each tap of a row of the kernel, and meet the
    numbers of those taps: one comparison serves the row, and nothing is stored with gaps.
    """
    *outer, k = kernel
    *lines, o = g.shape
    g_row = workspace("g_row", (*g.shape, k), g.dtype)
    argmax_row = workspace("argmax_row", (*g.shape, k), argmax.dtype)
    number = workspace("number", (*g.shape, k), argmax.dtype)
    chosen = workspace("chosen", (*g.shape, k), g.dtype)
    for b in range(k):
        np.copyto(g_row[..., b], g)
        np.copyto(argmax_row[..., b], argmax)
        number[..., b] = b
    rows, to = as_rows(chosen.reshape(*lines, o * k)), as_rows(dx[..., : o * k])
    for _, at in taps(g.shape[1:-1], tuple(outer), tuple(outer), (1,) * len(outer)):
        _where_chosen(bits(g_row), argmax_row, number, out=bits(chosen))
        np.copyto(to[at], rows)
        number += argmax.dtype.type(k)


# --- sums: a box sums axis by axis, k + k additions instead of k * k ------------------------------


def sum_pool(x: Array, kernel: Ints, stride: Ints, padding: Ints, ceil_mode: bool) -> Array:
    """As `reference.sum_pool`, one axis at a time."""
    ones = (1,) * len(kernel)
    out = pool_output_size(x.shape[2:], kernel, stride, padding, ones, ceil_mode)
    y = np.empty((*x.shape[:2], *out), x.dtype)
    images, sums = _images(x), _images(y)
    extent = window_extent(out, kernel, stride, ones)

    def work(start: int, stop: int) -> None:
        for at in _blocks(start, stop, images[:1].nbytes):
            part = _framed(images[at], padding, extent, 0)
            for axis in range(len(kernel)):
                last = axis == len(kernel) - 1
                shape = (*part.shape[: 1 + axis], out[axis], *part.shape[2 + axis :])
                total = sums[at] if last else workspace(f"sum{axis}", shape, x.dtype)
                slices = list(_axis_taps(axis, out[axis], kernel[axis], stride[axis]))
                np.copyto(total, part[slices[0]])
                for tap in slices[1:]:
                    total += part[tap]
                part = total

    if y.size:
        share(work, len(images), x.size)
    return y


def sum_pool_input(g: Array, size: Ints, kernel: Ints, stride: Ints, padding: Ints) -> Array:
    """As `reference.sum_pool_input`, one axis at a time."""
    out = g.shape[2:]
    dx = np.zeros((*g.shape[:2], *size), g.dtype)
    extent = window_extent(out, kernel, stride, (1,) * len(kernel))
    room = tuple(max(e, n + p) for e, n, p in zip(extent, size, padding, strict=True))
    inside = last_axes(slice(p, p + n) for p, n in zip(padding, size, strict=True))
    images, results = _images(g), _images(dx)

    def work(start: int, stop: int) -> None:
        for at in _blocks(start, stop, results[:1].nbytes):
            part = images[at]
            for axis in reversed(range(len(kernel))):
                shape = (*part.shape[: 1 + axis], room[axis], *part.shape[2 + axis :])
                spread = workspace(f"sum{axis}", shape, g.dtype)
                spread.fill(0)
                for tap in _axis_taps(axis, out[axis], kernel[axis], stride[axis]):
                    spread[tap] += part
                part = spread
            np.copyto(results[at], part[inside])

    if g.size:
        share(work, len(images), dx.size)
    return dx


def _axis_taps(axis: int, out: int, kernel: int, stride: int) -> Iterator[tuple[slice, ...]]:
    """The positions that each tap meets along one spatial axis of (n, *S)."""
    for a in range(kernel):
        yield (slice(None),) * (1 + axis) + (slice(a, a + stride * out, stride),)
