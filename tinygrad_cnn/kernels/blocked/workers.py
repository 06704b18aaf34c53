"""Threads: how one kernel call is shared out among the cores.

NumPy gives up the interpreter's lock while it copies and multiplies, so plain threads work side by
side. Each takes one contiguous span of the samples: which thread computes what depends only on the
number of threads, and so does every rounding.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import cache
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")

MOST = 8  # more threads than this wait for the interpreter's lock rather than work
GRAIN = 1 << 19  # elements to work on, below which waking a thread costs more


@cache
def threads() -> int:
    """How many threads share the work: as the environment says, else the cores there are to use.

    What BLAS is told holds here too; TINYGRAD_CNN_THREADS tells the kernels something else.
    """
    for variable in ("TINYGRAD_CNN_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(variable, "")
        if value.isdecimal() and int(value):
            return min(int(value), MOST)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(cores or 1, MOST)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads() - 1, thread_name_prefix="kernels")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork


def share(work: Callable[[int, int], T], samples: int, elements: int) -> list[T]:
    """work(first, last) over spans that cover range(samples), each in a thread; in order."""
    parts = min(threads(), samples, elements // GRAIN)
    if parts <= 1:
        return [work(0, samples)]
    ends = [samples * part // parts for part in range(parts + 1)]
    others = [
        # The context carries the caller's np.errstate along.
        _pool().submit(copy_context().run, work, first, last)
        for first, last in pairwise(ends[1:])
    ]
    try:
        own = work(ends[0], ends[1])
    finally:
        wait(others)
    return [own, *(other.result() for other in others)]
