"""Convolutions of 3x3 with a quarter of the multiplications (Winograd; Lavin and Gray 2016).

A tile d of 6x6 pixels and a filter w give 4x4 outputs,

    y = A' [(G w G') * (B' d B)] A,     * being elementwise, ' transposition,

with 36 multiplications in place of 144. Over all tiles, filters and channels, each of the 36 is a
product of matrices. The gradient of the weights is the transpose of this map in w: tiles of g take
the place of the outputs,

    dw = G' [sum over tiles of (A g A') * (B' d B)] G.

The points of the interpolation are 0, 1, -1, 2, -2 and infinity (section 4.3 of the paper). Their
powers cost accuracy: errors relative to the largest result are about 1e-5 in float32 and 1e-14 in
float64, ten times those of direct sums. An infinity or a NaN spreads over the tile it lies in.

In memory, tiles q of several samples lie side by side, so that every transform runs along whole
vectors of tiles.
"""

from __future__ import annotations

from typing import Any

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
from tinygrad_cnn.kernels.compiled.tile import VECTOR_BYTES, WIDE, elementwise, move
from tinygrad_cnn.kernels.geometry import Array, Ints

FEWEST = 16  # channels and filters, below which the transforms cost more than they save
TOGETHER = 144  # tiles at a time, at least, forward
SUMMED = 256  # tiles at a time, at least, for the gradient of the weights
WORK_PER_ACCESS = 96  # multiplications of the plain sum in the time of an elementwise access


def of_input(d0: Any, d1: Any, d2: Any, d3: Any, d4: Any, d5: Any) -> tuple[Any, ...]:
    """B' d, for one column or one row."""
    a, b, c, d = d4 - 4 * d2, d3 - 4 * d1, d4 - d2, 2 * (d3 - d1)
    return 4 * d0 - 5 * d2 + d4, a + b, a - b, c + d, c - d, 4 * d1 - 5 * d3 + d5


def of_output(m0: Any, m1: Any, m2: Any, m3: Any, m4: Any, m5: Any) -> tuple[Any, ...]:
    """A' m"""
    a, b, c, d = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return m0 + a + c, b + 2 * d, a + 4 * c, b + 8 * d + m5


def of_slope(g0: Any, g1: Any, g2: Any, g3: Any) -> tuple[Any, ...]:
    """A g"""
    a, b, c, d = g0 + g2, g1 + g3, g0 + 4 * g2, 2 * g1 + 8 * g3
    return g0, a + b, a - b, c + d, c - d, g3


def of_weights(w0: Any, w1: Any, w2: Any) -> tuple[Any, ...]:
    """G w"""
    a, b, c, d = -1 / 6 * (w0 + w2), 1 / 6 * w1, 1 / 24 * w0 + 1 / 6 * w2, 1 / 12 * w1
    return 1 / 4 * w0, a - b, a + b, c + d, c - d, w2


def of_sums(s0: Any, s1: Any, s2: Any, s3: Any, s4: Any, s5: Any) -> tuple[Any, ...]:
    """G' s"""
    a, b, c, d = s1 + s2, s2 - s1, s3 + s4, s3 - s4
    return (
        1 / 4 * s0 - 1 / 6 * a + 1 / 24 * c,
        1 / 6 * b + 1 / 12 * d,
        1 / 6 * (c - a) + s5,
    )


_rows_of_input = elementwise(of_input, 6, split=True)
_columns_of_input = elementwise(of_input, 6)
_columns_of_output = elementwise(of_output, 6)
_rows_of_output = elementwise(of_output, 6, join=True)
_rows_of_slope = elementwise(of_slope, 4, split=True)
_columns_of_slope = elementwise(of_slope, 4)
_columns_of_weights = elementwise(of_weights, 3)
_columns_of_sums = elementwise(of_sums, 6)


@jit
def _lay_out(
    x: Array,
    start: int,
    samples: int,
    c: int,
    before: Ints,
    tiles: Ints,
    shift: int,
    lines: Array,
    to: int,
    rows: int,
    pitch: int,
) -> None:
    """Row r of every tile, r < rows, side by side: lines[to + r*pitch + 4*q + j].

    The tiles start `before` pixels ahead of x, and `shift` pixels further in a row; where there is
    no pixel, lines holds a zero already.
    """
    _, C, H, W = x.shape
    flat, zero = x.reshape(-1), x.dtype.type(0)
    left = before[1] - shift
    first = max(left, 0)
    count = min(4 * tiles[1], W + left) - first
    if count <= 0:
        return
    for r in range(rows):
        for n in range(samples):
            plane = ((start + n) * C + c) * H
            for i in range(tiles[0]):
                row = 4 * i + r - before[0]
                if 0 <= row < H:
                    at = to + r * pitch + (n * tiles[0] + i) * 4 * tiles[1] + first
                    move(flat, (plane + row) * W + first - left, lines, at, count, zero)


@jit
def _plane(channels: int, wide: int, x: Array) -> int:
    """The size of one of the 36 matrices.

    A vector more than it holds, or rows of 4 KiB would lay all 36 into the same few lines of the
    cache.
    """
    return channels * wide + lanes(x)


