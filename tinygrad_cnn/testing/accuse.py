"""From a failed comparison to a report that a person can act on.

Which element is wrong, what the difference looks like, and the measurements behind the verdict.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np

from tinygrad_cnn.testing.arrays import element, size_of
from tinygrad_cnn.testing.blame import mismatch
from tinygrad_cnn.testing.clues import evidence
from tinygrad_cnn.testing.hints import hints
from tinygrad_cnn.testing.judge import Claim, Judge, unit
from tinygrad_cnn.testing.report import GradientMismatch
from tinygrad_cnn.testing.slopes import Slope
from tinygrad_cnn.testing.subject import Subject

CONFIRMED = 4
"""So many wrong elements are looked into thoroughly; others if they are wrong beyond all doubt."""
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
        + (f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""),
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
        verdict="wrong gradient: f has one slope there, from both sides"
        if high - low <= tolerance / size
        else "kink: a subgradient lies between the slopes from the two sides",
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

    wrong   those elements, the worst first; each is refuted by itself
    open    elements at which nothing can be told: f has a kink there, or no slope settles
    """

    def __init__(self, judge: Judge, claim: Claim, excluded: Collection[int]) -> None:
        self.judge, self.given, self._excluded = judge, claim, excluded
        self.x = judge.subject.xs[claim.k]
        self.numeric = np.zeros(self.x.shape, claim.G.dtype)
        self.tolerance = np.full(self.x.shape, np.inf)
        self.wrong: list[int] = []
        self.open: list[int] = []
        self._find()

    def _find(self) -> None:
        suspects = [i for i in self._candidates() if not self._supported(i)]
        gaps = np.abs(self.given.G - self.numeric).reshape(-1)
        for i in sorted(suspects, key=lambda i: -np.nan_to_num(gaps[i], nan=np.inf)):
            if len(self.wrong) < CONFIRMED:
                self._read(i)
            elif self._clear(i):
                self.wrong.append(i)
        gaps = np.abs(self.given.G - self.numeric).reshape(-1)
        self.wrong.sort(key=lambda i: -np.nan_to_num(gaps[i], nan=np.inf))

    def claim(self, i: int, turn: complex = 1.0) -> Claim:
        """The claim about element i alone, along the real or the imaginary axis."""
        given = self.given
        line = self.judge.line(given.k, unit(self.judge.subject, given.k, i, turn))
        return Claim(given.what, given.k, line, given.g, given.G)

    @property
    def _turns(self) -> tuple[complex, ...]:
        return (1.0, 1j) if self.x.dtype.kind == "c" else (1.0,)

    def _supported(self, i: int) -> bool:
        """Whether the quick look agrees with element i; its slope is noted."""
        value, tolerance, agrees = 0j, 0.0, True
        for turn in self._turns:
            claim = self.claim(i, turn)
            slope = self.judge.quick(claim)
            if slope is None:
                return False
            size = float(np.abs(claim.v).max())
            allowed = slope.error + 16 * claim.floor
            value += slope.value / turn / size
            tolerance = max(tolerance, allowed / size)
            agrees &= abs(claim.value - slope.value) <= allowed
        self._note(i, value, tolerance)
        return agrees

    def _read(self, i: int) -> None:
        """Look at element i thoroughly."""
        readings = {turn: self.judge.refuted(self.given, i, turn) for turn in self._turns}
        if any(r.kind == "wrong" for r in readings.values()):
            self.wrong.append(i)
            if all(r.kind == "wrong" for r in readings.values()):
                value = sum(r.slope.value / turn for turn, r in readings.items())
                self._note(i, value, max(r.tolerance for r in readings.values()))
        elif any(self.judge.supported(self.claim(i, turn)) is None for turn in self._turns):
            self.open.append(i)

    def _note(self, i: int, value: complex, tolerance: float) -> None:
        self.numeric.reshape(-1)[i] = value if self.x.dtype.kind == "c" else value.real
        self.tolerance.reshape(-1)[i] = tolerance

    def _clear(self, i: int) -> bool:
        """Whether the quick look alone shows that element i is wrong, as many others were."""
        gap = abs(self.given.G.reshape(-1)[i] - self.numeric.reshape(-1)[i])
        return not gap <= 64 * self.tolerance.reshape(-1)[i]

    def _candidates(self) -> list[int]:
        """The elements that move; of very many, a block of them that is not supported, either."""
        moving = np.flatnonzero(self.given.v)
        rest = [int(i) for i in moving if i not in self._excluded]
        while len(rest) > SEARCHED:
            half = rest[: len(rest) // 2]
            rest = half if not self._supported_along(half) else rest[len(rest) // 2 :]
        return rest

    def _supported_along(self, block: list[int]) -> bool:
        given = self.given
        v = np.zeros(self.x.shape, self.x.dtype)
        v.reshape(-1)[block] = given.v.reshape(-1)[block]
        claim = Claim(given.what, given.k, self.judge.line(given.k, v), given.g, given.G)
        return self.judge.supported(claim) is not None

    def hints(self) -> tuple[str, ...]:
        """What the difference looks like."""
        return hints(evidence(self.judge.subject, self.given, self.numeric, self.tolerance))


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
        if order < 1.5:  # else f bends so much that the error does not show in the sum
            lines.append(
                f"it falls as h^{order:.1f}: as h^2 for a right gradient, h^1 for a wrong one"
            )
    return tuple(lines)
