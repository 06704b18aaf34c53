"""Ways to make a gradient wrong: each is a mistake that somebody has made.

A mutation stands between a VJP and its caller. It is given a Call, by which it can ask for the
right gradient, and returns a wrong one. It is written with ops, as a VJP is, so that the graph of a
wrong gradient is wrong in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

import tinygrad_cnn.ops as ops
from tinygrad_cnn.core.node import Node
from tinygrad_cnn.core.tensor import Tensor, wrap

MUTATIONS: dict[str, Mutation] = {}
"""Those that make sense for any op, by name."""


@dataclass
class Call:
    """One call of a VJP, for one of the op's inputs.

    rule    rule(g, y, args, static) -> the right gradient of that input
    g, y, args, static   what the caller passed
    i       which input
    memory  a dict that the calls of one mutant share; what it holds is an effect
    """

    rule: Callable[[Any, Any, Any, Any], Any]
    g: Any
    y: Any
    args: tuple[Any, ...]
    static: dict[str, Any]
    i: int
    memory: dict[Any, Any] = field(default_factory=dict)

    @property
    def right(self) -> Any:
        """The right gradient."""
        return self.pull(self.g)

    def pull(self, g: Any) -> Any:
        """The right gradient for another g."""
        return self.rule(g, self.y, self.args, self.static)

    def given(self, **static: Any) -> Any:
        """The right gradient for other static keywords."""
        return self.rule(self.g, self.y, self.args, {**self.static, **static})

    def of(self, j: int, value: Any) -> Any:
        """The right gradient for another value of input j."""
        args = (*self.args[:j], value, *self.args[j + 1 :])
        return self.rule(self.g, self.y, args, self.static)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the input."""
        return tuple(np.shape(self.args[self.i]))


Spoil = Callable[[Call], Any]


@dataclass(frozen=True)
class Mutation:
    """A mistake: its name, and what it makes of a call."""

    name: str
    spoil: Spoil


def mutation(name: str) -> Callable[[Spoil], Spoil]:
    """Put a mistake that any op's gradient may contain into MUTATIONS."""

    def register(spoil: Spoil) -> Spoil:
        MUTATIONS[name] = Mutation(name, spoil)
        return spoil

    return register


def each(f: Callable[[Any], Any], g: Any) -> Any:
    """f of g, or of every one of the gs of an op with several outputs."""
    return tuple(map(f, g)) if isinstance(g, tuple | list) else f(g)


# -- wrong values ---------------------------------------------------------------------------------


@mutation("sign")
def _sign(call: Call) -> Any:
    return -call.right


@mutation("factor 2")
def _factor(call: Call) -> Any:
    return 2 * call.right


@mutation("one entry off by 1e-3")
def _one_entry(call: Call) -> Any:
    G = call.right
    factors = np.ones(np.shape(G), G.dtype)
    factors.reshape(-1)[-1:] = 1 + 1e-3
    return G * factors


@mutation("two entries swapped")
def _swapped(call: Call) -> Any:
    G = call.right
    order = np.arange(math.prod(G.shape))
    order[:2] = order[:2][::-1].copy()
    return ops.reshape(ops.getitem(ops.reshape(G, (-1,)), order), G.shape) if len(order) else G


@mutation("last row lost")
def _last_row(call: Call) -> Any:
    G = call.right
    if not G.ndim:
        return G
    kept = np.ones(G.shape, G.dtype)
    kept[-1:] = 0
    return G * kept


@mutation("transposed")
def _transposed(call: Call) -> Any:
    G = call.right
    return ops.reshape(ops.matrix_transpose(G), G.shape) if G.ndim > 1 else G


@mutation("upstream dropped")
def _upstream_dropped(call: Call) -> Any:
    return call.pull(each(lambda g: np.ones(g.shape, g.dtype), call.g))


@mutation("upstream clipped to -1..1")
def _clipped(call: Call) -> Any:
    return call.pull(each(lambda g: ops.clip(g, -1.0, 1.0), call.g))


@mutation("NaN for an upstream of zero")
def _normalised(call: Call) -> Any:
    gs = call.g if isinstance(call.g, tuple | list) else [call.g]
    size: Any = 0.0
    for g in gs:
        size = size + ops.sum(ops.abs(g))
    return call.right * (size / size)  # as when g is scaled to length 1, and G back


