"""gradcheck: is the gradient of f what the slopes of f say?

    <G, v> = d/dt <g, f(x + t v)> at t = 0,   G = J^T g what the VJP returns

for random upstream gradients g and random directions v, and, where x and y are small, for each
element of both. The two sides may differ by the error of the slope, which is estimated, and by
rounding, which is measured; nobody chooses a tolerance.

A comparison that fails is looked into before anybody is accused: slopes over 40 octaves of the
step, the measured noise of f, what an input perturbed by its own rounding does to G, and whether f
has a kink there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile
from typing import Any

import numpy as np

from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.testing.blame import SEARCHED, accuse, blaming, mismatch, not_between
from tinygrad_cnn.testing.report import Check, GradientReport
from tinygrad_cnn.testing.slopes import (
    LARGEST,
    LEVELS,
    QUICK_STEPS,
    Line,
    Phi,
    Slope,
    breaks,
    central,
    grid,
    noise_of,
    one_sided,
    plateau,
    project,
    quotients,
    settle,
)
from tinygrad_cnn.testing.subject import Arrays, Pull, Subject, element, size_of

FEW = 16
"""Up to so many elements of an input are compared one by one, too."""


NOISY = 64
"""f is called noisy where it is rounded by so many times more than its dtype makes necessary."""
FEW_OUTPUTS = 64
"""At a kink the rows of the Jacobian are looked at one by one, up to so many."""


def gradcheck(
    f: Callable[..., Any],
    *inputs: Any,
    order: int = 1,
    directions: int = 3,
    at: str = "smooth",
    seed: int = 0,
    vjp: Callable[..., Any] | None = None,
    wrt: int | Sequence[int] | None = None,
) -> GradientReport:
    """Compare the gradient of f at its inputs with the slopes of f; a report, or GradientMismatch.

    f           takes Tensors and returns them (one, or a structure of several); or takes and
                returns arrays, where `vjp` is given
    inputs      arrays, Tensors, numbers. Each that holds floats is checked, in double precision;
                all else is held constant
    order       2 checks the derivative of the gradient, too
    directions  how many random directions, each with an upstream gradient of its own
    at          "smooth": elements at which f has a kink are left out, and listed in the report;
                "kink": the gradient must lie between the slopes from the left and from the right
    seed        of the directions, and of the library's generator at each run of f
    vjp         vjp(g, *inputs) -> a tuple of gradients, one for each input
    wrt         the inputs to check, by position; None for all that hold floats

    >>> import numpy as np, tinygrad_cnn as tg
    >>> bool(gradcheck(lambda x: tg.sin(x) * x, np.array([0.5, 2.0])))
    True
    >>> gradcheck(np.sin, np.array([0.5, 2.0]), vjp=lambda g, x: (g * np.sin(x),))
    Traceback (most recent call last):
        ...
    tinygrad_cnn.testing.report.GradientMismatch: ...
    """
    if at not in ("smooth", "kink"):
        raise ConfigError(f'gradcheck: at must be "smooth" or "kink", got {at!r}')
    subject = Subject(
        f, inputs, vjp=vjp, order=order, directions=directions, at=at, seed=seed, wrt=wrt
    )
    report = check_gradient(subject)
    for _ in range(order - 1):
        if vjp is not None:
            why = "order 2: a bare vjp= returns arrays, which cannot be differentiated again"
            return _merge(report, GradientReport(skipped=(why,)))
        subject = subject.derivative
        report = _merge(report, check_gradient(subject, "second_order"))
    return report


def gradgradcheck(f: Callable[..., Any], *inputs: Any, **options: Any) -> GradientReport:
    """gradcheck with order=2: the gradient, and the gradient of the gradient.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> bool(gradgradcheck(tg.tanh, np.array([0.5, 2.0])))
    True
    """
    return gradcheck(f, *inputs, **{"order": 2, **options})


def check_gradient(subject: Subject, name: str = "directional_derivative") -> GradientReport:
    """The comparison itself, of first order, for `subject`."""
    return Judge(subject, name).report()


def _merge(a: GradientReport, b: GradientReport) -> GradientReport:
    return GradientReport(
        (*a.checks, *b.checks),
        (*a.skipped, *b.skipped),
        tuple(dict.fromkeys((*a.kinks, *b.kinks))),
        a.rejected or b.rejected,
    )


# -- one comparison -------------------------------------------------------------------------------


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
        subject = self.line.subject
        return subject.eps_out * self.outputs + subject.eps_in * self.terms


@dataclass(frozen=True)
class Verdict:
    """right, wrong, or "kink"; with the slope that was found and the tolerance that was derived."""

    kind: str
    slope: Slope
    tolerance: float


UNSETTLED = Slope(np.nan, np.inf, "differences")


class Judge:
    """Decides for one subject; remembers what it has learnt about f on the way."""

    def __init__(self, subject: Subject, name: str) -> None:
        self.subject, self.name = subject, name
        self.checks: list[Check] = []
        self.skipped: list[str] = [subject.precision] if subject.precision else []
        self.excluded: list[set[int]] = [set() for _ in subject.xs]
        self.carries_complex: dict[int, bool] = {}  # by place, as soon as it is known
        self.noisy = False
        self.rejected = ""

    def report(self) -> GradientReport:
        """Compare, and report; or raise."""
        reason = self._nothing_to_judge()
        if not reason and not self.rejected:
            self._must_be_a_function()
            if self.subject.at == "kink":
                self._sides()
            else:
                self._directions()
        return GradientReport(
            tuple(self.checks),
            (*self.skipped, *([reason] if reason else [])),
            tuple(self._kinks()),
            self.rejected or self._only_kinks(),
        )

    def _nothing_to_judge(self) -> str:
        subject = self.subject
        if not subject.places:
            return "no input holds floats"
        if not any(x.size for x in subject.xs):
            return "the inputs have no elements"
        y = subject.base.y
        if not y.size:
            return "f has no output that holds floats"
        if not np.isfinite(y).all():
            self.rejected = "f is not finite at these inputs"
        return ""

    def _must_be_a_function(self) -> None:
        again = self.subject.value(self.subject.xs)
        if again.y.tobytes() != self.subject.base.y.tobytes():
            raise mismatch(
                self.subject,
                self.name,
                "f gives another value when it is run again on the same inputs, so that it has no "
                "slope; seed what is random in it",
            )

    # -- what is compared -------------------------------------------------------------------------

    def _directions(self) -> None:
        rng = self.subject.rng("directions")
        for d in range(self.subject.directions):
            g = self.subject.upstream(rng)
            self._direction(f"direction {d + 1}", rng, g, each=d == 0)
        by_size = self.subject.upstream_of_each(rng)
        if by_size is not None and self.subject.directions:
            self._direction("each output by its size", rng, by_size, each=True)

    def _direction(self, what: str, rng: np.random.Generator, g: np.ndarray, each: bool) -> None:
        """Every input moves along a random direction, and, where they are few, every element."""
        gradients = self.gradient(g)
        for k, v in enumerate(self.subject.direction(rng)):
            self._compare(f"{self.subject.label(k)}, {what}", k, v, g, gradients)
        if each:
            self._elements(g, gradients)

    def _elements(self, g: np.ndarray, gradients: Arrays) -> None:
        """Each element by itself, where they are few: the tiny ones hide behind the large."""
        for k, x in enumerate(self.subject.xs):
            if not 1 < x.size <= FEW:
                continue
            each = []
            for i in set(range(x.size)) - self.excluded[k]:
                line = self.line(k, unit(self.subject, k, i))
                what = f"{self.subject.label(k)}, each element"
                check = self._checked(Claim(what, k, line, g, gradients[k]))
                each.append(check)
                if check is None:
                    self._exclude(k, [i])
            judged = [check for check in each if check is not None]
            if judged:
                self.checks.append(max(judged, key=lambda check: check.margin))

    def _sides(self) -> None:
        """Each entry of the Jacobian lies between the slopes from the left and from the right.

        So does each row's sum over an input, along which ties stay tied: of equal maxima each may
        get a share, but not each the whole.
        """
        y = self.subject.base.y
        pull = self.subject.pullback(self.subject.xs)
        rows = [(g, self._pulled(pull, g)) for g in np.eye(y.size, dtype=y.dtype)[:FEW_OUTPUTS]]
        for k, x in enumerate(self.subject.xs):
            label = self.subject.label(k)
            sides = [
                (i, self.line(k, unit(self.subject, k, i))) for i in range(min(x.size, SEARCHED))
            ]
            together = np.where(np.isfinite(x), size_of(x), 0.0).astype(x.dtype)
            for i, line in [*sides, (None, self.line(k, together))]:
                what = f"{label}, all elements together" if i is None else f"{label}, each element"
                checks = [self._between(Claim(what, k, line, g, G[k]), i) for g, G in rows]
                judged = [check for check in checks if check is not None]
                if judged:
                    self._keep_worst(max(judged, key=lambda check: check.margin))

    def _keep_worst(self, check: Check) -> None:
        """One line of the report for all checks of one kind."""
        for i, other in enumerate(self.checks):
            if other.what == check.what:
                self.checks[i] = max(other, check, key=lambda c: c.margin)
                return
        self.checks.append(check)

    def _between(self, claim: Claim, i: int | None) -> Check | None:
        line, phi = claim.line, claim.phi
        reach = grid(line.largest)
        left, right = (
            list(takewhile(line.like(sign * reach[0], sign), reach)) for sign in (-1.0, 1.0)
        )
        if min(len(left), len(right)) < LEVELS + 2:
            return None
        noise = noise_of(phi, claim.floor, min(left[-1], right[-1]))
        sides = one_sided(phi, noise, left, right)
        if sides is None:
            return None
        low, high = sorted(side.value for side in sides)
        nearest = min(max(claim.value, low), high)
        tolerance = sides[0].error + sides[1].error + 64 * claim.floor
        if tolerance > abs(nearest) + abs(claim.value) + claim.terms and high - low > 0:
            return None  # a jump: the slopes do not settle
        if not abs(claim.value - nearest) <= tolerance:
            raise not_between(self, claim, i, sides, tolerance)
        return Check(claim.what, claim.value, nearest, tolerance, "one-sided differences")

    def _compare(self, what: str, k: int, v: np.ndarray, g: np.ndarray, gradients: Arrays) -> None:
        """Compare along v, without the elements that have a kink."""
        infinite = np.flatnonzero(~np.isfinite(gradients[k]))
        self._exclude(k, [i for i in infinite[:SEARCHED] if self.has_kink(k, int(i), g)])
        v = self._without_kinks(k, v)
        if not v.any():
            return
        check = self._checked(Claim(what, k, self.line(k, v), g, gradients[k]))
        if check is None and self._find_kinks(k, v, g):
            v = self._without_kinks(k, v)
            check = (
                self._checked(Claim(what, k, self.line(k, v), g, gradients[k])) if v.any() else None
            )
        if check is not None:
            self.checks.append(check)

    def _checked(self, claim: Claim) -> Check | None:
        """The comparison, if it came out right; None at a kink; GradientMismatch if wrong."""
        verdict = self.judge(claim)
        if verdict.kind == "wrong":
            raise accuse(self, claim, verdict)
        if verdict.kind == "kink":
            return None
        slope = verdict.slope
        return Check(claim.what, claim.value, slope.value, verdict.tolerance, slope.method)

    # -- judging ----------------------------------------------------------------------------------

    def judge(self, claim: Claim) -> Verdict:
        """Quickly, if that is enough; else with everything that can be measured."""
        quick = self.quick(claim)
        if quick is not None:
            tolerance = quick.error + 16 * claim.floor
            if abs(claim.value - quick.value) <= tolerance:
                return Verdict("right", quick, tolerance)
        return self._thoroughly(claim)

    def quick(self, claim: Claim) -> Slope | None:
        """By a complex step, or a short ladder; None if that does not see sharply enough."""
        if self.carries_complex.get(claim.k):
            return self._complex_slope(claim)
        if not all(claim.line.smooth_at(h) for h in QUICK_STEPS):
            return None
        slope = quotients(claim.phi, 2 * claim.floor)
        sharp = 2.0**-26 * (claim.terms + abs(slope.value)) + 2.0**-36 * claim.outputs
        if not slope.error <= sharp:
            return None
        if claim.k not in self.carries_complex:
            exact = self._complex_slope(claim)
            agrees = exact is not None and abs(exact.value - slope.value) <= slope.error
            self.carries_complex[claim.k] = agrees
        return slope

    def _complex_slope(self, claim: Claim) -> Slope | None:
        column = claim.line.column
        if column is None or not np.isfinite(column).all():
            return None
        return Slope(project(claim.g, column), 64 * claim.floor, "complex step")

    def _thoroughly(self, claim: Claim) -> Verdict:
        verdict = self._within(claim, LARGEST)
        blurred = not verdict.slope.error <= (abs(verdict.slope.value) + claim.terms) / 4
        if blurred and claim.line.largest > LARGEST and verdict.kind != "right":
            return self._within(claim, claim.line.largest)
        return verdict

    def _within(self, claim: Claim, largest: float) -> Verdict:
        """The verdict by steps up to the largest."""
        line, phi = claim.line, claim.phi
        steps = list(takewhile(line.smooth_at, grid(largest)))
        if len(steps) < LEVELS + 2:
            return Verdict("kink", UNSETTLED, np.inf)
        steps = steps[: self._stair(claim, steps) or None]
        noise = noise_of(phi, claim.floor, steps[-1])
        self.noisy = self.noisy or noise > NOISY * claim.floor
        rounding = 4 * self._wobble(claim, noise) + 64 * claim.floor
        settled = settle([central(phi, h, noise) for h in steps]) or UNSETTLED
        finest = settle([central(phi, h, claim.floor) for h in steps]) or UNSETTLED
        if claim.terms == 0 and plateau(phi, steps) >= LEVELS:
            finest = Slope(0.0, rounding, "constant nearby")
        # What was taken for noise may be structure: the claim may choose.
        slope = min(settled, finest, key=lambda s: _distance(claim.value, s.value))
        tolerance = slope.error + rounding
        if abs(claim.value - settled.value) <= settled.error + rounding:
            slope, tolerance = settled, settled.error + rounding
        if abs(claim.value - slope.value) <= tolerance:
            return Verdict("right", slope, tolerance)
        broken = breaks(phi, noise, steps) or np.isnan(slope.value)
        return Verdict("kink" if broken else "wrong", slope, tolerance)

    def _stair(self, claim: Claim, steps: Sequence[float]) -> int:
        """How many steps stay on the stair that x is on, if f is a staircase; else 0.

        Rounding, too, makes stairs; but no float type has such wide ones as 2^-10 of the input.
        """
        flat = plateau(claim.phi, steps)
        if flat < LEVELS + 2 or flat == len(steps):
            return 0
        x = self.subject.xs[claim.k]
        width = steps[flat - 1] * float(np.abs(claim.v).max())
        return flat if width >= 2.0**-10 * max(1.0, size_of(x)) else 0

    def _wobble(self, claim: Claim, noise: float) -> float:
        """How far <G, v> moves when the inputs move by their rounding: its condition.

        Where f itself is rounded more coarsely than its dtype (computed in float32 within, say),
        the inputs move by as much.
        """
        subject, rng = self.subject, np.random.default_rng(0)
        eps = subject.eps_in
        relative = min(max(eps, noise / claim.outputs if claim.outputs else eps), 2.0**-10)
        here, moved = claim.value, 0.0
        for _ in range(4):
            xs = [
                np.asarray(x * (1 + relative * rng.uniform(-1, 1, x.shape)), x.dtype)
                for x in subject.xs
            ]
            G = self._pulled(subject.pullback(xs), claim.g)[claim.k]
            there = replace(claim, G=G).value
            if np.isfinite(there):
                moved = max(moved, abs(there - here))
        return moved

    # -- kinks ------------------------------------------------------------------------------------

    def _find_kinks(self, k: int, v: np.ndarray, g: np.ndarray) -> bool:
        """Exclude the elements at which f has a kink; False if there are too many to search."""
        if v.size > SEARCHED:
            return False
        found = [i for i in np.flatnonzero(v) if self.has_kink(k, int(i), g)]
        self._exclude(k, found)
        return bool(found)

    def _exclude(self, k: int, elements: Sequence[Any]) -> None:
        self.excluded[k].update(map(int, elements))

    def has_kink(self, k: int, i: int, g: np.ndarray) -> bool:
        """Whether f breaks where element i of place k moves."""
        line = self.line(k, unit(self.subject, k, i))
        steps = list(takewhile(line.smooth_at, grid(LARGEST)))
        if len(steps) < LEVELS + 2:
            return True
        phi = line.along(g)
        floor = self.subject.eps_out * float(np.sum(np.abs(g * self.subject.base.y)))
        return breaks(phi, noise_of(phi, floor, steps[-1]), steps)

    def _without_kinks(self, k: int, v: np.ndarray) -> np.ndarray:
        v = np.array(v)
        v.reshape(-1)[list(self.excluded[k])] = 0
        return v

    def _kinks(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        for place, x, out in zip(self.subject.places, self.subject.xs, self.excluded, strict=True):
            for i in sorted(out):
                yield place, element(x, i)

    def _only_kinks(self) -> str:
        if self.checks or not any(x.size for x in self.subject.xs) or not self.subject.base.y.size:
            return ""
        return "f has a kink at these inputs"

    # -- running f --------------------------------------------------------------------------------

    def line(self, k: int, v: np.ndarray) -> Line:
        """The line along v in place k."""
        vs: list[np.ndarray | None] = [None] * len(self.subject.xs)
        vs[k] = v
        return Line(self.subject, vs)

    def gradient(self, g: np.ndarray) -> Arrays:
        """J^T g at the inputs."""
        return self._pulled(self.subject.pullback(self.subject.xs), g)

    def _pulled(self, pull: Pull, g: np.ndarray) -> Arrays:
        with blaming(self.subject, self.name):
            return pull(g)


def _distance(a: float, b: float) -> float:
    return abs(a - b) if np.isfinite(b) else np.inf


def unit(subject: Subject, k: int, i: int) -> np.ndarray:
    """The direction that moves element i of place k alone, by about the size of the input."""
    x = subject.xs[k]
    e = np.zeros(x.shape, x.dtype)
    e.reshape(-1)[i] = size_of(x)
    return e
