"""Test the gradient of an op of your own: run `pytest examples/testing_your_own_op.py`.

The op is a one-dimensional smoothing, y[i] = (x[i] + x[i+1] + x[i+2]) / 3 every `stride` positions.
Its gradient is a sum over overlapping windows, the place where such gradients go wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as hs

import tinygrad_cnn as tg
from tinygrad_cnn.testing import op_property
from tinygrad_cnn.testing import strategies as st


@tg.op
def smooth(x, /, *, stride):
    """y[..., i] = (x[..., s i] + x[..., s i + 1] + x[..., s i + 2]) / 3"""
    return sum(x[..., a : x.shape[-1] - 2 + a : stride] for a in range(3)) / 3


@tg.op
def smooth_input(g, /, *, stride, size):
    """The transpose of smooth: each window's g / 3 is added to its three elements."""
    x = np.zeros((*g.shape[:-1], size), g.dtype)
    for a in range(3):
        x[..., a : size - 2 + a : stride] += g / 3
    return x


# Each is the gradient of the other, so that derivatives of any order follow.
smooth.vjp(lambda g, _y, _x, stride: smooth_input(g, stride=stride, size=_x.shape[-1]))
smooth_input.vjp(lambda h, _y, _g, stride, size: smooth(h, stride=stride))


def by_hand(x: Any, stride: int) -> Any:
    """The same, from the library's functions: slower, and plainly right."""
    windows = [x[..., i : i + 3] for i in range(0, x.shape[-1] - 2, stride)]
    return tg.stack([tg.mean(w, axis=-1) for w in windows], axis=-1)


@hs.composite
def signals(draw: Any) -> Any:
    """x (N, L) with L at least 3, and a stride that need not divide it."""
    shape = draw(hs.integers(1, 3)), draw(hs.integers(3, 9))
    return (draw(st.arrays(shape)),), {"stride": draw(hs.integers(1, 4))}


@op_property(inputs=signals(), reference=by_hand, mutants=True, examples=30)
def test_smooth(x, *, stride):
    """Every property, to second order; and no wrong gradient of `smooth` would pass."""
    return smooth(x, stride=stride)


@op_property(inputs=st.awkward_layouts(signals()), order=1)
def test_smooth_in_any_memory_layout(x, *, stride):
    """Transposed, reversed, strided and read-only arrays."""
    return smooth(x, stride=stride)


if __name__ == "__main__":
    test_smooth()
    test_smooth_in_any_memory_layout()
    print("the gradient of smooth is right, and its test would notice if it were not")
