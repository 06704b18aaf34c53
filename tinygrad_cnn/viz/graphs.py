"""graph(loss): the computation graph of a tensor as a picture.

    g = viz.graph(loss, model=model, depth=2)
    g                    # a notebook shows it
    g.save("net.svg")    # or .png .pdf .dot .json .txt .html

Reading, views and renderers are files of their own; here they are put together.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import ConfigError, TinygradError
from tinygrad_cnn.files import write_atomic
from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.viz import folding, views
from tinygrad_cnn.viz.dot import Options, to_dot
from tinygrad_cnn.viz.drawing import draw
from tinygrad_cnn.viz.gradients import gradients_alone, with_gradients
from tinygrad_cnn.viz.notes import ANNOTATIONS, OVERLAYS, unknown
from tinygrad_cnn.viz.picture import Picture
from tinygrad_cnn.viz.reading import read
from tinygrad_cnn.viz.recording import Record, active
from tinygrad_cnn.viz.svg import accessible
from tinygrad_cnn.viz.text import to_text
from tinygrad_cnn.viz.web import Sheet, page

VIEWS = ("forward", "backward", "both")
FOLDS = ("auto", "none")
MAX_NODES = 400
DEEPEST = 6  # of the depths that an HTML page offers


class Plan(NamedTuple):
    """How a picture is made from that of every op; an HTML page makes several."""

    whole: Picture
    depth: int
    closed: views.Closed
    view: str
    focus: str
    hops: int
    max_nodes: int

    def picture(self) -> Picture:
        """What is to be drawn."""
        picture = views.to_depth(self.whole, self.depth, self.closed)
        if self.focus:
            picture = views.near(picture, self.focus, self.hops)
        picture = views.limit(picture, self.max_nodes)
        if self.view == "both":
            return with_gradients(picture)
        return gradients_alone(picture) if self.view == "backward" else picture


class Graph:
    """A picture and how it is to be written.

    picture   what is drawn: nodes, edges and scopes as plain data (see viz.picture)
    """

    def __init__(self, picture: Picture, options: Options, engine: str, plan: Plan | None = None):
        self.picture = picture
        self.options = options
        self.engine = engine
        self.plan = plan

    def to_svg(self) -> str:
        """As SVG, drawn by `dot` or graphviz-pure, with a title on every node and edge."""
        svg = draw(self.to_dot(), "svg", self.engine).decode()
        return accessible(svg, self.picture)

    def to_png(self) -> bytes:
        """As the content of a PNG file."""
        return draw(self.to_dot(), "png", self.engine)

    def to_pdf(self) -> bytes:
        """As the content of a PDF file; needs the `dot` program."""
        return draw(self.to_dot(), "pdf", self.engine)

    def to_dot(self) -> str:
        """In the DOT language, written by the graphviz package."""
        return to_dot(self.picture, self.options)

    def to_json(self) -> str:
        """The picture's own model; `viz.Picture.from_json` reads it."""
        return self.picture.to_json()

    def to_html(self) -> str:
        """As one page to explore, with every depth, forward and both ways; needs no network."""
        here, plan = Sheet(0, "graph", self.picture, self.to_svg()), self.plan
        if plan is None:
            return page([here], here, "", self.options.title)
        plain = Graph(self.picture, self.options._replace(color=""), self.engine)
        full = max(views.depths(plan.whole).values()) + 1
        sheets = []
        for depth in sorted({*range(min(full, DEEPEST)), full}):
            for view in dict.fromkeys(("forward", "both", plan.view)):
                plain.picture = plan._replace(depth=depth, view=view).picture()
                sheets.append(Sheet(depth, view, plain.picture, plain.to_svg()))
        depth = min((s.depth for s in sheets), key=lambda d: abs(d - plan.depth))
        start = here._replace(depth=depth, view=plan.view)
        return page(sheets, start, self.options.color, self.options.title)

    def to_text(self) -> str:
        """As a table for terminals, a line a step."""
        return to_text(self.picture, self.options.annotate)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the file in the format that its suffix names; returns its path.

        The file is whole or absent: it is written under a temporary name and renamed.
        """
        target = Path(path)
        write = _WRITERS.get(target.suffix.lower())
        if write is None:
            raise ConfigError(
                f"{target.name}: the suffix says the format, one of {' '.join(_WRITERS)}; "
                f"got {target.suffix or 'none'!r}"
            )
        write_atomic(target, write(self))
        return target

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        nodes, edges = len(self.picture.nodes), len(self.picture.edges)
        return f"<Graph of {nodes} nodes and {edges} edges>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows: the picture where it can be drawn, the table where not."""
        bundle = {"text/plain": self.to_text()}
        try:
            bundle["image/svg+xml"] = self.to_svg()
        except (TinygradError, OSError) as error:
            bundle["text/plain"] += f"\n({error})"
        return bundle

    def _repr_svg_(self) -> str | None:
        return self._repr_mimebundle_().get("image/svg+xml")


