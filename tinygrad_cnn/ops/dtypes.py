"""Questions about dtypes: what they can hold, how they combine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import DTypeError


@dataclass(frozen=True)
class FloatInfo:
    """What `finfo` returns: the limits of a float dtype, as Python floats."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class IntegerInfo:
    """What `iinfo` returns: the limits of an integer dtype."""

    bits: int
    max: int
    min: int
    dtype: np.dtype[Any]


def _dtype_of(x: Any) -> np.dtype[Any]:
    """The dtype of an array or a Tensor, or the one that is meant."""
    return np.dtype(x.dtype if isinstance(x, Tensor | np.ndarray | np.generic) else x)


def finfo(type: Any, /) -> FloatInfo:
    """The limits of a float dtype; of a complex one, those of its parts.

    >>> finfo(np.float32).eps
    1.1920928955078125e-07
    """
    dtype = _dtype_of(type)
    if dtype.kind not in "fc":
        raise DTypeError(
            f"finfo: takes a float or complex dtype, got {dtype}; iinfo is for integers"
        )
    info = np.finfo(dtype)
    eps, largest, least, smallest = map(float, (info.eps, info.max, info.min, info.smallest_normal))
    return FloatInfo(info.bits, eps, largest, least, smallest, np.dtype(info.dtype))


def iinfo(type: Any, /) -> IntegerInfo:
    """The limits of an integer dtype.

    >>> iinfo(np.int8).max
    127
    """
    dtype = _dtype_of(type)
    if dtype.kind not in "iu":
        raise DTypeError(f"iinfo: takes an integer dtype, got {dtype}; finfo is for floats")
    info = np.iinfo(dtype)
    return IntegerInfo(info.bits, info.max, info.min, dtype)


def isdtype(dtype: DTypeLike, kind: Any) -> bool:
    """Whether a dtype is of a kind, or of one in a tuple of kinds.

    kind: a dtype, or "bool", "signed integer", "unsigned integer", "integral", "real floating",
    "complex floating", "numeric".

    >>> isdtype(np.dtype(np.float32), ("real floating", "complex floating"))
    True
    """
    try:
        return np.isdtype(np.dtype(dtype), kind)
    except (TypeError, ValueError) as error:
        raise DTypeError(f"isdtype: {error} (got dtype {dtype!r}, kind {kind!r})") from error


def can_cast(from_: Any, to: DTypeLike, /) -> bool:
    """Whether every value of a dtype, or of an array's dtype, has an equal one in the dtype `to`.

    >>> can_cast(np.int8, np.int16), can_cast(np.int16, np.int8)
    (True, False)
    """
    return np.can_cast(_dtype_of(from_), np.dtype(to))


def result_type(*arrays_and_dtypes: Any) -> np.dtype[Any]:
    """The dtype in which these meet: the smallest that holds them all. Python numbers yield to it.

    >>> result_type(np.float32, np.zeros(3, np.int16), 1.5)
    dtype('float32')
    """
    if not arrays_and_dtypes:
        raise DTypeError("result_type: takes at least one array or dtype")
    weak = (bool, int, float, complex)
    return np.result_type(*(x if type(x) in weak else _dtype_of(x) for x in arrays_and_dtypes))
