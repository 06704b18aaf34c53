"""What the gradient has to do with shapes: broadcast inputs, batches, dtypes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from tinygrad_cnn.core.tensor import Tensor, wrap
from tinygrad_cnn.testing.arrays import Arrays, float_outputs
from tinygrad_cnn.testing.blame import blaming, mismatch
from tinygrad_cnn.testing.properties.comparing import (
    must_agree,
    plain,
    tried,
)
from tinygrad_cnn.testing.properties.registry import HOLDS, prop
from tinygrad_cnn.testing.report import Outcome
from tinygrad_cnn.testing.rounding import beside
from tinygrad_cnn.testing.subject import Subject

__tracebackhide__ = True  # in pytest: a failure shows the functions of users, not the kit's


@prop(bare=False)
def broadcasting(subject: Subject) -> Outcome:
    """The gradient of an input that is broadcast is the sum over the copies that it stands for."""
    near = beside(subject)
    if near is None:
        return Outcome(skipped="f is not finite nearby")
    arrays = [np.shape(x) for x in subject.arguments(near) if isinstance(x, np.ndarray | Tensor)]
    targets = [y.shape for y in subject.outputs]
    with contextlib.suppress(ValueError):
        targets.append(np.broadcast_shapes(*arrays))
    done = [
        k
        for k in range(len(near))
        for t in dict.fromkeys(targets)
        if _broadcast(subject, near, k, t)
    ]
    return HOLDS if done else Outcome(skipped="no input is broadcast")


def _broadcast(subject: Subject, xs: Arrays, k: int, shape: tuple[int, ...]) -> bool:
    """Compare with the same input written out in `shape`, if f takes it to mean the same."""
    x = xs[k]
    try:
        wide = [np.array(np.broadcast_to(x, shape)) if i == k else a for i, a in enumerate(xs)]
    except ValueError:
        return False
    if x.shape == shape or not wide[k].size:
        return False
    spread = tried(lambda: float_outputs(subject.run(wide)))
    plain = float_outputs(subject.run(xs))
    if spread is None or [a.shape for a in spread] != [a.shape for a in plain]:
        return False
    if not all(np.allclose(a, b, rtol=1e-9, atol=0) for a, b in zip(spread, plain, strict=True)):
        return False
    g = subject.upstream(subject.rng("broadcasting"))
    if tried(lambda: subject.gradient(wide, g)) is None:
        return False  # its gradient is written for these shapes alone

    def sides(values: Arrays) -> tuple[Arrays, Arrays, Arrays]:
        *xs, g = values
        wide = [np.array(np.broadcast_to(x, shape)) if i == k else x for i, x in enumerate(xs)]
        narrow, summed = subject.gradient(xs, g), subject.gradient(wide, g)
        terms = [np.abs(G) for G in narrow]
        terms[k] = _sum_to(np.abs(summed[k]), x.shape)
        summed[k] = _sum_to(summed[k], x.shape)
        return narrow, summed, terms

    must_agree(
        subject,
        "broadcasting",
        f"{subject.label(k)} of shape {x.shape} stands for copies of shape {shape}, and its "
        f"gradient is not the sum of theirs",
        sides,
        [*xs, g],
    )
    return True


ROWS = 16
"""So many rows at most are asked whether f acts row by row: two could do by coincidence."""


@prop()
def batch_independence(subject: Subject) -> Outcome:
    """A sample's gradient depends on no other sample: it is the same if computed alone.

    The first axis is taken for a batch where f says so by its values: f of one row is that row of
    f. An input without this axis is shared, and its gradient is the sum over the samples.
    """
    if subject.batched is False:
        return Outcome(skipped="batched=False")
    if subject.draws and subject.batched is None:
        return Outcome(skipped="f draws random numbers, others for one row than for many")
    near = beside(subject)
    if near is None:
        return Outcome(skipped="f is not finite nearby")
    for rows in _batches(subject, near):
        if _acts_by_row(subject, near, rows) and _compare_rows(subject, near, rows):
            return HOLDS
    if subject.batched:
        raise mismatch(subject, "batch_independence", "f of one row is not that row of f")
    if subject.outputs[0].shape[:1] == (1,):
        return Outcome(skipped="a batch of one: there is no other sample")
    return Outcome(skipped="f does not act row by row")


def _batches(subject: Subject, xs: Arrays) -> Iterator[list[int]]:
    """Which inputs (by position among all) may have a batch axis: all that could, or the first."""
    if isinstance(subject.batched, tuple):
        yield list(subject.batched)
        return
    args = subject.arguments(xs)
    y = subject.outputs[0]
    if not y.ndim or y.shape[0] < 2:
        return
    n = y.shape[0]
    could = [i for i, a in enumerate(args) if np.ndim(plain(a)) and np.shape(plain(a))[0] == n]
    while could:
        if set(could) & set(subject.places):
            yield list(could)
        could = could[:-1]


def _acts_by_row(subject: Subject, xs: Arrays, rows: list[int]) -> bool:
    whole = float_outputs(subject.run(xs))
    for i in range(min(whole[0].shape[0], ROWS)) if whole[0].ndim else ():
        one = _row(subject, xs, rows, i)
        alone = tried(partial(_outputs, one, one.xs))
        if alone is None or len(alone) != len(whole):
            return False
        for a, b in zip(alone, whole, strict=True):
            if not b.ndim or a.shape != b[i : i + 1].shape:
                return False
            if not np.allclose(a, b[i : i + 1], rtol=1e-9, atol=1e-12 * np.abs(b).max(initial=0)):
                return False
    return bool(whole[0].ndim)


def _outputs(subject: Subject, xs: Arrays) -> Arrays:
    return float_outputs(subject.run(xs))


def _row(subject: Subject, xs: Arrays, rows: list[int], i: int) -> Subject:
    """The subject with the i-th row alone of each batched input."""
    args = [_slice(a, i) if j in rows else a for j, a in enumerate(subject.arguments(xs))]
    return replace(subject, inputs=tuple(args), wrt=subject.places)


def _slice(a: Any, i: int) -> Any:
    return wrap(a.data[i : i + 1], None) if isinstance(a, Tensor) else a[i : i + 1]


def _compare_rows(subject: Subject, xs: Arrays, rows: list[int]) -> bool:
    """False where the rows turn out to be none: f took them, as it broadcasts, but no VJP does."""
    g = subject.upstream(subject.rng("batch"))

    def apart(values: Arrays) -> list[Arrays]:
        """The gradients of each row alone."""
        *xs, g = values
        gs = subject.split(g)
        alone = [_row(subject, xs, rows, i) for i in range(gs[0].shape[0])]
        return [
            one.pullback(one.xs)([np.ascontiguousarray(a[i : i + 1]) for a in gs])
            for i, one in enumerate(alone)
        ]

    def sides(values: Arrays) -> tuple[Arrays, Arrays, Arrays]:
        *xs, g = values
        each = known if values is at else apart(values)
        expected, terms = [], []
        for k, place in enumerate(subject.places):
            parts = [G[k] for G in each]
            join = np.concatenate if place in rows else partial(np.sum, axis=0)
            expected.append(join(parts))
            terms.append(join([np.abs(p) for p in parts]))
        return subject.gradient(xs, g), expected, terms

    at = [*xs, g]
    with blaming(subject, "batch_independence"):
        here = apart(at) if subject.batched else tried(lambda: apart(at))
    if here is None:
        return False
    known = here
    must_agree(
        subject,
        "batch_independence",
        "the gradient of a sample changes with the rest of its batch",
        sides,
        at,
    )
    return True


@prop()
def dtype_and_shape(subject: Subject) -> Outcome:
    """A gradient has the shape and the dtype of its input: float32 in, float32 out.

    A bare vjp= is asked in the dtypes that are given alone: NumPy promotes, and it may count on it.
    """
    for dtype in (None, np.float32) if subject.vjp is None else (None,):
        xs = [
            x if dtype is None or x.dtype.kind == "c" else x.astype(dtype)
            for x in subject.originals
        ]
        ys = tried(partial(_outputs, subject, xs))
        if ys is None or not any(np.result_type(*xs) == y.dtype for y in ys):
            continue  # f itself leaves the dtype, so its gradient may
        g = [np.ones(y.shape, y.dtype) for y in ys]
        with blaming(subject, "dtype_and_shape"):
            gradients = subject.pullback(xs)(g)
        for k, (G, x) in enumerate(zip(gradients, xs, strict=True)):
            if G.dtype != x.dtype or G.shape != x.shape:
                raise mismatch(
                    subject,
                    "dtype_and_shape",
                    f"{subject.label(k)} is {x.dtype} {x.shape}, its gradient {G.dtype} {G.shape}",
                    input=subject.places[k],
                )
    return HOLDS


def _sum_to(g: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Summed over the axes that a broadcast from `shape` added or repeated."""
    extra = g.ndim - len(shape)
    ones = tuple(a + extra for a, m in enumerate(shape) if m == 1 and g.shape[a + extra] != 1)
    return np.asarray(g.sum(axis=(*range(extra), *ones)).reshape(shape))
