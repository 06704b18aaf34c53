"""Who is told that machine code is being compiled: nobody, unless somebody asks.

The first call of a compiled kernel on a machine takes a second or so, and the first step of a
network calls twenty of them. The command line says why; a library says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str], object]

_listener: ContextVar[Listener | None] = ContextVar("tinygrad_cnn_compiling", default=None)


@contextmanager
def announced(to: Listener) -> Iterator[None]:
    """Within it, `to(folder)` is called before a kernel is compiled; machine code stays in folder.

    The folder is empty where there is none to write to: each process then compiles anew.
    """
    token = _listener.set(to)
    try:
        yield
    finally:
        _listener.reset(token)


def announce(folder: str) -> None:
    """A kernel is about to be compiled."""
    listener = _listener.get()
    if listener:
        listener(folder)
