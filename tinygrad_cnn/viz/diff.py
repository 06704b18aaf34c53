"""What differs between two graphs: drawn, printed, and asserted in tests."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.viz.dot import Options
from tinygrad_cnn.viz.graphs import Graph, graph
from tinygrad_cnn.viz.picture import Node, Picture
from tinygrad_cnn.viz.words import one_line, shape_text

COMPARED = ("kind", "name", "op", "detail", "shape", "dtype", "order")


@dataclass(frozen=True)
class Change:
    """One node that differs: how ("added", "removed", "changed"), its id, and what about it."""

    how: str
    id: str
    what: str = ""

    def __str__(self) -> str:
        sign = {"added": "+", "removed": "-", "changed": "~"}[self.how]
        return f"{sign} {one_line(self.id, 100)}" + (f": {self.what}" if self.what else "")


class Difference(Graph):
    """The second graph with what is new, gone and changed marked in it; true if anything is.

    changes   in order of execution
    """

    def __init__(self, changes: list[Change], picture: Picture, options: Options, engine: str):
        super().__init__(picture, options, engine)
        self.changes = changes

    def __bool__(self) -> bool:
        return bool(self.changes)

    def to_text(self) -> str:
        """A line for each change."""
        return "".join(f"{change}\n" for change in self.changes) or "the graphs are equal\n"


def diff(before: Graph, after: Graph) -> Difference:
    """Compare two graphs, node by node; a node is known by its place in the modules and its op.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> from tinygrad_cnn import viz
    >>> x = tg.Tensor(np.ones((2, 3)), requires_grad=True)
    >>> print(viz.diff(viz.graph(tg.exp(x)), viz.graph(tg.exp(x[:, :2]))))
    + getitem: [:, :2] -> (2, 2)
    ~ exp: shape (2, 3) -> (2, 2); input w1 -> getitem
    ~ output: shape (2, 3) -> (2, 2)
    """
    old, new = before.picture, after.picture
    changes = list(_changes(old, new))
    return Difference(changes, _merged(old, new, changes), after.options, after.engine)


def assert_same_graph(g: Graph | Tensor, path: str | os.PathLike[str]) -> None:
    """Fail, saying what differs, unless `g` is the graph that `g.save(path)` once wrote as JSON.

    Measurements are not compared. For tests of one's own model:

        viz.assert_same_graph(viz.graph(loss, model=model), "expected.json")
    """
    g = g if isinstance(g, Graph) else graph(g)
    file = Path(path)
    if not file.exists():
        raise AssertionError(f"{file} does not exist: write it once with graph.save({str(file)!r})")
    expected = Picture.from_json(file.read_text(encoding="utf-8"))
    changes = list(_changes(expected, g.picture))
    if changes:
        lines = "\n".join(map(str, changes))
        raise AssertionError(
            f"the graph is not the one in {file}:\n{lines}\n"
            f"if that is intended, write it again with graph.save({str(file)!r})"
        )


def _changes(old: Picture, new: Picture) -> Iterator[Change]:
    """Additions and changes in the new one's order of execution, then what is gone."""
    twin = _twins(old, new)
    was, now = {n.id: n for n in old.nodes}, {n.id: n for n in new.nodes}
    found = {there: here for here, there in twin.items()}
    came_from, comes_from = _inputs(old), _inputs(new)
    for n in new.nodes:
        if n.id not in found:
            yield Change("added", n.id, _told(n))
            continue
        before = [(twin.get(source), source) for source in came_from[found[n.id]]]
        after = [(source, source) for source in comes_from[n.id]]
        if what := _what(was[found[n.id]], now[n.id], before, after):
            yield Change("changed", n.id, what)
    for n in old.nodes:
        if n.id not in twin:
            yield Change("removed", n.id, _told(n))


def _twins(old: Picture, new: Picture) -> dict[str, str]:
    """Which new node is which old one: the same op, in the same module, in turn.

    Not the id alone: with one relu less in front, what was relu#2 is called relu.
    """
    before, after = list(old.nodes), list(new.nodes)
    matcher = SequenceMatcher(None, [*map(_key, before)], [*map(_key, after)], autojunk=False)
    return {
        before[block.a + i].id: after[block.b + i].id
        for block in matcher.get_matching_blocks()
        for i in range(block.size)
    }


def _key(n: Node) -> tuple[str, ...]:
    return (n.kind, n.scope, n.name, n.op)


def _inputs(picture: Picture) -> dict[str, list[str]]:
    inputs: dict[str, list[str]] = defaultdict(list)
    for e in picture.edges:
        inputs[e.target].append(e.source)
    return inputs


def _what(was: Node, now: Node, before: list[Any], after: list[Any]) -> str:
    """The fields that differ, with both values."""
    fields: list[tuple[str, Any, Any]] = [
        (name, getattr(was, name), getattr(now, name)) for name in COMPARED
    ]
    gone = [id_ for known, id_ in before if known not in [source for source, _ in after]]
    come = [id_ for source, id_ in after if source not in [known for known, _ in before]]
    fields.append(("input", ", ".join(gone), ", ".join(come)))
    return "; ".join(
        f"{name} {_value(a)} -> {_value(b)}" for name, a, b in fields if _differ(name, a, b)
    )


def _differ(name: str, a: Any, b: Any) -> bool:
    """A shape or dtype that a freed graph has forgotten differs from none."""
    forgotten = name in ("shape", "dtype") and (a in (None, "") or b in (None, ""))
    return bool(a != b) and not forgotten


def _value(value: Any) -> str:
    return shape_text(value) if isinstance(value, tuple) else one_line(str(value), 100) or "none"


def _told(n: Node) -> str:
    return f"{n.detail} -> {shape_text(n.shape)}".strip()


def _merged(old: Picture, new: Picture, changes: list[Change]) -> Picture:
    """The new picture with marks, and what is gone put where it was."""
    marks = {change.id: change for change in changes if change.how != "removed"}
    twin = _twins(old, new)
    gone = {n.id: f"removed {n.id}" for n in old.nodes if n.id not in twin}
    renamed = {**twin, **gone}
    behind: dict[str, list[Node]] = defaultdict(list)  # id in the new picture, "" for the start
    last = ""
    for n in old.nodes:
        if n.id in twin:
            last = twin[n.id]
        else:
            notes = {**n.notes, "change": "removed"}
            behind[last].append(replace(n, id=gone[n.id], notes=notes))
    nodes = list(behind[""])
    for n in new.nodes:
        nodes += [_marked(n, marks.get(n.id)), *behind[n.id]]
    known = {(e.source, e.target, e.name) for e in new.edges}
    moved = (replace(e, source=renamed[e.source], target=renamed[e.target]) for e in old.edges)
    lost = [replace(e, kind="removed") for e in moved if (e.source, e.target, e.name) not in known]
    scopes = {s.id for s in new.scopes}
    return replace(
        new,
        nodes=tuple(nodes),
        edges=(*new.edges, *lost),
        scopes=(*new.scopes, *(s for s in old.scopes if s.id not in scopes)),
    )


def _marked(n: Node, change: Change | None) -> Node:
    if change is None:
        return n
    # The arrows show where an input comes from.
    what = "; ".join(w for w in change.what.split("; ") if not w.startswith("input "))
    what = what if change.how == "changed" else ""
    return replace(n, notes={**n.notes, "change": change.how, "changed": what})
