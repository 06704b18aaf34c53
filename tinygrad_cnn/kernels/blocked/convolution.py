"""Convolution as matrix products over small buffers of windows.

A few samples' windows are copied side by side into a buffer that stays in the cache, and BLAS does
the arithmetic. Unfolding the whole batch at once would write and read it kernel-size times through
main memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from math import gcd, prod
from typing import Any

import numpy as np

from tinygrad_cnn.kernels.blocked.matrix import PRODUCTS_PER_ACCESS, TransposedSum, multiply
from tinygrad_cnn.kernels.blocked.memory import fresh, workspace
from tinygrad_cnn.kernels.blocked.windows import Where, Windows, blocks
from tinygrad_cnn.kernels.blocked.workers import share
from tinygrad_cnn.kernels.geometry import Array, Ints, conv_output_size, last_axes

FEW_POSITIONS = 16  # with fewer output positions, samples stand side by side in one product
SHORT_SUM = 256  # with fewer, samples are summed over in one product


def same_type(*arrays: Array) -> list[Array]:
    """All in the dtype that NumPy's rules give their product."""
    dtype: np.dtype[Any] = np.result_type(*arrays)
    return [a.astype(dtype, copy=False) for a in arrays]


def with_bias(x: Array, w: Array, bias: Array | None) -> list[Array]:
    """x, w and the bias, zeros where there is none, in one dtype."""
    return same_type(x, w, np.zeros(len(w), w.dtype) if bias is None else bias)


def _correlate(
    y: Array, x: Array, w: Array, where: Where, groups: int, bias: Array | None = None
) -> None:
    """y[n,f,i] = bias[f] + sum_{c,a} x[n, c, s*i + d*a - before] * w[f,c,a], in y (N, F, *O)."""
    N, F, P, K = x.shape[0], w.shape[0], prod(where.out), prod(w.shape[1:])
    w = np.ascontiguousarray(w).reshape(groups, F // groups, K)  # BLAS refuses flipped matrices
    shift = None if bias is None else bias.reshape(-1, *(1,) * len(where.out))
    line, inside, direct = P // where.out[0], P < FEW_POSITIONS, y.flags.c_contiguous

    def work(start: int, stop: int) -> None:
        windows = cache(lambda samples, rows: Windows(x, where, samples, rows, inside))
        for block in blocks(start, stop, where.out, groups * K * P * y.itemsize):
            first, n, row, rows = block
            columns = windows(n, rows).block(block)
            part, p = y[first : first + n, :, row : row + rows], rows * line
            if inside:  # (F, C*K) @ (C*K, n*O), turned to (n, F, O) then
                wide = w @ columns.reshape(groups, K, n * p)
                part[...] = wide.reshape(F, n, *part.shape[2:]).swapaxes(0, 1)
            elif direct:
                out = part.reshape(n, groups, F // groups, p)
                multiply(w, columns.reshape(n, groups, K, p), out)
            else:  # BLAS writes no gaps
                out = workspace("product", (n, groups, F // groups, p), y.dtype)
                multiply(w, columns.reshape(n, groups, K, p), out)
                part[...] = out.reshape(part.shape)
            if shift is not None:
                np.add(part, shift, out=part)

    share(work, N, y.size * K // PRODUCTS_PER_ACCESS)


def conv(
    x: Array,
    w: Array,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    groups: int,
    bias: Array | None = None,
) -> Array:
    """As `reference.conv`: (F, C*K) @ (C*K, O) for each sample."""
    x, w, b = with_bias(x, w, bias)
    out = conv_output_size(x.shape[2:], w.shape[2:], stride, padding, dilation)
    y = fresh((x.shape[0], w.shape[0], *out), x.dtype)
    if not (y.size and x.size and w.size):
        y[...] = b.reshape(-1, *(1,) * len(out))
        return y
    where = Where(out, w.shape[2:], stride, padding, dilation)
    _correlate(y, x, w, where, groups, b if bias is not None else None)
    return y


def conv_input(
    g: Array, w: Array, size: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Array:
    """As `reference.conv_input`: a correlation of g with flipped taps for each phase of dx.

    The positions j = s*q + r of one phase r meet only the taps a with s | r + p - d*a. These are
    a = first + step*m with step = s/gcd(s,d), and they meet g at q + (r + p - d*first)/s - m*d/gcd.
    Spreading g out with zeros instead would multiply prod(stride) times as much.
    """
    g, w = same_type(g, w)
    dx = fresh((g.shape[0], groups * w.shape[1], *size), g.dtype)
    if prod(stride) > 1:
        dx.fill(0)  # a stride may leave positions unmet
    if not (dx.size and w.size and g.size):
        return np.zeros_like(dx)
    for part, w_part, where in phases(dx, w, stride, padding, dilation, groups):
        _correlate(part, g, w_part, where, groups)
    return dx


def phases(
    dx: Array, w: Array, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Iterator[tuple[Array, Array, Where]]:
    """The correlations of g that make up dx: (part of dx, weights, where) for each phase."""
    (F, C), kernel = w.shape[:2], w.shape[2:]
    w = w.reshape(groups, F // groups, C, *kernel).swapaxes(1, 2)
    w = w.reshape(groups * C, F // groups, *kernel)  # filters and channels of a group change places
    for phase in product(*map(range, stride)):
        axes = zip(phase, kernel, stride, padding, dilation, strict=True)
        taps, before, spread = zip(*(_phase(*axis) for axis in axes), strict=True)
        part = dx[last_axes(slice(r, None, s) for r, s in zip(phase, stride, strict=True))]
        w_part = w[last_axes(taps)]
        if part.size and w_part.size:
            ones = (1,) * len(stride)
            yield part, w_part, Where(part.shape[2:], w_part.shape[2:], ones, before, spread)


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
    """As `reference.conv_weight`: (F, O) @ (O, C*K), summed over the samples."""
    x, g = same_type(x, g)
    (N, F), out, C = g.shape[:2], g.shape[2:], x.shape[1] // groups
    if not (g.size and x.size):
        return np.zeros((F, C, *size), x.dtype)
    where, P, K = Where(out, size, stride, padding, dilation), prod(out), C * prod(size)
    g = g.reshape(N, groups, F // groups, P)
    line, inside = P // out[0], P < SHORT_SUM

    def work(start: int, stop: int) -> Array:
        dw = TransposedSum(groups, F // groups, K, x.dtype)
        windows = cache(lambda samples, rows: Windows(x, where, samples, rows, inside))
        for block in blocks(start, stop, out, groups * K * P * x.itemsize):
            first, n, row, rows = block
            columns = windows(n, rows).block(block)
            part = g[first : first + n, ..., row * line : (row + rows) * line]
            if inside:  # (n, groups, F, O) -> (1, groups, F, n*O)
                part = np.moveaxis(part, 0, 2).reshape(1, groups, F // groups, n * rows * line)
            dw.add(part, columns.reshape(len(part), groups, K, part.shape[-1]))
        return dw.total()

    parts = share(work, N, g.size * K // PRODUCTS_PER_ACCESS)
    return sum(parts[1:], start=parts[0]).reshape(F, C, *size)
