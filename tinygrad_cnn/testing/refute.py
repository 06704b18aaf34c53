"""What it takes to call a gradient wrong: witnesses that agree, and none who contradicts.

A claim c about the slope of f along one element is refuted if, on both sides of x and over RUN
neighbouring scales, from 2^7 times to 1 times a step, the ladders of one-sided quotients

    1. settle, each with an error that it tells by itself,
    2. agree with one another, the left ones with the right ones: f has no kink within these steps,
    3. exclude c, by more than the rounding of c, which is measured, and of the ninth digit,

and if no finer scale says something else. Everything that could mislead a single ladder (a kink
nearer than its step, noise, a jump, a singularity) sets the scales, or the sides, against each
other; then nothing is settled, and nobody is accused.

Rounding also makes stairs, on which f is constant while its slope is not: see _stair.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from tinygrad_cnn.testing.slopes import LEVELS, Line, Phi, Slope, extrapolate, one_side
from tinygrad_cnn.testing.subject import Subject, size_of

RUN = 5
"""So many neighbouring ladders must agree on each side; the first and the last share no step."""
DIGITS = 2.0**-30
"""A gradient that is right to nine digits is not called wrong."""
WIDE = 2.0**-10
"""Stairs that are wider, and higher, than this part of x and f(x) are no effect of rounding."""
REACH = 2.0**-2
"""The largest step, in units of the input."""
WOBBLES = 4


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
        """Each about twice the one before; round numbers would march in step with rounding."""
        smallest = 256 * self.subject.eps_in * abs(self.here) or 2.0**-60 * self.unit
        count = int(math.log2(REACH * max(1.0, self.unit) / smallest)) + 1
        return (smallest * 2.0**k * (0.9 + 0.2 * (k * 0.618 % 1)) for k in range(count))

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

    def reading(self, c: float, rounding: float) -> Reading:
        """What becomes of the claim c, itself known up to `rounding`."""
        n = min(len(self.left), len(self.right))
        left, right = self.left[:n], self.right[:n]
        if n < LEVELS + RUN - 1:
            return Reading("kink", OPEN.slope, math.inf)
        flat = self._flat()
        if flat:
            stair = self._stair(c, flat)
            if stair is not None:
                return stair
        noise = self._quantum(flat) if flat else 0.0
        below, above = self.ladders(left[flat:], noise), self.ladders(right[flat:], noise)
        for start in range(len(below) - RUN + 1):
            run = below[start : start + RUN] + above[start : start + RUN]
            if self._refutes(run, c, rounding):
                if _contradicted(run, c, below[:start], above[:start]):
                    return OPEN
                best = min(run, key=lambda s: s.error)
                return Reading("wrong", best, best.error + self.slack(c, best, rounding))
        return self._undecided(below, above)

    def slack(self, c: float, slope: Slope, rounding: float) -> float:
        """What is granted to c: its rounding, and the ninth digit."""
        known = DIGITS * (abs(slope.value) + (abs(c) if math.isfinite(c) else 0.0))
        return rounding + known

    def _refutes(self, run: Sequence[Slope], c: float, rounding: float) -> bool:
        if not _agree(run):
            return False
        return not any(abs(c - s.value) <= s.error + self.slack(c, s, rounding) for s in run)

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
        quantum = self._quantum(flat)
        visible = max(self._sizes(), default=0.0)
        wide = width >= WIDE * max(1.0, abs(self.here)) and quantum >= WIDE * visible
        zero = Slope(0.0, self._unseen() / width, "constant nearby")
        if everywhere or (wide and flat >= LEVELS):
            refuted = not abs(c) <= zero.error
            return Reading("wrong" if refuted else "open", zero, zero.error)
        if c == 0 and not self._quantised(width):
            return OPEN  # a stair alone: f may well be constant around x
        return None

    def _quantum(self, flat: int) -> float:
        """The smallest change of phi that was seen: the height of a stair."""
        steps = (*self.left[flat : flat + RUN], *self.right[flat : flat + RUN])
        return min((abs(self.phi(t)) for t in steps if self.phi(t) != 0), default=0.0)

    def _quantised(self, width: float) -> bool:
        """Whether f is constant on stretches as wide as this elsewhere, too."""
        values = [self.phi(self._exact(width * (2 + j / 4))) for j in range(32)]
        return sum(a == b for a, b in pairwise(values)) >= len(values) // 4

    def _sizes(self) -> Iterator[float]:
        for part, y in zip(self.subject.split(self.g), self.subject.outputs, strict=True):
            yield float(np.abs(part).max(initial=0.0)) * size_of(y)

    def cancelled(self) -> float:
        """What a gradient may lose where it cancels: p - 1 is known to the last place of 1.

        Only what is far beneath the numbers that f computes with is granted: of outputs that move,
        and of a slope of 1, or as small as x itself.
        """
        moved = np.zeros(self.g.shape, bool)
        for t in (*self.left[-1:], *self.right[-1:]):
            y = self.phi.line.at(t).y
            moved |= y != self.subject.base.y
        weight = float(np.sum(np.abs(self.g[moved])))
        return 8 * self.subject.eps_out * weight * min(1.0, self.unit)

    def _unseen(self) -> float:
        """What f may have lost in rounding: of its outputs, or of numbers as large as x, or 1."""
        outputs = float(np.sum(np.abs(self.g * self.subject.base.y)))
        numbers = float(np.abs(self.g).sum()) * max(1.0, self.unit)
        return 64 * self.subject.eps_out * (outputs + numbers)


def _agree(slopes: Sequence[Slope]) -> bool:
    """Whether their intervals have a point in common."""
    low = max(s.value - s.error for s in slopes)
    high = min(s.value + s.error for s in slopes)
    return low <= high and all(math.isfinite(s.error) for s in slopes)


def _contradicted(
    run: Sequence[Slope], c: float, below: Sequence[Slope], above: Sequence[Slope]
) -> bool:
    """Whether finer ladders, two in a row, say on one side what the run does not."""
    gap = min(abs(c - s.value) for s in run) if math.isfinite(c) else math.inf

    def speaks(s: Slope) -> bool:
        supports = abs(c - s.value) <= s.error
        return s.error <= gap / 4 and (supports or not _agree([s, *run]))

    return any(
        speaks(a) and speaks(b) and _agree([a, b])
        for side in (below, above)
        for a, b in pairwise(side)
    )
