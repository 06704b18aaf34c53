"""Affine maps."""

from __future__ import annotations

import math

from tinygrad_cnn.core.tensor import Parameter
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.nn import init
from tinygrad_cnn.nn._options import empty, positive
from tinygrad_cnn.nn.functional import Array
from tinygrad_cnn.nn.module import Module


class Linear(Module):
    """y = x W^T + b; x (..., in_features), W (out_features, in_features), y (..., out_features).

    >>> import numpy as np, tinygrad_cnn as tg
    >>> tg.nn.Linear(3, 2)(tg.Tensor(np.ones((5, 3), np.float32))).shape
    (5, 2)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        positive(self, in_features=in_features, out_features=out_features)
        self.in_features = in_features
        self.out_features = out_features
        self.weight = empty(out_features, in_features)
        self.bias = empty(out_features) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters afresh, as `uniform_fan_in` says."""
        uniform_fan_in(self.weight, self.bias)

    def forward(self, x: Array) -> Array:
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Identity(Module):
    """y = x, whatever the arguments were: a place-holder for a layer."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()

    def forward(self, x: Array) -> Array:
        return x


def uniform_fan_in(weight: Parameter, bias: Parameter | None) -> None:
    """PyTorch's default start: weight and bias from U(-b, b) with b = 1 / sqrt(fan_in).

    For the weight this is kaiming_uniform_ with a = sqrt(5): its gain is then sqrt(1/3).
    """
    init.kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        bound = 1 / math.sqrt(init.fans(weight.shape)[0])
        init.uniform_(bias, -bound, bound)
