"""Pooling as arithmetic on whole shifted arrays, a few images at a time.

A tap of the kernel meets every window at once: as one strided slice of the image. So a maximum over
windows is a running maximum over taps, and needs no array that is kernel-size times the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.kernels import reference
from tinygrad_cnn.kernels.blocked.memory import fresh, workspace
from tinygrad_cnn.kernels.blocked.workers import share
from tinygrad_cnn.kernels.fallback import fall_back
from tinygrad_cnn.kernels.geometry import (
    Array,
    Ints,
    last_axes,
    overlap,
    pool_output_size,
    taps,
    window_extent,
)

BLOCK_BYTES = 1 << 20  # of images at a time: a usual second-level cache


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
    finite sends the call to `reference`. So do integers, the lowest of which may be a pixel.
    """
    if x.dtype.kind != "f":
        return fall_back(reference.max_pool, x, kernel, stride, padding, dilation, ceil_mode)
    out = pool_output_size(x.shape[2:], kernel, stride, padding, dilation, ceil_mode)
    y = fresh((*x.shape[:2], *out), x.dtype)
    argmax = fresh(y.shape, reference.argmax_dtype(kernel))
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
        return fall_back(reference.max_pool, x, kernel, stride, padding, dilation, ceil_mode)
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


class _Places:
    """Where in images (n, *room) the windows' chosen taps lie, as one flat index.

    An indexed read or write costs about as much as four arithmetic ones, whatever the size of the
    kernel; comparing argmax with each tap costs more from 2x2 on.
    """

    def __init__(
        self, images: int, out: Ints, room: Ints, kernel: Ints, stride: Ints, dilation: Ints
    ) -> None:
        starts = (s * np.arange(o) for s, o in zip(stride, out, strict=True))
        shifts = (d * np.arange(k) for d, k in zip(dilation, kernel, strict=True))
        one = np.ravel_multi_index(np.ix_(*starts), room).reshape(-1)
        self.starts = (prod(room) * np.arange(images)[:, None] + one).reshape(images, *out)
        self.shifts = np.ravel_multi_index(np.ix_(*shifts), room).reshape(-1)

    def __call__(self, argmax: Array) -> Array:
        """argmax (n, *O) -> (n * O,)."""
        places = workspace("places", argmax.shape, np.dtype(np.intp))
        np.take(self.shifts, argmax, out=places, mode="clip")
        places += self.starts[: len(argmax)]
        return places.reshape(-1)


def _room(extent: Ints, size: Ints, padding: Ints) -> tuple[Ints, Any]:
    """The shape that holds all windows and the padded image, and the index of the image in it."""
    room = tuple(max(e, n + p) for e, n, p in zip(extent, size, padding, strict=True))
    return room, last_axes(slice(p, p + n) for p, n in zip(padding, size, strict=True))


def window_gather(
    x: Array, argmax: Array, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> Array:
    """As `reference.window_gather`: one indexed read."""
    y, out = fresh(argmax.shape, x.dtype), argmax.shape[2:]
    extent = window_extent(out, kernel, stride, dilation)
    room, _ = _room(extent, x.shape[2:], padding)
    images, chosen, to = _images(x), _images(argmax), _images(y)

    def work(start: int, stop: int) -> None:
        places: _Places | None = None
        for at in _blocks(start, stop, images[:1].nbytes):
            source = _framed(images[at], padding, room, 0)
            places = places or _Places(len(source), out, source.shape[1:], kernel, stride, dilation)
            to[at] = source.reshape(-1)[places(chosen[at])].reshape(to[at].shape)

    if y.size:
        share(work, len(images), x.size)
    return y


def window_scatter(
    g: Array, argmax: Array, size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> Array:
    """As `reference.window_scatter`: one indexed write, a weighted count where windows overlap."""
    spans = (d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    apart = all(s >= span for s, span in zip(stride, spans, strict=True))
    if not g.size or not (apart or (g.dtype.kind == "f" and g.itemsize <= 8)):
        return fall_back(
            reference.window_scatter, g, argmax, size, kernel, stride, padding, dilation
        )
    dx = fresh((*g.shape[:2], *size), g.dtype)
    dx.fill(0)
    out, images, chosen, result = g.shape[2:], _images(g), _images(argmax), _images(dx)
    room, inside = _room(window_extent(out, kernel, stride, dilation), size, padding)

    def work(start: int, stop: int) -> None:
        places: _Places | None = None
        for at in _blocks(start, stop, result[:1].nbytes):
            to, values = result[at], images[at].reshape(-1)
            places = places or _Places(len(to), out, room, kernel, stride, dilation)
            where = places(chosen[at])
            if apart and room == size:
                to.reshape(-1)[where] = values
                continue
            if apart:
                framed = workspace("frame", (len(to), *room), g.dtype)
                framed.fill(0)
                framed.reshape(-1)[where] = values
            else:
                count = np.bincount(where, values, len(to) * prod(room))
                framed = count.reshape(len(to), *room)
            np.copyto(to, framed[inside], casting="same_kind")

    share(work, len(images), dx.size)
    return dx


# --- sums: a box sums axis by axis, k + k additions instead of k * k ------------------------------


def sum_pool(x: Array, kernel: Ints, stride: Ints, padding: Ints, ceil_mode: bool) -> Array:
    """As `reference.sum_pool`, one axis at a time."""
    ones = (1,) * len(kernel)
    out = pool_output_size(x.shape[2:], kernel, stride, padding, ones, ceil_mode)
    y = fresh((*x.shape[:2], *out), x.dtype)
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
    dx = fresh((*g.shape[:2], *size), g.dtype)
    dx.fill(0)
    extent = window_extent(out, kernel, stride, (1,) * len(kernel))
    room, inside = _room(extent, size, padding)
    images, results = _images(g), _images(dx)

    def work(start: int, stop: int) -> None:
        for at in _blocks(start, stop, results[:1].nbytes):
            part = images[at]
            for axis in reversed(range(len(kernel))):
                shape = (*part.shape[: 1 + axis], room[axis], *part.shape[2 + axis :])
                spread = workspace(f"sum{axis}", shape, g.dtype)
                spread.fill(0)
                for tap in _axis_taps(axis, out[axis], kernel[axis], stride[axis]):
                    if kernel[axis] <= stride[axis]:  # windows apart: nothing to add to
                        np.copyto(spread[tap], part)
                    else:
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
