"""MyGrad: the other autograd library that is NumPy alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from tinygrad_cnn.bench.machine import blas_threads
from tinygrad_cnn.bench.networks import Network, Weights
from tinygrad_cnn.bench.opponents.base import (
    Array,
    Convolution,
    Labels,
    LeftOut,
    Opponent,
    Training,
)
from tinygrad_cnn.bench.opponents.functions import forward
from tinygrad_cnn.bench.opponents.numpy_sgd import descend
from tinygrad_cnn.errors import require


class MyGrad(Opponent):
    """With its memory guard off, as its manual advises for speed; BLAS has all the threads."""

    name = "MyGrad"
    package = "mygrad"
    slow = True

    def conditions(self, threads: int) -> AbstractContextManager[object]:
        """BLAS is all that it has threads from."""
        return blas_threads(threads)

    def training(self, network: Network, weights: Weights, x: Array, y: Labels) -> Training:
        """Its own layers, losses and Tensors; SGD in NumPy, since it has none."""
        mg = require(self.package, "all")
        losses = require("mygrad.nnet.losses", "all")
        if network.has_norm:
            raise LeftOut("its batch normalization keeps no running averages")
        w = {name: mg.tensor(array.copy()) for name, array in weights.items()}
        velocity: Weights = {}
        f = _Functions(require("mygrad.nnet.layers", "all"), require("mygrad.nnet", "all"))

        def step() -> float:
            with mg.mem_guard_off:
                loss = losses.softmax_crossentropy(forward(f, network.layers, w, x), y)
                loss.backward()
            for name, p in w.items():
                descend(p.data, p.grad, velocity, name)
            return float(loss.item())

        def predict() -> Array:
            with mg.no_autodiff:
                logits: Array = forward(f, network.layers, w, x).data
            return logits

        return Training(step, predict)

    def convolution(self, case: Convolution) -> Callable[[], object]:
        """conv_nd and its two gradients."""
        mg = require(self.package, "all")
        conv_nd = require("mygrad.nnet.layers", "all").conv_nd
        a, b, g = case.arrays()
        x, w = mg.tensor(a), mg.tensor(b)

        def run() -> None:
            with mg.mem_guard_off:
                conv_nd(x, w, stride=case.stride, padding=case.padding).backward(g)

        return run

    def chain(self, length: int) -> Callable[[], object]:
        """Operators of its Tensors."""
        mg = require(self.package, "all")
        c = mg.tensor(np.full(4, 0.999, np.float32), constant=True)

        def run() -> None:
            with mg.mem_guard_off:
                y = mg.tensor(np.ones(4, np.float32))
                for _ in range(length):
                    y = y * c + c
                y.sum().backward()

        return run


class _Functions:
    def __init__(self, layers: Any, nnet: Any) -> None:
        self.layers, self.nnet = layers, nnet

    def conv(self, x: Any, w: Any, b: Any, stride: int, padding: int) -> Any:
        return self.layers.conv_nd(x, w, stride=stride, padding=padding) + b.reshape(1, -1, 1, 1)

    def norm(self, x: Any, path: str) -> Any:
        raise NotImplementedError

    def activation(self, x: Any, slope: float) -> Any:
        act = self.nnet.activations
        return act.leaky_relu(x, slope) if slope else act.relu(x)

    def pool(self, x: Any) -> Any:
        return self.layers.max_pool(x, (2, 2), (2, 2))

    def shortcut(self, x: Any, stride: int, new_channels: int) -> Any:
        raise NotImplementedError
