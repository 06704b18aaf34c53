"""Two ways to the same gradient may differ by rounding, and by nothing else.

By a multiple of the dtype's eps; where that is not enough, by what the gradient moves when its
inputs move by their own rounding: its condition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import comb
from typing import Any, TypeVar

import numpy as np

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.testing.blame import blaming, mismatch
from tinygrad_cnn.testing.properties.registry import HOLDS
from tinygrad_cnn.testing.report import GradientMismatch, Outcome
from tinygrad_cnn.testing.subject import Arrays, Subject, element, float_outputs, size_of

__tracebackhide__ = True  # in pytest: a failure shows the functions of users, not the kit's

T = TypeVar("T")


def pull_twice(subject: Subject, xs: Arrays, vs: Arrays) -> Arrays:
    """The gradient of <J^T g, v> with respect to x and g: H v and J v."""
    derivative = subject.derivative
    gs = derivative.xs[len(xs) :]
    return derivative.pullback([*xs, *gs])(list(vs))


def inner(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> float:
    """Re <a, b>, summed over the arrays."""
    return float(sum(np.real(np.sum(x * y)) for x, y in zip(a, b, strict=True)))


def terms_of(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> float:
    """The sum of the sizes of its terms."""
    return float(sum(np.sum(np.abs(x * y)) for x, y in zip(a, b, strict=True)))


def must_be_one_number(
    subject: Subject, name: str, summary: str, sides: Callable[[Arrays], tuple[float, float, float]]
) -> Outcome:
    """The two numbers that `sides` gives are equal up to rounding; its third is their terms."""
    with blaming(subject, name):
        left, right, terms = sides(subject.xs)
        if not np.isfinite(terms):
            return Outcome(skipped="a gradient is not finite at these inputs")
        eps = max(subject.eps_in, subject.eps_out)
        allowed = 256 * eps * (terms + max(abs(left), abs(right)))
        if abs(left - right) <= allowed:
            return HOLDS
        allowed += 256 * grain(subject) * (terms + max(abs(left), abs(right)))
        for xs in rounded(subject, subject.xs):
            there = sides(xs)
            steps = [abs(there[0] - left), abs(there[1] - right)]
            allowed += 8 * max((h for h in steps if np.isfinite(h)), default=0.0)
        numbers = lambda xs: [np.asarray(side) for side in sides(xs)[:2]]  # noqa: E731
        allowed += 32 * max(roughness(numbers, subject.xs)) + vanished(subject)
    if not abs(left - right) <= allowed:
        raise mismatch(
            subject, name, summary, analytic=left, numeric=right, uncertainty=float(allowed)
        )
    return HOLDS


def rounded(subject: Subject, xs: Arrays) -> Iterator[Arrays]:
    """The inputs moved by their own rounding, four times."""
    rng = np.random.default_rng(0)
    for _ in range(4):
        steps = (2 * subject.eps_in * rng.uniform(-1, 1, x.shape) for x in xs)
        yield [np.asarray(x * (1 + h), x.dtype) for x, h in zip(xs, steps, strict=True)]


def roughness(compute: Callable[[Arrays], Arrays], xs: Arrays) -> list[float]:
    """How far rounding throws each array that is computed at xs: the sixth differences nearby.

    What is smooth cancels in them. 1 - p for a p near 1 is rounded to the eps of 1, and moving the
    inputs by their own rounding would not show it.
    """
    rng = np.random.default_rng(1)
    rough = np.zeros(len(compute(xs)))
    for _ in range(4):  # what is rounded to few digits may cancel by chance, but not each time
        steps = [2.0**-30 * rng.uniform(0.5, 1, x.shape) for x in xs]
        total: list[Any] = [0.0] * len(rough)
        for k in range(-3, 4):
            there = [np.asarray(x * (1 + k * h), x.dtype) for x, h in zip(xs, steps, strict=True)]
            weight = (-1) ** k * comb(6, k + 3)
            total = [t + weight * y for t, y in zip(total, compute(there), strict=True)]
        sizes = [np.abs(t) / comb(12, 6) ** 0.5 for t in total]
        rough = np.maximum(rough, [float(r[np.isfinite(r)].max(initial=0.0)) for r in sizes])
    return [float(r) for r in rough]


def vanished(subject: Subject) -> float:
    """What is lost where a gradient cancels altogether: 1 - p is 0 for a p that is rounded to 1.

    Derivatives of 1 are known to its last place, along directions as large as the inputs.
    """
    g = sum(y.size / size_of(y) for y in subject.outputs)
    x = max((size_of(x) for x in subject.xs), default=1.0)
    return float(64 * max(subject.eps_in, subject.eps_out) * g * x * max(1.0, x))


def grain(subject: Subject) -> float:
    """The relative step of inputs that f notices, if it is coarse: f computes in float32 within."""
    near = nearby(subject)  # where nothing is 0
    if near is None:
        return 0.0
    here = subject.value(near).y

    def noticed(h: float) -> np.ndarray:
        y = subject.value([x * (1 + h) for x in near]).y
        return y != here if y.shape == here.shape else np.ones(here.shape, bool)

    moving = noticed(2.0**-12)
    steps = (2.0**-k for k in range(44, 12, -4))
    least = next((h for h in steps if 2 * noticed(h)[moving].sum() >= moving.sum()), 2.0**-12)
    return least if least > 2.0**-44 else 0.0


def must_agree(
    subject: Subject,
    name: str,
    summary: str,
    found: Arrays,
    expected: Arrays,
    compute: Callable[[Arrays], Arrays],
    terms: Arrays | None = None,
    *,
    places: Sequence[int] | None = None,
    at: Arrays | None = None,
) -> None:
    """Two gradients are equal up to rounding: of their largest terms, and of their inputs.

    Elements that are finite in neither count as equal: 2 inf - inf / 2 need not be inf.
    """
    eps = max(subject.eps_in, subject.eps_out)
    sizes = [np.abs(e) for e in expected] if terms is None else terms
    allowed = [256 * eps * float(s[np.isfinite(s)].max(initial=0.0)) for s in sizes]
    if all(within(a, b, t).all() for a, b, t in zip(found, expected, allowed, strict=True)):
        return
    coarse = max(1.0, grain(subject) / eps)
    allowed = [t * coarse for t in allowed]
    xs = subject.xs if at is None else at
    here = compute(xs)
    allowed = [t + 32 * r for t, r in zip(allowed, roughness(compute, xs), strict=True)]
    for there in rounded(subject, xs):
        for k, (a, b) in enumerate(zip(compute(there), here, strict=True)):
            allowed[k] += largest_step(a, b)
    for k, (a, b, t) in enumerate(zip(found, expected, allowed, strict=True)):
        inside = within(a, b, t)
        if not inside.all():
            place = k if places is None else places[k]
            raise failure_at(subject, name, summary, place, ~inside, a, b, t)


def largest_step(a: np.ndarray, b: np.ndarray) -> float:
    """What is allowed for inputs that moved from b's to a's; inf - inf counts for nothing."""
    step = np.abs(a - b)
    return 8 * float(step[np.isfinite(step)].max(initial=0.0))


def within(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    """Where a and b differ by t at most, or both are not finite."""
    return np.asarray((np.abs(a - b) <= t) | (a == b) | ~(np.isfinite(a) | np.isfinite(b)))


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


def must_agree_values(subject: Subject, name: str, summary: str, ys: Arrays) -> None:
    """The outputs are f's, up to rounding."""
    wanted = subject.outputs
    eps = max(subject.eps_in, *(float(np.finfo(y.dtype).eps) for y in ys))
    allowed = [256 * eps * float(np.abs(y).max(initial=0.0)) for y in wanted]
    if all(within(a, b, t).all() for a, b, t in zip(ys, wanted, allowed, strict=True)):
        return
    coarse = max(1.0, grain(subject) / eps)
    allowed = [t * coarse for t in allowed]
    for xs in rounded(subject, subject.xs):
        ys_there = float_outputs(subject.run(xs))
        for j, (a, b) in enumerate(zip(ys_there, wanted, strict=True)):
            allowed[j] += largest_step(a, b)
    for j, (a, b, t) in enumerate(zip(ys, wanted, allowed, strict=True)):
        inside = within(a, b, t)
        if not inside.all():
            i = int(np.argmax(~inside))
            ours, theirs = (y.reshape(-1)[i].item() for y in (b, a))
            raise mismatch(
                subject,
                name,
                f"{summary}: output {j} at {list(element(a, i))} is {ours} by f, {theirs} there",
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
    except Exception:
        return None


def nearby(subject: Subject) -> Arrays | None:
    """Inputs a little off: what holds there holds by no coincidence, as that of equal rows."""
    vs = subject.direction(subject.rng("nearby"))
    xs = [np.asarray(x + 2.0**-5 * v, x.dtype) for x, v in zip(subject.xs, vs, strict=True)]
    value = tried(lambda: subject.value(xs))
    return xs if value is not None and np.isfinite(value.y).all() else None


def branches_change(subject: Subject, vs: Arrays) -> bool:
    """Whether the inputs lie on a kink, as far as its witnesses tell."""
    tiny = 2.0**-40
    beside = [np.asarray(x + tiny * v, x.dtype) for x, v in zip(subject.xs, vs, strict=True)]
    return subject.value(beside).branches != subject.base.branches
