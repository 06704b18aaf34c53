"""Images written with another pen, in another light, by a worse camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinygrad_cnn.data.transforms.common import Array, like, with_channels
from tinygrad_cnn.errors import ConfigError


@dataclass(frozen=True)
class RandomThickness:
    """Light strokes on a dark ground made thicker or thinner, by up to `pixels` on each side.

        y = (1 - |a|) x + |a| (dilated x if a > 0 else eroded x),   a in +-pixels

    the extremes taken over each pixel and its four neighbours, so `pixels` is at most 1.
    """

    pixels: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.pixels <= 1:
            raise ConfigError(
                f"RandomThickness: pixels is in 0..1, got {self.pixels}; apply it twice for more"
            )

    def __call__(self, batch: Array, rng: np.random.Generator) -> Array:
        """The same shape and kind."""
        x = with_channels(batch)
        a = rng.uniform(-self.pixels, self.pixels, len(x)).astype(np.float32)[:, None, None, None]
        y = x.astype(np.float32)
        for chosen, extreme in ((a.ravel() > 0, np.maximum), (a.ravel() < 0, np.minimum)):
            part, share = y[chosen], np.abs(a[chosen])
            y[chosen] += share * (_over_neighbours(part, extreme) - part)
        return like(y, batch)


@dataclass(frozen=True)
class RandomLight:
    """Each image lit anew: y = x (g + s (x' cos b + y' sin b)), x' and y' in -1..1 from the centre.

    Drawn uniformly: the gain g in `gain`, the slope s in 0..`slope`, its direction b all around.
    Bytes stay in 0..255; floats are not clipped.
    """

    gain: tuple[float, float] = (1.0, 1.0)
    slope: float = 0.0

    def __post_init__(self) -> None:
        low, high = self.gain
        if not 0 <= low <= high or self.slope < 0:
            raise ConfigError(
                f"RandomLight: gain is (low, high) from 0 up, slope from 0 up; got {self!r}"
            )

    def __call__(self, batch: Array, rng: np.random.Generator) -> Array:
        """The same shape and kind."""
        x = with_channels(batch)
        H, W = x.shape[2:]
        gain, b = rng.uniform(*self.gain, len(x)), rng.uniform(0, 2 * np.pi, len(x))
        s = rng.uniform(0, self.slope, len(x))
        down = np.outer(s * np.sin(b), np.linspace(-1, 1, H))[:, :, None]  # (N, H, 1)
        right = np.outer(s * np.cos(b), np.linspace(-1, 1, W))[:, None, :]  # (N, 1, W)
        light = (gain[:, None, None] + down + right).astype(np.float32)
        return like(x * light[:, None], batch)


@dataclass(frozen=True)
class RandomNoise:
    """y = x + s z, z normal in each pixel, s drawn for each image from 0..`std` of full white."""

    std: float = 0.1

    def __post_init__(self) -> None:
        if self.std < 0:
            raise ConfigError(f"RandomNoise: std is a number from 0 up, got {self.std}")

    def __call__(self, batch: Array, rng: np.random.Generator) -> Array:
        """The same shape and kind; bytes stay in 0..255, floats are not clipped."""
        x = with_channels(batch)
        white = 255 if batch.dtype == np.uint8 else 1
        s = rng.uniform(0, self.std * white, (len(x), 1, 1, 1)).astype(np.float32)
        return like(x + s * rng.standard_normal(x.shape, dtype=np.float32), batch)


def _over_neighbours(x: Array, extreme: np.ufunc) -> Array:
    """The largest or smallest of each pixel (N, C, H, W) and the four beside it."""
    y = x.copy()
    for here, there in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
        extreme(y[:, :, here], x[:, :, there], out=y[:, :, here])
        extreme(y[..., here], x[..., there], out=y[..., here])
    return y
