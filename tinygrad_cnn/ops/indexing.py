"""Reading and writing at an index. Gather and scatter-add are each other's transpose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.op import op
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import AxisError, DTypeError, ShapeError
from tinygrad_cnn.ops.axes import normalize_axis
from tinygrad_cnn.ops.shape import reshape


def plain_index(index: Any) -> Any:
    """An index as NumPy takes it: Tensors and sequences in it become arrays."""
    return tuple(map(_plain_entry, index)) if isinstance(index, tuple) else _plain_entry(index)


def _plain_entry(index: Any) -> Any:
    if isinstance(index, Tensor):
        index = index.data
    if isinstance(index, Sequence):  # within a tuple, even a tuple names elements, not axes
        index = np.asarray(index, dtype=None if len(index) else np.intp)
    if isinstance(index, np.ndarray) and index.dtype.kind not in "biu":
        raise DTypeError(
            f"getitem: an index is made of integers, slices, ..., None and arrays of integers or "
            f"booleans, got {index!r:.60} of dtype {index.dtype}"
        )
    return index


def _repeats(index: Any) -> bool:
    """Whether one element may be named twice: only arrays of integers can."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(i, np.ndarray) and i.dtype.kind in "iu" and i.ndim for i in parts)


@op(name="getitem")
def _getitem(x, /, *, index):
    """y = x[index]"""
    return x[index]


_getitem.vjp(lambda g, _y, _x, index: scatter_add(g, index=index, shape=_x.shape))


def getitem(x: Any, index: Any, /) -> Any:
    """x[index], for every form of index that NumPy knows."""
    return _getitem(x, index=plain_index(index))


@op
def scatter_add(g, /, *, index, shape):
    """y = 0 in the given shape, then y[index] += g, where equal indices add up."""
    y = np.zeros(shape, g.dtype)
    if _repeats(index):
        np.add.at(y, index, g)
    else:
        y[index] = g
    return y


scatter_add.vjp(lambda h, _y, _g, index, shape: _getitem(h, index=index))


@op
def setitem(x, value, /, *, index):
    """A copy y of x, then y[index] = value (the last one wins where an index is named twice)."""
    _check_kind(x, value)
    y = np.array(x)
    y[index] = value
    return y


def _check_kind(x: Any, value: Any) -> None:
    """Refuse a value that x could hold only after losing its fraction, or its imaginary part."""
    rank = {"b": 0, "i": 0, "u": 0, "f": 1, "c": 2}
    dtype = np.asarray(value).dtype
    if rank.get(dtype.kind, 3) > rank[x.dtype.kind]:
        raise DTypeError(
            f"setitem: the elements are {x.dtype}, the value is {dtype}; convert one with astype"
        )


def _winners(shape: tuple[int, ...], index: Any) -> Any:
    """1 where an entry of `index` is the last to name its element, 0 where it is overwritten."""
    if not _repeats(index):
        return 1
    where_from = np.full(shape, -1, np.intp)
    entries = np.arange(where_from[index].size).reshape(where_from[index].shape)
    where_from[index] = entries
    return where_from[index] == entries


setitem.vjp(
    lambda g, _y, _x, _value, index: setitem(g, 0.0, index=index),
    lambda g, _y, _x, _value, index: _value_slope(g, _x, _value, index),
)


def _value_slope(g: Any, _x: Any, _value: Any, index: Any) -> Any:
    """dL/dvalue; leading axes of length 1 that the place x[index] does not have come back."""
    part = _getitem(g, index=index) * _winners(_x.shape, index)
    extra = np.ndim(_value) - part.ndim
    return reshape(part, (1,) * extra + part.shape) if extra > 0 else part


def take(x: Any, indices: Any, /, *, axis: int | None = None) -> Any:
    """The elements at `indices` along `axis`: y[..., i, ...] = x[..., indices[i], ...]."""
    if axis is None:
        if x.ndim != 1:
            raise AxisError(f"take: names an axis unless x has exactly one, got shape {x.shape}")
        axis = 0
    axis = normalize_axis(axis, x.ndim, "take")
    return getitem(x, (*[slice(None)] * axis, index_array(indices, "take: indices")))


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Any:
    """y[i, j, ...] = x[i, indices[i, j, ...], ...]: an index for every element, along `axis`.

    x and indices have equally many axes; those but `axis` broadcast.
    """
    axis = normalize_axis(axis, x.ndim, "take_along_axis")
    indices = index_array(indices, "take_along_axis: indices")
    if indices.ndim != x.ndim:
        raise ShapeError(
            f"take_along_axis: indices must have as many axes as x, got x {x.shape}, indices "
            f"{indices.shape}"
        )
    grid = [
        np.arange(n).reshape((1,) * a + (n,) + (1,) * (x.ndim - a - 1))
        for a, n in enumerate(x.shape)
    ]
    grid[axis] = indices
    return getitem(x, tuple(grid))


def index_array(indices: Any, what: str) -> np.ndarray:
    """Integers to index with, as an array; `what` they are, for the error message."""
    array = np.asarray(indices.data if isinstance(indices, Tensor) else indices)
    if array.dtype.kind not in "iu":
        raise DTypeError(f"{what} must be integers, got dtype {array.dtype}")
    return array
