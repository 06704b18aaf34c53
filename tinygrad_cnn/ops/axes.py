"""Axes: the one place that says what `axis=` means."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from tinygrad_cnn.errors import AxisError, DTypeError

Axis = int | tuple[int, ...] | None


def normalize_axes(axis: Axis, ndim: int, name: str) -> tuple[int, ...]:
    """The axes meant by `axis`, each in 0..ndim-1: all of them for None."""
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    normal = tuple(normalize_axis(a, ndim, name) for a in axes)
    if len(set(normal)) < len(normal):
        raise AxisError(f"{name}: each axis may be named once, got axis={axis}")
    return normal


def normalize_axis(axis: int, ndim: int, name: str) -> int:
    """The axis counted from the front."""
    try:
        i = operator.index(axis)
    except TypeError as error:
        raise DTypeError(f"{name}: an axis is an integer, got axis={axis!r}") from error
    if not -ndim <= i < ndim:
        valid = f"an axis from {-ndim} to {ndim - 1}" if ndim else "no axis (it is a scalar)"
        raise AxisError(f"{name}: an input of {ndim} axes has {valid}, got axis={axis}")
    return i % ndim


def keep_axes(y: Any, axis: Axis, shape: tuple[int, ...], keepdims: bool) -> Any:
    """A reduction's result with the reduced axes back, as axes of length 1."""
    if keepdims or not shape:
        return y
    axes = normalize_axes(axis, len(shape), "reduction")
    return y.reshape(tuple(1 if i in axes else n for i, n in enumerate(shape)))


def count(shape: tuple[int, ...], axis: Axis) -> int:
    """How many elements a reduction over `axis` takes together."""
    axes = normalize_axes(axis, len(shape), "reduction")
    return int(np.prod([shape[i] for i in axes], dtype=np.int64))
