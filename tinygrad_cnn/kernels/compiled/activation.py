"""Piecewise linear activations: one pass over memory."""

from __future__ import annotations

from tinygrad_cnn.kernels import blocked
from tinygrad_cnn.kernels.blocked.memory import contiguous, fresh
from tinygrad_cnn.kernels.blocked.workers import share
from tinygrad_cnn.kernels.compiled.jit import jit, supported
from tinygrad_cnn.kernels.fallback import fall_back
from tinygrad_cnn.kernels.geometry import Array


@jit
def _leaky_relu(x: Array, slope: float, y: Array, first: int, last: int) -> None:
    x, y = x[first:last], y[first:last]
    if slope == 0:
        for i in range(len(x)):
            y[i] = 0 if x[i] <= 0 else x[i]  # not x * 0, which is NaN for -inf
    else:
        for i in range(len(x)):
            y[i] = x[i] if x[i] > 0 else x[i] * slope


@jit
def _leaky_relu_grad(g: Array, y: Array, slope: float, dx: Array, first: int, last: int) -> None:
    g, y, dx = g[first:last], y[first:last], dx[first:last]
    if slope == 0:
        for i in range(len(g)):
            dx[i] = g[i] if y[i] > 0 else 0
    else:
        for i in range(len(g)):
            dx[i] = g[i] if y[i] > 0 else g[i] * slope


def leaky_relu(x: Array, slope: float) -> Array:
    """As `reference.leaky_relu`."""
    if not supported(x):
        return fall_back(blocked.leaky_relu, x, slope)
    y = fresh(x.shape, x.dtype)
    source, to, slope = contiguous(x).reshape(-1), y.reshape(-1), x.dtype.type(slope)
    share(lambda first, last: _leaky_relu(source, slope, to, first, last), x.size, x.size)
    return y


def leaky_relu_grad(g: Array, y: Array, slope: float) -> Array:
    """As `reference.leaky_relu_grad`."""
    if not supported(g, y) or g.shape != y.shape:
        return fall_back(blocked.leaky_relu_grad, g, y, slope)
    dx = fresh(g.shape, g.dtype)
    of_g, of_y, to = contiguous(g).reshape(-1), contiguous(y).reshape(-1), dx.reshape(-1)
    slope = g.dtype.type(slope)
    share(
        lambda first, last: _leaky_relu_grad(of_g, of_y, slope, to, first, last), g.size, 2 * g.size
    )
    return dx
