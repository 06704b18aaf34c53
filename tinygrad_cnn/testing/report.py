"""What a check says: a report where all is well, an assertion that can be acted on where it is not.

GradientReport      of gradcheck: what was compared, how closely, and what was left out
PropertyReport      of check_all: the outcome of each property
GradientMismatch    a failure, as text and as fields
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Check:
    """One comparison: two numbers, how far apart they are and how far apart they may be.

    tolerance is derived: what the numeric value's error estimate and rounding leave open. method
    says how the numeric value was found; margin is |analytic - numeric| / tolerance, below 1.
    """

    what: str
    analytic: complex
    numeric: complex
    tolerance: float
    method: str

    @property
    def margin(self) -> float:
        """How much of the tolerance was used: 0 is perfect, 1 the limit."""
        return abs(self.analytic - self.numeric) / self.tolerance if self.tolerance else 0.0


@dataclass(frozen=True)
class GradientReport:
    """That the gradients are right, and on what grounds. Always true in an `if`.

    checks    the comparisons that were made
    skipped   what was not checked, and why
    kinks     (input, element) at which f has a kink, or no slope that its values settle: left out
    rejected  why nothing could be judged at this point, or ""
    """

    checks: tuple[Check, ...] = ()
    skipped: tuple[str, ...] = ()
    kinks: tuple[tuple[int, tuple[int, ...]], ...] = ()
    rejected: str = ""

    def __bool__(self) -> bool:
        return True

    @property
    def margin(self) -> float:
        """The largest margin: how much of its tolerance the worst comparison used."""
        return max((c.margin for c in self.checks), default=0.0)

    def __str__(self) -> str:
        lines = [self._headline()]
        if self.checks:
            width = max(len(c.what) for c in self.checks)
            lines.append(
                f"  {'':{width}}  {'analytic':>16}  {'numeric':>16}  "
                f"{'difference':>10}  {'tolerance':>9}  by"
            )
            lines += [
                f"  {c.what:{width}}  {short(c.analytic):>16}  {short(c.numeric):>16}  "
                f"{abs(c.analytic - c.numeric):10.1e}  {c.tolerance:9.1e}  {c.method}"
                for c in self.checks
            ]
        if self.kinks:
            places = ", ".join(f"input {i} at {list(e)}" for i, e in self.kinks[:8])
            more = f" and {len(self.kinks) - 8} more" if len(self.kinks) > 8 else ""
            lines.append(f"  left out, nothing can be told there: {places}{more}")
        lines += [f"  skipped: {s}" for s in self.skipped]
        return "\n".join(lines)

    def _headline(self) -> str:
        if self.rejected:
            return f"Not judged: {self.rejected}"
        if not self.checks:
            return "Nothing to compare"
        n = len(self.checks)
        compared = f"{n} comparisons, the worst used" if n > 1 else "1 comparison, which used"
        return f"Gradients agree: {compared} {self.margin:.0%} of its tolerance"


@dataclass(frozen=True)
class Outcome:
    """What a property found: it holds, or it does not apply (`skipped` says why)."""

    skipped: str = ""
    note: str = ""
    report: GradientReport | None = None

    @property
    def rejected(self) -> str:
        """Why the example could not be judged, or ""."""
        return self.report.rejected if self.report else ""


@dataclass(frozen=True)
class PropertyReport:
    """The outcome of each property, by name. Always true in an `if`."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return True

    @property
    def rejected(self) -> str:
        """Why the example could not be judged (it lies on a kink), or ""."""
        return next((o.rejected for o in self.outcomes.values() if o.rejected), "")

    def __str__(self) -> str:
        held = [name for name, o in self.outcomes.items() if not o.skipped and not o.rejected]
        width = max((len(name) for name in self.outcomes), default=0)
        lines = [f"{len(held)} of {len(self.outcomes)} properties hold, none is violated"]
        for name, outcome in self.outcomes.items():
            said = "holds"
            if outcome.rejected:
                said = f"not judged: {outcome.rejected}"
            elif outcome.skipped:
                said = f"skipped: {outcome.skipped}"
            elif outcome.report is not None:
                said = f"holds, within {outcome.report.margin:.0%} of the tolerance"
            elif outcome.note:
                said = f"holds ({outcome.note})"
            lines.append(f"  {name:{width}}  {said}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Failure:
    """The fields of a GradientMismatch; None where a failure has no such thing.

    name         the name of the property that is violated
    summary      one line: what is wrong
    input        which of the inputs, counted from 0 (its count beyond the inputs: upstream)
    element      the index of the worst element in it; () for a number
    elements     all elements found wrong, the worst first
    analytic     what the VJP says there
    numeric      what it should be ...
    uncertainty  ... give or take this much
    hints        what the difference looks like
    verdict      "wrong gradient", "kink" or "rounding"
    evidence     the measurements behind the verdict
    where        file:line of the VJP, or of what is known of it
    reproducer   Python code that shows the failure when pasted
    also         names of further properties that are violated
    """

    name: str
    summary: str
    input: int | None = None
    element: tuple[int, ...] | None = None
    elements: tuple[tuple[int, ...], ...] = ()
    analytic: complex | None = None
    numeric: complex | None = None
    uncertainty: float | None = None
    hints: tuple[str, ...] = ()
    verdict: str = ""
    evidence: tuple[str, ...] = ()
    where: str = ""
    reproducer: str = ""
    also: tuple[str, ...] = ()

    @property
    def ratio(self) -> complex | None:
        """analytic / numeric: -1 for a wrong sign, 2 for a doubled gradient."""
        if self.analytic is None or not self.numeric:
            return None
        return self.analytic / self.numeric

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.summary}"]
        lines += self._numbers()
        lines += [f"  hint        {h}" for h in self.hints]
        if self.verdict:
            lines.append(f"  verdict     {self.verdict}")
        lines += [f"              {e}" for e in self.evidence]
        if self.where:
            lines.append(f"  defined     {self.where}")
        if self.also:
            lines.append(f"  also fails  {', '.join(self.also)}")
        if self.reproducer:
            lines += ["  reproduce   paste this:", "", *_indented(self.reproducer), ""]
        return "\n".join(lines)

    def _numbers(self) -> list[str]:
        if self.analytic is None or self.numeric is None:
            return []
        lines = [f"  analytic    {full(self.analytic)}"]
        spread = f" ± {self.uncertainty:.1e}" if self.uncertainty is not None else ""
        lines.append(f"  numeric     {full(self.numeric)}{spread}")
        if self.ratio is not None:
            lines.append(f"  ratio       {short(self.ratio)} (analytic / numeric)")
        if len(self.elements) > 1:
            shown = ", ".join(str(list(e)) for e in self.elements[:8])
            more = ", ..." if len(self.elements) > 8 else ""
            lines.append(f"  elements    {len(self.elements)} are wrong: {shown}{more}")
        return lines


class GradientMismatch(AssertionError):
    """A gradient is wrong, or a property of gradients is violated.

    The message is the whole report; its parts are the fields of `failure` (see Failure), which can
    be read from the exception, too: error.input, error.element, error.ratio, error.where, ...
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure

    def __str__(self) -> str:
        return str(self.failure)

    def __getattr__(self, name: str) -> Any:
        if name == "failure" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.failure, name)


def short(number: complex) -> str:
    """A number for the eye."""
    number = _real_if_real(number)
    return f"{number:.9g}"


def full(number: complex) -> str:
    """A number with all its digits."""
    return repr(_real_if_real(number))


def _real_if_real(number: complex) -> Any:
    plain = np.asarray(number).item()
    return plain.real if isinstance(plain, complex) and plain.imag == 0 else plain


def _indented(text: str) -> list[str]:
    return ["    " + line if line else "" for line in text.splitlines()]
