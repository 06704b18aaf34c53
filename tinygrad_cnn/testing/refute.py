"""What it takes to call a gradient wrong: witnesses that agree, and none who contradicts.

A claim c about the slope of f along one element is refuted if, on both sides of x and over RUN
neighbouring scales, the ladders of one-sided quotients

    1. settle, each with an error that it tells by itself,
    2. agree with one another, the left ones with the right ones: f has no kink within these steps,
    3. exclude c, by more than the rounding of c, which is measured, and than its ninth digit,

and if no finer run says anything else, no coarser one agrees with c, the slope does not go on to
change as the steps shrink, f does not follow c closer to x, and the slope is no other one where all
inputs are moved a little, see nearby. Whatever could mislead one ladder (a kink nearer than its
step, noise, a jump, a singularity) sets the scales, or the sides, against each other; then nothing
is settled, and nobody is accused.

Rounding also makes stairs, on which f is constant while its slope is not, see _stair; or on which a
part of f is, see _walled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import dropwhile, pairwise
from typing import Any

import numpy as np

from tinygrad_cnn.testing.arrays import size_of
from tinygrad_cnn.testing.nearby import on_a_kink
from tinygrad_cnn.testing.rounding import COARSEST, MARGIN, hidden, largest
from tinygrad_cnn.testing.slopes import GOLDEN, LEVELS, Line, Phi, Slope, extrapolate, one_side
from tinygrad_cnn.testing.subject import Subject

RUN = LEVELS + 1
"""So many neighbouring ladders must agree on each side; the first and the last share no step."""
DIGITS = 2.0**-30
"""A gradient that is right to nine digits is not called wrong."""
CONSTANT = "constant nearby"
WIDE = 16 * COARSEST
"""Stairs that are wider, and higher, than this part of x and f(x) are no effect of rounding, even
of several in a row in the coarsest type."""
LEAST = 2.0**-1000
"""Smaller steps come near the least normal number, below which numbers lose their digits."""
REACH = 2.0**-2
"""The largest step, in units of the input."""
MINUTE = [2.0**-k for k in (900, 600, 400, 300, 200, 150, 120, 100, 80, 70)]
"""Steps from 0, in the same unit, before those that every element takes: 0 has neighbours."""
COARSE = MARGIN * 2.0**-23
"""A rise of less than this part of the outputs may be lost where f stays constant: as it would be
if some of f were computed in float32, whose eps this is."""
UNEVEN = 0.2
"""The steps are spread by that part of them: round numbers would march in step with rounding."""
SUDDEN = 4 * (2 * (1 + UNEVEN)) ** LEVELS
"""Where f is smooth, the error of a ladder grows with that power of its step, which about doubles
from one to the next; several times as much is sudden."""
REMAINDER = 2.0**-20
"""What is left where numbers cancel is at least this part of the last place of the largest."""
SHARP = 1 / 4
"""A ladder that says less about the slope than this part of it says nothing: it would not tell a
slope from half of it, or from its opposite."""


Run = list[Slope]
Rounding = Callable[[float], float]
"""A slope of f -> what a claim about it may have lost in rounding, if that is what f says."""


def nothing(_: float) -> float:
    """What a claim has lost that is not finite: it is not wrong by rounding."""
    return 0.0


@dataclass(frozen=True)
class Reading:
    """What the values of f say about a claim along one element.

    kind       "wrong"; or "kink" where the sides settle on two slopes; or "open"
    slope      the slope of f, as well as it is known
    tolerance  how far a right claim may be from it
    """

    kind: str
    slope: Slope
    tolerance: float


OPEN = Reading("open", Slope(math.nan, math.inf, "one-sided differences"), math.inf)


class Probe:
    """f along element i of place k, seen through g: from both sides, on every scale.

    `turn` is 1j to move a complex element along the imaginary axis. Steps are differences of two
    floating-point numbers, so that none of them is rounded.
    """

    def __init__(
        self, subject: Subject, k: int, i: int, g: np.ndarray, turn: complex = 1.0
    ) -> None:
        self.subject, self.k, self.i, self.g, self.turn = subject, k, i, g, turn
        self.x = subject.xs[k]
        self.here = complex(self.x.reshape(-1)[i])
        e = np.zeros(self.x.shape, self.x.dtype)
        e.reshape(-1)[i] = turn
        vs: list[np.ndarray | None] = [None] * len(subject.xs)
        vs[k] = e
        self.phi: Phi = Line(subject, vs).along(g)

    # -- scales -----------------------------------------------------------------------------------

    @cached_property
    def unit(self) -> float:
        """The size of what is moved."""
        return max(size_of(self.x), abs(self.here))

    def _scales(self) -> Iterator[float]:
        """Each about twice the one before."""
        own = 4 * self.subject.eps_in * abs(self.here)
        smallest = max(own or 2.0**-60 * min(1.0, self.unit), LEAST)
        if 0 < abs(self.here) < 2.0**20 * LEAST:
            return  # no step is small beside it: nothing there can be told
        if not self.here:
            yield from (m * self.unit for m in MINUTE if m * self.unit < smallest)
        count = int(math.log2(REACH * max(1.0, self.unit)) - math.log2(smallest)) + 1
        for k in range(count):
            yield math.ldexp(smallest * (1 + UNEVEN * (k * GOLDEN % 1 - 0.5)), k)

    def _exact(self, t: float) -> float:
        """A step near t between two floating-point numbers."""
        moved = np.array(self.here + t * self.turn)
        there = (moved if self.x.dtype.kind == "c" else moved.real).astype(self.x.dtype)
        return float(((complex(there) - self.here) / self.turn).real)

    @cached_property
    def left(self) -> list[float]:
        """The steps to the left, up to the first at which another branch is taken."""
        return self._reached(-1.0)

    @cached_property
    def right(self) -> list[float]:
        """The steps to the right."""
        return self._reached(1.0)

    def _reached(self, sign: float) -> list[float]:
        steps, base = [], self.subject.base.branches
        for h in self._scales():
            t = self._exact(sign * h)
            if not t:
                continue  # less than the smallest number
            if self.phi.line.at(t).branches != base:
                break
            steps.append(t)
        return steps

    # -- slopes -----------------------------------------------------------------------------------

    def ladders(self, steps: Sequence[float], noise: float = 0.0) -> list[Slope]:
        """A slope from each LEVELS neighbouring steps, the finest first."""
        rows = [one_side(self.phi, t, noise) for t in steps]
        return [
            Slope(*extrapolate(rows[j : j + LEVELS][::-1], power=1), "one-sided differences")
            for j in range(len(rows) - LEVELS + 1)
        ]

    # -- the verdict ------------------------------------------------------------------------------

    def reading(self, c: float, rounding: Rounding = nothing) -> Reading:
        """What becomes of the claim c, itself known up to `rounding`."""
        n = min(len(self.left), len(self.right))
        if n < LEVELS + RUN - 1:
            return Reading("kink", OPEN.slope, math.inf)
        flat = self._flat()
        if (flat >= LEVELS or flat == n) and (stair := self._stair(c, flat)) is not None:
            return stair
        noise = self._quantum(flat) if flat else 0.0
        below, above = (self.ladders(side[flat:n], noise) for side in (self.left, self.right))
        runs = [run for run in _runs(below, above) if self._sharp(run, c)]
        excluding = [run for run in runs if self._excludes(run, c, rounding)]
        if not excluding:
            return self._undecided(below, above)
        finest = excluding[0]
        slope = min((s for s in (*below, *above) if _agree([s, *finest])), key=lambda s: s.error)
        if self._contradicted(slope, c, runs[: runs.index(finest)], runs):
            return OPEN
        start = flat + below.index(finest[0])
        if all(drifts(self.phi, side[start:n], noise) for side in (self.left, self.right)):
            return OPEN
        if self._nearer(c, slope.value) or self._walled(slope, below, above, flat):
            return OPEN
        if self._kinked(c, slope):
            return Reading("kink", OPEN.slope, math.inf)
        return Reading("wrong", slope, slope.error + self.slack(c, slope, rounding))

    def slack(self, c: float, slope: Slope, rounding: Rounding) -> float:
        """What is granted to c: its rounding, and the ninth digit."""
        known = DIGITS * (abs(slope.value) + (abs(c) if math.isfinite(c) else 0.0))
        return rounding(slope.value) + known

    def _sharp(self, run: Sequence[Slope], c: float) -> bool:
        return all(s.error <= SHARP * self._size(c, s) for s in run)

    def _excludes(self, run: Sequence[Slope], c: float, rounding: Rounding) -> bool:
        return not any(abs(c - s.value) <= s.error + self.slack(c, s, rounding) for s in run)

    def _kinked(self, c: float, slope: Slope) -> bool:
        """Whether x is on a kink that shows only when other elements move, too."""
        own = abs(self.here) or size_of(self.x)
        gap = abs(c - slope.value) if math.isfinite(c) else self._size(c, slope)
        v = np.zeros(self.x.shape, self.x.dtype)
        v.reshape(-1)[self.i] = own * self.turn
        noise = max(self.noise, self.phi.rounding(0.0))
        noise += self.subject.eps_in * own * (abs(slope.value) + gap)
        return on_a_kink(self.subject, self.k, v, self.g, gap * own, noise)

    @cached_property
    def noise(self) -> float:
        """How coarsely f is rounded, as its stairs or its finest ladders show."""
        if self._flat() >= LEVELS:
            return self._quantum(self._flat())
        errors = [
            s.error * abs(t)
            for steps in (self.left, self.right)
            for s, t in zip(self.ladders(steps), steps, strict=False)
            if s.error
        ]
        return min(errors, default=0.0)

    def _contradicted(
        self, slope: Slope, c: float, finer: Sequence[Run], runs: Sequence[Run]
    ) -> bool:
        """Whether a finer run says something else, or a coarser one what c says."""
        gap = abs(c - slope.value) if math.isfinite(c) else self._size(c, slope)
        return any(_apart(s, slope) > SHARP * gap for run in finer for s in run) or any(
            all(abs(c - s.value) <= s.error and _apart(s, slope) > 0 for s in run) for run in runs
        )

    def _size(self, c: float, slope: Slope) -> float:
        """That of a slope here; where c is infinite, such as takes f across its values within x."""
        usual = max(self._sizes(self._moved), default=0.0) / self.unit
        return abs(slope.value) + (abs(c) if math.isfinite(c) else usual)

    def _nearer(self, c: float, v: float) -> bool:
        """Whether f follows c, and not v, at two steps in a row of one side, to its last digit."""

        def follows(t: float) -> bool:
            there, y = self.phi(t), self.phi.line.at(t).y
            rounding = 4 * self.subject.eps_out * float(np.sum(np.abs(self.g * y)[self._moved]))
            return abs(there - c * t) <= rounding < SHARP * abs(there - v * t)

        return any(
            follows(t) and follows(u) for side in (self.left, self.right) for t, u in pairwise(side)
        ) and not self._quantised(self._flat())

    def _walled(
        self, slope: Slope, below: Sequence[Slope], above: Sequence[Slope], flat: int
    ) -> bool:
        """Whether the slope ends suddenly, and soon, on both sides: it is that of a stair.

        1 - cos x is constant around a small x for as long as cos x is rounded to one number; what
        is divided by x^2 looks perfectly smooth there. The error of a ladder that leaves a smooth
        stretch grows with a power of its step, and not by SUDDEN from one to the next.
        """

        def wall(ladders: Sequence[Slope]) -> float:
            inside = False
            for k, (a, b) in enumerate(pairwise(ladders)):
                inside = inside or a == slope or _agree([a, slope])
                known = max(a.error, 16 * self.subject.eps_out * abs(slope.value))
                if inside and b.error > SUDDEN * known:
                    return abs(self.right[min(flat + k + LEVELS, len(self.right) - 1)])
            return math.inf

        return max(wall(below), wall(above)) < WIDE * max(1.0, abs(self.here))

    def _undecided(self, below: Sequence[Slope], above: Sequence[Slope]) -> Reading:
        for start in range(len(below) - RUN + 1):
            one, other = below[start : start + RUN], above[start : start + RUN]
            if _agree(one) and _agree(other) and not _agree([*one, *other]):
                return Reading("kink", OPEN.slope, math.inf)
        return OPEN

    # -- stairs -----------------------------------------------------------------------------------

    def _flat(self) -> int:
        """How many steps, from the smallest, leave phi exactly as it is on both sides."""
        n = 0
        for t, u in zip(self.left, self.right, strict=False):
            if self.phi(t) != 0 or self.phi(u) != 0:
                break
            n += 1
        return n

    def _stair(self, c: float, flat: int) -> Reading | None:
        """The verdict where f is constant around x; None where that is an effect of rounding.

        On a stair the slope is 0; but it may be what rounding has left of a slope, whose rise
        over the width of the stair is less than one unit in the last place of something.
        """
        width = min(-self.left[flat - 1], self.right[flat - 1])
        everywhere = flat == min(len(self.left), len(self.right))
        wide = width >= WIDE * max(1.0, abs(self.here))
        high = self._quantum(flat) >= WIDE * max(self._sizes(self._moved), default=0.0)
        lost = max(hidden(self.subject, self.g), COARSE * max(self._sizes(), default=0.0))
        zero = Slope(0.0, lost / width, CONSTANT)
        if everywhere or (wide and (high or not self._quantised(flat))):
            refuted = not abs(c) <= zero.error and not self._kinked(c, zero)
            return Reading("wrong" if refuted else "open", zero, zero.error)
        return None

    def _quantum(self, flat: int) -> float:
        """The smallest change of phi that was seen: the height of a stair."""
        steps = (*self.left[flat : flat + RUN], *self.right[flat : flat + RUN])
        return min((abs(self.phi(t)) for t in steps if self.phi(t) != 0), default=0.0)

    def _quantised(self, flat: int) -> bool:
        """Whether f goes on in stairs where it is no longer constant."""
        ends = [s[min(flat, len(s) - 1)] for s in (self.left, self.right)]
        first = next((t for t in ends if self.phi(t) != 0), ends[0])
        points = dict.fromkeys(self._exact(first * (1 + j / 8)) for j in range(32))
        values = [self.phi(t) for t in points]
        return sum(a == b for a, b in pairwise(values)) >= len(values) // 4

    def _sizes(self, some: Any = np.True_) -> Iterator[float]:
        """The largest |g y| of some of the elements of each output, y by its usual size."""
        g = np.where(some, np.abs(self.g), 0.0)
        start = 0
        for y in self.subject.outputs:
            yield float(g[start : start + y.size].max(initial=0.0)) * size_of(y)
            start += y.size

    @cached_property
    def _moved(self) -> np.ndarray:
        """Which outputs the element moves."""
        ends = [self.phi.line.at(t).y for t in (*self.left[-1:], *self.right[-1:])]
        return np.asarray(np.any([y != self.subject.base.y for y in ends], axis=0))

    def cancelled(self, c: float) -> float:
        """What c may have lost where it cancels."""
        return cancelled(self.subject, self.g[self._moved], self.unit, c)


def cancelled(subject: Subject, g: np.ndarray, unit: float, c: float) -> float:
    """What a gradient may lose where it cancels: p - 1 is known to the last place of 1.

    Only what is far beneath the numbers that f computes with is granted: of outputs that move, seen
    through g, and of a slope of 1, or as small as x itself. A c that is smaller still, and not 0,
    is not what is left of such numbers if f, over all of x, rises by no more itself.
    """
    granted = MARGIN * subject.eps_out * float(np.sum(np.abs(g))) * min(1.0, unit)
    if subject.parent is not None:  # J^T g is linear in g, and known to the last place of g
        upstream = subject.xs[len(subject.parent.xs) :]
        granted *= max([1.0, *map(largest, upstream)])
    outputs = subject.base.y, subject.root.base.y
    rise = max(map(largest, outputs)) / max(1.0, unit)
    lost = c == 0 or abs(c) >= REMAINDER * granted or rise >= REMAINDER
    return granted if lost else 0.0


def drifts(phi: Phi, steps: Sequence[float], noise: float) -> bool:
    """Whether the quotients of a run go on and on as the steps shrink, as those of x ln x at 0.

    Of a slope that settles, even as slowly as that of |x|^1.5, each step changes the less the
    smaller it is; these change by the same for each halving, give or take a factor of 2.
    """
    rows = [one_side(phi, t, noise) for t in steps[: RUN + 2 * LEVELS]]
    audible = dropwhile(
        lambda ab: not abs(ab[0].value - ab[1].value) > ab[0].noise + ab[1].noise, pairwise(rows)
    )
    rates = [(a.value - b.value) / math.log(b.h / a.h) for a, b in audible]
    if len(rates) < RUN:
        return False
    low, high = sorted((min(rates), max(rates)), key=abs)
    return high * low > 0 and abs(high) <= 2 * abs(low)


def _agree(slopes: Sequence[Slope]) -> bool:
    """Whether their intervals have a point in common."""
    low = max(s.value - s.error for s in slopes)
    high = min(s.value + s.error for s in slopes)
    return low <= high and all(math.isfinite(s.error) for s in slopes)


def _runs(below: Sequence[Slope], above: Sequence[Slope]) -> Iterator[Run]:
    """The ladders of neighbouring scales, of both sides, that agree."""
    for start in range(len(below) - RUN + 1):
        run = [*below[start : start + RUN], *above[start : start + RUN]]
        if _agree(run):
            yield run


def _apart(a: Slope, b: Slope) -> float:
    """How far the intervals are from each other."""
    return abs(a.value - b.value) - a.error - b.error
