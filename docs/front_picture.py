"""The picture at the head of the README: code, its graph, its table, and how it learned."""

from __future__ import annotations

import csv
import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from tinygrad_cnn import models, viz

WIDTH, HEIGHT = 900, 800
RIGHT = 455  # where the right-hand column begins
INK, FAINT, RULE, BLUE, RED = "#1a1a1a", "#595959", "#d9d9d9", "#0072B2", "#D55E00"
SHOWN = (0.9, 1.0)  # accuracies, from the bottom of the chart to its top
CHART = (RIGHT + 40, 560, WIDTH - 85, 755)  # left, top, right, bottom
STROKES = (  # colour, dashes, width, words
    (INK, "none", 2, "forward: arrays and their shapes"),
    (RED, "5 3", 1.5, "backward: gradients"),
    (FAINT, "1 4", 2, "bytes kept from one for the other"),
)
TITLE = "The default network: its code, its graph forward and backward, its layers, its learning"


def compose(graph: viz.Graph, learning: Path) -> str:
    """One SVG: `graph` on the left; source, summary and the curves of a run on the right."""
    model = models.MnistLeaky()
    source = textwrap.dedent(inspect.getsource(models.MnistLeaky.forward))
    source = re.sub(r" *#.*", "", source).rstrip().replace("self.negative_slope", "0.01")
    parts = [
        *_text_block(RIGHT, 40, "what you write", source.splitlines()),
        *_strokes(RIGHT, 185),
        *_text_block(RIGHT, 305, "what it holds", str(model.summary((1, 1, 28, 28))).splitlines()),
        *_chart(learning),
        _nested(graph.to_svg(), RIGHT - 35, HEIGHT - 20),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{TITLE}">\n'
        f'<title>{TITLE}</title>\n<rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _nested(svg: str, width: int, height: int) -> str:
    """A whole SVG as a part of another one, as large as fits."""
    body = svg[svg.index("<svg") :].strip()
    place = f'<svg x="10" y="10" width="{width}" height="{height}" '
    return re.sub(r'<svg width="[^"]*"\s+height="[^"]*"\s*', place, body, count=1)


def _text_block(x: int, y: int, title: str, lines: Sequence[str]) -> Iterator[str]:
    yield _text(x, y, title, 15, bold=True)
    yield f'<path d="M {x} {y + 8} H {WIDTH - 20}" stroke="{RULE}"/>'
    for i, line in enumerate(lines):
        yield (
            f'<text x="{x}" y="{y + 29 + 18 * i}" xml:space="preserve" fill="{INK}" '
            f'font-family="Consolas, Menlo, monospace" font-size="12">{escape(line)}</text>'
        )


def _strokes(x: int, y: int) -> Iterator[str]:
    """What the arrows of the graph are."""
    yield from _text_block(x, y, "what it records", [])
    for i, (colour, dash, width, words) in enumerate(STROKES):
        at = y + 29 + 20 * i
        yield (
            f'<path d="M {x} {at - 4} h 48" stroke="{colour}" stroke-width="{width}" '
            f'stroke-dasharray="{dash}" fill="none"/>'
        )
        yield _text(x + 60, at, words, 13)


def _chart(learning: Path) -> Iterator[str]:
    left, top, right, bottom = CHART
    with learning.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    last = int(rows[-1]["epoch"])
    yield from _text_block(RIGHT, top - 32, "how it learns: accuracy", [])
    for percent in (90, 92, 94, 96, 98, 100):
        y = _height(percent / 100)
        yield f'<path d="M {left} {y:.1f} H {right}" stroke="{RULE}"/>'
        yield _text(left - 8, y + 4, f"{percent}%", 11, FAINT, "end")
    for epoch in range(5, last + 1, 5):
        x = left + (right - left) * epoch / last
        yield _text(x, bottom + 16, str(epoch), 11, FAINT, "middle")
    yield _text(left, bottom + 16, "epoch", 11, FAINT, "middle")
    for name, words, colour, dash in (
        ("train_accuracy", "training", FAINT, ' stroke-dasharray="5 3"'),
        ("val_accuracy", "held out", BLUE, ""),
    ):
        seen = [(int(row["epoch"]), float(row[name])) for row in rows]
        points = " ".join(
            f"{left + (right - left) * epoch / last:.1f},{_height(accuracy):.1f}"
            for epoch, accuracy in seen
            if accuracy >= SHOWN[0]
        )
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
        y = float(points.rpartition(",")[2])
        yield _text(right + 8, y + (-2 if dash else 10), words, 12, colour)


def _height(accuracy: float) -> float:
    _, top, _, bottom = CHART
    return bottom - (bottom - top) * (accuracy - SHOWN[0]) / (SHOWN[1] - SHOWN[0])


def _text(
    x: float,
    y: float,
    words: str,
    size: int,
    colour: str = INK,
    anchor: str = "start",
    bold: bool = False,
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-family="Helvetica, Arial, sans-serif" '
        f'font-size="{size}" fill="{colour}" text-anchor="{anchor}"{weight}>{words}</text>'
    )
