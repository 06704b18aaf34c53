"""Who takes part. To add a library: a file with a subclass of `Opponent`, and a line here."""

from __future__ import annotations

from tinygrad_cnn.bench.opponents.autograd_numpy import Autograd
from tinygrad_cnn.bench.opponents.base import Convolution, LeftOut, Opponent, Training
from tinygrad_cnn.bench.opponents.jax_jit import Jax
from tinygrad_cnn.bench.opponents.mygrad_numpy import MyGrad
from tinygrad_cnn.bench.opponents.ours import Ours
from tinygrad_cnn.bench.opponents.pytorch import PyTorch
from tinygrad_cnn.kernels import TIERS

__all__ = ["OTHERS", "OURS", "Convolution", "LeftOut", "Opponent", "Training", "of_name"]

OURS: tuple[Ours, ...] = tuple(Ours(tier) for tier in reversed(TIERS))  # the fastest first
OTHERS: tuple[Opponent, ...] = (
    PyTorch("eager"),
    PyTorch("channels_last"),
    Jax(),
    MyGrad(),
    Autograd(),
)


def of_name(name: str) -> Opponent:
    """The one that the report calls so.

    >>> of_name("JAX jit").package
    'jax'
    """
    return next(side for side in (*OURS, *OTHERS) if side.name == name)
