"""Two ways to the same gradient may differ by rounding, and by nothing else.

By a multiple of the dtype's eps; where that is not enough, by what rounding is seen to do to the
difference, when all that goes into it moves a little.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.testing.arrays import Arrays, element, float_outputs
from tinygrad_cnn.testing.blame import blaming, mismatch
from tinygrad_cnn.testing.properties.registry import HOLDS
from tinygrad_cnn.testing.report import GradientMismatch, Outcome
from tinygrad_cnn.testing.rounding import OPERATIONS, eps_of, grain, largest, measured
from tinygrad_cnn.testing.subject import REFUSALS, Pull, Subject

__tracebackhide__ = True  # in pytest: a failure shows the functions of users, not the kit's

T = TypeVar("T")


def pull_twice(subject: Subject, xs: Arrays) -> Pull:
    """v -> the gradient of <J^T g, v> with respect to x and g: H v and J v."""
    derivative = subject.derivative
    gs = derivative.xs[len(xs) :]
    return derivative.pullback([*xs, *gs])


def inner(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> float:
    """Re <a, b>, summed over the arrays."""
    return float(sum(np.real(np.sum(x * y)) for x, y in zip(a, b, strict=True)))


def terms_of(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> float:
    """The sum of the sizes of its terms."""
    return float(sum(np.sum(np.abs(x * y)) for x, y in zip(a, b, strict=True)))


Sides = Callable[[Arrays], tuple[Arrays, Arrays, Arrays]]
"""From all numbers that go in: what was found, what was expected, and the sizes of their terms."""


def disagreement(
    subject: Subject, sides: Sides, at: Arrays
) -> tuple[Arrays, Arrays, list[float]] | None:
    """None if found and expected agree up to rounding; else both, and how far they might differ.

    Elements that are finite in neither count as equal: 2 inf - inf / 2 need not be inf.
    """
    found, expected, terms = sides(at)
    sizes = [largest(t) for t in terms]
    eps = eps_of(subject)
    allowed = [OPERATIONS * eps * size for size in sizes]
    if _all_within(found, expected, allowed):
        return None

    def difference(moved: Arrays) -> Arrays:
        found, expected, _ = sides(moved)
        return [a - b for a, b in zip(found, expected, strict=True)]

    eps = max(eps, grain(subject))
    noise = measured(difference, at, eps)
    allowed = [OPERATIONS * eps * size + r for size, r in zip(sizes, noise, strict=True)]
    return None if _all_within(found, expected, allowed) else (found, expected, allowed)


def _all_within(found: Arrays, expected: Arrays, allowed: Sequence[float]) -> bool:
    return all(within(a, b, t).all() for a, b, t in zip(found, expected, allowed, strict=True))


def within(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    """Where a and b differ by t at most, or both are not finite."""
    return np.asarray((np.abs(a - b) <= t) | (a == b) | ~(np.isfinite(a) | np.isfinite(b)))


def must_be_one_number(
    subject: Subject,
    name: str,
    summary: str,
    sides: Callable[[Arrays], tuple[float, float, float]],
    at: Arrays,
) -> Outcome:
    """The two numbers that `sides` gives are equal up to rounding; its third is their terms."""

    def arrays(values: Arrays) -> tuple[Arrays, Arrays, Arrays]:
        left, right, terms = here if values is at else sides(values)
        sizes = terms + max(abs(left), abs(right))
        return [np.asarray(left)], [np.asarray(right)], [np.asarray(sizes)]

    with blaming(subject, name):
        here = sides(at)
        if not np.isfinite(here[2]):
            return Outcome(skipped="a gradient is not finite at these inputs")
        differing = disagreement(subject, arrays, at)
    if differing is None:
        return HOLDS
    (left,), (right,), (allowed,) = differing
    raise mismatch(
        subject,
        name,
        summary,
        analytic=left.item(),
        numeric=right.item(),
        uncertainty=allowed,
    )


def must_agree(
    subject: Subject,
    name: str,
    summary: str,
    sides: Sides,
    at: Arrays,
    places: Sequence[int] | None = None,
) -> None:
    """Two ways to the gradients of some places (all, unless given) differ by rounding alone."""
    with blaming(subject, name):
        differing = disagreement(subject, sides, at)
    if differing is None:
        return
    for k, (a, b, t) in enumerate(zip(*differing, strict=True)):
        inside = within(a, b, t)
        if not inside.all():
            place = k if places is None else places[k]
            raise failure_at(subject, name, summary, place, ~inside, a, b, t)


def must_agree_values(
    subject: Subject, name: str, summary: str, compute: Callable[[Arrays], Arrays]
) -> None:
    """The outputs that are computed are f's, up to the coarser rounding of the two."""

    def sides(xs: Arrays) -> tuple[Arrays, Arrays, Arrays]:
        found = compute(xs)
        expected = subject.outputs if xs is subject.xs else float_outputs(subject.run(xs))
        eps = max(np.finfo(y.dtype).eps for y in found)
        coarser = max(1.0, float(eps) / eps_of(subject))
        return found, expected, [coarser * y for y in expected]

    differing = disagreement(subject, sides, subject.xs)
    if differing is None:
        return
    for j, (a, b, t) in enumerate(zip(*differing, strict=True)):
        inside = within(a, b, t)
        if not inside.all():
            i = int(np.argmax(~inside))
            ours, theirs = (y.reshape(-1)[i].item() for y in (b, a))
            raise mismatch(
                subject,
                name,
                f"{summary}: output {j} at {list(element(a, i))} is {ours} by f, {theirs} there",
            )


def failure_at(
    subject: Subject,
    name: str,
    summary: str,
    k: int,
    wrong: np.ndarray,
    found: np.ndarray,
    expected: np.ndarray,
    allowed: float,
) -> GradientMismatch:
    """The failure at the worst of the elements that are wrong."""
    gaps = np.where(wrong, np.abs(found - expected), -1.0)
    order = np.argsort(-np.nan_to_num(gaps, nan=np.inf), axis=None, kind="stable")
    places = [int(i) for i in order if wrong.reshape(-1)[i]]
    i = places[0]
    return mismatch(
        subject,
        name,
        f"{summary} ({subject.label(k)})",
        input=subject.places[k],
        element=element(found, i),
        elements=tuple(element(found, j) for j in places),
        analytic=found.reshape(-1)[i].item(),
        numeric=expected.reshape(-1)[i].item(),
        uncertainty=allowed,
    )


def must_be_equal(subject: Subject, name: str, when: str, ys: Arrays) -> None:
    """The outputs are f's, bit for bit."""
    if any(a.tobytes() != b.tobytes() for a, b in zip(ys, subject.outputs, strict=True)):
        raise mismatch(subject, name, f"f gives another value {when}")


# -- small things ---------------------------------------------------------------------------------


def plain(a: Any) -> Any:
    """The array of a Tensor; anything else as it is."""
    return a.data if isinstance(a, Tensor) else a


def tried(run: Callable[[], T]) -> T | None:
    """run(), or None where f does not take such inputs."""
    try:
        return run()
    except (*REFUSALS, AttributeError):  # what is given may be no Tensor, or no array
        return None


def branches_change(subject: Subject, vs: Arrays) -> bool:
    """Whether the inputs lie on a kink, as far as its witnesses tell."""
    tiny = 2.0**-40
    beside = [np.asarray(x + tiny * v, x.dtype) for x, v in zip(subject.xs, vs, strict=True)]
    return subject.value(beside).branches != subject.base.branches
