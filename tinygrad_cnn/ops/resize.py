"""Images in another size. Each axis is resized by itself: y = x A, one matrix (m, o) an axis.

Column i of A holds the weights with which the m pixels make output i, which lies at

    u = (i + 1/2) m/o - 1/2        so that both images cover the same area, or
    u = i (m - 1)/(o - 1)          so that their corner pixels meet (align_corners).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cnn.core.tensor import another_name
from tinygrad_cnn.errors import ConfigError, ShapeError
from tinygrad_cnn.ops.adaptive import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from tinygrad_cnn.ops.products import matmul
from tinygrad_cnn.ops.shape import moveaxis, repeat
from tinygrad_cnn.ops.windows import SizeLike, check_images, floating, per_axis

_AXES = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}
_AREA = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}
_MODES = ("nearest", "nearest-exact", *_AXES, "area")


def interpolate(
    x: Any,
    /,
    *,
    size: SizeLike | None = None,
    scale_factor: float | tuple[float, ...] | None = None,
    mode: str = "nearest",
    align_corners: bool = False,
) -> Any:
    """x (N, C, *S) in another size, given as such or as a factor, (N, C, *size).

    mode: "nearest" (pixel floor(i m/o)), "nearest-exact" (the one whose centre is nearest),
    "linear", "bilinear" or "trilinear" (for 1, 2, 3 axes), "bicubic" (Keys 1981, a = -3/4), or
    "area" (the mean of the pixels that an output covers).

    >>> interpolate(np.array([[[0.0, 1.0]]]), scale_factor=2)
    array([[[0., 0., 1., 1.]]])
    >>> interpolate(np.array([[[0.0, 1.0]]]), size=3, mode="linear", align_corners=True)
    array([[[0. , 0.5, 1. ]]])
    """
    n = x.ndim - 2
    if n not in (1, 2, 3):
        raise ShapeError(f"interpolate: x must have 1 to 3 spatial axes, (N, C, *S), got {x.shape}")
    check_images(x, n, "interpolate")
    if mode not in _MODES or _AXES.get(mode, n) != n:
        fitting = [m for m in _MODES if _AXES.get(m, n) == n]
        raise ConfigError(
            f"interpolate: the modes for {n} spatial axes are {', '.join(fitting)}; got {mode!r}"
        )
    if align_corners and mode not in _AXES:
        raise ConfigError(f"interpolate: align_corners is for linear and cubic modes, not {mode!r}")
    out, steps = _geometry(x.shape[2:], size, scale_factor, n)
    if mode == "area":
        return _AREA[n](x, output_size=out)
    for axis, (m, o, step) in enumerate(zip(x.shape[2:], out, steps, strict=True), start=2):
        if mode == "nearest" and o % m == 0 and step == m / o:
            x = repeat(x, o // m, axis=axis)
        else:
            weights = _weights(m, o, step, mode, align_corners).astype(floating(x).dtype)
            x = moveaxis(matmul(moveaxis(x, axis, -1), weights), -1, axis)
    return another_name(x)


def _geometry(
    shape: tuple[int, ...], size: Any, factor: Any, n: int
) -> tuple[tuple[int, ...], list[float]]:
    """(the output's size, how many pixels of x one output pixel is wide) of each axis."""
    if (size is None) == (factor is None):
        raise ConfigError("interpolate: takes size or scale_factor, one of the two")
    if size is not None:
        out = per_axis(size, n, "size", "interpolate")
        steps = [m / o for m, o in zip(shape, out, strict=True)]
    else:
        factors = factor if isinstance(factor, tuple | list) else (factor,) * n
        if len(factors) != n or not all(f > 0 for f in factors):
            raise ConfigError(
                f"interpolate: scale_factor must be a number > 0, or {n} of them, got {factor!r}"
            )
        out = tuple(math.floor(m * f) for m, f in zip(shape, factors, strict=True))
        steps = [1 / f for f in factors]
    if 0 in (*shape, *out):
        raise ShapeError(f"interpolate: no image may be empty, got size {shape} -> {out}")
    return out, steps


def _weights(m: int, o: int, step: float, mode: str, align_corners: bool) -> np.ndarray:
    """The matrix A (m, o): column i holds output i's weights."""
    i = np.arange(o)
    if mode == "nearest":
        return _columns(m, [(np.floor(i * np.float32(step)), 1.0)])  # PyTorch's rounding
    if mode == "nearest-exact":
        return _columns(m, [(np.floor((i + 0.5) * step), 1.0)])
    if align_corners:
        u = i * ((m - 1) / max(o - 1, 1))
    else:
        u = (i + 0.5) * step - 0.5
    if mode == "bicubic":
        first = np.floor(u)
        t = u - first
        taps = [(first + k, _cubic(np.abs(t - k))) for k in (-1, 0, 1, 2)]
        return _columns(m, taps)
    u = np.maximum(u, 0)
    first = np.floor(u)
    t = u - first
    return _columns(m, [(first, 1 - t), (first + 1, t)])


def _columns(m: int, taps: Any) -> np.ndarray:
    """A[rows, i] += weight for each (rows, weights); rows outside the image mean its border."""
    o = len(taps[0][0])
    A = np.zeros((m, o))
    for rows, weights in taps:
        np.add.at(A, (np.clip(rows, 0, m - 1).astype(int), np.arange(o)), weights)
    return A


def _cubic(d: np.ndarray, a: float = -0.75) -> np.ndarray:
    """Keys' kernel at distance d in 0..2 (Cubic convolution interpolation, 1981, equation 15)."""
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((d - 5) * d + 8) * d * a - 4 * a
    return np.asarray(np.where(d <= 1, near, far))
