"""NaN and Inf in a graph: which boxes hold one, and which was the first.

Looks at the arrays that the graph still holds, each once. An Inf that came in from outside (a mask
of -inf) is no fault, and neither is what is computed from it; a NaN always is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_cnn.viz.naming import address
from tinygrad_cnn.viz.picture import Edge, Node

GIVEN = ("input", "constant", "buffer")


class Health:
    """Collects what is wrong while a graph is read."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}  # id of a node -> "NaN" or "Inf"
        self._let_in: set[str] = set()  # nodes whose Inf comes from outside
        self._looked_at: dict[tuple[int, int], str] = {}

    def see(self, id_: str, array: Any) -> None:
        """Look at the output of a node, where somebody holds it."""
        if fault := self._fault(array):
            self._found[id_] = fault

    def recorded(self, id_: str, stats: Mapping[str, Any]) -> None:
        """What was measured of an output while it lived tells as much as the array itself."""
        if "nan" in (stats.get("mean"), stats.get("std")):
            self._found.setdefault(id_, "NaN" if stats.get("min") == "nan" else "Inf")

    def computed(self, id_: str, output: Any, scalars: Iterable[tuple[str, Any]]) -> None:
        """A node has been read, with the numbers that it is computed from."""
        for array in output if isinstance(output, tuple) else (output,):
            self.see(id_, array)
        given = [np.asarray(value) for _, value in scalars]
        if any(value.dtype.kind in "fc" and np.isinf(value).any() for value in given):
            self._let_in.add(id_)

    def mark(self, nodes: Sequence[Node], edges: Sequence[Edge]) -> list[Node]:
        """The nodes, with notes on those at fault.

        nonfinite   "NaN" or "Inf": what is in it
        first_bad   it is the first of all
        bad_path    it lies between the first and another one
        bad_gradient   the gradient that arrived is not finite
        """
        sources, users = _links(edges, backward=True), _links(edges, backward=False)
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
