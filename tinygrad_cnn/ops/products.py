"""Products of vectors, matrices and arrays: each multiplies elements, and sums."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_cnn import kernels
from tinygrad_cnn.core.op import op
from tinygrad_cnn.errors import ShapeError
from tinygrad_cnn.ops.axes import normalize_axes, normalize_axis
from tinygrad_cnn.ops.contraction import contract, einsum
from tinygrad_cnn.ops.elementwise import conj, multiply, subtract
from tinygrad_cnn.ops.shape import expand_dims, matrix_transpose, moveaxis, reshape, roll


@op
def matmul(x1, x2, /):
    """y[..., i, j] = sum_k x1[..., i, k] x2[..., k, j]

    A vector is a row on the left, a column on the right.
    """
    a, b = np.shape(x1), np.shape(x2)
    if not a or not b:
        raise ShapeError(
            f"matmul: takes vectors and matrices, got shapes {a} and {b}; use * for numbers"
        )
    inner = b[-2] if len(b) > 1 else b[0]
    if a[-1] != inner:
        raise ShapeError(
            f"matmul: the last axis of x1 must equal the second to last of x2, got {a[-1]} and "
            f"{inner} (x1 {a}, x2 {b})"
        )
    return kernels.matmul(x1, x2)


def _as_matrix(g: Any, x1: Any, x2: Any) -> Any:
    """g with the axes back that matmul left out for vectors, each a row or a column."""
    if x1.ndim == 1:
        g = expand_dims(g, axis=-2 if x2.ndim > 1 else -1)
    return expand_dims(g, axis=-1) if x2.ndim == 1 else g


def _matmul_left(g: Any, x1: Any, x2: Any) -> Any:
    """dL/dx1 = g x2^T"""
    g = _as_matrix(g, x1, x2)
    y = matmul(g, expand_dims(x2, axis=0) if x2.ndim == 1 else matrix_transpose(x2))
    return reshape(y, (*y.shape[:-2], y.shape[-1])) if x1.ndim == 1 else y


def _matmul_right(g: Any, x1: Any, x2: Any) -> Any:
    """dL/dx2 = x1^T g"""
    g = _as_matrix(g, x1, x2)
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
    y = kernels.matmul(x, w.T)
    if b is not None:
        if np.shape(b) != (w.shape[0],):
            raise ShapeError(f"linear: b must have shape ({w.shape[0]},), got {np.shape(b)}")
        y = np.add(y, b, out=y if y.dtype == np.result_type(y, b) else None)
    return y


def _rows(x: Any) -> Any:
    return reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))  # (..., I) -> (M, I)


linear.vjp(
    lambda g, _y, _x, w, _b: matmul(g, w),
    lambda g, _y, x, _w, _b: matmul(_rows(g).T, _rows(x)),  # (O, M) (M, I) -> (O, I)
    lambda g, _y, _x, _w, _b: g,  # the sweep sums it to (O,)
)


def tensordot(
    x1: Any, x2: Any, /, *, axes: int | tuple[int | Sequence[int], int | Sequence[int]] = 2
) -> Any:
    """The sum of x1 x2 over pairs of axes: y[free axes of x1, free axes of x2].

    axes=n pairs the last n axes of x1 with the first n of x2; axes=(a, b) pairs those named in a
    with those named in b.

    >>> import numpy as np
    >>> tensordot(np.ones((2, 3, 4)), np.ones((4, 3)), axes=((1, 2), (1, 0)))
    array([12., 12.])
    """
    n1, n2 = _paired_axes(axes, x1.shape, x2.shape)
    first = list(range(x1.ndim))  # every axis of x1 has a label of its own; a paired one shares it
    second = list(range(x1.ndim, x1.ndim + x2.ndim))
    for i, j in zip(n1, n2, strict=True):
        second[j] = first[i]
    free = (*(k for k in first if k not in second), *(k for k in second if k not in first))
    return contract(x1, x2, labels=(tuple(first), tuple(second), free))


def _paired_axes(
    axes: Any, shape1: tuple[int, ...], shape2: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if isinstance(axes, Sequence):
        a, b = (tuple(k) if isinstance(k, Sequence) else (k,) for k in axes)
    else:
        n = operator.index(axes)
        if not 0 <= n <= min(len(shape1), len(shape2)):
            raise ShapeError(
                f"tensordot: axes={n} pairs that many axes of each, got x1 {shape1}, x2 {shape2}"
            )
        a, b = tuple(range(len(shape1) - n, len(shape1))), tuple(range(n))
    a, b = (
        normalize_axes(a, len(shape1), "tensordot"),
        normalize_axes(b, len(shape2), "tensordot"),
    )
    sizes = [shape1[i] for i in a], [shape2[j] for j in b]
    if sizes[0] != sizes[1]:
        raise ShapeError(
            f"tensordot: paired axes must have equal lengths, got {sizes[0]} (axes {a} of x1 "
            f"{shape1}) and {sizes[1]} (axes {b} of x2 {shape2})"
        )
    return a, b


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """y = sum_k conj(x1_k) x2_k along `axis`, the other axes broadcasting.

    >>> import numpy as np
    >>> vecdot(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 10.0]))
    array([21., 43.])
    """
    x1, x2 = _vectors_last(x1, x2, axis, "vecdot")
    if x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(
            f"vecdot: the vectors must have one length, got {x1.shape[-1]} and {x2.shape[-1]}"
        )
    return einsum("...k,...k->...", conj(x1), x2)


def _vectors_last(x1: Any, x2: Any, axis: int, name: str) -> tuple[Any, Any]:
    """Both with their axis `axis`, which must be the same one after broadcasting, at the end."""
    i, j = normalize_axis(axis, x1.ndim, name), normalize_axis(axis, x2.ndim, name)
    if i - x1.ndim != j - x2.ndim:
        raise ShapeError(
            f"{name}: axis={axis} names different axes of x1 {x1.shape} and x2 {x2.shape} once "
            f"they broadcast; count it from the end (a negative axis)"
        )
    return moveaxis(x1, i, -1), moveaxis(x2, j, -1)


def outer(x1: Any, x2: Any, /) -> Any:
    """y[i, j] = x1[i] x2[j], for two vectors."""
    if x1.ndim != 1 or x2.ndim != 1:
        raise ShapeError(
            f"outer: takes two vectors, got shapes {x1.shape} and {x2.shape}; flatten them, or "
            f"broadcast: x1[:, None] * x2"
        )
    return multiply(expand_dims(x1, axis=1), x2)


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """y = (a1 b2 - a2 b1, a2 b0 - a0 b2, a0 b1 - a1 b0) for vectors a, b of three along `axis`.

    >>> import numpy as np
    >>> cross(np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    array([0., 0., 1.])
    """
    a, b = _vectors_last(x1, x2, axis, "cross")
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ShapeError(
            f"cross: vectors have three elements along axis {axis}, got x1 {x1.shape}, x2 "
            f"{x2.shape}"
        )
    a12, a20 = roll(a, -1, axis=-1), roll(a, 1, axis=-1)  # (a1, a2, a0), (a2, a0, a1)
    b12, b20 = roll(b, -1, axis=-1), roll(b, 1, axis=-1)
    y = subtract(multiply(a12, b20), multiply(a20, b12))
    return moveaxis(y, -1, axis if axis < 0 else axis - max(x1.ndim, x2.ndim))


def kron(x1: Any, x2: Any, /) -> Any:
    """The Kronecker product: x2 in the place of every element of x1, times that element.

    y[i m + k, j n + l] = x1[i, j] x2[k, l] for x2 (m, n), and likewise for any number of axes.

    >>> import numpy as np
    >>> kron(np.array([1.0, 10.0]), np.array([1.0, 2.0]))
    array([ 1.,  2., 10., 20.])
    """
    ndim = max(x1.ndim, x2.ndim)
    s1 = (1,) * (ndim - x1.ndim) + x1.shape
    s2 = (1,) * (ndim - x2.ndim) + x2.shape
    coarse = reshape(x1, tuple(n for m in s1 for n in (m, 1)))  # (i, 1, j, 1)
    fine = reshape(x2, tuple(n for m in s2 for n in (1, m)))  # (1, k, 1, l)
    return reshape(multiply(coarse, fine), tuple(m * n for m, n in zip(s1, s2, strict=True)))
