"""The backward view: for every box one for its gradient, with the arrows turned round."""

from __future__ import annotations

from dataclasses import replace

from tinygrad_cnn.viz.picture import Edge, Node, Picture
from tinygrad_cnn.viz.views import FLOW

OF_THE_GRADIENT = ("grad_norm", "backward_time", "bad_gradient", "path", "module", "repeats")
HAVE_GRADIENTS = ("op", "module", "parameter", "output")


def with_gradients(picture: Picture) -> Picture:
    """The picture with its mirror: gradients from the output down to the parameters.

    A box and its gradient are joined by what the forward pass saved for it: a `saved` edge, a
    `freed` one where a sweep has released the arrays.
    """
    shown = {n.id: n for n in picture.nodes if n.kind in HAVE_GRADIENTS or n.notes.get("learns")}
    nodes = [_gradient(n) for n in reversed(shown.values())]
    edges: dict[tuple[str, str], Edge] = {}
    for e in reversed(picture.edges):
        if e.kind in FLOW and e.source in shown and e.target in shown:
            g = Edge(_id(e.target), _id(e.source), "", e.shape, e.dtype, "gradient")
            edges.setdefault((g.source, g.target), g)
    saved = [
        Edge(n.id, _id(n.id), kind="freed" if n.notes.get("freed") else "saved")
        for n in shown.values()
        if n.notes.get("saved") or (n.notes.get("freed") and n.kind in ("op", "module"))
    ]
    return replace(
        picture,
        nodes=(*picture.nodes, *nodes),
        edges=(*picture.edges, *edges.values(), *saved),
    )


def gradients_alone(picture: Picture) -> Picture:
    """The mirror without what it mirrors."""
    both = with_gradients(picture)
    kept = {n.id for n in both.nodes if n.kind == "gradient"}
    return replace(
        both,
        nodes=tuple(n for n in both.nodes if n.id in kept),
        edges=tuple(e for e in both.edges if e.source in kept),
    )


def _id(id_: str) -> str:
    return f"gradient {id_}"


def _gradient(n: Node) -> Node:
    notes = {"of": n.id}
    notes |= {key: n.notes[key] for key in OF_THE_GRADIENT if key in n.notes}
    return Node(
        id=_id(n.id),
        kind="gradient",
        name=n.name,
        scope=n.scope,
        op=n.op,
        family=n.kind,
        shape=n.shape,
        dtype=n.dtype,
        order=n.order + 1,
        notes=notes,
    )
