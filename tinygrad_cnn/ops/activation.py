"""Activation functions.

Each has one slope at a kink, PyTorch's: 0 at both ends of hardtanh and of what is made from it, the
slope from the left elsewhere.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cnn import kernels
from tinygrad_cnn.core.op import op
from tinygrad_cnn.errors import ConfigError, ShapeError
from tinygrad_cnn.ops.axes import normalize_axis
from tinygrad_cnn.ops.elementwise import (
    abs,
    clip,
    exp,
    sigmoid,
    softplus,
    tanh,
    where,
)
from tinygrad_cnn.ops.reduction import sum
from tinygrad_cnn.ops.shape import reshape, split

# -- piecewise linear ---------------------------------------------------------------------------


@op
def relu(x, /):
    """y = max(x, 0); its derivative at 0 is 0."""
    return kernels.leaky_relu(x, 0.0)


relu.vjp(lambda g, y, _x: leaky_relu_grad(g, y, negative_slope=0.0))  # y > 0 exactly where x > 0


def leaky_relu(x: Any, /, *, negative_slope: float = 0.01) -> Any:
    """y = x where x > 0, negative_slope x elsewhere (Maas et al. 2013)."""
    if negative_slope < 0:
        return where(x > 0, x, negative_slope * x)
    return _leaky_relu(x, negative_slope=negative_slope)


@op(name="leaky_relu")
def _leaky_relu(x, /, *, negative_slope):
    """The same where the slope keeps the sign: y > 0 where x > 0, and the graph keeps y alone."""
    return kernels.leaky_relu(x, negative_slope)


_leaky_relu.vjp(
    lambda g, y, _x, negative_slope: leaky_relu_grad(g, y, negative_slope=negative_slope)
)


@op
def leaky_relu_grad(g, x, /, *, negative_slope):
    """g where x > 0, negative_slope g elsewhere: the slope at 0 is the one from the left."""
    return kernels.leaky_relu_grad(g, x, negative_slope)


leaky_relu_grad.vjp(
    lambda h, _y, _g, x, negative_slope: leaky_relu_grad(h, x, negative_slope=negative_slope),
    None,  # piecewise constant in x
)


def prelu(x: Any, weight: Any, /) -> Any:
    """y = x where x > 0, weight x elsewhere, the slope being learned (He et al. 2015).

    weight (1,), or (C,): one slope for each channel of x (N, C, ...).
    """
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.shape not in ((), (1,), (channels,)):
        raise ShapeError(
            f"prelu: weight must have shape (1,), or ({channels},) for the channels of x "
            f"{x.shape}, got {weight.shape}"
        )
    slope = reshape(weight, (-1,) + (1,) * (x.ndim - 2)) if x.ndim > 1 else weight
    return where(x > 0, x, slope * x)


@op
def hardtanh(x, /, *, min_val=-1.0, max_val=1.0):
    """y = x limited to [min_val, max_val]; its derivative at both ends is 0."""
    if not min_val <= max_val:
        raise ConfigError(f"hardtanh: min_val may not exceed max_val, got {min_val} and {max_val}")
    return np.clip(x, min_val, max_val)


hardtanh.vjp(lambda g, y, _x, min_val, max_val: where((y > min_val) & (y < max_val), g, 0.0))


def relu6(x: Any, /) -> Any:
    """min(max(x, 0), 6)"""
    return hardtanh(x, min_val=0.0, max_val=6.0)


def hardsigmoid(x: Any, /) -> Any:
    """relu6(x + 3) / 6, which takes no exponential (Howard et al. 2019)."""
    return relu6(x + 3.0) * (1 / 6)


def hardswish(x: Any, /) -> Any:
    """x relu6(x + 3) / 6 (Howard et al. 2019)."""
    return x * hardsigmoid(x)


def threshold(x: Any, /, threshold: float, value: float) -> Any:
    """x where x > threshold, value elsewhere."""
    return where(x > threshold, x, value)


def hardshrink(x: Any, /, *, lambd: float = 0.5) -> Any:
    """x where |x| > lambd, 0 elsewhere."""
    return where(abs(x) > lambd, x, 0.0)


def softshrink(x: Any, /, *, lambd: float = 0.5) -> Any:
    """sign(x) max(|x| - lambd, 0): x moved towards 0 by lambd."""
    if not lambd >= 0:
        raise ConfigError(f"softshrink: lambd must be at least 0, got {lambd}")
    return x - clip(x, -lambd, lambd)


# -- smooth -------------------------------------------------------------------------------------


def elu(x: Any, /, *, alpha: float = 1.0) -> Any:
    """y = x where x > 0, alpha (e^x - 1) elsewhere (Clevert et al. 2016)."""
    return _elu(x, alpha=alpha, rate=1.0)


def celu(x: Any, /, *, alpha: float = 1.0) -> Any:
    """y = x where x > 0, alpha (e^(x / alpha) - 1) elsewhere (Barron 2017)."""
    if alpha == 0:
        raise ConfigError("celu: alpha divides x and must not be 0")
    return _elu(x, alpha=alpha, rate=1 / alpha)


def selu(x: Any, /) -> Any:
    """s elu(x, alpha), with s and alpha such that N(0, 1) stays N(0, 1) (Klambauer et al. 2017)."""
    return SELU_SCALE * elu(x, alpha=SELU_ALPHA)


SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


@op(name="elu")
def _elu(x, /, *, alpha, rate):
    """x where x > 0, alpha (e^(rate x) - 1) elsewhere."""
    return np.where(x > 0, x, alpha * np.expm1(rate * np.minimum(x, 0)))


def _elu_slope(x: Any, alpha: float, rate: float) -> Any:
    """1 where x > 0, alpha rate e^(rate x) elsewhere.

    Not rate (y + alpha), which would lose the digits of a small slope. The inner `where` keeps the
    exponential, of which nothing is wanted for x > 0, from overflowing there.
    """
    return where(x > 0, 1.0, alpha * rate * exp(where(x > 0, 0.0, rate * x)))


_elu.vjp(lambda g, _y, x, alpha, rate: g * _elu_slope(x, alpha, rate))


def silu(x: Any, /) -> Any:
    """x sigmoid(x), also called swish."""
    return x * sigmoid(x)


def mish(x: Any, /) -> Any:
    """x tanh(softplus(x)) (Misra 2019)."""
    return x * tanh(softplus(x))


def gelu(x: Any, /, *, approximate: str = "none") -> Any:
    """x Phi(x), Phi the normal distribution function (Hendrycks and Gimpel 2016).

    approximate="tanh" takes Phi(x) = (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2.
    """
    if approximate == "tanh":
        return 0.5 * x * (1 + tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    if approximate != "none":
        raise ConfigError(f'gelu: approximate must be "none" or "tanh", got {approximate!r}')
    return 0.5 * x * (1 + erf(x * math.sqrt(0.5)))


@op
def erf(x, /):
    """2/sqrt(pi) times the integral of e^(-t^2) from 0 to x."""
    return kernels.erf(x)


erf.vjp(lambda g, _y, x: g * (2 / math.sqrt(math.pi) * exp(-x * x)))


def logsigmoid(x: Any, /) -> Any:
    """ln(1 / (1 + e^-x)) = -softplus(-x)"""
    return -softplus(-x)


def softsign(x: Any, /) -> Any:
    """x / (1 + |x|)"""
    return x / (1 + abs(x))


def tanhshrink(x: Any, /) -> Any:
    """x - tanh(x)"""
    return x - tanh(x)


def glu(x: Any, /, *, axis: int = -1) -> Any:
    """a sigmoid(b), a and b the two halves of x along `axis` (Dauphin et al. 2016)."""
    axis = normalize_axis(axis, x.ndim, "glu")
    if x.shape[axis] % 2:
        raise ShapeError(
            f"glu: halves the axis {axis}, whose length must be even, got shape {x.shape}"
        )
    a, b = split(x, 2, axis=axis)
    return a * sigmoid(b)


# -- over an axis -------------------------------------------------------------------------------


@op
def softmax(x, /, *, axis=-1):
    """y_i = e^(x_i) / sum_j e^(x_j) along `axis`"""
    e = np.exp(_below_maximum(x, axis))
    return e / np.sum(e, axis=axis, keepdims=True)


def _below_maximum(x: np.ndarray, axis: int) -> np.ndarray:
    """x - max x: e to that power cannot overflow, and somewhere is 1."""
    x = x if x.dtype.kind in "fc" else x.astype(np.float64)
    below: np.ndarray = x - np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    return below


softmax.vjp(lambda g, y, _x, axis: y * (g - sum(g * y, axis=axis, keepdims=True)))


def softmin(x: Any, /, *, axis: int = -1) -> Any:
    """softmax(-x): the smallest gets the most."""
    return softmax(-x, axis=axis)


@op
def log_softmax(x, /, *, axis=-1):
    """y_i = x_i - ln sum_j e^(x_j) along `axis`"""
    d = _below_maximum(x, axis)
    return d - np.log(np.sum(np.exp(d), axis=axis, keepdims=True, initial=0 if d.size else 1))


log_softmax.vjp(lambda g, y, _x, axis: g - exp(y) * sum(g, axis=axis, keepdims=True))
