"""How these kernels are compiled.

Each is compiled when it is first called with a dtype, and kept on disk beside its file, or in the
user's cache directory where that is read-only, so that it is compiled once on a machine. While it
runs, other Python threads run: the threads are `blocked.workers`, not Numba's.

`contract` lets a product and a sum round once, `reassoc` lets a sum be taken in several lanes;
neither changes what becomes of NaN, infinity or -0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numba.core import event

from tinygrad_cnn.kernels.compiling import announce
from tinygrad_cnn.kernels.geometry import Array, Ints

F = TypeVar("F", bound=Callable[..., Any])


class _Announcer(event.Listener):
    """Numba compiles something; what it finds in its cache, it does not mention."""

    def on_start(self, event: Any) -> None:
        dispatcher = event.data["dispatcher"]
        if dispatcher.py_func.__module__.startswith(__package__):
            announce(dispatcher.stats.cache_path or "")

    def on_end(self, event: Any) -> None:
        pass


cast(Any, event).register("numba:compile", _Announcer())  # it has no types


def jit(function: F) -> F:
    """Compile to machine code; rounding may differ from Python's by a fused multiply-add."""
    return _compiled(function, {"contract"})


def jit_sums(function: F) -> F:
    """As `jit`, for functions that add up many numbers, in whatever order is fast."""
    return _compiled(function, {"contract", "reassoc"})


def _compiled(function: F, fastmath: set[str]) -> F:
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
    try:
        compiled: Any = njit(cache=True, **options)(function)
    except RuntimeError:  # there is no place to keep the machine code: compiled in every process
        compiled = njit(**options)(function)
    return cast(F, compiled)


def supported(*arrays: Array) -> bool:
    """Whether all are of one dtype, float32 or float64."""
    dtype = arrays[0].dtype
    return dtype in (np.float32, np.float64) and all(a.dtype == dtype for a in arrays)


def whole(option: Ints, axes: int) -> bool:
    """Whether an option has one whole number for each axis."""
    return len(option) == axes and all(isinstance(each, int) for each in option)
