"""A small network for 28x28 digits, the one that is trained unless another is asked for."""

from __future__ import annotations

from tinygrad_cnn.models.start import he_start
from tinygrad_cnn.nn import Conv2d, Linear, Module
from tinygrad_cnn.nn.functional import Array, flatten, leaky_relu, max_pool2d


class MnistLeaky(Module):
    """conv 16 of 3x3 -> LeakyReLU -> max-pool 2x2 -> 2704 -> 128 -> LeakyReLU -> 10.

    Takes x (N, 1, 28, 28), gives logits (N, 10). Nearly all of the 347,690 parameters are those
    of `hidden`. Weights start as He et al. 2015 derive for a leaky ReLU, biases at 0.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> net = tg.models.MnistLeaky()
    >>> net(tg.Tensor(np.zeros((5, 1, 28, 28), np.float32))).shape
    (5, 10)
    """

    def __init__(self, classes: int = 10, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.conv = Conv2d(1, 16, 3)
        self.hidden = Linear(16 * 13 * 13, 128)
        self.classify = Linear(128, classes)
        he_start(self, negative_slope)

    def forward(self, x: Array) -> Array:
        x = leaky_relu(self.conv(x), self.negative_slope)  # (N, 1, 28, 28) -> (N, 16, 26, 26)
        x = flatten(max_pool2d(x, 2), 1)  # -> (N, 16, 13, 13) -> (N, 2704)
        x = leaky_relu(self.hidden(x), self.negative_slope)  # -> (N, 128)
        return self.classify(x)  # -> (N, 10)
