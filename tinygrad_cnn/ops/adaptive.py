"""Pooling to a given size, whatever the size of the image.

Cell i of O along an axis of length H covers the rows floor(i H / O) to ceil((i + 1) H / O) - 1: the
cells cover every row, are of nearly one length, and may share a row where O does not divide H.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cnn.core.tensor import Tensor, another_name, wrap
from tinygrad_cnn.errors import ShapeError
from tinygrad_cnn.ops.pooling import at_indices
from tinygrad_cnn.ops.products import matmul
from tinygrad_cnn.ops.reduction import mean
from tinygrad_cnn.ops.shape import moveaxis, reshape
from tinygrad_cnn.ops.windows import Ints, SizeLike, check_images, floating, per_axis


def cells(m: int, o: int) -> list[tuple[int, int]]:
    """The first row and the one after the last, of each of o cells over m rows."""
    return [(i * m // o, -(-(i + 1) * m // o)) for i in range(o)]


def _output_size(x: Any, output_size: Any, n: int, name: str) -> Ints:
    check_images(x, n, name)
    sizes = output_size if isinstance(output_size, tuple | list) else (output_size,) * n
    full = [m if o is None else o for m, o in zip(x.shape[2:], sizes, strict=False)]
    out = per_axis(full if len(sizes) == n else sizes, n, "output_size", name)
    if 0 in x.shape[2:]:
        raise ShapeError(f"{name}: the image must not be empty, got x {x.shape}")
    return out


# -- means --------------------------------------------------------------------------------------


def adaptive_avg_pool1d(x: Any, *, output_size: SizeLike) -> Any:
    """`adaptive_avg_pool2d` with one spatial axis: x (N, C, L)."""
    return _adaptive_avg_pool(x, output_size, n=1)


def adaptive_avg_pool2d(x: Any, *, output_size: SizeLike) -> Any:
    """The mean over each cell of an output_size grid, (N, C, H, W) -> (N, C, *output_size).

    None in output_size keeps that axis.

    >>> adaptive_avg_pool2d(np.arange(6.0).reshape(1, 1, 2, 3), output_size=(1, 2))
    array([[[[2., 3.]]]])
    """
    return _adaptive_avg_pool(x, output_size, n=2)


def adaptive_avg_pool3d(x: Any, *, output_size: SizeLike) -> Any:
    """`adaptive_avg_pool2d` with three spatial axes: x (N, C, D, H, W)."""
    return _adaptive_avg_pool(x, output_size, n=3)


def _adaptive_avg_pool(x: Any, output_size: Any, n: int) -> Any:
    """The mean is separable: one averaging matrix for each axis."""
    out = _output_size(x, output_size, n, f"adaptive_avg_pool{n}d")
    x = floating(another_name(x))
    if set(out) == {1}:
        return mean(x, axis=tuple(range(2, n + 2)), keepdims=True)
    for axis, (m, o) in enumerate(zip(x.shape[2:], out, strict=True), start=2):
        if m != o:
            averages = _averaging_matrix(m, o).astype(x.dtype)  # (m, o)
            x = moveaxis(matmul(moveaxis(x, axis, -1), averages), -1, axis)
    return x


def _averaging_matrix(m: int, o: int) -> np.ndarray:
    """a[j, i] = 1 / (rows of cell i) where cell i covers row j, so that x @ a averages."""
    a = np.zeros((m, o))
    for i, (first, end) in enumerate(cells(m, o)):
        a[first:end, i] = 1 / (end - first)
    return a


# -- maxima -------------------------------------------------------------------------------------


def adaptive_max_pool1d(x: Any, *, output_size: SizeLike, return_indices: bool = False) -> Any:
    """`adaptive_max_pool2d` with one spatial axis: x (N, C, L)."""
    return _adaptive_max_pool(x, output_size, return_indices, n=1)


def adaptive_max_pool2d(x: Any, *, output_size: SizeLike, return_indices: bool = False) -> Any:
    """The maximum over each cell of an output_size grid, (N, C, H, W) -> (N, C, *output_size).

    None in output_size keeps that axis. return_indices=True gives (y, indices), where y[n,c,i,j] is
    element indices[n,c,i,j] of x[n,c] flattened. The gradient goes to the first that attains it.

    >>> adaptive_max_pool2d(np.arange(6.0).reshape(1, 1, 2, 3), output_size=(1, 2))
    array([[[[4., 5.]]]])
    """
    return _adaptive_max_pool(x, output_size, return_indices, n=2)


def adaptive_max_pool3d(x: Any, *, output_size: SizeLike, return_indices: bool = False) -> Any:
    """`adaptive_max_pool2d` with three spatial axes: x (N, C, D, H, W)."""
    return _adaptive_max_pool(x, output_size, return_indices, n=3)


def _adaptive_max_pool(x: Any, output_size: Any, return_indices: bool, n: int) -> Any:
    out = _output_size(x, output_size, n, f"adaptive_max_pool{n}d")
    indices = _largest_of_cells(x.data if isinstance(x, Tensor) else x, out)
    y = at_indices(x, indices)
    if not return_indices:
        return y
    return y, wrap(indices, None) if isinstance(x, Tensor) else indices


def _largest_of_cells(x: Any, out: Ints) -> np.ndarray:
    """The place of each cell's first maximum in the flattened image, (N, C, *S) -> (N, C, *out)."""
    places = np.arange(math.prod(x.shape[2:])).reshape(x.shape[2:])
    rows = [cells(m, o) for m, o in zip(x.shape[2:], out, strict=True)]
    indices = np.empty((*x.shape[:2], *out), np.int64)
    for i in np.ndindex(*out):
        cell = tuple(slice(*rows[a][k]) for a, k in enumerate(i))
        inside = places[cell].ravel()
        values = x[(..., *cell)].reshape(*x.shape[:2], inside.size)
        indices[(..., *i)] = inside[values.argmax(axis=-1)]
    return indices


# -- one number a channel -----------------------------------------------------------------------


def global_avg_pool(x: Any, /, *, keepdims: bool = False) -> Any:
    """The mean over all positions, (N, C, *S) -> (N, C), or (N, C, 1, ...) with keepdims."""
    _check_positions(x, "global_avg_pool")
    return mean(floating(x), axis=tuple(range(2, x.ndim)), keepdims=keepdims)


def global_max_pool(x: Any, /, *, keepdims: bool = False) -> Any:
    """The maximum over all positions, (N, C, *S) -> (N, C), or (N, C, 1, ...) with keepdims.

    The gradient goes to the first element that attains it.
    """
    _check_positions(x, "global_max_pool")
    places = _largest_of_cells(x.data if isinstance(x, Tensor) else x, (1,) * (x.ndim - 2))
    y = at_indices(x, places)
    return y if keepdims else reshape(y, x.shape[:2])


def _check_positions(x: Any, name: str) -> None:
    if x.ndim < 3 or 0 in x.shape[2:]:
        raise ShapeError(
            f"{name}: x must have shape (N, C, ...) with at least one position, got {x.shape}"
        )
