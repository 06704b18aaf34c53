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

from typing import Any

import numpy as np

from tinygrad_cnn import kernels
from tinygrad_cnn.core.op import op
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.ops.elementwise import astype
from tinygrad_cnn.ops.norms import powers, root
from tinygrad_cnn.ops.products import matmul
from tinygrad_cnn.ops.reduction import mean
from tinygrad_cnn.ops.shape import moveaxis
from tinygrad_cnn.ops.windows import SizeLike, check_fits, check_images, per_axis

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


def max_pool1d(x: Any, **options: Any) -> Any:
    """`max_pool2d` with one spatial axis: x (N, C, L)."""
    return _max_pool(x, n=1, **options)


def max_pool2d(x: Any, **options: Any) -> Any:
    """y[n,c,i,j] = max over u, v of x[n, c, s i + d u - p, s j + d v - p]

    x (N, C, H, W) -> y (N, C, OH, OW); options, each an integer or one for each axis:
    kernel_size; stride (kernel_size unless given); padding=0, at most half the kernel, never chosen
    as the maximum; dilation=1; and ceil_mode=False: True adds the last, incomplete window.

    The gradient goes to the first element that attains the maximum.

    >>> import numpy as np
    >>> max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), kernel_size=2)
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    return _max_pool(x, n=2, **options)


def max_pool3d(x: Any, **options: Any) -> Any:
    """`max_pool2d` with three spatial axes: x (N, C, D, H, W)."""
    return _max_pool(x, n=3, **options)


def _max_pool(
    x: Any,
    *,
    n: int,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: SizeLike = 0,
    dilation: SizeLike = 1,
    ceil_mode: bool = False,
) -> Any:
    name = f"max_pool{n}d"
    kernel, stride_, padding_ = _check_windows(x, n, kernel_size, stride, padding, name)
    dilation_ = per_axis(dilation, n, "dilation", name)
    check_fits(x.shape[2:], kernel, padding_, dilation_, name, x.shape)
    return max_pool(
        x,
        kernel=kernel,
        stride=stride_,
        padding=padding_,
        dilation=dilation_,
        ceil_mode=bool(ceil_mode),
    )


def avg_pool1d(x: Any, **options: Any) -> Any:
    """`avg_pool2d` with one spatial axis: x (N, C, L)."""
    return _avg_pool(x, n=1, **options)


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


def avg_pool3d(x: Any, **options: Any) -> Any:
    """`avg_pool2d` with three spatial axes: x (N, C, D, H, W)."""
    return _avg_pool(x, n=3, **options)


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
    x = _floating(x)
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


def lp_pool1d(x: Any, **options: Any) -> Any:
    """`lp_pool2d` with one spatial axis: x (N, C, L)."""
    return _lp_pool(x, n=1, **options)


def lp_pool2d(x: Any, **options: Any) -> Any:
    """y = (sum over the window of |x|^p)^(1/p)

    Options: norm_type (p), kernel_size, stride, ceil_mode. p = 1 is a sum of absolute values,
    p -> infinity the maximum. At a window of zeros the gradient
    is 0.
    """
    return _lp_pool(x, n=2, **options)


def lp_pool3d(x: Any, **options: Any) -> Any:
    """`lp_pool2d` with three spatial axes: x (N, C, D, H, W)."""
    return _lp_pool(x, n=3, **options)


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
    if norm_type <= 0:
        raise ConfigError(f"{name}: norm_type must be positive, got {norm_type}")
    kernel, stride_, padding = _check_windows(x, n, kernel_size, stride, 0, name)
    check_fits(x.shape[2:], kernel, padding, (1,) * n, name, x.shape)
    total = sum_pool(
        powers(_floating(x), norm_type),
        kernel=kernel,
        stride=stride_,
        padding=padding,
        ceil_mode=bool(ceil_mode),
    )
    return root(total, norm_type)


def adaptive_avg_pool1d(x: Any, *, output_size: SizeLike) -> Any:
    """`adaptive_avg_pool2d` with one spatial axis: x (N, C, L)."""
    return _adaptive_avg_pool(x, output_size, n=1)


def adaptive_avg_pool2d(x: Any, *, output_size: SizeLike) -> Any:
    """The mean over each cell of an output_size grid, (N, C, H, W) -> (N, C, *output_size).

    Cell i of O covers the rows floor(i H / O) to ceil((i + 1) H / O) - 1, so that any size divides.
    None in output_size keeps that axis. output_size=1 is global average pooling.
    """
    return _adaptive_avg_pool(x, output_size, n=2)


def adaptive_avg_pool3d(x: Any, *, output_size: SizeLike) -> Any:
    """`adaptive_avg_pool2d` with three spatial axes: x (N, C, D, H, W)."""
    return _adaptive_avg_pool(x, output_size, n=3)


def _adaptive_avg_pool(x: Any, output_size: Any, n: int) -> Any:
    """The mean is separable: one averaging matrix for each axis."""
    name = f"adaptive_avg_pool{n}d"
    check_images(x, n, name)
    x = _floating(x)
    out = _adaptive_size(x, output_size, n, name)
    if set(out) == {1}:
        return mean(x, axis=tuple(range(2, n + 2)), keepdims=True)
    for axis, (m, o) in enumerate(zip(x.shape[2:], out, strict=True), start=2):
        if m != o:
            averages = _averaging_matrix(m, o).astype(x.dtype)  # (m, o)
            x = moveaxis(matmul(moveaxis(x, axis, -1), averages), -1, axis)
    return x


def _adaptive_size(x: Any, output_size: Any, n: int, name: str) -> tuple[int, ...]:
    sizes = output_size if isinstance(output_size, tuple | list) else (output_size,) * n
    full = [m if o is None else o for m, o in zip(x.shape[2:], sizes, strict=False)]
    return per_axis(full if len(sizes) == n else sizes, n, "output_size", name)


def adaptive_cells(m: int, o: int) -> list[tuple[int, int]]:
    """The first row and the one after the last, of each of o cells over m rows."""
    return [(i * m // o, -(-(i + 1) * m // o)) for i in range(o)]


def _averaging_matrix(m: int, o: int) -> np.ndarray:
    """a[j, i] = 1 / (rows of cell i) where cell i covers row j, so that x @ a averages."""
    a = np.zeros((m, o))
    for i, (first, end) in enumerate(adaptive_cells(m, o)):
        a[first:end, i] = 1 / (end - first)
    return a


def _floating(x: Any) -> Any:
    """Integers (pixels) as float64, since their averages are no integers."""
    return x if x.dtype.kind in "fc" else astype(x, np.float64)


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