@jit
def _transform_input(
    x: Array,
    start: int,
    samples: int,
    before: Ints,
    tiles: Ints,
    lines: Array,
    halfway: Array,
    V: Array,
    wide: int,
) -> None:
    """V[e, c, q] = (B' d B)[e], e < 36, for tile q of channel c."""
    C, vectors = x.shape[1], wide // lanes(x)
    for c in range(C):
        # The last two pixels of a row of a tile are the first ones of the next tile.
        _lay_out(x, start, samples, c, before, tiles, 0, lines, 0, 6, 4 * wide)
        _lay_out(x, start, samples, c, before, tiles, 4, lines, 24 * wide, 6, 4 * wide)
        for r in range(6):
            _rows_of_input(lines, 4 * r * wide, 24 * wide, halfway, r * wide, 6 * wide, vectors)
        for s in range(6):
            to, pitch = s * _plane(C, wide, x) + c * wide, 6 * _plane(C, wide, x)
            _columns_of_input(halfway, 6 * s * wide, wide, V, to, pitch, vectors)


@jit
def _transform_slope(
    g: Array,
    start: int,
    samples: int,
    tiles: Ints,
    lines: Array,
    halfway: Array,
    W: Array,
    wide: int,
) -> None:
    """W[e, f, q] = (A g A')[e] for tile q of filter f."""
    F, vectors = g.shape[1], wide // lanes(g)
    for f in range(F):
        _lay_out(g, start, samples, f, (0, 0), tiles, 0, lines, 0, 4, 4 * wide)
        for r in range(4):
            _rows_of_slope(lines, 4 * r * wide, 0, halfway, r * wide, 4 * wide, vectors)
        for s in range(6):
            to, pitch = s * _plane(F, wide, g) + f * wide, 6 * _plane(F, wide, g)
            _columns_of_slope(halfway, 4 * s * wide, wide, W, to, pitch, vectors)


