"""At a kink: a subgradient lies between the slopes from the two sides.

Each entry of the Jacobian does, and so does each row's sum over an input, along which ties stay
tied: of equal maxima each may get a share, but not each the whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

import numpy as np

from tinygrad_cnn.testing.accuse import SEARCHED, not_between
from tinygrad_cnn.testing.blame import blaming
from tinygrad_cnn.testing.judge import Claim, Judge, unit
from tinygrad_cnn.testing.nearby import NEAR, slopes_nearby
from tinygrad_cnn.testing.report import Check
from tinygrad_cnn.testing.slopes import LEVELS, Line, grid, noise_of, one_sided
from tinygrad_cnn.testing.subject import Arrays, size_of

FEW_OUTPUTS = 64
"""The rows of the Jacobian are looked at one by one, up to so many."""


def compare_sides(judge: Judge) -> list[Check]:
    """Compare every entry; the closest call of each kind, or GradientMismatch."""
    closest: dict[str, Check] = {}
    for claim, i in _claims(judge):
        check = _between(judge, claim, i)
        other = closest.get(claim.what)
        if check is not None and (other is None or check.margin > other.margin):
            closest[claim.what] = check
    return list(closest.values())


def unseen(judge: Judge) -> list[str]:
    """What compare_sides leaves out, of many outputs or elements."""
    subject, n = judge.subject, judge.subject.base.y.size
    outputs = [f"outputs beyond the first {FEW_OUTPUTS} of {n}"] if n > FEW_OUTPUTS else []
    return outputs + [
        f"{subject.label(k)}: elements beyond the first {SEARCHED} of {x.size}"
        for k, x in enumerate(subject.xs)
        if x.size > SEARCHED
    ]


def _claims(judge: Judge) -> Iterator[tuple[Claim, int | None]]:
    """(a row of the Jacobian along a line, the element that moves along it or None for all)"""
    rows = _rows(judge)
    for k, x in enumerate(judge.subject.xs):
        label = judge.subject.label(k)
        for i in range(min(x.size, SEARCHED)):
            line = judge.line(k, unit(judge.subject, k, i))
            for g, G in rows:
                yield Claim(f"{label}, each element", k, line, g, G[k]), i
        together = judge.line(k, np.where(np.isfinite(x), size_of(x), 0.0).astype(x.dtype))
        for g, G in rows if x.size > 1 else ():
            yield Claim(f"{label}, all elements together", k, together, g, G[k]), None


def _rows(judge: Judge) -> list[tuple[np.ndarray, Arrays]]:
    """(g, J^T g) for each g that looks at one output element."""
    subject = judge.subject
    units = np.eye(subject.base.y.size, dtype=subject.base.y.dtype)[:FEW_OUTPUTS]
    with blaming(subject, judge.name):
        pull = subject.pullback(subject.xs)
        return [(g, pull(g)) for g in units]


def _between(judge: Judge, claim: Claim, i: int | None) -> Check | None:
    """The check, or None where the slopes do not settle, as at a jump."""
    line, phi = claim.line, claim.phi
    left, right = _one_way(line, -1.0), _one_way(line, 1.0)
    if min(len(left), len(right)) < LEVELS + 2:
        return None
    noise = noise_of(phi, claim.floor, min(left[-1], right[-1]))
    sides = one_sided(phi, noise, left, right)
    if sides is None:
        return None
    low, high = sorted(side.value for side in sides)
    nearest = min(max(claim.value, low), high)
    tolerance = sides[0].error + sides[1].error + 64 * claim.floor
    if high > low and tolerance > abs(low) + abs(high):
        return None
    if not abs(claim.value - nearest) <= tolerance and not _of_a_neighbour(claim):
        raise not_between(judge, claim, i, sides, tolerance)
    return Check(claim.what, claim.value, nearest, tolerance, "one-sided differences")


def _of_a_neighbour(claim: Claim) -> bool:
    """Whether the claim lies between slopes around x, which differ: that of equal middle ones."""
    slopes = slopes_nearby(claim.line.subject, claim.k, claim.v, claim.g, NEAR, points=64)
    if not slopes.size:
        return False
    low, high = slopes.min(), slopes.max()
    blur = 2.0**-13 * (high - low)
    kinked = high - low > 2.0**-10 * (abs(low) + abs(high))
    return bool(kinked and low - blur <= claim.value <= high + blur)


def _one_way(line: Line, sign: float) -> list[float]:
    """The steps to one side up to the next kink."""
    reach = grid(line.largest)
    return list(takewhile(line.like(sign * reach[0], sign), reach))
