"""Augmentation of whole batches: a transform is called as transform(batch, rng).

A batch is (N, H, W) or (N, C, H, W), uint8 or float32, and the random transforms give back the
same shape and kind. Every number that is drawn comes from `rng`, so a seed fixes the result. The
transforms are values: they print as they were written, hold no state and change no input.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_cnn.errors import ConfigError, ShapeError

Array = npt.NDArray[Any]
Transform = Callable[[Array, np.random.Generator], Array]
# Each work array of a block then takes 256 KiB: a few of them stay in a core's second-level cache.
_BLOCK_PIXELS = 1 << 16
_EXACT_IN_FLOAT32 = 1 << 24


class Compose:
    """The transforms one after another, all drawing from the same generator.

    >>> batch = np.full((1, 1, 1, 2), 255, np.uint8)
    >>> Compose(ToFloat(), Normalize(mean=0.5, std=0.25))(batch, np.random.default_rng(0))
    array([[[[2., 2.]]]], dtype=float32)
    """

    def __init__(self, *transforms: Transform) -> None:
        self.transforms = transforms

    def __call__(self, batch: Array, rng: np.random.Generator) -> Array:
        """The batch after the last transform."""
        for transform in self.transforms:
            batch = transform(batch, rng)
        return batch

    def __repr__(self) -> str:
        return f"Compose({', '.join(map(repr, self.transforms))})"


@dataclass(frozen=True)
class ToFloat:
    """What a network takes: float32 (N, C, H, W), uint8 divided by 255, floating left as it is.

    >>> ToFloat()(np.array([[[0, 255]]], np.uint8))
    array([[[[0., 1.]]]], dtype=float32)
    """

    def __call__(
        self, batch: Array, rng: np.random.Generator | None = None
    ) -> npt.NDArray[np.float32]:
        """(N, H, W) or (N, C, H, W) -> float32 (N, C, H, W)."""
        x = _with_channels(batch)
        scaled = np.divide(x, 255, dtype=np.float32) if x.dtype == np.uint8 else x
        return scaled.astype(np.float32, copy=False)


@dataclass(frozen=True)
class Normalize:
    """(x - mean) / std, with one number for all channels or one for each.

    >>> Normalize(mean=(1, 2), std=(1, 2))(np.ones((1, 2, 1, 1), np.float32)).ravel()
    array([ 0. , -0.5], dtype=float32)
    """

    mean: float | tuple[float, ...]
    std: float | tuple[float, ...]

    def __post_init__(self) -> None:
        if np.any(np.asarray(self.std) <= 0):
            raise ConfigError(f"Normalize: std must be positive, got {self.std}")

    def __call__(
        self, batch: Array, rng: np.random.Generator | None = None
    ) -> npt.NDArray[np.float32]:
        """Floating (N, C, H, W) -> float32 (N, C, H, W)."""
        mean, std = (np.reshape(v, (-1, 1, 1)).astype(np.float32) for v in (self.mean, self.std))
        y: npt.NDArray[np.float32] = (batch - mean) / std  # (C, 1, 1) against (N, C, H, W)
        return y


@dataclass(frozen=True)
class RandomShift:
    """Each image moved by whole pixels, up to `pixels` each way in x and in y, zeros moving in."""

    pixels: int

    def __post_init__(self) -> None:
        if self.pixels < 0 or self.pixels != int(self.pixels):
            raise ConfigError(
                f"RandomShift: pixels is a whole number from 0 up, got {self.pixels}; "
                f"RandomAffine(translate=...) moves by fractions"
            )

    def __call__(self, batch: Array, rng: np.random.Generator) -> Array:
        """The same shape and dtype, each image moved."""
        x, m = _with_channels(batch), self.pixels
        down, right = rng.integers(0, 2 * m, size=(2, len(x)), endpoint=True)
        padded = np.pad(x, ((0, 0), (0, 0), (m, m), (m, m)))
        # (N, C, 2m+1, 2m+1, H, W): every place that a window of the image's size can take.
        windows = np.lib.stride_tricks.sliding_window_view(padded, x.shape[2:], axis=(2, 3))
        return windows[np.arange(len(x)), :, down, right].reshape(batch.shape)


@dataclass(frozen=True)
class RandomAffine:
    """Each image turned, sheared, scaled and moved about its centre, by its own random amounts.

    An output pixel p shows the input at q, where

        p = s R(a) S(k) q + t,   R(a) = [cos a, -sin a; sin a, cos a],   S(k) = [1, tan k; 0, 1]

    with x to the right and y down from the centre, so that a > 0 turns clockwise. Drawn uniformly:
    a in +-`degrees`, k in +-`shear` degrees, s in `scale`, both parts of t in +-`translate`
    pixels. Values between pixels are interpolated bilinearly; outside the image they are zero.

    >>> turn = RandomAffine(degrees=10, translate=2, scale=(0.9, 1.1))
    >>> turn(np.zeros((64, 28, 28), np.uint8), np.random.default_rng(0)).shape
    (64, 28, 28)
    """

    degrees: float = 0.0
    translate: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    shear: float = 0.0

    def __post_init__(self) -> None:
        low, high = self.scale
        if self.degrees < 0 or self.translate < 0 or not 0 <= self.shear < 90:
            raise ConfigError(
                f"RandomAffine: degrees and translate are limits from 0 up, shear in 0..90; "
                f"got {self!r}"
            )
        if not 0 < low <= high:
            raise ConfigError(f"RandomAffine: scale is (low, high), positive; got {self.scale}")

    def __call__(self, batch: Array, rng: np.random.Generator) -> Array:
        """The same shape, uint8 for uint8 and float32 for floats, each image transformed."""
        y = resample(_with_channels(batch), self.inverses(len(batch), rng)).reshape(batch.shape)
        # A weighted mean of values in 0..255 cannot leave 0..255: no clipping.
        return np.rint(y).astype(np.uint8) if batch.dtype == np.uint8 else y

    def inverses(self, count: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
        """Random maps (count, 2, 3) from output to input: q = S(-k) R(-a) (p - t) / s."""
        turn, skew, right, down = rng.uniform(-1, 1, size=(4, count))
        a, tan = np.radians(self.degrees * turn), np.tan(np.radians(self.shear * skew))
        s = rng.uniform(*self.scale, size=count)
        cos, sin = np.cos(a), np.sin(a)
        linear = np.array([[cos + tan * sin, sin - tan * cos], [-sin, cos]]) / s  # (2, 2, N)
        offset = -np.einsum("ijn,jn->in", linear, self.translate * np.array([right, down]))
        return np.concatenate([linear, offset[:, None]], axis=1).transpose(2, 0, 1)  # (N, 2, 3)


def resample(images: Array, inverse: Array) -> npt.NDArray[np.float32]:
    """y[n, c, i, j] = images[n, c] at inverse[n] @ (x, y, 1), bilinear, zero outside the image.

    `images` (N, C, H, W), `inverse` (N, 2, 3); x = j - (W-1)/2 and y = i - (H-1)/2 are the
    output pixel's coordinates from the centre, and the result of the product is the input's.

    >>> mirror = np.array([[[-1, 0, 0], [0, 1, 0]]])
    >>> resample(np.array([[[[1, 2, 3]]]]), mirror)
    array([[[[3., 2., 1.]]]], dtype=float32)
    """
    N, C, H, W = images.shape
    if (H + 3) * (W + 3) > _EXACT_IN_FLOAT32:
        raise ShapeError(f"resample: images of up to 4,093 x 4,093 pixels, got {H:,} x {W:,}")
    y = np.empty(images.shape, np.float32)
    block = min(N, max(1, _BLOCK_PIXELS // (H * W)))
    # Work arrays are made once: fresh ones for every step cost more in page faults than the step.
    work = np.empty((6, block, H, W), np.float32)
    corner = np.empty((block, H, W), np.intp)
    padded = np.zeros((block, H + 3, W + 3), np.float32)
    for start in range(0, N, block):
        part = slice(start, start + block)
        n = len(images[part])
        u, v, *rest = work[:, :n]
        _locate(inverse[part].astype(np.float32), u, v, rest[0], rest[1], corner[:n])
        for c in range(C):
            padded[:n, 1 : H + 1, 1 : W + 1] = images[part, c]
            _interpolate(padded, corner[:n], u, v, rest, y[part, c])
    return y


def _locate(inverse: Array, u: Array, v: Array, left: Array, top: Array, corner: Array) -> None:
    """Where each output pixel samples: the index of the upper left of the four pixels around the
    place, in the flat padded block, and into u, v the place's distance from it, in 0..1.

    The image lies in its padding (H+3, W+3) from (1, 1) on. Places outside are clipped onto the
    zeros of the border, whose width lets the neighbour on the right and below exist too.
    """
    n, H, W = u.shape
    x = np.arange(W, dtype=np.float32) - np.float32((W - 1) / 2)
    y = np.arange(H, dtype=np.float32)[:, None] - np.float32((H - 1) / 2)
    a = inverse[:, :, :, None, None]  # (n, 2, 3, 1, 1)
    # Two terms of the sum hold one axis each, so that one pass over (n, H, W) makes it.
    np.add(a[:, 0, 0] * x, a[:, 0, 1] * y + (a[:, 0, 2] + np.float32((W + 1) / 2)), out=u)
    np.add(a[:, 1, 0] * x, a[:, 1, 1] * y + (a[:, 1, 2] + np.float32((H + 1) / 2)), out=v)
    np.clip(u, 0, W + 1, out=u)
    np.clip(v, 0, H + 1, out=v)
    u -= np.floor(u, out=left)
    v -= np.floor(v, out=top)
    top *= W + 3
    top += left
    top += (np.arange(n, dtype=np.float32) * ((H + 3) * (W + 3)))[:, None, None]
    corner[...] = top  # whole numbers below 2**24: float32 holds them exactly


def _interpolate(
    padded: Array, corner: Array, u: Array, v: Array, work: list[Array], out: Array
) -> None:
    """out = (1-v) ((1-u) p00 + u p01) + v ((1-u) p10 + u p11), p00 the pixel at `corner`."""
    flat, row = padded.ravel(), padded.shape[2]
    p00, p01, p10, p11 = work
    for neighbour, offset in ((p00, 0), (p01, 1), (p10, row), (p11, row + 1)):
        # Every index is in range; with "clip" NumPy fills `out` without a buffer.
        np.take(flat[offset:], corner, out=neighbour, mode="clip")
    p01 -= p00
    p01 *= u
    p00 += p01  # the upper edge at u
    p11 -= p10
    p11 *= u
    p10 += p11  # the lower edge at u
    p10 -= p00
    p10 *= v
    np.add(p00, p10, out=out)


def _with_channels(batch: Array) -> Array:
    """(N, H, W) -> (N, 1, H, W); (N, C, H, W) as it is."""
    if batch.ndim not in (3, 4):
        raise ShapeError(f"a batch is (N, H, W) or (N, C, H, W), got {batch.shape}; reshape it")
    return batch if batch.ndim == 4 else batch[:, None]
