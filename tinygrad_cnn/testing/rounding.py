"""How far rounding moves what was computed, where a multiple of eps and the terms tells too little.

Two ways to one number differ by nothing but rounding, D = found - expected, and D is measured:

    jolt       how far D goes where all that it is computed from moves by its own rounding
    roughness  how far D jumps between neighbouring points, where anything smooth cancels; 1 - p for
               a p near 1 is rounded to the eps of 1, which moving p by its own eps would not show

Both are largest values of a few, and a difference of two such: hence the factor by which what they
say is multiplied. A wrong gradient's D is smooth, and neither of them sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import takewhile
from math import comb
from typing import Any

import numpy as np

from tinygrad_cnn.testing.arrays import Arrays, flat
from tinygrad_cnn.testing.subject import REFUSALS, Subject

OPERATIONS = 256
"""So many roundings in a row are granted before anything is measured, all in one direction."""
GRANTED = 64
"""The same of a slope and of its claim: fewer, as both are sums of many terms with chance signs."""
PLACES = 4
"""What is rounded to few digits may come out alike by chance, but not at each of so many places."""
MARGIN = 8
"""The largest error is that many times the one that was measured, at the most."""
WEIGHTS = np.array([1, -6, 15, -20, 15, -6, 1]) / comb(12, 6) ** 0.5
"""Sixth differences, of which independent errors of size 1 have the size 1."""
SPACING = 2.0**-30
"""Of their points, relative: the sixth power of what is smooth is far below any eps."""
APART = 2.0**8
"""So many eps lie between them at the least: values that differ are rounded independently."""
COARSEST = 2.0**-10
"""Nothing is taken to compute more coarsely: the eps of float16."""

WIDE = 2.0**13
"""Outputs that differ by more are looked at by their relative size, too."""
UNSTEADY = 2.0**10
"""An output that its rounding moves by more than this part of it is known to no three digits."""
SUBNORMAL = 2.0**-500
"""The inverse of the inverse of smaller numbers may be infinite."""

Difference = Callable[[Arrays], Arrays]
"""D, an array or several, from all the numbers that it is computed from."""


def eps_of(subject: Subject) -> float:
    """The rounding of the coarsest float type among the inputs and outputs."""
    return max(subject.eps_in, subject.eps_out)


def grain(subject: Subject) -> float:
    """eps, or the step that f notices if that is coarser: an f that computes in float32 within.

    Relative, at inputs a little off: none of these is 0.
    """
    eps, near = eps_of(subject), beside(subject)
    if near is None:
        return eps
    here = subject.value(near).y

    def noticed(h: float) -> np.ndarray:
        y = subject.value([x * (1 + h) for x in near]).y
        return y != here if y.shape == here.shape else np.ones(here.shape, bool)

    moving = noticed(COARSEST)
    steps = takewhile(lambda h: h < COARSEST, (2.0**k * APART * eps for k in range(0, 36, 4)))
    least = next((h for h in steps if 2 * noticed(h)[moving].sum() >= moving.sum()), COARSEST)
    return least if least > APART * eps else eps


def beside(subject: Subject) -> Arrays | None:
    """Inputs a little off, if f is finite there: what holds there holds by no coincidence."""
    vs = subject.direction(subject.rng("nearby"))
    xs = [np.asarray(x + 2.0**-5 * v, x.dtype) for x, v in zip(subject.xs, vs, strict=True)]
    y = subject.value(xs).y
    return xs if y.shape == subject.base.y.shape and np.isfinite(y).all() else None


def jiggled(xs: Arrays, relative: float) -> Iterator[Arrays]:
    """The arrays, each element moved by up to that part of itself; PLACES times."""
    rng = np.random.default_rng(0)
    for _ in range(PLACES):
        steps = (relative * rng.uniform(-1, 1, x.shape) for x in xs)
        yield [np.asarray(x * (1 + h), x.dtype) for x, h in zip(xs, steps, strict=True)]


def measured(compute: Difference, at: Arrays, eps: float) -> list[float]:
    """How far rounding throws each array that is computed: MARGIN times what is seen of it."""
    seen = zip(_jolt(compute, at, eps), _roughness(compute, at, eps), strict=True)
    return [MARGIN * (j + r) for j, r in seen]


def _jolt(compute: Difference, at: Arrays, eps: float) -> list[float]:
    here = compute(at)
    jolts = [0.0] * len(here)
    for moved in jiggled(at, 2 * eps):
        there = attempted(compute, moved)
        if there is not None:
            jolts = [max(j, largest(a - b)) for j, a, b in zip(jolts, there, here, strict=True)]
    return jolts


def _roughness(compute: Difference, at: Arrays, eps: float) -> list[float]:
    rng = np.random.default_rng(1)
    rough = [0.0] * len(compute(at))
    spacing = max(SPACING, APART * eps)
    for _ in range(PLACES):
        steps = [spacing * rng.uniform(0.5, 1, x.shape) for x in at]
        total: list[Any] = [0.0] * len(rough)
        for k, weight in enumerate(WEIGHTS):
            moved = [np.asarray(x * (1 + k * h), x.dtype) for x, h in zip(at, steps, strict=True)]
            there = attempted(compute, moved)
            if there is None:
                break
            total = [t + weight * y for t, y in zip(total, there, strict=True)]
        else:
            rough = [max(r, largest(t)) for r, t in zip(rough, total, strict=True)]
    return rough


def upstream_of_each(subject: Subject, rng: np.random.Generator) -> np.ndarray | None:
    """A random g, for each output element the inverse of its size; None if all are alike.

    Tiny outputs hide behind large ones, and so do the gradients that reach them alone. But where
    something has cancelled, what is left is rounding, and has no size of its own.
    """
    sizes = np.abs(subject.base.y)
    some = sizes[sizes > 0]
    if not some.size or some.max() < WIDE * some.min() or some.min() < SUBNORMAL:
        return None
    known = sizes > UNSTEADY * _jolts(subject)
    scale = np.where(known, sizes / some.max(), 1.0)
    if scale.max() < WIDE * scale.min():
        return None
    return flat(subject.split(subject.upstream(rng) / scale))


def _jolts(subject: Subject) -> np.ndarray:
    """How far each output goes where the inputs move by their rounding."""
    here = subject.base.y
    far = np.zeros(here.shape)
    for xs in jiggled(subject.xs, 2 * eps_of(subject)):
        there = subject.value(xs).y
        if there.shape == here.shape:
            far = np.fmax(far, np.abs(there - here))
    return far


def hidden(subject: Subject, g: np.ndarray) -> float:
    """What <g, f> may have lost in rounding where it is constant: of numbers as large as x, or 1.

    ln(1 + x) is 0 for all x below 1e-16; its slope there, 1, is nothing that values can refute.
    """
    numbers = max([1.0, *map(largest, subject.xs)])
    sizes = np.abs(g) * np.fmax(np.abs(subject.base.y), numbers)
    return GRANTED * subject.eps_out * float(np.sum(sizes))


def attempted(compute: Difference, at: Arrays) -> Arrays | None:
    """compute(at), or None where that lies outside the domain of f."""
    try:
        return compute(at)
    except REFUSALS:
        return None


def largest(x: Any) -> float:
    """The largest |element| that is finite; 0 for none."""
    sizes = np.abs(x)
    return float(np.max(sizes, initial=0.0, where=np.isfinite(sizes)))
