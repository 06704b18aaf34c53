"""HIPS autograd: gradients of NumPy functions, with a convolution in its scipy.signal."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from tinygrad_cnn.bench.machine import blas_threads
from tinygrad_cnn.bench.networks import Network, Weights
from tinygrad_cnn.bench.opponents.base import Array, Labels, LeftOut, Opponent, Training
from tinygrad_cnn.bench.opponents.functions import forward
from tinygrad_cnn.bench.opponents.numpy_sgd import descend
from tinygrad_cnn.errors import require


class Autograd(Opponent):
    """BLAS has all the threads."""

    name = "autograd"
    package = "autograd"
    slow = True

    def conditions(self, threads: int) -> AbstractContextManager[object]:
        """BLAS is all that it has threads from."""
        return blas_threads(threads)

    def training(self, network: Network, weights: Weights, x: Array, y: Labels) -> Training:
        """value_and_grad of the loss by a dict of weights."""
        if network.has_norm:
            raise LeftOut("it has no batch normalization")
        autograd, anp = require("autograd", "all"), require("autograd.numpy", "all")
        f = _Functions(anp, require("autograd.scipy.signal", "all"))
        w, velocity = {name: array.copy() for name, array in weights.items()}, {}
        velocity = dict[str, Any]()

        def loss(w: Any) -> Any:
            logits = forward(f, network.layers, w, x)
            shifted = logits - anp.max(logits, axis=1, keepdims=True)
            log_p = shifted - anp.log(anp.sum(anp.exp(shifted), axis=1, keepdims=True))
            return -anp.mean(log_p[np.arange(len(y)), y])

        gradient = autograd.value_and_grad(loss)

        def step() -> float:
            value, g = gradient(w)
            for name in w:
                descend(w[name], g[name], velocity, name)
            return float(value)

        def predict() -> Array:
            logits: Array = forward(f, network.layers, w, x)
            return logits

        return Training(step, predict)

    def chain(self, length: int) -> Callable[[], object]:
        """grad of a Python function."""
        autograd = require("autograd", "all")
        c = np.full(4, 0.999, np.float32)

        def chain(y: Any) -> Any:
            for _ in range(length):
                y = y * c + c
            return y.sum()

        gradient = autograd.grad(chain)
        return lambda: gradient(np.ones(4, np.float32))


class _Functions:
    def __init__(self, anp: Any, signal: Any) -> None:
        self.anp, self.signal = anp, signal

    def conv(self, x: Any, w: Any, b: Any, stride: int, padding: int) -> Any:
        # A true convolution: the kernel is flipped. (N, C, H, W) * (F, C, K, K) -> (N, F, H', W')
        flipped = w[:, :, ::-1, ::-1]
        axes = {"axes": ([2, 3], [2, 3]), "dot_axes": ([1], [1]), "mode": "valid"}
        return self.signal.convolve(x, flipped, **axes) + b.reshape(1, -1, 1, 1)

    def norm(self, x: Any, path: str) -> Any:
        raise NotImplementedError

    def activation(self, x: Any, slope: float) -> Any:
        return self.anp.where(x > 0, x, slope * x) if slope else self.anp.maximum(x, 0)

    def pool(self, x: Any) -> Any:
        N, C, H, W = x.shape
        even = x[:, :, : H // 2 * 2, : W // 2 * 2]
        return self.anp.max(even.reshape(N, C, H // 2, 2, W // 2, 2), axis=(3, 5))

    def shortcut(self, x: Any, stride: int, new_channels: int) -> Any:
        raise NotImplementedError
