"""Integers as vectors: rows of a table, and one-hot vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.tensor import Tensor, wrap
from tinygrad_cnn.errors import ConfigError, IndexingError, ShapeError
from tinygrad_cnn.ops.elementwise import where
from tinygrad_cnn.ops.indexing import getitem, index_array


def embedding(
    indices: Any,
    weight: Any,
    /,
    *,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
) -> Any:
    """y[..., :] = weight[indices[...], :], the rows of a table (V, D).

    The row padding_idx gets no gradient. max_norm: rows that are looked up and are longer (in the
    norm of order norm_type) are first cut to that length, in the table itself.

    >>> embedding(np.array([2, 0]), np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]))
    array([[4., 5.],
           [0., 1.]])
    """
    if weight.ndim != 2:
        raise ShapeError(f"embedding: the table must have shape (V, D), got {weight.shape}")
    places, V = index_array(indices, "embedding: indices"), weight.shape[0]
    if places.size and not 0 <= places.min() <= places.max() < V:
        raise IndexingError(
            f"embedding: indices lie in 0..{V - 1} for a table of {V} rows, got {places.min()}.."
            f"{places.max()}"
        )
    if max_norm is not None:
        _cut(weight.data if isinstance(weight, Tensor) else weight, places, max_norm, norm_type)
    rows = getitem(weight, places)
    if padding_idx is None:
        return rows
    if not -V <= padding_idx < V:
        raise ConfigError(f"embedding: padding_idx must be a row of {V}, got {padding_idx}")
    padding = places == padding_idx % V
    return where(padding[..., None], rows.data if isinstance(rows, Tensor) else rows, rows)


def _cut(table: np.ndarray, places: np.ndarray, max_norm: float, order: float) -> None:
    used = np.unique(places)
    norms = np.linalg.norm(table[used], order, axis=1)
    long = norms > max_norm
    table[used[long]] *= (max_norm / (norms[long] + 1e-7))[:, None].astype(table.dtype)


def one_hot(labels: Any, /, *, num_classes: int = -1) -> Any:
    """y[..., k] = 1 where k is the label, else 0: integers (...) -> integers (..., num_classes).

    -1 classes: as many as the largest label needs.

    >>> one_hot(np.array([0, 2]))
    array([[1, 0, 0],
           [0, 0, 1]])
    """
    k = index_array(labels, "one_hot: labels")
    size = int(k.max(initial=-1)) + 1 if num_classes == -1 else num_classes
    if k.size and not (k.min() >= 0 and k.max() < size):
        raise IndexingError(
            f"one_hot: labels lie in 0..num_classes-1, got {k.min()}..{k.max()} with "
            f"num_classes={size}"
        )
    y = (k[..., None] == np.arange(size)).astype(np.int64)
    return wrap(y, None) if isinstance(labels, Tensor) else y
