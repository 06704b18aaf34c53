"""Layers that only change the shape."""

from __future__ import annotations

from collections.abc import Sequence

from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.nn.functional import Array
from tinygrad_cnn.nn.module import Module


class Flatten(Module):
    """The axes start_dim..end_dim become one: (N, C, H, W) -> (N, C*H*W).

    >>> import numpy as np, tinygrad_cnn as tg
    >>> tg.nn.Flatten()(tg.Tensor(np.zeros((2, 3, 4, 5)))).shape
    (2, 60)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Array) -> Array:
        return F.flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """The axis `dim` becomes several, of the lengths `unflattened_size` (one may be -1).

    >>> import numpy as np, tinygrad_cnn as tg
    >>> tg.nn.Unflatten(1, (3, 4, 5))(tg.Tensor(np.zeros((2, 60)))).shape
    (2, 3, 4, 5)
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        if not isinstance(unflattened_size, Sequence):
            raise ConfigError(
                f"Unflatten: unflattened_size is a sequence of lengths, got {unflattened_size!r}"
            )
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def forward(self, x: Array) -> Array:
        return F.unflatten(x, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
