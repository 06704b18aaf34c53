"""What Graphviz's SVG lacks for those who hear a picture instead of seeing it."""

from __future__ import annotations

import re
from html import unescape

from tinygrad_cnn.viz.dot import description, heading
from tinygrad_cnn.viz.metrics import width
from tinygrad_cnn.viz.picture import Picture
from tinygrad_cnn.viz.words import UNPRINTABLE, shape_text

_GROUP = re.compile(r'<g id="([nes])(\d+)" class="(node|edge|cluster)">\s*<title>[^<]*</title>')


# Graphviz writes the family that it measured and a generic one; these have the same widths.
_FONTS = "Helvetica,Arial,Arimo,Liberation Sans,Nimbus Sans,sans-serif"
_TEXT = re.compile(
    r'<text ([^>]*)font-family="Helvetica[^"]*"( font-weight="bold")? font-size="([\d.]+)"([^>]*)>'
    r"([^<]+)</text>"
)


def accessible(svg: str, picture: Picture) -> str:
    """The SVG with titles that say what each box, arrow and frame is, and a description of all.

    Graphviz titles are the names n0, n1 ... of the DOT text.
    """
    names = {n.id: heading(n) for n in picture.nodes}

    def told(match: re.Match[str]) -> str:
        kind, i, group = match[1], int(match[2]), match[3]
        if kind == "n":
            n = picture.nodes[i]
            title, words = heading(n), description(n)
        elif kind == "e":
            e = picture.edges[i]
            title = f"{names[e.source]} to {names[e.target]}"
            words = f"{e.kind} {e.name} {shape_text(e.shape)}"
        else:
            s = picture.scopes[i]
            title, words = s.path or s.name, f"{s.module}, {s.parameters} parameters"
        head = f'<g id="{kind}{i}" class="{group}" role="img">'
        return f"{head}<title>{_xml(title)}</title><desc>{_xml(words)}</desc>"

    svg = _TEXT.sub(_fitted, _GROUP.sub(told, svg))
    head = f"computation graph: {len(picture.nodes)} nodes, {len(picture.edges)} edges"
    steps = "; ".join(n.name for n in picture.nodes if n.kind in ("op", "module"))
    return re.sub(
        r'(<g id="graph0" class="graph"[^>]*>)(\s*<title>[^<]*</title>)?',
        lambda m: f"{m[1]}<title>{_xml(head)}</title><desc>{_xml(steps[:2000])}</desc>",
        svg,
        count=1,
    )


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
