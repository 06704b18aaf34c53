"""A graph as one HTML file: pictures drawn beforehand, data beside them, a script that shows them.

No network and no server. Names reach the page as JSON, in which no `<` is left, and as escaped text
in the pictures; the script writes them as text alone; and the page's own policy forbids the rest.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from string import Template
from typing import Any, NamedTuple

from tinygrad_cnn.viz import notes
from tinygrad_cnn.viz.dot import heading
from tinygrad_cnn.viz.looks import overlay
from tinygrad_cnn.viz.picture import Node, Picture
from tinygrad_cnn.viz.words import UNPRINTABLE, shape_text


class Sheet(NamedTuple):
    """One of the pictures: at which depth, in which view, and drawn."""

    depth: int
    view: str
    picture: Picture
    svg: str


def page(sheets: list[Sheet], start: Sheet, color: str, title: str) -> str:
    """The HTML of all sheets, `start` shown first."""
    folder = files("tinygrad_cnn.viz") / "page"
    depths = sorted({sheet.depth for sheet in sheets})
    data = {
        "start": {"depth": start.depth, "view": start.view, "overlay": color},
        "depths": [_depth(d, full=d == depths[-1]) for d in depths],
        "views": list(dict.fromkeys(sheet.view for sheet in sheets)),
        "overlays": [k for k in notes.OVERLAYS if any(_has(s.picture, k) for s in sheets)],
        "pictures": {f"{s.depth}-{s.view}": _told(s.picture) for s in sheets},
    }
    templates = "".join(
        f'<template id="svg-{s.depth}-{s.view}">{_inline(s.svg)}</template>\n' for s in sheets
    )
    return Template((folder / "page.html").read_text(encoding="utf-8")).substitute(
        title=_text(title or "computation graph"),
        css=(folder / "page.css").read_text(encoding="utf-8"),
        js=(folder / "page.js").read_text(encoding="utf-8"),
        templates=templates,
        data=_json(data),
    )


def _depth(depth: int, full: bool) -> dict[str, Any]:
    return {"value": depth, "name": "full" if full else str(depth), "key": str(depth or "")}


def _told(picture: Picture) -> dict[str, Any]:
    """What the script knows of a picture: its nodes by position, and the fills of each overlay."""
    place = {n.id: i for i, n in enumerate(picture.nodes)}
    sources: dict[str, list[int]] = defaultdict(list)
    targets: dict[str, list[int]] = defaultdict(list)
    for e in picture.edges:
        sources[e.target].append(place[e.source])
        targets[e.source].append(place[e.target])
    return {
        "nodes": [
            {
                "id": n.id,
                "name": heading(n),
                "text": " ".join([n.id, n.notes.get("path", ""), n.name, n.op, n.detail]),
                "facts": _facts(n),
                "from": list(dict.fromkeys(sources[n.id])),
                "to": list(dict.fromkeys(targets[n.id])),
                "runs": _pass(n),
            }
            for n in picture.nodes
        ],
        "overlays": {key: _overlay(picture, key) for key in notes.OVERLAYS if _has(picture, key)},
    }


def _facts(n: Node) -> list[tuple[str, str]]:
    kind = f"gradient of {n.family}" if n.kind == "gradient" else n.kind
    facts = [("kind", kind), ("op", n.op), ("settings", n.detail)]
    facts += [("shape", shape_text(n.shape)), ("dtype", n.dtype)]
    facts += [(key, str(n.notes.get(key, ""))) for key in ("path", "module", "repeats", "call")]
    facts += [(key, words) for key, words in notes.told(n, notes.ANNOTATIONS)]
    return [(key, words) for key, words in facts if words]


def _pass(n: Node) -> str:
    """In which pass the step is taken; inputs, parameters and outputs are no steps."""
    if n.kind == "gradient":
        return "backward"
    return "forward" if n.kind in ("op", "module") else ""


def _has(picture: Picture, key: str) -> bool:
    return any(key in n.notes for n in picture.nodes)


def _overlay(picture: Picture, key: str) -> dict[str, Any]:
    fills, scale = overlay(picture.nodes, key)
    words = notes.KINDS[key].words
    return {
        "fills": {i: fills[n.id] for i, n in enumerate(picture.nodes) if n.id in fills},
        "scale": [(fill, words(value)) for fill, value in scale],
    }


def _inline(svg: str) -> str:
    """The SVG without what belongs to a file of its own."""
    return re.sub(r"^.*?(?=<svg)", "", svg, count=1, flags=re.DOTALL).strip()


def _json(data: Mapping[str, Any]) -> str:
    """JSON that no HTML parser takes for markup."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _text(text: str) -> str:
    return escape(UNPRINTABLE.sub("\ufffd", text))
