"""What the graph does: gradients add up in it, and it is there when it should be and no longer."""

from __future__ import annotations

import gc
import weakref

import numpy as np

from tinygrad_cnn.core.modes import Observer, no_grad, observe, scope
from tinygrad_cnn.core.node import Node
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.testing.arrays import Arrays, float_leaves, float_outputs, leaf
from tinygrad_cnn.testing.blame import blaming, mismatch
from tinygrad_cnn.testing.properties.comparing import (
    failure_at,
    must_agree,
    must_be_equal,
    tried,
)
from tinygrad_cnn.testing.properties.registry import HOLDS, prop
from tinygrad_cnn.testing.report import Outcome
from tinygrad_cnn.testing.subject import Subject

__tracebackhide__ = True  # in pytest: a failure shows the functions of users, not the kit's


@prop()
def accumulation(subject: Subject) -> Outcome:
    """Gradients add up: of f(x, x), the gradients of both places; of f(x) used twice, twice one."""
    g = subject.upstream(subject.rng("accumulation"))
    pairs = [
        (i, j)
        for j in range(len(subject.xs))
        for i in range(j)
        if subject.xs[i].shape == subject.xs[j].shape and subject.xs[i].dtype == subject.xs[j].dtype
    ]
    for i, j in pairs[:3]:
        _compare_aliased(subject, i, j, g)
    if subject.vjp is None:
        _compare_diamond(subject, g)
    elif not pairs:
        return Outcome(skipped="no two inputs have one shape")
    return HOLDS


def _compare_aliased(subject: Subject, i: int, j: int, g: np.ndarray) -> None:
    apart = [subject.xs[i].copy() if k == j else x for k, x in enumerate(subject.xs)]
    ys = tried(lambda: float_outputs(subject.run(apart)))
    if ys is None or [y.shape for y in ys] != [y.shape for y in subject.outputs]:
        return
    one_leaf = subject.vjp is None  # where there are none, the two gradients stay apart
    rest = [k for k in range(len(apart)) if k not in (i, j)]

    def together(G: Arrays) -> Arrays:
        return [G[i] + G[j], *(G[k] for k in rest)] if one_leaf else G

    def sides(values: Arrays) -> tuple[Arrays, Arrays, Arrays]:
        *xs, g = values
        xs = [xs[i] if k == j else x for k, x in enumerate(xs)]
        equal = [x.copy() if k == j else x for k, x in enumerate(xs)]
        found = _through_one_leaf(subject, xs, i, j, g) if one_leaf else subject.pullback(xs)(g)
        parts = subject.gradient(equal, g)
        return found, together(parts), together([np.abs(G) for G in parts])

    must_agree(
        subject,
        "accumulation",
        f"with one array as {subject.label(i)} and {subject.label(j)}, the gradient is not that of "
        f"two equal arrays",
        sides,
        [*apart, g],
        places=[i, *rest] if one_leaf else None,
    )


def _through_one_leaf(subject: Subject, xs: Arrays, i: int, j: int, g: np.ndarray) -> Arrays:
    leaves = [leaf(x) for x in xs]
    leaves[j] = leaves[i]
    ys = float_leaves(subject.isolated(lambda: subject.f(*subject.arguments(leaves))))
    kept = [leaves[i], *(t for k, t in enumerate(leaves) if k not in (i, j))]
    return subject.sweep(kept, ys, subject.split(g))


