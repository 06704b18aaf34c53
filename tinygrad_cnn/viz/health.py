"""NaN and Inf in a graph: which boxes hold one, and which was the first.

Looks at the arrays that the graph still holds, each once. An Inf that came in from outside (a mask
of -inf) is no fault, and neither is what is computed from it; a NaN always is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_cnn.core.node import Node as Recorded
from tinygrad_cnn.core.node import Spec
from tinygrad_cnn.viz.naming import address
from tinygrad_cnn.viz.picture import Edge, Node

GIVEN = ("input", "constant", "buffer")


class Health:
    """Collects what is wrong while a graph is read."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}  # id of a node -> "NaN" or "Inf"
        self._let_in: set[str] = set()  # nodes whose Inf comes from outside
        self._looked_at: dict[tuple[int, int], str] = {}
        self._known: set[str] = set()
        self._computed: dict[str, Recorded] = {}

    def see(self, id_: str, array: Any) -> None:
        """Look at the output of a node, where somebody holds it."""
        if isinstance(array, np.ndarray):
            self._known.add(id_)
            if fault := self._fault(array):
                self._found[id_] = fault

    def computed(
        self, id_: str, node: Recorded, scalars: Iterable[tuple[str, Any]], stats: Mapping[str, Any]
    ) -> None:
        """An op has been read, with the numbers it takes and what was measured of its output."""
        self._computed[id_] = node
        for array in node.output if isinstance(node.output, tuple) else (node.output,):
            self.see(id_, array)
        if "nan" in (stats.get("mean"), stats.get("std")):
            self._found.setdefault(id_, "NaN" if stats.get("min") == "nan" else "Inf")
        given = [np.asarray(value) for _, value in scalars]
        if any(value.dtype.kind in "fc" and np.isinf(value).any() for value in given):
            self._let_in.add(id_)

    def _look_behind(self, bad: Iterable[str], sources: Mapping[str, list[str]]) -> None:
        """Find the fault behind a fault, where its output was not kept but what it read was."""
        stack = list(bad)
        while stack:
            for source in sources.get(stack.pop(), ()):
                if source in self._computed and source not in self._known:
                    self.see(source, _again(self._computed[source]))
                    self._known.add(source)
                    if source in self._found:
                        stack.append(source)

    def mark(self, nodes: Sequence[Node], edges: Sequence[Edge]) -> list[Node]:
        """The nodes, with notes on those at fault.

        nonfinite   "NaN" or "Inf": what is in it
        first_bad   it is the first of all
        bad_path    it lies between the first and another one
        bad_gradient   the gradient that arrived is not finite
        """
        sources, users = _links(edges, backward=True), _links(edges, backward=False)
        self._look_behind(self._found, sources)
        let_in = self._let_in | {
            n.id for n in nodes if n.kind in GIVEN and self._found.get(n.id) == "Inf"
        }
        for n in nodes:
            if not let_in.isdisjoint(sources.get(n.id, ())):
                let_in.add(n.id)
        bad = {i: fault for i, fault in self._found.items() if fault == "NaN" or i not in let_in}
        notes: dict[str, dict[str, Any]] = {i: {"nonfinite": fault} for i, fault in bad.items()}
        first = next((n.id for n in nodes if n.id in bad), None)
        if first is not None:
            notes[first]["first_bad"] = True
            for id_ in _reach([first], users) & _reach(bad, sources):
                notes.setdefault(id_, {})["bad_path"] = True
        for n in nodes:
            if n.notes.get("grad_norm") in ("nan", "inf"):
                notes.setdefault(n.id, {})["bad_gradient"] = True
        return [replace(n, notes={**n.notes, **notes[n.id]}) if n.id in notes else n for n in nodes]

    def _fault(self, array: Any) -> str:
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fc":
            return ""
        place = address(array)
        if place not in self._looked_at:
            finite = np.isfinite(array).all()
            self._looked_at[place] = "" if finite else "NaN" if np.isnan(array).any() else "Inf"
        return self._looked_at[place]


def _again(node: Recorded) -> Any:
    """The output of an op, computed again, if the graph kept all that it read; else None."""
    op = node.op
    if op is None or op.outputs > 1 or node.args is None:
        return None
    if any(isinstance(a, Recorded | Spec) for a in node.args):
        return None
    with np.errstate(all="ignore"):
        out = op.forward(*node.args, **node.static)
    return np.asarray(out[0] if op.residuals else out)


def _links(edges: Iterable[Edge], backward: bool) -> dict[str, list[str]]:
    links: dict[str, list[str]] = {}
    for e in edges:
        here, there = (e.target, e.source) if backward else (e.source, e.target)
        links.setdefault(here, []).append(there)
    return links


def _reach(start: Iterable[str], links: Mapping[str, list[str]]) -> set[str]:
    """Everything that the links lead to, the start included."""
    found = set(start)
    stack = list(found)
    while stack:
        for there in links.get(stack.pop(), ()):
            if there not in found:
                found.add(there)
                stack.append(there)
    return found
