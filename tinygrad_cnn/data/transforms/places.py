"""Images moved, mirrored and covered by whole pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinygrad_cnn.data.transforms.common import Array, with_channels
from tinygrad_cnn.errors import ConfigError, ShapeError


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
        return _cropped(batch, batch.shape[-2:], self.pixels, rng)


@dataclass(frozen=True)
class RandomCrop:
    """A window of `size` x `size` pixels out of each image, anywhere in it and its padding.

    `padding` zeros stand on each side. RandomCrop(32, padding=4) is what CIFAR-10 is trained with
    (He et al. 2016, section 4.2).

    >>> RandomCrop(24)(np.zeros((8, 3, 32, 32), np.uint8), np.random.default_rng(0)).shape
    (8, 3, 24, 24)
    """

    size: int
    padding: int = 0

    def __post_init__(self) -> None:
        if self.size < 1 or self.padding < 0 or {self.size, self.padding} != {
            int(self.size), int(self.padding)
        }:  # fmt: skip
            raise ConfigError(
                f"RandomCrop: size is a whole number from 1 up, padding from 0 up; got {self!r}"
            )

    def __call__(self, batch: Array, rng: np.random.Generator) -> Array:
        """(N, C, size, size), or (N, size, size) for images without channels; the same dtype."""
        largest = min(batch.shape[-2:]) + 2 * self.padding
        if self.size > largest:
            raise ShapeError(
                f"RandomCrop: a window of {self.size} does not fit into {largest}, the images of "
                f"{batch.shape[-2]} x {batch.shape[-1]} with a padding of {self.padding}; "
                "lower the size or raise the padding"
            )
        return _cropped(batch, (self.size, self.size), self.padding, rng)


@dataclass(frozen=True)
class RandomFlip:
    """Each image mirrored, left for right, with the probability `p`."""

    p: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.p <= 1:
            raise ConfigError(f"RandomFlip: p is a probability in 0..1, got {self.p}")

    def __call__(self, batch: Array, rng: np.random.Generator) -> Array:
        """The same shape and dtype."""
        y = with_channels(batch).copy()
        flipped = rng.random(len(y)) < self.p
        y[flipped] = y[flipped, :, :, ::-1]
        return y.reshape(batch.shape)


@dataclass(frozen=True)
class Cutout:
    """A square of `size` pixels, its centre anywhere in the image, set to 0.

    What reaches over the edge is cut off, so that no part of the image is covered more seldom.
    After Normalize, 0 is the mean. Source: DeVries, Taylor, "Improved regularization of
    convolutional neural networks with cutout", arXiv:1708.04552, 2017.
    """

    size: int

    def __post_init__(self) -> None:
        if self.size < 1 or self.size != int(self.size):
            raise ConfigError(f"Cutout: size is a whole number from 1 up, got {self.size}")

    def __call__(self, batch: Array, rng: np.random.Generator) -> Array:
        """The same shape and dtype."""
        y = with_channels(batch).copy()
        N, H, W = len(y), *y.shape[2:]
        rows, columns = (self._covered(n, N, rng) for n in (H, W))  # (N, H) and (N, W)
        np.copyto(y, 0, where=(rows[:, :, None] & columns[:, None, :])[:, None])
        return y.reshape(batch.shape)

    def _covered(self, length: int, count: int, rng: np.random.Generator) -> Array:
        """Which places along an axis the square covers, (count, length)."""
        start = rng.integers(length, size=(count, 1)) - self.size // 2
        i = np.arange(length)
        return (start <= i) & (i < start + self.size)


def _cropped(batch: Array, size: tuple[int, ...], padding: int, rng: np.random.Generator) -> Array:
    """A window of each padded image, at a place of its own."""
    x, m = with_channels(batch), padding
    padded = np.pad(x, ((0, 0), (0, 0), (m, m), (m, m)))
    # (N, C, places down, places right, *size): every place that the window can take.
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=(2, 3))
    down, right = (rng.integers(0, n, size=len(x)) for n in windows.shape[2:4])
    return windows[np.arange(len(x)), :, down, right].reshape(*batch.shape[:-2], *size)
