"""Rows of tiles: products of a few filters with as many positions or taps as there are."""

from __future__ import annotations

from tinygrad_cnn.kernels.compiled.jit import jit
from tinygrad_cnn.kernels.compiled.tile import (
    ROWS,
    VECTOR_BYTES,
    WIDE,
    correlation,
    inner_products,
)
from tinygrad_cnn.kernels.geometry import Array

_wide_8, _narrow_8 = correlation(8, WIDE), correlation(8, 1)
_wide_4, _narrow_4 = correlation(4, WIDE), correlation(4, 1)
_wide_2, _narrow_2 = correlation(2, WIDE), correlation(2, 1)
_wide_1, _narrow_1 = correlation(1, WIDE), correlation(1, 1)
_inner_8, _inner_4 = inner_products(8, WIDE), inner_products(4, WIDE)
_inner_2, _inner_1 = inner_products(2, WIDE), inner_products(1, WIDE)


@jit
def height(filters: int) -> int:
    """How many of so many filters the next row of tiles takes."""
    for rows in (8, 4, 2):
        if rows <= min(filters, ROWS):
            return rows
    return 1


@jit
def lanes(x: Array) -> int:
    """How many of x's elements a vector holds."""
    return VECTOR_BYTES // x.itemsize


@jit
def pack(w: Array, packed: Array) -> None:
    """w (Q, F, K) -> packed, flat: for each row of tiles, step by step, its filters' weights."""
    at = 0
    for q in range(w.shape[0]):
        f = 0
        while f < w.shape[1]:
            rows = height(w.shape[1] - f)
            for k in range(w.shape[2]):
                for i in range(rows):
                    packed[at] = w[q, f + i, k]
                    at += 1
            f += rows


@jit
def correlate_rows(
    rows: int,
    x: Array,
    x0: int,
    places: Array,
    w: Array,
    w0: int,
    y: Array,
    y0: int,
    pitch: int,
    positions: int,
) -> None:
    """`tile.correlation` of so many rows for all positions, rounded up to whole vectors."""
    L, K, p = lanes(x), len(places), 0
    if rows == 8:
        for p in range(0, positions // (WIDE * L) * WIDE * L, WIDE * L):
            _wide_8(x, x0 + p, places, K, w, w0, y, y0 + p, pitch)
        for p in range(positions // (WIDE * L) * WIDE * L, positions, L):
            _narrow_8(x, x0 + p, places, K, w, w0, y, y0 + p, pitch)
    elif rows == 4:
        for p in range(0, positions // (WIDE * L) * WIDE * L, WIDE * L):
            _wide_4(x, x0 + p, places, K, w, w0, y, y0 + p, pitch)
        for p in range(positions // (WIDE * L) * WIDE * L, positions, L):
            _narrow_4(x, x0 + p, places, K, w, w0, y, y0 + p, pitch)
    elif rows == 2:
        for p in range(0, positions // (WIDE * L) * WIDE * L, WIDE * L):
            _wide_2(x, x0 + p, places, K, w, w0, y, y0 + p, pitch)
        for p in range(positions // (WIDE * L) * WIDE * L, positions, L):
            _narrow_2(x, x0 + p, places, K, w, w0, y, y0 + p, pitch)
    else:
        for p in range(0, positions // (WIDE * L) * WIDE * L, WIDE * L):
            _wide_1(x, x0 + p, places, K, w, w0, y, y0 + p, pitch)
        for p in range(positions // (WIDE * L) * WIDE * L, positions, L):
            _narrow_1(x, x0 + p, places, K, w, w0, y, y0 + p, pitch)


@jit
def tile_size(rows: int, x: Array) -> int:
    """The room that the sums of `rows` filters and WIDE taps take: whole vectors."""
    return (rows * WIDE + lanes(x) - 1) // lanes(x) * lanes(x)


@jit
def inner_rows(
    rows: int,
    g: Array,
    g0: int,
    g_step: int,
    g_pitch: int,
    x: Array,
    x0: int,
    x_step: int,
    places: Array,
    samples: int,
    positions: int,
    s: Array,
    s0: int,
) -> int:
    """`tile.inner_products` of so many rows with all taps; returns where the next sums go in s.

    places come in multiples of WIDE.
    """
    L = lanes(x)
    V, size, to = (positions + L - 1) // L, tile_size(rows, x), s0
    for k in range(0, len(places), WIDE):
        if rows == 8:
            _inner_8(g, g0, g_step, g_pitch, x, x0, x_step, places, k, samples, V, s, to)
        elif rows == 4:
            _inner_4(g, g0, g_step, g_pitch, x, x0, x_step, places, k, samples, V, s, to)
        elif rows == 2:
            _inner_2(g, g0, g_step, g_pitch, x, x0, x_step, places, k, samples, V, s, to)
        else:
            _inner_1(g, g0, g_step, g_pitch, x, x0, x_step, places, k, samples, V, s, to)
        to += size
    return to


@jit
def unpack(s: Array, w: Array) -> None:
    """The sums of `inner_rows`, row after row of tiles, to w (Q, F, K)."""
    at = 0
    Q, F, K = w.shape
    for q in range(Q):
        f = 0
        while f < F:
            rows = height(F - f)
            for k in range(0, K, WIDE):
                for i in range(rows):
                    for j in range(min(WIDE, K - k)):
                        w[q, f + i, k + j] = s[at + i * WIDE + j]
                at += tile_size(rows, s)
            f += rows


@jit
def room(Q: int, F: int, K: int, x: Array) -> int:
    """How many sums `unpack` reads."""
    size, f = 0, 0
    while f < F:
        rows = height(F - f)
        size += tile_size(rows, x) * ((K + WIDE - 1) // WIDE)
        f += rows
    return Q * size
