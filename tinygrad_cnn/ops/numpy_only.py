"""Elementwise functions that NumPy names and the array API standard does not: np.cbrt(t), ..."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cnn.core.op import op
from tinygrad_cnn.ops.elementwise import (
    logaddexp,
    maximum,
    minimum,
    scale,
    trunc,
    where,
    zero,
)
from tinygrad_cnn.ops.logic import isnan

LN2 = math.log(2.0)


@op
def cbrt(x, /):
    """The real cube root."""
    return np.cbrt(x)


cbrt.vjp(lambda g, y, _x: scale(g, 1 / (3 * y * y)))


@op
def fmod(x1, x2, /):
    """x1 - trunc(x1 / x2) x2, with the sign of x1."""
    return np.fmod(x1, x2)


fmod.vjp(lambda g, _y, _x1, _x2: g, lambda g, _y, x1, x2: -g * trunc(x1 / x2))


def deg2rad(x: Any, /) -> Any:
    """pi / 180 x"""
    return x * (math.pi / 180)


def rad2deg(x: Any, /) -> Any:
    """180 / pi x"""
    return x * (180 / math.pi)


def logaddexp2(x1: Any, x2: Any, /) -> Any:
    """log2(2^x1 + 2^x2), without overflow."""
    return logaddexp(x1 * LN2, x2 * LN2) * (1 / LN2)


def fmax(x1: Any, x2: Any, /) -> Any:
    """The larger, and the other one where one is NaN."""
    return maximum(where(isnan(x1), x2, x1), where(isnan(x2), x1, x2))


def fmin(x1: Any, x2: Any, /) -> Any:
    """The smaller, and the other one where one is NaN."""
    return minimum(where(isnan(x1), x2, x1), where(isnan(x2), x1, x2))


def heaviside(x1: Any, x2: Any, /) -> Any:
    """0 where x1 < 0, 1 where x1 > 0, x2 where x1 = 0."""
    step = where(x1 > 0, 1.0, zero(x2))  # in the dtype of x2, where x1 is a number
    return where(x1 == 0, x2, where(isnan(x1), np.nan, step))
