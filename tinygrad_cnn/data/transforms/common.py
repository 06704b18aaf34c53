"""What every transform shares: the form of a batch, and the ones that draw nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_cnn.errors import ConfigError, ShapeError

Array = npt.NDArray[Any]
Transform = Callable[[Array, np.random.Generator], Array]


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
        x = with_channels(batch)
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


def with_channels(batch: Array) -> Array:
    """(N, H, W) -> (N, 1, H, W); (N, C, H, W) as it is."""
    if batch.ndim not in (3, 4):
        raise ShapeError(f"a batch is (N, H, W) or (N, C, H, W), got {batch.shape}; reshape it")
    return batch if batch.ndim == 4 else batch[:, None]


def like(y: Array, batch: Array) -> Array:
    """`y` in the shape and kind of `batch`: rounded into 0..255 for bytes, float32 for floats."""
    if batch.dtype == np.uint8:
        y = np.clip(np.rint(y), 0, 255).astype(np.uint8)
    return y.astype(batch.dtype, copy=False).reshape(batch.shape)
