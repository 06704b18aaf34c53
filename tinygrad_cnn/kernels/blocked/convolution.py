"""Convolution as matrix products over small buffers (im2col, a block of samples at a time).

The windows of a few samples are copied side by side into a buffer that stays in the second-level
cache, and BLAS does the arithmetic. Unfolding the whole batch at once would write and read it
kernel-size times through main memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from math import gcd, prod
from typing import Any

import numpy as np

from tinygrad_cnn.kernels.blocked.matrix import TransposedSum, multiply
from tinygrad_cnn.kernels.blocked.memory import as_rows, workspace
from tinygrad_cnn.kernels.blocked.workers import share
from tinygrad_cnn.kernels.geometry import (
    Array,
    Ints,
    conv_output_size,
    last_axes,
    window_extent,
)

BLOCK_BYTES = 1 << 19  # of windows at a time: half a usual second-level cache
SHORT_SUM = 256  # fewer output positions than this are summed over samples in one product
FEW_POSITIONS = 16  # with fewer output positions, samples stand side by side in one product


# --- windows, copied row by row -------------------------------------------------------------------


class _Windows:
    """x (N, C, *S) as matrices of windows: columns[n, c, a, i] = x[n, c, s*i + d*a - before].

    Serves blocks of `samples` samples and `rows` positions of the first output axis; all views are
    made once. One axis needs care, the last: to copy whole rows, the positions that a tap meets
    must lie side by side, so x is first sorted into `stride` phases along it, and padded.
    """

    def __init__(
        self,
        x: Array,
        out: Ints,
        kernel: Ints,
        stride: Ints,
        before: Ints,
        dilation: Ints,
        samples: int,
        rows: int,
        samples_inside: bool,
    ) -> None:
        self.samples, self.rows = samples, rows
        outer, C = len(kernel) - 1, x.shape[1]
        block = (rows, *out[1:]) if outer else out
        if samples_inside:
            self.columns = workspace("columns", (C, *kernel, samples, *block), x.dtype)
            columns = np.moveaxis(self.columns, -len(block) - 1, 0)
        else:
            columns = self.columns = workspace("columns", (samples, C, *kernel, *block), x.dtype)

        taps = [divmod(dilation[-1] * b, stride[-1]) for b in range(kernel[-1])]
        extent = window_extent(out, kernel, stride, dilation)
        self.framing: list[tuple[Array, Array]] = []
        self.direct = (
            stride[-1] == 1
            and not any(before)
            and all(e <= n for e, n in zip(extent, x.shape[2:], strict=True))
            and x.flags.c_contiguous
        )
        if self.direct:
            source, phases = x[..., None, :], [0]
        else:
            phases = sorted({phase for _, phase in taps})
            width = out[-1] + max(shift for shift, _ in taps)
            source = workspace("frame", (samples, C, *extent[:-1], len(phases), width), x.dtype)
            source.fill(0)
            self.framing = _framing(source, x, before, phases, stride[-1])

        to = as_rows(columns)  # (n, C, *K, *O[:-1])
        steps = source.strides[2 : 2 + outer]
        shape = (source.shape[0], C, *kernel[:-1], *out[:-1])
        strides = (
            *source.strides[:2],
            *(d * step for d, step in zip(dilation, steps, strict=False)),
            *(s * step for s, step in zip(stride, steps, strict=False)),
        )
        self.gathering = [
            (
                to[(slice(None),) * (2 + outer) + (b,)],
                np.ndarray(
                    shape,
                    to.dtype,
                    source,
                    phases.index(phase) * source.strides[-2] + shift * source.strides[-1],
                    strides,
                ),
            )
            for b, (shift, phase) in enumerate(taps)
        ]
        self.rows_axis = (slice(None),) * (2 + outer)

    def block(self, first: int, row: int) -> Array:
        """The windows from sample `first` and row `row`: (n, C, *K, *O) or (C, *K, n, *O)."""
        at = slice(first, first + self.samples)
        if row == 0:  # later rows of the same samples find the frame filled
            for to, source in self.framing:
                np.copyto(to, source[at])
        at = at if self.direct else slice(None)
        for to, source in self.gathering:
            source = source[at]
            if to.ndim > 2:
                source = source[(*self.rows_axis, slice(row, row + self.rows))]
            np.copyto(to, source)
        return self.columns


def _framing(
    frame: Array, x: Array, before: Ints, phases: list[int], stride: int
) -> list[tuple[Array, Array]]:
    """The copies that put x (N, C, *S) into frame (n, C, *outer, phases, length)."""
    outer = [_meet(*axis) for axis in zip(x.shape[2:-1], before, frame.shape[2:-2], strict=False)]
    copies = []
    for index, phase in enumerate(phases):
        to, source = _meet(x.shape[-1], before[-1], frame.shape[-1], stride, phase)
        to_part = frame[last_axes([*(at for at, _ in outer), index, to])]
        part = x[last_axes([*(at for _, at in outer), source])]
        if part.shape[-1]:
            plain = part.strides[-1] != part.itemsize
            copies.append((to_part, part) if plain else (as_rows(to_part), as_rows(part)))
    return copies


def _meet(n: int, before: int, length: int, stride: int = 1, phase: int = 0) -> tuple[slice, slice]:
    """Where q in range(length) and j in range(n) meet by j = stride*q + phase - before."""
    start = max(-((phase - before) // stride), 0)
    j = stride * start + phase - before
    count = max(min(length - start, -((j - n) // stride)), 0)
    return slice(start, start + count), slice(j, j + stride * count, stride)


# --- the three maps -------------------------------------------------------------------------------


def _blocks(
    start: int, stop: int, out: Ints, bytes_each: int
) -> Iterator[tuple[int, int, int, int]]:
    """(first sample, samples, first row, rows) of blocks of about BLOCK_BYTES of windows."""
    samples = max(1, BLOCK_BYTES // bytes_each)
    rows = out[0]
    if len(out) > 1 and bytes_each > 2 * BLOCK_BYTES:
        rows = max(1, rows * BLOCK_BYTES // bytes_each)
    for first in range(start, stop, samples):
        for row in range(0, out[0], rows):
            yield first, min(samples, stop - first), row, min(rows, out[0] - row)


def _correlate(
    y: Array, x: Array, w: Array, stride: Ints, before: Ints, dilation: Ints, groups: int
) -> None:
    """y[n,f,i] = sum_{c,a} x[n, c, s*i + d*a - before] * w[f,c,a], written to y (N, F, *O)."""
    (N, C), (F, kernel), out = x.shape[:2], (w.shape[0], w.shape[2:]), y.shape[2:]
    K, line = C // groups * prod(kernel), prod(out[1:])
    w = w.reshape(groups, F // groups, K)
    y_flat = y.reshape(N, groups, F // groups, prod(out))
    inside = prod(out) < FEW_POSITIONS

    def work(start: int, stop: int) -> None:
        windows = cache(
            lambda n, rows: _Windows(x, out, kernel, stride, before, dilation, n, rows, inside)
        )
        for first, n, row, rows in _blocks(start, stop, out, groups * K * prod(out) * y.itemsize):
            columns = windows(n, rows).block(first, row)
            part = y_flat[first : first + n, ..., row * line : (row + rows) * line]
            if inside:
                wide = w @ columns.reshape(groups, K, n * rows * line)
                part[...] = np.moveaxis(wide.reshape(groups, F // groups, n, rows * line), 2, 0)
            else:
                multiply(w, columns.reshape(n, groups, K, rows * line), out=part)

    share(work, N, y.size * K)


def conv(x: Array, w: Array, stride: Ints, padding: Ints, dilation: Ints, groups: int) -> Array:
    """As `reference.conv`."""
    x, w = _same_type(x, w)
    N, F, kernel = x.shape[0], w.shape[0], w.shape[2:]
    y = np.empty((N, F, *conv_output_size(x.shape[2:], kernel, stride, padding, dilation)), x.dtype)
    if not y.size:
        return y
    if _is_pointwise(kernel, padding):
        x = _subsampled(x, stride)
        multiply(w.reshape(groups, F // groups, -1), _matrices(x, groups), _matrices(y, groups))
    else:
        _correlate(y, x, w, stride, padding, dilation, groups)
    return y


def conv_input(
    g: Array, w: Array, size: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Array:
    """As `reference.conv_input`: a correlation of g with flipped taps for each phase of dx.

    The positions j = s*q + r of one phase r meet only the taps a with s | r + p - d*a. These are
    a = first + step*m with step = s/gcd(s,d), and they meet g at q + (r + p - d*first)/s - m*d/gcd.
    Spreading g out with zeros instead would multiply prod(stride) times as much.
    """
    g, w = _same_type(g, w)
    N, (F, C), kernel = g.shape[0], w.shape[:2], w.shape[2:]
    w = w.reshape(groups, F // groups, C, *kernel).swapaxes(1, 2)
    w = w.reshape(groups * C, F // groups, *kernel)  # filters and channels of a group change places
    whole = all(s == 1 for s in stride)
    dx = (np.empty if whole else np.zeros)((N, groups * C, *size), g.dtype)
    if not (dx.size and w.size and g.size):
        return np.zeros_like(dx)
    for phase in product(*map(range, stride)):
        axes = [
            _phase(*axis) for axis in zip(phase, kernel, stride, padding, dilation, strict=True)
        ]
        w_phase = w[last_axes(taps for taps, _, _ in axes)]
        at = last_axes(slice(r, None, s) for r, s in zip(phase, stride, strict=True))
        if not (w_phase.size and dx[at].size):
            continue
        y = dx if whole else np.empty(dx[at].shape, g.dtype)
        before, spread = tuple(b for _, b, _ in axes), tuple(d for _, _, d in axes)
        _correlate(y, g, w_phase, (1,) * len(size), before, spread, groups)
        if not whole:
            dx[at] = y
    return dx


def _phase(r: int, k: int, s: int, p: int, d: int) -> tuple[slice, int, int]:
    """The flipped taps that meet phase r of one axis, the padding before g, and their dilation."""
    step, spread = s // gcd(s, d), d // gcd(s, d)
    first = next((a for a in range(min(step, k)) if (r + p - d * a) % s == 0), k)
    count = len(range(first, k, step))
    if not count:
        return slice(0, 0), 0, 1
    last = first + step * (count - 1)
    flipped = slice(last, first - 1 if first else None, -step)
    return flipped, spread * (count - 1) - (r + p - d * first) // s, spread


def conv_weight(
    x: Array, g: Array, size: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Array:
    """As `reference.conv_weight`: one product over all positions of a block of samples."""
    x, g = _same_type(x, g)
    (N, C), F, out = x.shape[:2], g.shape[1], g.shape[2:]
    K, line = C // groups * prod(size), prod(out[1:])
    shape = (groups, F // groups, K)
    if not (g.size and x.size):
        return np.zeros((F, C // groups, *size), x.dtype)
    g_flat = g.reshape(N, groups, F // groups, prod(out))
    inside = prod(out) < SHORT_SUM

    def work(start: int, stop: int) -> Array:
        dw = TransposedSum(*shape, x.dtype)
        windows = cache(
            lambda n, rows: _Windows(x, out, size, stride, padding, dilation, n, rows, inside)
        )
        for first, n, row, rows in _blocks(start, stop, out, groups * K * prod(out) * x.itemsize):
            columns = windows(n, rows).block(first, row)
            part = g_flat[first : first + n, ..., row * line : (row + rows) * line]
            if inside:
                columns = columns.reshape(1, groups, K, n * rows * line)
                part = np.moveaxis(part, 0, 2).reshape(1, groups, F // groups, n * rows * line)
            dw.add(part, columns.reshape(part.shape[0], groups, K, -1))
        return dw.total()

    dw = sum(share(work, N, g.size * K), start=np.zeros(shape, x.dtype))
    return dw.reshape(F, C // groups, *size)


# --- 1x1 ------------------------------------------------------------------------------------------


def _is_pointwise(kernel: Ints, padding: Ints) -> bool:
    """A 1x1 convolution: a matrix product, with no window to copy."""
    return all(k == 1 for k in kernel) and not any(padding)


def _subsampled(x: Array, stride: Ints) -> Array:
    return np.ascontiguousarray(x[last_axes(slice(None, None, s) for s in stride)])


def _matrices(x: Array, groups: int) -> Array:
    """(N, C, *S) -> (N, groups, C/groups, S), a view of a contiguous x."""
    return x.reshape(x.shape[0], groups, x.shape[1] // groups, prod(x.shape[2:]))


def _same_type(a: Array, b: Array) -> tuple[Array, Array]:
    dtype: np.dtype[Any] = np.result_type(a, b)
    return a.astype(dtype, copy=False), b.astype(dtype, copy=False)
