"""Pooling: one number for each window of an image.

With windows of size k that start every s pixels, p pixels of padding before, d between their
elements:

    max_pool       y[n, c, i] = max over a of  x[n, c, s i + d a - p]
    sum_pool       y[n, c, i] = sum over a of  x[n, c, s i + a - p]

The gradient of a sum goes to every element of its window (sum_pool_input); that of a maximum to the
element that attained it, the first on ties (window_scatter), whose transpose reads there
(window_gather). Where windows overlap, gradients add up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_cnn import kernels
from tinygrad_cnn.core.op import op
from tinygrad_cnn.core.tensor import Tensor, wrap
from tinygrad_cnn.errors import ConfigError, ShapeError
from tinygrad_cnn.ops.elementwise import abs
from tinygrad_cnn.ops.indexing import setitem, take_along_axis
from tinygrad_cnn.ops.norms import powers, root
from tinygrad_cnn.ops.shape import reshape
from tinygrad_cnn.ops.windows import (
    SizeLike,
    check_fits,
    check_images,
    floating,
    options_of,
    per_axis,
)

# -- the families -------------------------------------------------------------------------------


@op(residuals=("argmax",))
def max_pool(x, /, *, kernel, stride, padding, dilation, ceil_mode):
    """The largest element of each window; argmax is its position in the window."""
    return kernels.max_pool(x, kernel, stride, padding, dilation, ceil_mode)


@op
def window_gather(x, /, *, argmax, kernel, stride, padding, dilation):
    """The element of each window at its position argmax."""
    return kernels.window_gather(x, argmax, kernel, stride, padding, dilation)


@op
def window_scatter(g, /, *, argmax, size, kernel, stride, padding, dilation):
    """An image of the given size with each window's g at its position argmax, overlaps added."""
    return kernels.window_scatter(g, argmax, size, kernel, stride, padding, dilation)


max_pool.vjp(lambda g, _y, _x, ceil_mode, **k: window_scatter(g, size=_x.shape[2:], **k))
window_gather.vjp(lambda g, _y, _x, **k: window_scatter(g, size=_x.shape[2:], **k))
window_scatter.vjp(lambda h, _y, _g, size, **k: window_gather(h, **k))


@op
def sum_pool(x, /, *, kernel, stride, padding, ceil_mode):
    """The sum of each window."""
    return kernels.sum_pool(x, kernel, stride, padding, ceil_mode)


@op
def sum_pool_input(g, /, *, size, kernel, stride, padding, ceil_mode):
    """An image of the given size with each window's g at all its positions, overlaps added."""
    return kernels.sum_pool_input(g, size, kernel, stride, padding)


sum_pool.vjp(lambda g, _y, _x, **k: sum_pool_input(g, size=_x.shape[2:], **k))
sum_pool_input.vjp(lambda h, _y, _g, size, **k: sum_pool(h, **k))

# -- what users call ----------------------------------------------------------------------------


