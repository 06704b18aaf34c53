"""What Graphviz's SVG lacks for those who hear a picture instead of seeing it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

from tinygrad_cnn.viz.dot import description, heading
from tinygrad_cnn.viz.metrics import width
from tinygrad_cnn.viz.picture import Node, Picture
from tinygrad_cnn.viz.views import held_inside
from tinygrad_cnn.viz.words import UNPRINTABLE, shape_text

_GROUP = r'<g id="(?P<kind>[nes])(?P<number>\d+)" class="(?P<class>\w+)">\s*<title>[^<]*</title>'
# A parameter in the box of its op: a cell of a table, filled and outlined, with one line of text.
_ROW = (
    r'(?P<row><polygon fill="[^"]*" stroke="(?:none|transparent)" points="[^"]*"/>\s*'
    r'<polygon fill="none" [^>]*/>\s*<text [^>]*>[^<]*</text>)'
)
_PART = re.compile(f"{_GROUP}|{_ROW}")
# Graphviz writes the family that it measured and a generic one; these have the same widths.
_FONTS = "Helvetica,Arial,Arimo,Liberation Sans,Nimbus Sans,sans-serif"
_TEXT = re.compile(
    r'<text ([^>]*)font-family="Helvetica[^"]*"( font-weight="bold")? font-size="([\d.]+)"([^>]*)>'
    r"([^<]+)</text>"
)


def accessible(svg: str, picture: Picture) -> str:
    """The SVG with titles that say what each box, arrow and frame is, and a description of all.

    Node i, edge i and scope i are the groups n<i>, e<i> and s<i>; so are the parameters that are
    lines in the box of an op.
    """
    number = {n.id: i for i, n in enumerate(picture.nodes)}
    names = {n.id: heading(n) for n in picture.nodes}
    _, held = held_inside(picture)
    rows: Iterator[Node] = iter(())

    def told(match: re.Match[str]) -> str:
        nonlocal rows
        n: Node | None
        if match["row"]:
            n = next(rows, None)
            if n is None:  # a swatch of the legend
                return match[0]
            head = _group(f"n{number[n.id]}", "row", "img", names[n.id], description(n))
            return f"{head}{match['row']}</g>"
        kind, i, role = match["kind"], int(match["number"]), "img"
        if kind == "n":
            n = picture.nodes[i]
            rows, title, words = iter(held.get(n.id, ())), names[n.id], description(n)
            role = "group" if n.id in held else "img"  # nothing inside of an image is read aloud
        elif kind == "e":
            e = picture.edges[i]
            title = f"{names[e.source]} to {names[e.target]}"
            words = f"{e.kind} {e.name} {shape_text(e.shape)}"
        else:
            s = picture.scopes[i]
            title, words = s.path or s.name, f"{s.module}, {s.parameters} parameters"
        return _group(f"{kind}{i}", match["class"], role, title, words)

    svg = _TEXT.sub(_fitted, _PART.sub(told, svg))
    head = f"computation graph: {len(picture.nodes)} nodes, {len(picture.edges)} edges"
    steps = "; ".join(n.name for n in picture.nodes if n.kind in ("op", "module"))
    return re.sub(
        r'(<g id="graph0" class="graph"[^>]*>)(\s*<title>[^<]*</title>)?',
        lambda m: f"{m[1]}<title>{_xml(head)}</title><desc>{_xml(steps[:2000])}</desc>",
        svg,
        count=1,
    )


def _group(id_: str, kind: str, role: str, title: str, words: str) -> str:
    head = f'<g id="{id_}" class="{kind}" role="{role}">'
    return f"{head}<title>{_xml(title)}</title><desc>{_xml(words)}</desc>"


def _fitted(match: re.Match[str]) -> str:
    """A line of text that keeps its width where another font has to do."""
    head, bold, points, tail, text = match.groups()
    text = text.strip(
        " "
    )  # of those around the words, browsers show none and would stretch the rest
    length = width(unescape(text), float(points), bool(bold))
    fit = "" if length is None else f' textLength="{length:.2f}" lengthAdjust="spacingAndGlyphs"'
    weight = bold or ""
    return (
        f'<text {head}font-family="{_FONTS}"{weight} font-size="{points}"{tail}{fit}>{text}</text>'
    )


def _xml(text: str) -> str:
    text = UNPRINTABLE.sub("\ufffd", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
