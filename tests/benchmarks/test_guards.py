"""Guards of speed: ratios within one run, never seconds, so that they hold on any machine.

`make test PYTEST_ARGS="tests/benchmarks --benchmark-json=guards.json"` keeps the ratios.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from tinygrad_cnn import kernels
from tinygrad_cnn.bench import networks, peak
from tinygrad_cnn.bench.opponents import OURS, of_name
from tinygrad_cnn.bench.timing import Contestant, exponent, interleave
from tinygrad_cnn.data import DataLoader, EmbeddedMNIST
from tinygrad_cnn.kernels.blocked import workers
from tinygrad_cnn.train import recipes
from tinygrad_cnn.train.recipe import Data

pytest.importorskip("pytest_benchmark", reason="pytest-benchmark (extra `dev`) is absent")

needs_numba = pytest.mark.skipif(
    find_spec("numba") is None, reason="Numba (extra `fast`) is absent"
)
ROUNDS, TURN = 6, 0.02
RNG = np.random.default_rng(0)

Work = Callable[[], object]


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Of the kernels as of BLAS: other tests run beside these, and have the other cores."""
    monkeypatch.setattr(workers, "threads", lambda: 1)
    with kernels.one_blas_thread():
        yield


def noise(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape, dtype=np.float32)


def ratio(benchmark: Any, **works: Work | Contestant) -> float:
    """The first over the second, in the least disturbed round of each.

    It is kept beside the benchmark's own numbers.
    """
    sides = {n: w if isinstance(w, Contestant) else Contestant(w) for n, w in works.items()}
    times = benchmark.pedantic(interleave, args=(sides, ROUNDS, TURN), rounds=1)
    a, b = sides
    value = min(times[a]) / min(times[b])
    benchmark.extra_info[f"{a} / {b}"] = value
    return value


def tiers(benchmark: Any, first: str, second: str, work: Work) -> float:
    """One work on two tiers."""
    return ratio(
        benchmark,
        **{name: Contestant(work, lambda name=name: kernels.use(name)) for name in (first, second)},
    )


def _pooled() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = noise(64, 16, 26, 26)
    y, argmax = kernels.max_pool(x, (2, 2), (2, 2), (0, 0), (1, 1), False)
    return x, noise(*y.shape), argmax


ONE, NONE, TWO = (1, 1), (0, 0), (2, 2)
X, W, G = noise(32, 16, 16, 16), noise(16, 16, 3, 3), noise(32, 16, 14, 14)
IMAGES, POOLED, ARGMAX = _pooled()
MEAN, RSTD, SCALE = noise(16), np.abs(noise(16)) + 1, noise(16)
KERNELS: dict[str, Work] = {
    "conv": lambda: kernels.conv(X, W, ONE, NONE, ONE, 1),
    "conv_input": lambda: kernels.conv_input(G, W, (16, 16), ONE, NONE, ONE, 1),
    "conv_weight": lambda: kernels.conv_weight(X, G, (3, 3), ONE, NONE, ONE, 1),
    "max_pool": lambda: kernels.max_pool(IMAGES, TWO, TWO, NONE, ONE, False),
    "window_scatter": lambda: kernels.window_scatter(POOLED, ARGMAX, (26, 26), TWO, TWO, NONE, ONE),
    "leaky_relu_grad": lambda: kernels.leaky_relu_grad(IMAGES, IMAGES, 0.01),
    "batch_norm_grad": lambda: kernels.batch_norm_grad(IMAGES, IMAGES, MEAN, RSTD, SCALE),
}


@pytest.mark.parametrize("name", KERNELS)
def test_the_blocked_kernel_is_faster_than_the_specification(benchmark: Any, name: str) -> None:
    assert tiers(benchmark, "blocked", "reference", KERNELS[name]) < 0.9


@needs_numba
@pytest.mark.parametrize("name", KERNELS)
def test_the_compiled_kernel_is_no_slower_than_the_blocked_one(benchmark: Any, name: str) -> None:
    assert tiers(benchmark, "compiled", "blocked", KERNELS[name]) < 1.25


def _step(network: networks.Network, tier: str = "") -> Contestant:
    side = next(side for side in OURS if side.tier == (tier or kernels.tier()))
    training = side.training(network, networks.weights(network), *networks.digits(network))
    return Contestant(training.step, lambda: side.conditions(0))


@needs_numba
def test_the_compiled_step_of_the_default_network_is_faster(benchmark: Any) -> None:
    default = networks.NETWORKS["default"]
    compiled, blocked = _step(default, "compiled"), _step(default, "blocked")
    assert ratio(benchmark, compiled=compiled, blocked=blocked) < 1


@pytest.mark.parametrize(("family", "sizes"), [("batch", (64, 128, 256)), ("depth", (4, 8, 16))])
def test_the_time_of_a_step_grows_linearly(
    benchmark: Any, family: str, sizes: tuple[int, ...]
) -> None:
    sides = {str(n): _step(networks.of_name(f"{family}={n}")) for n in sizes}
    times = benchmark.pedantic(interleave, args=(sides, 5, TURN), rounds=1)
    k = exponent(sizes, [min(times[str(n)]) for n in sizes])  # the least disturbed rounds
    benchmark.extra_info["exponent"] = k
    assert 0.6 < k < 1.25


@pytest.mark.skipif(not peak.STATUS.exists(), reason="reads /proc, which only Linux has")
def test_the_memory_of_a_step_grows_linearly(benchmark: Any) -> None:
    sizes = (128, 512)
    side = f"tinygrad_cnn {kernels.tier()}"

    def measure() -> list[float]:
        return [peak.measure(side, f"batch={n}", 1) for n in sizes]

    k = exponent(sizes, benchmark.pedantic(measure, rounds=1))
    benchmark.extra_info["exponent"] = k
    assert k < 1.1


def test_importing_the_package_costs_little_more_than_importing_numpy(benchmark: Any) -> None:
    def importing(module: str) -> Work:
        return lambda: subprocess.run([sys.executable, "-c", f"import {module}"], check=True)

    ours, numpy = importing("tinygrad_cnn"), importing("numpy")
    assert ratio(benchmark, ours=ours, numpy=numpy) < 2.5  # 1.5 with both interpreters' starts


@needs_numba
def test_the_loader_takes_a_small_part_of_a_step(benchmark: Any) -> None:
    recipe = recipes.get("mnist-leaky")
    digits = EmbeddedMNIST()
    augment = recipe.loaders(Data(digits, digits, digits)).train.transform
    loader = DataLoader(digits, recipe.batch_size, True, 0, augment)
    batches = (batch for _ in range(100) for batch in loader)
    step = _step(networks.NETWORKS["default"])
    assert ratio(benchmark, batch=lambda: next(batches), step=step) < 0.1  # 0.01 to 0.06, mostly


@pytest.mark.oracle
def test_a_small_op_costs_no_more_than_pytorch_s(benchmark: Any) -> None:
    pytest.importorskip("torch", reason="PyTorch, the oracle, is absent")
    ours, torch = of_name(f"tinygrad_cnn {kernels.tier()}").chain(200), of_name("PyTorch eager")
    assert ratio(benchmark, ours=ours, torch=torch.chain(200)) < 1.2  # 0.7 to 0.8, mostly
