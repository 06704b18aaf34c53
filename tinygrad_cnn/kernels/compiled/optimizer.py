"""The optimizers' updates: one pass over a parameter and its state."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_cnn.kernels import blocked
from tinygrad_cnn.kernels.blocked.workers import share
from tinygrad_cnn.kernels.compiled.jit import jit, supported
from tinygrad_cnn.kernels.fallback import fall_back
from tinygrad_cnn.kernels.geometry import Array


def _fits(*arrays: Array) -> bool:
    """Whether the arrays can be changed where they lie."""
    alike = all(a.flags.carray and a.shape == arrays[0].shape for a in arrays)
    return supported(*arrays) and alike


@jit
def _sgd(
    p: Array,
    g: Array,
    v: Array,
    lr: float,
    momentum: float,
    undamped: float,
    decay: float,
    nesterov: bool,
    first: int,
    last: int,
) -> None:
    p, g = p[first:last], g[first:last]
    if not len(v):
        for i in range(len(p)):
            p[i] -= lr * (g[i] + decay * p[i] if decay else g[i])
        return
    v = v[first:last]
    for i in range(len(p)):
        slope = g[i] + decay * p[i] if decay else g[i]  # not 0 * p[i], which may be NaN
        v[i] = momentum * v[i] + undamped * slope
        p[i] -= lr * (slope + momentum * v[i] if nesterov else v[i])


def sgd_step(
    p: Array,
    g: Array,
    v: Array | None,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
) -> None:
    """As `reference.sgd_step`."""
    arrays = [a for a in (p, g, v) if a is not None]
    if not _fits(*arrays):
        return fall_back(blocked.sgd_step, p, g, v, lr, momentum, dampening, weight_decay, nesterov)
    number = p.dtype.type
    flat, slope = p.reshape(-1), g.reshape(-1)
    velocity = slope[:0] if v is None else v.reshape(-1)
    options = (number(lr), number(momentum), number(1 - dampening), number(weight_decay), nesterov)
    share(
        lambda first, last: _sgd(flat, slope, velocity, *options, first, last), p.size, 3 * p.size
    )


@jit
def _adam(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    largest: Array,
    rate: float,
    b1: float,
    rest1: float,
    b2: float,
    rest2: float,
    scale: float,
    eps: float,
    kept: float,
    decay: float,
    first: int,
    last: int,
) -> None:
    p, g, m, v = p[first:last], g[first:last], m[first:last], v[first:last]
    amsgrad = len(largest) > 0
    for i in range(len(p)):
        slope = g[i] + decay * p[i] if decay else g[i]
        m[i] = b1 * m[i] + rest1 * slope
        v[i] = b2 * v[i] + rest2 * slope * slope
    if amsgrad:
        largest = largest[first:last]
        for i in range(len(p)):
            largest[i] = v[i] if v[i] > largest[i] or v[i] != v[i] else largest[i]
        v = largest
    for i in range(len(p)):
        p[i] = kept * p[i] - rate * m[i] / (math.sqrt(v[i]) * scale + eps)


def adam_step(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    largest: Array | None,
    t: int,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    decoupled: bool,
) -> None:
    """As `reference.adam_step`."""
    arrays = [a for a in (p, g, m, v, largest) if a is not None]
    if not _fits(*arrays):
        return fall_back(
            blocked.adam_step, p, g, m, v, largest, t, lr, betas, eps, weight_decay, decoupled
        )
    b1, b2 = betas
    kept, decay = (1 - lr * weight_decay, 0.0) if decoupled else (1.0, weight_decay)
    options = (lr / (1 - b1**t), b1, 1 - b1, b2, 1 - b2, 1 / math.sqrt(1 - b2**t), eps, kept, decay)
    numbers: list[Any] = [p.dtype.type(option) for option in options]
    flat: list[Any] = [a.reshape(-1) for a in arrays]
    if largest is None:
        flat.append(flat[0][:0])
    arguments = (*flat, *numbers)
    share(lambda *span: _adam(*arguments, *span), p.size, 6 * p.size)
