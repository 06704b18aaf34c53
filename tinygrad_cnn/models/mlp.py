"""Fully connected networks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tinygrad_cnn.models.start import he_start
from tinygrad_cnn.nn import Linear, Module, Sequential
from tinygrad_cnn.nn.functional import Array, flatten, relu


class MLP(Module):
    """x -> flat -> (Linear -> ReLU) for each hidden size -> Linear: logits (N, classes).

    >>> import numpy as np, tinygrad_cnn as tg
    >>> net = tg.models.MLP(784, hidden=(256, 128), classes=10)
    >>> net(tg.Tensor(np.zeros((5, 1, 28, 28), np.float32))).shape
    (5, 10)
    """

    def __init__(
        self, in_features: int = 784, hidden: Sequence[int] = (256, 128), classes: int = 10
    ) -> None:
        super().__init__()
        sizes = (in_features, *hidden)
        self.hidden = Sequential(*(Linear(n, m) for n, m in pairwise(sizes)))
        self.classify = Linear(sizes[-1], classes)
        he_start(self)

    def forward(self, x: Array) -> Array:
        x = flatten(x, 1)
        for layer in self.hidden:
            x = relu(layer(x))
        return self.classify(x)
