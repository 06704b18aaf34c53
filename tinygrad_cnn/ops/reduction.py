"""Sums, means, extrema: many numbers become one."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn import kernels
from tinygrad_cnn.core.op import op
from tinygrad_cnn.errors import ShapeError
from tinygrad_cnn.ops.axes import Axis, count, keep_axes, normalize_axes
from tinygrad_cnn.ops.elementwise import (
    astype,
    check_imaginary,
    conj,
    exp,
    real,
    scale,
    sqrt,
    where,
)
from tinygrad_cnn.ops.shape import broadcast_to, reshape

# A sum and a broadcast are each other's transpose: sum's gradient broadcasts, broadcast_to's sums.


@op
def sum(x, /, *, axis=None, dtype=None, keepdims=False):
    """y = sum over `axis` of x (all axes for None)."""
    axes = normalize_axes(axis, np.ndim(x), "sum")
    check_imaginary(x, dtype, "sum")
    return np.sum(x, axis=axes, dtype=dtype, keepdims=keepdims)


sum.vjp(
    lambda g, _y, _x, axis, keepdims, **_: broadcast_to(
        keep_axes(g, axis, _x.shape, keepdims), _x.shape
    )
)


@op
def channel_sum(x, /):
    """y[c] = sum of x[:,c] over all axes but the second: the gradient of a bias."""
    return kernels.channel_sum(x)


channel_sum.vjp(lambda g, _y, _x: broadcast_to(reshape(g, (-1,) + (1,) * (_x.ndim - 2)), _x.shape))


@op
def mean(x, /, *, axis=None, keepdims=False):
    """y = 1/n sum over `axis` of x, n the number of elements that one mean takes together."""
    axes = normalize_axes(axis, np.ndim(x), "mean")
    if count(np.shape(x), axes) == 0:  # NumPy's answer is NaN too, with a warning
        return np.sum(x, axis=axes, keepdims=keepdims) * np.nan
    return np.mean(x, axis=axes, keepdims=keepdims)


mean.vjp(
    lambda g, _y, _x, axis, keepdims: broadcast_to(
        keep_axes(g, axis, _x.shape, keepdims) / count(_x.shape, axis), _x.shape
    )
)


def var(x: Any, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """y = sum |x - mean|^2 / (n - correction)"""
    n = count(x.shape, axis)
    d = x - mean(x, axis=axis, keepdims=True)
    squares = real(d * conj(d)) if d.dtype.kind == "c" else d * d
    divisor = n - correction
    return sum(squares, axis=axis, keepdims=keepdims) * (1.0 / divisor if divisor > 0 else np.nan)


def std(x: Any, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """y = sqrt(var(x)); its derivative is 0 where x does not vary."""
    v = var(x, axis=axis, correction=correction, keepdims=keepdims)
    return where(v == 0, 0.0, sqrt(where(v == 0, 1.0, v)))


def _extremum(x: Any, y: Any, g: Any, axis: Axis, keepdims: bool) -> Any:
    """Each position that attains the extremum y gets an equal share of g."""
    y, g = keep_axes(y, axis, x.shape, keepdims), keep_axes(g, axis, x.shape, keepdims)
    ties = x == y
    share = sum(astype(ties, g.dtype), axis=axis, keepdims=True)
    return where(ties, g / share, 0.0)


@op
def max(x, /, *, axis=None, keepdims=False):
    """The largest over `axis`; equal ones share the gradient equally."""
    axes = normalize_axes(axis, np.ndim(x), "max")
    _refuse_empty(x, axes, "max")
    return np.max(x, axis=axes, keepdims=keepdims)


max.vjp(lambda g, y, x, axis, keepdims: _extremum(x, y, g, axis, keepdims))


@op
def min(x, /, *, axis=None, keepdims=False):
    """The smallest over `axis`; equal ones share the gradient equally."""
    axes = normalize_axes(axis, np.ndim(x), "min")
    _refuse_empty(x, axes, "min")
    return np.min(x, axis=axes, keepdims=keepdims)


min.vjp(lambda g, y, x, axis, keepdims: _extremum(x, y, g, axis, keepdims))


@op
def prod(x, /, *, axis=None, dtype=None, keepdims=False):
    """y = product over `axis` of x"""
    axes = normalize_axes(axis, np.ndim(x), "prod")
    check_imaginary(x, dtype, "prod")
    return np.prod(x, axis=axes, dtype=dtype, keepdims=keepdims)


prod.vjp(
    lambda g, _y, x, axis, keepdims, **_: (
        keep_axes(g, axis, x.shape, keepdims) * products_of_others(x, axis=axis)
    )
)


def products_of_others(x: Any, /, *, axis: Axis = None) -> Any:
    """p[i] = product of all x[j], j != i, along `axis`: the slope of prod, exact where x has zeros.

    (product of those before) * (product of those after), by two cumulative products; the quotient
    prod(x) / x[i] would be 0/0 at a zero.
    """
    from tinygrad_cnn.ops.scan import exclusive_cumulative_prod  # it uses reductions, too

    axes = normalize_axes(axis, x.ndim, "prod")
    if not axes:
        return x * 0 + 1
    rest = [i for i in range(x.ndim) if i not in axes]
    order = (*rest, *axes)
    moved = x.transpose(order) if x.ndim > 1 else x
    flat = moved.reshape((*moved.shape[: len(rest)], count(x.shape, axis)))
    before = exclusive_cumulative_prod(flat)
    after = exclusive_cumulative_prod(flat[..., ::-1])[..., ::-1]
    products = (before * after).reshape(moved.shape)
    return products.transpose(tuple(np.argsort(order))) if x.ndim > 1 else products


@op
def logsumexp(x, /, *, axis=None, keepdims=False):
    """y = ln sum over `axis` of e^x, computed as m + ln sum e^(x - m) with m = max x."""
    axes = normalize_axes(axis, np.ndim(x), "logsumexp")
    x = x if x.dtype.kind in "fc" else x.astype(np.float64)
    m = np.max(x, axis=axes, keepdims=True, initial=-np.inf)
    m = np.where(np.isfinite(m), m, np.zeros((), x.dtype))
    with np.errstate(divide="ignore"):  # all of x may be -inf: ln 0 = -inf is the answer
        y = np.log(np.sum(np.exp(x - m), axis=axes, keepdims=True)) + m
    return y if keepdims else np.squeeze(y, axes)


def _softmax_from(x: Any, y: Any, axis: Axis, keepdims: bool) -> Any:
    """e^(x - y), the softmax, where y = logsumexp(x); 0 where all of x is -inf."""
    y = keep_axes(y, axis, x.shape, keepdims)
    return exp(where(y == -np.inf, -np.inf, x) - where(y == -np.inf, 0.0, y))


logsumexp.vjp(
    lambda g, y, x, axis, keepdims: scale(
        keep_axes(g, axis, x.shape, keepdims), _softmax_from(x, y, axis, keepdims)
    )
)


@op(differentiable=False)
def argmax(x, /, *, axis=None, keepdims=False):
    """The position of the largest, the first one on ties."""
    return np.argmax(x, axis=axis, keepdims=keepdims)


@op(differentiable=False)
def argmin(x, /, *, axis=None, keepdims=False):
    """The position of the smallest, the first one on ties."""
    return np.argmin(x, axis=axis, keepdims=keepdims)


@op(differentiable=False)
def all(x, /, *, axis=None, keepdims=False):
    """Whether every element is true."""
    return np.all(x, axis=normalize_axes(axis, np.ndim(x), "all"), keepdims=keepdims)


@op(differentiable=False)
def any(x, /, *, axis=None, keepdims=False):
    """Whether some element is true."""
    return np.any(x, axis=normalize_axes(axis, np.ndim(x), "any"), keepdims=keepdims)


@op(differentiable=False)
def count_nonzero(x, /, *, axis=None, keepdims=False):
    """How many elements are not zero."""
    axes = normalize_axes(axis, np.ndim(x), "count_nonzero")
    return np.sum(np.not_equal(x, 0), axis=axes, keepdims=keepdims, dtype=np.intp)


def _refuse_empty(x: Any, axes: tuple[int, ...], name: str) -> None:
    if np.size(x) == 0 and count(np.shape(x), axes) == 0:
        raise ShapeError(
            f"{name}: of no elements does not exist (shape {np.shape(x)}, axes {axes}); "
            f"check for emptiness first"
        )
