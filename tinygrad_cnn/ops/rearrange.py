"""Images cut up and put together again."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cnn.core.tensor import another_name
from tinygrad_cnn.errors import ConfigError, ShapeError
from tinygrad_cnn.ops.convolution import conv, conv_input
from tinygrad_cnn.ops.face import face
from tinygrad_cnn.ops.indexing import take
from tinygrad_cnn.ops.shape import pad, permute_dims, reshape
from tinygrad_cnn.ops.windows import Ints, SizeLike, check_fits, check_images, per_axis


def pixel_shuffle(x: Any, /, *, upscale_factor: int) -> Any:
    """Channels become pixels: (N, C r^2, H, W) -> (N, C, H r, W r), r = upscale_factor.

    Source: Shi et al., Real-time single image and video super-resolution, 2016, section 3.2.
    """
    r = upscale_factor
    check_images(x, 2, "pixel_shuffle")
    N, C, H, W = x.shape
    _check_divides("pixel_shuffle", "upscale_factor^2", r, r * r, {"channels": C}, x)
    x = reshape(x, (N, C // (r * r), r, r, H, W))
    x = permute_dims(x, (0, 1, 4, 2, 5, 3))  # (N, C', r, r, H, W) -> (N, C', H, r, W, r)
    return reshape(x, (N, C // (r * r), H * r, W * r))


def pixel_unshuffle(x: Any, /, *, downscale_factor: int) -> Any:
    """Pixels become channels: (N, C, H r, W r) -> (N, C r^2, H, W), what pixel_shuffle undoes."""
    r = downscale_factor
    check_images(x, 2, "pixel_unshuffle")
    N, C, H, W = x.shape
    _check_divides("pixel_unshuffle", "downscale_factor", r, r, {"height": H, "width": W}, x)
    x = reshape(x, (N, C, H // r, r, W // r, r))
    x = permute_dims(x, (0, 1, 3, 5, 2, 4))  # (N, C, H', r, W', r) -> (N, C, r, r, H', W')
    return reshape(x, (N, C * r * r, H // r, W // r))


def channel_shuffle(x: Any, /, *, groups: int) -> Any:
    """Channel g n + i becomes i groups + g: the groups are dealt out in turn; x (N, C, *S).

    Source: Zhang et al., ShuffleNet, 2018, section 3.1.
    """
    if x.ndim < 2:
        raise ShapeError(f"channel_shuffle: x must have shape (N, C, ...), got {x.shape}")
    N, C, *S = x.shape
    _check_divides("channel_shuffle", "groups", groups, groups, {"channels": C}, x)
    x = reshape(x, (N, groups, C // groups, *S))
    return reshape(permute_dims(x, (0, 2, 1, *range(3, x.ndim))), (N, C, *S))


def _check_divides(
    name: str, option: str, value: int, divisor: int, lengths: dict[str, int], x: Any
) -> None:
    for what, length in lengths.items():
        if not isinstance(value, int) or value < 1 or length % divisor:
            raise ConfigError(
                f"{name}: {option} must divide the {length} {what} of x {x.shape}, got {value}"
            )


def unfold(
    x: Any,
    /,
    *,
    kernel_size: SizeLike,
    dilation: SizeLike = 1,
    padding: SizeLike = 0,
    stride: SizeLike = 1,
) -> Any:
    """Windows as columns ("im2col"): (N, C, H, W) -> (N, C KH KW, L), L windows row by row.

    It is a convolution with one filter for each pixel of the window.
    """
    check_images(x, 2, "unfold")
    w, k, geometry = _taps(x.dtype, kernel_size, dilation, padding, stride, "unfold")
    N, C, H, W = x.shape
    check_fits((H, W), k, geometry["padding"], geometry["dilation"], "unfold", x.shape)
    y = conv(reshape(x, (N * C, 1, H, W)), w, groups=1, **geometry)  # (N C, K, OH, OW)
    return reshape(y, (N, C * len(w), math.prod(y.shape[2:])))


def fold(
    x: Any,
    /,
    *,
    output_size: SizeLike,
    kernel_size: SizeLike,
    dilation: SizeLike = 1,
    padding: SizeLike = 0,
    stride: SizeLike = 1,
) -> Any:
    """Columns back into windows, overlaps added: (N, C KH KW, L) -> (N, C, *output_size)."""
    size = per_axis(output_size, 2, "output_size", "fold")
    w, k, geometry = _taps(x.dtype, kernel_size, dilation, padding, stride, "fold")
    steps = zip(size, k, *(geometry[o] for o in ("padding", "dilation", "stride")), strict=True)
    out = tuple((m + 2 * p - d * (k - 1) - 1) // s + 1 for m, k, p, d, s in steps)
    if x.ndim != 3 or x.shape[1] % len(w) or x.shape[2] != math.prod(out):
        raise ShapeError(
            f"fold: x must have shape (N, C * {len(w)}, {' * '.join(map(str, out))}) for windows "
            f"of {k} in an image of {size}, got {x.shape}"
        )
    N, C = x.shape[0], x.shape[1] // len(w)
    y = conv_input(reshape(x, (N * C, len(w), *out)), w, size=size, groups=1, **geometry)
    return reshape(y, (N, C, *size))


def _taps(
    dtype: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any, name: str
) -> tuple[np.ndarray, Ints, dict[str, Ints]]:
    """Filters (K, 1, KH, KW), each of which reads one pixel of the window; the options an axis."""
    kernel = per_axis(kernel_size, 2, "kernel_size", name)
    K = math.prod(kernel)
    return (
        np.eye(K, dtype=dtype).reshape(K, 1, *kernel),
        kernel,
        {
            "stride": per_axis(stride, 2, "stride", name),
            "padding": per_axis(padding, 2, "padding", name, least=0),
            "dilation": per_axis(dilation, 2, "dilation", name),
        },
    )


_FILLED_FROM: dict[str, Any] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@face
def pad_sides(x: Any, widths: Any, /, *, mode: str = "constant", value: float = 0.0) -> Any:
    """x with widths[a] = (before, after) elements more at the ends of axis a, or fewer if negative.

    mode: "constant" (they are `value`), "reflect" (mirrored at the last element, which is not
    repeated), "replicate" (the last element) or "circular" (from the other end).
    """
    if mode != "constant" and mode not in _FILLED_FROM:
        modes = ", ".join(["constant", *_FILLED_FROM])
        raise ConfigError(f"pad: the modes are {modes}; got {mode!r}")
    if any(w < 0 for pair in widths for w in pair):
        sides = zip(widths, x.shape, strict=True)
        x = x[tuple(slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in sides)]
        widths = [(max(a, 0), max(b, 0)) for a, b in widths]
    if mode == "constant":
        return pad(x, tuple(map(tuple, widths)), value=value)
    for axis, (before, after) in enumerate(widths):
        if before or after:
            if not x.shape[axis]:
                raise ShapeError(f"pad: mode {mode!r} has nothing to repeat in shape {x.shape}")
            rows = np.pad(np.arange(x.shape[axis]), (before, after), mode=_FILLED_FROM[mode])
            x = take(x, rows, axis=axis)
    return another_name(x)
