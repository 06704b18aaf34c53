"""What a backward pass does to memory: reads any layout, writes to none of what it is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.testing.arrays import Arrays, float_outputs
from tinygrad_cnn.testing.blame import blaming, mismatch
from tinygrad_cnn.testing.layouts import LAYOUTS
from tinygrad_cnn.testing.properties.comparing import (
    must_agree,
    must_agree_values,
    plain,
)
from tinygrad_cnn.testing.properties.registry import HOLDS, prop
from tinygrad_cnn.testing.report import Outcome
from tinygrad_cnn.testing.subject import Subject

__tracebackhide__ = True  # in pytest: a failure shows the functions of users, not the kit's


@prop()
def memory_layout(subject: Subject) -> Outcome:
    """f and its gradient are the same for Fortran-ordered, strided, reversed, read-only arrays."""
    g = subject.upstream(subject.rng("layout"))
    at = [*subject.xs, g]
    with blaming(subject, "memory_layout"):
        usual = _in_rows(subject, at)
    for name, lay_out in LAYOUTS.items():

        def values(xs: Arrays, lay_out: Layout = lay_out) -> Arrays:
            return float_outputs(subject.run([lay_out(x) for x in xs]))

        def gradients(values: Arrays, lay_out: Layout = lay_out) -> tuple[Arrays, Arrays, Arrays]:
            *xs, g = values
            gs = [lay_out(a) for a in subject.split(g)]
            found = subject.pullback([lay_out(x) for x in xs])(gs)
            expected = usual if values is at else _in_rows(subject, values)
            return found, expected, expected

        what = f"for {name} arrays"
        must_agree_values(subject, "memory_layout", f"f has another value {what}", values)
        must_agree(subject, "memory_layout", f"the gradient is another {what}", gradients, at)
    return HOLDS


Layout = Callable[[np.ndarray], np.ndarray]


def _in_rows(subject: Subject, values: Arrays) -> Arrays:
    *xs, g = values
    return subject.gradient([x.copy(order="C") for x in xs], g)


@prop()
def purity(subject: Subject) -> Outcome:
    """Inputs, upstream gradients and saved arrays are the same bytes after the backward pass."""
    must_write_nothing(subject, of_f=True)
    return HOLDS


def must_write_nothing(subject: Subject, of_f: bool) -> None:
    """The VJP writes into nothing that it is given; nor, `of_f`, does f."""
    xs = [x.copy(order="K") for x in subject.xs]
    gs = subject.split(subject.upstream(subject.rng("purity")))
    watched = {f"{subject.label(k)}": x for k, x in enumerate(xs)}
    for i, a in enumerate(subject.inputs):
        if i not in subject.places and isinstance(a, np.ndarray | Tensor):
            watched[f"input {i}"] = plain(a)
    before = {name: a.tobytes() for name, a in watched.items()}
    with blaming(subject, "purity"):
        if subject.vjp is not None:
            if of_f:
                subject.run(xs)
                _must_be_unchanged(subject, watched, before, "f")
            pull = subject.pullback(xs)
        else:
            leaves, ys = subject.record(xs)
            if of_f:
                _must_be_unchanged(subject, watched, before, "f")
            watched |= _saved(ys)
            pull = lambda g: subject.isolated(lambda: subject.sweep(leaves, ys, g))  # noqa: E731
        watched |= {f"upstream gradient {i}": a for i, a in enumerate(gs)}
        before = {name: a.tobytes() for name, a in watched.items()}
        pull(gs)
    _must_be_unchanged(subject, watched, before, "the VJP")


def _must_be_unchanged(
    subject: Subject, watched: dict[str, np.ndarray], before: dict[str, bytes], who: str
) -> None:
    for name, a in watched.items():
        if a.tobytes() != before[name]:
            raise mismatch(subject, "purity", f"{who} writes into {name}")


def _saved(ys: Sequence[Any]) -> dict[str, np.ndarray]:
    """The arrays that the graph below ys keeps."""
    arrays: dict[str, np.ndarray] = {}
    stack = [y._node for y in ys if isinstance(y, Tensor) and y._node is not None]
    seen: set[int] = set()
    while stack:
        node = stack.pop()
        if node.seq in seen or node.op is None:
            continue
        seen.add(node.seq)
        stack += [p for p in node.parents if p is not None]
        kept = {"output": node.output, **(node.residual or {}), **node.static}
        kept |= {f"input {i}": a for i, a in enumerate(node.args or ())}
        for name, a in kept.items():
            if isinstance(a, np.ndarray):
                arrays[f"the {name} that {node.op.name} saved (node {node.seq})"] = a
    return arrays


@prop()
def no_shared_memory(subject: Subject) -> Outcome:
    """A gradient is an array of its own: no other gradient, no input, no upstream sees its memory.

    A bare vjp= may return the same array twice, or g itself: its caller copies. But what it has
    returned must not change when it is called again.
    """
    rng = subject.rng("memory")
    g, h = subject.split(subject.upstream(rng)), subject.split(subject.upstream(rng))
    xs = [x.copy(order="K") for x in subject.xs]
    with blaming(subject, "no_shared_memory"):
        pull = subject.pullback(xs)
        gradients = pull(g)
        before = [G.tobytes() for G in gradients]
        pull(h)
    for k, (G, b) in enumerate(zip(gradients, before, strict=True)):
        if G.tobytes() != b:
            raise mismatch(
                subject,
                "no_shared_memory",
                f"the gradient of {subject.label(k)} changed when the VJP was called again",
                input=subject.places[k],
            )
    if subject.vjp is None:
        others = {f"{subject.label(k)}": x for k, x in enumerate(xs)}
        others |= {f"upstream gradient {i}": a for i, a in enumerate(g)}
        for k, G in enumerate(gradients):
            for name, a in others.items():
                if np.may_share_memory(G, a) and np.shares_memory(G, a):
                    raise mismatch(
                        subject,
                        "no_shared_memory",
                        f"the gradient of {subject.label(k)} shares memory with {name}",
                        input=subject.places[k],
                    )
            others[f"the gradient of {subject.label(k)}"] = G
    return HOLDS
