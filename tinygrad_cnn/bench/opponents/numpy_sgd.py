"""Momentum SGD in NumPy, for libraries that bring no optimizer."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.bench.networks import Weights
from tinygrad_cnn.bench.opponents.base import LR, MOMENTUM


def descend(p: Any, g: Any, velocity: Weights, name: str) -> None:
    """v <- mu v + g;  p <- p - lr v, in place."""
    v = velocity.get(name)
    if v is None:
        v = velocity[name] = np.array(g, np.float32)
    else:
        v *= MOMENTUM
        v += g
    p -= LR * v
