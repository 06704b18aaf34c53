"""Views: a Picture made from another, to show less of it.

    open_scattered  a ModuleList between whose modules other ops run is no frame
    name_lone_ops   a module that ran one op alone becomes that op, under the module's name
    mark_skips      the edge that brings x itself to x + f(x)
    collapse        a scope becomes one box; to_depth: all from some depth on
    near            a node or module and what lies around it
    limit           whatever is still too large is collapsed, and says so

Folding equal blocks and mirroring gradients are views too, in files of their own.
"""

from __future__ import annotations

import difflib
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.viz.picture import Edge, Node, Picture, Scope, chain

HELD = ("parameter", "buffer", "constant")  # what a module owns, as against what runs through it
Closed = Callable[[Scope], bool] | Collection[str]
FLOW = ("data", "skip")
RUNS = 24  # boxes in the picture of a graph without structure
SHOWN_OUTPUTS = 8
ADDED_UP = ("saved", "flops", "time", "backward_time")  # what boxes and repeats sum up


def open_scattered(picture: Picture) -> Picture:
    """Take away the frames of what only groups and runs in pieces, as [f(m(x)) for m in list] does.

    Such a frame would put side by side what runs one after the other. What lay in it carries its
    name: "layers.0".
    """
    scopes = {s.id: s for s in picture.scopes}
    running: set[str] = set()
    left: set[str] = set()
    scattered: set[str] = set()
    for n in picture.nodes:
        if n.kind in HELD or n.kind == "input":
            continue
        now = {i for i in chain(scopes, n.scope) if not scopes[i].module}
        scattered |= now & left
        left |= running - now
        running = now
    kept = {"": ("", "")}  # scope -> (the scope around it that stays, the names of those between)
    for s in picture.scopes:
        around, names = kept[s.parent]
        kept[s.id] = (around, f"{names}{s.name}.") if s.id in scattered else (s.id, "")
    return replace(
        picture,
        nodes=tuple(replace(n, scope=kept[n.scope][0]) for n in picture.nodes),
        scopes=tuple(
            replace(s, parent=kept[s.parent][0], name=kept[s.parent][1] + s.name)
            for s in picture.scopes
            if s.id not in scattered
        ),
    )


def name_lone_ops(picture: Picture) -> Picture:
    """A scope that holds one op and no other scope gives the op its name, and is gone."""
    ops = Counter(n.scope for n in picture.nodes if n.kind not in HELD)
    parents = {s.parent for s in picture.scopes}
    lone = {s.id: s for s in picture.scopes if ops[s.id] == 1 and s.id not in parents}

    def renamed(n: Node) -> Node:
        if n.scope not in lone:
            return n
        s = lone[n.scope]
        if n.kind in HELD:
            return replace(n, scope=s.parent)
        facts = {"path": s.path, "module": s.module, "parameters": s.parameters, "call": s.call}
        return replace(n, name=s.name, scope=s.parent, notes={**_known(facts), **n.notes})

    return replace(
        picture,
        nodes=tuple(renamed(n) for n in picture.nodes),
        scopes=tuple(s for s in picture.scopes if s.id not in lone),
    )


def collapse(picture: Picture, closed: Callable[[Scope], bool]) -> Picture:
    """Draw each scope for which `closed` holds as one box, unless it lies in such a box already."""
    scopes = {s.id: s for s in picture.scopes}
    box = {"": ""}  # scope -> the outermost closed scope around it, or ""
    for s in picture.scopes:
        box[s.id] = box[s.parent] or (s.id if closed(s) else "")
    if not any(box.values()):
        return picture
    place = _places(picture, box)
    inside: dict[str, list[Node]] = defaultdict(list)
    for n in picture.nodes:
        if place[n.id] != n.id:
            inside[place[n.id]].append(n)
    joins = residual_joins(picture)
    nodes, drawn = [], set()
    for n in picture.nodes:
        at = place[n.id]
        if at == n.id:
            hidden = box[n.scope]
            nodes.append(replace(n, scope=scopes[hidden].parent) if hidden else n)
        elif at not in drawn and n.kind not in HELD:
            drawn.add(at)
            nodes.append(_closed_box(scopes[at], inside[at], joins, scopes))
    residual = {scope for scope in joins if box[scope] == scope}
    return replace(
        picture,
        nodes=tuple(nodes),
        edges=_rerouted(picture, place, residual),
        scopes=tuple(s for s in picture.scopes if not box[s.id]),
    )


