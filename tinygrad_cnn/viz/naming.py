"""What modules, parameters and inputs are called in a picture, and which scopes there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_cnn.core.backward import GradientScope
from tinygrad_cnn.core.node import Leaf
from tinygrad_cnn.core.node import Node as Recorded
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.nn.module import Call, Module
from tinygrad_cnn.viz.picture import Ids, Scope


class Scopes:
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
        self.found.append(replace(scope, id=id_))
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
        """The scope that lies in no other, around the one given."""
        while parent := self.found[self._index[scope]].parent:
            scope = parent
        return scope


class Names:
    """What parameters, buffers and given inputs are called, and which module owns them."""

    def __init__(
        self, model: Module | None, roots: list[Module], inputs: Mapping[str, Tensor]
    ) -> None:
        self._leaves: dict[int, tuple[str, str, Module | None]] = {}  # seq -> (kind, name, owner)
        self._values: dict[int, np.ndarray] = {}
        self._arrays: dict[int, tuple[str, str, Module | None]] = {}
        self._addresses: set[tuple[int, int]] = set()  # of what the modules hold
        self._given = [tensor.data for tensor in inputs.values()]
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
            self._addresses.add(address(tensor.data))
        if isinstance(tensor._node, Leaf):
            self._leaves.setdefault(tensor._node.seq, (kind, name, owner))
            self._values[tensor._node.seq] = tensor.data

    def leaf(self, leaf: Leaf) -> tuple[str, str, Module | None]:
        """(kind, name, module that owns it); those that nobody knows are numbered w1, w2 ..."""
        if leaf.seq not in self._leaves:
            self._unnamed += 1
            self._leaves[leaf.seq] = ("parameter", f"w{self._unnamed}", None)
        return self._leaves[leaf.seq]

    def value(self, leaf: Leaf) -> np.ndarray | None:
        """The numbers in a leaf, if its tensor is known."""
        return self._values.get(leaf.seq)

    def holds(self, array: np.ndarray) -> bool:
        """Whether an array is a parameter, a buffer or a view of one: it lives anyway."""
        while address(array) not in self._addresses:
            if not isinstance(array.base, np.ndarray):
                return False
            array = array.base
        return True

    def given(self, array: Any) -> Any:
        """Of an array whose values nobody kept: the given input that it must be, if one fits."""
        fitting = [a for a in self._given if (a.shape, a.dtype) == (array.shape, array.dtype)]
        lost = not isinstance(array, np.ndarray)
        return fitting[0] if lost and len(fitting) == 1 else array

    def array(self, array: Any) -> tuple[str, str, Module | None]:
        """(kind, name, owner) of an array that a model holds or the user named; else empty."""
        return self._arrays.get(id(array), ("", "", None))


def _around(owner: object) -> object:
    """The scope that encloses another; an object that knows none stands outermost."""
    return getattr(owner, "enclosing", None)


def address(array: np.ndarray) -> tuple[int, int]:
    """Where an array's bytes lie; a reshaped array shares them with its original."""
    return array.__array_interface__["data"][0], array.nbytes
