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
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import Any

import numpy as np

from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.testing.blame import accuse, blaming, mismatch
from tinygrad_cnn.testing.report import Check, GradientMismatch, GradientReport
from tinygrad_cnn.testing.slopes import (
    LEVELS,
    QUICK_STEPS,
    Line,
    Phi,
    Slope,
    breaks,
    grid,
    noise_of,
    project,
    quotients,
    settle,
)
from tinygrad_cnn.testing.subject import Arrays, Pull, Subject, element, size_of

FEW = 16
"""Up to so many elements of an input are compared one by one, too."""
SEARCHED = 512
"""Up to so many elements are looked at one by one, for a kink or for a wrong gradient."""


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
        return float(np.real(np.sum(self.G * self.v)))

    @cached_property
    def phi(self) -> Phi:
        """t -> <g, f(x + t v)>"""
        return self.line.along(self.g)

    @cached_property
    def terms(self) -> float:
        """The sum of |G v|."""
        terms = np.abs(self.G * self.v)
        return float(np.sum(terms[np.isfinite(terms)]))

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


class Judge:
    """Decides for one subject; remembers what it has learnt about f on the way."""

    def __init__(self, subject: Subject, name: str) -> None:
        self.subject, self.name = subject, name
        self.checks: list[Check] = []
        self.skipped: list[str] = [subject.precision] if subject.precision else []
        self.excluded: list[set[int]] = [set() for _ in subject.xs]
        self.carries_complex: dict[int, bool] = {}  # by place, as soon as it is known
        self.rejected = ""

    def report(self) -> GradientReport:
        """Compare, and report; or raise."""
        reason = self._nothing_to_judge()
        if not reason and not self.rejected:
            self._must_be_a_function()
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
            gradients = self.gradient(g)
            for k, v in enumerate(self.subject.direction(rng)):
                what = f"{self.subject.label(k)}, direction {d + 1}"
                self._compare(what, k, v, g, gradients)
            if d == 0:
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
                each.append(self._checked(Claim(what, k, line, g, gradients[k])))
            judged = [check for check in each if check is not None]
            if judged:
                self.checks.append(max(judged, key=lambda check: check.margin))

    def _compare(self, what: str, k: int, v: np.ndarray, g: np.ndarray, gradients: Arrays) -> None:
        """Compare along v, without the elements that have a kink."""
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
            raise GradientMismatch(accuse(self, claim, verdict))
        if verdict.kind == "kink":
            return None
        slope = verdict.slope
        return Check(claim.what, claim.value, slope.value, verdict.tolerance, slope.method)

    # -- judging ----------------------------------------------------------------------------------

    def judge(self, claim: Claim) -> Verdict:
        """Quickly, if that is enough; else with everything that can be measured."""
        quick = self._quick(claim)
        if quick is not None:
            tolerance = quick.error + 16 * claim.floor
            if abs(claim.value - quick.value) <= tolerance:
                return Verdict("right", quick, tolerance)
        return self._thoroughly(claim)

    def _quick(self, claim: Claim) -> Slope | None:
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
        column = claim.line.complex_step()
        if column is None or not np.isfinite(column).all():
            return None
        return Slope(project(claim.g, column), 64 * claim.floor, "complex step")

    def _thoroughly(self, claim: Claim) -> Verdict:
        line, phi = claim.line, claim.phi
        steps = list(takewhile(line.smooth_at, grid(line.largest)))
        if len(steps) < LEVELS + 2:
            return Verdict("kink", Slope(np.nan, np.inf, ""), np.inf)
        noise = noise_of(phi, claim.floor, steps[-1])
        slope = settle(phi, noise, steps) or Slope(np.nan, np.inf, "differences")
        tolerance = slope.error + 4 * self._wobble(claim, noise) + 64 * claim.floor
        if abs(claim.value - slope.value) <= tolerance:
            return Verdict("right", slope, tolerance)
        kind = "kink" if breaks(phi, noise, steps) else "wrong"
        if np.isnan(slope.value):
            kind = "kink"
        return Verdict(kind, slope, tolerance)

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
            there = float(np.real(np.sum(G * claim.v)))
            if np.isfinite(there):
                moved = max(moved, abs(there - here))
        return moved

    # -- kinks ------------------------------------------------------------------------------------

    def _find_kinks(self, k: int, v: np.ndarray, g: np.ndarray) -> bool:
        """Exclude the elements at which f has a kink; False if there are too many to search."""
        if v.size > SEARCHED:
            return False
        before = len(self.excluded[k])
        for i in np.flatnonzero(v):
            if self.has_kink(k, int(i), g):
                self.excluded[k].add(int(i))
        return len(self.excluded[k]) > before

    def has_kink(self, k: int, i: int, g: np.ndarray) -> bool:
        """Whether f breaks where element i of place k moves."""
        line = self.line(k, unit(self.subject, k, i))
        steps = list(takewhile(line.smooth_at, grid(line.largest)))
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


def unit(subject: Subject, k: int, i: int) -> np.ndarray:
    """The direction that moves element i of place k alone, by its own size."""
    x = subject.xs[k]
    e = np.zeros(x.shape, x.dtype)
    e.reshape(-1)[i] = size_of(x)
    return e
