"""What this namespace is and can do: the array API standard's inspection."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.modes import default_complex_dtype, default_dtype
from tinygrad_cnn.core.tensor import check_device
from tinygrad_cnn.ops import constants
from tinygrad_cnn.ops.dtypes import isdtype

_DTYPES = {name: thing for name, thing in vars(constants).items() if isinstance(thing, np.dtype)}
_MAX_AXES = 64  # NumPy's limit


class ArrayNamespaceInfo:
    """What `__array_namespace_info__()` returns."""

    def capabilities(self) -> dict[str, Any]:
        """Boolean masks and results whose shapes depend on values are supported."""
        return {
            "boolean indexing": True,
            "data-dependent shapes": True,
            "max dimensions": _MAX_AXES,
        }

    def default_device(self) -> str:
        """The one device that there is."""
        return "cpu"

    def devices(self) -> list[str]:
        """All devices."""
        return ["cpu"]

    def default_dtypes(self, *, device: Any = None) -> dict[str, np.dtype[Any]]:
        """What dtype=None means for each kind of number."""
        check_device(device, "default_dtypes")
        return {
            "real floating": default_dtype(),
            "complex floating": default_complex_dtype(),
            "integral": constants.int64,
            "indexing": constants.int64,
        }

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, np.dtype[Any]]:
        """The dtypes of a kind (see isdtype), by name; all of them for None."""
        check_device(device, "dtypes")
        return {n: d for n, d in _DTYPES.items() if kind is None or isdtype(d, kind)}


def __array_namespace_info__() -> ArrayNamespaceInfo:
    """What this namespace is and can do.

    >>> sorted(__array_namespace_info__().dtypes(kind="real floating"))
    ['float32', 'float64']
    """
    return ArrayNamespaceInfo()
