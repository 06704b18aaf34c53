"""The visual language: what each kind of box and arrow looks like, and what colours mean.

What a thing is, its outline says, so that the picture can be read in grey; colour repeats it. The
fills are tints of colours that colour-blind people tell apart (Okabe and Ito, 2008), light enough
for dark text. Numbers are laid over them by `overlay`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from tinygrad_cnn.viz.notes import KINDS as KINDS_OF_NOTES
from tinygrad_cnn.viz.picture import Node

INK, FAINT, LINE = "#1a1a1a", "#595959", "#6b6b6b"
BLUE, RED, GOLD, ALARM = "#0072B2", "#D55E00", "#8A7400", "#C00000"
WHITE = "#FFFFFF"
CHANGES = {"added": "#009E73", "removed": "#C00000", "changed": "#B07800"}  # between two graphs


class Look(NamedTuple):
    """How a kind of box is drawn: fill, words in the legend, outline."""

    fill: str
    legend: str
    shape: str = "box"
    style: str = "filled"
    line: str = LINE
    width: float = 1.0
    lines: int = 1


KINDS = {
    "input": Look(WHITE, "input", "oval", line=INK, width=1.6),
    "output": Look(WHITE, "output", "oval", line=INK, width=3.0),
    "parameter": Look("#FFF3B0", "parameter", line=GOLD),
    "buffer": Look(WHITE, "buffer", style="filled,dashed", line=GOLD),
    "constant": Look("#F4F4F4", "constant", line="#8c8c8c"),
    "module": Look("#E4E4E4", "module, closed (double)", line=INK, lines=2),
    "gradient": Look("#FBE3D6", "\u2202: gradient of the loss", line=RED),
}
CONVOLUTION = Look("#8EC1DE", "convolution, linear", line=BLUE, width=2.4)
SHAPE = Look(WHITE, "shape, indexing", style="filled,dashed")
FAMILIES = {
    "convolution": CONVOLUTION,
    "linalg": CONVOLUTION,
    "products": CONVOLUTION,
    "activation": Look("#FBDCA0", "activation", style="filled,rounded", line="#9A6A00"),
    "pooling": Look("#D6EDF9", "pooling (pointed)", "invhouse", line="#2F6F93"),
    "normalization": Look("#BFE6D8", "normalization (double)", line="#00664B", lines=2),
    "reduction": Look("#E3D3EA", "reduction (pointed)", "invhouse", line="#6C4A7A"),
    "loss": Look("#F3B98F", "loss (eight corners)", "octagon", line=RED, width=2.4),
    "elementwise": Look(WHITE, "arithmetic", style="filled,rounded", line=INK),
    "shape": SHAPE,
    "indexing": SHAPE,
    "random": Look("#EFC9DD", "random", style="filled,dotted", line="#8E3F6B", width=1.6),
}
OTHER = Look(WHITE, "other op")
ORDER = tuple(dict.fromkeys(look.legend for look in (*KINDS.values(), *FAMILIES.values(), OTHER)))

# Light to dark for amounts; blue (vanishing) over white to orange (exploding) for gradients.
AMOUNTS = ("#FFFFFF", "#DCEAF4", "#B3D3E8", "#86BADB", "#56A0CC")
DIVERGING = ("#56A0CC", "#B3D3E8", "#FFFFFF", "#F5CBB0", "#E8935F")


def look(n: Node) -> Look:
    """The look of a node by its kind, of an op by its family."""
    return KINDS.get(n.kind) or FAMILIES.get(n.family, OTHER)


def overlay(nodes: Sequence[Node], key: str) -> tuple[dict[str, str], list[tuple[str, float]]]:
    """(a fill for each node that has the measurement `key`, the scale as [(fill, its value)]).

    Amounts are shaded by their share of the largest one. Gradients are shaded by how many powers of
    ten they lie below or above their median: two or more are vanishing or exploding.
    """
    values = {n.id: float(n.notes[key]) for n in nodes if key in n.notes}
    diverging = KINDS_OF_NOTES[key].scale == "diverging"
    finite = {k: v for k, v in values.items() if math.isfinite(v) and (v > 0 or not diverging)}
    if not finite:
        return {}, []
    if diverging:
        middle = sorted(finite.values())[len(finite) // 2]
        stops = [middle * 10.0**power for power in (-2, -1, 0, 1, 2)]
        place = {k: round(math.log10(v / middle)) + 2 for k, v in finite.items()}
        colours = DIVERGING
    else:
        top = max(finite.values()) or 1.0
        stops = [top * i / 4 for i in range(5)]
        place = {k: round(4 * v / top) for k, v in finite.items()}
        colours = AMOUNTS
    fills = {k: colours[min(4, max(0, i))] for k, i in place.items()}
    return fills, list(zip(colours, stops, strict=True))
