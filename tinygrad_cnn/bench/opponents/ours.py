"""This library, by one of its tiers of kernels."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import util

import numpy as np

from tinygrad_cnn import __version__, kernels, nn, ops
from tinygrad_cnn.bench.networks import Network, Weights
from tinygrad_cnn.bench.opponents.base import (
    LR,
    MOMENTUM,
    Array,
    Convolution,
    Labels,
    Opponent,
    Training,
)
from tinygrad_cnn.bench.opponents.modules import build
from tinygrad_cnn.core.modes import no_grad
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.optim import SGD


class Ours(Opponent):
    """`tier` as kernels.use knows it."""

    package = "tinygrad_cnn"

    def __init__(self, tier: str) -> None:
        self.tier = tier
        self.name = f"tinygrad_cnn {tier}"

    def why_absent(self) -> str:
        """The compiled tier needs Numba."""
        if self.tier == "compiled" and not util.find_spec("numba"):
            return "Numba is not installed (pip install 'tinygrad-cnn[fast]')"
        return ""

    def version(self) -> str:
        """Of this package."""
        return __version__

    def conditions(self, threads: int) -> AbstractContextManager[object]:
        """The tier; its threads are the process's affair."""
        return kernels.use(self.tier)

    def training(self, network: Network, weights: Weights, x: Array, y: Labels) -> Training:
        """Modules, SGD, and a fresh Tensor for every batch, as in a user's loop."""
        model = build(nn, F, network.layers)
        model.load_state_dict(weights, strict=False)  # the counters of batches start at 0
        optimizer = SGD(model.parameters(), LR, MOMENTUM)

        def step() -> float:
            model.train()
            loss = F.cross_entropy(model(Tensor(x)), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return float(loss.item())

        def predict() -> Array:
            with no_grad():
                logits: Array = model.eval()(Tensor(x)).numpy()
            return logits

        return Training(step, predict)

    def convolution(self, case: Convolution) -> Callable[[], object]:
        """conv2d and its two gradients, recorded."""
        a, b, g = case.arrays()
        x, w = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)

        def run() -> None:
            x.zero_grad()
            w.zero_grad()
            ops.conv2d(x, w, stride=case.stride, padding=case.padding).backward(Tensor(g))

        return run

    def chain(self, length: int) -> Callable[[], object]:
        """Operators of Tensors."""
        c = Tensor(np.full(4, 0.999, np.float32))

        def run() -> None:
            y = x = Tensor(np.ones(4, np.float32), requires_grad=True)
            for _ in range(length):
                y = y * c + c
            y.sum().backward()
            assert x.grad is not None

        return run
