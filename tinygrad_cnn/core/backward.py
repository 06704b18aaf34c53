"""The reverse sweep: gradients flow from the newest node to the oldest.

Nodes are taken in descending sequence number, so that each is complete before it is pulled back:
everything that depends on it was recorded later. A heap gives the next one, a dict holds what has
arrived so far; there is no recursion, and a chain of a million ops is as good as one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from heapq import heapify, heappop, heappush
from sys import getrefcount
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_cnn.core.modes import STATE, State
from tinygrad_cnn.core.node import USED, USED_AND_ADDED_TO, Leaf, Node
from tinygrad_cnn.core.op import PICK, Op, pick
from tinygrad_cnn.core.registry import functions
from tinygrad_cnn.core.tensor import Tensor, another_name, wrap
from tinygrad_cnn.errors import DTypeError, FreedGraphError, ShapeError

Entry = tuple[Any, Any, bool]
"""(node, the gradient so far, whether the sweep owns it and may add to it in place)"""
Pending = dict[int, Entry]
"""By the nodes' numbers, what has arrived for them."""
Ways = dict[int, list[Node | None]]
"""By the number of a node that leads to a wanted one: its parents, None for those that do not"""
Pull = Callable[[Node, Any, Any], list[Any]]
"""(node, its gradient, the parents that need one) -> the gradients of the inputs"""


class GradientScope:
    """The scope of the nodes that a sweep records while it pulls back through `node`."""

    __slots__ = ("node",)

    def __init__(self, node: Node) -> None:
        self.node = node

    def __str__(self) -> str:
        inner = str(self.node.scope or "")
        return f"{inner} gradient of {self.node.op.name}".strip() if self.node.op else inner


def backward(
    tensors: Sequence[Tensor],
    gradients: Sequence[Any],
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
) -> None:
    """Add dL/d(leaf) to the `.grad` of every leaf below `tensors`, given dL/d(tensors)."""
    for leaf, g, owned in _sweep(tensors, gradients, None, retain_graph, create_graph):
        _deliver(leaf, g, owned)


def gradients_of(
    tensors: Sequence[Tensor],
    gradients: Sequence[Any],
    inputs: Sequence[Tensor],
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    partial: bool = False,
) -> list[Tensor | None]:
    """dL/d(inputs) given dL/d(tensors); None for an input that the tensors do not depend on.

    Touches no `.grad`, and pulls back through those nodes alone that lead to the inputs. Where one
    input was computed from another, the derivatives are total ones, or, with `partial`, such that
    hold the other inputs fixed.
    """
    nodes = [x._node for x in inputs]
    wanted = {node.seq for node in nodes if node is not None}
    found: dict[int, Any] = {}
    sweep = _sweep(tensors, gradients, wanted, retain_graph, create_graph, partial)
    for node, g, owned in sweep:
        found[node.seq] = g if isinstance(g, Tensor) else wrap(g if owned else g.copy(), None)
    return [None if node is None else found.get(node.seq) for node in nodes]


def _sweep(
    tensors: Sequence[Tensor],
    gradients: Sequence[Any],
    wanted: set[int] | None,
    retain_graph: bool,
    create_graph: bool,
    partial: bool = False,
) -> list[tuple[Any, Any, bool]]:
    """[(node, its gradient, owned)] for every leaf, or for every node in `wanted`."""
    pending: Pending = {}
    for tensor, gradient in zip(tensors, gradients, strict=True):
        node = tensor._node
        if node is None:
            continue
        seed = _seed(tensor, gradient, create_graph)
        if node.seq in pending:
            pending[node.seq] = _add(pending[node.seq], seed)
        else:
            pending[node.seq] = node, seed, False
    ways = None if wanted is None else _ways_to(wanted, [p[0] for p in pending.values()], partial)
    state = STATE.get()
    token = STATE.set(State(create_graph, state.scope, state.observers))
    try:
        # 0/0 and overflow in a gradient are data, as in the forward: detect_anomaly() tells
        with np.errstate(all="ignore"):
            return _descend(pending, wanted or set(), ways, retain_graph, create_graph)
    finally:
        STATE.reset(token)


