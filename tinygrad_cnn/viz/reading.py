"""From what was recorded to a Picture: one walk over the graph, linear in its size.

The walk is a stack, not a recursion, and nothing in the result depends on memory addresses: nodes
come in the order of recording, each parameter or input just before the op that first takes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.backward import GradientScope
from tinygrad_cnn.core.node import Leaf, Spec
from tinygrad_cnn.core.node import Node as Recorded
from tinygrad_cnn.core.op import PICK
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.nn.module import Call, Module
from tinygrad_cnn.viz.picture import Edge, Ids, Node, Picture, Scope
from tinygrad_cnn.viz.settings import describe

# Names of an op's inputs that say nothing about what arrives there.
NAMELESS = frozenset(("x", "x1", "x2", "a", "b", "c", "y", ""))


def read(
    tensors: Sequence[Tensor],
    model: Module | None = None,
    inputs: Mapping[str, Tensor] | None = None,
) -> Picture:
    """The forward graph below `tensors`, every op a node.

    `model` and `inputs` give names to parameters, buffers and other arrays; without a model, the
    modules whose calls were recorded name their own.
    """
    reader = _Reader(reached(tensors), model, inputs or {})
    return reader.read(tensors)


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
        self, recorded: list[Recorded], model: Module | None, inputs: Mapping[str, Tensor]
    ) -> None:
        self.recorded = recorded
        self.scopes = _Scopes(model)
        self.ids = Ids()
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self.id_of: dict[int, str] = {}  # seq of a recorded node -> id of the picture's
        self.constants: dict[int, str] = {}  # id() of a live array -> id of the picture's node
        self.names = _Names(model, self.scopes.roots(recorded), inputs)
        self.counted: set[tuple[int, int]] = set(self.names.addresses)
        self.entered: set[str] = set()  # outermost scopes that data has entered
        self.batch: int | None = None

    def read(self, tensors: Sequence[Tensor]) -> Picture:
        for node in self.recorded:
            if node.op is not None and node.op is not PICK:
                self._op(node)
        for i, tensor in enumerate(tensors):
            self._output(tensor, str(i + 1) if len(tensors) > 1 else "")
        return Picture(
            tuple(self.nodes), tuple(self.edges), tuple(self.scopes.found), self._remarks(tensors)
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
        id_ = self.ids(f"{scope}/{op.name}" if scope else op.name)
        shape, dtype = _first(node.shape), _first(node.dtype)
        self.nodes.append(
            Node(
                id=id_,
                kind="op",
                name=op.name,
                scope=scope,
                op=op.name,
                family=op.family,
                detail=describe(
                    op, node.static, scalars, {name: v.shape for name, _, v in sources}
                ),
                shape=shape,
                dtype=str(dtype),
                order=order,
                notes=self._notes(node),
            )
        )
        self.id_of[node.seq] = id_
        for name, source, value in sources:
            self.edges.append(Edge(source, id_, name, value.shape, _text(value.dtype)))
        if scope:
            self.entered.add(self.scopes.outermost(scope))

    def _notes(self, node: Recorded) -> dict[str, Any]:
        """What is known of the op: the bytes that it keeps and nobody before it has kept."""
        if node.freed:
            return {"freed": True}
        size = 0
        for array in saved_arrays(node):
            place = _address(array)
            if place not in self.counted:
                self.counted.add(place)
                size += array.nbytes
        return {"saved": size} if size else {}

    def _parent(self, parent: Recorded) -> str:
        """The id of the node that computed an input; a leaf is drawn when it is first used."""
        if parent.op is PICK:
            parent = parent.parents[0]
        if parent.seq not in self.id_of:
            assert isinstance(parent, Leaf)
            self.id_of[parent.seq] = self._leaf(parent)
        return self.id_of[parent.seq]

    def _leaf(self, leaf: Leaf) -> str:
        name, owner = self.names.leaf(leaf)
        scope = self.scopes.holding(owner) if owner is not None else ""
        id_ = self.ids(name)
        name = name.rpartition(".")[2] if scope else name
        notes: dict[str, Any] = {"elements": leaf.size}
        self.nodes.append(
            Node(
                id_, "parameter", name, scope, shape=leaf.shape, dtype=str(leaf.dtype), notes=notes
            )
        )
        return id_

    def _constant(self, arg: Any, name: str, scope: str) -> str:
        """The id of an array that no gradient flows to."""
        if isinstance(arg, np.ndarray) and id(arg) in self.constants:
            return self.constants[id(arg)]
        kind, label, owner = self.names.array(arg)
        if not kind:
            kind = "input" if self._enters(arg, scope) else "constant"
            label = kind if name in NAMELESS or name.isdecimal() else name
        within = self.scopes.holding(owner) if owner is not None else scope
        within = "" if kind == "input" else within
        id_ = self.ids(f"{within}:{label}" if within and owner is None else label)
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
        if isinstance(node, Leaf):  # it is its own picture
            return
        id_ = self.ids(f"output {number}".strip())
        self.nodes.append(Node(id_, "output", f"output {number}".strip(), shape=shape, dtype=dtype))
        self.edges.append(Edge(source, id_, "", shape, dtype))

    def _remarks(self, tensors: Sequence[Tensor]) -> tuple[str, ...]:
        remarks = []
        if any(t._node is None for t in tensors):
            remarks.append(
                "nothing was recorded: the tensor does not require a gradient, or was computed "
                "under no_grad()"
            )
        if any(n.op is not None and n.freed for n in self.recorded):
            remarks.append("the saved arrays have been released by backward()")
        return tuple(remarks)


class _Scopes:
    """The scopes met so far, by the call objects that the nodes hold."""

    def __init__(self, model: Module | None) -> None:
        self.found: list[Scope] = []
        self._index: dict[str, int] = {}
        self._by_call: dict[int, tuple[str, int]] = {}  # id() of a live call -> (scope, order)
        self._by_path: dict[tuple[str, str], str] = {}  # (parent, name) of what is never called
        self._calls: dict[tuple[str, int], int] = {}
        self._paths: dict[int, dict[int, str]] = {}  # id(module) -> id(module below) -> path
        self._holder: dict[int, str] = {}  # id(module) -> the scope of its first call
        self._ids = Ids()
        self._model = model

    def of(self, owner: object) -> tuple[str, int]:
        """(id of the scope, order of the derivative) that `owner` stands for."""
        chain: list[Any] = []
        while owner is not None and id(owner) not in self._by_call:
            chain.append(owner)
            owner = owner.node.scope if isinstance(owner, GradientScope) else _around(owner)
        for entry in reversed(chain):
            self._by_call[id(entry)] = self._enter(entry)
        if chain:
            return self._by_call[id(chain[0])]
        return self._by_call[id(owner)] if owner is not None else ("", 1)

    def _enter(self, owner: Any) -> tuple[str, int]:
        if isinstance(owner, GradientScope):
            scope, order = self._by_call.get(id(owner.node.scope), ("", 1))
            return scope, order + 1
        parent, order = self._by_call.get(id(_around(owner)), ("", 1))
        if not isinstance(owner, Call):
            return self._group(parent, str(owner)), order
        module = owner.module
        path = self._path(owner)
        *groups, name = path.split(".") if path else [type(module).__name__]
        for group in groups:  # a ModuleList is never called, and is a level of its own all the same
            parent = self._group(parent, group)
        call = self._calls[parent, id(module)] = self._calls.get((parent, id(module)), 0) + 1
        scope = self._add(
            Scope(
                id="",
                name=name,
                path=self._full_path(parent, path and name),
                module=type(module).__name__,
                parent=parent,
                call=call,
                parameters=sum(p.size for p in module.parameters()),
            )
        )
        self._holder.setdefault(id(module), scope)
        return scope, order

    def _group(self, parent: str, name: str) -> str:
        if (parent, name) not in self._by_path:
            path = self._full_path(parent, name)
            self._by_path[parent, name] = self._add(Scope("", name, path, parent=parent))
        return self._by_path[parent, name]

    def _add(self, scope: Scope) -> str:
        id_ = self._ids(f"{scope.parent}/{scope.name}" if scope.parent else scope.name)
        self._index[id_] = len(self.found)
        self.found.append(
            Scope(
                id_,
                scope.name,
                scope.path,
                scope.module,
                scope.parent,
                scope.call,
                scope.parameters,
            )
        )
        return id_

    def _path(self, call: Call) -> str:
        """The module's name as its caller knows it; looked up once for all of its calls."""
        around = call.enclosing
        above = around.module if isinstance(around, Call) else self._model
        if above is None:
            return ""
        if id(above) not in self._paths:
            self._paths[id(above)] = {id(m): name for name, m in above.named_modules()}
        known = self._paths[id(above)].get(id(call.module))
        if known is None:
            return type(call.module).__name__ if isinstance(around, Call) else ""
        return known

    def _full_path(self, parent: str, name: str) -> str:
        above = self.found[self._index[parent]].path if parent else ""
        return f"{above}.{name}" if above and name else above or name

    def roots(self, recorded: Iterable[Recorded]) -> list[Module]:
        """The outermost modules that were running, each once, in order."""
        roots: dict[int, Module] = {}
        seen: set[int] = set()
        for node in recorded:
            owner: Any = node.scope
            last = None
            while owner is not None and id(owner) not in seen:
                seen.add(id(owner))
                last = owner
                owner = owner.node.scope if isinstance(owner, GradientScope) else _around(owner)
                if owner is None and isinstance(last, Call):
                    roots.setdefault(id(last.module), last.module)
        return list(roots.values())

    def holding(self, module: Module) -> str:
        """The scope of the first call of a module, "" if it has not been called so far."""
        return self._holder.get(id(module), "")

    def outermost(self, scope: str) -> str:
        while parent := self.found[self._index[scope]].parent:
            scope = parent
        return scope


