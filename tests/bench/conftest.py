"""A library that does not exist, in the shapes that the benchmark must cope with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tinygrad_cnn.bench.networks import Network, Weights
from tinygrad_cnn.bench.opponents import Convolution, LeftOut, Opponent, Training
from tinygrad_cnn.bench.report import Report
from tinygrad_cnn.bench.suites import LeftOutOf, Result

STEPS = ("tinygrad_cnn blocked", "PyTorch eager", "PyTorch channels_last", "MyGrad")


class Library(Opponent):
    """Its step's losses are as given, and nothing is computed."""

    package = "numpy"

    def __init__(self, name: str, losses: tuple[float, ...] = (2.0, 1.0), why: str = "") -> None:
        self.name = name
        self.losses = losses
        self.why = why

    def why_absent(self) -> str:
        return self.why

    def training(
        self, network: Network, weights: Weights, x: np.ndarray, y: np.ndarray
    ) -> Training:
        losses = iter(self.losses)
        return Training(lambda: next(losses, self.losses[-1]), lambda: np.zeros((1, 10)))

    def convolution(self, case: Convolution) -> Callable[[], object]:
        raise LeftOut("it has none")

    def chain(self, length: int) -> Callable[[], object]:
        return lambda: None


@pytest.fixture
def library() -> type[Library]:
    return Library


def _results() -> list[Result]:
    rounds = np.array([1.0, 1.1, 0.9])
    found = []
    for network in ("default", "3x3"):
        for what in ("training", "inference"):
            for i, side in enumerate(STEPS):
                values = (1e-3 * (i + 1) * rounds).tolist()
                found.append(Result("networks", network, what, side, values))
    for i, side in enumerate(STEPS[:3]):
        found.append(Result("convolutions", "a shape", "forward", side, [1e-3 * (i + 1)]))
        found.append(Result("overhead", "chain", "both", side, [1e-3 * (i + 1)]))
        found.append(Result("memory", "default", "training", side, [2**20 * (i + 1.0)]))
    for size in (16, 32, 64):
        case = f"batch={size}"
        found.append(Result("growth", case, "training", STEPS[0], [size / 1e3]))
    for module, seconds in (("numpy", 0.1), ("tinygrad_cnn", 0.15)):
        found.append(Result("imports", "import", "import", module, [seconds]))
    return found


@pytest.fixture
def report() -> Report:
    """Every suite, in round numbers: side k takes k milliseconds."""
    blas = {"library": "openblas", "version": "1", "core_type": "Zen", "threads": 1}
    return Report(
        machine={
            "processor": "A processor",
            "vectors": "AVX2",
            "cores": 4,
            "blas": [blas],
            "python": "3",
            "numpy": "2",
        },
        versions=dict.fromkeys(STEPS, "1.0"),
        threads=2,
        load=0.5,
        rounds=3,
        minutes=1.5,
        ceilings={"gflops": 100.0, "gbytes": 10.0},
        results=_results(),
        left_out=[LeftOutOf("JAX jit", "", "not installed (pip install jax)")],
        missing=[],
    )