@mutation("constant added")
def _constant(call: Call) -> Any:
    return call.right + 1e-3


@mutation("broadcast: first copy for the sum")
def _sum_missing(call: Call) -> Any:
    G = call.right
    axes = _broadcast_axes(G.shape, call.shape)
    first = tuple(slice(0, 1) if a in axes else slice(None) for a in range(G.ndim))
    return ops.reshape(ops.getitem(G, first), call.shape) if axes else G


@mutation("broadcast: mean for the sum")
def _mean_for_sum(call: Call) -> Any:
    G = call.right
    copies = math.prod(G.shape[a] for a in _broadcast_axes(G.shape, call.shape))
    return G / copies if copies > 1 else G


@mutation("broadcast: sum over the wrong axis")
def _wrong_axis(call: Call) -> Any:
    G = call.right
    axes = _broadcast_axes(G.shape, call.shape)
    square = G.ndim > 1 and G.shape[-1] == G.shape[-2]
    return ops.matrix_transpose(G) if square and axes else G  # whose sum is that over the other


def _broadcast_axes(shape: tuple[int, ...], to: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of a gradient in `shape` that the sweep sums over for an input of shape `to`."""
    extra = len(shape) - len(to)
    stretched = (a + extra for a, n in enumerate(to) if n == 1 and shape[a + extra] != 1)
    return (*range(extra), *stretched)


# -- right values, wrong manners ------------------------------------------------------------------


@mutation("computed in float32")
def _downcast(call: Call) -> Any:
    G = call.right
    low = np.complex64 if G.dtype.kind == "c" else np.float32
    return ops.astype(ops.astype(G, low), G.dtype)


@mutation("second derivative detached")
def _detached(call: Call) -> Any:
    G = call.right
    return wrap(G.data, None) if isinstance(G, Tensor) else G


def _known(a: Any) -> Any:
    """A constant with the value of a."""
    return wrap(a.data, None) if isinstance(a, Tensor) else a


@mutation("saved values detached")
def _captured(call: Call) -> Any:
    return call.rule(call.g, _known(call.y), tuple(map(_known, call.args)), call.static)


@mutation("upstream detached")
def _upstream_detached(call: Call) -> Any:
    return call.pull(each(_known, call.g))


@mutation("another rounding every time")
def _unrepeatable(call: Call) -> Any:
    G, n = call.right, call.memory.setdefault("calls", [0])
    n[0] += 1
    return G * (1 + n[0] % 7 * np.finfo(G.dtype).eps)


@mutation("memory order taken for granted")
def _memory_order(call: Call) -> Any:
    def read(g: Any) -> Any:
        return g if isinstance(g, Tensor) else g.ravel(order="K").reshape(g.shape)

    return call.pull(each(read, call.g))


@mutation("one buffer for every gradient")
def _aliased(call: Call) -> Any:
    G = call.right
    if isinstance(G, Tensor):
        return G
    buffer = call.memory.setdefault((G.shape, G.dtype), np.empty(G.shape, G.dtype))
    buffer[...] = G
    return buffer


@mutation("writes into the upstream gradient")
def _writes_upstream(call: Call) -> Any:
    G = np.array(call.right) if not isinstance(call.right, Tensor) else call.right
    each(_soil, call.g)
    return G


@mutation("writes into a saved array")
def _writes_saved(call: Call) -> Any:
    G = call.right
    if not isinstance(G, Tensor):
        G = np.array(G)
        for saved in (call.y, *call.args):
            _soil(saved)
    return G


@mutation("overwrites a residual")
def _writes_residual(call: Call) -> Any:
    G = call.right
    for kept in call.static.values():
        if isinstance(kept, np.ndarray) and kept.flags.writeable:
            kept[...] = 0
    return G


@mutation("reference cycle")
def _cycle(call: Call) -> Any:
    node = call.y._node if isinstance(call.y, Tensor) else call.y
    if isinstance(node, Node):
        node.hooks = [partial(_nothing, node)]  # the node holds the hook, the hook the node
        call.memory["cycle"] = True
    return call.right


def _nothing(_node: Node, _g: Any) -> None:
    """A hook that changes nothing."""


def _soil(a: Any) -> None:
    if isinstance(a, np.ndarray) and a.dtype.kind in "fc" and a.flags.writeable:
        a += 1
