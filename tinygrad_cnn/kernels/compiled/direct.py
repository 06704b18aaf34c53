"""Convolution with no copy of the windows: a table says where each tap's values lie.

Samples are copied into a frame: padded with zeros, every stride-th pixel side by side (a `phase` of
the image), row after row with no gap. There, position p of the output, counted in rows of the
frame, meets tap k at p + places[k]: one addition, whatever stride, padding or dilation. Positions
between the end of an output row and that of the frame's are computed and thrown away.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tinygrad_cnn.kernels.blocked.memory import workspace
from tinygrad_cnn.kernels.blocked.windows import Where
from tinygrad_cnn.kernels.blocked.workers import share
from tinygrad_cnn.kernels.compiled.jit import jit
from tinygrad_cnn.kernels.compiled.products import (
    correlate_rows,
    height,
    inner_rows,
    lanes,
    pack,
    room,
    unpack,
)
from tinygrad_cnn.kernels.compiled.tile import VECTOR_BYTES, WIDE, move
from tinygrad_cnn.kernels.geometry import Array, Ints, window_extent

WORK_PER_ACCESS = 32  # multiplications that a tile does while an elementwise kernel does one
FRAMES_BYTES = 1 << 19  # of samples whose weight gradients are summed at once: half a second cache


class Plan(NamedTuple):
    """How samples are framed, and where taps and positions meet in a frame."""

    places: Array  # (C*K,) of one group
    phases: tuple[Array, Array]  # of each axis
    where: Where
    channels: int  # of all groups
    rows: int  # of a phase
    pitch: int
    positions: int  # P, counted in rows of the frame
    size: int  # of a frame, with room for whole vectors behind its last position


@lru_cache(maxsize=512)
def plan(where: Where, channels: int, groups: int) -> Plan:
    """For images of two axes."""
    out, kernel, stride, _, dilation = where
    extent = window_extent(out, kernel, stride, dilation)
    rows, pitch = (-(-e // s) for e, s in zip(extent, stride, strict=True))
    met = [d * np.arange(k) for k, d in zip(kernel, dilation, strict=True)]
    phases = tuple(np.unique(m % s) for m, s in zip(met, stride, strict=True))
    index = [np.searchsorted(f, m % s) for f, m, s in zip(phases, met, stride, strict=True)]
    c = np.arange(channels // groups)[:, None, None]
    a, b = index[0][:, None], index[1]
    plane = (c * len(phases[0]) + a) * len(phases[1]) + b  # (C, KH, KW)
    shift = (met[0] // stride[0])[:, None] * pitch + met[1] // stride[1]
    positions = (out[0] - 1) * pitch + out[1]
    size = channels * len(phases[0]) * len(phases[1]) * rows * pitch + WIDE * VECTOR_BYTES
    places = (plane * rows * pitch + shift).reshape(-1)
    return Plan(places, (phases[0], phases[1]), where, channels, rows, pitch, positions, size)


@jit
def _frame(
    x: Array,
    n: int,
    frame: Array,
    at: int,
    rows: int,
    pitch: int,
    stride: Ints,
    before: Ints,
    row_phases: Array,
    column_phases: Array,
) -> None:
    """Sample n of x (N, C, H, W) into its frame, whose other places hold zeros already."""
    _, C, H, W = x.shape
    flat, zero = x.reshape(-1), x.dtype.type(0)
    for c in range(C):
        for r in row_phases:
            for s in column_phases:
                first = max(-((s - before[1]) // stride[1]), 0)
                column = stride[1] * first + s - before[1]
                count = min(pitch - first, (W - column + stride[1] - 1) // stride[1])
                for i in range(rows):
                    row = stride[0] * i + r - before[0]
                    if 0 <= row < H:
                        to = at + i * pitch + first
                        if stride[1] == 1:
                            source = ((n * C + c) * H + row) * W + column
                            move(flat, source, frame, to, count, zero)
                        else:
                            pixels, places = x[n, c, row, column:], frame[to : to + count]
                            for j in range(count):
                                places[j] = pixels[stride[1] * j]
                at += rows * pitch


@jit
def _correlate(
    x: Array,
    w: Array,
    bias: Array,
    y: Array,
    y_start: int,
    y_steps: Ints,
    groups: int,
    out: Ints,
    places: Array,
    rows: int,
    pitch: int,
    positions: int,
    stride: Ints,
    before: Ints,
    row_phases: Array,
    column_phases: Array,
    frame: Array,
    products: Array,
    first: int,
    last: int,
) -> None:
    filters, K = len(bias) // groups, len(places)
    group_size = x.shape[1] // groups * len(row_phases) * len(column_phases) * rows * pitch
    wide = (positions + lanes(x) - 1) // lanes(x) * lanes(x)
    for n in range(first, last):
        _frame(x, n, frame, 0, rows, pitch, stride, before, row_phases, column_phases)
        for q in range(groups):
            f = q * filters
            while f < (q + 1) * filters:
                tall = height((q + 1) * filters - f)
                correlate_rows(
                    tall, frame, q * group_size, places, w, f * K, products, 0, wide, positions
                )
                for m in range(tall):
                    for i in range(out[0]):
                        at = y_start + n * y_steps[0] + (f + m) * y_steps[1] + i * y_steps[2]
                        source = m * wide + i * pitch
                        if y_steps[3] == 1:
                            move(products, source, y, at, out[1], bias[f + m])
                        else:
                            row, line = products[source : source + out[1]], y[at:]
                            for j in range(out[1]):
                                line[j * y_steps[3]] = row[j] + bias[f + m]
                f += tall


def correlate(
    y: Array, base: Array, x: Array, w: Array, b: Array, where: Where, groups: int
) -> None:
    """y[n,f,i] = b[f] + sum_{c,a} x[n, c, s*i + d*a - before] * w[f,c,a].

    Written to y (N, F, *O), a view of the contiguous array `base`.
    """
    p = plan(where, x.shape[1], groups)
    K, F = len(p.places), len(b)
    packed = np.empty(w.size, w.dtype)
    pack(w.reshape(groups, F // groups, K), packed)
    start = (y.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // y.itemsize
    steps = tuple(step // y.itemsize for step in y.strides)
    flat = base.reshape(-1)

    def work(first: int, last: int) -> None:
        frame = workspace("frame", (p.size,), x.dtype)
        frame.fill(0)
        products = workspace("product", (8 * (p.positions + VECTOR_BYTES),), x.dtype)
        _correlate(
            *(x, packed, b, flat, start, steps, groups, where.out, p.places, p.rows, p.pitch),
            *(p.positions, where.stride, where.before, *p.phases, frame, products, first, last),
        )

    share(work, len(x), y.size * K // WORK_PER_ACCESS + 2 * y.size)


@jit
def _sum_products(
    x: Array,
    g: Array,
    groups: int,
    places: Array,
    rows: int,
    pitch: int,
    positions: int,
    stride: Ints,
    before: Ints,
    row_phases: Array,
    column_phases: Array,
    frames: Array,
    size: int,
    slopes: Array,
    together: int,
    sums: Array,
    first: int,
    last: int,
) -> None:
    """sums += the products of g with what each tap of x meets, tile by tile."""
    F, OH, OW = g.shape[1:]
    filters = F // groups
    slope, zero = g.reshape(-1), g.dtype.type(0)
    group_size = x.shape[1] // groups * len(row_phases) * len(column_phases) * rows * pitch
    wide = (positions + lanes(x) - 1) // lanes(x) * lanes(x)
    for start in range(first, last, together):
        samples = min(together, last - start)
        for n in range(samples):
            _frame(
                *(x, start + n, frames, n * size, rows, pitch, stride, before),
                *(row_phases, column_phases),
            )
            for f in range(F):
                for i in range(OH):
                    source = (((start + n) * F + f) * OH + i) * OW
                    move(slope, source, slopes, (n * F + f) * wide + i * pitch, OW, zero)
        at = 0
        for q in range(groups):
            f = q * filters
            while f < (q + 1) * filters:
                tall = height((q + 1) * filters - f)
                at = inner_rows(
                    *(tall, slopes, f * wide, F * wide, wide, frames, q * group_size, size),
                    *(places, samples, positions, sums, at),
                )
                f += tall


def weight_gradient(x: Array, g: Array, where: Where, groups: int) -> Array:
    """dw[f,c,a] = sum_{n,i} x[n, c, s*i + d*a - before] * g[n,f,i], (F, C/groups, *K)."""
    p = plan(where, x.shape[1], groups)
    N, F, K = len(g), g.shape[1], len(p.places)
    # Taps are taken WIDE at a time: the last ones are filled up with tap 0, and thrown away.
    places = np.concatenate([p.places, np.zeros(-K % WIDE, np.int64)])
    wide = p.positions + VECTOR_BYTES
    together = max(1, min(N, FRAMES_BYTES // ((p.size + F * wide) * x.itemsize)))

    def work(first: int, last: int) -> Array:
        frames = workspace("frame", (together * p.size,), x.dtype)
        slopes = workspace("slopes", (together * F * wide,), x.dtype)
        frames.fill(0)
        slopes.fill(0)
        sums = np.zeros(room(groups, F // groups, K, x), x.dtype)
        _sum_products(
            *(x, g, groups, places, p.rows, p.pitch, p.positions, where.stride, where.before),
            *(*p.phases, frames, p.size, slopes, together, sums, first, last),
        )
        return sums

    parts = share(work, N, g.size * K // WORK_PER_ACCESS + 2 * g.size)
    dw = np.empty((groups, F // groups, K), x.dtype)
    unpack(sum(parts[1:], start=parts[0]), dw)
    return dw.reshape(F, x.shape[1] // groups, *where.kernel)
