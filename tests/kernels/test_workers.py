"""Calls are shared among threads, and nothing is lost on the way."""

from __future__ import annotations

import gc
import importlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from types import FrameType

import pytest

from tinygrad_cnn.kernels.blocked import workers
from tinygrad_cnn.kernels.blocked.workers import share


@pytest.fixture(autouse=True, params=["asleep", "watching"])
def _three(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Three threads, who wait asleep, as NumPy makes them, or looking out, as Numba does."""
    monkeypatch.setattr(workers, "threads", lambda: 3)
    monkeypatch.setattr(workers, "GRAIN", 1)
    monkeypatch.setattr(workers, "_watch", workers._asleep)
    if request.param == "watching":
        pytest.importorskip("numba")
        watching = importlib.import_module("tinygrad_cnn.kernels.compiled.watching")
        workers.watch_with(watching.watch)


def names(first: int, last: int) -> tuple[int, int, str]:
    return first, last, threading.current_thread().name


def all_at_once() -> list[tuple[int, int, str]]:
    """The names of three threads that have met: none did the work of another."""
    here = threading.Barrier(3)

    def meet(first: int, last: int) -> tuple[int, int, str]:
        here.wait(10)
        return names(first, last)

    return share(meet, 7, 7)


def test_each_thread_has_one_span_and_the_results_are_in_order() -> None:
    spans = all_at_once()
    assert [span[:2] for span in spans] == [(0, 2), (2, 4), (4, 7)]
    assert len({span[2] for span in spans}) == 3


def test_little_work_stays_in_the_thread_that_calls() -> None:
    assert share(names, 9, 1) == [(0, 9, threading.current_thread().name)]


@pytest.mark.parametrize("span", [0, 1, 2])
def test_what_any_thread_raises_reaches_the_caller_and_the_next_call_works(span: int) -> None:
    def work(first: int, last: int) -> int:
        if first == span:
            raise ValueError(f"span {first}")
        return first

    with pytest.raises(ValueError, match=f"span {span}"):
        share(work, 3, 3)
    assert [first for first, *_ in share(names, 3, 3)] == [0, 1, 2]


def test_what_a_worker_raised_holds_nothing_afterwards() -> None:
    class Held:
        pass

    def fail(held: Held) -> None:
        """In the two other threads, when all have met."""
        meeting = threading.Barrier(3)

        def work(first: int, last: int) -> None:
            meeting.wait(10)
            if first:
                raise ValueError(held)

        share(work, 3, 3)

    held = Held()
    gone = weakref.ref(held)
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(ValueError, match="Held"):
            fail(held)
        del held
        assert gone() is None
    finally:
        gc.enable()


def test_nobody_still_works_when_a_call_has_failed() -> None:
    begun, done = threading.Event(), threading.Event()

    def work(first: int, last: int) -> None:
        if first == 0:
            begun.wait(10)
            raise ValueError
        begun.set()
        if not done.wait(0.05):
            done.set()

    with pytest.raises(ValueError):  # noqa: PT011 (has no message)
        share(work, 3, 3)
    assert done.is_set()


def test_a_call_within_a_call_does_the_same_spans_one_after_the_other() -> None:
    inner = share(lambda first, last: share(names, 3, 3), 3, 3)
    for spans in inner:
        assert [span[:2] for span in spans] == [(0, 1), (1, 2), (2, 3)]
        assert len({span[2] for span in spans}) == 1


def test_two_threads_may_call_at_once() -> None:
    found = []

    def often() -> None:
        for _ in range(200):
            found.append([span[:2] for span in share(names, 3, 3)])

    threads = [threading.Thread(target=often) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[(0, 1), (1, 2), (2, 3)]] * 600


def test_what_no_worker_has_begun_the_caller_does(monkeypatch: pytest.MonkeyPatch) -> None:
    workers._crew.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(
            workers._Worker, "run", lambda self: None
        )  # as if other programs had the core
        spans = share(names, 7, 7)
    workers._crew.cache_clear()
    here = threading.current_thread().name
    assert spans == [(0, 2, here), (2, 4, here), (4, 7, here)]


def test_when_the_caller_has_failed_nobody_begins_another_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = []

    def work(first: int, last: int) -> None:
        begun.append(first)
        raise ValueError

    workers._crew.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(workers._Worker, "run", lambda self: None)
        with pytest.raises(ValueError):  # noqa: PT011 (has no message)
            share(work, 3, 3)
    workers._crew.cache_clear()
    assert begun == [0]


def interrupted_at(moment: int) -> bool:
    """Share once, with Ctrl-C after so many calls and returns; whether it came to that."""
    events = itertools.count()

    def come(frame: FrameType, *event: object) -> None:
        if frame.f_code.co_filename == workers.__file__ and next(events) == moment:
            raise KeyboardInterrupt

    sys.setprofile(come)
    try:
        share(lambda first, last: first, 3, 3)
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return False


def test_whenever_a_call_is_interrupted_the_next_one_has_every_thread() -> None:
    threads = []

    def interrupt_everywhere() -> None:
        for moment in itertools.count():
            if not interrupted_at(moment):
                break
            threads.append(len({name for *_, name in all_at_once()}))

    tester = threading.Thread(target=interrupt_everywhere, daemon=True)
    tester.start()
    tester.join(20)
    assert not tester.is_alive()
    assert len(threads) > 20
    assert set(threads) == {3}


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs a signal to one thread")
def test_an_interrupted_wait_ends_when_nobody_writes_any_more() -> None:
    all_here, done = threading.Barrier(3), []

    def work(first: int, last: int) -> None:
        all_here.wait(10)
        if first == 0:
            return
        if first == 1:
            time.sleep(0.01)  # until the caller waits
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        time.sleep(0.05)
        done.append(first)

    with pytest.raises(KeyboardInterrupt):
        share(work, 3, 3)
    assert sorted(done) == [1, 2]


def test_where_no_thread_can_begin_the_caller_does_every_span(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    workers._crew.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(2):
            assert [span[:2] for span in share(names, 3, 3)] == [(0, 1), (1, 2), (2, 3)]
    assert len({name for *_, name in all_at_once()}) == 3


def test_what_dies_with_the_interpreter_may_still_call() -> None:
    program = """
from tinygrad_cnn.kernels.blocked.workers import GRAIN, share
class Last:
    def __del__(self, share=share, GRAIN=GRAIN, print=print):
        print(share(lambda first, last: last, 3, 3 * GRAIN))
last = Last()
share(lambda first, last: last, 3, 3 * GRAIN)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TINYGRAD_CNN_THREADS": "3"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout == "[1, 2, 3]\n"
