"""What the gradient is: a slope, a transpose, linear, symmetric the second time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from tinygrad_cnn.testing.arrays import Arrays, flat, float_outputs
from tinygrad_cnn.testing.blame import blaming, mismatch
from tinygrad_cnn.testing.gradcheck import check_gradient
from tinygrad_cnn.testing.properties.comparing import (
    branches_change,
    failure_at,
    inner,
    must_agree,
    must_agree_values,
    must_be_one_number,
    plain,
    pull_twice,
    terms_of,
    tried,
)
from tinygrad_cnn.testing.properties.registry import HOLDS, prop
from tinygrad_cnn.testing.report import Outcome
from tinygrad_cnn.testing.subject import Subject

__tracebackhide__ = True  # in pytest: a failure shows the functions of users, not the kit's


@prop(finite=False)
def directional_derivative(subject: Subject) -> Outcome:
    """<J^T g, v> is the slope of <g, f> along v."""
    return Outcome(report=check_gradient(subject, "directional_derivative"))


@prop(bare=False, order=2)
def second_order(subject: Subject) -> Outcome:
    """The gradient of the gradient is the slope of the gradient."""
    return Outcome(report=check_gradient(subject.derivative, "second_order"))


@prop(bare=False, order=2)
def adjointness(subject: Subject) -> Outcome:
    """<g, J v> = <J^T g, v>, where J v is the transpose of the recorded g -> J^T g."""
    rng = subject.rng("adjointness")
    g, vs = subject.upstream(rng), subject.direction(rng)
    if branches_change(subject, vs):
        return Outcome(skipped="f has a kink at these inputs")

    n = len(vs)

    def sides(values: Arrays) -> tuple[float, float, float]:
        xs, vs, g = values[:n], values[n:-1], values[-1]
        tangent, G = pull_twice(subject, xs)(vs)[n:], subject.gradient(xs, g)
        return inner(G, vs), inner([g], [flat(tangent)]), terms_of(G, vs)

    return must_be_one_number(
        subject,
        "adjointness",
        "<J^T g, v> differs from <g, J v>, computed by the recorded gradient's own gradient",
        sides,
        [*subject.xs, *vs, g],
    )


@prop(bare=False, order=2)
def symmetry(subject: Subject) -> Outcome:
    """<v, H w> = <w, H v>: the Hessian of <g, f> is symmetric."""
    rng = subject.rng("symmetry")
    vs, ws = subject.direction(rng), subject.direction(rng)
    if branches_change(subject, vs):
        return Outcome(skipped="f has a kink at these inputs")
    n = len(vs)

    def sides(values: Arrays) -> tuple[float, float, float]:
        xs, vs, ws = values[:n], values[n : 2 * n], values[2 * n :]
        pull = pull_twice(subject, xs)
        Hv, Hw = pull(vs)[:n], pull(ws)[:n]
        return inner(Hv, ws), inner(Hw, vs), terms_of(Hv, ws) + terms_of(Hw, vs)

    return must_be_one_number(
        subject,
        "symmetry",
        "the Hessian of <g, f> is not symmetric: <w, H v> differs from <v, H w>",
        sides,
        [*subject.xs, *vs, *ws],
    )


@prop()
def linearity(subject: Subject) -> Outcome:
    """J^T (a g + b h) = a J^T g + b J^T h, and J^T 0 = 0."""
    rng = subject.rng("linearity")
    g, h = subject.upstream(rng), subject.upstream(rng)
    with blaming(subject, "linearity"):
        G, none = subject.gradient(subject.xs, g), subject.gradient(subject.xs, 0 * g)
    for k, zero in enumerate(none):
        wrong = (zero != 0) & np.isfinite(G[k])
        if wrong.any():
            raise failure_at(
                subject, "linearity", "J^T 0 is not 0", k, wrong, zero, np.zeros_like(zero), 0
            )

    def sides(values: Arrays) -> tuple[Arrays, Arrays, Arrays]:
        *xs, g, h = values
        both, G, H = (subject.gradient(xs, u) for u in (2 * g - 0.5 * h, g, h))
        expected = [2 * a - 0.5 * b for a, b in zip(G, H, strict=True)]
        return both, expected, [np.abs(2 * a) + np.abs(b / 2) for a, b in zip(G, H, strict=True)]

    must_agree(
        subject,
        "linearity",
        "J^T (2g - h/2) differs from 2 J^T g - J^T h / 2: the VJP is not linear in g",
        sides,
        [*subject.xs, g, h],
    )
    return HOLDS


@prop()
def reference(subject: Subject) -> Outcome:
    """f and its gradient are those of reference=, up to rounding."""
    other = subject.reference
    if other is None:
        return Outcome(skipped="no reference= is given")
    ys = _values_of(other, subject, subject.xs)
    if [y.shape for y in ys] != [y.shape for y in subject.outputs]:
        raise mismatch(
            subject,
            "reference",
            f"f returns shapes {[y.shape for y in subject.outputs]}, the reference "
            f"{[y.shape for y in ys]}",
        )
    values = partial(_values_of, other, subject)
    must_agree_values(subject, "reference", "f differs from the reference", values)
    judge = replace(subject, f=other, reference=None)
    if subject.vjp is not None or tried(lambda: judge.record(subject.xs)) is None:
        return Outcome(note="values; the reference takes arrays")

    def sides(values: Arrays) -> tuple[Arrays, Arrays, Arrays]:
        *xs, g = values
        expected = judge.gradient(xs, g)
        return subject.gradient(xs, g), expected, expected

    g = subject.upstream(subject.rng("reference"))
    must_agree(
        subject,
        "reference",
        "the gradient differs from the reference's",
        sides,
        [*subject.xs, g],
    )
    return HOLDS


def _values_of(other: Callable[..., Any], subject: Subject, xs: Arrays) -> Arrays:
    """What the reference returns: for Tensors or, if it does not take them, for arrays."""
    found = tried(lambda: float_outputs(replace(subject, f=other).run(xs)))
    if found is not None:
        return found
    args = [plain(a) for a in subject.arguments(xs)]
    return float_outputs(subject.isolated(lambda: other(*args)))
