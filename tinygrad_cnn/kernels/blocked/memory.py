"""Memory that is used again, and copies that move whole rows.

Fresh memory of megabytes costs a page fault every 4 KiB, often more than the work done in it, and
the C library gives such memory back to the system as soon as it is freed. Hence two kinds of memory
that stays: buffers for intermediate values, one set a thread (`workspace`), and results (`fresh`),
whose memory is taken back when the last array that shows it dies.

At most IDLE_BYTES of the memory of dead results wait for the next ones; beyond that the sizes that
nobody has asked for the longest go back to the system.
Nothing else in the program is touched: no setting of the C library, no other array.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.kernels.geometry import Array, Ints

KEPT_BYTES = 1 << 25  # larger buffers are not kept between calls
SMALL_BYTES = 1 << 17  # smaller results are left to NumPy: the C library keeps their memory itself
IDLE_BYTES = 1 << 29  # of dead results, at most, wait for the next ones

_local = threading.local()


def workspace(role: str, shape: Ints, dtype: np.dtype[Any]) -> Array:
    """An uninitialised array that this thread reuses: valid until its next call with this role."""
    needed = prod(shape) * dtype.itemsize
    kept: dict[str, Array] = _local.__dict__
    buffer = kept.get(role)
    if buffer is None or buffer.size < needed:
        buffer = np.empty(needed, np.uint8)
        if needed <= KEPT_BYTES:
            kept[role] = buffer
    return buffer[:needed].view(dtype).reshape(shape)


class _Idle:
    """The memory of dead results, by size: each step of training asks for the same sizes.

    Arrays die at any moment, also while this thread is in here (the collector runs when it likes),
    and Ctrl-C may come between any two calls. So a lock that its thread may take twice, by `with`
    alone, and a mark that somebody is inside: who finds it set goes without.
    """

    most = IDLE_BYTES  # of its own: at the interpreter's end results die after the module's names

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew. A fork may come while another thread holds the lock: it is none of it."""
        self.buffers: OrderedDict[int, list[Array]] = OrderedDict()  # last used sizes last
        self.bytes = 0
        self.lock, self.inside = threading.RLock(), False

    def take(self, size: int) -> Array:
        """Memory of a dead result, or new memory."""
        with self.lock:
            if not self.inside and self.buffers.get(size):
                self.inside = True
                try:
                    self.bytes -= size
                    self.buffers.move_to_end(size)
                    return self.buffers[size].pop()
                finally:
                    self.inside = False
        return np.empty(size, np.uint8)

    def give(self, buffer: Array) -> None:
        """What a dead result leaves. Where that is too much, sizes go that nobody asks for."""
        with self.lock:
            if not self.inside and buffer.size <= self.most:
                self.inside = True
                try:
                    self.bytes += buffer.size
                    self.buffers.setdefault(buffer.size, []).append(buffer)
                    while self.bytes > self.most:
                        size, oldest = next(iter(self.buffers.items()))
                        if oldest:
                            self.bytes -= size
                            oldest.pop()
                        else:
                            del self.buffers[size]
                finally:
                    self.inside = False


class _Lease:
    """Lends a buffer to arrays; NumPy holds it until the last of them dies."""

    __slots__ = ("__array_interface__", "buffer", "give")

    def __init__(self, idle: _Idle, buffer: Array) -> None:
        self.buffer, self.__array_interface__ = buffer, buffer.__array_interface__
        self.give = idle.give

    def __del__(self) -> None:
        if hasattr(self, "give"):  # Ctrl-C may have come before it was set
            self.give(self.buffer)


_idle = _Idle()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _idle.forget())  # whichever it is by then


def fresh(shape: Ints, dtype: np.dtype[Any]) -> Array:
    """An uninitialised array for a result: the caller's own, like any other."""
    size = prod(shape) * dtype.itemsize
    if size < SMALL_BYTES:
        return np.empty(shape, dtype)
    return np.ndarray(shape, dtype, np.asarray(_Lease(_idle, _idle.take(size))))


def contiguous(a: Array) -> Array:
    """`a` itself where it is contiguous and may be written to, or else a copy."""
    if a.flags.carray:
        return a
    copy = fresh(a.shape, a.dtype)
    copy[...] = a
    return copy


def as_rows(a: Array) -> Array:
    """(..., L) -> (...,): each contiguous row of an array as one opaque item.

    NumPy copies an item at memcpy's speed, but starts every row of numbers anew, and rows of images
    are short: two to four times faster.
    """
    return a.view(np.dtype((np.void, a.shape[-1] * a.itemsize)))[..., 0]


def bits(a: Array) -> Array:
    """The same memory read as signed integers of the same width."""
    return a.view(f"i{a.itemsize}")
