"""The optimizers' updates, without new arrays."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_cnn.kernels.blocked.memory import workspace
from tinygrad_cnn.kernels.geometry import Array


def _penalized(g: Array, p: Array, weight_decay: float) -> Array:
    """g + weight_decay * p, in a buffer, or g itself."""
    if not weight_decay:
        return g
    out = np.multiply(p, weight_decay, out=workspace("penalized", p.shape, p.dtype))
    return np.add(out, g, out=out)


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
    g = _penalized(g, p, weight_decay)
    step, buffer = g, workspace("step", p.shape, p.dtype)
    if v is not None:
        v *= momentum
        v += np.multiply(g, 1 - dampening, out=buffer) if dampening else g
        step = np.multiply(v, momentum, out=buffer) if nesterov else v
        step = np.add(step, g, out=buffer) if nesterov else v
    p -= np.multiply(step, lr, out=buffer)


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
    (b1, b2), buffer = betas, workspace("step", p.shape, p.dtype)
    if decoupled:
        p *= 1 - lr * weight_decay
    else:
        g = _penalized(g, p, weight_decay)
    m *= b1
    m += np.multiply(g, 1 - b1, out=buffer)
    v *= b2
    v += np.multiply(np.square(g, out=buffer), 1 - b2, out=buffer)
    v = v if largest is None else np.maximum(largest, v, out=largest)
    root = np.sqrt(v, out=buffer)
    root /= math.sqrt(1 - b2**t)
    root += eps
    step = np.divide(m, root, out=buffer)
    step *= lr / (1 - b1**t)
    p -= step
