"""Where windows lie: the arithmetic of sizes, padding and sliding windows, stated once.

Letters: n input size, o output size, k kernel, s stride, p padding, d dilation, one of each a
spatial axis. Output position i and tap a meet at input position s*i + d*a - p, for convolutions
and for pooling alike; every function here is a consequence of that line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

Array = NDArray[Any]
Ints = tuple[int, ...]


def conv_output_size(size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Ints:
    """o = floor((n + 2p - d(k-1) - 1) / s) + 1 on each axis, 0 where no window fits.

    >>> conv_output_size((28, 28), (3, 3), (1, 2), (0, 1), (1, 1))
    (26, 14)
    """
    return tuple(
        max((n + 2 * p - d * (k - 1) - 1) // s + 1, 0)
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )


def pool_output_size(
    size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> Ints:
    """As `conv_output_size`; `ceil_mode` keeps a last window that overhangs the right edge.

    PyTorch's rule: the overhanging window stays only if it starts inside the input or its left
    padding, so that none lies wholly in the right padding.

    >>> pool_output_size((5,), (2,), (2,), (0,), (1,), ceil_mode=True)
    (3,)
    """
    if not ceil_mode:
        return conv_output_size(size, kernel, stride, padding, dilation)
    return tuple(
        max(min(-((d * (k - 1) + 1 - n - 2 * p) // s) + 1, (n + p - 1) // s + 1), 0)
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )


def window_extent(out: Ints, kernel: Ints, stride: Ints, dilation: Ints) -> Ints:
    """s(o-1) + d(k-1) + 1: the positions that `out` windows span together, 0 for no window."""
    return tuple(
        s * (o - 1) + d * (k - 1) + 1 if o else 0
        for o, k, s, d in zip(out, kernel, stride, dilation, strict=True)
    )


def last_axes(entries: Iterable[int | slice]) -> Any:
    """The index (..., *entries): one entry for each of the last axes."""
    return (..., *entries)


def overlap(size: Ints, before: Ints, extent: Ints) -> tuple[Any, Any]:
    """Where a box of `extent`, starting `before` places ahead of an array of `size`, meets it.

    Returns the index of the common part in the box, and in the array.
    """
    box: list[slice] = []
    array: list[slice] = []
    for n, b, e in zip(size, before, extent, strict=True):
        start, stop = max(b, 0), max(min(b + n, e), 0)
        box.append(slice(start, max(stop, start)))
        array.append(slice(start - b, max(stop, start) - b))
    return last_axes(box), last_axes(array)


def frame(x: Array, before: Ints, extent: Ints, value: float = 0) -> Array:
    """x (N, C, *S) seen through a box: (N, C, *extent), starting `before` places ahead of x.

    Positions that x does not have get `value`; positions of x outside the box are left out.
    """
    box, array = overlap(x.shape[2:], before, extent)
    y = np.full(x.shape[:2] + extent, value, x.dtype)
    y[box] = x[array]
    return y


def pad(x: Array, padding: Ints, value: float = 0) -> Array:
    """x (N, C, *S) with p places of `value` on both sides of each spatial axis.

    >>> pad(np.ones((1, 1, 2)), (1,))
    array([[[0., 1., 1., 0.]]])
    """
    extent = tuple(n + 2 * p for n, p in zip(x.shape[2:], padding, strict=True))
    return frame(x, padding, extent, value)


def windows(x: Array, out: Ints, kernel: Ints, stride: Ints, dilation: Ints) -> Array:
    """The read-only view (N, C, *O, *K) of x (N, C, *S) with [n, c, i, a] = x[n, c, s*i + d*a].

    x must span `window_extent(out, ...)` at least.
    """
    steps = x.strides[2:]
    return as_strided(
        x,
        x.shape[:2] + out + kernel,
        x.strides[:2]
        + tuple(s * step for s, step in zip(stride, steps, strict=True))
        + tuple(d * step for d, step in zip(dilation, steps, strict=True)),
        writeable=False,
    )


def unfold(
    x: Array,
    out: Ints,
    kernel: Ints,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    value: float = 0,
) -> Array:
    """All windows of x (N, C, *S), padded with `value`: (N, C, *O, *K), a view of a padded copy."""
    extent = window_extent(out, kernel, stride, dilation)
    return windows(frame(x, padding, extent, value), out, kernel, stride, dilation)


def taps(out: Ints, kernel: Ints, stride: Ints, dilation: Ints) -> Iterator[tuple[Ints, Any]]:
    """Each tap a of the kernel, row by row, with the index of the `out` positions s*i + d*a."""
    for a in product(*map(range, kernel)):
        axes = zip(a, out, stride, dilation, strict=True)
        yield a, last_axes(slice(d * k, d * k + s * o, s) for k, o, s, d in axes)


def fold(columns: Array, size: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Array:
    """The transpose of `unfold`: (N, C, *O, *K) added up where the windows lie in (N, C, *size)."""
    dims = len(size)
    out, kernel = columns.shape[2 : 2 + dims], columns.shape[2 + dims :]
    extent = window_extent(out, kernel, stride, dilation)
    room = tuple(max(e, n + p) for e, n, p in zip(extent, size, padding, strict=True))
    x = np.zeros(columns.shape[:2] + room, columns.dtype)
    for a, at in taps(out, kernel, stride, dilation):
        x[at] += columns[last_axes(a)]
    inside = last_axes(slice(p, p + n) for p, n in zip(padding, size, strict=True))
    return np.ascontiguousarray(x[inside])
