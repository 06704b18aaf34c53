"""A thread that looks out for a number to change."""

from __future__ import annotations

import threading

import numpy as np
import pytest

pytest.importorskip("numba", reason="Numba (extra `fast`) is absent")

from tinygrad_cnn.kernels.compiled.watching import watch

FOR_EVER = 1 << 62


def numbers() -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(1, np.int64), np.zeros(1, np.int64)


def test_it_tells_its_own_number_and_ends_when_the_other_one_changes() -> None:
    mine, theirs = numbers()
    watcher = threading.Thread(target=watch, args=(mine, 7, theirs, 0, FOR_EVER), daemon=True)
    watcher.start()
    while mine[0] != 7:  # told before it looks, or this would never end
        pass
    watcher.join(0.05)
    assert watcher.is_alive()
    theirs[0] = 1
    watcher.join(10)
    assert not watcher.is_alive()


def test_it_ends_when_it_has_looked_often_enough() -> None:
    mine, theirs = numbers()
    watch(mine, 1, theirs, 0, 10)
    assert (mine[0], theirs[0]) == (1, 0)


def test_it_does_not_look_where_the_number_has_changed_already() -> None:
    mine, theirs = numbers()
    watch(mine, 1, theirs, -1, FOR_EVER)
    assert mine[0] == 1
