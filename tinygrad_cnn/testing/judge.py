"""The judge: whether one claim about a slope of f is supported by the values of f.

Quickly, if a complex step or a short ladder of quotients agrees with the claim; else by slopes over
40 octaves of the step, with the measured noise of f and with what inputs moved by their own
rounding do to the gradient. A claim that nothing supports is not yet wrong: see refute.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile

import numpy as np

from tinygrad_cnn.testing.arrays import Arrays, size_of
from tinygrad_cnn.testing.blame import blaming
from tinygrad_cnn.testing.refute import CONSTANT, OPEN, SHARP, Probe, Reading
from tinygrad_cnn.testing.rounding import (
    APART,
    COARSEST,
    GRANTED,
    MARGIN,
    attempted,
    hidden,
    jiggled,
)
from tinygrad_cnn.testing.slopes import (
    LARGEST,
    LEVELS,
    QUICK_STEPS,
    Line,
    Phi,
    Slope,
    central,
    extrapolate,
    grid,
    noise_of,
    plateau,
    project,
    settle,
)
from tinygrad_cnn.testing.subject import Subject

TINY = QUICK_STEPS[-1] / 4
"""An element smaller than this part of its input is moved by its own size: even the smallest of the
quick steps would be several times as large."""
HALF = 2.0**-26
"""Half of float64's digits are enough for a quick look; in coarser types no slope is known so well,
and each is looked at thoroughly."""


@dataclass(frozen=True, eq=False)
class Claim:
    """That f, seen through g, has the slope <G, v> along `line`, which moves place k by v."""

    what: str
    k: int
    line: Line
    g: np.ndarray
    G: np.ndarray

    @cached_property
    def v(self) -> np.ndarray:
        """The direction in the input that moves."""
        v = self.line.v[self.k]
        assert v is not None
        return v

    @cached_property
    def value(self) -> float:
        """<G, v>, the slope that the gradient claims."""
        return float(np.real(np.sum(self._products)))

    @cached_property
    def phi(self) -> Phi:
        """t -> <g, f(x + t v) - f(x)>"""
        return self.line.along(self.g)

    @cached_property
    def terms(self) -> float:
        """The sum of |G v|."""
        terms = np.abs(self._products)
        return float(np.sum(terms[np.isfinite(terms)]))

    @cached_property
    def _products(self) -> np.ndarray:
        """G v, of the elements that move: elsewhere G may be infinite."""
        moving = self.v != 0
        return np.asarray(self.G[moving] * self.v[moving])

    @cached_property
    def outputs(self) -> float:
        """The sum of |g y|."""
        return float(np.sum(np.abs(self.g * self.line.subject.base.y)))

    @cached_property
    def floor(self) -> float:
        """How far the rounding of inputs and outputs alone can move phi."""
        return self.floor_of(self.terms)

    def floor_of(self, terms: float) -> float:
        """The same where so much in all moves with the inputs."""
        subject = self.line.subject
        return subject.eps_out * self.outputs + subject.eps_in * terms

    @property
    def places(self) -> list[int]:
        """What moves."""
        return [self.k]


class Joint:
    """The claims about several places that move at once, along one line: their sum."""

    def __init__(self, claims: Sequence[Claim]) -> None:
        one = claims[0]
        self.places, self.line, self.phi = [claim.k for claim in claims], one.line, one.phi
        self.value = sum(claim.value for claim in claims)
        self.terms = sum(claim.terms for claim in claims)
        self.outputs = one.outputs
        self.floor = one.floor_of(self.terms)


@dataclass(frozen=True)
class Support:
    """A slope of f that agrees with a claim, and the tolerance that was derived."""

    slope: Slope
    tolerance: float


class Judge:
    """Decides about claims; remembers what it has learnt about f on the way.

    A claim is supported, along any direction; or refuted, along an element; or neither.
    """

    def __init__(self, subject: Subject, name: str) -> None:
        self.subject, self.name = subject, name
        self.carries_complex: dict[tuple[int, ...], bool] = {}  # by what moves, once it is known

    def supported(self, claim: Claim) -> Support | None:
        """Quickly, if that is enough; else with everything that can be measured."""
        return self.agrees(claim) or self._thoroughly(claim)

    def agrees(self, claim: Claim | Joint) -> Support | None:
        """By a quick look."""
        quick = self.quick(claim)
        if quick is None:
            return None
        tolerance = quick.error + GRANTED * claim.floor
        return Support(quick, tolerance) if abs(claim.value - quick.value) <= tolerance else None

    def refuted(self, claim: Claim, i: int, turn: complex = 1.0) -> Reading:
        """What f says about element i of the claim's gradient, moved alone."""
        probe = Probe(self.subject, claim.k, i, claim.g, turn)
        c = float((claim.G.reshape(-1)[i] * turn).real)
        if self.subject.parent and not (np.isfinite(c) or self.subject.finite.all()):
            return OPEN  # where a gradient is infinite it has no derivative
        v = np.zeros(claim.G.shape, claim.G.dtype)
        v.reshape(-1)[i] = turn
        if not np.isfinite(c):
            return probe.reading(c)
        wobble = self._wobble(replace(claim, line=self.line(claim.k, v)), probe.noise)
        cancelled = probe.cancelled(c)
        return probe.reading(c, lambda slope: MARGIN * wobble(slope) + cancelled)

    def quick(self, claim: Claim | Joint) -> Slope | None:
        """By a complex step, or a short ladder; None if that does not see sharply enough."""
        moves = tuple(claim.places)
        if self.carries_complex.get(moves):
            return self._complex_slope(claim)
        slope = self._ladder(claim)
        if slope is not None and moves not in self.carries_complex:
            exact = self._complex_slope(claim)
            agrees = exact is not None and abs(exact.value - slope.value) <= slope.error
            self.carries_complex[moves] = agrees
        return slope

    def _ladder(self, claim: Claim | Joint) -> Slope | None:
        """From as few steps as it takes: of what is linear along the line, two tell all.

        Whatever the slope, rounding leaves some 16 eps of the outputs to be divided by the step,
        the last but one, which gives a smooth function all its digits.
        """
        rows, blur = [], 16 * self.subject.eps_out / QUICK_STEPS[-2]
        for h in QUICK_STEPS:
            if not claim.line.smooth_at(h):
                return None
            rows.append(central(claim.phi, h, 2 * claim.floor))
            slope = Slope(*extrapolate(rows, power=2), "differences")
            if slope.error <= HALF * (claim.terms + abs(slope.value)) + blur * claim.outputs:
                return slope
        return None

    def _complex_slope(self, claim: Claim | Joint) -> Slope | None:
        column = claim.line.column
        if column is None or not np.isfinite(column).all():
            return None
        return Slope(project(claim.phi.g, column), GRANTED * claim.floor, "complex step")

    def _thoroughly(self, claim: Claim) -> Support | None:
        found = list(self._within(claim, LARGEST))
        best = min((slope for slope, _ in found), key=lambda s: s.error, default=None)
        blurred = best is None or not best.error <= SHARP * (abs(best.value) + claim.terms)
        if claim.line.largest > LARGEST and (blurred or (best and best.value == 0)):
            # tiny inputs may hide in the rounding of what they join
            found += self._within(claim, claim.line.largest)
        for slope, rounding in found:
            tolerance = slope.error + rounding
            if abs(claim.value - slope.value) <= tolerance <= self._limit(claim, slope):
                return Support(slope, tolerance)
        return None

    def _limit(self, claim: Claim, slope: Slope) -> float:
        """A slope that is known less well supports nothing."""
        if slope.method == CONSTANT:
            return np.inf
        return SHARP * (abs(slope.value) + claim.terms) + HALF * claim.outputs

    def _within(self, claim: Claim, largest: float) -> Iterator[tuple[Slope, float]]:
        """The slopes that f may have, by steps up to the largest; and the rounding of the claim."""
        line, phi = claim.line, claim.phi
        steps = list(takewhile(line.smooth_at, grid(largest)))
        if len(steps) < LEVELS + 2:
            return
        steps = steps[: self._stair(claim, steps) or None]
        flat = plateau(phi, steps)
        noise = noise_of(phi, claim.floor, steps[-1])
        # What was taken for noise may be structure: the claim may choose.
        for rounded in (noise, claim.floor):
            slope = settle([central(phi, h, rounded) for h in steps])
            wobble = self._wobble(claim, rounded)
            if slope is not None:
                yield slope, MARGIN * wobble(slope.value) + GRANTED * claim.floor
        rounding = MARGIN * wobble(0.0) + GRANTED * claim.floor
        if claim.terms == 0 and flat >= LEVELS:
            yield Slope(0.0, rounding, CONSTANT), rounding
        elif flat == len(steps):
            yield Slope(0.0, hidden(self.subject, claim.g) / steps[-1], CONSTANT), rounding

    def _stair(self, claim: Claim, steps: Sequence[float]) -> int:
        """How many steps stay on the stair that x is on, if f is a staircase; else 0.

        Rounding, too, makes stairs; but no float type has wider ones than COARSEST of the input.
        """
        flat = plateau(claim.phi, steps)
        if flat < LEVELS + 2 or flat == len(steps):
            return 0
        x = self.subject.xs[claim.k]
        width = steps[flat - 1] * float(np.abs(claim.v).max())
        return flat if width >= COARSEST * max(1.0, size_of(x)) else 0

    def _wobble(self, claim: Claim, noise: float) -> Callable[[float], float]:
        """slope of f -> how far <G, v> moves when the inputs move by their rounding: its condition.

        Where f itself is rounded more coarsely than its dtype (computed in float32 within, say),
        the inputs move by as much. But where all claims a little further off are nearer to the
        slope than that, it is not the slope that moves: the claim is another one at x alone.
        """
        sizes = claim.outputs + claim.terms
        relative = max(self.subject.eps_in, noise / sizes if sizes else 0.0)
        close = self._around(claim, min(relative, COARSEST))
        off = self._around(claim, min(APART * relative, COARSEST))
        moved = float(np.abs(close - claim.value).max(initial=0.0))
        return lambda slope: min(moved, float(np.abs(off - slope).max())) if off.size else moved

    def _around(self, claim: Claim, relative: float) -> np.ndarray:
        """<G, v> where the inputs, and g, are moved by that part of them; where it is finite."""
        subject, found = self.subject, []
        for *xs, g in jiggled([*subject.xs, claim.g], relative):
            G = attempted(lambda at: subject.gradient(at[:-1], at[-1]), [*xs, g])
            found.append(math.nan if G is None else replace(claim, G=G[claim.k]).value)
        return np.array([value for value in found if math.isfinite(value)])

    # -- running f --------------------------------------------------------------------------------

    def line(self, k: int, v: np.ndarray) -> Line:
        """The line along v in place k."""
        vs: list[np.ndarray | None] = [None] * len(self.subject.xs)
        vs[k] = v
        return Line(self.subject, vs)

    def gradient(self, g: np.ndarray) -> Arrays:
        """J^T g at the inputs."""
        with blaming(self.subject, self.name):
            return self.subject.gradient(self.subject.xs, g)


def unit(subject: Subject, k: int, i: int, turn: complex = 1.0) -> np.ndarray:
    """The direction that moves element i of place k alone, by the size of the input, or its own."""
    x = subject.xs[k]
    own, size = np.abs(x.reshape(-1)[i : i + 1]), size_of(x)
    e = np.zeros(x.shape, x.dtype)
    e.reshape(-1)[i] = turn * (size_of(own) if 0 < own < TINY * size else size)
    return e
