"""Comparisons, truth values and bits: results without a derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Op, op
from tinygrad_cnn.errors import ShapeError
from tinygrad_cnn.ops.shape import unstack


def _unary(function: Any, name: str, doc: str) -> Op:
    def forward(x: Any, /) -> Any:
        return function(x)

    return _declare(forward, name, doc)


def _binary(function: Any, name: str, doc: str) -> Op:
    def forward(x1: Any, x2: Any, /) -> Any:
        return function(x1, x2)

    return _declare(forward, name, doc)


def _declare(forward: Any, name: str, doc: str) -> Op:
    forward.__doc__ = doc
    return op(name=name, differentiable=False)(forward)


equal = _binary(np.equal, "equal", "x1 = x2")
not_equal = _binary(np.not_equal, "not_equal", "x1 != x2")
less = _binary(np.less, "less", "x1 < x2")
less_equal = _binary(np.less_equal, "less_equal", "x1 <= x2")
greater = _binary(np.greater, "greater", "x1 > x2")
greater_equal = _binary(np.greater_equal, "greater_equal", "x1 >= x2")

logical_and = _binary(np.logical_and, "logical_and", "x1 and x2")
logical_or = _binary(np.logical_or, "logical_or", "x1 or x2")
logical_xor = _binary(np.logical_xor, "logical_xor", "either x1 or x2, not both")
logical_not = _unary(np.logical_not, "logical_not", "not x")

isfinite = _unary(np.isfinite, "isfinite", "Whether x is neither infinite nor NaN.")
isinf = _unary(np.isinf, "isinf", "Whether x is plus or minus infinity.")
isnan = _unary(np.isnan, "isnan", "Whether x is NaN.")
signbit = _unary(np.signbit, "signbit", "Whether the sign bit is set; true for -0.")

bitwise_and = _binary(np.bitwise_and, "bitwise_and", "x1 & x2")
bitwise_or = _binary(np.bitwise_or, "bitwise_or", "x1 | x2")
bitwise_xor = _binary(np.bitwise_xor, "bitwise_xor", "x1 ^ x2")
bitwise_invert = _unary(np.bitwise_invert, "bitwise_invert", "~x")
bitwise_left_shift = _binary(np.bitwise_left_shift, "bitwise_left_shift", "x1 << x2")
bitwise_right_shift = _binary(np.bitwise_right_shift, "bitwise_right_shift", "x1 >> x2")


@op(differentiable=False)
def _positions(x, /):
    """(axes, elements that are not 0): the position of each along every axis"""
    return np.stack(np.nonzero(x))


def nonzero(x: Any, /) -> tuple[Any, ...]:
    """Where x is not 0: for every axis, the positions of those elements along it, row by row.

    >>> nonzero(np.array([[0, 5], [6, 0]]))
    (array([0, 1]), array([1, 0]))
    """
    if x.ndim == 0:
        raise ShapeError("nonzero: of a number without axes has no positions; compare it with 0")
    return unstack(_positions(x))
