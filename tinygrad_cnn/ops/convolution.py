"""Convolution, and its gradients, which are convolutions again.

In one, two or three dimensions; i, a and the sizes below stand for one index a spatial axis, s, p
and d for stride, padding and dilation. With G groups, filter f sees its own C/G channels only.

    y[n, f, i]  = sum over c, a of  x[n, c, s i + d a - p]  w[f, c, a]         conv
    dx[n, c, j] = sum over f and those i, a with  s i + d a - p = j  of
                                    g[n, f, i]  w[f, c, a]                     conv_input
    dw[f, c, a] = sum over n, i of  x[n, c, s i + d a - p]  g[n, f, i]         conv_weight

y is linear in x and in w, so dL/dx is the transpose of conv in x, dL/dw the transpose in w. All
three are sums of the same triple products x g w; each is the gradient of the others: the family is
closed.

Source: Dumoulin and Visin, A guide to convolution arithmetic for deep learning, 2016, sections 2
and 4.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn import kernels
from tinygrad_cnn.core.op import op
from tinygrad_cnn.errors import ConfigError, ShapeError
from tinygrad_cnn.ops.reduction import channel_sum
from tinygrad_cnn.ops.shape import pad, reshape
from tinygrad_cnn.ops.windows import SizeLike, check_fits, check_images, floating, per_axis


@op
def conv(x, w, b=None, /, *, stride, padding, dilation, groups):
    """y = x * w + b, (N, C, *S), (F, C/G, *K), (F,) -> (N, F, *O)"""
    return kernels.conv(x, w, stride, padding, dilation, groups, b)


@op
def conv_input(g, w, /, *, size, stride, padding, dilation, groups):
    """dL/dx, (N, F, *O), (F, C/G, *K) -> (N, C, *size)"""
    return kernels.conv_input(g, w, size, stride, padding, dilation, groups)


@op
def conv_weight(x, g, /, *, size, stride, padding, dilation, groups):
    """dL/dw, (N, C, *S), (N, F, *O) -> (F, C/G, *size)"""
    return kernels.conv_weight(x, g, size, stride, padding, dilation, groups)


conv.vjp(
    lambda g, _y, _x, w, _b, **k: conv_input(g, w, size=_x.shape[2:], **k),
    lambda g, _y, x, _w, _b, **k: conv_weight(x, g, size=_w.shape[2:], **k),
    lambda g, _y, _x, _w, _b, **_: channel_sum(g),
)
conv_input.vjp(
    lambda h, _y, _g, w, size, **k: _first(conv(h, w, **k), _g.shape[2:]),
    lambda h, _y, g, _w, size, **k: conv_weight(h, g, size=_w.shape[2:], **k),
)
conv_weight.vjp(
    lambda h, _y, _x, g, size, **k: conv_input(g, h, size=_x.shape[2:], **k),
    lambda h, _y, x, _g, size, **k: _first(conv(x, h, **k), _g.shape[2:]),
)


def _first(y: Any, size: Any) -> Any:
    """The first `size` positions: output_padding may have made room for more windows."""
    return y if y.shape[2:] == size else y[(..., *map(slice, size))]


def conv1d(
    x: Any,
    w: Any,
    b: Any = None,
    *,
    stride: SizeLike = 1,
    padding: SizeLike | str = 0,
    dilation: SizeLike = 1,
    groups: int = 1,
) -> Any:
    """`conv2d` with one spatial axis: x (N, C, L), w (F, C/groups, K) -> (N, F, O)."""
    return _conv(x, w, b, stride, padding, dilation, groups, n=1)


def conv2d(
    x: Any,
    w: Any,
    b: Any = None,
    *,
    stride: SizeLike = 1,
    padding: SizeLike | str = 0,
    dilation: SizeLike = 1,
    groups: int = 1,
) -> Any:
    """y[n,f,i,j] = b[f] + sum_{c,u,v} x[n, c, s i + d u - p, s j + d v - p] w[f,c,u,v]

    x (N, C, H, W), w (F, C/groups, KH, KW), b (F,) or None -> y (N, F, OH, OW) with
    OH = floor((H + 2p - d (KH - 1) - 1) / s) + 1, of the promoted float dtype.

    stride, padding, dilation: an integer, or one for each of the two axes. padding="valid" is 0,
    padding="same" keeps H and W at stride 1 (the odd pixel is added at the end). groups divides
    both C and F; groups = C is the depthwise convolution.

    Raises ShapeError where x, w and b do not fit together or the kernel exceeds the padded image,
    ConfigError for an impossible stride, padding, dilation or groups.

    >>> import numpy as np
    >>> conv2d(np.arange(9.0).reshape(1, 1, 3, 3), np.ones((1, 1, 2, 2)))
    array([[[[ 8., 12.],
             [20., 24.]]]])
    """
    return _conv(x, w, b, stride, padding, dilation, groups, n=2)


def conv3d(
    x: Any,
    w: Any,
    b: Any = None,
    *,
    stride: SizeLike = 1,
    padding: SizeLike | str = 0,
    dilation: SizeLike = 1,
    groups: int = 1,
) -> Any:
    """`conv2d` with three spatial axes: x (N, C, D, H, W), w (F, C/groups, KD, KH, KW)."""
    return _conv(x, w, b, stride, padding, dilation, groups, n=3)


def _conv(
    x: Any, w: Any, b: Any, stride: Any, padding: Any, dilation: Any, groups: int, n: int
) -> Any:
    """Check what the user gave, then convolve."""
    name = f"conv{n}d"
    check_images(x, n, name)
    _check_weight(w, n, name)
    stride = per_axis(stride, n, "stride", name)
    dilation = per_axis(dilation, n, "dilation", name)
    _check_channels(x, w, b, groups, w.shape[0], x.shape[1], name)
    if isinstance(padding, str):
        x, padding = _named_padding(x, w.shape[2:], stride, padding, dilation, name)
    padding = per_axis(padding, n, "padding", name, least=0)
    check_fits(x.shape[2:], w.shape[2:], padding, dilation, name, x.shape)
    x = x if w.dtype.kind in "fc" else floating(x)  # sums of products of pixels would wrap
    return conv(x, w, b, stride=stride, padding=padding, dilation=dilation, groups=groups)


def _named_padding(
    x: Any, kernel: Any, stride: Any, padding: str, dilation: Any, name: str
) -> tuple[Any, tuple[int, ...]]:
    """(x, padding) for "valid" and "same"; x gets the odd pixel of an even kernel at its end."""
    if padding == "valid":
        return x, (0,) * len(kernel)
    if padding != "same" or any(s != 1 for s in stride):
        raise ConfigError(
            f'{name}: padding must be integers, "valid", or "same" with stride 1, got '
            f"padding={padding!r} with stride={stride}"
        )
    total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    if any(t % 2 for t in total):
        x = pad(x, ((0, 0), (0, 0), *((0, t % 2) for t in total)))
    return x, tuple(t // 2 for t in total)


# -- transposed convolution: conv_input as a layer ----------------------------------------------


def conv_transpose1d(
    x: Any,
    w: Any,
    b: Any = None,
    *,
    stride: SizeLike = 1,
    padding: SizeLike = 0,
    output_padding: SizeLike = 0,
    groups: int = 1,
    dilation: SizeLike = 1,
) -> Any:
    """`conv_transpose2d` with one spatial axis."""
    return _conv_transpose(x, w, b, stride, padding, output_padding, groups, dilation, n=1)


def conv_transpose2d(
    x: Any,
    w: Any,
    b: Any = None,
    *,
    stride: SizeLike = 1,
    padding: SizeLike = 0,
    output_padding: SizeLike = 0,
    groups: int = 1,
    dilation: SizeLike = 1,
) -> Any:
    """The transpose of conv2d in its input: y = conv_input(x, w) + b.

    x (N, C, H, W), w (C, F/groups, KH, KW), b (F,) or None -> y (N, F, OH, OW) with
    OH = s (H - 1) - 2p + d (KH - 1) + output_padding + 1. Several sizes shrink to the same one
    under a stride; output_padding, less than the stride or the dilation, says which of them to
    return.

    >>> import numpy as np
    >>> conv_transpose2d(np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2)))
    array([[[[1., 2., 1.],
             [2., 4., 2.],
             [1., 2., 1.]]]])
    """
    return _conv_transpose(x, w, b, stride, padding, output_padding, groups, dilation, n=2)


def conv_transpose3d(
    x: Any,
    w: Any,
    b: Any = None,
    *,
    stride: SizeLike = 1,
    padding: SizeLike = 0,
    output_padding: SizeLike = 0,
    groups: int = 1,
    dilation: SizeLike = 1,
) -> Any:
    """`conv_transpose2d` with three spatial axes."""
    return _conv_transpose(x, w, b, stride, padding, output_padding, groups, dilation, n=3)


def _conv_transpose(
    x: Any,
    w: Any,
    b: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
    n: int,
) -> Any:
    name = f"conv_transpose{n}d"
    check_images(x, n, name)
    _check_weight(w, n, name)
    stride = per_axis(stride, n, "stride", name)
    padding = per_axis(padding, n, "padding", name, least=0)
    extra = per_axis(output_padding, n, "output_padding", name, least=0)
    dilation = per_axis(dilation, n, "dilation", name)
    _check_groups(groups, x.shape[1], w.shape[1] * groups, name)
    if x.shape[1] != w.shape[0]:
        raise ShapeError(
            f"{name}: input has {x.shape[1]} channels but weight expects {w.shape[0]} "
            f"(x {x.shape}, w {w.shape})"
        )
    _check_bias(b, w.shape[1] * groups, name)
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise ConfigError(
            f"{name}: output_padding must be less than stride or dilation, got {output_padding} "
            f"with stride {stride} and dilation {dilation}"
        )
    size = tuple(
        s * (m - 1) - 2 * p + d * (k - 1) + e + 1
        for m, s, p, d, k, e in zip(
            x.shape[2:], stride, padding, dilation, w.shape[2:], extra, strict=True
        )
    )
    if any(m < 1 for m in size):
        raise ShapeError(
            f"{name}: the output would have size {size} (x {x.shape}, w {w.shape}, padding "
            f"{padding}); pad less"
        )
    x = x if w.dtype.kind in "fc" else floating(x)
    y = conv_input(
        x, w, size=size, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    return y if b is None else y + reshape(b, (-1,) + (1,) * n)


# -- checks -------------------------------------------------------------------------------------


def _check_weight(w: Any, n: int, name: str) -> None:
    if len(w.shape) != n + 2 or 0 in w.shape[2:]:
        axes = ("K", "KH, KW", "KD, KH, KW")[n - 1]
        raise ShapeError(f"{name}: w must have shape (F, C/groups, {axes}), got {w.shape}")


def _check_channels(
    x: Any, w: Any, b: Any, groups: int, out: int, channels: int, name: str
) -> None:
    _check_groups(groups, channels, out, name)
    if channels != w.shape[1] * groups:
        per_group = f" x {groups} groups" if groups > 1 else ""
        raise ShapeError(
            f"{name}: input has {channels} channels but weight expects {w.shape[1]}{per_group} "
            f"(x {x.shape}, w {w.shape})"
        )
    _check_bias(b, out, name)


def _check_groups(groups: int, channels: int, out: int, name: str) -> None:
    if not isinstance(groups, int | np.integer) or groups < 1 or channels % groups or out % groups:
        raise ConfigError(
            f"{name}: groups must divide the channels of the input and of the output, got "
            f"groups={groups} for {channels} and {out}"
        )


def _check_bias(b: Any, out: int, name: str) -> None:
    if b is not None and b.shape != (out,):
        raise ShapeError(f"{name}: b must have shape ({out},), one a filter, got {b.shape}")
