"""Results live in memory that is used again, and nobody can tell."""

from __future__ import annotations

import gc
import os
import signal
import threading

import numpy as np
import pytest

from tinygrad_cnn.kernels.blocked import memory
from tinygrad_cnn.kernels.blocked.memory import SMALL_BYTES, fresh

F4 = np.dtype(np.float32)
SIZE = SMALL_BYTES // 4


@pytest.fixture(autouse=True)
def idle(monkeypatch):
    """A store of its own for each test."""
    gc.collect()
    monkeypatch.setattr(memory, "_idle", memory._Idle())
    return memory._idle


def place(a):
    return a.__array_interface__["data"][0]


def test_the_memory_of_a_dead_result_serves_the_next_one_of_its_size():
    first = fresh((SIZE,), F4)
    where = place(first)
    del first
    assert place(fresh((SIZE + 1,), F4)) != where
    assert place(fresh((2, SIZE // 2), F4)) == where


def test_memory_is_not_taken_back_while_a_view_of_it_lives():
    first = fresh((SIZE,), F4)
    view = first[1:].reshape(-1)[::2]
    where = place(first)
    del first
    second = fresh((SIZE,), F4)
    assert place(second) != where
    assert not np.shares_memory(second, view)
    del view
    assert place(fresh((SIZE,), F4)) == where


def test_a_result_is_an_array_like_any_other():
    a = fresh((3, SIZE), np.dtype(np.float64))
    assert type(a) is np.ndarray
    assert a.flags.carray
    assert a.shape == (3, SIZE)
    assert a.dtype == np.float64


def test_no_more_than_the_limit_waits_to_be_used_again(idle, monkeypatch):
    monkeypatch.setattr(memory._Idle, "most", 3 * SMALL_BYTES)
    results = [fresh((SIZE,), F4) for _ in range(5)]
    assert idle.bytes == 0
    results.clear()
    assert idle.bytes == 3 * SMALL_BYTES
    assert sum(map(len, idle.buffers.values())) == 3


def test_sizes_that_nobody_asks_for_any_more_make_room(idle, monkeypatch):
    monkeypatch.setattr(memory._Idle, "most", 10 * SMALL_BYTES)
    for size in range(SIZE, 3 * SIZE, SIZE // 10):  # each once: more than may wait
        fresh((size,), F4)
    assert 8 * SMALL_BYTES < idle.bytes <= 10 * SMALL_BYTES
    a = fresh((4 * SIZE,), F4)
    first = place(a)
    del a
    assert place(fresh((4 * SIZE,), F4)) == first
    assert len(idle.buffers) < 10


def test_small_results_are_left_to_numpy(idle):
    a = fresh((SIZE - 1,), F4)
    assert a.flags.owndata
    del a
    assert idle.bytes == 0


def test_threads_never_share_a_result():
    wrong = []

    def work(mark):
        for _ in range(200):
            a, b = fresh((SIZE,), F4), fresh((SIZE,), F4)
            a.fill(mark)
            b.fill(-mark)
            if not ((a == mark).all() and (b == -mark).all()):
                wrong.append(mark)

    threads = [threading.Thread(target=work, args=(i + 1,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_child_forked_while_a_thread_held_the_lock_does_not_wait_for_it(idle):
    with idle.lock:
        child = os.fork()
        if not child:
            signal.alarm(5)
            a = fresh((SIZE,), F4)
            del a
            os._exit(0 if idle.bytes == 4 * SIZE else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_result_that_dies_while_memory_is_given_or_taken_does_no_harm(idle):
    with idle.lock:  # as the collector, which runs inside, finds it
        idle.inside = True
        first = fresh((SMALL_BYTES,), np.dtype(np.uint8))
        del first
        second = fresh((SMALL_BYTES,), np.dtype(np.uint8))
        idle.inside = False
    assert idle.bytes == 0
    del second
    assert idle.bytes == SMALL_BYTES


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer")
def test_memory_can_be_had_after_ctrl_c_at_any_moment(idle):
    def come(*_):
        raise KeyboardInterrupt

    before, moments = signal.signal(signal.SIGALRM, come), np.random.default_rng(0)
    caught = 0
    try:
        while caught < 300:
            try:
                signal.setitimer(signal.ITIMER_REAL, moments.uniform(1e-5, 2e-4))
                while True:
                    memory._idle.give(memory._idle.take(SMALL_BYTES))
            except KeyboardInterrupt:
                caught += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    finder = threading.Thread(target=idle.take, args=(SMALL_BYTES,), daemon=True)
    finder.start()
    finder.join(10)
    assert not finder.is_alive()
    assert not idle.inside
