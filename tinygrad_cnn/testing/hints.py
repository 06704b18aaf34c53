"""What a wrong gradient looks like: each hint names the mistake that leaves such a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations
from math import comb

import numpy as np

RARE = 200
"""What happens by chance once in so many times is told as a hint."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """A gradient as it is and as it should be, element by element.

    tolerance  how far the two may be apart; inf where the right value is not known (at a kink)
    outputs    the shape of f's first output
    x          the input itself
    g          the upstream gradient of each element, where f has as many outputs of that shape
    constant   whether the gradient is the same for another upstream gradient
    ignored    sentences about static keywords that it does not depend on
    elsewhere  what the VJP returns for other arguments, by what it means if that is right here
    none       that a bare vjp returned None, in words; "" where it did not
    """

    analytic: np.ndarray
    numeric: np.ndarray
    tolerance: np.ndarray
    outputs: tuple[int, ...]
    x: np.ndarray
    g: np.ndarray | None = None
    constant: bool = False
    ignored: tuple[str, ...] = ()
    elsewhere: dict[str, np.ndarray] = field(default_factory=dict)
    none: str = ""

    @property
    def wrong(self) -> np.ndarray:
        """Which elements are wrong."""
        with np.errstate(invalid="ignore"):
            return np.asarray(~(np.abs(self.analytic - self.numeric) <= self.tolerance))

    @property
    def telling(self) -> np.ndarray:
        """Which elements tell a ratio: neither next to nothing nor within their tolerance of 0."""
        size = np.abs(self.numeric)
        return np.asarray(size > np.maximum(1e-3 * size.max(initial=0.0), 2 * self.tolerance))

    def looks_like(self, other: np.ndarray) -> bool:
        """Whether the gradient is `other`, up to the uncertainty of the numeric values."""
        slack = 4 * self.tolerance.max(initial=0.0) + 1e-9 * np.abs(self.numeric).max(initial=0.0)
        same = other.shape == self.analytic.shape
        return bool(same and (np.abs(self.analytic - other) <= slack).all())


def hints(evidence: Evidence) -> tuple[str, ...]:
    """Everything that the difference looks like; the first is the likeliest."""
    if not np.isfinite(evidence.analytic).all():
        return ("it is not finite: 0 * inf or 0 / 0 in the VJP, where the slope is finite",)
    if not np.isfinite(evidence.tolerance).all():
        return ()
    found = [hint for tell in TELLS for hint in tell(evidence)]
    return tuple(dict.fromkeys(found))


def _nothing(e: Evidence) -> Iterator[str]:
    if e.none:
        yield e.none
    elif not e.analytic.any():
        yield (
            "it is zero: the graph is cut (.data, .numpy(), detach, a captured array), or a "
            "gradient is missing"
        )


def _upstream(e: Evidence) -> Iterator[str]:
    if e.constant and e.analytic.any():
        yield "it does not depend on the upstream gradient: g is dropped"


def _factor(e: Evidence) -> Iterator[str]:
    large = e.telling
    if not large.any():
        return
    doubt = e.tolerance[large] / np.abs(e.numeric[large])
    ratio = float((e.analytic[large] / e.numeric[large]).real[doubt.argmin()])
    if not e.wrong[large].all() or not e.looks_like(ratio * e.numeric) or not ratio:
        return
    if abs(ratio + 1) < 1e-6:
        yield "the sign is wrong"
        return
    several = np.count_nonzero(large) > 1  # one number is some multiple of any other
    for n, inverse in ((abs(ratio), False), (abs(1 / ratio), True)):
        whole = round(n)
        if whole >= 2 and abs(n - whole) < 1e-6 * n:
            about = _about_factor(whole, inverse, ratio < 0, e)
            if several or whole == 2 or ":" in about:
                yield about
            return
    if several:
        digits = int(np.clip(np.ceil(-np.log10(max(doubt.min(), 1e-6))), 2, 6))
        yield f"every element is {ratio:.{digits}g} times what it should be"


def _power(e: Evidence) -> Iterator[str]:
    """analytic = c x^p numeric: a power of x too many, or one too few."""
    large = e.telling
    x, G, right = (a[large].real for a in (e.x, e.analytic, e.numeric))
    if x.size < 2 or not np.ptp(np.abs(x)) or not x.all():
        return
    for p, text in {1: "x", -1: "1/x", 2: "x^2", -2: "1/x^2"}.items():
        c = float(np.median(G / right / x**p))
        wrong_by = np.zeros(e.numeric.shape)
        wrong_by[large] = c * x**p
        if c and e.wrong[large].all() and e.looks_like(wrong_by * e.numeric):
            times = "" if abs(c - 1) < 1e-6 else f"{c:.6g} "
            yield f"every element is {times}{text} times what it should be, where x is its value"
            return


def _about_factor(n: int, inverse: bool, negative: bool, e: Evidence) -> str:
    factor = f"{'-' if negative else ''}{f'1/{n}' if inverse else n}"
    lengths = {f"axis {a} of the input": m for a, m in enumerate(e.numeric.shape)}
    lengths |= {f"axis {a} of the output": m for a, m in enumerate(e.outputs)}
    lengths |= {"the input's size": e.numeric.size, "the output's size": int(np.prod(e.outputs))}
    named = [what for what, m in lengths.items() if m == n]
    about = f"; {n} is {' and '.join(named[:2])}" if named else ""
    kind = "a mean in place of a sum" if inverse else "a sum in place of a mean, or counted twice"
    return f"a factor {factor}" + (f": {kind}{about}" if about or inverse else about)


def _elsewhere(e: Evidence) -> Iterator[str]:
    for meaning, G in e.elsewhere.items():
        if replace(e, analytic=G).looks_like(e.numeric):
            yield meaning


def _ignored(e: Evidence) -> Iterator[str]:
    yield from e.ignored


def _transposed(e: Evidence) -> Iterator[str]:
    n = e.numeric
    if n.ndim >= 2 and n.shape[-1] == n.shape[-2] > 1 and e.looks_like(np.swapaxes(n, -1, -2)):
        yield "it is transposed"


def _moved(e: Evidence) -> Iterator[str]:
    n = e.numeric
    long = [a for a, m in enumerate(n.shape) if m > 1]
    for r in range(1, min(len(long), 3) + 1):
        for axes in combinations(long, r):
            if e.looks_like(np.flip(n, axes)):
                yield f"it is flipped along axes {axes}: a kernel not reversed?"
                return
    for a in long:
        for shift in (1, -1):
            rolled = np.roll(n, shift, a)
            inner = np.ones(n.shape, bool)
            np.moveaxis(inner, a, 0)[0 if shift > 0 else -1] = False
            slack = 4 * e.tolerance.max() + 1e-9 * np.abs(n).max()
            if n.shape[a] > 2 and (np.abs(e.analytic - rolled)[inner] <= slack).all():
                yield f"it is shifted by {shift} along axis {a}: padding or an index off by one"
                return


def _exchanged(e: Evidence) -> Iterator[str]:
    """G[i] = right[j] and the reverse; or the same of what the upstream gradient multiplies."""
    if e.wrong.sum() != 2:
        return
    i, j = map(tuple, np.argwhere(e.wrong))
    for what, g in (("elements", np.ones(e.wrong.shape)), ("factors of the elements", e.g)):
        if g is not None:
            swapped = e.numeric.copy()
            swapped[i], swapped[j] = e.numeric[j] / g[j] * g[i], e.numeric[i] / g[i] * g[j]
            if e.looks_like(swapped):
                yield f"the {what} {_index(i)} and {_index(j)} are exchanged"
                return


def _index(place: tuple[int, ...]) -> list[int]:
    return [int(n) for n in place]


def _broadcast(e: Evidence) -> Iterator[str]:
    shape, out = e.numeric.shape, e.outputs
    extra = len(out) - len(shape)
    if shape == out or extra < 0:
        return
    ones = [a + extra for a, m in enumerate(shape) if m == 1 != out[a + extra]]
    fits = all(m in (1, out[a + extra]) for a, m in enumerate(shape))
    if fits and (extra or ones) and e.wrong.all():
        axes = (*range(extra), *ones)
        yield f"the input is broadcast to {out}: is its gradient summed over axes {axes}?"


def _edges(e: Evidence) -> Iterator[str]:
    """Wrong in the first or the last lines of an axis alone; lines that f ignores do not count."""
    if e.wrong.sum() == 1 and e.wrong.ndim > 1:
        return
    for a in range(e.wrong.ndim):
        rest = tuple(b for b in range(e.wrong.ndim) if b != a)
        wrong = np.flatnonzero(e.wrong.any(axis=rest))
        read = np.flatnonzero(((e.numeric != 0) | e.wrong).any(axis=rest))
        n, block = len(wrong), np.arange(len(wrong))
        if len(read) < 3 or not 0 < n <= len(read) // 2:
            continue
        lines = f"{n} lines" if n > 1 else "line"
        if np.array_equal(wrong, wrong[-1] - block[::-1]) and wrong[-1] == read[-1]:
            yield (
                f"only the last {lines} along axis {a}"
                + (" that f reads" if read[-1] < e.wrong.shape[a] - 1 else "")
                + ": the remainder of a stride, or a window at the end"
            )
        elif np.array_equal(wrong, read[0] + block):
            yield f"only the first {lines} along axis {a}: padding, or a window at the start"


def _range(e: Evidence) -> Iterator[str]:
    """Wrong below, or above, some value alone; if that is no mere chance."""
    wrong, right = e.x[e.wrong], e.x[~e.wrong]
    if np.iscomplexobj(e.x) or comb(e.x.size, wrong.size) < RARE:
        return
    for low, high, words in (
        (wrong, right, ("wrong", "right")),
        (right, wrong, ("right", "wrong")),
    ):
        if low.max() < high.min():
            yield (
                f"{words[0]} up to {low.max():.3g} and {words[1]} from {high.min():.3g} on: "
                f"another branch of f, or a limit"
            )


def _one(e: Evidence) -> Iterator[str]:
    if e.wrong.sum() == 1 and e.wrong.size > 1:
        yield "one element alone is wrong"


def _precision(e: Evidence) -> Iterator[str]:
    size = np.abs(e.numeric).max(initial=0.0)
    gap = np.abs(e.analytic - e.numeric).max(initial=0.0)
    alone = e.wrong.sum() == 1 < e.wrong.size
    if size and 1e-10 < gap / size < 2e-6 and not alone:
        yield "the difference is that of float32's rounding: is something computed in float32?"


TELLS: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    _nothing,
    _upstream,
    _factor,
    _power,
    _elsewhere,
    _transposed,
    _ignored,
    _exchanged,
    _moved,
    _broadcast,
    _one,
    _edges,
    _range,
    _precision,
)
"""What to look for, in the order in which it is told."""
