"""Ops that draw random numbers, from the generator that `manual_seed` seeds."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.modes import rng
from tinygrad_cnn.core.op import op
from tinygrad_cnn.errors import ConfigError


@op
def masked_scale(x, /, *, mask, factor):
    """factor x where the mask holds, 0 elsewhere."""
    return np.multiply(x, mask) * np.asarray(factor, x.dtype)


masked_scale.vjp(lambda g, _y, _x, **k: masked_scale(g, **k))


def dropout(x: Any, /, *, p: float = 0.5, training: bool = True) -> Any:
    """Each element is 0 with probability p, else x / (1 - p), so that the expectation is x.

    Source: Srivastava et al., Dropout, 2014 (in the "inverted" form, scaled while training).
    """
    return _drop(x, x.shape, p, training)


def dropout2d(x: Any, /, *, p: float = 0.5, training: bool = True) -> Any:
    """Dropout of whole channels: x (N, C, *S); all of x[n, c] is kept, or none."""
    return _drop(x, x.shape[:2] + (1,) * (x.ndim - 2), p, training)


def _drop(x: Any, mask_shape: tuple[int, ...], p: float, training: bool) -> Any:
    if not 0 <= p <= 1:
        raise ConfigError(f"dropout: p is a probability, in 0..1, got {p}")
    if not training or p == 0:
        return x
    mask = rng().random(mask_shape, dtype=np.float32) >= p
    return masked_scale(x, mask=mask, factor=1 / (1 - p) if p < 1 else 0.0)
