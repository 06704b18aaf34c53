"""Convolution and its gradients: which of the compiled ways each takes."""

from __future__ import annotations

from math import prod

import numpy as np

from tinygrad_cnn.kernels import blocked
from tinygrad_cnn.kernels.blocked.convolution import phases, same_type, with_bias
from tinygrad_cnn.kernels.blocked.memory import contiguous, fresh
from tinygrad_cnn.kernels.blocked.windows import Where
from tinygrad_cnn.kernels.compiled import direct, winograd
from tinygrad_cnn.kernels.compiled.jit import supported, whole
from tinygrad_cnn.kernels.fallback import fall_back
from tinygrad_cnn.kernels.geometry import Array, Ints, conv_output_size


def _fits(x: Ints, w: Ints, y: Ints, groups: int, *options: Ints) -> bool:
    """Whether images of shape x and y have one or two axes, and fit together through weights w.

    Machine code must not read beyond an array; what does not fit, NumPy refuses.
    """
    fits = len(x) == len(w) == len(y) in (3, 4) and groups >= 1 and w[0] % groups == 0
    fits = fits and (x[0], x[1], y[1]) == (y[0], w[1] * groups, w[0])
    fits = fits and all(whole(option, len(x) - 2) for option in options)
    return fits and prod(x) > 0 and prod(w) > 0 and prod(y) > 0


def conv(
    x: Array,
    w: Array,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    groups: int,
    bias: Array | None = None,
) -> Array:
    """As `reference.conv`, for images of one or two axes."""
    x, w, b = with_bias(x, w, bias)
    out = conv_output_size(x.shape[2:], w.shape[2:], stride, padding, dilation)
    y_shape = (x.shape[0], w.shape[0], *out)
    fits = _fits(x.shape, w.shape, y_shape, groups, stride, padding, dilation)
    if not (supported(x, w) and fits and b.shape == w.shape[:1]):
        return fall_back(blocked.conv, x, w, stride, padding, dilation, groups, bias)
    y = fresh(y_shape, x.dtype)
    where = Where(out, w.shape[2:], stride, padding, dilation)
    _correlate(y, y, contiguous(x), w, contiguous(b), where, groups)
    return y


def conv_input(
    g: Array, w: Array, size: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Array:
    """As `reference.conv_input`: a correlation of g for each phase of dx, as in `blocked`."""
    g, w = same_type(g, w)
    shape = (g.shape[0], groups * w.shape[1], *size)
    shapes = (shape, w.shape, g.shape)
    if not (supported(g, w) and _fits(*shapes, groups, size, stride, padding, dilation)):
        return fall_back(blocked.conv_input, g, w, size, stride, padding, dilation, groups)
    dx = fresh(shape, g.dtype)
    if prod(stride) > 1:
        dx.fill(0)  # a stride may leave positions unmet
    g, b = contiguous(g), np.zeros(dx.shape[1], g.dtype)
    for part, w_part, where in phases(dx, w, stride, padding, dilation, groups):
        _correlate(part, dx, g, w_part, b, where, groups)
    return dx


def conv_weight(
    x: Array, g: Array, size: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Array:
    """As `reference.conv_weight`."""
    x, g = same_type(x, g)
    shapes = (x.shape, (g.shape[1], x.shape[1] // groups, *size), g.shape)
    if not (supported(x, g) and _fits(*shapes, groups, size, stride, padding, dilation)):
        return fall_back(blocked.conv_weight, x, g, size, stride, padding, dilation, groups)
    where = Where(g.shape[2:], size, stride, padding, dilation)
    if winograd.fits(x.shape[1], g.shape[1], where, groups):
        return winograd.weight_gradient(contiguous(x), contiguous(g), where)
    x, g = _planes(contiguous(x), contiguous(g))
    dw = direct.weight_gradient(x, g, _plane(where), groups)
    return dw.reshape(*dw.shape[:2], *size)


def _correlate(
    y: Array, base: Array, x: Array, w: Array, b: Array, where: Where, groups: int
) -> None:
    y, x, w = _planes(y, x, w)
    if winograd.fits(x.shape[1], len(w), where, groups):
        winograd.correlate(y, x, w, b, where)
        return
    direct.correlate(y, base, x, np.ascontiguousarray(w), b, _plane(where), groups)


def _planes(*arrays: Array) -> tuple[Array, ...]:
    """(N, C, L) -> (N, C, 1, L)."""
    return tuple(a[:, :, None] if a.ndim == 3 else a for a in arrays)


def _plane(where: Where) -> Where:
    """The same on images whose first axis has length 1."""
    if len(where.out) == 2:
        return where
    return Where(*((side, *axis) for side, axis in zip((1, 1, 1, 0, 1), where, strict=True)))
