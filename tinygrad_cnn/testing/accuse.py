"""From a failed comparison to a report that a person can act on.

Which element is wrong, what the difference looks like, and the measurements behind the verdict.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np

from tinygrad_cnn.testing.blame import mismatch
from tinygrad_cnn.testing.hints import Evidence, hints
from tinygrad_cnn.testing.judge import Claim, Judge
from tinygrad_cnn.testing.report import GradientMismatch
from tinygrad_cnn.testing.slopes import Slope
from tinygrad_cnn.testing.subject import Subject, element, size_of

CONFIRMED = 16
"""So many of the elements that look wrong are looked into thoroughly, until one stands."""
SEARCHED = 512
"""Up to so many elements are looked at one by one; of more, the half that is wrong, again."""


def accuse(search: Search) -> GradientMismatch:
    """The failure of one comparison: the element, the hints, the verdict, the place."""
    judge, claim, wrong = search.judge, search.given, search.wrong
    subject, k, worst = judge.subject, claim.k, wrong[0]
    where = element(subject.xs[k], worst)
    line = search.claim(worst)
    return mismatch(
        subject,
        judge.name,
        f"{_what(subject, k)} is wrong at {list(where)}"
        + (f" and {len(wrong) - 1} more elements" if len(wrong) > 1 else ""),
        input=subject.places[k],
        element=where,
        elements=tuple(element(subject.xs[k], i) for i in wrong),
        analytic=claim.G.reshape(-1)[worst].item(),
        numeric=search.numeric.reshape(-1)[worst].item(),
        uncertainty=float(search.tolerance.reshape(-1)[worst]),
        hints=search.hints(),
        verdict=_verdict(line),
        evidence=_taylor(line),
    )


def not_between(
    judge: Judge, claim: Claim, i: int | None, sides: tuple[Slope, Slope], tolerance: float
) -> GradientMismatch:
    """The failure at a kink: what is no slope from one side, nor between the two."""
    subject, k = judge.subject, claim.k
    size = size_of(subject.xs[k])
    low, high = sorted(side.value / size for side in sides)
    value = claim.value / size
    where = () if i is None else element(subject.xs[k], i)
    j = int(np.argmax(claim.g != 0))
    place = "moved as a whole" if i is None else f"at {list(where)}"
    return mismatch(
        subject,
        judge.name,
        f"{_what(subject, k)} {place} is no slope of output element {j} there, nor between two",
        input=subject.places[k],
        element=None if i is None else where,
        elements=() if i is None else (where,),
        analytic=value,
        numeric=min(max(value, low), high),
        uncertainty=tolerance / size,
        verdict="kink: a subgradient lies between the slopes from the two sides",
        evidence=tuple(
            f"slope from the {name} {side.value / size:.9g} ± {side.error / size:.1e}"
            for name, side in zip(("left", "right"), sides, strict=True)
        ),
    )


def _what(subject: Subject, k: int) -> str:
    gradient = "the gradient of the gradient" if subject.generation else "the gradient"
    return f"{gradient} with respect to {subject.label(k)}"


class Search:
    """Looks for the elements of one input at which the gradient is wrong.

    wrong   those elements, the worst first, which has been looked into thoroughly
    kinks   elements at which f turned out to have a kink
    """

    def __init__(self, judge: Judge, claim: Claim, excluded: Collection[int]) -> None:
        self.judge, self.given, self._excluded = judge, claim, excluded
        self.x = judge.subject.xs[claim.k]
        self.numeric = np.zeros(self.x.shape, claim.G.dtype)
        self.tolerance = np.full(self.x.shape, np.inf)
        self.kinks: list[int] = []
        self.wrong = self._find()

    def _find(self) -> list[int]:
        for i in self._candidates():
            self._look_at(i, thoroughly=self.judge.noisy)
        for _ in range(CONFIRMED):
            wrong = self._sorted()
            if not wrong:
                break
            self._look_at(wrong[0], thoroughly=True)
            if self._sorted()[:1] == wrong[:1]:
                break
        return self._sorted()

    def _sorted(self) -> list[int]:
        gaps = np.abs(self.given.G - self.numeric).reshape(-1)
        bad = ~(gaps <= self.tolerance.reshape(-1))
        order = np.argsort(-np.nan_to_num(gaps, nan=np.inf), kind="stable")
        return [int(i) for i in order if bad[i]]

    def claim(self, i: int, turn: complex = 1.0) -> Claim:
        """The claim about element i alone, along the real or the imaginary axis."""
        given = self.given
        e = np.zeros(self.x.shape, self.x.dtype)
        e.reshape(-1)[i] = turn * size_of(self.x)
        return Claim(given.what, given.k, self.judge.line(given.k, e), given.g, given.G)

    def _look_at(self, i: int, thoroughly: bool) -> None:
        """Find the slope along element i."""
        slope, tolerance = self._slope(self.claim(i), thoroughly)
        if math.isinf(tolerance):
            self.kinks.append(i)
        size = size_of(self.x)
        value: complex = slope / size
        if self.x.dtype.kind == "c":
            value -= 1j * self._slope(self.claim(i, 1j), thoroughly)[0] / size
        self.numeric.reshape(-1)[i] = value
        self.tolerance.reshape(-1)[i] = tolerance / size

    def _slope(self, claim: Claim, thoroughly: bool) -> tuple[float, float]:
        """The slope and its tolerance: inf at a kink."""
        quick = None if thoroughly else self.judge.quick(claim)
        if quick is not None:
            return quick.value, quick.error + 16 * claim.floor
        verdict = self.judge.judge(claim)
        if verdict.kind == "kink":
            return 0.0, math.inf
        return verdict.slope.value, verdict.tolerance

    def _candidates(self) -> list[int]:
        """All elements; of very many, a block of them along which the claim is wrong, too."""
        rest = [i for i in range(self.x.size) if i not in self._excluded]
        while len(rest) > SEARCHED:
            half = rest[: len(rest) // 2]
            rest = half if self._is_wrong_along(half) else rest[len(rest) // 2 :]
        return rest

    def _is_wrong_along(self, block: list[int]) -> bool:
        given = self.given
        v = np.zeros(self.x.shape, self.x.dtype)
        v.reshape(-1)[block] = given.v.reshape(-1)[block]
        if not v.any():
            v.reshape(-1)[block] = size_of(self.x)
        line = self.judge.line(given.k, v)
        return self.judge.judge(Claim(given.what, given.k, line, given.g, given.G)).kind == "wrong"

    def hints(self) -> tuple[str, ...]:
        """What the difference looks like."""
        subject, given = self.judge.subject, self.given
        other = -2 * given.g[::-1] if given.g.size > 1 else -2 * given.g
        G = self.judge.gradient(other)[given.k]
        outputs = subject.outputs[0].shape
        constant = bool(np.array_equal(G, given.G, equal_nan=True))
        return hints(Evidence(given.G, self.numeric, self.tolerance, outputs, constant))


# -- Taylor's test --------------------------------------------------------------------------------


def _verdict(claim: Claim) -> str:
    if not math.isfinite(claim.value):
        return "wrong gradient: it is not finite, and the slope of f is"
    return "wrong gradient: the slope of f settles on another value, and f has no kink there"


def _taylor(claim: Claim) -> tuple[str, ...]:
    """How |f(x + hv) - f(x) - h <G, v>| falls with h: the smallest steps that rounding allows."""
    if not math.isfinite(claim.value):
        return ()
    phi = claim.phi
    rows = [
        (h, abs(phi(h) - phi(0.0) - h * claim.value)) for h in (2.0**-k for k in range(4, 44, 4))
    ]
    clear = [row for row in rows if row[1] > 256 * claim.floor] or rows[:3]
    shown = clear[-3:]
    (widest, most), (narrowest, least) = shown[0], shown[-1]
    lines = [f"|f(x + hv) - f(x) - h <G, v>| = {r:.1e} for h = {h:.1e}" for h, r in shown]
    if 0 < least < math.inf and narrowest < widest:
        order = math.log(most / least) / math.log(widest / narrowest)
        lines.append(f"it falls as h^{order:.1f}: as h^2 for a right gradient, h^1 for a wrong one")
    return tuple(lines)
