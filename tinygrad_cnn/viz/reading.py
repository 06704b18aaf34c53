"""From what was recorded to a Picture: one walk over the graph, linear in its size.

The walk is a stack, not a recursion, and nothing in the result depends on memory addresses: nodes
come in the order of recording, each parameter or input just before the op that first takes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from tinygrad_cnn.core.node import Leaf, Spec
from tinygrad_cnn.core.node import Node as Recorded
from tinygrad_cnn.core.op import PICK
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.viz.flops import flops
from tinygrad_cnn.viz.health import Health
from tinygrad_cnn.viz.naming import Names, Scopes, address
from tinygrad_cnn.viz.picture import Edge, Ids, Node, Picture
from tinygrad_cnn.viz.recording import Record, norm, told
from tinygrad_cnn.viz.settings import describe

# Names of an op's inputs that say nothing about what arrives there.
NAMELESS = frozenset(("x", "x1", "x2", "a", "b", "c", "y", ""))


def read(
    tensors: Sequence[Tensor],
    model: Module | None = None,
    inputs: Mapping[str, Tensor] | None = None,
    record: Record | None = None,
) -> Picture:
    """The forward graph below `tensors`, every op a node.

    `model` and `inputs` give names to parameters, buffers and other arrays; without a model, the
    modules whose calls were recorded name their own. `record` adds what was measured.
    """
    return _Reader(reached(tensors), model, inputs or {}, record or Record()).read(tensors)


def reached(tensors: Iterable[Tensor]) -> list[Recorded]:
    """Every recorded node below the tensors, in the order of recording."""
    stack = [t._node for t in tensors if t._node is not None]
    found: dict[int, Recorded] = {}
    while stack:
        node = stack.pop()
        if node.seq not in found:
            found[node.seq] = node
            stack.extend(p for p in node.parents if p is not None and p.seq not in found)
    return [found[seq] for seq in sorted(found)]


def saved_arrays(node: Recorded) -> list[np.ndarray]:
    """The arrays that a node keeps for its gradient: inputs, output, residuals, static arrays."""
    outputs = node.output if isinstance(node.output, tuple) else (node.output,)
    held = (*(node.args or ()), *outputs, *(node.residual or {}).values(), *node.static.values())
    return [a for a in held if isinstance(a, np.ndarray)]


class _Reader:
    """The state of one walk."""

    def __init__(
        self,
        recorded: list[Recorded],
        model: Module | None,
        inputs: Mapping[str, Tensor],
        record: Record,
    ) -> None:
        self.recorded = recorded
        self.record = record
        self.scopes = Scopes(model)
        self.names = Names(model, self.scopes.roots(recorded), inputs)
        self.health = Health()
        self.ids = Ids()
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self.id_of: dict[int, str] = {}  # seq of a recorded node -> id of the picture's
        self.constants: dict[int, str] = {}  # id() of a live array -> id of the picture's node
        self.counted: set[tuple[int, int]] = set()
        self.held: set[str] = set()  # nodes made of parameters and buffers alone
        self.entered: set[str] = set()  # outermost scopes that data has entered
        self.batch: int | None = None

    def read(self, tensors: Sequence[Tensor]) -> Picture:
        for node in self.recorded:
            if node.op is not None and node.op is not PICK:
                self._op(node)
        for i, tensor in enumerate(tensors):
            self._output(tensor, str(i + 1) if len(tensors) > 1 else "")
        return Picture(
            tuple(self.health.mark(self.nodes, self.edges)),
            tuple(self.edges),
            tuple(self.scopes.found),
            self._remarks(tensors),
        )

    def _op(self, node: Recorded) -> None:
        op = node.op
        assert op is not None
        scope, order = self.scopes.of(node.scope)
        args = node.args if node.args is not None else _forgotten(node)
        names = op.inputs if not op.variadic else [str(i) for i in range(len(args))]
        sources: list[tuple[str, str, Any]] = []
        scalars: list[tuple[str, Any]] = []
        for name, parent, arg in zip(names, node.parents, args, strict=True):
            if parent is not None:
                sources.append((name, self._parent(parent), parent))
            elif getattr(arg, "shape", ()) != ():
                sources.append((name, self._constant(arg, name, scope), arg))
            elif arg is not None:
                scalars.append((name, arg))
                continue
            else:
                continue
            self.health.see(sources[-1][1], arg)
        name = op.name.lstrip("_")
        shapes = {name: value.shape for name, _, value in sources}
        shape, dtype = _first(node.shape), _first(node.dtype)
        id_ = self.id_of[node.seq] = self.ids(f"{scope}/{name}" if scope else name)
        self.nodes.append(
            Node(
                id=id_,
                kind="op",
                name=name,
                scope=scope,
                op=name,
                family=op.family,
                detail=describe(op, node.static, scalars, shapes),
                shape=shape,
                dtype=_text(dtype),
                order=order,
                notes=self._notes(node, shapes, shape),
            )
        )
        for name, source, value in sources:
            self.edges.append(Edge(source, id_, name, value.shape, _text(value.dtype)))
        stats = self.record.of(node).get("stats", {})
        self.health.computed(id_, node, scalars, stats)
        if all(source in self.held for _, source, _ in sources):
            self.held.add(id_)
        elif scope:
            self.entered.add(self.scopes.outermost(scope))

    def _notes(self, node: Recorded, shapes: Mapping[str, Any], out: Any) -> dict[str, Any]:
        """What is known of the op: work, bytes kept, and what was measured as it ran."""
        notes: dict[str, Any] = {}
        if node.freed:
            notes["freed"] = True
        elif size := self._newly_saved(node):
            notes["saved"] = size
        assert node.op is not None
        if None not in shapes.values() and (work := flops(node.op, shapes, out, node.static)):
            notes["flops"] = work
        return notes | self.record.of(node)

    def _newly_saved(self, node: Recorded) -> int:
        """The bytes that the node keeps for its gradient, and that nobody before it has kept."""
        size = 0
        for array in saved_arrays(node):
            place = address(array)
            if place not in self.counted and not self.names.holds(array):
                self.counted.add(place)
                size += array.nbytes
        return size

    def _parent(self, parent: Recorded) -> str:
        """The id of the node that computed an input; a leaf is drawn when it is first used."""
        if parent.op is PICK:
            parent = parent.parents[0]
        if parent.seq not in self.id_of:
            assert isinstance(parent, Leaf)
            self.id_of[parent.seq] = self._leaf(parent)
        return self.id_of[parent.seq]

    def _leaf(self, leaf: Leaf) -> str:
        kind, name, owner = self.names.leaf(leaf)
        scope = self.scopes.holding(owner) if owner is not None else ""
        id_ = self.ids(name)
        self.health.see(id_, self.names.value(leaf))
        if owner is not None:
            self.held.add(id_)
        name = name.rpartition(".")[2] if scope else name
        notes: dict[str, Any] = {"path": name} if owner is not None else {}
        if kind == "input":
            notes["learns"] = True  # it has a gradient, as other inputs have not
        if leaf.grad is not None:
            notes["grad_norm"] = told(norm(leaf.grad))
        self.nodes.append(
            Node(id_, kind, name, scope, shape=leaf.shape, dtype=str(leaf.dtype), notes=notes)
        )
        return id_

    def _constant(self, arg: Any, name: str, scope: str) -> str:
        """The id of an array that no gradient flows to."""
        arg = self.names.given(arg)
        if isinstance(arg, np.ndarray) and id(arg) in self.constants:
            return self.constants[id(arg)]
        kind, label, owner = self.names.array(arg)
        if not kind:
            kind = "input" if self._enters(arg, scope) else "constant"
            label = kind if name in NAMELESS or name.isdecimal() else name
        within = self.scopes.holding(owner) if owner is not None else scope
        within = "" if kind == "input" else within
        id_ = self.ids(f"{within}:{label}" if within and owner is None else label)
        if owner is not None:
            self.held.add(id_)
        label = label.rpartition(".")[2] if within and owner is not None else label
        self.nodes.append(Node(id_, kind, label, within, shape=arg.shape, dtype=_text(arg.dtype)))
        if isinstance(arg, np.ndarray):
            self.constants[id(arg)] = id_
        return id_

    def _enters(self, arg: Any, scope: str) -> bool:
        """Whether an array is data given from outside, and not made by a module on its way.

        It is, outside of all modules, and for the first op of the outermost one; after that, if it
        is a batch as long as the first one was.
        """
        if not scope:
            return True
        if self.scopes.outermost(scope) not in self.entered:
            self.batch = arg.shape[0] if arg.shape else None
            return True
        return bool(arg.shape) and len(arg.shape) > 1 and arg.shape[0] == self.batch

    def _output(self, tensor: Tensor, number: str) -> None:
        node = tensor._node
        shape, dtype = tensor.shape, str(tensor.dtype)
        if node is None:
            self._constant(tensor.data, "", "")
            return
        source = self._parent(node)
        self.health.see(source, tensor.data)
        if isinstance(node, Leaf):  # it is its own picture
            return
        id_ = self.ids(f"output {number}".strip())
        self.nodes.append(Node(id_, "output", f"output {number}".strip(), shape=shape, dtype=dtype))
        self.edges.append(Edge(source, id_, "", shape, dtype))

    def _remarks(self, tensors: Sequence[Tensor]) -> tuple[str, ...]:
        remarks = []
        if not tensors:
            remarks.append("nothing to draw: no tensors were given")
        if any(t._node is None for t in tensors):
            remarks.append(
                "nothing was recorded: the tensor does not require a gradient, or was computed "
                "under no_grad()"
            )
        if any(n.op is not None and n.freed for n in self.recorded):
            remarks.append("the saved arrays have been released by backward()")
        return tuple(remarks)


def _forgotten(node: Recorded) -> list[Spec | None]:
    """For the inputs of a freed node: what must have been arrays, though nobody knows their shape.

    An elementwise op may have taken a number instead; it did not, where nothing else was computed.
    """
    op = node.op
    assert op is not None
    names = op.inputs if not op.variadic else ("",) * len(node.parents)
    computed = any(p is not None and p.op is not None for p in node.parents)
    array = Spec(None, None)  # type: ignore[arg-type]
    return [
        None if name in op.input_defaults or (computed and op.family == "elementwise") else array
        for name in names
    ]


def _first(value: Any) -> Any:
    """Of an op with several outputs, the first one's."""
    several = isinstance(value, tuple) and value and isinstance(value[0], tuple | np.dtype)
    return value[0] if several else value


@cache
def _text(dtype: Any) -> str:
    """A dtype's name; cached, for NumPy takes longer over it than all the rest of a node takes."""
    return "" if dtype is None else str(dtype)