_WRITERS: dict[str, Callable[[Graph], str | bytes]] = {
    ".svg": Graph.to_svg,
    ".png": Graph.to_png,
    ".pdf": Graph.to_pdf,
    ".dot": Graph.to_dot,
    ".gv": Graph.to_dot,
    ".json": Graph.to_json,
    ".txt": Graph.to_text,
    ".html": Graph.to_html,
}


def graph(
    tensors: Tensor | Sequence[Tensor],
    model: Module | None = None,
    *,
    inputs: Mapping[str, Tensor] | None = None,
    view: str = "forward",
    depth: int | None = None,
    closed: views.Closed = (),
    fold: str = "auto",
    focus: str = "",
    hops: int = 2,
    annotate: Collection[str] = ("shape",),
    color: str = "",
    record: Record | None = None,
    legend: bool = True,
    title: str = "",
    max_nodes: int = MAX_NODES,
    engine: str = "auto",
) -> Graph:
    """The graph of everything that was recorded on the way to `tensors`.

    model      names parameters and buffers; without it, the modules that ran name their own
    inputs     names for tensors that came from outside: {"image": x}. An array that no gradient
               reads is not kept; where it is used twice, only this tells that it is the same one.
    view       "forward", "backward" (the gradients), or "both" side by side
    depth      modules so many levels inside the outermost one are closed boxes: 0 shows one box, 1
               the modules it is made of, None every op. A module that only groups others (a
               Sequential of blocks) is no level of its own.
    closed     more modules to close: their paths or classes, or a function of a viz.Scope
    fold       "auto": equal blocks in a row are one, "x 3"; "none": each is drawn
    focus      the id or path of a node or module: only it and what lies within `hops` arrows of it
    annotate   what to write in the boxes: shape, dtype, parameters, saved (bytes kept for the
               gradient), flops, grad_norm; and, with a record, time, stats, source. What was asked
               for and not measured is missing, and a line above the picture says why.
    color      one of saved, flops, parameters, grad_norm, time, backward_time: the fill shows how
               much, and the number stands in the box
    record     what viz.record() measured; inside of its block, and after it, found by itself
    legend     whether to explain the picture below it
    title      a line above it
    max_nodes  a larger picture, gradients not counted, is collapsed until it is smaller, and says
               so on top
    engine     "dot", "graphviz-pure", or "auto": the first of them that is installed

    >>> import numpy as np, tinygrad_cnn as tg
    >>> net = tg.nn.Sequential(tg.nn.Linear(3, 4), tg.nn.ReLU(), tg.nn.Linear(4, 2))
    >>> print(graph(net(tg.Tensor(np.ones((5, 3))))).to_text())
       step          from  output
    1  input               (5, 3)
       Sequential                  26 parameters
    2    0  linear      1  (5, 4)  weight (4, 3), bias (4,)
    3    1  relu        2  (5, 4)
    4    2  linear      3  (5, 2)  weight (2, 4), bias (2,)
    5  output           4  (5, 2)
    """
    outputs = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    _check(outputs, view, depth, fold, hops, annotate, color)
    told = tuple(annotate) if color in annotate or not color else (*annotate, color)
    picture = views.open_scattered(read(outputs, model, inputs, record or active()))
    picture = views.name_lone_ops(picture)
    remarks = (*picture.remarks, *unknown(picture.nodes, told))
    picture = views.mark_skips(replace(picture, remarks=remarks))
    if fold == "auto":
        picture = folding.fold(picture)
    every = max(views.depths(picture).values()) + 1
    plan = Plan(picture, every if depth is None else depth, closed, view, focus, hops, max_nodes)
    return Graph(plan.picture(), Options(told, color, legend, title), engine, plan)


def _check(
    outputs: list[Any],
    view: str,
    depth: int | None,
    fold: str,
    hops: int,
    annotate: Collection[str],
    color: str,
) -> None:
    for t in outputs:
        if not isinstance(t, Tensor):
            raise ConfigError(f"graph: takes a Tensor or several, got a {type(t).__name__}")
    _one_of("view", view, VIEWS)
    _one_of("fold", fold, FOLDS)
    if color:
        _one_of("color", color, OVERLAYS)
    if depth is not None and depth < 0:
        raise ConfigError(f"graph: depth is 0 or more, or None for everything; got {depth}")
    if hops < 0:
        raise ConfigError(f"graph: hops is 0 or more; got {hops}")
    if isinstance(annotate, str) or not set(annotate) <= set(ANNOTATIONS):
        raise ConfigError(
            f"graph: annotate is a tuple of names out of {', '.join(ANNOTATIONS)}; got {annotate!r}"
        )


def _one_of(option: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        raise ConfigError(f"graph: {option} is one of {', '.join(known)}; got {value!r}")