def to_depth(picture: Picture, depth: int, closed: Closed = ()) -> Picture:
    """Close the modules that lie `depth` or more levels below the outermost one (0: one box).

    And those that `closed` names by path or class, or for which it holds.
    """
    deep = depths(picture)
    kept_open = groups(picture) if depth else set()
    named = closed if callable(closed) else lambda s: s.path in closed or s.module in closed
    return collapse(picture, lambda s: (deep[s.id] >= depth and s.id not in kept_open) or named(s))


def near(picture: Picture, focus: str, hops: int) -> Picture:
    """What `focus` names, a node or a module by its id or path, and all within so many arrows."""
    scopes = {s.id: s for s in picture.scopes}
    named = {s.id for s in picture.scopes if focus in (s.id, s.path)}
    found = {
        n.id
        for n in picture.nodes
        if focus in (n.id, n.notes.get("path")) or not named.isdisjoint(chain(scopes, n.scope))
    }
    if not found:
        known = [s.path for s in picture.scopes if s.path] + [n.id for n in picture.nodes]
        hint = difflib.get_close_matches(focus, known, 3, 0.3) or known[:3]
        raise ConfigError(f"focus: no node or module {focus!r}; did you mean {', '.join(hint)}?")
    beside: dict[str, list[str]] = defaultdict(list)
    for e in picture.edges:
        beside[e.source].append(e.target)
        beside[e.target].append(e.source)
    edge_of = found
    for _ in range(hops):
        edge_of = {there for here in edge_of for there in beside[here]} - found
        found = found | edge_of
    used = {i for n in picture.nodes if n.id in found for i in chain(scopes, n.scope)}
    return replace(
        picture,
        nodes=tuple(n for n in picture.nodes if n.id in found),
        edges=tuple(e for e in picture.edges if e.source in found and e.target in found),
        scopes=tuple(s for s in picture.scopes if s.id in used),
        remarks=(*picture.remarks, f"only what lies within {hops} arrows of {focus}"),
    )


def limit(picture: Picture, most: int) -> Picture:
    """The picture with at most so many nodes: less depth, then runs of steps as one; it says so."""
    if len(picture.nodes) <= most:
        return picture
    for level, least, whose in (
        (depths(picture), 1, "modules"),
        (levels(picture), 0, "modules, containers too,"),
    ):
        smaller, depth = _deepest(picture, level, least, most)
        if len(smaller.nodes) <= most:
            how = f"{whose} are closed from depth {depth} on"
            break
    else:
        smaller = _in_runs(picture, most)
        how = "steps in a row are drawn as one box"
    remark = f"{len(picture.nodes):,} nodes are more than max_nodes={most:,}: {how}"
    return replace(smaller, remarks=(*smaller.remarks, remark))


def _deepest(
    picture: Picture, level: Mapping[str, int], least: int, most: int
) -> tuple[Picture, int]:
    """(the most detailed picture that is small enough, its depth); depth `least` if none is."""
    groups = {s.id for s in picture.scopes if level[s.id] == level[s.parent]}

    def at(depth: int) -> Picture:
        return collapse(picture, lambda s: level[s.id] >= depth and s.id not in groups)

    low, high = least, max(level.values()) + 1
    while low < high:  # fewer nodes the less deep, so that halving finds it
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(at(middle).nodes) <= most else (low, middle - 1)
    return at(low), low


