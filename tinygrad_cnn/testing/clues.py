"""Clues to what is wrong with a gradient: what the VJP answers when it is asked something else.

A VJP that returns the same for another upstream gradient has dropped it; one that returns the same
for another stride does not use the stride; and one that would be right if an input were transposed
has forgotten to transpose it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.testing.arrays import Arrays, copies_of
from tinygrad_cnn.testing.hints import Evidence
from tinygrad_cnn.testing.judge import Claim
from tinygrad_cnn.testing.subject import Subject

NEUTRAL = {"stride": 1, "dilation": 1, "groups": 1, "padding": 0}
"""Static keywords that may be forgotten, and the value for which this does no harm."""
SMALL = 4096
"""Inputs of more elements altogether are not turned around."""


def evidence(
    subject: Subject, claim: Claim, numeric: np.ndarray, tolerance: np.ndarray
) -> Evidence:
    """All that is known about a wrong gradient."""
    x, y = subject.xs[claim.k], subject.outputs[0]
    g = subject.split(claim.g)[0] if y.shape == x.shape and len(subject.outputs) == 1 else None
    found = Evidence(claim.G, numeric, tolerance, y.shape, x, g)
    if not np.isfinite(tolerance).all():
        return found
    return replace(
        found,
        constant=_constant(subject, claim),
        ignored=tuple(_ignored(subject, claim)),
        elsewhere=dict(_elsewhere(subject, claim)),
        none=_none(subject, claim),
    )


def _constant(subject: Subject, claim: Claim) -> bool:
    g = claim.g
    other = -2 * (g[::-1] if g.size > 1 else g)
    G = _answer(lambda: subject.gradient(subject.xs, other)[claim.k])
    return G is not None and np.array_equal(G, claim.G, equal_nan=True)


def _none(subject: Subject, claim: Claim) -> str:
    """Where a bare vjp says that there is no gradient: in which words."""
    vjp = subject.vjp
    if vjp is None or claim.G.any():
        return ""
    returned: list[Any] = []

    def noted(*args: Any) -> Any:
        returned.append(vjp(*args))
        return returned[-1]

    if _answer(lambda: replace(subject, vjp=noted).gradient(subject.xs, claim.g)[claim.k]) is None:
        return ""
    G = returned[-1]
    if G is None:
        return "the vjp returned None: a forgotten return?"
    several = isinstance(G, tuple | list)
    k = subject.places[claim.k] if several and len(G) == len(subject.inputs) else claim.k
    none = several and G[k] is None
    return f"the vjp returned None for {subject.label(claim.k)}: no gradient" if none else ""


# -- other inputs ---------------------------------------------------------------------------------


def _elsewhere(subject: Subject, claim: Claim) -> Iterator[tuple[str, np.ndarray]]:
    k, xs = claim.k, subject.xs
    if np.iscomplexobj(claim.G):
        G = _answer(lambda: np.conj(subject.gradient(xs, np.conj(claim.g))[k]))
        if G is not None:
            yield CONJUGATE, G
    if sum(x.size for x in xs) > SMALL:
        return
    for j, x in enumerate(xs):
        for name, turn in TURNS.items():
            turned = turn(x)
            if j == k or turned.shape != x.shape or np.array_equal(turned, x):
                continue
            there: Arrays = [turned if i == j else other for i, other in enumerate(xs)]
            G = _answer(partial(_gradient, subject, there, claim))
            if G is not None:
                meaning = f"it would be right if {subject.label(j)} were {name}: is it, in the VJP?"
                yield meaning, G


def _gradient(subject: Subject, xs: Arrays, claim: Claim) -> np.ndarray:
    return subject.gradient(xs, claim.g)[claim.k]


CONJUGATE = "it is the conjugate: the slope along v is Re sum(G v), where G is not conjugated"
TURNS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "transposed": lambda x: np.swapaxes(x, -1, -2) if x.ndim > 1 else x,
    "reversed along its last axis": lambda x: np.flip(x, -1) if x.ndim else x,
    "reversed along its last two axes": lambda x: np.flip(x, (-1, -2)) if x.ndim > 1 else x,
}


# -- other keywords -------------------------------------------------------------------------------


def _ignored(subject: Subject, claim: Claim) -> Iterator[str]:
    static, ask = _bare(subject, claim) or _of_one_op(subject, claim) or ({}, None)
    for key, neutral in NEUTRAL.items():
        value = static.get(key)
        if ask is None or value is None or not np.any(np.not_equal(value, neutral)):
            continue
        other = tuple(neutral for _ in value) if isinstance(value, tuple) else neutral
        now, then = _answer(ask), _answer(partial(ask, **{key: other}))
        if now is not None and then is not None and np.array_equal(now, then, equal_nan=True):
            same = f"the same for {key}={other} as for {key}={value}"
            yield f"it is {same}: is {key} used in the VJP?"


Asked = tuple[dict[str, Any], Callable[..., Any]]
"""Static keywords, and a function of others for what the VJP returns with these."""


def _bare(subject: Subject, claim: Claim) -> Asked | None:
    """Of a bare vjp= with keywords."""
    vjp = subject.vjp
    if not isinstance(vjp, partial):
        return None

    def ask(**other: Any) -> Any:
        return replace(subject, vjp=partial(vjp, **other)).gradient(subject.xs, claim.g)[claim.k]

    return vjp.keywords, ask


def _of_one_op(subject: Subject, claim: Claim) -> Asked | None:
    """Of an op that is all of f."""
    if subject.vjp is not None:
        return None
    leaves, ys = subject.record(copies_of(subject.xs))
    node = ys[0]._node if len(ys) == 1 and isinstance(ys[0], Tensor) else None
    op = None if node is None else node.op
    if node is None or op is None or not op.vjp_kind:
        return None
    mine = [p if p is leaves[claim.k]._node else None for p in node.parents]
    if not any(mine):
        return None

    def ask(**other: Any) -> Any:
        y = node if node.output is None else node.output
        static = {**node.static, **(node.residual or {}), **other}
        g = subject.split(claim.g)[0]
        gradients = op.pull(g, y, node.args, mine, static)
        return next(G for G, p in zip(gradients, mine, strict=True) if p is not None)

    return node.static, ask


def _answer(ask: Callable[[], Any]) -> np.ndarray | None:
    """What was answered; None for a refusal, which is one, too: no clue."""
    try:
        answer = ask()
    except Exception:
        return None
    return None if answer is None else np.asarray(answer)
