"""A Picture as DOT, the language of Graphviz, written by the `graphviz` package.

What a thing is, its outline says, so that the picture can be read in grey; colour repeats it. The
fills are tints of colours that colour-blind people tell apart (Okabe and Ito, 2008).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from tinygrad_cnn.errors import require
from tinygrad_cnn.viz.picture import Edge, Node, Picture, Scope
from tinygrad_cnn.viz.views import HELD
from tinygrad_cnn.viz.words import count, html, plain, shape_text, size

FONT = "Helvetica"  # a font whose widths Graphviz knows, so that boxes fit their text
INK, FAINT, LINE = "#1a1a1a", "#595959", "#6b6b6b"
SMALL, TINY = "10", "9"
LEGEND_COLUMNS = 3


class Look(NamedTuple):
    """How a kind of box is drawn, and what the legend calls it."""

    fill: str
    legend: str
    shape: str = "box"
    style: str = "filled"
    line: str = LINE
    width: float = 1.0
    lines: int = 1


BLUE, SKY, GREEN, YELLOW, ORANGE, RED, PINK = (
    "#0072B2", "#56B4E9", "#009E73", "#F0E442", "#E69F00", "#D55E00", "#CC79A7",
)  # fmt: skip

KINDS = {
    "input": Look("#FFFFFF", "input", "oval", line=INK, width=1.6),
    "output": Look("#FFFFFF", "output", "oval", line=INK, width=3.0),
    "parameter": Look("#FFF3B0", "parameter", line="#8A7400"),
    "buffer": Look("#FFFFFF", "buffer", style="filled,dashed", line="#8A7400"),
    "constant": Look("#F4F4F4", "constant", line="#8c8c8c"),
    "module": Look("#E4E4E4", "module, closed", "box3d"),
}
FAMILIES = {
    "convolution": Look("#8EC1DE", "convolution, linear", line=BLUE, width=2.4),
    "products": Look("#8EC1DE", "convolution, linear", line=BLUE, width=2.4),
    "contraction": Look("#8EC1DE", "convolution, linear", line=BLUE, width=2.4),
    "activation": Look("#FBDCA0", "activation", style="filled,rounded", line="#9A6A00"),
    "pooling": Look("#D6EDF9", "pooling (pointed)", "invhouse", line="#2F6F93"),
    "normalization": Look("#BFE6D8", "normalization (double)", line="#00664B", lines=2),
    "reduction": Look("#E3D3EA", "reduction (pointed)", "invhouse", line="#6C4A7A"),
    "norms": Look("#E3D3EA", "reduction (pointed)", "invhouse", line="#6C4A7A"),
    "loss": Look("#F3B98F", "loss (eight corners)", "octagon", line=RED, width=2.4),
    "elementwise": Look("#FFFFFF", "arithmetic", style="filled,rounded", line=INK),
    "shape": Look("#FFFFFF", "shape, indexing", style="filled,dashed"),
    "indexing": Look("#FFFFFF", "shape, indexing", style="filled,dashed"),
    "sorting": Look("#FFFFFF", "shape, indexing", style="filled,dashed"),
    "random": Look("#EFC9DD", "random", style="filled,dotted", line="#8E3F6B", width=1.6),
}
OTHER = Look("#FFFFFF", "other op")
SIGNS = {"add": "+", "subtract": "\u2212", "multiply": "\u00d7", "divide": "\u00f7", "matmul": "@"}


class Options(NamedTuple):
    """What to write beside the names."""

    annotate: Collection[str] = ("shape",)
    legend: bool = True
    title: str = ""


def to_dot(picture: Picture, options: Options | None = None) -> str:
    """The DOT text; node i of the picture is called n<i>, its edge i e<i>, its scope i s<i>."""
    return _Writer(picture, options or Options()).write()


class _Writer:
    def __init__(self, picture: Picture, options: Options) -> None:
        self.graphviz = require("graphviz", "viz")
        self.picture = picture
        self.options = options
        self.names = {n.id: f"n{i}" for i, n in enumerate(picture.nodes)}
        self.looks = {n.id: look(n) for n in picture.nodes}
        self.inside, self.rows = held_inside(picture)
        dtypes = Counter(n.dtype for n in picture.nodes if n.kind == "op")
        self.usual_dtype = dtypes.most_common(1)[0][0] if dtypes else ""

    def write(self) -> str:
        g = self.graphviz.Digraph("picture")
        g.attr(
            "graph",
            rankdir="TB",
            nodesep="0.3",
            ranksep="0.32",
            fontname=FONT,
            fontsize="11",
            labelloc="t",
            bgcolor="white",
            **self._banner(),
        )
        g.attr("node", fontname=FONT, fontsize="12", margin="0.12,0.05", height="0.3")
        g.attr("edge", fontname=FONT, fontsize=TINY, fontcolor=FAINT, color=INK, arrowsize="0.7")
        with g.subgraph(name="cluster_picture") as c:
            c.attr(peripheries="0", margin="0")
            if self.options.legend:
                c.attr(label=f"<{self._legend()}>", labelloc="b", fontsize=TINY, fontcolor=FAINT)
            self._scope(c, "", self._by_scope())
        for i, edge in enumerate(self.picture.edges):
            if edge.source not in self.inside:
                self._edge(g, i, edge)
        return str(g.source)

    def _banner(self) -> dict[str, str]:
        lines = [self.options.title] if self.options.title else []
        lines += self.picture.remarks
        if not lines:
            return {}
        cell = 'BORDER="1" COLOR="#8A7400" BGCOLOR="#FFF3B0"'
        rows = "".join(f"<TR><TD {cell}>{html(line, 160)}</TD></TR>" for line in lines)
        return {"label": f'<<TABLE BORDER="0" CELLPADDING="4">{rows}</TABLE>>'}

    # -- boxes --------------------------------------------------------------------------------

    def _by_scope(self) -> dict[str, tuple[list[Node], list[tuple[int, Scope]]]]:
        members: dict[str, tuple[list[Node], list[tuple[int, Scope]]]] = defaultdict(
            lambda: ([], [])
        )
        for n in self.picture.nodes:
            if n.id not in self.inside:
                members[n.scope][0].append(n)
        for i, s in enumerate(self.picture.scopes):
            members[s.parent][1].append((i, s))
        return members

    def _scope(self, g: Any, scope: str, members: Mapping[str, Any]) -> None:
        """Write what lies in a scope; scopes nest as deep as calls do, so recursion is safe."""
        nodes, scopes = members.get(scope, ([], []))
        for n in nodes:
            self._node(g, n)
        for i, s in scopes:
            with g.subgraph(name=f"cluster_{i}") as c:
                c.attr(
                    label="",
                    peripheries="1",
                    id=f"s{i}",
                    style="rounded,filled" if s.repeats == 1 else "rounded,filled,bold",
                    color="#9a9a9a" if s.repeats == 1 else INK,
                    fillcolor="#00000008",
                    margin="8",
                    tooltip=self._plain(s.path or s.name),
                )
                # A note and not the cluster's label: edges go round nodes, and across labels.
                c.node(f"s{i}", label=_heading(s), shape="plain", fontsize="11")
                self._scope(c, s.id, members)

    def _node(self, g: Any, n: Node) -> None:
        look = self.looks[n.id]
        sign = SIGNS.get(n.op) if n.kind == "op" and self._is_bare(n) else None
        outline = {"shape": look.shape, "style": look.style}
        if sign:
            outline = {"shape": "circle", "fixedsize": "true", "width": "0.34", "style": "filled"}
        g.node(
            self.names[n.id],
            label=f"<<B>{sign}</B>>" if sign else self._label(n),
            id=self.names[n.id],
            fillcolor=look.fill,
            color=look.line,
            peripheries=str(look.lines),
            penwidth=f"{look.width:g}",
            tooltip=self._plain(description(n)),
            **outline,
        )

    def _is_bare(self, n: Node) -> bool:
        """Whether a sign says all: two arrays come in, nothing else is to be told."""
        more = n.detail or self.rows.get(n.id) or notes_on(n, self.options.annotate)
        return not more and n.name == n.op

    def _label(self, n: Node) -> str:
        title = _title(n)
        small = [n.op] if n.kind == "op" and title != n.op and n.op not in SIGNS else []
        detail = "" if n.op in SIGNS and n.kind == "op" else n.detail
        small += [detail] if detail else []
        rows = [f"<B>{html(title)}</B>"]
        if small:
            rows.append(f'<FONT POINT-SIZE="{SMALL}">{html("  ".join(small))}</FONT>')
        if n.kind in ("input", "output", *HELD) and "shape" in self.options.annotate:
            rows.append(f'<FONT POINT-SIZE="{TINY}">{html(self._shape(n))}</FONT>')
        cells = "".join(f"<TR><TD>{row}</TD></TR>" for row in rows)
        for held in self.rows.get(n.id, ()):
            text = html(f"{held.name} {self._shape(held)}" if self._shapes else held.name)
            cells += (
                f'<TR><TD BORDER="1" BGCOLOR="{KINDS[held.kind].fill}" '
                f'COLOR="{KINDS[held.kind].line}"><FONT POINT-SIZE="{TINY}">{text}</FONT></TD></TR>'
            )
        for text in notes_on(n, self.options.annotate):
            cells += (
                f'<TR><TD><FONT POINT-SIZE="{TINY}" COLOR="{FAINT}">{html(text)}</FONT></TD></TR>'
            )
        return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="1" CELLPADDING="1">{cells}</TABLE>>'

    @property
    def _shapes(self) -> bool:
        return "shape" in self.options.annotate

    def _shape(self, thing: Node | Edge) -> str:
        text = shape_text(thing.shape)
        shown = "dtype" in self.options.annotate or thing.dtype not in ("", self.usual_dtype)
        return f"{text} {thing.dtype}" if shown and thing.dtype else text

    # -- edges --------------------------------------------------------------------------------

    def _edge(self, g: Any, i: int, e: Edge) -> None:
        held = self.looks[e.source] is KINDS.get("parameter")
        attributes = {"id": f"e{i}", "tooltip": self._plain(f"{e.name} {self._shape(e)}".strip())}
        if e.kind == "skip":
            attributes |= {"color": BLUE, "penwidth": "2.4", "fontcolor": BLUE}
        elif held:
            attributes |= {"color": LINE, "arrowhead": "none"}
        else:
            attributes |= {"penwidth": "1.3", "weight": "4"}
        if self._shapes and self._tells_shape(e):
            attributes["label"] = f" {plain(self._shape(e))} "
        g.edge(self.names[e.source], self.names[e.target], **attributes)

    def _tells_shape(self, e: Edge) -> bool:
        """Boxes of inputs, parameters and outputs show their shape themselves."""
        return e.shape is not None and self.looks[e.source] not in _SHOWING

    def _legend(self) -> str:
        """A table of what the kinds of boxes look like, for those in the picture."""
        looks = {look.legend: look for look in self.looks.values()}
        everything = (*KINDS.values(), *FAMILIES.values(), OTHER)
        order = dict.fromkeys(look.legend for look in everything)
        cells = [_swatch(looks[words]) for words in order if words in looks]
        if any(e.kind == "skip" for e in self.picture.edges):
            words = f'<FONT COLOR="{BLUE}"><B>skip: x past f(x)</B></FONT>'
            cells.append(f'<TD BORDER="0">{words}</TD>')
        if self._shapes and self.usual_dtype:
            cells.append(f'<TD BORDER="0">(shape) of {html(self.usual_dtype)}</TD>')
        rows = [cells[i : i + LEGEND_COLUMNS] for i in range(0, len(cells), LEGEND_COLUMNS)]
        body = "".join(f"<TR>{''.join(row)}</TR>" for row in rows)
        return f'<TABLE BORDER="0" CELLSPACING="4" CELLPADDING="3">{body}</TABLE>'

    def _plain(self, text: str) -> Any:
        return self.graphviz.nohtml(plain(text))


NOTES: dict[str, Callable[[Any], str]] = {
    "saved": lambda v: f"saves {size(v)}",
}
_SHOWING = tuple(KINDS[kind] for kind in ("input", "output", *HELD))


def notes_on(n: Node, annotate: Collection[str]) -> list[str]:
    """The notes that are to be written beside a node."""
    notes = []
    if n.kind == "module" and n.notes.get("parameters"):
        notes.append(f"{count(n.notes['parameters'])} parameters")
    if n.kind == "module" and n.notes.get("residual"):
        notes.append(f"residual: {n.notes['residual']}, each x + f(x)")
    notes += [NOTES[key](n.notes[key]) for key in NOTES if key in annotate and n.notes.get(key)]
    return notes


def look(n: Node) -> Look:
    """The look of a node by its kind, of an op by its family."""
    return KINDS.get(n.kind) or FAMILIES.get(n.family, OTHER)


def description(n: Node) -> str:
    """A sentence for the tool tip and for those who cannot see the picture."""
    what = n.op if n.kind == "op" else n.kind
    parts = [f"{n.name}: {what}" if n.name != what else what, n.detail]
    parts += [f"shape {shape_text(n.shape)} {n.dtype}" if n.shape is not None else ""]
    parts += [f"{key} {value}" for key, value in n.notes.items()]
    return ", ".join(p for p in parts if p)


def _swatch(look: Look) -> str:
    styles = [*look.style.split(",")[1:], *(["rounded"] if look.shape == "oval" else [])]
    style = f' STYLE="{",".join(styles)}"' if styles else ""
    line = f'BORDER="{max(1, round(look.width))}" COLOR="{look.line}"'
    return f'<TD {line} BGCOLOR="{look.fill}"{style}>{html(look.legend)}</TD>'


def _title(n: Node) -> str:
    if n.name == n.op and n.op in SIGNS and n.detail:  # "x2=0.125" of a multiply: "× 0.125"
        side, _, value = n.detail.partition("=")
        return f"{value} {SIGNS[n.op]}" if side == "x1" else f"{SIGNS[n.op]} {value}"
    return n.name if n.name != n.op else SIGNS.get(n.op, n.op)


def _heading(s: Scope) -> str:
    rows = [f"<B>{html(s.path or s.name)}</B>"]
    if s.module and s.module != s.name:
        rows.append(html(s.module))
    if s.call > 1:
        rows.append(f"call {s.call}")
    if s.parameters:
        words = f"{count(s.parameters)} parameters"
        rows.append(f'<FONT POINT-SIZE="{TINY}" COLOR="{FAINT}">{words}</FONT>')
    cells = "".join(f'<TR><TD ALIGN="LEFT">{row}</TD></TR>' for row in rows)
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">{cells}</TABLE>>'


def held_inside(picture: Picture) -> tuple[set[str], dict[str, list[Node]]]:
    """(nodes to write into the box of their only user, those of each box)."""
    nodes = {n.id: n for n in picture.nodes}
    users: dict[str, list[str]] = defaultdict(list)
    for e in picture.edges:
        users[e.source].append(e.target)
    inside: set[str] = set()
    rows: dict[str, list[Node]] = defaultdict(list)
    for n in picture.nodes:
        if n.kind in HELD and len(users[n.id]) == 1 and nodes[users[n.id][0]].kind == "op":
            inside.add(n.id)
            rows[users[n.id][0]].append(n)
    return inside, rows
