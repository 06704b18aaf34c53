"""The slope of a function of one variable at 0, with an error that is estimated and never guessed.

phi(t) = <g, f(x + t v)>, f on a line through x, has the slope <g, J v> there. Four ways to it:

    complex_step   Im phi(ih) / h, exact to rounding, where f carries the imaginary part
    quotients      (phi(h) - phi(-h)) / 2h for shrinking h, extrapolated to h = 0
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
from typing import NamedTuple

import numpy as np

from tinygrad_cnn.testing.subject import Arrays, Subject, Value, flat, float_outputs

LEVELS = 4  # of extrapolation: errors of order h^2, h^4, h^6 cancel
QUICK_STEPS = [2.0 ** -(6 + k) for k in range(LEVELS)]
"""The steps tried first, in units of the direction: far above rounding, mostly still smooth."""
SMALLEST = 2.0**-44  # below, rounding leaves three digits at the most
LARGEST = 2.0**-4
POINTS = 9  # on each side of 0, for one measurement of noise

Phi = Callable[[float], float]


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

    def along(self, g: np.ndarray) -> Phi:
        """t -> <g, f(x + t v)>, NaN where f has another shape."""

        def phi(t: float) -> float:
            y = self.at(t).y
            return project(g, y) if y.shape == g.shape else math.nan

        return phi

    def complex_step(self, h: float = 2.0**-80) -> np.ndarray | None:
        """J v = Im f(x + ihv) / h; None where f does not carry an imaginary part."""
        if any(x.dtype.kind == "c" or x.dtype != np.float64 for x in self.subject.xs):
            return None
        try:
            with warnings.catch_warnings(action="error"):
                y = flat(float_outputs(self.subject.run(self.point(h * 1j))))
        except Exception:  # f runs on real numbers: whatever stops it here says no more than that
            return None
        return y.imag / h if np.iscomplexobj(y) and y.shape == self.subject.base.y.shape else None


def project(g: np.ndarray, y: np.ndarray) -> float:
    """Re <g, y>"""
    return float(np.real(np.dot(g, y)))


# -- quotients ------------------------------------------------------------------------------------


def extrapolate(
    rows: Sequence[float], steps: Sequence[float], power: int, noise: float
) -> tuple[float, float]:
    """The limit of rows[k], taken at the falling steps[k], and a bound on its error.

    The error of a row is a series in h^power. Each column of the table cancels one more term; what
    the last one changed tells how far that has come, and `noise` / h how far rounding lets it.
    """
    best, bound = rows[-1], math.inf
    previous: list[float] = []
    for k, (quotient, h) in enumerate(zip(rows, steps, strict=True)):
        row = [quotient]
        for j in range(k):
            factor = (steps[k - j - 1] / h) ** power
            row.append(row[j] + (row[j] - previous[j]) / (factor - 1))
            change = max(abs(row[j + 1] - row[j]), abs(row[j + 1] - previous[j]))
            error = 8 * change + 2 * noise / h
            if error < bound:
                best, bound = row[j + 1], error
        previous = row
    return best, bound


def central(phi: Phi, h: float) -> float:
    """(phi(h) - phi(-h)) / 2h"""
    return (phi(h) - phi(-h)) / (2 * h)


def quotients(phi: Phi, noise: float) -> Slope:
    """phi'(0) from a short ladder of central difference quotients."""
    rows = [central(phi, h) for h in QUICK_STEPS]
    return Slope(*extrapolate(rows, QUICK_STEPS, 2, noise), "differences")


def settle(phi: Phi, noise: float, steps: Sequence[float], power: int = 2) -> Slope | None:
    """phi'(0) as the quotients settle while h shrinks: `steps`, in rising order.

    The smallest steps have no truncation error, only noise, whose size is known. Going up, the
    intervals narrow, until one no longer meets all those before it: there the function bends, or
    breaks, within the step. None where fewer than LEVELS steps are left.
    """
    best: Slope | None = None
    low, high = -math.inf, math.inf
    rows = [central(phi, h) for h in steps]
    for k in range(LEVELS - 1, len(steps)):
        window = slice(k, k - LEVELS if k >= LEVELS else None, -1)
        value, error = extrapolate(rows[window], steps[window], power, noise)
        if not value - error <= high or not value + error >= low:  # also for NaN
            break
        low, high = max(low, value - error), min(high, value + error)
        if best is None or error < best.error:
            best = Slope(value, error, "differences")
    return best


def grid(largest: float) -> list[float]:
    """Steps from SMALLEST to `largest`, each four times the one before."""
    return [SMALLEST * 4.0**k for k in range(int(math.log2(largest / SMALLEST)) // 2 + 1)]


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
        if abs(gap) > 32 * noise / h:
            if k > 0 and abs(gap) > 512 * noise / h:
                return False
            above = [abs(c) for c in gaps[k + 1 : k + 4] if math.isfinite(c)]
            return not above or above[-1] < 4 ** (2 * len(above) / 3) * abs(gap)
    return False


def one_sided(phi: Phi, noise: float, steps: Sequence[float]) -> tuple[Slope, Slope] | None:
    """The slopes at 0 from the left and from the right; None where they do not settle."""
    sides = []
    for sign in (-1.0, 1.0):
        at = _odd(phi, sign)
        slope = settle(at, 2 * noise, steps, power=1)
        if slope is None:
            return None
        sides.append(Slope(slope.value, slope.error, "one-sided differences"))
    return sides[0], sides[1]


def _odd(phi: Phi, sign: float) -> Phi:
    """One half of phi, continued as an odd function, so that the central quotient is one-sided."""

    def half(t: float) -> float:
        return math.copysign(1.0, t) * sign * (phi(sign * abs(t)) - phi(0.0))

    return half


# -- noise ----------------------------------------------------------------------------------------


def noise_of(phi: Phi, floor: float, reach: float) -> float:
    """The size of the rounding errors of phi within `reach` of 0, `floor` at the least.

    At equally spaced points the k-th difference of something smooth falls with the k-th power of
    the spacing, and that of rounding errors does not. A spacing counts where it is wide enough for
    phi to move (rounding can also freeze a function) and narrow enough for it to look straight.
    The two sides of 0 are looked at separately, and the quietest spacing counts: a kink, at 0 or
    further away, is no noise.
    """
    loud: list[float] = []
    quiet: list[float] = []
    shapeless: list[float] = []
    s = min(reach, 2.0**-3 if reach <= LARGEST else reach) / 8
    while s > 2.0**-40:
        sides = [[phi(sign * s * j) for j in range(POINTS)] for sign in (1, -1)]
        first, second, fourth, sixth = (_difference(np.array(sides), k) for k in (1, 2, 4, 6))
        if second < first / 4:
            (loud if sixth >= fourth / 4 else quiet).append(sixth)
        elif sixth > 0:
            shapeless.append(sixth)
        s /= 32
    return 8 * min(loud or quiet or shapeless, default=0.0) + floor


def _difference(values: np.ndarray, k: int) -> float:
    """The k-th difference, scaled so that independent errors of size d give d."""
    d = np.diff(values, k, axis=-1)
    return float(np.sqrt(np.mean(d * d) / math.comb(2 * k, k)))
