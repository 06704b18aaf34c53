"""Reused buffers, and copies that move whole rows."""

from __future__ import annotations

import threading
from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.kernels.geometry import Array, Ints

KEPT_BYTES = 1 << 25  # larger buffers are not kept between calls

_local = threading.local()


def workspace(role: str, shape: Ints, dtype: np.dtype[Any]) -> Array:
    """An uninitialised array that this thread reuses: valid until its next call with this role.

    A fresh array of megabytes costs a page fault every 4 KiB, often more than the work done in it.
    """
    needed = prod(shape) * dtype.itemsize
    kept: dict[str, Array] = _local.__dict__
    buffer = kept.get(role)
    if buffer is None or buffer.size < needed:
        buffer = np.empty(needed, np.uint8)
        if needed <= KEPT_BYTES:
            kept[role] = buffer
    return buffer[:needed].view(dtype).reshape(shape)


def as_rows(a: Array) -> Array:
    """(..., L) -> (...,): each contiguous row of an array as one opaque item.

    NumPy copies an item at memcpy's speed, but starts every row of numbers anew, and rows of images
    are short: two to four times faster.
    """
    return a.view(np.dtype((np.void, a.shape[-1] * a.itemsize)))[..., 0]


def bits(a: Array) -> Array:
    """The same memory read as signed integers of the same width."""
    return a.view(f"i{a.itemsize}")
