"""Products of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.op import op
from tinygrad_cnn.errors import ShapeError
from tinygrad_cnn.ops.shape import expand_dims, matrix_transpose, reshape


@op
def matmul(x1, x2, /):
    """y[..., i, j] = sum_k x1[..., i, k] x2[..., k, j]; a vector is a row on the left, a column on the right."""
    a, b = np.shape(x1), np.shape(x2)
    if not a or not b:
        raise ShapeError(f"matmul: takes vectors and matrices, got shapes {a} and {b}; use * for numbers")
    inner = b[-2] if len(b) > 1 else b[0]
    if a[-1] != inner:
        raise ShapeError(
            f"matmul: the last axis of x1 must equal the second to last of x2, got {a[-1]} and "
            f"{inner} (x1 {a}, x2 {b})"
        )
    return np.matmul(x1, x2)


def _as_matrices(g: Any, x1: Any, x2: Any) -> tuple[Any, Any, Any]:
    """(g, x1, x2) with vectors written as the row and the column that matmul takes them for."""
    if x1.ndim == 1:
        g = expand_dims(g, axis=-2 if x2.ndim > 1 else -1)
    if x2.ndim == 1:
        g = expand_dims(g, axis=-1)
    return g, x1, x2


def _matmul_left(g: Any, x1: Any, x2: Any) -> Any:
    """dL/dx1 = g x2^T"""
    g, _, _ = _as_matrices(g, x1, x2)
    y = matmul(g, expand_dims(x2, axis=0) if x2.ndim == 1 else matrix_transpose(x2))
    return reshape(y, (*y.shape[:-2], y.shape[-1])) if x1.ndim == 1 else y


def _matmul_right(g: Any, x1: Any, x2: Any) -> Any:
    """dL/dx2 = x1^T g"""
    g, _, _ = _as_matrices(g, x1, x2)
    y = matmul(expand_dims(x1, axis=-1) if x1.ndim == 1 else matrix_transpose(x1), g)
    return reshape(y, y.shape[:-1]) if x2.ndim == 1 else y


matmul.vjp(
    lambda g, _y, _x1, x2: _matmul_left(g, _x1, x2),
    lambda g, _y, x1, _x2: _matmul_right(g, x1, _x2),
)


@op
def linear(x, w, b=None, /):
    """y[..., o] = sum_i x[..., i] w[o, i] + b[o]"""
    if np.ndim(w) != 2 or np.ndim(x) < 1 or np.shape(x)[-1] != w.shape[1]:
        raise ShapeError(
            f"linear: x (..., I) and w (O, I) must agree in I, got x {np.shape(x)}, w {np.shape(w)}"
        )
    y = np.matmul(x, w.T)
    if b is not None:
        if np.shape(b) != (w.shape[0],):
            raise ShapeError(f"linear: b must have shape ({w.shape[0]},), got {np.shape(b)}")
        y += b
    return y


def _rows(x: Any) -> Any:
    return reshape(x, (-1, x.shape[-1]))  # (..., I) -> (M, I)


linear.vjp(
    lambda g, _y, _x, w, _b: matmul(g, w),
    lambda g, _y, x, _w, _b: matmul(_rows(g).T, _rows(x)),  # (O, M) (M, I) -> (O, I)
    lambda g, _y, _x, _w, _b: g,  # the sweep sums it to (O,)
)
