"""Mistakes that belong to one place: convolution, pooling, losses, indexing, the sweep."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_cnn.ops as ops
from tinygrad_cnn.core.op import REGISTRY
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.ops.axes import keep_axes
from tinygrad_cnn.ops.pooling import _flat_indices
from tinygrad_cnn.testing.mutants.mutations import Call

# -- convolution ----------------------------------------------------------------------------------


def padding_off_by_one(call: Call) -> Any:
    """The gradient of the image, one pixel beside its place."""
    G = call.right
    beside = ops.pad(G, [(0, 0)] * (G.ndim - 1) + [(1, 0)])
    return ops.getitem(beside, (..., slice(0, G.shape[-1])))


def kernel_not_flipped(call: Call) -> Any:
    """dL/dx as a convolution with w read the same way as in the forward."""
    w = call.args[1]
    return call.of(1, ops.flip(w, axis=tuple(range(2, len(w.shape)))))


def remainder_forgotten(call: Call) -> Any:
    """The last window is lost where the stride does not divide the image."""
    (stride, padding, dilation) = (call.static[k][-1] for k in ("stride", "padding", "dilation"))
    x, w = call.args[:2]
    free = x.shape[-1] + 2 * padding - dilation * (w.shape[-1] - 1) - 1
    if free % stride == 0:
        return call.right
    kept = np.ones(call.g.shape[-1], call.g.dtype)
    kept[-1] = 0
    return call.pull(call.g * kept)


def dilation_ignored(call: Call) -> Any:
    """dL/dw from pixels side by side."""
    return call.given(dilation=(1,) * len(call.static["dilation"]))


def groups_ignored(call: Call) -> Any:
    """The gradient of a group's filters goes to the next group."""
    G = call.right
    return ops.roll(G, G.shape[0] // call.static["groups"], axis=0)


# -- pooling and reductions -----------------------------------------------------------------------


def last_window_for_all(call: Call) -> Any:
    """dx[...] = g in place of dx[...] += g: where windows overlap, the last one wins."""
    k = {key: call.static[key] for key in ("kernel", "stride", "padding", "dilation")}
    argmax = call.static["argmax"]
    places = _flat_indices(argmax, call.shape[2:], *k.values())
    wins = np.zeros(argmax.shape, bool)
    for n, c in np.ndindex(*argmax.shape[:2]):
        last = {int(place): i for i, place in enumerate(places[n, c].flat)}
        wins[n, c].reshape(-1)[list(last.values())] = True
    return call.pull(call.g * wins)


def ties_all_paid(g: Any, y: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """Every element that attains the maximum gets all of g."""
    y, g = (keep_axes(a, axis, x.shape, keepdims) for a in (y, g))
    return ops.where(x == y, g, 0.0)


def pooling_ties_all_paid(
    g: Any, y: Any, x: Any, argmax: Any, ceil_mode: bool, kernel: Any, **k: Any
) -> Any:
    """The same for every window."""
    scatter, gather = REGISTRY["window_scatter"], REGISTRY["window_gather"]
    total: Any = 0.0
    for tap in range(int(np.prod(kernel))):
        here = {"argmax": np.full_like(argmax, tap), "kernel": kernel, **k}
        paid = gather(x, **here) == y
        total = total + scatter(ops.where(paid, g, 0.0), size=x.shape[2:], **here)
    return total


def not_divided(call: Call) -> Any:
    """A mean's gradient without its 1/N."""
    return call.right * (call.args[0].size / max(call.g.size, 1))


# -- softmax and losses ---------------------------------------------------------------------------


def without_one_hot(g: Any, _y: Any, _logits: Any, _labels: Any, *, probabilities: Any) -> Any:
    """Softmax in place of softmax minus one-hot."""
    return probabilities * g[:, None], None


def diagonal_alone(g: Any, y: Any, _x: Any, axis: int) -> Any:
    """y g in place of y (g - <g, y>): each logit moves its own probability alone."""
    return y * g


def mask_forgotten(g: Any, _y: Any, _x: Any) -> Any:
    """ReLU's gradient passes everywhere."""
    return g


# -- indexing -------------------------------------------------------------------------------------


def assigned(g: Any, _y: Any, _x: Any, index: Any) -> Any:
    """dx[index] = g in place of dx[index] += g: an element named twice is paid once."""
    return ops.setitem(np.zeros(_x.shape, g.dtype), g, index=index)


# -- the sweep ------------------------------------------------------------------------------------


def overwrites(entry: tuple[Any, Any, bool], g: Any) -> tuple[Any, Any, bool]:
    """Of the gradients that arrive at a node by several paths, the last one stays."""
    return entry[0], g, False


def adds_into_any(entry: tuple[Any, Any, bool], g: Any) -> tuple[Any, Any, bool]:
    """Sums into the array that came first, whoever else holds it."""
    node, old, owned = entry
    if isinstance(old, Tensor) or not old.flags.writeable:
        return node, old + g, owned
    old += g
    return entry


def always(*_: Any) -> bool:
    """Whether nobody else holds an array: yes."""
    return True
