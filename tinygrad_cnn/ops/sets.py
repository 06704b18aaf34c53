"""Arrays as sets: their different elements, in order, and where each stands.

NaN differs from everything, itself included. The values are read off the array, so that gradients
flow to the first element of each value; positions and counts have no derivative.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn.core.op import op
from tinygrad_cnn.ops.indexing import getitem
from tinygrad_cnn.ops.shape import reshape


class UniqueAll(NamedTuple):
    """What unique_all returns."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCounts(NamedTuple):
    """What unique_counts returns."""

    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    """What unique_inverse returns."""

    values: Any
    inverse_indices: Any


@op(outputs=3, differentiable=False)
def _places(x, /):
    """(where each value stands first in x flattened, which value each has, how many have it)"""
    _, first, inverse, counts = np.unique(
        x, return_index=True, return_inverse=True, return_counts=True, equal_nan=False
    )
    return first, inverse.reshape(x.shape), counts


def unique_all(x: Any, /) -> UniqueAll:
    """The different elements, where each stands first (x flattened), which x[i] is, how often.

    >>> unique_all(np.array([3, 1, 3]))
    UniqueAll(values=array([1, 3]), indices=array([1, 0]), inverse_indices=array([1, 0, 1]),
    counts=array([1, 2]))
    """
    first, inverse, counts = _places(x)
    values = getitem(reshape(x, (math.prod(x.shape),)), first)
    return UniqueAll(values, first, inverse, counts)


def unique_counts(x: Any, /) -> UniqueCounts:
    """The different elements, and how often each stands in x."""
    values, _, _, counts = unique_all(x)
    return UniqueCounts(values, counts)


def unique_inverse(x: Any, /) -> UniqueInverse:
    """The different elements, and which of them each of x is: x = values[inverse_indices]."""
    values, _, inverse, _ = unique_all(x)
    return UniqueInverse(values, inverse)


def unique_values(x: Any, /) -> Any:
    """The different elements, in ascending order.

    >>> unique_values(np.array([3, 1, 3]))
    array([1, 3])
    """
    return unique_all(x).values