def _compare_diamond(subject: Subject, g: np.ndarray) -> None:
    """L = <g, y + y> + <g, f(x)> + <c, x> has the gradient 3 J^T g + c."""
    cs = subject.direction(subject.rng("diamond"))
    n = len(cs)

    def diamond(xs: Arrays, gs: Arrays, cs: Arrays) -> Arrays:
        leaves, ys = subject.record(xs)
        args = subject.arguments(leaves)
        again = float_leaves(subject.isolated(lambda: subject.f(*args)))
        doubled = [y + y if isinstance(y, Tensor) else y for y in ys]
        return subject.sweep(leaves, [*doubled, *again, *leaves], [*gs, *gs, *cs])

    def sides(values: Arrays) -> tuple[Arrays, Arrays, Arrays]:
        xs, cs, g = values[:n], values[n:-1], values[-1]
        found, one = diamond(xs, subject.split(g), cs), subject.gradient(xs, g)
        expected = [3 * G + c for G, c in zip(one, cs, strict=True)]
        return found, expected, [np.abs(3 * G) + np.abs(c) for G, c in zip(one, cs, strict=True)]

    must_agree(
        subject,
        "accumulation",
        "the gradient of <g, y + y> + <g, f(x)> + <c, x>, y = f(x), is not 3 J^T g + c",
        sides,
        [*subject.xs, *cs, g],
    )


@prop(bare=False)
def graph_freed(subject: Subject) -> Outcome:
    """When the last Tensor of a graph is dropped, the graph is gone, without the collector."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        for higher in (False, True)[: subject.order]:
            alive = _dropped(subject, higher)
            if alive() is not None:
                raise mismatch(
                    subject,
                    "graph_freed",
                    "nodes of the graph outlive its last Tensor: something refers in a circle, as "
                    "a node that holds its own output, or keeps them, as a list outside",
                )
    finally:
        if enabled:
            gc.enable()
    return HOLDS


class _Mark:
    """Every node that is recorded in the scope of a mark refers to it; nothing else does."""


def _dropped(subject: Subject, higher: bool) -> weakref.ref[_Mark]:
    """A reference to the mark of a graph that was built, pulled back through, and dropped."""
    mark = _Mark()
    g = subject.split(subject.upstream(subject.rng("freed")))
    with scope(mark), blaming(subject, "graph_freed"):
        leaves, ys = subject.record(subject.xs)
        subject.sweep(leaves, ys, g, create_graph=higher)
    return weakref.ref(mark)


@prop(bare=False)
def nothing_recorded(subject: Subject) -> Outcome:
    """Under no_grad() the values are the same, bit for bit, and no graph arises."""
    counter = _Counter()
    leaves = [leaf(x) for x in subject.xs]
    args = subject.arguments(leaves)
    with no_grad(), observe(counter):
        ys = float_leaves(subject.isolated(lambda: subject.f(*args)))
    if counter.nodes:
        raise mismatch(
            subject, "nothing_recorded", f"under no_grad() {counter.nodes} nodes were recorded"
        )
    made = [y for y in ys if isinstance(y, Tensor) and not any(y is x for x in leaves)]
    if any(y.requires_grad for y in made):
        raise mismatch(subject, "nothing_recorded", "under no_grad() an output requires a gradient")
    must_be_equal(subject, "nothing_recorded", "under no_grad()", float_outputs(ys))
    return HOLDS


class _Counter(Observer):
    """Counts the nodes that are recorded."""

    nodes = 0

    def recorded(self, node: Node) -> None:
        self.nodes += 1


@prop()
def repeatability(subject: Subject) -> Outcome:
    """Run again, f and its gradient are the same bits; so is a second sweep of one graph."""
    g = subject.upstream(subject.rng("repeat"))
    must_be_equal(subject, "repeatability", "run again", float_outputs(subject.run(subject.xs)))
    with blaming(subject, "repeatability"):
        first, pull = subject.gradient(subject.xs, g), subject.pullback(subject.xs)
        runs = {"f is run again": pull(g), "one graph is swept again": pull(g)}
    for what, found in runs.items():
        for k, (a, b) in enumerate(zip(found, first, strict=True)):
            if a.tobytes() != b.tobytes():
                raise failure_at(
                    subject,
                    "repeatability",
                    f"the gradient is another when {what}",
                    k,
                    ~((a == b) | (np.isnan(a) & np.isnan(b))),
                    a,
                    b,
                    0.0,
                )
    return HOLDS