def _in_runs(picture: Picture, most: int) -> Picture:
    """Equal runs of consecutive nodes as boxes, whatever they belong to."""
    outputs = sum(n.kind == "output" for n in picture.nodes)
    rest = [n for n in picture.nodes if n.kind != "output" or outputs > SHOWN_OUTPUTS]
    length = -(-len(rest) // max(1, min(RUNS, most - SHOWN_OUTPUTS)))
    place = {n.id: n.id for n in picture.nodes}
    boxes = []
    for start in range(0, len(rest), length):
        run = rest[start : start + length]
        box = _run_box(run, start)
        boxes.append(box)
        place.update((n.id, box.id) for n in run)
    shown = [replace(n, scope="") for n in picture.nodes if place[n.id] == n.id]
    edges = _rerouted(picture, place, set())
    return replace(picture, nodes=(*boxes, *shown), edges=edges, scopes=())


def _run_box(run: list[Node], start: int) -> Node:
    kinds = Counter(n.op or n.kind for n in run).most_common(3)
    facts = {key: sum(n.notes.get(key, 0) for n in run) for key in ADDED_UP}
    return Node(
        id=f"steps {start + 1} to {start + len(run)}",
        kind="module",
        name=f"{len(run):,} steps",
        family="module",
        detail=", ".join(f"{n:,} {kind}" for kind, n in kinds),
        shape=run[-1].shape,
        dtype=run[-1].dtype,
        notes=_known({"ops": sum(n.kind == "op" for n in run), **facts}),
    )


def levels(picture: Picture) -> dict[str, int]:
    """How deep each scope lies: the outermost ones at 0, no scope at -1."""
    level = {"": -1}
    for s in picture.scopes:
        level[s.id] = level[s.parent] + 1
    return level


def depths(picture: Picture) -> dict[str, int]:
    """The same for `to_depth`: a scope that only groups others is no level of its own.

    A Sequential of blocks computes nothing itself; closing it would hide what there is to see.
    """
    only_group = groups(picture)
    depth = {"": -1}
    for s in picture.scopes:
        depth[s.id] = depth[s.parent] + (s.id not in only_group)
    return depth


def groups(picture: Picture) -> set[str]:
    """The scopes, below the outermost ones, that hold scopes and nothing else."""
    inner = {s.id for s in picture.scopes if s.parent}
    holds_scopes = {s.parent for s in picture.scopes}
    holds_nodes = {n.scope for n in picture.nodes if n.kind not in HELD}
    return (inner & holds_scopes) - holds_nodes


def _places(picture: Picture, box: Mapping[str, str]) -> dict[str, str]:
    """For each node the id of the box that shows it, its own if it is shown itself.

    What a module owns goes where its users go; with users in several places it stays visible.
    """
    place = {n.id: box[n.scope] or n.id for n in picture.nodes if n.kind not in HELD}
    users: dict[str, set[str]] = defaultdict(set)
    for e in picture.edges:
        if e.target in place:
            users[e.source].add(place[e.target])
    boxes = set(box.values()) - {""}
    for n in picture.nodes:
        if n.kind in HELD:
            (user,) = users[n.id] if len(users[n.id]) == 1 else ("",)
            place[n.id] = user if user in boxes else n.id
    return place


def _closed_box(
    scope: Scope, inside: list[Node], joins: Mapping[str, int], scopes: Mapping[str, Scope]
) -> Node:
    """The box of a closed scope, with the sums of what it hides."""
    ops = [n for n in inside if n.kind not in HELD]
    within = {id_ for n in inside for id_ in _up_to(scopes, n.scope, scope.id)}
    blocks: Counter[str] = Counter()
    for id_ in within - {scope.id}:
        if joins.get(id_):
            around = _up_to(scopes, id_, scope.id)[:-1]
            blocks[scopes[id_].module] += math.prod(scopes[i].repeats for i in around)
    facts: dict[str, Any] = {
        "path": scope.path,
        "module": scope.module,
        "call": scope.call,
        "parameters": scope.parameters,
        "ops": sum(n.notes.get("ops", 1) for n in ops),
        "residual": ", ".join(f"{count} {module}" for module, count in sorted(blocks.items())),
        "repeats": scope.repeats,
        "shared": scope.shared,
        "freed": any(n.notes.get("freed") for n in ops),
        "nonfinite": next((n.notes["nonfinite"] for n in inside if "nonfinite" in n.notes), ""),
        "first_bad": any("first_bad" in n.notes for n in inside),
        "bad_path": any("bad_path" in n.notes for n in inside),
        "bad_gradient": any("bad_gradient" in n.notes for n in inside),
    }
    for key in ADDED_UP:
        facts[key] = sum(n.notes.get(key, 0) for n in ops)
    norms = [
        float(n.notes["grad_norm"])
        for n in inside
        if n.kind == "parameter" and "grad_norm" in n.notes
    ]
    if norms:  # of all its parameters together
        facts["grad_norm"] = math.hypot(*norms)
    end = ops[-1]
    return Node(
        id=scope.id,
        kind="module",
        name=scope.name,
        scope=scope.parent,
        family="module",
        detail=scope.module,
        shape=end.shape,
        dtype=end.dtype,
        order=end.order,
        notes=_known(facts),
    )


def _up_to(scopes: Mapping[str, Scope], scope: str, top: str) -> list[str]:
    path = []
    for id_ in chain(scopes, scope):
        path.append(id_)
        if id_ == top:
            return path
    return []


def _rerouted(picture: Picture, place: Mapping[str, str], residual: set[str]) -> tuple[Edge, ...]:
    """The edges between what is shown; each pair once, and once more past a residual block."""
    held = {n.id for n in picture.nodes if n.kind in HELD}
    edges: dict[tuple[Any, ...], Edge] = {}
    for e in picture.edges:
        source, target = place[e.source], place[e.target]
        if source == target:
            continue
        closed = target != e.target
        kind = "data" if closed and e.kind == "skip" else e.kind
        name = "" if closed else e.name
        kept = replace(e, source=source, target=target, name=name, kind=kind)
        key = (source, target, kind, name, e.shape)
        if key in edges:
            continue
        edges[key] = kept
        if closed and target in residual and e.source not in held and kind == "data":
            edges.setdefault((source, target, "skip"), replace(kept, kind="skip"))
    return tuple(edges.values())


def mark_skips(picture: Picture) -> Picture:
    """Call an edge a skip, where it brings x itself to the addition in x + f(x)."""
    scopes = {s.id: s for s in picture.scopes}
    joins = residual_joins(picture)
    where = {n.id: n.scope for n in picture.nodes if n.kind not in HELD}
    adds = {n.id for n in picture.nodes if n.op == "add" and n.scope in joins}

    def marked(e: Edge) -> Edge:
        if e.target not in adds or e.source not in where:
            return e
        inside = where[e.target] in chain(scopes, where[e.source])
        return e if inside else replace(e, kind="skip")

    return replace(picture, edges=tuple(marked(e) for e in picture.edges))


def residual_joins(picture: Picture) -> dict[str, int]:
    """For each scope, how many of its own additions join branches that come from one source.

    That is x + f(x) in all its forms: an identity or a projection on one side, a body on the other.
    """
    scopes = {s.id: s for s in picture.scopes}
    held = {n.id for n in picture.nodes if n.kind in HELD}
    inputs: dict[str, list[str]] = defaultdict(list)
    for e in picture.edges:
        if e.kind in FLOW and e.source not in held:
            inputs[e.target].append(e.source)
    adds = [n for n in picture.nodes if n.op == "add" and n.scope and len(inputs[n.id]) > 1]
    owners = {n.scope for n in adds}
    members: dict[str, list[Node]] = defaultdict(list)
    for n in picture.nodes if owners else ():
        if n.kind not in HELD:
            for id_ in chain(scopes, n.scope):
                if id_ in owners:
                    members[id_].append(n)
    joins: Counter[str] = Counter()
    for owner in sorted(owners):
        reach = _reach(members[owner], inputs)
        for n in members[owner]:
            if n.op == "add" and n.scope == owner and len(inputs[n.id]) > 1:
                left, right = (reach[i] for i in inputs[n.id][:2])
                joins[owner] += bool(left & right)
    return {scope: count for scope, count in joins.items() if count}


def _reach(members: list[Node], inputs: Mapping[str, list[str]]) -> dict[str, int]:
    """For each member, and each source outside that enters, a bit mask of the sources behind it."""
    reach: dict[str, int] = {}
    own = {n.id for n in members}
    entries = 0
    for n in members:
        mask = 0
        for source in inputs.get(n.id, ()):
            if source not in reach:
                # 63 entries are told apart; more share a bit, which may call too much residual
                reach[source] = 0 if source in own else 1 << min(entries, 63)
                entries += source not in own
            mask |= reach[source]
        reach[n.id] = mask
    return reach


def _known(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Without what says nothing: zeros, empty texts, a first call, a single repeat."""
    usual = {"call": 1, "repeats": 1}
    return {k: v for k, v in facts.items() if v and v != usual.get(k)}


def held_inside(picture: Picture) -> tuple[set[str], dict[str, list[Node]]]:
    """(nodes that are written into the box of their only user, those of each such box).

    That keeps a picture small: a module's weight used once is a line in its convolution. The
    gradient of such a parameter is a line where it arises.
    """
    nodes = {n.id: n for n in picture.nodes}
    beside: dict[str, list[str]] = defaultdict(list)
    for e in picture.edges:
        for one, other in ((e.source, e.target), (e.target, e.source)):
            if nodes[one].kind in HELD or nodes[one].family == "parameter":
                beside[one].append(other)
    inside: set[str] = set()
    rows: dict[str, list[Node]] = defaultdict(list)
    for n in picture.nodes:
        owned = n.kind in ("buffer", "constant") or "path" in n.notes
        (other,) = beside[n.id] if owned and len(beside[n.id]) == 1 else ("",)
        if other and nodes[other].kind in ("op", "gradient"):
            inside.add(n.id)
            rows[other].append(n)
    return inside, rows
