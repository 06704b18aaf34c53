"""Fast NumPy: the same functions as `reference`, arranged so that the work stays in the cache.

Convolutions copy a few samples' windows into a small buffer (im2col) and leave the arithmetic to
BLAS; the buffer is reused, because a fresh one for the whole batch would cost more in page faults
than the product itself. What this file does not define is taken from `reference`.
"""

from __future__ import annotations

import threading
from itertools import product
from math import gcd, prod

import numpy as np

from tinygrad_cnn.kernels import reference
from tinygrad_cnn.kernels.geometry import (
    Array,
    Ints,
    conv_output_size,
    last_axes,
    overlap,
    pool_output_size,
    taps,
    window_extent,
    windows,
)

BLOCK_BYTES = 1 << 19  # a buffer of this size stays in the second-level cache beside its operands
KEPT_BYTES = 1 << 25  # larger buffers are not kept between calls


# --- workspace ------------------------------------------------------------------------------------

_local = threading.local()


def _workspace(role: str, shape: Ints, dtype: np.dtype) -> Array:
    """An uninitialised array that this thread reuses: valid until the next call with its role."""
    needed = prod(shape) * dtype.itemsize
    kept: dict[str, Array] = _local.__dict__
    buffer = kept.get(role)
    if buffer is None or buffer.size < needed:
        buffer = np.empty(needed, np.uint8)
        if needed <= KEPT_BYTES:
            kept[role] = buffer
    return buffer[:needed].view(dtype).reshape(shape)


