"""Fold: equal blocks, one after the other, are drawn once and say how often they repeat.

Blocks are scopes side by side. Two are equal if the same ops run in them with the same settings on
the same shapes, wired in the same way; they follow one another if nothing but the output of the one
enters the other. What is kept is the first; sums over all of them go into its notes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from tinygrad_cnn.viz.picture import Edge, Node, Picture, Scope, chain
from tinygrad_cnn.viz.views import ADDED_UP, HELD, levels


def fold(picture: Picture, least: int = 2) -> Picture:
    """Draw runs of at least `least` equal blocks once, the outermost blocks first."""
    for level in range(max(levels(picture).values()) + 1):
        picture = _fold_level(picture, level, least)
    return picture


class _Block(NamedTuple):
    """A scope with what it computes; `wiring` is all that must agree for two to be equal."""

    scope: Scope
    nodes: list[Node]
    wiring: tuple[Any, ...]
    entries: tuple[str, ...]  # ids of the nodes outside that data comes from
    held: frozenset[str]  # ids of the parameters and buffers it reads


def _fold_level(picture: Picture, level: int, least: int) -> Picture:
    depth = levels(picture)
    incoming: dict[str, list[Edge]] = defaultdict(list)
    users: dict[str, set[str]] = defaultdict(set)
    for e in picture.edges:
        incoming[e.target].append(e)
        users[e.source].add(e.target)
    blocks = _blocks(picture, {s.id for s in picture.scopes if depth[s.id] == level}, incoming)
    twin: dict[str, str] = {}  # id of a node that is left out -> of the one that stands for it
    repeats: dict[str, list[_Block]] = {}
    for run in _runs(blocks, users):
        if len(run) >= least:
            repeats[run[0].scope.id] = run
            for block in run[1:]:
                same = zip(block.nodes, run[0].nodes, strict=True)
                twin.update((left_out.id, kept.id) for left_out, kept in same)
    return _without(picture, twin, repeats) if repeats else picture


def _blocks(
    picture: Picture, of: set[str], incoming: Mapping[str, list[Edge]]
) -> dict[str, list[_Block]]:
    """By parent, the scopes out of `of` in order of execution."""
    scopes = {s.id: s for s in picture.scopes}
    around = {s.id: next((i for i in chain(scopes, s.id) if i in of), "") for s in picture.scopes}
    members: dict[str, list[Node]] = {}  # in the order in which the scopes started to run
    nodes = {n.id: n for n in picture.nodes}
    for n in picture.nodes:
        block = around.get(n.scope, "")
        if block and n.kind not in HELD:
            members.setdefault(block, []).append(n)
    found: dict[str, list[_Block]] = defaultdict(list)
    for id_, inside in members.items():
        found[scopes[id_].parent].append(_block(scopes, id_, inside, nodes, incoming))
    return found


def _block(
    scopes: Mapping[str, Scope],
    id_: str,
    inside: list[Node],
    nodes: Mapping[str, Node],
    incoming: Mapping[str, list[Edge]],
) -> _Block:
    place = {n.id: i for i, n in enumerate(inside)}
    entries: dict[str, int] = {}
    held: set[str] = set()
    wiring = []
    for n in inside:
        inputs: list[tuple[Any, ...]] = []
        for e in incoming.get(n.id, ()):
            source = nodes[e.source]
            where: Any
            if source.kind in HELD:
                held.add(source.id)
                where = (source.kind, source.name)
            elif source.id in place:
                where = place[source.id]
            else:
                where = ("entry", entries.setdefault(source.id, len(entries)))
            inputs.append((e.name, where, e.shape, e.dtype, e.kind))
        path = tuple(scopes[s].name for s in _inner(scopes, n.scope, id_))
        name = n.name if n.scope != id_ or n.kind == "op" else ""
        wiring.append((n.kind, name, path, n.op, n.detail, n.shape, n.dtype, tuple(inputs)))
    kind = (scopes[id_].module, tuple(wiring))
    return _Block(scopes[id_], inside, kind, tuple(entries), frozenset(held))


def _inner(scopes: Mapping[str, Scope], scope: str, top: str) -> list[str]:
    """The scopes around a node, up to and without `top`."""
    path = list(chain(scopes, scope))
    return path[: path.index(top)]


def _runs(
    blocks: Mapping[str, Sequence[_Block]], users: Mapping[str, set[str]]
) -> list[list[_Block]]:
    """Blocks that are equal and follow one another, siblings that stand alone among them."""
    runs: list[list[_Block]] = []
    for siblings in blocks.values():
        run: list[_Block] = []
        for block in siblings:
            if not (run and _follows(block, run, users)):
                run = []
                runs.append(run)
            run.append(block)
    return runs


def _follows(block: _Block, run: list[_Block], users: Mapping[str, set[str]]) -> bool:
    before = run[-1]
    if block.wiring != before.wiring or len(block.entries) != 1:
        return False
    place = {n.id: i for i, n in enumerate(before.nodes)}
    exit_ = place.get(block.entries[0])
    if exit_ is None:
        return False
    if len(run) > 1 and run[-2].nodes[exit_].id != before.entries[0]:
        return False
    inside = {n.id for n in block.nodes} | place.keys()
    return all(user in inside for n in before.nodes for user in users.get(n.id, ()))


def _without(
    picture: Picture, twin: Mapping[str, str], repeats: Mapping[str, list[_Block]]
) -> Picture:
    """The picture without the nodes in `twin` and without what only they used."""
    scopes = {s.id: s for s in picture.scopes}
    gone = {b.scope.id for run in repeats.values() for b in run[1:]}
    edges = tuple(
        replace(e, source=twin.get(e.source, e.source))
        for e in picture.edges
        if e.target not in twin
    )
    used = {e.source for e in edges}
    groups: dict[str, list[Node]] = defaultdict(list)
    for n in picture.nodes:
        groups[twin.get(n.id, n.id)].append(n)
    nodes = tuple(
        _summed(groups[n.id]) if len(groups[n.id]) > 1 else n
        for n in picture.nodes
        if n.id not in twin and (n.kind not in HELD or n.id in used)
    )
    return replace(
        picture,
        nodes=nodes,
        edges=edges,
        scopes=tuple(
            _repeated(s, [repeats[i] for i in chain(scopes, s.id) if i in repeats])
            for s in picture.scopes
            if gone.isdisjoint(chain(scopes, s.id))
        ),
    )


def _summed(nodes: Sequence[Node]) -> Node:
    """The first of equal nodes, with the sums over all of them in its notes."""
    notes = dict(nodes[0].notes)
    for key in ADDED_UP:
        if key in notes:
            notes[key] = sum(n.notes.get(key, 0) for n in nodes)
    if "grad_norm" in notes:
        notes["grad_norm"] = math.hypot(*(n.notes.get("grad_norm", 0.0) for n in nodes))
    return replace(nodes[0], notes=notes)


def _repeated(scope: Scope, runs: Sequence[list[_Block]]) -> Scope:
    """A scope inside of blocks that repeat (the innermost first), or the block itself."""
    for run in runs:
        shared = all(b.held == run[0].held for b in run)
        if not shared:
            scope = replace(scope, parameters=scope.parameters * len(run))
        if run[0].scope.id == scope.id:
            first, last = run[0].scope, run[-1].scope
            to = f"-{last.name}" if last.name != first.name else ""
            scope = replace(
                scope,
                name=first.name + to,
                path=first.path + to,
                repeats=len(run),
                shared=shared and bool(run[0].held),
            )
    return scope
