"""Within `patience` one Ctrl-C is forgiven, a second is not."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from tinygrad_cnn.train.interrupts import patience

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")


@pytest.fixture(autouse=True)
def _as_in_a_terminal() -> object:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def test_the_first_is_answered_with_a_notice(capsys: pytest.CaptureFixture[str]) -> None:
    with patience():
        press()
    assert "once more to leave without it" in capsys.readouterr().err


def test_the_second_interrupts() -> None:
    with patience():
        press()
        with pytest.raises(KeyboardInterrupt):
            press()


def test_afterwards_the_first_interrupts_again() -> None:
    with patience():
        pass
    with pytest.raises(KeyboardInterrupt):
        press()


def test_in_another_thread_it_does_nothing() -> None:
    def work() -> int:
        with patience():
            return 1

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(work).result() == 1
