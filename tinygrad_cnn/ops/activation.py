"""Activation functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cnn import kernels
from tinygrad_cnn.core.op import op
from tinygrad_cnn.ops.elementwise import exp, expm1, minimum, sigmoid, tanh, where
from tinygrad_cnn.ops.reduction import sum


@op
def leaky_relu(x, /, *, negative_slope=0.01):
    """y = x where x > 0, negative_slope x elsewhere (Maas et al. 2013)."""
    return kernels.leaky_relu(x, negative_slope)


leaky_relu.vjp(
    # For a slope >= 0 the output has the sign of the input, and the graph need not keep both.
    lambda g, _y, x, negative_slope: leaky_relu_grad(g, x, negative_slope=negative_slope)
)


@op
def leaky_relu_grad(g, x, /, *, negative_slope):
    """g where x > 0, negative_slope g elsewhere: the slope at 0 is the one from the left."""
    return kernels.leaky_relu_grad(g, x, negative_slope)


leaky_relu_grad.vjp(
    lambda h, _y, _g, x, negative_slope: leaky_relu_grad(h, x, negative_slope=negative_slope),
    None,  # piecewise constant in x
)


@op
def relu(x, /):
    """y = max(x, 0); its derivative at 0 is 0."""
    return kernels.leaky_relu(x, 0.0)


relu.vjp(lambda g, y, _x: leaky_relu_grad(g, y, negative_slope=0.0))  # y > 0 exactly where x > 0


def relu6(x: Any, /) -> Any:
    """min(max(x, 0), 6)"""
    return minimum(relu(x), 6.0)


def elu(x: Any, /, *, alpha: float = 1.0) -> Any:
    """y = x where x > 0, alpha (e^x - 1) elsewhere (Clevert et al. 2016)."""
    return where(x > 0, x, alpha * expm1(minimum(x, 0.0)))


def silu(x: Any, /) -> Any:
    """x sigmoid(x), also called swish."""
    return x * sigmoid(x)


def gelu(x: Any, /, *, approximate: str = "none") -> Any:
    """x Phi(x), Phi the normal distribution function (Hendrycks and Gimpel 2016).

    approximate="tanh" takes Phi(x) = (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2.
    """
    if approximate == "tanh":
        return 0.5 * x * (1 + tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    return 0.5 * x * (1 + erf(x * math.sqrt(0.5)))


@op
def erf(x, /):
    """2/sqrt(pi) times the integral of e^(-t^2) from 0 to x."""
    return kernels.erf(x)


erf.vjp(lambda g, _y, x: g * (2 / math.sqrt(math.pi) * exp(-x * x)))


@op
def softmax(x, /, *, axis=-1):
    """y_i = e^(x_i) / sum_j e^(x_j) along `axis`"""
    e = np.exp(x - np.max(x, axis=axis, keepdims=True, initial=-np.inf))
    return e / np.sum(e, axis=axis, keepdims=True)


softmax.vjp(lambda g, y, _x, axis: y * (g - sum(g * y, axis=axis, keepdims=True)))


@op
def log_softmax(x, /, *, axis=-1):
    """y_i = x_i - ln sum_j e^(x_j) along `axis`"""
    d = x - np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    return d - np.log(np.sum(np.exp(d), axis=axis, keepdims=True))


log_softmax.vjp(lambda g, y, _x, axis: g - exp(y) * sum(g, axis=axis, keepdims=True))

