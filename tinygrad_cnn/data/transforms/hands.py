"""Digits begun as another hand would begin them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinygrad_cnn.data.transforms.common import Array, like, with_channels
from tinygrad_cnn.errors import ConfigError


@dataclass(frozen=True)
class RandomUpstroke:
    """A stroke that leads up to where the digit begins, drawn onto a `share` of the images.

    From the left end of the topmost ink it goes down to the left: most Europeans write a 1 so, and
    hardly anybody in MNIST. Drawn uniformly: its length in `length` pixels, its slope in 25 to 65
    degrees, its width in 1.5 to 3 pixels. A pixel at the distance d from the middle of a stroke
    of width w becomes at least clip((w + 1) / 2 - d, 0, 1) of full white. Images without ink stay.
    """

    share: float = 0.1
    length: tuple[float, float] = (3.0, 9.0)

    def __post_init__(self) -> None:
        low, high = self.length
        if not (0 <= self.share <= 1 and 0 < low <= high):
            raise ConfigError(
                f"RandomUpstroke: share is in 0..1, length is (low, high), positive; got {self!r}"
            )

    def __call__(self, batch: Array, rng: np.random.Generator) -> Array:
        """The same shape and kind."""
        x = with_channels(batch)
        white = 255 if batch.dtype == np.uint8 else 1
        chosen = np.flatnonzero(rng.random(len(x)) < self.share)
        ink = x[chosen].max(axis=1) > white / 2  # (n, H, W)
        chosen, ink = chosen[ink.any(axis=(1, 2))], ink[ink.any(axis=(1, 2))]
        n = len(chosen)
        length, slope = rng.uniform(*self.length, n), np.radians(rng.uniform(25, 65, n))
        width = rng.uniform(1.5, 3, n)
        top = ink.any(axis=2).argmax(axis=1)  # the first row with ink
        left = ink[np.arange(n), top].argmax(axis=1)
        along = np.stack([length * np.sin(slope), -length * np.cos(slope)], axis=1)  # down, right
        d = _distance(x.shape[2:], np.stack([top, left], axis=1), along)
        reach = ((width + 1) / 2).astype(np.float32)[:, None, None]
        stroke = np.float32(white) * np.clip(reach - d, 0, 1)
        y = x.copy()
        y[chosen] = like(np.maximum(x[chosen], stroke[:, None]), x[chosen])
        return y.reshape(batch.shape)


def _distance(shape: tuple[int, ...], start: Array, along: Array) -> Array:
    """(N, H, W): of each pixel p from the stroke s + t v, 0 <= t <= 1; s and v are (N, 2).

    |p - s - t v| is least at t = (p - s) v / v v, and at an end where that lies outside.
    """
    H, W = shape
    (y, x), (down, right) = (part.T[:, :, None, None].astype(np.float32) for part in (start, along))
    y, x = np.arange(H, dtype=np.float32)[:, None] - y, np.arange(W, dtype=np.float32) - x
    t = np.clip((y * down + x * right) / (down**2 + right**2), 0, 1)  # (N, H, W)
    distance: Array = np.sqrt((y - t * down) ** 2 + (x - t * right) ** 2)
    return distance
