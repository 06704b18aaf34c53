"""JAX: the whole training step as one compiled function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_cnn.bench.networks import Network, Weights
from tinygrad_cnn.bench.opponents.base import (
    LR,
    MOMENTUM,
    Array,
    Convolution,
    Labels,
    LeftOut,
    Opponent,
    Training,
)
from tinygrad_cnn.bench.opponents.functions import forward
from tinygrad_cnn.errors import require

AVERAGE, EPS = 0.1, 1e-5  # of batch normalization: PyTorch's defaults


class Jax(Opponent):
    """`jax.jit` around step and prediction. Its threads are one for each core that it may use."""

    name = "JAX jit"
    package = "jax"

    def training(self, network: Network, weights: Weights, x: Array, y: Labels) -> Training:
        """Weights and velocities go in and come out."""
        jax = require(self.package, "all")
        jnp = jax.numpy
        averages = {k: jnp.asarray(v) for k, v in weights.items() if "running" in k}
        learned = {k: jnp.asarray(v) for k, v in weights.items() if k not in averages}
        images, labels = jnp.asarray(x), jnp.asarray(y)

        def loss(w: Any, averages: Any, x: Any, y: Any) -> Any:
            f = _Functions(jax, w, averages, training=True)
            logits = forward(f, network.layers, w, x)
            chosen = jax.nn.log_softmax(logits)[jnp.arange(len(y)), y]
            return -chosen.mean(), {**averages, **f.averages}

        def update(w: Any, v: Any, averages: Any, x: Any, y: Any) -> Any:
            (value, averages), g = jax.value_and_grad(loss, has_aux=True)(w, averages, x, y)
            v = {name: MOMENTUM * v[name] + g[name] for name in w}
            return value, {name: w[name] - LR * v[name] for name in w}, v, averages

        def logits(w: Any, averages: Any, x: Any) -> Any:
            return forward(_Functions(jax, w, averages, training=False), network.layers, w, x)

        update, logits = jax.jit(update), jax.jit(logits)
        state = learned, {name: jnp.zeros_like(w) for name, w in learned.items()}, averages

        def step() -> float:
            nonlocal state
            value, *new = update(*state, images, labels)
            state = tuple(jax.block_until_ready(new))
            return float(value)

        def predict() -> Array:
            return np.asarray(logits(state[0], state[2], images))

        return Training(step, predict)

    def convolution(self, case: Convolution) -> Callable[[], object]:
        """One compiled function gives y and both gradients."""
        jax = require(self.package, "all")
        x, w, g = map(jax.numpy.asarray, case.arrays())

        def gradients(x: Any, w: Any, g: Any) -> Any:
            y, back = jax.vjp(lambda x, w: _conv(jax, x, w, case.stride, case.padding), x, w)
            return y, back(g)

        compiled = jax.jit(gradients)
        return lambda: jax.block_until_ready(compiled(x, w, g))

    def chain(self, length: int) -> Callable[[], object]:
        """Has no such thing: it records while it compiles, and never again."""
        raise LeftOut("per-op overhead: jit leaves no ops to record at run time")


def _conv(jax: Any, x: Any, w: Any, stride: int, padding: int) -> Any:
    return jax.lax.conv_general_dilated(x, w, (stride, stride), [(padding, padding)] * 2)


class _Functions:
    def __init__(self, jax: Any, weights: Any, averages: Any, training: bool) -> None:
        self.jax, self.weights, self.before, self.training = jax, weights, averages, training
        self.averages: dict[str, Any] = {}

    def conv(self, x: Any, w: Any, b: Any, stride: int, padding: int) -> Any:
        y = _conv(self.jax, x, w, stride, padding)
        return y if b is None else y + b[:, None, None]

    def norm(self, x: Any, path: str) -> Any:
        names = [f"{path}.running_mean", f"{path}.running_var"]
        mean, var = (self.before[name] for name in names)
        if self.training:
            mean, var, n = x.mean((0, 2, 3)), x.var((0, 2, 3)), x.size / x.shape[1]
            for name, new in zip(names, (mean, var * n / (n - 1)), strict=True):
                self.averages[name] = (1 - AVERAGE) * self.before[name] + AVERAGE * new
        scale = self.weights[f"{path}.weight"] / self.jax.numpy.sqrt(var + EPS)
        shift = self.weights[f"{path}.bias"] - mean * scale
        return x * scale[:, None, None] + shift[:, None, None]

    def activation(self, x: Any, slope: float) -> Any:
        return self.jax.nn.leaky_relu(x, slope) if slope else self.jax.nn.relu(x)

    def pool(self, x: Any) -> Any:
        window = (1, 1, 2, 2)
        return self.jax.lax.reduce_window(
            x, -self.jax.numpy.inf, self.jax.lax.max, window, window, "VALID"
        )

    def shortcut(self, x: Any, stride: int, new_channels: int) -> Any:
        sparse = x[:, :, ::stride, ::stride]
        return self.jax.numpy.pad(sparse, ((0, 0), (0, new_channels), (0, 0), (0, 0)))
