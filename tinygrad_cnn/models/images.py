"""What a network has to know of the images that it will see, to be built for them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinygrad_cnn.nn import Module
from tinygrad_cnn.nn.functional import Array


class Images(NamedTuple):
    """Images (channels, size, size) of `classes` classes; mean and deviation of each channel."""

    channels: int = 1
    size: int = 28
    classes: int = 10
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)


class Standardize(Module):
    """y = (x - mean) / std, channel by channel.

    A part of the network, and not of the data's preparation: so whoever holds the weights cannot
    forget it, or take the numbers of another data set.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> shift = Standardize(Images(channels=2, mean=(1.0, 2.0), std=(1.0, 0.5)))
    >>> shift(tg.Tensor(np.ones((1, 2, 1, 1), np.float32))).numpy().ravel()
    array([ 0., -2.], dtype=float32)
    """

    mean: Array
    std: Array

    def __init__(self, images: Images) -> None:
        super().__init__()
        self.register_buffer("mean", _by_channel(images.mean))
        self.register_buffer("std", _by_channel(images.std))

    def forward(self, x: Array) -> Array:
        return (x - self.mean) / self.std  # (N, C, H, W) against (C, 1, 1)


def _by_channel(values: tuple[float, ...]) -> np.ndarray:
    return np.reshape(np.asarray(values, np.float32), (-1, 1, 1))
