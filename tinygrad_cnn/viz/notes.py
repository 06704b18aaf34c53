"""What can be written beside a box or told by its colour: measurements with their units."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

from tinygrad_cnn.viz.picture import Node
from tinygrad_cnn.viz.words import count, number, seconds, size

RECORD = "run the computation inside of `with viz.record():`"
SWEEP = "call loss.backward(retain_graph=True) first"


class Kind(NamedTuple):
    """A measurement: how its value reads, and on which scale colour shows it (None: it cannot)."""

    words: Callable[[Any], str]
    scale: str | None = "amount"
    needs: str = ""  # what must have been done for it to be known


KINDS: dict[str, Kind] = {
    "parameters": Kind(lambda v: f"{count(v)} parameters"),
    "saved": Kind(lambda v: f"saves {size(v)}"),
    "flops": Kind(lambda v: f"{count(v)}FLOP" if v >= 10_000 else f"{count(v)} FLOP"),
    "time": Kind(lambda v: f"forward {seconds(v)}", needs=RECORD),
    "backward_time": Kind(lambda v: f"backward {seconds(v)}", needs=f"{RECORD}, backward() too"),
    "grad_norm": Kind(lambda v: f"|\u2202| {number(v)}", "diverging", SWEEP),
    "stats": Kind(
        lambda v: (
            f"mean {number(v['mean'])}, std {number(v['std'])}, "
            f"{number(v['min'])} to {number(v['max'])}"
        ),
        None,
        RECORD,
    ),
    "source": Kind(str, None, RECORD),
}
ANNOTATIONS = ("shape", "dtype", *KINDS)
OVERLAYS = tuple(name for name, kind in KINDS.items() if kind.scale)


def notes_on(n: Node, annotate: Collection[str]) -> list[str]:
    """What is to be written beside a node."""
    return [words for _, words in told(n, annotate)]


def unknown(nodes: Collection[Node], wanted: Collection[str]) -> Iterator[str]:
    """A sentence for what is wanted and stands on no node: why it is not known."""
    missing: dict[str, list[str]] = {}
    for name, kind in KINDS.items():
        if name in wanted and kind.needs and not any(name in n.notes for n in nodes):
            missing.setdefault(kind.needs, []).append(name)
    for needs, names in missing.items():
        yield f"{', '.join(names)} not known: {needs}"


def told(n: Node, annotate: Collection[str]) -> Iterator[tuple[str, str]]:
    """(what, in words) of a node's measurements, in the table's order, and of its faults."""
    shown = set(annotate)
    if "time" in shown:
        shown.add("backward_time")
    if n.kind == "module":
        shown.add("parameters")
    for key, kind in KINDS.items():
        if key in shown and n.notes.get(key):
            yield key, kind.words(n.notes[key])
    if n.notes.get("shared"):
        yield "shared", "parameters shared"
    if n.kind == "module" and n.notes.get("residual"):
        yield "residual", f"residual: {n.notes['residual']}, each x + f(x)"
    if n.notes.get("nonfinite"):
        first = "the first " if n.notes.get("first_bad") else ""
        yield "fault", f"{first}{n.notes['nonfinite']}"
    if n.notes.get("bad_gradient") and "grad_norm" not in shown:
        yield "fault", "gradient not finite"
    if how := n.notes.get("change"):
        yield "change", ": ".join(filter(None, (how, n.notes.get("changed", ""))))