@jit
def _transform_output(
    M: Array,
    bias: Array,
    y: Array,
    start: int,
    samples: int,
    tiles: Ints,
    halfway: Array,
    lines: Array,
    wide: int,
) -> None:
    """y = A' M A + bias, tile by tile."""
    _, F, OH, OW = y.shape
    flat, vectors = y.reshape(-1), wide // lanes(y)
    for f in range(F):
        for s in range(6):
            source, pitch = s * _plane(F, wide, y) + f * wide, 6 * _plane(F, wide, y)
            _columns_of_output(M, source, pitch, halfway, s * wide, 6 * wide, vectors)
        for r in range(4):
            _rows_of_output(halfway, 6 * r * wide, wide, lines, 4 * r * wide, 0, vectors)
        for n in range(samples):
            plane = ((start + n) * F + f) * OH
            for row in range(OH):
                source = 4 * (row % 4) * wide + (n * tiles[0] + row // 4) * 4 * tiles[1]
                move(lines, source, flat, (plane + row) * OW, OW, bias[f])


@jit
def _whole_vectors(numbers: int, x: Array) -> int:
    """So many, or a few more."""
    return (numbers + lanes(x) - 1) // lanes(x) * lanes(x)


@jit
def _correlate(
    x: Array,
    U: Array,
    size: int,
    bias: Array,
    y: Array,
    before: Ints,
    tiles: Ints,
    together: int,
    lines: Array,
    halfway: Array,
    V: Array,
    M: Array,
    first: int,
    last: int,
) -> None:
    C, F = x.shape[1], y.shape[1]
    for start in range(first, last, together):
        samples = min(together, last - start)
        wide = _whole_vectors(samples * tiles[0] * tiles[1], x)
        lines[: 48 * wide] = 0
        _transform_input(x, start, samples, before, tiles, lines, halfway, V, wide)
        places = np.arange(C) * wide
        for e in range(36):
            f, source = 0, e * _plane(C, wide, x)
            while f < F:
                rows = height(F - f)
                to = e * _plane(F, wide, x) + f * wide
                correlate_rows(rows, V, source, places, U, e * size + f * C, M, to, wide, wide)
                f += rows
        _transform_output(M, bias, y, start, samples, tiles, halfway, lines, wide)


def fits(channels: int, filters: int, where: Where, groups: int) -> bool:
    """Whether this is a convolution for Winograd's tiles, and large enough to gain by them."""
    plain = where.kernel == (3, 3) and where.stride == where.dilation == (1, 1) and groups == 1
    return plain and min(channels, filters) >= FEWEST and min(where.out) > 2


def _tiles(where: Where) -> tuple[int, int]:
    return -(-where.out[0] // 4), -(-where.out[1] // 4)


def _samples(tiles: Ints, least: int, N: int) -> int:
    return max(1, min(-(-least // (tiles[0] * tiles[1])), N))


def _width(tiles: Ints, together: int) -> int:
    """Tiles of so many samples, with room for whole vectors."""
    return together * tiles[0] * tiles[1] + VECTOR_BYTES


def _buffers(x: Array, filters: int, wide: int) -> tuple[Array, Array, Array, Array]:
    """For the rows of `wide` tiles, their transform halfway, and the whole one of x and of y."""
    return (
        workspace("lines", (48 * wide,), x.dtype),
        workspace("halfway", (36 * wide,), x.dtype),
        workspace("V", (36 * _plane(x.shape[1], wide, x),), x.dtype),
        workspace("M", (36 * _plane(filters, wide, x),), x.dtype),
    )


def correlate(y: Array, x: Array, w: Array, b: Array, where: Where) -> None:
    """y[n,f,i] = b[f] + sum_{c,a} x[n, c, i + a - before] * w[f,c,a], y and x contiguous."""
    F, tiles = len(w), _tiles(where)
    U, size = _transformed(w)
    together = _samples(tiles, TOGETHER, len(x))
    wide = _width(tiles, together)

    def work(first: int, last: int) -> None:
        _correlate(
            *(x, U, size, b, y, where.before, tiles, together),
            *_buffers(x, F, wide),
            *(first, last),
        )

    share(work, len(x), y.size * x.shape[1] * 9 // WORK_PER_ACCESS)


@jit
def _transform_weights(w: Array, halfway: Array, U: Array, size: int) -> None:
    """U[e] = (G w G')[e] of nine planes w[a, b], each of `size` numbers."""
    vectors = size // lanes(w)
    for b in range(3):
        _columns_of_weights(w, b * size, 3 * size, halfway, b * size, 3 * size, vectors)
    for r in range(6):
        _columns_of_weights(halfway, 3 * r * size, size, U, 6 * r * size, size, vectors)


@jit
def _transform_sums(S: Array, halfway: Array, dw: Array, size: int) -> None:
    """dw[a, b] = (G' S G)[a, b] of 36 planes S[e], each of `size` numbers."""
    vectors = size // lanes(S)
    for s in range(6):
        _columns_of_sums(S, s * size, 6 * size, halfway, s * size, 6 * size, vectors)
    for a in range(3):
        _columns_of_sums(halfway, 6 * a * size, size, dw, 3 * a * size, size, vectors)


def _transformed(w: Array) -> tuple[Array, int]:
    """G w G' of w (F, C, 3, 3), in planes packed for `correlate_rows`, and the size of a plane."""
    F, C = w.shape[:2]
    size = F * C + -(F * C) % VECTOR_BYTES
    planes, halfway, U = (np.zeros(n * size, w.dtype) for n in (9, 18, 36))
    for tap in range(9):
        pack(w[None, :, :, tap // 3, tap % 3], planes[tap * size :])
    _transform_weights(planes, halfway, U, size)
    return U, size


@jit
def _sum_products(
    x: Array,
    g: Array,
    before: Ints,
    tiles: Ints,
    together: int,
    lines: Array,
    halfway: Array,
    V: Array,
    W: Array,
    sums: Array,
    first: int,
    last: int,
) -> None:
    C, F = x.shape[1], g.shape[1]
    for start in range(first, last, together):
        samples = min(together, last - start)
        wide = _whole_vectors(samples * tiles[0] * tiles[1], x)
        lines[: 48 * wide] = 0
        _transform_input(x, start, samples, before, tiles, lines, halfway, V, wide)
        lines[: 16 * wide] = 0
        _transform_slope(g, start, samples, tiles, lines, halfway, W, wide)
        # Channels are taken WIDE at a time: the last ones are filled up with the first.
        places = np.arange((C + WIDE - 1) // WIDE * WIDE) % C * wide
        at = 0
        for e in range(36):
            f, source = 0, e * _plane(C, wide, x)
            while f < F:
                rows = height(F - f)
                at = inner_rows(
                    *(rows, W, e * _plane(F, wide, g) + f * wide, 0, wide, V, source, 0),
                    *(places, 1, wide, sums, at),
                )
                f += rows


def weight_gradient(x: Array, g: Array, where: Where) -> Array:
    """dw[f,c,a] = sum_{n,i} x[n, c, i + a - before] * g[n,f,i], (F, C, 3, 3)."""
    C, F, tiles = x.shape[1], g.shape[1], _tiles(where)
    together = _samples(tiles, SUMMED, len(x))
    wide = _width(tiles, together)

    def work(first: int, last: int) -> Array:
        sums = np.zeros(room(36, F, C, x), x.dtype)
        _sum_products(
            *(x, g, where.before, tiles, together),
            *_buffers(x, F, wide),
            *(sums, first, last),
        )
        return sums

    parts = share(work, len(x), g.size * C * 9 // WORK_PER_ACCESS)
    S = sum(parts[1:], start=parts[0])
    size = room(1, F, C, x)
    halfway, planes = np.empty(18 * size, x.dtype), np.empty(9 * size, x.dtype)
    _transform_sums(S, halfway, planes, size)
    dw = np.empty((9, F, C), x.dtype)
    unpack(planes, dw)
    return np.ascontiguousarray(np.moveaxis(dw, 0, -1)).reshape(F, C, 3, 3)
