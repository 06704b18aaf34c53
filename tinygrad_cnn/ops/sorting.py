"""Sorting, and what is read off a sorted axis: the largest k, medians, quantiles.

A sort is a permutation of the elements, another one for every row, so that its gradient is the
inverse permutation of the gradient. The order itself has no derivative.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from tinygrad_cnn.core.op import op
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import ConfigError, ShapeError
from tinygrad_cnn.ops.axes import Axis, normalize_axes, normalize_axis
from tinygrad_cnn.ops.elementwise import add, astype, scale, where
from tinygrad_cnn.ops.indexing import take_along_axis
from tinygrad_cnn.ops.logic import isnan
from tinygrad_cnn.ops.shape import moveaxis, reshape


@op(differentiable=False)
def argsort(x, /, *, axis=-1, descending=False, stable=True):
    """The indices that sort x along `axis`: take_along_axis(x, argsort(x)) = sort(x).

    stable=True keeps equal elements in their order. NaN counts as larger than every number.
    """
    axis = normalize_axis(axis, np.ndim(x), "argsort")
    kind: Literal["stable"] | None = "stable" if stable else None
    if not descending:
        return np.argsort(x, axis=axis, kind=kind)
    # Sorted upwards from the back and read from the back, equal elements are in order again.
    last = x.shape[axis] - 1
    return last - np.flip(np.argsort(np.flip(x, axis), axis=axis, kind=kind), axis)


@op
def _reorder(x, /, *, order, axis):
    """y[..., i, ...] = x[..., order[..., i, ...], ...], each row of `order` a permutation."""
    return np.take_along_axis(x, order, axis)


_reorder.vjp(
    lambda g, _y, _x, order, axis: _reorder(g, order=np.argsort(order, axis=axis), axis=axis)
)


def sort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """The elements along `axis` in ascending order, or descending.

    stable=True keeps equal elements, and so their gradients, in their order. NaN counts as larger
    than every number.

    >>> sort(np.array([3.0, 1.0, 2.0]), descending=True)
    array([3., 2., 1.])
    """
    axis = normalize_axis(axis, x.ndim, "sort")
    order = argsort(_values(x), axis=axis, descending=descending, stable=stable)
    return _reorder(x, order=order, axis=axis)


class TopK(NamedTuple):
    """What topk returns."""

    values: Any
    indices: Any


def topk(x: Any, k: int, /, *, axis: int = -1, largest: bool = True) -> TopK:
    """The k largest (or smallest) elements along `axis`, sorted, and where they were.

    >>> topk(np.array([3.0, 1.0, 2.0]), 2)
    TopK(values=array([3., 2.]), indices=array([0, 2]))
    """
    axis = normalize_axis(axis, x.ndim, "topk")
    if not 0 <= k <= x.shape[axis]:
        raise ShapeError(
            f"topk: k counts elements along axis {axis} of shape {x.shape}, 0 to {x.shape[axis]}, "
            f"got {k}"
        )
    order = argsort(x, axis=axis, descending=largest)
    indices = order[(slice(None),) * axis + (slice(k),)]
    return TopK(take_along_axis(x, indices, axis=axis), indices)


@op(name="searchsorted", differentiable=False)
def _searchsorted(x1, x2, sorter=None, /, *, side="left"):
    """Where each element of x2 would go, to keep x1 sorted."""
    return np.searchsorted(x1, x2, side=side, sorter=sorter)


def searchsorted(x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None) -> Any:
    """The i at which each element v of x2 keeps the vector x1 sorted: x1[i-1] < v <= x1[i].

    side="right": x1[i-1] <= v < x1[i]. sorter: indices that sort x1, where it is not sorted itself.

    >>> searchsorted(np.array([1.0, 2.0, 3.0]), np.array([0.5, 2.0]))
    array([0, 1])
    """
    if x1.ndim != 1:
        raise ShapeError(f"searchsorted: x1 is a sorted vector, got shape {x1.shape}")
    if side not in ("left", "right"):
        raise ConfigError(f'searchsorted: side must be "left" or "right", got {side!r}')
    return _searchsorted(x1, x2, sorter, side=side)


def quantile(x: Any, q: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """The value below which the fraction q of the elements lies: y = (1 - t) x_(j) + t x_(j+1)

    with x_(0) <= ... <= x_(n-1) the elements in order, j + t = q (n - 1) and 0 <= t < 1. An array
    of fractions gives a leading axis for each of its own. NaN among the elements gives NaN.

    Source: Hyndman and Fan, Sample quantiles in statistical packages, 1996, definition 7.

    >>> quantile(np.array([1.0, 2.0, 4.0]), [0.25, 1.0])
    array([1.5, 4. ])
    """
    fractions = np.asarray(_values(q), np.float64)
    if not ((fractions >= 0) & (fractions <= 1)).all():
        raise ConfigError(f"quantile: q is a fraction, in 0..1, got {q!r}")
    x = x if x.dtype.kind == "f" else astype(x, np.dtype(np.float64))
    axes = normalize_axes(axis, x.ndim, "quantile")
    ordered = sort(_axes_last(x, axes))  # (rest, n)
    n = ordered.shape[-1]
    if n == 0:
        raise ShapeError(f"quantile: of no elements does not exist (shape {x.shape}, axis {axis})")
    place = fractions * (n - 1)
    j = np.floor(place).astype(np.intp)
    t = (place - j).astype(x.dtype)
    low, high = ordered[..., j], ordered[..., np.minimum(j + 1, n - 1)]  # (rest, *fractions)
    y = add(scale(1 - t, low), scale(t, high))  # where t = 0, an infinite x_(j+1) has no part in it
    largest = reshape(ordered[..., -1], (*ordered.shape[:-1],) + (1,) * fractions.ndim)
    y = where(isnan(largest), largest, y)
    rest = len(ordered.shape) - 1
    y = moveaxis(y, tuple(range(rest, y.ndim)), tuple(range(fractions.ndim)))
    if not keepdims:
        return y
    kept = tuple(1 if i in axes else m for i, m in enumerate(x.shape))
    return reshape(y, (*fractions.shape, *kept))


def median(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """The middle element in order, or the mean of the two middle ones, which share the gradient."""
    return quantile(x, 0.5, axis=axis, keepdims=keepdims)


def _axes_last(x: Any, axes: tuple[int, ...]) -> Any:
    """x with `axes` flattened into one, the last."""
    rest = [i for i in range(x.ndim) if i not in axes]
    n = int(np.prod([x.shape[i] for i in axes], dtype=np.int64))
    moved = moveaxis(x, tuple(rest), tuple(range(len(rest))))
    return reshape(moved, (*(x.shape[i] for i in rest), n))


def _values(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x
