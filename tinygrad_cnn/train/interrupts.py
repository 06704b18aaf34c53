"""Ctrl-C where something must first be finished."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NOTICE = "\nwriting the report; Ctrl-C once more to leave without it"


@contextmanager
def patience() -> Iterator[None]:
    """Within it a first Ctrl-C is answered with a notice, and only a second one interrupts.

    Who has ended a training with Ctrl-C and does not see it end presses again, and would lose the
    report. Only the main thread may set handlers: in others this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def notice(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        sys.stderr.write(NOTICE + "\n")

    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, notice)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
