"""Small networks for 28x28 digits; MnistLeaky is trained unless another one is asked for."""

from __future__ import annotations

from tinygrad_cnn.models.start import he_start
from tinygrad_cnn.nn import (
    BatchNorm2d,
    Conv2d,
    Dropout,
    LeakyReLU,
    Linear,
    MaxPool2d,
    Module,
    Sequential,
)
from tinygrad_cnn.nn.functional import Array, flatten, leaky_relu, max_pool2d, relu


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


class MnistLeakyPlus(Module):
    """The same with what one would wish for next: a second convolution, norms and dropout.

    conv 16 -> norm -> LeakyReLU -> pool -> conv `second_conv` -> norm -> LeakyReLU -> pool -> 128
    -> LeakyReLU -> dropout -> 10. Each wish can be left out: `second_conv=0`, `batch_norm=False`,
    `dropout=0`; without any it computes what MnistLeaky does.

    >>> sum(p.size for p in MnistLeakyPlus().parameters())
    108714
    """

    def __init__(
        self,
        classes: int = 10,
        negative_slope: float = 0.01,
        second_conv: int = 32,
        batch_norm: bool = True,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        a = negative_slope
        self.features = Sequential(*_stage(1, 16, batch_norm, a))
        channels, side = 16, 13
        if second_conv:
            self.features.extend(_stage(16, second_conv, batch_norm, a))
            channels, side = second_conv, 5
        self.hidden = Sequential(Linear(channels * side * side, 128), LeakyReLU(a))
        self.dropout = Dropout(dropout)
        self.classify = Linear(128, classes)
        he_start(self, a)

    def forward(self, x: Array) -> Array:
        x = flatten(self.features(x), 1)  # (N, 1, 28, 28) -> (N, 32, 5, 5) -> (N, 800)
        return self.classify(self.dropout(self.hidden(x)))


def _stage(channels: int, filters: int, batch_norm: bool, negative_slope: float) -> list[Module]:
    norm = [BatchNorm2d(filters)] if batch_norm else []
    return [Conv2d(channels, filters, 3), *norm, LeakyReLU(negative_slope), MaxPool2d(2)]


class TwoConv5x5(Module):
    """conv 5x5 -> ReLU -> conv 5x5 -> ReLU -> max-pool 2x2 -> dense: 4 channels, 4,518 parameters.

    x (N, 1, 28, 28) -> logits (N, 10).
    """

    def __init__(self, classes: int = 10, channels: int = 4) -> None:
        super().__init__()
        self.conv1 = Conv2d(1, channels, 5)
        self.conv2 = Conv2d(channels, channels, 5)
        self.classify = Linear(channels * 10 * 10, classes)
        he_start(self)

    def forward(self, x: Array) -> Array:
        x = relu(self.conv1(x))  # (N, 1, 28, 28) -> (N, 4, 24, 24)
        x = max_pool2d(relu(self.conv2(x)), 2)  # -> (N, 4, 20, 20) -> (N, 4, 10, 10)
        return self.classify(flatten(x, 1))  # -> (N, 400) -> (N, 10)


class OneConv(Module):
    """conv 3x3 -> ReLU -> max-pool 2x2 -> dense; 8 filters, 13,610 parameters.

    x (N, 1, 28, 28) -> logits (N, 10).
    """

    def __init__(self, classes: int = 10, channels: int = 8) -> None:
        super().__init__()
        self.conv = Conv2d(1, channels, 3)
        self.classify = Linear(channels * 13 * 13, classes)
        he_start(self)

    def forward(self, x: Array) -> Array:
        x = max_pool2d(relu(self.conv(x)), 2)  # (N, 1, 28, 28) -> (N, 8, 26, 26) -> (N, 8, 13, 13)
        return self.classify(flatten(x, 1))  # -> (N, 1352) -> (N, 10)