def _descend(
    pending: Pending,
    wanted: set[int],
    ways: Ways | None,
    retain_graph: bool,
    create_graph: bool,
) -> list[tuple[Any, Any, bool]]:
    """Take the newest node, pull its gradient back to its parents, until none is left."""
    done: list[tuple[Any, Any, bool]] = []
    heap = [-seq for seq in pending]
    heapify(heap)
    release = not (retain_graph or create_graph)
    pull: Pull = _pull_recorded if create_graph else _pull_arrays
    if STATE.get().observers:
        pull = _observed(pull)
    while heap:
        seq = -heappop(heap)
        node, g, owned = pending.pop(seq)
        if node.hooks is not None:
            g, owned = _call_hooks(node, g), False
        op = node.op
        parents = node.parents if ways is None else ways.get(seq)
        if not parents or ways is not None:
            if ways is None or seq in wanted:  # a leaf, where all are asked for, or one asked for
                # With a graph, a Tensor of its own: g may be on its way to others, too.
                done.append((node, copy(g) if isinstance(g, Tensor) else g, owned))
            if not parents:
                continue
        if node.args is None:
            raise FreedGraphError(
                f"backward: the arrays saved by {op.name} were released by an earlier "
                f"backward(); call the first one with retain_graph=True, or compute the loss again"
            )
        if op.one_by_one and pull is _pull_arrays:
            gradients, vjps = None, op.vjps
            call = (g, node if node.output is None else node.output, *node.args)
            static = node.static if node.residual is None else {**node.static, **node.residual}
        elif op is PICK:
            _gather(pending, heap, node, g)
            continue
        else:
            gradients = pull(node, g, parents)
        for i, parent in enumerate(parents):
            if parent is None:
                continue
            if gradients is not None:
                gradient, gradients[i] = gradients[i], None  # held by none but us: see _alone
            elif (vjp := vjps[i]) is None:
                continue
            else:
                gradient = vjp(*call, **static) if static else vjp(*call)
            if (
                type(gradient) is not ndarray
                or gradient.shape != parent.shape
                or gradient.dtype is not parent.dtype
            ):
                if gradient is None:
                    continue
                gradient = _fit(gradient, parent, op)
            seq = parent.seq
            entry = pending.get(seq)
            if entry is None:
                owned = parent.op is None and _alone(gradient)  # only leaves repay the check
                pending[seq] = parent, gradient, owned
                heappush(heap, -seq)
            else:
                pending[seq] = _add(entry, gradient)
        if release:
            node.args = node.output = node.residual = None
            call, static = (), node.static  # the sweep holds nothing of a node that it has passed
    return done


def _observed(pull: Pull) -> Pull:
    """`pull`, seen by the observers."""
    observers = STATE.get().observers

    def pull_observed(node: Node, g: Any, parents: Any) -> list[Any]:
        for observer in observers:
            observer.before_backward(node, g)
        gradients = pull(node, g, parents)
        for observer in observers:
            observer.after_backward(node, gradients)
        return [*gradients]  # the sweep empties the list; the observers' stays as it is

    return pull_observed


def _pull_arrays(node: Node, g: Any, parents: Any) -> list[Any]:
    """The gradients of the node's inputs, None where no parent needs one."""
    op: Op = node.op  # type: ignore[assignment]
    if not op.vjp_kind:
        return _pull_reference(node, g, parents, create_graph=False)
    if type(g) is list:
        g = tuple(_zeros_for_none(g, node))
    y = node if node.output is None else node.output
    static = node.static if node.residual is None else {**node.static, **node.residual}
    return op.pull(g, y, node.args, parents, static)


