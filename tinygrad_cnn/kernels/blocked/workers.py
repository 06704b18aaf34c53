"""Threads: how one kernel call is shared out among the cores.

NumPy gives up the interpreter's lock while it copies and multiplies, so plain threads work side by
side. Each takes one contiguous span of the samples: which thread computes what depends only on the
number of threads, and so does every rounding.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import cache, partial
from itertools import pairwise
from typing import Generic, TypeVar

T = TypeVar("T")

MOST = 8  # more threads than this wait for the interpreter's lock rather than work
GRAIN = 1 << 18  # elements to work on, below which waking a thread costs more


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


class _Part(Generic[T]):
    """A span's work, done in another thread: its result, or what it raised."""

    def __init__(self, work: Callable[[int, int], T], first: int, last: int) -> None:
        # The context carries the caller's np.errstate along.
        self.run: Callable[[], T] = partial(copy_context().run, work, first, last)
        self.error: BaseException | None = None

    def do(self) -> None:
        try:
            self.result = self.run()
        except BaseException as error:
            self.error = error

    def get(self) -> T:
        if self.error:
            raise self.error
        return self.result


class _Worker(threading.Thread):
    """A thread that waits for parts. Two locks hand them over: a third of an executor's time."""

    def __init__(self, number: int) -> None:
        super().__init__(name=f"kernels_{number}", daemon=True)
        self.idle, self.called = threading.Lock(), threading.Lock()
        self.called.acquire()
        self.start()

    def begin(self, part: _Part[T]) -> None:
        self.idle.acquire()
        self.part = part
        self.called.release()

    def wait(self) -> None:
        with self.idle:
            pass

    def run(self) -> None:
        while True:
            self.called.acquire()
            self.part.do()
            del self.part
            self.idle.release()


class _Crew:
    """The workers, who serve one call at a time."""

    def __init__(self) -> None:
        self.workers: list[_Worker] = []
        self.taken = threading.Lock()

    def first(self, count: int) -> list[_Worker]:
        """So many of them."""
        self.workers += [_Worker(number) for number in range(len(self.workers), count)]
        return self.workers[:count]


@cache
def _crew() -> _Crew:
    return _Crew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_crew.cache_clear)  # threads do not survive a fork


def share(work: Callable[[int, int], T], samples: int, elements: int) -> list[T]:
    """work(first, last) over spans that cover range(samples), each in a thread; in order.

    A call from within `work`, or while another thread's call is under way, finds the crew taken,
    and does the same spans one after the other.
    """
    parts = min(threads(), samples, elements // GRAIN)
    if parts <= 1:
        return [work(0, samples)]
    ends = [samples * part // parts for part in range(parts + 1)]
    crew = _crew()
    if not crew.taken.acquire(blocking=False):
        return [work(first, last) for first, last in pairwise(ends)]
    try:
        return _together(work, ends, crew.first(parts - 1))
    finally:
        crew.taken.release()


def _together(work: Callable[[int, int], T], ends: list[int], workers: list[_Worker]) -> list[T]:
    others = [_Part(work, first, last) for first, last in pairwise(ends[1:])]
    try:
        for worker, part in zip(workers, others, strict=True):
            worker.begin(part)
        own = work(ends[0], ends[1])
    finally:  # whatever happened here: nobody may write to arrays that the caller thinks done
        for worker in workers:
            worker.wait()
    return [own, *(other.get() for other in others)]
