"""Running sums, products and extrema along an axis, and differences, which undo running sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_cnn.core.op import op
from tinygrad_cnn.core.tensor import Tensor, another_name
from tinygrad_cnn.errors import AxisError, ConfigError
from tinygrad_cnn.ops.axes import normalize_axis
from tinygrad_cnn.ops.elementwise import check_imaginary, exp, multiply, scale, subtract, where
from tinygrad_cnn.ops.indexing import take_along_axis
from tinygrad_cnn.ops.logic import not_equal
from tinygrad_cnn.ops.shape import broadcast_to, concat, flip, moveaxis


@op
def cumsum(x, /, *, axis, dtype=None):
    """y[i] = x[0] + ... + x[i] along `axis`"""
    return np.cumsum(x, axis=normalize_axis(axis, np.ndim(x), "cumsum"), dtype=dtype)


cumsum.vjp(lambda g, _y, _x, axis, **_: flip(cumsum(flip(g, axis=axis), axis=axis), axis=axis))


@op
def cumprod(x, /, *, axis, dtype=None):
    """y[i] = x[0] ... x[i] along `axis`"""
    return np.cumprod(x, axis=normalize_axis(axis, np.ndim(x), "cumprod"), dtype=dtype)


def _cumprod_slope(g: Any, y: Any, x: Any, axis: int, **_: Any) -> Any:
    """dL/dx[j] = x[0] ... x[j-1] r[j], where r[j] = g[j] + x[j+1] r[j+1]

    since y[i] = (x[0] ... x[j-1]) x[j] (x[j+1] ... x[i]) for i >= j. The quotient y[i] / x[j],
    which the textbooks have, is 0/0 at a zero; this has no division.
    """
    g, y, x = (moveaxis(a, axis, -1) for a in (g, y, x))
    after = _shift(x[..., 1:], 0, at_end=True)  # x[j+1], and nothing after the last
    r = flip(recurrence(flip(after, axis=-1), flip(g, axis=-1)), axis=-1)
    return moveaxis(multiply(_shift(y[..., :-1], 1), r), -1, axis)


cumprod.vjp(_cumprod_slope)


@op
def recurrence(a, b, /):
    """y[i] = a[i] y[i-1] + b[i] along the last axis, y[-1] = 0"""
    shape = np.broadcast_shapes(a.shape, b.shape)
    a, b = (np.moveaxis(np.broadcast_to(c, shape), -1, 0) for c in (a, b))
    y = np.array(b, np.result_type(a, b))
    for i in range(1, len(y)):
        y[i] += a[i] * y[i - 1]
    return np.moveaxis(y, 0, -1)


def _recurrence_back(g: Any, a: Any) -> Any:
    """dL/db: s[i] = g[i] + a[i+1] s[i+1], the same recurrence run from the end."""
    after = _shift(broadcast_to(a, g.shape)[..., 1:], 0, at_end=True)
    return flip(recurrence(flip(after, axis=-1), flip(g, axis=-1)), axis=-1)


recurrence.vjp(
    lambda g, y, a, _b: multiply(_recurrence_back(g, a), _shift(y[..., :-1], 0)),
    lambda g, _y, a, _b: _recurrence_back(g, a),
)


def _shift(x: Any, fill: int, at_end: bool = False) -> Any:
    """x with one more element along the last axis: `fill` before it, or after it."""
    end = np.full((*x.shape[:-1], 1), fill, x.dtype)
    return concat([x, end] if at_end else [end, x], axis=-1)


def exclusive_cumulative_prod(x: Any, /) -> Any:
    """y[i] = x[0] ... x[i-1] along the last axis, y[0] = 1."""
    return _shift(cumprod(x[..., :-1], axis=-1), 1) if x.shape[-1] else x


def cumulative_sum(
    x: Any,
    /,
    *,
    axis: int | None = None,
    dtype: DTypeLike | None = None,
    include_initial: bool = False,
) -> Any:
    """y[i] = x[0] + ... + x[i] along `axis` (which may be left out for a vector).

    include_initial=True begins with the sum of nothing, 0; y is then longer by one.

    >>> cumulative_sum(np.array([1.0, 2.0, 3.0]), include_initial=True)
    array([0., 1., 3., 6.])
    """
    return _cumulate(cumsum, x, axis, dtype, include_initial, 0, "cumulative_sum")


def cumulative_prod(
    x: Any,
    /,
    *,
    axis: int | None = None,
    dtype: DTypeLike | None = None,
    include_initial: bool = False,
) -> Any:
    """y[i] = x[0] ... x[i] along `axis` (which may be left out for a vector).

    include_initial=True begins with the product of nothing, 1; y is then longer by one. Zeros in
    x are no obstacle to derivatives of any order.

    >>> cumulative_prod(np.array([2.0, 3.0, 4.0]))
    array([ 2.,  6., 24.])
    """
    return _cumulate(cumprod, x, axis, dtype, include_initial, 1, "cumulative_prod")


def _cumulate(
    scan: Callable[..., Any],
    x: Any,
    axis: int | None,
    dtype: DTypeLike | None,
    include_initial: bool,
    initial: int,
    name: str,
) -> Any:
    axis = _only_axis(axis, x, name)
    check_imaginary(x, dtype, name)
    y = scan(x, axis=axis, dtype=None if dtype is None else np.dtype(dtype))
    if not include_initial:
        return y
    first = np.full((*y.shape[:axis], 1, *y.shape[axis + 1 :]), initial, y.dtype)
    return concat([first, y], axis=axis)


def _only_axis(axis: int | None, x: Any, name: str) -> int:
    if axis is None and x.ndim != 1:
        raise AxisError(f"{name}: name the axis, unless x is a vector, got shape {x.shape}")
    return normalize_axis(-1 if axis is None else axis, x.ndim, name)


def cumulative_max(x: Any, /, *, axis: int | None = None) -> Any:
    """y[i] = max(x[0], ..., x[i]) along `axis`; of equal ones the first gets the gradient."""
    return _records(x, np.maximum, np.greater, axis, "cumulative_max")


def cumulative_min(x: Any, /, *, axis: int | None = None) -> Any:
    """y[i] = min(x[0], ..., x[i]) along `axis`; of equal ones the first gets the gradient."""
    return _records(x, np.minimum, np.less, axis, "cumulative_min")


def _records(x: Any, extremum: np.ufunc, beats: np.ufunc, axis: int | None, name: str) -> Any:
    """x at the position of the record that stands at each i; the first NaN stands for good."""
    axis = _only_axis(axis, x, name)
    values = np.moveaxis(np.asarray(x.data if isinstance(x, Tensor) else x), axis, -1)
    position = np.zeros(values.shape, np.intp)
    before, here = extremum.accumulate(values, axis=-1)[..., :-1], values[..., 1:]
    new = (beats(here, before) | np.isnan(here)) & ~np.isnan(before)
    position[..., 1:] = np.where(new, np.arange(1, values.shape[-1]), 0)
    position = np.maximum.accumulate(position, axis=-1)
    return take_along_axis(x, np.moveaxis(position, -1, axis), axis=axis)


@op
def logcumsumexp(x, /, *, axis=-1):
    """y[i] = ln(e^x[0] + ... + e^x[i]) along `axis`, without overflow."""
    return np.logaddexp.accumulate(x, axis=normalize_axis(axis, np.ndim(x), "logcumsumexp"))


def _logcumsumexp_slope(g: Any, y: Any, x: Any, axis: int) -> Any:
    """dL/dx[j] = sum_{i >= j} g[i] e^(x[j] - y[i]) = e^(x[j] - y[j]) r[j]

    with r[j] = g[j] + e^(y[j] - y[j+1]) r[j+1]. As y never falls, no exponent is above 0.
    """
    g, y, x = (moveaxis(a, axis, -1) for a in (g, y, x))
    fall = _shift(_exp_difference(y[..., :-1], y[..., 1:]), 0, at_end=True)
    r = flip(recurrence(flip(fall, axis=-1), flip(g, axis=-1)), axis=-1)
    return moveaxis(scale(r, _exp_difference(x, y)), -1, axis)


def _exp_difference(a: Any, b: Any) -> Any:
    """e^(a - b), and 0 where a = -inf, also at b = -inf."""
    some = not_equal(a, -np.inf)
    return where(some, exp(subtract(where(some, a, 0.0), where(some, b, 0.0))), 0.0)


logcumsumexp.vjp(_logcumsumexp_slope)


def diff(x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> Any:
    """y[i] = x[i+1] - x[i] along `axis`, n times over.

    prepend, append: arrays put before and after x along the axis first.

    >>> diff(np.array([1.0, 4.0, 9.0, 16.0]), n=2)
    array([2., 2.])
    """
    if n < 0:
        raise ConfigError(f"diff: n, how many times, is at least 0, got {n}")
    axis = normalize_axis(axis, x.ndim, "diff")
    parts = [part for part in (prepend, x, append) if part is not None]
    x = concat(parts, axis=axis) if len(parts) > 1 else another_name(x)
    before = (slice(None),) * axis
    for _ in range(n):
        later, earlier = x[(*before, slice(1, None))], x[(*before, slice(None, -1))]
        x = not_equal(later, earlier) if x.dtype.kind == "b" else subtract(later, earlier)
    return x