def _block(samples: int, bytes_each: int) -> int:
    """How many samples make a block of about BLOCK_BYTES."""
    return max(1, min(samples, BLOCK_BYTES // max(bytes_each, 1)))


# --- convolution ----------------------------------------------------------------------------------


class _Framed:
    """Blocks of x (N, C, *S) seen through one box, as `geometry.frame`, in one reused buffer.

    The border is written once; each block overwrites only the inside.
    """

    def __init__(self, x: Array, before: Ints, extent: Ints, block: int) -> None:
        self.box, array = overlap(x.shape[2:], before, extent)
        self.x = x[array]
        self.whole = self.x.shape[2:] == extent
        if not self.whole:
            self.buffer = _workspace("frame", (block, x.shape[1], *extent), x.dtype)
            self.buffer.fill(0)

    def block(self, first: int, last: int) -> Array:
        x: Array = self.x[first:last]
        if self.whole:
            return x
        framed = self.buffer[: last - first]
        framed[self.box] = x
        return framed


def _correlate(
    y: Array, x: Array, w: Array, stride: Ints, before: Ints, dilation: Ints, groups: int
) -> None:
    """y[n,f,i] = sum_{c,a} x[n, c, s*i + d*a - before] * w[f,c,a], written to y (N, F, *O)."""
    (N, C), (F, kernel), out = x.shape[:2], (w.shape[0], w.shape[2:]), y.shape[2:]
    P, K = prod(out), prod(kernel)
    w = w.reshape(groups, F // groups, C // groups * K)
    block = _block(N, C * K * P * y.itemsize)
    framed = _Framed(x, before, window_extent(out, kernel, stride, dilation), block)
    buffer = _workspace("columns", (block, C, *kernel, *out), y.dtype)
    order = _columns_order(len(kernel))
    for first in range(0, N, block):
        last = min(first + block, N)
        columns = buffer[: last - first]
        view = windows(framed.block(first, last), out, kernel, stride, dilation)
        np.copyto(columns, view.transpose(order))  # (n, C, *K, *O)
        np.matmul(
            w,
            columns.reshape(last - first, groups, C // groups * K, P),
            out=y[first:last].reshape(last - first, groups, F // groups, P),
        )


def _columns_order(dims: int) -> Ints:
    """The transposition (N, C, *O, *K) -> (N, C, *K, *O)."""
    return (0, 1, *range(2 + dims, 2 + 2 * dims), *range(2, 2 + dims))


def _is_pointwise(kernel: Ints, stride: Ints, padding: Ints) -> bool:
    """A 1x1 convolution at every position: a matrix product, with no window to copy."""
    return all(k == s == 1 and p == 0 for k, s, p in zip(kernel, stride, padding, strict=True))


def _as_matrices(x: Array, groups: int) -> Array:
    """(N, C, *S) -> (N, groups, C/groups, S): a view where x is contiguous."""
    N, C, S = x.shape[0], x.shape[1], prod(x.shape[2:])
    return x.reshape(N, groups, C // groups, S)


def _same_type(a: Array, b: Array) -> tuple[Array, Array]:
    dtype = np.result_type(a, b)
    return a.astype(dtype, copy=False), b.astype(dtype, copy=False)


def conv(x: Array, w: Array, stride: Ints, padding: Ints, dilation: Ints, groups: int) -> Array:
    """As `reference.conv`, a block of samples at a time."""
    x, w = _same_type(x, w)
    N, F, kernel = x.shape[0], w.shape[0], w.shape[2:]
    y = np.empty((N, F, *conv_output_size(x.shape[2:], kernel, stride, padding, dilation)), x.dtype)
    if not y.size:
        return y
    if _is_pointwise(kernel, stride, padding):
        w = w.reshape(groups, F // groups, w.shape[1])
        np.matmul(w, _as_matrices(x, groups), out=_as_matrices(y, groups))
    else:
        _correlate(y, x, w, stride, padding, dilation, groups)
    return y


def conv_input(
    g: Array, w: Array, size: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Array:
    """One correlation of g with flipped taps for each of the prod(stride) phases of dx.

    The positions j = s*q + r of one phase r meet only the taps a with s | r + p - d*a. These are
    a = first + step*m with step = s/gcd(s,d), and they meet g at q + (r + p - d*first)/s - m*d/gcd.
    Spreading g out with zeros instead would multiply prod(stride) times as much.
    """
    g, w = _same_type(g, w)
    N, (F, C), kernel = g.shape[0], w.shape[:2], w.shape[2:]
    w = w.reshape(groups, F // groups, C, *kernel).swapaxes(1, 2)
    w = w.reshape(groups * C, F // groups, *kernel)  # filters and channels of a group change places
    dx = np.zeros((N, groups * C, *size), g.dtype)
    for phase in product(*map(range, stride)):
        steps = [
            _phase(r, k, s, p, d)
            for r, k, s, p, d in zip(phase, kernel, stride, padding, dilation, strict=True)
        ]
        w_phase = w[last_axes(step[0] for step in steps)]
        part = dx[last_axes(slice(r, None, s) for r, s in zip(phase, stride, strict=True))]
        if not (w_phase.size and part.size and g.size):
            continue
        y = part if part.flags.c_contiguous else np.empty(part.shape, g.dtype)
        before, spread = tuple(step[1] for step in steps), tuple(step[2] for step in steps)
        _correlate(y, g, w_phase, (1,) * len(size), before, spread, groups)
        if y is not part:
            part[...] = y
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
    P, K, per = prod(out), prod(size), C // groups
    dw = np.zeros((groups, F // groups, per * K), x.dtype)
    if g.size and dw.size:
        block = _block(N, C * K * P * x.itemsize)
        framed = _Framed(x, padding, window_extent(out, size, stride, dilation), block)
        order = _columns_order(len(size))
        for first in range(0, N, block):
            last = min(first + block, N)
            n = last - first
            columns = _workspace("columns", (C, *size, n, *out), x.dtype)
            view = windows(framed.block(first, last), out, size, stride, dilation)
            np.copyto(np.moveaxis(columns, 1 + len(size), 0), view.transpose(order))
            g_block = _workspace("gradient", (F, n, *out), x.dtype)
            np.copyto(g_block, g[first:last].swapaxes(0, 1))
            dw += np.matmul(
                g_block.reshape(groups, F // groups, n * P),
                columns.reshape(groups, per * K, n * P).swapaxes(1, 2),
            )
    return dw.reshape(F, per, *size)


# --- pooling --------------------------------------------------------------------------------------


def max_pool(
    x: Array, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> tuple[Array, Array]:
    """A running maximum over the taps, each a strided slice of x.

    Comparisons know nothing of NaN, and cannot tell a -inf from the padding: a result that is not
    finite sends the whole call to `reference`.
    """
    out = pool_output_size(x.shape[2:], kernel, stride, padding, dilation, ceil_mode)
    y = np.empty(x.shape[:2] + out, x.dtype)
    argmax = np.zeros(y.shape, reference.argmax_dtype(kernel))
    source = x
    extent = window_extent(out, kernel, stride, dilation)
    if any(padding) or any(e > n for e, n in zip(extent, x.shape[2:], strict=True)):
        box, array = overlap(x.shape[2:], padding, extent)
        source = _workspace("frame", x.shape[:2] + extent, x.dtype)
        source.fill(-np.inf)
        source[box] = x[array]
    larger = _workspace("larger", y.shape, np.dtype(bool))
    index = _workspace("index", y.shape, argmax.dtype)
    for tap, (_, at) in enumerate(taps(out, kernel, stride, dilation)):
        if tap == 0:
            np.copyto(y, source[at])
            continue
        np.greater(source[at], y, out=larger)
        np.multiply(larger.view(np.uint8), argmax.dtype.type(tap), out=index)
        np.maximum(argmax, index, out=argmax)
        np.maximum(y, source[at], out=y)
    if not np.isfinite(y).all():
        return reference.max_pool(x, kernel, stride, padding, dilation, ceil_mode)
    return y, argmax


def window_scatter(
    g: Array, argmax: Array, size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> Array:
    """As `reference.window_scatter`, tap by tap."""
    out = g.shape[2:]
    extent = window_extent(out, kernel, stride, dilation)
    room = tuple(max(e, n + p) for e, n, p in zip(extent, size, padding, strict=True))
    dx = np.zeros(g.shape[:2] + room, g.dtype)
    for tap, (_, at) in enumerate(taps(out, kernel, stride, dilation)):
        dx[at] += np.where(argmax == tap, g, 0)
    inside = last_axes(slice(p, p + n) for p, n in zip(padding, size, strict=True))
    return np.ascontiguousarray(dx[inside])


def sum_pool(x: Array, kernel: Ints, stride: Ints, padding: Ints, ceil_mode: bool) -> Array:
    """As `reference.sum_pool`, tap by tap."""
    dilation = (1,) * len(kernel)
    out = pool_output_size(x.shape[2:], kernel, stride, padding, dilation, ceil_mode)
    extent = window_extent(out, kernel, stride, dilation)
    source = x
    if any(padding) or any(e > n for e, n in zip(extent, x.shape[2:], strict=True)):
        box, array = overlap(x.shape[2:], padding, extent)
        source = _workspace("frame", x.shape[:2] + extent, x.dtype)
        source.fill(0)
        source[box] = x[array]
    y = np.zeros(x.shape[:2] + out, x.dtype)
    for _, at in taps(out, kernel, stride, dilation):
        y += source[at]
    return y


def sum_pool_input(g: Array, size: Ints, kernel: Ints, stride: Ints, padding: Ints) -> Array:
    """As `reference.sum_pool_input`, tap by tap."""
    dilation, out = (1,) * len(kernel), g.shape[2:]
    extent = window_extent(out, kernel, stride, dilation)
    room = tuple(max(e, n + p) for e, n, p in zip(extent, size, padding, strict=True))
    dx = np.zeros(g.shape[:2] + room, g.dtype)
    for _, at in taps(out, kernel, stride, dilation):
        dx[at] += g
    inside = last_axes(slice(p, p + n) for p, n in zip(padding, size, strict=True))
    return np.ascontiguousarray(dx[inside])


# --- activations ----------------------------------------------------------------------------------


def leaky_relu(x: Array, slope: float) -> Array:
    """As `reference.leaky_relu`: max(x, slope * x) where slope lies in [0, 1]."""
    if not 0 <= slope <= 1:
        return reference.leaky_relu(x, slope)
    if slope == 0:
        return np.maximum(x, 0, order="C")
    y = np.multiply(x, slope, order="C")
    return np.maximum(y, x, out=y)
