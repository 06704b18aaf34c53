"""The slope of a function of one variable at 0, with an error that is estimated and never guessed.

phi(t) = <g, f(x + t v)>, f on a line through x, has the slope <g, J v> there. Four ways to it:

    complex_step   Im phi(ih) / h, exact to rounding, where f carries the imaginary part
    extrapolate    (phi(h) - phi(-h)) / 2h for a few shrinking h, to h = 0
    settle         the same over 40 octaves of h, from the smallest upwards: what a larger step says
                   is believed as long as it agrees with all smaller ones
    one_sided      (phi(h) - phi(0)) / h and its mirror image, for kinks

The rounding of phi is measured where it matters: equally spaced points along the line, differenced
until nothing smooth is left.

Sources: Squire and Trapp, Using complex variables to estimate derivatives, 1998; Ridders, Accurate
computation of F'(x) and F'(x) F''(x), 1982; Lepskii, On a problem of adaptive estimation in
Gaussian white noise, 1990; Moré and Wild, Estimating computational noise, 2011.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import takewhile
from typing import NamedTuple

import numpy as np

from tinygrad_cnn.testing.arrays import Arrays, flat, float_outputs
from tinygrad_cnn.testing.subject import REFUSALS, Subject, Value

LEVELS = 4  # of extrapolation: errors of order h^2, h^4, h^6 cancel
QUICK_STEPS = [2.0**-k for k in (8, 10, 12, 14)]
"""The steps tried first, in units of the direction: far above rounding, mostly still smooth."""
SMALLEST = 2.0**-44  # below, rounding leaves three digits at the most
LARGEST = 2.0**-4
GOLDEN = (math.sqrt(5) - 1) / 2
POINTS = 9  # on each side of 0, for one measurement of noise
AGREEING = 2  # so many spacings that show a level of noise, the widest, tell it


class Slope(NamedTuple):
    """A slope, a bound on its error, and how it was found."""

    value: float
    error: float
    method: str


class Line:
    """t -> f(x + t v), each point evaluated once. v has an array, or None, for each place."""

    def __init__(self, subject: Subject, v: Sequence[np.ndarray | None]) -> None:
        self.subject = subject
        self.v = [
            None if d is None else d.astype(x.dtype) for d, x in zip(v, subject.xs, strict=True)
        ]
        self._seen: dict[complex, Value] = {0.0: subject.base}
        sizes = [np.abs(d).max(initial=0.0) for d in v if d is not None]
        size = float(max(sizes, default=1.0)) or 1.0
        self.largest = LARGEST * max(1.0, 2.0 ** math.floor(-math.log2(size)))
        """The largest step worth a try: tiny inputs may hide in the rounding of what they join."""

    def at(self, t: complex) -> Value:
        """f at t."""
        if t not in self._seen:
            self._seen[t] = self.subject.value(self.point(t))
        return self._seen[t]

    def point(self, t: complex) -> Arrays:
        """x + t v."""
        return [
            x if d is None else np.asarray(x + t * d)
            for x, d in zip(self.subject.xs, self.v, strict=True)
        ]

    def smooth_at(self, t: float) -> bool:
        """Whether f takes the same branches at t and -t as at 0."""
        here = self.subject.base.branches
        return self.at(t).branches == here and self.at(-t).branches == here

    def like(self, t: float, sign: float) -> Callable[[float], bool]:
        """Whether, at h on one side, f takes the branches that it takes at t."""
        there = self.at(t).branches
        return lambda h: self.at(sign * h).branches == there

    def along(self, g: np.ndarray) -> Phi:
        """t -> <g, f(x + t v) - f(x)>"""
        return Phi(self, g)

    @cached_property
    def column(self) -> np.ndarray | None:
        """J v = Im f(x + ihv) / h; None where f does not carry an imaginary part."""
        if any(x.dtype != np.float64 for x in self.subject.xs):
            return None
        h = 2.0**-80
        try:
            with warnings.catch_warnings(action="error"):
                y = flat(float_outputs(self.subject.run(self.point(h * 1j))))
        except (*REFUSALS, AttributeError, Warning):  # f runs on real numbers alone
            return None
        return y.imag / h if np.iscomplexobj(y) and y.shape == self.subject.base.y.shape else None


class Phi:
    """t -> <g, f(x + t v) - f(x)>, NaN where f has another shape; and how well it is known."""

    def __init__(self, line: Line, g: np.ndarray) -> None:
        self.line, self.g = line, g
        self._seen: dict[float, float] = {}

    def __call__(self, t: float) -> float:
        """<g, f(x + t v) - f(x)>"""
        value = self._seen.get(t)
        if value is None:
            y, here = self.line.at(t).y, self.line.subject.base.y
            known = y.shape == here.shape
            value = self._seen[t] = project(self.g, y - here) if known else math.nan
        return value

    def rounding(self, t: float) -> float:
        """That of the outputs at t: it may be larger there than at 0."""
        y = self.line.at(t).y
        if y.shape != self.g.shape:
            return math.nan
        return 4 * self.line.subject.eps_out * float(np.sum(np.abs(self.g * y)))


def project(g: np.ndarray, y: np.ndarray) -> float:
    """Re <g, y>"""
    return float(np.real(np.dot(g, y)))


# -- quotients ------------------------------------------------------------------------------------


class Row(NamedTuple):
    """A difference quotient, the step it was taken at, and what rounding may have done to it."""

    value: float
    h: float
    noise: float


def central(phi: Phi, h: float, noise: float) -> Row:
    """(phi(h) - phi(-h)) / 2h"""
    rounding = noise + max(phi.rounding(h), phi.rounding(-h))
    return Row((phi(h) - phi(-h)) / (2 * h), h, rounding / h)


def one_side(phi: Phi, h: float, noise: float) -> Row:
    """(phi(h) - phi(0)) / h, for a negative h from the left."""
    rounding = noise + phi.rounding(h)
    return Row((phi(h) - phi(0.0)) / h, abs(h), 2 * rounding / abs(h))


def extrapolate(rows: Sequence[Row], power: int) -> tuple[float, float]:
    """The limit of the rows as h falls to 0, and a bound on its error; h falls along the rows.

    The error of a row is a series in h^power. Each column of the table cancels one more term; what
    the last one changed tells how far that has come, and the rows' noise how far it can.
    """
    best, bound = rows[-1].value, math.inf
    noise = 0.0
    previous: list[float] = []
    for k, (value, h, rounding) in enumerate(rows):
        noise = max(noise, rounding)
        row = [value]
        for j in range(k):
            factor = (rows[k - j - 1].h / h) ** power
            row.append(row[j] + (row[j] - previous[j]) / (factor - 1))
            change = max(abs(row[j + 1] - row[j]), abs(row[j + 1] - previous[j]))
            error = 8 * change + 2 * noise
            if error < bound:
                best, bound = row[j + 1], error
        previous = row
    return best, bound


def settle(rows: Sequence[Row], power: int = 2) -> Slope | None:
    """phi'(0) as the rows settle while h shrinks; h rises along them.

    The smallest steps have no truncation error, only noise, whose size is known. Going up, the
    intervals narrow, until one no longer meets all those before it: there the function bends, or
    breaks, within the step. None where fewer than LEVELS rows are left.
    """
    best: Slope | None = None
    low, high = -math.inf, math.inf
    for k in range(LEVELS - 1, len(rows)):
        window = rows[k - LEVELS + 1 : k + 1][::-1]
        value, error = extrapolate(window, power)
        if not value - error <= high or not value + error >= low:  # also for NaN
            break
        low, high = max(low, value - error), min(high, value + error)
        if best is None or error < best.error:
            best = Slope(value, error, "differences")
    return best


def grid(largest: float) -> list[float]:
    """Steps from SMALLEST to `largest`, each about four times the one before.

    Round numbers would march in step with the rounding of f, which then could not be seen.
    """
    count = int(math.log2(largest / SMALLEST)) // 2 + 1
    return [SMALLEST * 4.0**k * (0.7 + 0.5 * (k * GOLDEN % 1)) for k in range(count)]


# -- kinks ----------------------------------------------------------------------------------------


def breaks(phi: Phi, noise: float, steps: Sequence[float]) -> bool:
    """Whether the slopes from the two sides differ at 0: phi has a kink, or a jump, there.

    For smooth phi their difference is h phi''(0), which falls with h; at a kink it stays. The two
    are told apart at the smallest step at which the difference stands out from the noise, by
    comparison with a step 64 times larger. (A kink elsewhere, within a larger step, makes itself
    felt suddenly: far above the noise, where the step before it showed nothing.)
    """
    gaps = [(phi(h) - 2 * phi(0.0) + phi(-h)) / h for h in steps]
    for k, (gap, h) in enumerate(zip(gaps, steps, strict=True)):
        if not math.isfinite(gap):
            return True
        loud = 32 * (noise + max(phi.rounding(h), phi.rounding(-h))) / h
        if abs(gap) > loud:
            if k > 0 and abs(gap) > 16 * loud:
                return False
            above = [abs(c) for c in gaps[k + 1 : k + 4] if math.isfinite(c)]
            return not above or above[-1] < 4 ** (2 * len(above) / 3) * abs(gap)
    return False


def plateau(phi: Phi, steps: Sequence[float]) -> int:
    """How many of the steps, from the smallest on, leave phi exactly as it is."""
    here = phi(0.0)
    return sum(1 for _ in takewhile(lambda h: phi(h) == here == phi(-h), steps))


def one_sided(
    phi: Phi, noise: float, left: Sequence[float], right: Sequence[float]
) -> tuple[Slope, Slope] | None:
    """The slopes at 0 from the left and from the right, with steps for each; None if unsettled."""
    below = settle([one_side(phi, -h, noise) for h in left], power=1)
    above = settle([one_side(phi, h, noise) for h in right], power=1)
    return (below, above) if below is not None and above is not None else None


# -- noise ----------------------------------------------------------------------------------------


def noise_of(phi: Phi, floor: float, reach: float) -> float:
    """The size of the rounding errors of phi within `reach` of 0, `floor` at the least.

    The sixth difference of equally spaced values falls with the sixth power of the spacing where
    phi is smooth, with the first at a kink, and not at all where it is rounding. So a level counts
    that a spacing shows around 0, and a spacing 32 times smaller shows again a little further out.
    (Around 0 itself phi may bend on many scales; and at the smallest spacings rounding itself may
    look smooth, or freeze: on a stair of a staircase.)
    """
    levels: list[float] = []
    s = GOLDEN * reach / 8
    while s > 2.0**-40 and len(levels) < AGREEING:
        here = _sixth_difference(phi, s, 1, POINTS + 1), _sixth_difference(phi, -s, 1, POINTS + 1)
        again = _sixth_difference(phi, s / 32, 160, 160 + POINTS)
        level = math.hypot(*here) / math.sqrt(2)
        if max(level, again) <= 8 * min(level, again):
            levels.append(min(level, again))
        s /= 32
    return 4 * max(levels, default=0.0) + floor


def _sixth_difference(phi: Phi, s: float, start: int, stop: int) -> float:
    """Its root mean square, scaled so that independent errors of size d give d."""
    d = np.diff([phi(s * j) for j in range(start, stop)], 6)
    largest = float(np.abs(d).max())
    if not 0 < largest < math.inf:
        return largest
    return largest * float(np.sqrt(np.mean((d / largest) ** 2) / math.comb(12, 6)))
