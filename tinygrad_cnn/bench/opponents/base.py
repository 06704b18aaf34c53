"""What a contestant of the benchmark can be asked for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import metadata, util

import numpy as np
import numpy.typing as npt

from tinygrad_cnn.bench.networks import Network, Weights
from tinygrad_cnn.errors import TinygradError

Array = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
LR, MOMENTUM = 0.01, 0.9  # of every network's training


class LeftOut(TinygradError):
    """This side cannot do this work; the message is the reason that the report gives."""


@dataclass(frozen=True)
class Training:
    """A network in one library's hands.

    step     forward, loss, gradients and the update of momentum SGD on the batch; gives the loss
    predict  the logits of the batch, in evaluation mode, nothing recorded
    """

    step: Callable[[], float]
    predict: Callable[[], Array]


@dataclass(frozen=True)
class Convolution:
    """One convolution alone: `filters` of kernel x kernel over x (N, C, H, W)."""

    x: tuple[int, int, int, int]
    filters: int
    kernel: int
    stride: int = 1
    padding: int = 0

    def __str__(self) -> str:
        N, C, H, W = self.x
        how = f", stride {self.stride}" if self.stride > 1 else ""
        return f"{N} x {C} x {H} x {W} -> {self.filters}, {self.kernel}x{self.kernel}{how}"

    def arrays(self) -> tuple[Array, Array, Array]:
        """Noise: x, the weights (F, C, K, K), and the gradient of y."""
        rng = np.random.default_rng(0)
        size = tuple((n + 2 * self.padding - self.kernel) // self.stride + 1 for n in self.x[2:])
        shapes = (
            self.x,
            (self.filters, self.x[1], self.kernel, self.kernel),
            (self.x[0], self.filters, *size),
        )
        x, w, g = (rng.standard_normal(shape, dtype=np.float32) for shape in shapes)
        return x, w, g


class Opponent:
    """A library in one of its configurations. A subclass does what it can of the three works.

    name     as the report calls it
    package  what must be installed
    slow     whether a step may take minutes: it is tried on one image first
    """

    name = ""
    package = ""
    slow = False

    def why_absent(self) -> str:
        """Why it cannot take part here; empty if it can."""
        if util.find_spec(self.package):
            return ""
        return f"not installed (pip install {self.package})"

    def version(self) -> str:
        """Of the package, where it says so."""
        try:
            return metadata.version(self.package)
        except metadata.PackageNotFoundError:  # a folder of sources
            return "of unknown version"

    def conditions(self, threads: int) -> AbstractContextManager[object]:
        """What holds while this side works: its number of threads above all."""
        return nullcontext()

    def training(self, network: Network, weights: Weights, x: Array, y: Labels) -> Training:
        """The network with these weights; raises LeftOut."""
        raise LeftOut(f"{network.name}: not written for {self.name}")

    def convolution(self, case: Convolution) -> Callable[[], object]:
        """A call computes y and the gradients of x and of the weights; raises LeftOut."""
        raise LeftOut(f"convolutions alone: not written for {self.name}")

    def chain(self, length: int) -> Callable[[], object]:
        """A call records y = y * c + c so often on 4 elements, sums, and sweeps back."""
        raise LeftOut(f"per-op overhead: not written for {self.name}")
