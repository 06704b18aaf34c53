"""A Picture as plain text, for terminals: a numbered line a step, indented as the modules nest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from tinygrad_cnn.viz.notes import notes_on
from tinygrad_cnn.viz.picture import Node, Picture, Scope, chain
from tinygrad_cnn.viz.views import held_inside
from tinygrad_cnn.viz.words import aligned, count, one_line, shape_text

HEADINGS = ("", "step", "from", "output", "")


def to_text(picture: Picture, annotate: Collection[str] = ("shape",)) -> str:
    """The picture in order of execution, in columns.

    number | what runs | numbers of the lines that its inputs come from | shape of its output |
    the parameters that it holds, and notes
    """
    inside, held = held_inside(picture)
    scopes = {s.id: s for s in picture.scopes}
    sources: dict[str, dict[str, None]] = defaultdict(dict)
    for e in picture.edges:
        if e.source not in inside:
            sources[e.target][e.source] = None
    number: dict[str, int] = {}
    rows: list[Sequence[str]] = [HEADINGS]
    opened: list[str] = []
    for n in picture.nodes:
        if n.id in inside:
            continue
        path = list(chain(scopes, n.scope))[::-1]
        rows += [
            _heading(scopes[scope], depth)
            for depth, scope in enumerate(path)
            if opened[: depth + 1] != path[: depth + 1]
        ]
        opened = path
        number[n.id] = len(number) + 1
        taken = [str(number.get(source, "?")) for source in sources[n.id]]
        notes = [_held(h, annotate) for h in held.get(n.id, ())] + notes_on(n, annotate)
        rows.append(
            (
                str(number[n.id]),
                "  " * len(path) + _what(n),
                " ".join(taken),
                shape_text(n.shape) if "shape" in annotate else "",
                ", ".join(notes),
            )
        )
    return "\n".join([*picture.remarks, *aligned(rows, right=(0, 2))]) + "\n"


def _heading(s: Scope, depth: int) -> Sequence[str]:
    words = [one_line(s.path or s.name)]
    words += [s.module] if s.module not in ("", s.name) else []
    words += [f"x {s.repeats}"] if s.repeats > 1 else []
    words += [f"call {s.call}"] if s.call > 1 else []
    parameters = f"{count(s.parameters)} parameters" if s.parameters else ""
    return ("", "  " * depth + "  ".join(words), "", "", parameters)


def _what(n: Node) -> str:
    words = [("\u2202 " if n.kind == "gradient" else "\u2202" * (n.order - 1)) + n.name]
    words += [n.op] if n.op not in (n.name, "") else []
    words += [n.detail] if n.detail else []
    return one_line("  ".join(words))


def _held(h: Node, annotate: Collection[str]) -> str:
    return " ".join([one_line(h.name), shape_text(h.shape), *notes_on(h, annotate)])
