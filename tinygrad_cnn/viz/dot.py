"""A Picture as DOT, the language of Graphviz, written by the `graphviz` package."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from tinygrad_cnn.errors import require
from tinygrad_cnn.viz import notes
from tinygrad_cnn.viz.looks import (
    ALARM,
    BLUE,
    CHANGES,
    FAINT,
    INK,
    LINE,
    ORDER,
    RED,
    WHITE,
    Look,
    look,
    overlay,
)
from tinygrad_cnn.viz.picture import Edge, Node, Picture, Scope, chain
from tinygrad_cnn.viz.views import HELD, groups, held_inside
from tinygrad_cnn.viz.words import count, html, plain, shape_text, size

FONT = "Helvetica"  # its widths are known to Graphviz, so that boxes fit their text
MEDIUM, SMALL = "10", "9"
LEGEND_COLUMNS = 3
# Told in the gradient's box, or on the dotted line to it, where there is one.
TOLD_BESIDE = ("grad_norm", "backward_time", "bad_gradient", "saved")
SIGNS = {"add": "+", "subtract": "\u2212", "multiply": "\u00d7", "divide": "\u00f7", "matmul": "@"}
SHOW_THEIR_SHAPE = ("input", "output", *HELD)  # so that the arrow from them need not

# Puts the head to the right of the tail: Graphviz orders a row by its arrows that weigh something.
BESIDE = {"minlen": "0", "weight": "1"}
EDGES: dict[str, dict[str, str]] = {
    "data": {"penwidth": "1.3", "weight": "8"},
    "skip": {"penwidth": "2.4", "weight": "0", "color": BLUE, "fontcolor": BLUE},
    "held": {"color": LINE, "arrowhead": "none"},
    "gradient": {"color": RED, "fontcolor": RED, "style": "dashed", "weight": "8"},
    "saved": {"color": LINE, "style": "dotted", "arrowhead": "dot", **BESIDE},
    "freed": {"color": LINE, "style": "dotted", "arrowhead": "odot", **BESIDE},
    "removed": {"color": CHANGES["removed"], "style": "dashed", "weight": "1"},
}
EDGE_LEGEND = {
    "skip": f'<FONT COLOR="{BLUE}"><B>skip: x past f(x)</B></FONT>',
    "gradient": f'<FONT COLOR="{RED}">dashed: gradient</FONT>',
    "saved": "dotted: saved for the gradient",
    "freed": "dotted, hollow: saved, released",
}


class Options(NamedTuple):
    """What is written beside the names, and what colour tells."""

    annotate: Collection[str] = ("shape",)
    color: str = ""
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
        self.nodes = {n.id: n for n in picture.nodes}
        self.inside, self.rows = held_inside(picture)
        repeated = {s.id for s in picture.scopes if s.repeats > 1}
        self.groups = groups(picture) - repeated
        closed = {n.id for n in picture.nodes if n.kind == "module"}
        self.joins = {e.target for e in picture.edges if e.kind == "skip"} & closed
        self.mirrored = len({n.kind == "gradient" for n in picture.nodes}) == 2
        self.skip_side = "w" if self.mirrored else "e"  # away from the gradients
        dtypes = Counter(n.dtype for n in picture.nodes if n.kind in ("op", "module"))
        self.usual_dtype = dtypes.most_common(1)[0][0] if dtypes else ""
        self.shapes = "shape" in options.annotate
        self.fills: dict[str, str] = {}
        self.scale: list[tuple[str, float]] = []
        if options.color:  # a box without the measurement is white
            fills, self.scale = overlay(picture.nodes, options.color)
            self.fills = {n.id: fills.get(n.id, WHITE) for n in picture.nodes}

    def write(self) -> str:
        g = self.graphviz.Digraph("picture")
        g.attr("graph", fontname=FONT, bgcolor="white", nodesep="0.3", ranksep="0.32")
        g.attr("graph", outputorder="nodesfirst")
        g.attr("graph", **self._banner())
        g.attr("node", fontname=FONT, fontsize="12", margin="0.12,0.05", height="0.3")
        g.attr("edge", fontname=FONT, fontsize=SMALL, fontcolor=FAINT, color=INK, arrowsize="0.7")
        self._declare(g)
        with g.subgraph(name="cluster_picture") as c:
            c.attr(peripheries="0", margin="0")
            if self.options.legend:
                c.attr(label=f"<{self._legend()}>", labelloc="b", fontsize=SMALL, fontcolor=INK)
            self._scope(c, "", self._by_scope())
        for i, edge in enumerate(self.picture.edges):
            if edge.source not in self.inside and edge.target not in self.inside:
                self._edge(g, i, edge)
        self._gradients_to_the_right(g)
        return str(g.source)

    def _banner(self) -> dict[str, str]:
        """The title, and below it the remarks, each in a frame that is seen at once."""
        cell = 'BORDER="1" COLOR="#8A7400" BGCOLOR="#FFF3B0"'
        cells = [f"<TD {cell}>{html(remark, 160)}</TD>" for remark in self.picture.remarks]
        if self.options.title:
            words = f'<FONT POINT-SIZE="14"><B>{html(self.options.title, 160)}</B></FONT>'
            cells.insert(0, f"<TD>{words}</TD>")
        if not cells:
            return {}
        rows = "".join(f"<TR>{cell}</TR>" for cell in cells)
        label = f'<<TABLE BORDER="0" CELLPADDING="4">{rows}</TABLE>>'
        return {"label": label, "labelloc": "t", "fontsize": "11"}

    def _declare(self, g: Any) -> None:
        """Name the boxes in order of execution, frames before what is in them.

        Graphviz writes them in this order, and so they are read aloud and reached by the Tab key.
        """
        number = {s.id: i for i, s in enumerate(self.picture.scopes)}
        scopes = {s.id: s for s in self.picture.scopes}
        seen: set[str] = set()
        for n in self.picture.nodes:
            for scope in reversed([s for s in chain(scopes, n.scope) if s not in seen]):
                seen.add(scope)
                if scope not in self.groups:
                    g.node(f"s{number[scope]}")
            if n.id not in self.inside:
                g.node(self.names[n.id])

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
                # A note and not the cluster's label: edges go round nodes, and across labels. Where
                # a frame only groups others, their notes tell its path, and one more is in the way.
                if s.id not in self.groups:
                    c.node(f"s{i}", label=_heading(s), id=f"h{i}", shape="plain", fontsize="11")
                self._scope(c, s.id, members)

    def _node(self, g: Any, n: Node) -> None:
        seen = look(n)
        sign = SIGNS.get(n.op) if n.kind == "op" and self._is_bare(n) else None
        outline = {"shape": seen.shape, "style": seen.style, "peripheries": str(seen.lines)}
        line, width = seen.line, seen.width
        if sign:
            outline = {"shape": "circle", "fixedsize": "true", "width": "0.34", "style": "filled"}
        if change := n.notes.get("change"):
            line, width = CHANGES[change], 3.0
            outline["style"] += ",dashed" if change == "removed" else ""
        if at_fault(n):
            line, width, outline["peripheries"] = ALARM, 2.4, "2"
        g.node(
            self.names[n.id],
            label=f"<<B>{sign}</B>>" if sign else self._label(n),
            id=self.names[n.id],
            fillcolor=self.fills.get(n.id, seen.fill),
            color=line,
            penwidth=f"{width:g}",
            tooltip=self._plain(description(n)),
            **outline,
        )

    def _is_bare(self, n: Node) -> bool:
        """Whether a sign says all: two arrays come in, nothing else is to be told."""
        more = n.detail or self.rows.get(n.id) or self._notes(n)
        return not more and n.name == n.op and n.order == 1

    def _label(self, n: Node) -> str:
        title = heading(n)
        rows = [f"<B>{html(title)}</B>"]
        if small := _small(n, title):
            rows.append(f'<FONT POINT-SIZE="{MEDIUM}">{html(small)}</FONT>')
        if n.kind in SHOW_THEIR_SHAPE and self.shapes:
            rows.append(f'<FONT POINT-SIZE="{SMALL}">{html(self._shape(n))}</FONT>')
        cells = "".join(f"<TR><TD>{row}</TD></TR>" for row in rows)
        for held in self.rows.get(n.id, ()):
            cells += self._held(held)
        for text in self._notes(n):
            colour = ALARM if at_fault(n) else INK if self.fills else FAINT
            font = f'<FONT POINT-SIZE="{SMALL}" COLOR="{colour}">'
            cells += f"<TR><TD>{font}{html(text)}</FONT></TD></TR>"
        if n.id in self.joins:
            plus = f'<FONT COLOR="{BLUE}"><B>+</B></FONT>'
            side = "LEFT" if self.skip_side == "w" else "RIGHT"
            cells += f'<TR><TD PORT="join" ALIGN="{side}">{plus}</TD></TR>'
        return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="1" CELLPADDING="1">{cells}</TABLE>>'

    def _held(self, n: Node) -> str:
        """A parameter (or its gradient) as a line in the box of the op that takes (or makes) it."""
        text = heading(n) + (f" {self._shape(n)}" if self.shapes else "")
        text = ", ".join([text, *self._notes(n)])
        seen = look(n)
        line = ALARM if at_fault(n) else seen.line
        fill = self.fills.get(n.id, seen.fill)
        cell = f'BORDER="1" BGCOLOR="{fill}" COLOR="{line}"'
        return f'<TR><TD {cell}><FONT POINT-SIZE="{SMALL}">{html(text)}</FONT></TD></TR>'

    def _notes(self, n: Node) -> list[str]:
        """What is told of a gradient in its own box need not stand in the other one as well."""
        if self.mirrored and n.kind != "gradient":
            n = replace(n, notes={k: v for k, v in n.notes.items() if k not in TOLD_BESIDE})
        return notes.notes_on(n, self.options.annotate)

    def _shape(self, thing: Node | Edge) -> str:
        text = shape_text(thing.shape)
        shown = "dtype" in self.options.annotate or thing.dtype not in ("", self.usual_dtype)
        return f"{text} {thing.dtype}" if shown and thing.dtype else text

    # -- arrows -------------------------------------------------------------------------------

    def _edge(self, g: Any, i: int, e: Edge) -> None:
        source, target = self.nodes[e.source], self.nodes[e.target]
        kind = "held" if source.kind in HELD and e.kind == "data" else e.kind
        attributes = dict(EDGES[kind], id=f"e{i}")
        attributes["tooltip"] = self._plain(f"{e.name} {self._shape(e)}".strip())
        tail, head = self.names[e.source], self.names[e.target]
        if source.notes.get("bad_path") and target.notes.get("bad_path"):
            attributes |= {"color": ALARM, "penwidth": "2.4"}
        if e.kind == "skip" and e.target in self.joins:
            head += f":join:{self.skip_side}"
        if e.kind == "saved" and source.notes.get("saved"):
            attributes["label"] = f" {size(source.notes['saved'])} "
        elif self.shapes and self._tells_shape(e, source):
            attributes["label"] = f" {plain(self._shape(e))} "
        if e.kind == "gradient" and self.mirrored:  # so that both halves are laid out alike
            tail, head = head, tail
            attributes["dir"] = "back"
        g.edge(tail, head, **attributes)

    def _gradients_to_the_right(self, g: Any) -> None:
        """What ops save for their gradients holds these in place; leaves save nothing."""
        for n in self.picture.nodes:
            leaf = n.notes.get("of") if n.family in ("input", "parameter") else None
            if leaf in self.names and not {leaf, n.id} & self.inside:
                g.edge(self.names[leaf], self.names[n.id], style="invis", **BESIDE)

    def _tells_shape(self, e: Edge, source: Node) -> bool:
        repeated = e.kind == "gradient" and self.mirrored
        repeated |= e.kind == "skip" and e.target in self.joins
        return e.shape is not None and source.kind not in SHOW_THEIR_SHAPE and not repeated

    # -- legend -------------------------------------------------------------------------------

    def _legend(self) -> str:
        """A table of what the boxes, arrows and colours of this picture mean."""
        looks = {look(n).legend: look(n) for n in self.picture.nodes}
        cells = [_swatch(looks[words], bool(self.fills)) for words in ORDER if words in looks]
        kinds = {e.kind for e in self.picture.edges}
        lines = [words for kind, words in EDGE_LEGEND.items() if kind in kinds]
        if any(n.order > 1 and n.kind == "op" for n in self.picture.nodes):
            lines.append("\u2202 op: computes a gradient")
        if any(at_fault(n) for n in self.picture.nodes):
            lines.append(f'<FONT COLOR="{ALARM}"><B>double red: NaN or Inf</B></FONT>')
        changes = {n.notes.get("change") for n in self.picture.nodes}
        for how, colour in CHANGES.items():
            if how in changes:
                dashes = " (dashed)" if how == "removed" else ""
                lines.append(f'<FONT COLOR="{colour}"><B>{how}{dashes}</B></FONT>')
        if self.shapes and self.usual_dtype:
            lines.append(f"(shape) of {html(self.usual_dtype)}")
        cells += [f'<TD BORDER="0">{line}</TD>' for line in lines]
        rows = [cells[i : i + LEGEND_COLUMNS] for i in range(0, len(cells), LEGEND_COLUMNS)]
        body = "".join(f"<TR>{''.join(row)}</TR>" for row in rows)
        return f'<TABLE BORDER="0" CELLSPACING="4" CELLPADDING="3">{body}{self._scale()}</TABLE>'

    def _scale(self) -> str:
        if not self.scale:
            return ""
        words = notes.KINDS[self.options.color].words
        cells = "".join(f'<TD BGCOLOR="{fill}">{html(words(v))}</TD>' for fill, v in self.scale)
        table = f'<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="0"><TR>{cells}</TR></TABLE>'
        return f'<TR><TD COLSPAN="{LEGEND_COLUMNS}">{table}</TD></TR>'

    def _plain(self, text: str) -> Any:
        return self.graphviz.nohtml(plain(text))


def at_fault(n: Node) -> bool:
    """Whether what the box holds is a NaN or an Inf: the array, or for a gradient the gradient."""
    return bool(n.notes.get("bad_gradient" if n.kind == "gradient" else "nonfinite"))


def heading(n: Node) -> str:
    """What stands on top of a box."""
    times = f" \u00d7 {n.notes['repeats']}" if "repeats" in n.notes else ""
    if n.kind == "gradient":
        path = n.notes.get("path") if n.family == "module" else ""
        return f"\u2202 {path or n.name}{times}"
    if n.kind == "module":
        return (n.notes.get("path") or n.name) + times
    if n.kind != "op" or n.name != n.op:
        return n.name
    mark = "\u2202" * (n.order - 1)
    mark += " " if mark else ""
    if n.op in SIGNS and n.detail:  # "x2=0.125" of a multiply: "× 0.125"
        side, _, value = n.detail.partition("=")
        return mark + (f"{value} {SIGNS[n.op]}" if side == "x1" else f"{SIGNS[n.op]} {value}")
    return mark + SIGNS.get(n.op, n.op)


def description(n: Node) -> str:
    """A sentence for the tool tip, and for those who cannot see the picture."""
    what = n.op if n.kind == "op" else n.kind
    if n.kind == "gradient":
        what = f"gradient of {n.family}"
    parts = [f"{n.name}: {what}" if n.name != what else what, n.detail]
    parts += [f"shape {shape_text(n.shape)} {n.dtype}" if n.shape is not None else ""]
    parts += notes.notes_on(n, notes.ANNOTATIONS)
    return ", ".join(p for p in parts if p)


def _small(n: Node, title: str) -> str:
    """The line under the heading: which op a named box runs, and its settings."""
    if n.kind == "gradient":
        return n.op if n.op not in (n.name, "") else ""
    if n.kind != "op":
        return n.detail if n.detail != title else ""
    if n.name == n.op:
        return "" if n.op in SIGNS else n.detail
    return f"{n.op} {n.detail}".strip()


def _swatch(seen: Look, white: bool) -> str:
    styles = [*seen.style.split(",")[1:], *(["rounded"] if seen.shape == "oval" else [])]
    style = f' STYLE="{",".join(styles)}"' if styles else ""
    line = f'BORDER="{max(1, round(seen.width))}" COLOR="{seen.line}"'
    fill = WHITE if white else seen.fill
    return f'<TD {line} BGCOLOR="{fill}"{style}>{html(seen.legend)}</TD>'


def _heading(s: Scope) -> str:
    """The note in the corner of a frame."""
    times = f" \u00d7 {s.repeats}" if s.repeats > 1 else ""
    rows = [f"<B>{html(s.path or s.name)}{times}</B>"]
    if s.module and s.module != s.name:
        rows.append(html(s.module))
    if s.call > 1:
        rows.append(f"call {s.call}")
    if s.parameters:
        words = f"{count(s.parameters)} parameters{', shared' if s.shared else ''}"
        rows.append(f'<FONT POINT-SIZE="{SMALL}" COLOR="{FAINT}">{words}</FONT>')
    cells = "".join(f'<TR><TD ALIGN="LEFT">{row}</TD></TR>' for row in rows)
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">{cells}</TABLE>>'
