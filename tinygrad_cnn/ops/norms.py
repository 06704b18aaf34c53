"""Lengths of vectors, sizes of matrices. At 0 a norm has a kink, and its gradient is 0."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cnn.core.op import op
from tinygrad_cnn.errors import AxisError, ConfigError
from tinygrad_cnn.ops.axes import Axis, count, keep_axes, normalize_axes
from tinygrad_cnn.ops.decompositions import svdvals
from tinygrad_cnn.ops.elementwise import abs, astype, conj, pow, real, scale, where, zero
from tinygrad_cnn.ops.matrices import check_matrix, plain, tolerance
from tinygrad_cnn.ops.reduction import any, max, min, sum
from tinygrad_cnn.ops.shape import expand_dims, moveaxis


@op
def euclidean_norm(x, /, *, axis, keepdims):
    """y = sqrt(sum |x|^2) over `axis`"""
    return np.sqrt(np.sum(np.square(np.abs(x)), axis=axis, keepdims=keepdims))


euclidean_norm.vjp(
    lambda g, y, x, axis, keepdims: scale(
        keep_axes(g, axis, x.shape, keepdims) * conj(x),
        1 / keep_axes(y, axis, x.shape, keepdims),
    )
)


def vector_norm(x: Any, /, *, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Any:
    """y = (sum |x|^p)^(1/p) over `axis`, p = ord; over all elements for axis=None.

    ord=inf is the largest |x|, -inf the smallest, 0 the number of elements that are not zero.
    Where the derivative does not exist or is infinite (p < 2 at an element that is 0, any p at a
    vector of zeros), it is 0.

    >>> float(vector_norm(np.array([3.0, 4.0])))
    5.0
    """
    axes = normalize_axes(axis, x.ndim, "vector_norm")
    x = x if x.dtype.kind in "fc" else astype(x, np.dtype(np.float64))
    k: dict[str, Any] = {"axis": axes, "keepdims": keepdims}
    if ord == 2:
        return euclidean_norm(x, **k)
    if ord in (math.inf, -math.inf):
        return (_largest if ord > 0 else min)(abs(x), **k)
    if ord == 0:
        return sum(where(x != 0, 1.0, zero(abs(x))), **k)
    if ord == 1:
        return sum(abs(x), **k)
    return _power_norm(x, ord, k)


def _power_norm(x: Any, p: float, k: dict[str, Any]) -> Any:
    if p > 0:
        return root(sum(powers(x, p), **k), p)
    at_zero = x == 0
    inverse_powers = pow(abs(where(at_zero, 1.0, x)), p)
    return where(any(at_zero, **k), 0.0, pow(sum(inverse_powers, **k), 1 / p))


def powers(x: Any, p: float) -> Any:
    """|x|^p for p > 0, with slope 0 at 0."""
    if p % 2 == 0:  # a polynomial in x, with no kink at single zeros
        return pow(real(conj(x) * x), int(p) // 2)
    at_zero = x == 0
    return where(at_zero, 0.0, pow(abs(where(at_zero, 1.0, x)), p))


def root(t: Any, p: float) -> Any:
    """t^(1/p), with slope 0 at 0."""
    return where(t == 0, 0.0, pow(where(t == 0, 1.0, t), 1 / p))


def _largest(x: Any, *, axis: Any, keepdims: bool) -> Any:
    """The maximum of numbers >= 0, and 0 of none."""
    return (max if count(x.shape, axis) else sum)(x, axis=axis, keepdims=keepdims)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: float | str | None = "fro") -> Any:
    """A norm of each matrix (..., M, N) -> (...), or (..., 1, 1) with keepdims.

    ord="fro"    sqrt(sum |x|^2), the Frobenius norm (also for None)
    ord="nuc"    the sum of the singular values
    ord=2, -2    the largest, the smallest singular value
    ord=1, -1    the largest, the smallest sum of a column's |x|
    ord=inf, -inf   the largest, the smallest sum of a row's |x|

    Equal largest (or smallest) ones share the gradient; singular values that are zero up to
    rounding have none in the nuclear norm.
    """
    check_matrix(x, "matrix_norm")
    x = x if x.dtype.kind in "fc" else astype(x, np.dtype(np.float64))
    if ord is None or ord == "fro":
        return euclidean_norm(x, axis=(x.ndim - 2, x.ndim - 1), keepdims=keepdims)
    if ord in (1, -1, math.inf, -math.inf):
        sums = sum(abs(x), axis=-2 if ord in (1, -1) else -1)
    elif ord in (2, -2, "nuc"):
        sums = svdvals(x)
    else:
        raise ConfigError(
            f'matrix_norm: ord must be "fro", "nuc", 1, -1, 2, -2, inf or -inf, got {ord!r}'
        )
    if ord == "nuc":
        y = _nuclear(sums, x)
    else:
        y = (_largest if ord in (1, 2, math.inf) else min)(sums, axis=-1, keepdims=False)
    return expand_dims(y, axis=(-2, -1)) if keepdims else y


def _nuclear(s: Any, x: Any) -> Any:
    """The sum of the singular values, those that are zero left out: there, |s| has its kink."""
    return sum(where(plain(s) > tolerance(plain(s), np.max(x.shape[-2:])), s, 0.0), axis=-1)


def norm(
    x: Any,
    /,
    ord: float | str | None = None,
    *,
    axis: Axis = None,
    keepdims: bool = False,
) -> Any:
    """`vector_norm` over one axis, `matrix_norm` over two, by the number of axes named.

    axis=None takes all axes of a vector or a matrix; with ord=None, the square root of the sum of
    all squares of anything.
    """
    if axis is None and ord is None:
        return vector_norm(x, keepdims=keepdims)
    axes = normalize_axes(axis, x.ndim, "norm")
    if len(axes) == 1:
        if isinstance(ord, str):
            raise ConfigError(f"norm: ord={ord!r} is for matrices; name two axes, or give a number")
        return vector_norm(x, axis=axes, keepdims=keepdims, ord=2 if ord is None else ord)
    if len(axes) != 2:
        raise AxisError(
            f"norm: of vectors names one axis, of matrices two, got axis={axis} for shape {x.shape}"
        )
    y = matrix_norm(moveaxis(x, axes, (-2, -1)), ord=ord)
    return keep_axes(y, axes, x.shape, False) if keepdims else y