class _Names:
    """What parameters, buffers and given inputs are called, and which module owns them."""

    def __init__(
        self, model: Module | None, roots: list[Module], inputs: Mapping[str, Tensor]
    ) -> None:
        self._leaves: dict[int, tuple[str, Module | None]] = {}  # seq -> (name, owner)
        self._arrays: dict[int, tuple[str, str, Module | None]] = {}
        self.addresses: set[tuple[int, int]] = set()  # what lives anyway and is not "saved"
        for name, tensor in inputs.items():
            self._add("input", name, tensor, None)
        for root in [model] if model is not None else roots:
            for path, module in root.named_modules():
                for name, parameter in module.named_parameters(path, recurse=False):
                    self._add("parameter", name, parameter, module)
                for name, buffer in module.named_buffers(path, recurse=False):
                    self._add("buffer", name, buffer, module)
        self._unnamed = 0

    def _add(self, kind: str, name: str, tensor: Tensor, owner: Module | None) -> None:
        self._arrays.setdefault(id(tensor.data), (kind, name, owner))
        if owner is not None:
            self.addresses.add(_address(tensor.data))
        if isinstance(tensor._node, Leaf):
            self._leaves.setdefault(tensor._node.seq, (name, owner))

    def leaf(self, leaf: Leaf) -> tuple[str, Module | None]:
        if leaf.seq not in self._leaves:
            self._unnamed += 1
            self._leaves[leaf.seq] = (f"w{self._unnamed}", None)
        return self._leaves[leaf.seq]

    def array(self, array: Any) -> tuple[str, str, Module | None]:
        return self._arrays.get(id(array), ("", "", None))


def _around(owner: object) -> object:
    """The scope that encloses another; an object that knows none stands outermost."""
    return getattr(owner, "enclosing", None)


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


def _text(dtype: Any) -> str:
    return "" if dtype is None else str(dtype)


def _address(array: np.ndarray) -> tuple[int, int]:
    """Where an array's bytes lie; a reshaped array shares them with its original."""
    return array.__array_interface__["data"][0], array.nbytes
