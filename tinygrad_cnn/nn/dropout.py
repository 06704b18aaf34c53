"""Dropout layers: in training mode, some of the input is zeroed and the rest scaled up."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.nn._options import probability
from tinygrad_cnn.nn.functional import Array
from tinygrad_cnn.nn.module import Module


class _Dropout(Module):
    function: ClassVar[Callable[..., Array]]

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = probability(self, p)

    def forward(self, x: Array) -> Array:
        return self.function(x, self.p, self.training)

    def _acts_by_mode(self) -> bool:
        return self.p > 0

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Dropout(_Dropout):
    """Each element is 0 with probability p, else x / (1 - p): the mean is unchanged.

    In inference mode, y = x. Srivastava et al. 2014, "Dropout".

    >>> import numpy as np, tinygrad_cnn as tg
    >>> _ = tg.manual_seed(0)
    >>> sorted(set(tg.nn.Dropout(0.5)(tg.Tensor(np.ones(100))).tolist()))
    [0.0, 2.0]
    >>> tg.nn.Dropout(0.5).eval()(tg.Tensor([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """

    function = staticmethod(F.dropout)


class AlphaDropout(_Dropout):
    """Dropout that keeps mean 0 and variance 1, for `SELU`. Klambauer et al. 2017, section 3."""

    function = staticmethod(F.alpha_dropout)


class Dropout1d(_Dropout):
    """Drops whole channels of x (N, C, L)."""

    function = staticmethod(F.dropout1d)


class Dropout2d(_Dropout):
    """Drops whole channels of x (N, C, H, W), whose neighbouring pixels say much the same.

    Tompson et al. 2015, "Efficient Object Localization Using Convolutional Networks".
    """

    function = staticmethod(F.dropout2d)


class Dropout3d(_Dropout):
    """Drops whole channels of x (N, C, D, H, W)."""

    function = staticmethod(F.dropout3d)
