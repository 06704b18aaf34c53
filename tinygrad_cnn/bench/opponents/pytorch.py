"""PyTorch, eager, in either of its two layouts of images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

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
from tinygrad_cnn.errors import require


class PyTorch(Opponent):
    """`layout` is "eager" (NCHW) or "channels_last" (NHWC, which its CPU kernels prefer)."""

    package = "torch"

    def __init__(self, layout: str) -> None:
        self.layout = layout
        self.name = f"PyTorch {layout}"

    @property
    def _torch(self) -> Any:
        return require(self.package, "all")

    @property
    def _format(self) -> Any:
        last = self.layout == "channels_last"
        return self._torch.channels_last if last else self._torch.contiguous_format

    def conditions(self, threads: int) -> AbstractContextManager[object]:
        """Its own number of threads."""
        return self._with_threads(threads)

    @contextmanager
    def _with_threads(self, threads: int) -> Iterator[None]:
        before = self._torch.get_num_threads()
        self._torch.set_num_threads(threads)
        try:
            yield
        finally:
            self._torch.set_num_threads(before)

    def training(self, network: Network, weights: Weights, x: Array, y: Labels) -> Training:
        """Modules and SGD; the batch is a tensor, in the layout, before time is taken."""
        torch = self._torch
        F = torch.nn.functional
        model = build(torch.nn, F, network.layers)
        state = {name: torch.from_numpy(np.array(array)) for name, array in weights.items()}
        model.load_state_dict(state, strict=False)  # the counters of batches start at 0
        model = model.to(memory_format=self._format)
        optimizer = torch.optim.SGD(model.parameters(), LR, MOMENTUM)
        images = torch.from_numpy(x).to(memory_format=self._format)
        labels = torch.from_numpy(y)

        def step() -> float:
            model.train()
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return float(loss.item())

        def predict() -> Array:
            with torch.no_grad():
                logits: Array = model.eval()(images).numpy()
            return logits

        return Training(step, predict)

    def convolution(self, case: Convolution) -> Callable[[], object]:
        """conv2d and its two gradients, recorded."""
        torch = self._torch
        x, w, g = (torch.from_numpy(a).to(memory_format=self._format) for a in case.arrays())
        x.requires_grad_()
        w.requires_grad_()

        def run() -> None:
            x.grad = w.grad = None
            conv2d = torch.nn.functional.conv2d
            conv2d(x, w, stride=case.stride, padding=case.padding).backward(g)

        return run

    def chain(self, length: int) -> Callable[[], object]:
        """Operators of tensors."""
        torch = self._torch
        c = torch.full((4,), 0.999)

        def run() -> None:
            y = x = torch.ones(4, requires_grad=True)
            for _ in range(length):
                y = y * c + c
            y.sum().backward()
            assert x.grad is not None

        return run
