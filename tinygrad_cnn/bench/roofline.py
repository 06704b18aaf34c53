"""The two ceilings of a processor, measured on the spot: multiplications, and memory.

No convolution network can train faster than its multiplications at BLAS's best rate, or than its
arrays at the memory's (Williams, Waterman and Patterson 2009, "Roofline"). Both are measured as
the kernels would use them: one product or one copy in each of our own threads, BLAS at one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np

from tinygrad_cnn.bench.machine import blas_threads

SIDE = 1024  # of the square matrices: 4 MiB each
COPIED = 1 << 26  # bytes a thread copies: far more than any cache holds


@dataclass(frozen=True)
class Ceilings:
    """float32: 10^9 operations a second of products, and 10^9 bytes a second read and written."""

    gflops: float
    gbytes: float


def measure(threads: int, repeats: int = 7) -> Ceilings:
    """Best of `repeats`, since a ceiling is what is reached undisturbed."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, threads, SIDE, SIDE), dtype=np.float32)
    c = np.empty_like(a)
    source = np.ones((threads, COPIED // 4), np.float32)
    target = np.empty_like(source)
    with blas_threads(1), ThreadPoolExecutor(threads) as pool:
        product = _best(pool, lambda i: np.matmul(a[i], b[i], out=c[i]), threads, repeats)
        copy = _best(pool, lambda i: np.copyto(target[i], source[i]), threads, repeats)
    return Ceilings(2 * threads * SIDE**3 / product / 1e9, 2 * source.nbytes / copy / 1e9)


def _best(
    pool: ThreadPoolExecutor, work: Callable[[int], object], threads: int, repeats: int
) -> float:
    """Seconds of one call in every thread at once, the first try (page faults) not counted."""
    times = []
    for _ in range(repeats + 1):
        begun = time.perf_counter()
        wait([pool.submit(work, i) for i in range(threads)])
        times.append(time.perf_counter() - begun)
    return min(times[1:])