def _pull_recorded(node: Node, g: Any, parents: Any) -> list[Any]:
    """The same with Tensors, so that the ops in the VJP record the graph of the gradient."""
    op: Op = node.op  # type: ignore[assignment]
    if op.reference is not None:
        return _pull_reference(node, g, parents, create_graph=True)
    state = STATE.get()
    token = STATE.set(State(True, GradientScope(node), state.observers))
    try:
        args = [
            wrap(a, p) if p is not None and isinstance(a, np.ndarray) else a
            for a, p in zip(node.args, node.parents, strict=True)
        ]
        y: Any = node if node.output is None else node.output
        if op.outputs > 1:
            g = tuple(_zeros_for_none(g, node))
            if node.output is not None:
                y = tuple(wrap(a, pick(node, i, a)) for i, a in enumerate(node.output))
        elif node.output is not None:
            y = wrap(node.output, node)
        static = node.static if node.residual is None else {**node.static, **node.residual}
        return op.pull(g, y, args, parents, static)
    finally:
        STATE.reset(token)


def _pull_reference(node: Node, g: Any, parents: Any, create_graph: bool) -> list[Any]:
    """Run the op's definition in primitives on its saved inputs, and pull back through it."""
    op: Op = node.op  # type: ignore[assignment]
    state = STATE.get()
    token = STATE.set(State(True, GradientScope(node), state.observers))
    try:
        inputs = [
            # A node of its own for every input: in f(x, x) each place gets its own gradient.
            functions.alias(wrap(a, p)) if p is not None else a
            for a, p in zip(node.args, node.parents, strict=True)
        ]
        ys: Any = op.reference(*inputs, **node.static)  # type: ignore[misc]
        ys, g = (ys, g) if op.outputs > 1 else ((ys,), (g,))
        known = [(y, gy) for y, gy in zip(ys, g, strict=True) if gy is not None]
        places = [i for i, p in enumerate(parents) if p is not None]
        found = gradients_of(
            [y for y, _ in known],
            [gy for _, gy in known],
            [inputs[i] for i in places],
            create_graph=create_graph,
        )
    finally:
        STATE.reset(token)
    gradients: list[Any] = [None] * len(inputs)
    for i, gradient in zip(places, found, strict=True):
        gradients[i] = gradient if create_graph or gradient is None else gradient.data
    return gradients


def _add(entry: Entry, g: Any) -> Entry:
    """What a node has received, with `g` added.

    An array that the sweep does not own (an upstream gradient passed on, a saved array) is never
    written to: the first sum of two makes a new array, the next ones add to that in place.
    """
    node, old, owned = entry
    if owned and type(g) is ndarray:
        np.add(old, g, old)
        return entry
    if isinstance(old, Tensor) or isinstance(g, Tensor):
        return node, functions.add(old, g), False
    return node, np.asarray(np.add(old, g)), True


def _gather(pending: Pending, heap: list[int], pick: Node, g: Any) -> None:
    """Put the gradient of one output among those of its op's other outputs."""
    node = pick.parents[0]
    entry = pending.get(node.seq)
    if entry is None:
        entry = pending[node.seq] = node, [None] * len(node.shape), False
        heappush(heap, -node.seq)
    index = pick.static["index"]
    parts = entry[1]
    parts[index] = g if parts[index] is None else functions.add(parts[index], g)


def _zeros_for_none(parts: Sequence[Any], node: Node) -> list[Any]:
    return [
        np.zeros(shape, dtype) if part is None else part
        for part, shape, dtype in zip(parts, node.shape, node.dtype, strict=True)
    ]


def _fit(g: Any, node: Node, op: Any) -> Any:
    """`g` in the shape and dtype of the node's output: summed over broadcast axes, then cast."""
    if not isinstance(g, np.ndarray | Tensor):
        g = np.asarray(g)
    if g.shape != node.shape:
        try:
            g = functions.sum_to(g, node.shape)
        except ShapeError:
            raise ShapeError(
                f"{op.name}: its VJP returned a gradient of shape {g.shape} for an input of shape "
                f"{node.shape}; it must have the input's shape, or one that the input broadcasts to"
            ) from None
    if g.dtype != node.dtype:
        g = functions.real(g) if g.dtype.kind == "c" and node.dtype.kind == "f" else g
        g = functions.astype(g, node.dtype)
    return g


