"""Ways to keep the same numbers in memory: what `awkward_layouts` draws, and memory_layout tries.

Each gives a copy, so that nobody's array is touched.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def _fortran_ordered(x: np.ndarray) -> np.ndarray:
    return x.copy(order="F")


def _strided(x: np.ndarray) -> np.ndarray:
    """Every second element of a longer array."""
    return np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x.copy()


def _reversed(x: np.ndarray) -> np.ndarray:
    """Negative strides along every axis."""
    flip = (slice(None, None, -1),) * x.ndim
    return x[flip].copy(order="C")[flip] if x.ndim else x.copy()


def _read_only(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Fortran-ordered": _fortran_ordered,
    "strided": _strided,
    "reversed": _reversed,
    "read-only": _read_only,
}
"""{name: x -> a copy of x in that layout}"""
