"""Two plain convolutional networks for digits: one that averages its last maps, its predecessor."""

from __future__ import annotations

from tinygrad_cnn.models.start import he_start
from tinygrad_cnn.nn import Conv2d, Dropout, Linear, Module
from tinygrad_cnn.nn.functional import Array, flatten, max_pool2d, relu
from tinygrad_cnn.ops import mean


class DigitsGap(Module):
    """64 - 64 - pool - 128 - 128 - global average - dense 128 - dropout - 10; 276,810 parameters.

    The average over each map makes the dense layer small and lets images be of any size from
    14 x 14 up.

    >>> sum(p.size for p in DigitsGap().parameters())
    276810
    """

    def __init__(
        self, classes: int = 10, width: int = 64, hidden: int = 128, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.conv1 = Conv2d(1, width, 3)
        self.conv2 = Conv2d(width, width, 3)
        self.conv3 = Conv2d(width, 2 * width, 3)
        self.conv4 = Conv2d(2 * width, 2 * width, 3)
        self.hidden = Linear(2 * width, hidden)
        self.dropout = Dropout(dropout)
        self.classify = Linear(hidden, classes)
        he_start(self)

    def forward(self, x: Array) -> Array:
        x = relu(self.conv2(relu(self.conv1(x))))  # (N, 1, 28, 28) -> (N, 64, 24, 24)
        x = max_pool2d(x, 2)  # -> (N, 64, 12, 12)
        x = relu(self.conv4(relu(self.conv3(x))))  # -> (N, 128, 8, 8)
        x = relu(self.hidden(mean(x, axis=(2, 3))))  # -> (N, 128)
        return self.classify(self.dropout(x))


class DigitsFlat(Module):
    """64 - pool - 128 - pool - flatten - dense 128 - 10: the first version; 485,514 parameters.

    >>> sum(p.size for p in DigitsFlat().parameters())
    485514
    """

    def __init__(self, classes: int = 10, width: int = 64, hidden: int = 128) -> None:
        super().__init__()
        self.conv1 = Conv2d(1, width, 3)
        self.conv2 = Conv2d(width, 2 * width, 3)
        self.hidden = Linear(2 * width * 5 * 5, hidden)
        self.classify = Linear(hidden, classes)
        he_start(self)

    def forward(self, x: Array) -> Array:
        x = max_pool2d(relu(self.conv1(x)), 2)  # (N, 1, 28, 28) -> (N, 64, 13, 13)
        x = max_pool2d(relu(self.conv2(x)), 2)  # -> (N, 128, 5, 5)
        return self.classify(relu(self.hidden(flatten(x, 1))))  # -> (N, 3200) -> (N, 128)
