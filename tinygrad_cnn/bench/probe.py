"""A second of work, done in processes whose environment is what is being judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from tinygrad_cnn import kernels
from tinygrad_cnn.bench import networks
from tinygrad_cnn.bench.opponents import of_name

SIDE = 1024
SECONDS = 0.4  # for each of the three


def main() -> dict[str, float]:
    """{"product": s, "default": s, "resnet20": s}, the medians of many calls."""
    a, b = np.random.default_rng(0).standard_normal((2, SIDE, SIDE), dtype=np.float32)
    found = {"product": _median(lambda: a @ b)}
    return found | {name: _median(step) for name, step in _steps()}


def prepare() -> None:
    """Do each step once: its kernels are then compiled, and no process has to wait for it."""
    for _, step in _steps():
        step()


def _steps() -> Iterator[tuple[str, Callable[[], object]]]:
    for name in ("default", "resnet20"):
        network = networks.NETWORKS[name]
        network = replace(network, batch=min(network.batch, 64))
        ours = of_name(f"tinygrad_cnn {kernels.tier()}")
        w = networks.weights(network)
        yield name, ours.training(network, w, *networks.digits(network)).step


def _median(work: Callable[[], object]) -> float:
    work()
    times: list[float] = []
    while sum(times) < SECONDS:
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return float(np.median(times))
