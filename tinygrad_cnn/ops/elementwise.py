"""Elementwise functions, broadcasting. Each function's gradient stands under it.

A gradient is written in the broadcast shape; the sweep sums it back to its input's shape. Names
that start with an underscore are inputs whose values a gradient does not read.

Complex inputs: a VJP is g times the complex derivative, not conjugated (the convention of JAX and
of HIPS autograd), so that holomorphic functions need no rule of their own. The gradient of a real
loss L with respect to z = a + ib is then dL/da - i dL/db.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_cnn.core.op import op
from tinygrad_cnn.core.tensor import check_device
from tinygrad_cnn.errors import DTypeError
from tinygrad_cnn.ops.logic import isinf

LN2, LN10 = math.log(2.0), math.log(10.0)


# -- arithmetic -------------------------------------------------------------------------------


@op
def add(x1, x2, /):
    """x1 + x2"""
    return np.add(x1, x2)


add.vjp(lambda g, _y, _x1, _x2: g, lambda g, _y, _x1, _x2: g)


@op
def subtract(x1, x2, /):
    """x1 - x2"""
    return np.subtract(x1, x2)


subtract.vjp(lambda g, _y, _x1, _x2: g, lambda g, _y, _x1, _x2: -g)


@op
def multiply(x1, x2, /):
    """x1 x2"""
    return np.multiply(x1, x2)


multiply.vjp(lambda g, _y, _x1, x2: g * x2, lambda g, _y, x1, _x2: g * x1)


@op
def scale(g, d, /):
    """g d, where a zero g gives zero whatever d is: the chain rule at a singular point.

    The slope d of sqrt, log or a power is infinite at 0. An upstream gradient that is exactly zero
    says that the output does not matter there, and 0 * inf = NaN would say otherwise.
    """
    with np.errstate(invalid="ignore"):
        y = np.multiply(g, d)
    return np.where(np.equal(g, 0), np.zeros((), y.dtype), y) if not np.isfinite(y).all() else y


scale.vjp(
    lambda h, _y, _g, d: scale(h, d),
    lambda h, _y, g, _d: where((g == 0) & isinf(h), 0.0, scale(h, g)),  # a zero g is zero
)


@op
def divide(x1, x2, /):
    """x1 / x2"""
    return np.divide(x1, x2)


divide.vjp(
    lambda g, _y, _x1, x2: scale(g, _inverse(x2)),
    lambda g, y, _x1, x2: scale(g, -y / x2),
)


def _inverse(x: Any) -> Any:
    """1 / x, where a Python number 0 is no error; its dtype still yields to that of arrays."""
    return math.inf if isinstance(x, int | float | complex) and x == 0 else 1 / x


@op
def negative(x, /):
    """-x"""
    return np.negative(x)


negative.vjp(lambda g, _y, _x: -g)


@op
def positive(x, /):
    """+x"""
    return np.positive(x)


positive.vjp(lambda g, _y, _x: g)


@op
def alias(x, /):
    """x itself, as a node of its own."""
    return x


alias.vjp(lambda g, _y, _x: g)


@op
def copy(x, /):
    """x in an array of its own."""
    return np.array(x)


copy.vjp(lambda g, _y, _x: g)


@op
def pow(x1, x2, /):
    """x1 ** x2"""
    return x1**x2


def _pow_slope_base(x1: Any, x2: Any) -> Any:
    """d(x1^x2)/dx1 = x2 x1^(x2-1), and 0 where x2 = 0, also at x1 = 0."""
    return scale(x2, x1 ** (x2 - 1))


def _pow_slope_exponent(y: Any, x1: Any) -> Any:
    """d(x1^x2)/dx2 = x1^x2 log x1, and 0 where x1^x2 = 0."""
    return scale(y, log(x1))


pow.vjp(
    lambda g, _y, x1, x2: scale(g, _pow_slope_base(x1, x2)),
    lambda g, y, x1, _x2: scale(g, _pow_slope_exponent(y, x1)),
)


@op
def square(x, /):
    """x^2"""
    return np.square(x)


square.vjp(lambda g, _y, x: (2 * g) * x)


@op
def reciprocal(x, /):
    """1 / x"""
    return np.divide(1, x)


reciprocal.vjp(lambda g, _y, x: scale(g, -1 / (x * x)))


@op
def remainder(x1, x2, /):
    """x1 - floor(x1 / x2) x2, with the sign of x2."""
    return np.remainder(x1, x2)


remainder.vjp(
    lambda g, _y, _x1, _x2: g,
    lambda g, _y, x1, x2: scale(-g, floor_divide(x1, x2)),
)


@op
def floor_divide(x1, x2, /):
    """floor(x1 / x2); an infinite x1 stays infinite."""
    y = np.floor_divide(x1, x2)
    if np.isfinite(x1).all():
        return y
    with np.errstate(invalid="ignore"):  # NumPy's own answer is NaN
        return np.where(np.isinf(x1), np.divide(x1, x2), y)


floor_divide.vjp(lambda g, _y, _x1, _x2: zero(g), lambda g, _y, _x1, _x2: zero(g))


@op
def zero(x, /):
    """0 in the shape of x: the derivative of a piecewise constant function."""
    return np.zeros_like(x)


zero.vjp(lambda g, _y, _x: zero(g))


# -- exponentials and logarithms --------------------------------------------------------------


@op
def exp(x, /):
    """e^x"""
    return np.exp(x)


exp.vjp(lambda g, y, _x: scale(g, y))


@op
def expm1(x, /):
    """e^x - 1, exact for small x."""
    return np.expm1(x)


expm1.vjp(lambda g, y, _x: scale(g, y + 1))


@op
def exp2(x, /):
    """2^x"""
    return np.exp2(x)


exp2.vjp(lambda g, y, _x: scale(g, y * LN2))


@op
def log(x, /):
    """ln x"""
    return np.log(x)


log.vjp(lambda g, _y, x: scale(g, 1 / x))


@op
def log1p(x, /):
    """ln(1 + x), exact for small x."""
    return np.log1p(x)


log1p.vjp(lambda g, _y, x: scale(g, 1 / (1 + x)))


@op
def log2(x, /):
    """log x in base 2."""
    return np.log2(x)


log2.vjp(lambda g, _y, x: scale(g, 1 / (x * LN2)))


@op
def log10(x, /):
    """log x in base 10."""
    return np.log10(x)


log10.vjp(lambda g, _y, x: scale(g, 1 / (x * LN10)))


@op
def logaddexp(x1, x2, /):
    """ln(e^x1 + e^x2), without overflow."""
    return np.logaddexp(x1, x2)


def _share(x1: Any, x2: Any) -> Any:
    """e^x1 / (e^x1 + e^x2), one half where both are the same infinity."""
    return sigmoid(where((x1 == x2) & isinf(x1), 0.0, x1 - x2))


logaddexp.vjp(lambda g, _y, x1, x2: g * _share(x1, x2), lambda g, _y, x1, x2: g * _share(x2, x1))


@op
def sqrt(x, /):
    """The square root."""
    return np.sqrt(x)


sqrt.vjp(lambda g, y, _x: scale(g, 0.5 / y))


@op
def hypot(x1, x2, /):
    """sqrt(x1^2 + x2^2), without overflow."""
    return np.hypot(x1, x2)


hypot.vjp(lambda g, y, x1, _x2: scale(g * x1, 1 / y), lambda g, y, _x1, x2: scale(g * x2, 1 / y))


# -- trigonometry -----------------------------------------------------------------------------


@op
def sin(x, /):
    """sin x"""
    return np.sin(x)


sin.vjp(lambda g, _y, x: g * cos(x))


@op
def cos(x, /):
    """cos x"""
    return np.cos(x)


cos.vjp(lambda g, _y, x: -g * sin(x))


@op
def tan(x, /):
    """tan x"""
    return np.tan(x)


tan.vjp(lambda g, y, _x: g * (1 + y * y))


@op
def asin(x, /):
    """The angle in [-pi/2, pi/2] whose sine is x."""
    return np.arcsin(x)


asin.vjp(lambda g, _y, x: scale(g, 1 / sqrt((1 - x) * (1 + x))))


@op
def acos(x, /):
    """The angle in [0, pi] whose cosine is x."""
    return np.arccos(x)


acos.vjp(lambda g, _y, x: scale(g, -1 / sqrt((1 - x) * (1 + x))))


@op
def atan(x, /):
    """The angle in [-pi/2, pi/2] whose tangent is x."""
    return np.arctan(x)


atan.vjp(lambda g, _y, x: g * (1 / (1 + x * x)))


@op
def atan2(x1, x2, /):
    """The angle of the point (x2, x1), in [-pi, pi]."""
    return np.arctan2(x1, x2)


atan2.vjp(
    lambda g, _y, x1, x2: scale(g, x2 / (x1 * x1 + x2 * x2)),
    lambda g, _y, x1, x2: scale(g, -x1 / (x1 * x1 + x2 * x2)),
)


@op
def sinh(x, /):
    """(e^x - e^-x) / 2"""
    return np.sinh(x)


sinh.vjp(lambda g, _y, x: scale(g, cosh(x)))


@op
def cosh(x, /):
    """(e^x + e^-x) / 2"""
    return np.cosh(x)


cosh.vjp(lambda g, _y, x: scale(g, sinh(x)))


@op
def tanh(x, /):
    """sinh x / cosh x"""
    return np.tanh(x)


tanh.vjp(lambda g, y, _x: g * ((1 - y) * (1 + y)))


@op
def asinh(x, /):
    """ln(x + sqrt(x^2 + 1))"""
    return np.arcsinh(x)


asinh.vjp(lambda g, _y, x: g * (1 / sqrt(x * x + 1)))


@op
def acosh(x, /):
    """ln(x + sqrt(x^2 - 1))"""
    return np.arccosh(x)


acosh.vjp(lambda g, _y, x: scale(g, 1 / (sqrt(x - 1) * sqrt(x + 1))))


@op
def atanh(x, /):
    """ln((1 + x) / (1 - x)) / 2"""
    return np.arctanh(x)


atanh.vjp(lambda g, _y, x: scale(g, 1 / ((1 - x) * (1 + x))))


# -- parts and comparisons --------------------------------------------------------------------


@op
def abs(x, /):
    """|x|; its derivative at 0 is 0."""
    return np.abs(x)


abs.vjp(lambda g, _y, x: g * conj(sign(x)))


@op
def sign(x, /):
    """x / |x|, and 0 at 0."""
    return np.sign(x)


def _sign_slope(g: Any, y: Any, x: Any) -> Any:
    """0 for real x. A complex y = x / |x| turns, never grows: dy = i y Im(conj(y) dx) / |x|."""
    if x.dtype.kind != "c":
        return zero(g)
    return scale(1j * conj(y) * imag(g * y), 1 / abs(x))


sign.vjp(_sign_slope)


@op
def copysign(x1, x2, /):
    """|x1| with the sign of x2, also that of a zero."""
    return np.copysign(x1, x2)


copysign.vjp(
    lambda g, _y, x1, x2: g * (sign(x1) * copysign(np.ones((), x1.dtype), x2)),
    lambda g, _y, _x1, _x2: zero(g),
)


@op
def nextafter(x1, x2, /):
    """The number next to x1 on the way to x2."""
    return np.nextafter(x1, x2)


nextafter.vjp(lambda g, _y, _x1, _x2: g, lambda g, _y, _x1, _x2: zero(g))


@op
def floor(x, /):
    """The largest integer not above x."""
    return np.floor(x)


floor.vjp(lambda g, _y, _x: zero(g))


@op
def ceil(x, /):
    """The smallest integer not below x."""
    return np.ceil(x)


ceil.vjp(lambda g, _y, _x: zero(g))


@op
def round(x, /):
    """The nearest integer, to even on ties."""
    return np.round(x)


round.vjp(lambda g, _y, _x: zero(g))


@op
def trunc(x, /):
    """The integer part, towards zero."""
    return np.trunc(x)


trunc.vjp(lambda g, _y, _x: zero(g))


@op
def real(x, /):
    """The real part."""
    return np.real(x)


real.vjp(lambda g, _y, _x: g)


@op
def imag(x, /):
    """The imaginary part (zero for a real array)."""
    return np.imag(x)


imag.vjp(lambda g, _y, _x: g * -1j)


@op
def conj(x, /):
    """The complex conjugate: of a real array, the array itself."""
    return np.conj(x) if np.iscomplexobj(x) else x


conj.vjp(lambda g, _y, _x: conj(g))


@op(name="astype")
def _astype(x, /, *, dtype):
    """x with elements of another type."""
    return np.asarray(x).astype(dtype)


_astype.vjp(lambda g, _y, _x, dtype: g)


def astype(x: Any, dtype: DTypeLike, /, *, copy: bool = True, device: Any = None) -> Any:
    """x with elements of another type; the gradient is cast back.

    copy=False gives x itself where it has the type already.
    """
    check_device(device, "astype")
    dtype = np.dtype(dtype)
    check_imaginary(x, dtype, "astype")
    return x if not copy and x.dtype == dtype else _astype(x, dtype=dtype)


def check_imaginary(x: Any, dtype: DTypeLike | None, name: str) -> None:
    """Refuse a real dtype for complex numbers."""
    if dtype is not None and x.dtype.kind == "c" and np.dtype(dtype).kind not in "cb":
        raise DTypeError(
            f"{name}: from {x.dtype} to {np.dtype(dtype)} would lose the imaginary part; "
            f"take real(x) or abs(x)"
        )


@op
def maximum(x1, x2, /):
    """The larger; where they are equal each gets half of the gradient."""
    return np.maximum(x1, x2)


maximum.vjp(
    lambda g, _y, x1, x2: where(x1 > x2, g, where(x1 == x2, 0.5 * g, 0.0)),
    lambda g, _y, x1, x2: where(x2 > x1, g, where(x1 == x2, 0.5 * g, 0.0)),
)


@op
def minimum(x1, x2, /):
    """The smaller; where they are equal each gets half of the gradient."""
    return np.minimum(x1, x2)


minimum.vjp(
    lambda g, _y, x1, x2: where(x1 < x2, g, where(x1 == x2, 0.5 * g, 0.0)),
    lambda g, _y, x1, x2: where(x2 < x1, g, where(x1 == x2, 0.5 * g, 0.0)),
)


@op
def where(condition, x1, x2, /):
    """x1 where the condition holds, x2 elsewhere; a branch not taken contributes nothing."""
    return np.where(condition, x1, x2)


where.vjp(
    None,
    lambda g, _y, condition, _x1, _x2: where(condition, g, 0.0),
    lambda g, _y, condition, _x1, _x2: where(condition, 0.0, g),
)


def clip(x: Any, /, min: Any = None, max: Any = None) -> Any:
    """x limited to [min, max]; the gradient passes where min <= x <= max."""
    return _clip(x, min, max)


@op(name="clip")
def _clip(x, min=None, max=None, /):
    y = np.asarray(x)
    y = y if min is None else np.maximum(y, min)
    return np.array(y) if max is None else np.minimum(y, max)


def _inside(x: Any, min: Any, max: Any) -> Any:
    above = True if min is None else x >= min
    return above if max is None else (x <= max) & above


_clip.vjp(
    lambda g, _y, x, min, max: where(_inside(x, min, max), g, 0.0),
    lambda g, _y, x, min, max: where((x < min) & (True if max is None else min <= max), g, 0.0),
    lambda g, _y, x, min, max: where((x > max) | (False if min is None else min > max), g, 0.0),
)


# -- activations ------------------------------------------------------------------------------


@op
def sigmoid(x, /):
    """1 / (1 + e^-x) = (1 + tanh(x/2)) / 2, which cannot overflow."""
    return 0.5 * np.tanh(0.5 * x) + 0.5 if np.iscomplexobj(x) else _sigmoid(_floating(x))


def _floating(x: Any) -> Any:
    """x as floats: -|x| of unsigned integers would be positive."""
    x = np.asarray(x)
    return x if x.dtype.kind in "fc" else x.astype(np.float64)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(x))  # in (0, 1]: exact in both tails, where tanh would lose digits
    y: np.ndarray = np.where(x >= 0, 1, e) / (1 + e)
    return y


sigmoid.vjp(lambda g, y, _x: g * (y * (1 - y)))


@op
def softplus(x, /):
    """ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|)"""
    x = _floating(x)
    if x.dtype.kind == "c":
        raise DTypeError(f"softplus: takes real numbers, got {x.dtype}")
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


softplus.vjp(lambda g, _y, x: g * sigmoid(x))