def _max_pool(
    x: Any,
    *,
    n: int,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: SizeLike = 0,
    dilation: SizeLike = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    name = f"max_pool{n}d"
    kernel, stride_, padding_ = _check_windows(x, n, kernel_size, stride, padding, name)
    dilation_ = per_axis(dilation, n, "dilation", name)
    check_fits(x.shape[2:], kernel, padding_, dilation_, name, x.shape)
    if not return_indices:
        return max_pool(
            x,
            kernel=kernel,
            stride=stride_,
            padding=padding_,
            dilation=dilation_,
            ceil_mode=bool(ceil_mode),
        )
    geometry = (kernel, stride_, padding_, dilation_)
    values = x.data if isinstance(x, Tensor) else x
    _, argmax = kernels.max_pool(values, *geometry, bool(ceil_mode))
    indices = _flat_indices(argmax, x.shape[2:], *geometry)
    return at_indices(x, indices), wrap(indices, None) if isinstance(x, Tensor) else indices


@options_of(_max_pool)
def max_pool1d(x: Any, **options: Any) -> Any:
    """`max_pool2d` with one spatial axis: x (N, C, L)."""
    return _max_pool(x, n=1, **options)


@options_of(_max_pool)
def max_pool2d(x: Any, **options: Any) -> Any:
    """y[n,c,i,j] = max over u, v of x[n, c, s i + d u - p, s j + d v - p]

    x (N, C, H, W) -> y (N, C, OH, OW); options, each an integer or one for each axis:
    kernel_size; stride (kernel_size unless given); padding=0, at most half the kernel, never chosen
    as the maximum; dilation=1; ceil_mode=False: True adds the last, incomplete window; and
    return_indices=False: True gives (y, indices), where y[n,c,i,j] is element indices[n,c,i,j] of
    x[n,c] flattened, as `max_unpool2d` takes them.

    The gradient goes to the first element that attains the maximum.

    >>> import numpy as np
    >>> max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), kernel_size=2)
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    return _max_pool(x, n=2, **options)


@options_of(_max_pool)
def max_pool3d(x: Any, **options: Any) -> Any:
    """`max_pool2d` with three spatial axes: x (N, C, D, H, W)."""
    return _max_pool(x, n=3, **options)


def _flat_indices(
    argmax: np.ndarray,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
) -> np.ndarray:
    """Where the tap argmax of each window lies in the image, flattened row by row."""
    n, index = len(size), np.zeros((), np.int64)
    taps = np.unravel_index(argmax, kernel)
    for a, (m, s, p, d) in enumerate(zip(size, stride, padding, dilation, strict=True)):
        first = s * np.arange(argmax.shape[2 + a]) - p
        index = index * m + first.reshape((-1,) + (1,) * (n - 1 - a)) + d * taps[a]
    return index


def at_indices(x: Any, indices: np.ndarray) -> Any:
    """y[n,c,...] = element indices[n,c,...] of x[n,c] flattened."""
    N, C = x.shape[:2]
    flat = reshape(x, (N, C, math.prod(x.shape[2:])))
    y = take_along_axis(flat, indices.reshape(N, C, math.prod(indices.shape[2:])), axis=-1)
    return reshape(y, indices.shape)


def _max_unpool(
    x: Any,
    indices: Any,
    *,
    n: int,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: SizeLike = 0,
    output_size: SizeLike | None = None,
) -> Any:
    name = f"max_unpool{n}d"
    kernel, stride_, padding_ = _check_windows(x, n, kernel_size, stride, padding, name)
    geometry = zip(x.shape[2:], kernel, stride_, padding_, strict=True)
    size = tuple((m - 1) * s - 2 * p + k for m, k, s, p in geometry)
    if output_size is not None:
        if isinstance(output_size, Sequence) and len(output_size) == n + 2:
            output_size = output_size[2:]  # the whole shape was given
        size = per_axis(output_size, n, "output_size", name)
    places = np.asarray(indices.data if isinstance(indices, Tensor) else indices)
    if places.shape != x.shape or places.dtype.kind not in "iu":
        raise ShapeError(
            f"{name}: indices must be integers of the shape of x {x.shape}, as max_pool{n}d(..., "
            f"return_indices=True) gives them, got {places.shape} {places.dtype}"
        )
    if places.size and not 0 <= places.min() <= places.max() < math.prod(size):
        raise ShapeError(
            f"{name}: an index lies outside the image of size {size}; pass the output_size that "
            f"was pooled (indices {places.min()} to {places.max()})"
        )
    N, C = x.shape[:2]
    sample = np.arange(N).reshape(N, 1, 1)
    channel = np.arange(C).reshape(1, C, 1)
    m = math.prod(x.shape[2:])
    zeros = np.zeros((N, C, math.prod(size)), x.dtype)
    y = setitem(zeros, reshape(x, (N, C, m)), index=(sample, channel, places.reshape(N, C, m)))
    return reshape(y, (N, C, *size))


@options_of(_max_unpool)
def max_unpool1d(x: Any, indices: Any, **options: Any) -> Any:
    """`max_unpool2d` with one spatial axis."""
    return _max_unpool(x, indices, n=1, **options)


@options_of(_max_unpool)
def max_unpool2d(x: Any, indices: Any, **options: Any) -> Any:
    """0, but x where it came from: y[n,c].flat[indices[n,c,i,j]] = x[n,c,i,j].

    What `max_pool2d(..., return_indices=True)` gave goes back to its place. Options as there;
    output_size, the image's (H, W), says which of the sizes that pool to that of x is meant.

    >>> import numpy as np
    >>> y, indices = max_pool1d(np.array([[[1., 5., 3., 2.]]]), kernel_size=2, return_indices=True)
    >>> max_unpool1d(y, indices, kernel_size=2)
    array([[[0., 5., 3., 0.]]])
    """
    return _max_unpool(x, indices, n=2, **options)


@options_of(_max_unpool)
def max_unpool3d(x: Any, indices: Any, **options: Any) -> Any:
    """`max_unpool2d` with three spatial axes."""
    return _max_unpool(x, indices, n=3, **options)


def _avg_pool(
    x: Any,
    *,
    n: int,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: SizeLike = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    name = f"avg_pool{n}d"
    kernel, stride_, padding_ = _check_windows(x, n, kernel_size, stride, padding, name)
    check_fits(x.shape[2:], kernel, padding_, (1,) * n, name, x.shape)
    x = floating(x)
    geometry: dict[str, Any] = {
        "kernel": kernel,
        "stride": stride_,
        "padding": padding_,
        "ceil_mode": bool(ceil_mode),
    }
    total = sum_pool(x, **geometry)
    if divisor_override is not None:
        if divisor_override == 0:
            raise ConfigError(f"{name}: divisor_override must not be 0")
        return total * (1 / divisor_override)
    return total * (1 / _counts(x.shape[2:], count_include_pad, **geometry)).astype(x.dtype)


@options_of(_avg_pool)
def avg_pool1d(x: Any, **options: Any) -> Any:
    """`avg_pool2d` with one spatial axis: x (N, C, L)."""
    return _avg_pool(x, n=1, **options)


@options_of(_avg_pool)
def avg_pool2d(x: Any, **options: Any) -> Any:
    """y[n,c,i,j] = mean over u, v of x[n, c, s i + u - p, s j + v - p]

    Options as for max_pool2d (no dilation), and count_include_pad=True: padded zeros count in the
    divisor; divisor_override=None: a divisor in place of the number of elements.

    >>> import numpy as np
    >>> avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), kernel_size=2)
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """
    return _avg_pool(x, n=2, **options)


@options_of(_avg_pool)
def avg_pool3d(x: Any, **options: Any) -> Any:
    """`avg_pool2d` with three spatial axes: x (N, C, D, H, W)."""
    return _avg_pool(x, n=3, **options)


def _counts(
    size: tuple[int, ...],
    count_include_pad: bool,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    ceil_mode: bool,
) -> np.ndarray:
    """How many elements each window has: a product of one count for each axis."""
    counts = np.ones((), np.float64)
    out = kernels.pool_output_size(size, kernel, stride, padding, (1,) * len(size), ceil_mode)
    for m, o, k, s, p in zip(size, out, kernel, stride, padding, strict=True):
        first = np.arange(o) * s - p
        low, high = (-p, m + p) if count_include_pad else (0, m)
        counts = counts[..., None] * (np.minimum(first + k, high) - np.maximum(first, low))
    return counts


def _lp_pool(
    x: Any,
    *,
    n: int,
    norm_type: float,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    ceil_mode: bool = False,
) -> Any:
    name = f"lp_pool{n}d"
    if not norm_type > 0:
        raise ConfigError(f"{name}: norm_type must be positive, got {norm_type}")
    windows: dict[str, Any] = {"kernel_size": kernel_size, "stride": stride, "ceil_mode": ceil_mode}
    if norm_type == math.inf:
        return _max_pool(abs(x), n=n, **windows)
    x = floating(x)
    powered = x**norm_type if norm_type % 2 == 1 else powers(x, norm_type)
    means = _avg_pool(powered, n=n, **windows)
    return root(means * math.prod(per_axis(kernel_size, n, "kernel_size", name)), norm_type)


@options_of(_lp_pool)
def lp_pool1d(x: Any, **options: Any) -> Any:
    """`lp_pool2d` with one spatial axis: x (N, C, L)."""
    return _lp_pool(x, n=1, **options)


@options_of(_lp_pool)
def lp_pool2d(x: Any, **options: Any) -> Any:
    """y = (sum over the window of x^p)^(1/p)

    Options: norm_type (p), kernel_size, stride, ceil_mode. p = 1 is a sum, p = inf the maximum of
    |x|; an odd p is for x >= 0. An incomplete window (ceil_mode) counts its mean for what it lacks.
    At a window of zeros the gradient is 0.
    """
    return _lp_pool(x, n=2, **options)


@options_of(_lp_pool)
def lp_pool3d(x: Any, **options: Any) -> Any:
    """`lp_pool2d` with three spatial axes: x (N, C, D, H, W)."""
    return _lp_pool(x, n=3, **options)


def _check_windows(
    x: Any, n: int, kernel_size: Any, stride: Any, padding: Any, name: str
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    check_images(x, n, name)
    kernel = per_axis(kernel_size, n, "kernel_size", name)
    stride = kernel if stride is None else per_axis(stride, n, "stride", name)
    padding = per_axis(padding, n, "padding", name, least=0)
    if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        raise ConfigError(
            f"{name}: padding may be at most half the kernel, or a window could lie outside the "
            f"image; got padding {padding} for kernel_size {kernel}"
        )
    return kernel, stride, padding
