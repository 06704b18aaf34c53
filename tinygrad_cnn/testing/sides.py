"""At a kink: a subgradient lies between the slopes from the two sides.

Each entry of the Jacobian does, and so does each row's sum over an input, along which ties stay
tied: of equal maxima each may get a share, but not each the whole.

One run of f on each side of x, a little away, tells the two slopes of every output. Where an entry
does not lie between them, they are measured again, with care; so a quick look accuses nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import takewhile

import numpy as np

from tinygrad_cnn.testing.accuse import Search, accuse, not_between
from tinygrad_cnn.testing.arrays import Arrays, size_of
from tinygrad_cnn.testing.judge import Claim, Judge, unit
from tinygrad_cnn.testing.nearby import NEAR, slopes_nearby
from tinygrad_cnn.testing.refute import cancelled, drifts
from tinygrad_cnn.testing.report import Check, GradientMismatch
from tinygrad_cnn.testing.slopes import LEVELS, Line, Slope, grid, noise_of, one_sided

ROWS = 64
"""So many rows of the Jacobian are looked at one by one; where there are more, random sums, too."""
SUMS = 8
OUTPUTS = 1024
"""So many, where a sum is in doubt."""
ELEMENTS = 4096
"""Up to so many elements of an input are moved one by one; of more, so many chosen at random."""
STEP = 2.0**-14
"""The first of three steps of a quick look, each half of the one before."""
SHARP, CLEAR = 2.0**-20, 2.0**-36
"""A quick look counts if its error is less than these parts of the slope and of the outputs."""


def compare_sides(judge: Judge) -> list[Check]:
    """Compare every entry; the closest call of each kind, or GradientMismatch."""
    closest: dict[str, Check] = {}
    rows = _Rows(judge)
    for k, line, i in _lines(judge):
        label = judge.subject.label(k)
        what = f"{label}, each element" if i is not None else f"{label}, all elements together"
        for check in _checks(rows, rows.first, what, k, line, i):
            other = closest.get(check.what)
            if other is None or check.margin > other.margin:
                closest[check.what] = check
    return list(closest.values())


def unseen(judge: Judge) -> list[str]:
    """What compare_sides leaves out, of many outputs or elements."""
    n = judge.subject.base.y.size
    outputs = [f"outputs beyond the first {OUTPUTS} of {n}, but for sums"] if n > OUTPUTS else []
    return outputs + [
        f"{judge.subject.label(k)}: {x.size - ELEMENTS} of {x.size} elements, chosen at random"
        for k, x in enumerate(judge.subject.xs)
        if x.size > ELEMENTS
    ]


def _lines(judge: Judge) -> Iterator[tuple[int, Line, int | None]]:
    """(place, a line along which it moves, the element that moves or None for all)"""
    rng = judge.subject.rng("elements")
    for k, x in enumerate(judge.subject.xs):
        chosen = np.arange(x.size)
        if x.size > ELEMENTS:
            chosen = np.sort(rng.choice(x.size, ELEMENTS, replace=False))
        for i in map(int, chosen):
            yield k, judge.line(k, unit(judge.subject, k, i)), i
        if x.size > 1:
            yield k, judge.line(k, _together(x)), None


class _Rows:
    """Upstream gradients g, as rows of a matrix, and what the VJP returns for each.

    first  each looks at one output that is finite; of many at some of them, and random ones at all
    """

    def __init__(self, judge: Judge) -> None:
        subject, y = judge.subject, judge.subject.base.y
        rng = subject.rng("sums of outputs")
        sums = [subject.upstream(rng) for _ in range(SUMS if y.size > ROWS else 0)]
        self.judge = judge
        self._outputs = np.flatnonzero(subject.finite)[:OUTPUTS]
        self.first = np.array([*self._singly(0), *sums], y.dtype).reshape(-1, y.size)
        self._known: dict[int | bytes, Arrays] = {}

    def _singly(self, start: int) -> np.ndarray:
        """Those that look at one output each, ROWS of them."""
        outputs, y = self._outputs[start : start + ROWS], self.judge.subject.base.y
        gs = np.zeros((len(outputs), y.size), y.dtype)
        gs[np.arange(len(outputs)), outputs] = 1
        return gs

    def rest(self) -> Iterator[np.ndarray]:
        """Those that look at one of the other outputs, where a sum is in doubt."""
        return map(self._singly, range(ROWS, len(self._outputs), ROWS))

    def gradient(self, g: np.ndarray) -> Arrays:
        """J^T g"""
        single = np.flatnonzero(g)
        key = int(single[0]) if len(single) == 1 else g.tobytes()
        if key not in self._known:
            self._known[key] = self.judge.gradient(g)
        return self._known[key]

    def claims(self, gs: np.ndarray, k: int, line: Line) -> np.ndarray:
        """<J^T g, v> for each g (rows,)"""
        v = line.v[k].reshape(-1)  # type: ignore[union-attr]
        moving = np.flatnonzero(v)
        entries = np.array([self.gradient(g)[k].reshape(-1)[moving] for g in gs])
        return np.asarray(np.real(entries.reshape(len(gs), len(moving)) @ v[moving]))


def _checks(
    rows: _Rows, gs: np.ndarray, what: str, k: int, line: Line, i: int | None
) -> Iterator[Check]:
    """The comparisons along a line for each g: quickly, then carefully of those in doubt."""
    judge, some_sum = rows.judge, False
    for g, quick in zip(gs, _quickly(rows, gs, what, k, line), strict=True):
        if quick is not None:
            yield quick
        elif np.count_nonzero(g) == 1:
            careful = _between(judge, Claim(what, k, line, g, rows.gradient(g)[k]), i)
            if careful is not None:
                yield careful
        else:
            some_sum = True
    for others in rows.rest() if some_sum else ():
        yield from _checks(rows, others, what, k, line, i)


def _quickly(rows: _Rows, gs: np.ndarray, what: str, k: int, line: Line) -> Sequence[Check | None]:
    """For each g the comparison, if it surely holds; of a sum each output has its own two sides."""
    here = line.subject.base.y
    (left, below), (right, above) = (_extrapolated(line, sign) for sign in (-1, 1))
    if not left.shape == right.shape == here.shape:
        return [None] * len(gs)
    ends = np.real(gs * left), np.real(gs * right)  # (rows, outputs)
    low, high = np.minimum(*ends).sum(axis=1), np.maximum(*ends).sum(axis=1)
    error = np.abs(gs) @ (below + above)
    claims = rows.claims(gs, k, line)
    nearest = np.clip(claims, low, high)
    sharp = SHARP * (np.abs(low) + np.abs(high)) + CLEAR * (np.abs(gs) @ np.abs(here))
    sure = (error <= sharp) & (np.abs(claims - nearest) <= error)
    numbers = np.stack([claims, nearest, error], axis=1).tolist()
    return [
        Check(what, value, numeric, tolerance, "one-sided differences") if yes else None
        for yes, (value, numeric, tolerance) in zip(sure, numbers, strict=True)
    ]


def _extrapolated(line: Line, sign: int) -> tuple[np.ndarray, np.ndarray]:
    """(the slope of each output to one side, its error); empty where f changes its shape."""
    here, slopes = line.subject.base.y, []
    for h in (STEP, STEP / 2, STEP / 4):
        y = line.at(sign * h).y
        if y.shape != here.shape:
            return np.zeros(0), np.zeros(1)
        slopes.append((y - here) / (sign * h))
    a, b, c = slopes
    once = 2 * c - b  # errors of order h cancel
    twice = (4 * once - (2 * b - a)) / 3  # and those of order h^2
    moves = (a != 0) | (b != 0) | (c != 0)
    rounding = 64 * line.subject.eps_out * np.abs(here) * moves / STEP
    return twice, 8 * np.abs(twice - once) + rounding


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
    tolerance = sides[0].error + sides[1].error + 64 * (claim.floor + _left_over(claim))
    if high > low and tolerance > abs(low) + abs(high):
        return None
    beyond = not abs(claim.value - nearest) <= tolerance
    if beyond:
        if all(drifts(phi, side, claim.floor) for side in ([-h for h in left], right)):
            return None
        tolerance += _cancelled(claim, (-left[-1], right[-1]))
        beyond = not abs(claim.value - nearest) <= tolerance
    if beyond and not _of_a_neighbour(claim):
        raise _accusation(judge, claim, i, sides, tolerance)
    return Check(claim.what, claim.value, nearest, tolerance, "one-sided differences")


def _accusation(
    judge: Judge, claim: Claim, i: int | None, sides: tuple[Slope, Slope], tolerance: float
) -> GradientMismatch:
    """Where f has one slope, the elements tell more together than one of them alone."""
    if abs(sides[0].value - sides[1].value) <= tolerance:
        line = judge.line(claim.k, _together(judge.subject.xs[claim.k]))
        search = Search(judge, replace(claim, line=line), ())
        if search.wrong:
            return accuse(search)
    return not_between(judge, claim, i, sides, tolerance)


def _together(x: np.ndarray) -> np.ndarray:
    """The direction in which all elements move alike, and ties stay tied."""
    return np.where(np.isfinite(x), size_of(x), 0.0).astype(x.dtype)


def _left_over(claim: Claim) -> float:
    """The rounding of the largest entry: a small one may be what is left where such cancel."""
    G = np.abs(claim.G[np.isfinite(claim.G)])
    return claim.line.subject.eps_in * float(G.max(initial=0.0)) * float(np.abs(claim.v).max())


def _cancelled(claim: Claim, ends: Sequence[float]) -> float:
    """What the entries of those that move may have lost where they cancel, each of them."""
    line, y = claim.line, claim.line.subject.base.y
    moved = np.any([line.at(t).y != y for t in ends], axis=0)
    x, size = line.subject.xs[claim.k], float(np.abs(claim.v).max())
    unit = max(size_of(x), float(np.abs(x[claim.v != 0]).max()))
    each = cancelled(line.subject, claim.g[moved], unit, claim.value / size)
    return each * size * np.count_nonzero(claim.v)


def _of_a_neighbour(claim: Claim) -> bool:
    """Whether the claim lies between slopes around x, which differ: that of equal middle ones."""
    subject, around = claim.line.subject, np.zeros(0)
    for seed in range(4):  # by chance, the sides that differ may be missed
        more = slopes_nearby(subject, claim.k, claim.v, claim.g, NEAR, points=64, seed=seed)
        around = np.concatenate([around, more])
        low, high = around.min(initial=np.inf), around.max(initial=-np.inf)
        blur = 2.0**-13 * (high - low)
        kinked = high - low > 2.0**-10 * (abs(low) + abs(high))
        if kinked and low - blur <= claim.value <= high + blur:
            return True
    return False


def _one_way(line: Line, sign: float) -> list[float]:
    """The steps to one side up to the next kink."""
    reach = grid(line.largest)
    return list(takewhile(line.like(sign * reach[0], sign), reach))
