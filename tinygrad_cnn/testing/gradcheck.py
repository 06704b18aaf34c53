"""gradcheck: is the gradient of f what the slopes of f say?

    <G, v> = d/dt <g, f(x + t v)> at t = 0,   G = J^T g what the VJP returns

for random upstream gradients g and random directions v; and again for the elements that are too
small to be seen beside the others. The two sides may differ by the error of the slope, which is
estimated, and by rounding, which is measured; nobody chooses a tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.errors import NotDifferentiableError
from tinygrad_cnn.testing.accuse import Search, accuse
from tinygrad_cnn.testing.arrays import Arrays, element
from tinygrad_cnn.testing.blame import blaming, differentiable_nearby, mismatch
from tinygrad_cnn.testing.judge import Claim, Joint, Judge, Support, unit
from tinygrad_cnn.testing.refute import DIGITS
from tinygrad_cnn.testing.report import Check, GradientReport
from tinygrad_cnn.testing.rounding import upstream_of_each
from tinygrad_cnn.testing.sides import compare_sides, unseen
from tinygrad_cnn.testing.slopes import Line
from tinygrad_cnn.testing.subject import Subject

__tracebackhide__ = True  # in pytest: a failure shows the functions of users, not the kit's

ROUNDS = 32
"""So many times elements are excluded, and the rest compared again."""
SEEN = 2.0**10
"""An element is seen in a sum if that part of what it adds is more than the sum's tolerance."""
CLEAR = 2.0**16
"""It is seen clearly, and need not be looked at alone, if even such a part is."""
FEW = 16
"""Up to so many that are not are looked at alone."""


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

    Nor may the VJP write into what it is given, or into a gradient that it returned before.

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

    Of complex inputs, <G, v> is Re sum(G v), without a conjugate, and so is <g, y>: the gradient of
    z^2 is 2 g z, as in JAX; PyTorch's is its conjugate.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> bool(gradcheck(lambda x: tg.sin(x) * x, np.array([0.5, 2.0])))
    True
    >>> gradcheck(np.sin, np.array([0.5, 2.0]), vjp=lambda g, x: (g * np.sin(x),))
    Traceback (most recent call last):
        ...
    tinygrad_cnn.testing.report.GradientMismatch: ...
    """
    subject = Subject(
        f, inputs, vjp=vjp, order=order, directions=directions, at=at, seed=seed, wrt=wrt
    )
    subject.must_have_a_gradient()
    report = check_gradient(subject)
    if report.checks or report.kinks:
        _must_have_manners(subject)
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


def _must_have_manners(subject: Subject) -> None:
    """A gradient that is right the first time may have changed what the next one is made of."""
    from tinygrad_cnn.testing.properties.memory import must_write_nothing, no_shared_memory

    must_write_nothing(subject, of_f=False)
    no_shared_memory(subject)


def check_gradient(subject: Subject, name: str = "directional_derivative") -> GradientReport:
    """The comparison itself, of first order, for `subject`."""
    with np.errstate(all="ignore"):  # gradients may be infinite
        try:
            if subject.parent is None:
                return _Comparison(subject, name).report()
            with blaming(subject, name):  # here f is itself a gradient
                return _Comparison(subject, name).report()
        except NotDifferentiableError as error:
            if not differentiable_nearby(subject):
                raise
            return GradientReport(rejected=str(error))


def _merge(a: GradientReport, b: GradientReport) -> GradientReport:
    return GradientReport(
        (*a.checks, *b.checks),
        (*a.skipped, *b.skipped),
        tuple(dict.fromkeys((*a.kinks, *b.kinks))),
        a.rejected or b.rejected,
    )


class _Comparison:
    """All comparisons for one subject."""

    def __init__(self, subject: Subject, name: str) -> None:
        self.subject, self.judge = subject, Judge(subject, name)
        self.checks: list[Check] = []
        self.skipped: list[str] = [subject.precision] if subject.precision else []
        self.excluded: list[set[int]] = [set() for _ in subject.xs]
        self.hidden: dict[int, set[int]] = {}  # by place: seen through no upstream gradient
        self.rejected = ""

    def report(self) -> GradientReport:
        """Compare, and report; or raise."""
        reason = self._nothing_to_judge()
        if not reason and not self.rejected:
            self._must_be_a_function()
            self._must_be_a_gradient()
            if self.subject.at == "kink":
                self.checks += compare_sides(self.judge)
                self.skipped += unseen(self.judge)
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
        if not any(x.size for x in subject.xs):
            return "the inputs have no elements"
        finite = subject.finite
        if not finite.size:
            return "the outputs have no elements"
        if not finite.any():
            self.rejected = "f is not finite at these inputs"
        elif not finite.all():
            count = finite.size - np.count_nonzero(finite)
            self.skipped.append(f"{count} of {finite.size} outputs, which are not finite")
        return ""

    def _must_be_a_function(self) -> None:
        again = self.subject.value(self.subject.xs)
        if again.y.tobytes() != self.subject.base.y.tobytes():
            raise mismatch(
                self.subject,
                self.judge.name,
                "f gives another value when it is run again on the same inputs, so that it has no "
                "slope; seed what is random in it",
            )

    def _must_be_a_gradient(self) -> None:
        """It depends on x and g alone: not on what was random, nor on what was left by a run."""
        g = self.subject.upstream(self.subject.rng("again"))
        first, second = self.judge.gradient(g), self.judge.gradient(g)
        for k, (a, b) in enumerate(zip(first, second, strict=True)):
            largest = max(np.abs(a[np.isfinite(a)]).max(initial=0), np.finfo(float).tiny)
            if not np.allclose(a, b, rtol=0, atol=DIGITS * largest, equal_nan=True):
                raise mismatch(
                    self.subject,
                    self.judge.name,
                    f"the gradient with respect to {self.subject.label(k)} is another one when "
                    f"it is computed again for the same inputs and upstream gradient: a buffer "
                    f"that is not cleared, or random numbers",
                    input=self.subject.places[k],
                )

    def _directions(self) -> None:
        rng = self.subject.rng("directions")
        for d in range(self.subject.directions):
            g = self.subject.upstream(rng)
            self._direction(f"direction {d + 1}", rng, g, apart=d == 0)
        by_size = upstream_of_each(self.subject, rng)
        if by_size is not None:
            self._direction("each output by its size", rng, by_size, apart=True)
        for k, hidden in self.hidden.items():
            some = f"{len(hidden)} elements are" if len(hidden) > 1 else "1 element is"
            if hidden:
                label = self.subject.label(k)
                self.skipped.append(f"{label}: {some} too small to be seen beside others")

    def _direction(self, what: str, rng: np.random.Generator, g: np.ndarray, apart: bool) -> None:
        """Every input moves along a random direction: each by itself, or all of them together."""
        gradients = self.judge.gradient(g)
        vs = self.subject.direction(rng)
        if not apart and self._together(what, vs, g, gradients):
            return
        for k, v in enumerate(vs):
            label = f"{self.subject.label(k)}, {what}"
            check = self._compare(label, k, v, g, gradients)
            if apart:
                hidden = self._hidden(label, k, v, g, gradients, check)
                self.hidden[k] = self.hidden.get(k, hidden) & hidden

    def _together(self, what: str, vs: Arrays, g: np.ndarray, gradients: Arrays) -> bool:
        """Whether a quick look at all inputs at once is enough: once each was looked at alone."""
        line = Line(self.subject, [self._without(k, v) for k, v in enumerate(vs)])
        places = [k for k, v in enumerate(line.v) if v is not None and v.any()]
        if len(places) < 2 or not all(np.isfinite(gradients[k]).all() for k in places):
            return False
        label = ", ".join(map(self.subject.label, places))
        claims = [Claim(what, k, line, g, gradients[k]) for k in places]
        support = self.judge.agrees(Joint(claims))
        if support is not None:
            value = sum(claim.value for claim in claims)
            self.checks.append(_as_check(f"{label}, {what}", value, support))
        return support is not None

    def _hidden(
        self,
        what: str,
        k: int,
        v: np.ndarray,
        g: np.ndarray,
        gradients: Arrays,
        check: Check | None,
    ) -> set[int]:
        """What is too small to be seen beside the steepest elements is compared without them.

        Returns the elements that are too small all the same: any other gradient would pass.
        """
        terms = np.abs(gradients[k] * v)
        clear = v == 0
        for _ in range(ROUNDS):
            if check is None:
                return set()  # all that are left have been looked at alone, thoroughly
            steepest = terms[v != 0].max()
            seen = (terms > SEEN * check.tolerance) & (v != 0)
            clear |= (v != 0) & ((terms > CLEAR * check.tolerance) | (steepest == 0))
            clear |= seen & (terms >= steepest / FEW)  # alone, it would hardly be seen better
            v = np.where(seen, 0.0, v).astype(v.dtype)
            if not seen.any() or not v.any():
                break
            check = self._compare(f"{what}, smaller elements", k, v, g, gradients)
        if np.count_nonzero(~clear) <= FEW:
            return self._each(what, k, np.flatnonzero(~clear).tolist(), g, gradients[k])
        return set(np.flatnonzero((v != 0) & (terms != 0)).tolist())

    def _each(
        self, what: str, k: int, elements: Sequence[int], g: np.ndarray, G: np.ndarray
    ) -> set[int]:
        """Each of some elements by itself; of their comparisons the closest call is kept."""
        checks, hidden = [], set()
        for i in set(elements) - self.excluded[k]:
            line = self.judge.line(k, unit(self.subject, k, i))
            check = self._check(Claim(f"{what}, each element", k, line, g, G))
            if check is not None:
                checks.append(check)
                if 0 < abs(check.analytic) <= check.tolerance:
                    hidden.add(i)
        if checks:
            self.checks.append(max(checks, key=lambda check: check.margin))
        return hidden

    def _compare(
        self, what: str, k: int, v: np.ndarray, g: np.ndarray, gradients: Arrays
    ) -> Check | None:
        """Compare along v, without the elements at which nothing can be told."""
        infinite = ~np.isfinite(gradients[k])
        if infinite.any():
            only = np.where(infinite, v, 0.0).astype(v.dtype)
            self._check(Claim(what, k, self.judge.line(k, only), g, gradients[k]))
        for _ in range(ROUNDS):
            v = self._without(k, v)
            known = len(self.excluded[k])
            if not v.any():
                return None
            check = self._check(Claim(what, k, self.judge.line(k, v), g, gradients[k]))
            if check is not None:
                self.checks.append(check)
            if check is not None or len(self.excluded[k]) == known:
                return check
        return None

    def _check(self, claim: Claim) -> Check | None:
        """The comparison, if it came out right; GradientMismatch if an element is wrong.

        None if neither: then elements at which nothing can be told have been excluded.
        """
        support = self.judge.supported(claim)
        if support is not None:
            return _as_check(claim.what, claim.value, support)
        search = Search(self.judge, claim, self.excluded[claim.k])
        if search.wrong:
            raise accuse(search)
        self._exclude(claim.k, search.open)
        if not search.open:
            self.skipped.append(
                f"{claim.what}: its slope is not known well enough, and no element alone is wrong"
            )
        return None

    # -- what cannot be told ----------------------------------------------------------------------

    def _exclude(self, k: int, elements: Sequence[Any]) -> None:
        self.excluded[k].update(map(int, elements))

    def _without(self, k: int, v: np.ndarray) -> np.ndarray:
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
        return "at these inputs f has kinks, or no slope that its values settle"


def _as_check(what: str, value: float, support: Support) -> Check:
    slope = support.slope
    return Check(what, value, slope.value, support.tolerance, slope.method)
