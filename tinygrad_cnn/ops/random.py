"""Ops that draw random numbers, from the generator that `manual_seed` seeds."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.modes import rng
from tinygrad_cnn.core.op import op
from tinygrad_cnn.core.tensor import another_name
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.ops.activation import SELU_ALPHA, SELU_SCALE, leaky_relu
from tinygrad_cnn.ops.elementwise import where


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
    _check_probability(p, "dropout")
    if not training or p == 0:
        return another_name(x)
    return masked_scale(x, mask=_kept(mask_shape, p), factor=1 / (1 - p) if p < 1 else 0.0)


def _kept(shape: tuple[int, ...], p: float) -> np.ndarray:
    """True with probability 1 - p."""
    return rng().random(shape, dtype=np.float32) >= p


def _check_probability(p: float, name: str) -> None:
    if not 0 <= p <= 1:
        raise ConfigError(f"{name}: p is a probability, in 0..1, got {p}")


def alpha_dropout(x: Any, /, *, p: float = 0.5, training: bool = True) -> Any:
    """Each element is d = -s alpha of selu with probability p; then a x + b keeps N(0, 1).

    a = ((1 - p) (1 + p d^2))^(-1/2), b = -a p d: mean 0 and variance 1 stay.
    Source: Klambauer et al., Self-normalizing neural networks, 2017, section 3.
    """
    _check_probability(p, "alpha_dropout")
    if not training or p == 0:
        return another_name(x)
    if p == 1:
        return x * 0.0
    d = -SELU_SCALE * SELU_ALPHA
    a = ((1 - p) * (1 + p * d * d)) ** -0.5
    return a * where(_kept(x.shape, p), x, d) - a * p * d


def rrelu(x: Any, /, *, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False) -> Any:
    """x where x > 0, r x elsewhere, each r drawn from lower..upper; their mean outside training.

    Source: Xu et al., Empirical evaluation of rectified activations, 2015.
    """
    if not lower <= upper:
        raise ConfigError(f"rrelu: lower may not exceed upper, got {lower} and {upper}")
    if not training:
        return leaky_relu(x, negative_slope=(lower + upper) / 2)
    slope = rng().uniform(lower, upper, x.shape).astype(x.dtype)
    return where(x > 0, x, slope * x)
