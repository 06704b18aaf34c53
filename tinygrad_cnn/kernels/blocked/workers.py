"""Threads: how one kernel call is shared out among the cores.

NumPy gives up the interpreter's lock while it copies and multiplies, so plain threads work side by
side. Each takes one contiguous span of the samples: which thread computes what depends only on the
number of threads, and so does every rounding.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import cache, partial
from itertools import pairwise
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

import numpy as np

from tinygrad_cnn.kernels.geometry import Array

T = TypeVar("T")
Watch = Callable[[Array, int, Array, int, int], None]

MOST = 8  # more threads than this wait for the interpreter's lock rather than work
GRAIN = 1 << 17  # elements to work on, below which handing them over costs more
LOOKS = 100_000  # at a number, before a thread falls asleep: 0.1 to 0.2 ms


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


class _Call:
    """What the parts of one call share: whether those that nobody has begun are still wanted."""

    given_up = False


class _Part(Generic[T]):
    """A span's work, done in another thread: its result, or what it raised."""

    def __init__(self, call: _Call, work: Callable[[int, int], T], first: int, last: int) -> None:
        # The context carries the caller's np.errstate along.
        self.run: Callable[[], T] = partial(copy_context().run, work, first, last)
        self.call, self.begun, self.ended = call, False, False
        self.error: BaseException | None = None
        self.done = threading.Lock()
        self.done.acquire()

    def do(self) -> None:
        self.begun = True  # before it looks, as the caller gives up before it looks: one is seen
        if not self.call.given_up:
            try:
                self.result = self.run()
            except BaseException as error:
                self.error = error
        self.ended = True
        self.done.release()

    def wait(self) -> None:
        """Until it has ended, or never will begin. It may be asked again."""
        if not self.ended and (self.begun or not self.call.given_up):
            with self.done:
                pass


def _asleep(mine: Array, count: int, theirs: Array, seen: int, looks: int) -> None:
    """NumPy has nothing to look out with: to sleep at once."""


_watch: Watch = _asleep


def watch_with(watch: Watch) -> None:
    """Let threads that wait look out for a while, by a function that leaves Python to the others.

    watch(mine, count, theirs, seen, looks) writes mine[0] = count, and returns once theirs[0] is
    not `seen`, or after so many looks. A thread that sleeps takes some 30 microseconds to wake, as
    much as a small kernel takes.
    """
    global _watch
    watch(np.zeros(1, np.int64), 0, np.zeros(1, np.int64), 0, 0)  # compiled here and now
    _watch = watch


class _Worker(threading.Thread):
    """A thread that does one part after the other. Less than an executor, in a third of its time.

    A part is handed over in one step, which no signal can divide. Whoever waits for the other looks
    out for its count to change before falling asleep; nothing depends on the counts but time.
    """

    def __init__(self, number: int) -> None:
        super().__init__(name=f"kernels_{number}", daemon=True)
        self.parts: SimpleQueue[_Part[Any]] = SimpleQueue()
        self.given, _, self.done, _ = np.zeros((4, 8), np.int64)  # each in a cache line of its own

    def run(self) -> None:
        done = 0
        while True:
            given = int(self.given[0])
            _watch(self.done, done, self.given, given, LOOKS if self.parts.empty() else 0)
            self.parts.get().do()
            done += 1

    def give(self, part: _Part[Any]) -> None:
        self.parts.put(part)
        self.given[0] += 1

    def finish(self, part: _Part[Any]) -> None:
        """See the part ended: by the caller, where the worker has not come to it."""
        done = int(self.done[0])
        while not (part.begun or part.call.given_up):
            try:
                taken = self.parts.get_nowait()
            except Empty:  # the worker has it
                break
            if taken is part:
                part.result = part.run()
                part.ended = True
                return
        if not part.ended:
            _watch(self.given, int(self.given[0]), self.done, done, LOOKS)
        part.wait()


class _Crew:
    """The workers, who serve one call at a time: the one in `served`."""

    def __init__(self) -> None:
        self.workers: list[_Worker] = []
        self.served: dict[str, _Call] = {}

    def first(self, count: int) -> list[_Worker]:
        """So many of them; none where no thread runs, at the interpreter's end, or can begin."""
        if sys.is_finalizing():
            return []
        while len(self.workers) < count:
            self.workers.append(_Worker(len(self.workers)))
        try:
            for worker in self.workers[:count]:
                if worker.ident is None:
                    worker.start()
        except RuntimeError:
            return []
        return self.workers[:count]


@cache
def _crew() -> _Crew:
    return _Crew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_crew.cache_clear)  # threads do not survive a fork


def share(work: Callable[[int, int], T], samples: int, elements: int) -> list[T]:
    """work(first, last) over spans that cover range(samples), each in a thread; in order.

    A call from within `work`, or while another thread's call is under way, finds the crew taken,
    and does the same spans one after the other; so does a call for which there are no threads.
    """
    parts = min(threads(), samples, elements // GRAIN)
    if parts <= 1:
        return [work(0, samples)]
    ends = [samples * part // parts for part in range(parts + 1)]
    crew, call = _crew(), _Call()
    try:  # Ctrl-C may come between any two lines, also between taking the crew and knowing it
        if crew.served.setdefault("call", call) is call and (workers := crew.first(parts - 1)):
            return _together(call, work, ends, workers)
        return [work(first, last) for first, last in pairwise(ends)]
    finally:
        if crew.served == {"call": call}:
            del crew.served["call"]


def _together(
    call: _Call, work: Callable[[int, int], T], ends: list[int], workers: list[_Worker]
) -> list[T]:
    others = [_Part(call, work, first, last) for first, last in pairwise(ends[1:])]
    failure: BaseException | None = None
    try:
        for worker, part in zip(workers, others, strict=True):
            worker.give(part)
        own = work(ends[0], ends[1])
    except BaseException as error:
        call.given_up, failure = True, error
    # Nobody may write to arrays that the caller thinks done, whatever happened: but for a second
    # Ctrl-C in the very instruction that goes round again.
    while True:
        try:
            for worker, part in zip(workers, others, strict=True):
                worker.finish(part)
            break
        except BaseException as error:  # Ctrl-C, perhaps once more
            call.given_up, failure = True, error
    for part in others:  # an exception holds the frames that it came through, and they the part
        failure, part.error = failure or part.error, None
    if failure:
        try:
            raise failure
        finally:
            del failure  # it holds this frame, which would hold it
    return [own, *(part.result for part in others)]