def _alone(array: Any) -> bool:
    """Whether nobody but a variable of the sweep holds the array: it may be added to.

    Whoever else could read it (the graph that saved it, the place where the same gradient also
    goes, a VJP that returns a constant of its own) holds a reference to it or to its base. But of
    memory that another library lends, the array knows only the loan.
    """
    return (
        type(array) is ndarray
        and getrefcount(array) <= _ONE_HOLDER + 1  # our caller and we
        and (array.base is None or (_owns(array.base) and getrefcount(array.base) <= _ONE_HOLDER))
        and bool(array.flags.writeable)
    )


def _owns(base: Any) -> bool:
    return type(base) is ndarray and base.base is None


_example = [np.empty(0)]
_ONE_HOLDER = getrefcount(_example[0])


def _seed(tensor: Tensor, gradient: Any, create_graph: bool) -> Any:
    """The upstream gradient, checked against the tensor it belongs to."""
    data = gradient.data if isinstance(gradient, Tensor) else np.asarray(gradient)
    if data.shape != tensor.shape:
        raise ShapeError(
            f"backward: the gradient must have the shape of the tensor, {tensor.shape}, "
            f"got {data.shape}"
        )
    if data.dtype.kind not in "biufc":
        raise DTypeError(f"backward: the gradient must be numeric, got dtype {data.dtype}")
    if data.dtype.kind == "c" != tensor.dtype.kind:
        raise DTypeError(
            f"backward: the gradient of a {tensor.dtype} Tensor must be real, got {data.dtype}"
        )
    if not create_graph:
        return data if data.dtype == tensor.dtype else data.astype(tensor.dtype)
    gradient = gradient if isinstance(gradient, Tensor) else wrap(data, None)
    return gradient if data.dtype == tensor.dtype else functions.astype(gradient, tensor.dtype)


def _call_hooks(node: Node, g: Any) -> Any:
    """The gradient after the user's hooks, each of which may return another in its place."""
    for hook in list(node.hooks or ()):
        new = hook(another_name(g) if isinstance(g, Tensor) else wrap(g, None))
        if new is not None:
            new = new if isinstance(new, Tensor) else Tensor(new, dtype=node.dtype)
            if new.shape != node.shape:
                raise ShapeError(
                    f"hook: must return a gradient of shape {node.shape}, got {new.shape}"
                )
            new = new if isinstance(g, Tensor) else new.data
            g = _fit(new, node, node.op)
    return g


def _deliver(leaf: Leaf, g: Any, owned: bool) -> None:
    """Add to the leaf's gradient; what arrives is copied unless nobody else holds it."""
    if leaf.used == USED and leaf.grad is not None and leaf.grad.data.any():
        leaf.used = USED_AND_ADDED_TO
    if isinstance(g, Tensor):
        leaf.grad = g if leaf.grad is None else leaf.grad + g
    elif leaf.grad is None:
        leaf.grad = wrap(g if owned else g.copy(), None)
    else:
        leaf.grad = wrap(np.asarray(leaf.grad.data + g), None)


def _ways_to(wanted: set[int], roots: Sequence[Node], partial: bool) -> Ways:
    """The nodes below `roots` through which a wanted one is reached; `partial`: by no other one."""
    oldest = min(wanted, default=0)
    seen: dict[int, Node] = {}
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node.seq in seen or node.seq < oldest:
            continue
        seen[node.seq] = node
        stack.extend(p for p in node.parents if p is not None)
    ways: Ways = {}
    for seq in sorted(seen):
        ends = seen[seq].parents
        leads = [p if p and (p.seq in wanted or p.seq in ways) else None for p in ends]
        if any(leads):
            ways[seq] = leads
    return {seq: leads for seq, leads in ways.items() if not (partial and seq in wanted)}
