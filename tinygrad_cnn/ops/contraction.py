"""Einstein's summation: name the axes, multiply, sum over the names that the result lacks.

Whatever the subscripts say comes down to four steps, of which only the last multiplies:

    a name twice in one operand          its diagonal                 ii -> i
    an axis of length 1 that broadcasts  dropped
    a name in one operand only           summed over                  ij -> i
    two operands                         contract, one pair at a time

In `contract` every name stands in at least two of x1, x2 and y. That condition is symmetric in
the three, so the gradient of a contraction is a contraction, and the family is closed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from types import EllipsisType
from typing import Any

import numpy as np

from tinygrad_cnn import kernels
from tinygrad_cnn.core.arguments import as_array
from tinygrad_cnn.core.op import op
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import ConfigError, ShapeError
from tinygrad_cnn.ops.elementwise import alias
from tinygrad_cnn.ops.reduction import sum
from tinygrad_cnn.ops.shape import diagonal, moveaxis, permute_dims, reshape

Labels = tuple[int, ...]
"""A name for each axis: the code of its letter; for those of an ellipsis -n, ..., -2, -1."""


@op
def contract(x1, x2, /, *, labels):
    """y[labels[2]] = sum x1[labels[0]] x2[labels[1]], over the labels that y lacks.

    Each label stands in two of the three at least, and once in each.
    """
    a, b, c = labels
    if (
        c and c[-1] not in b
    ):  # the operand with the last axis of y goes right, as in a matrix product
        x1, x2, a, b = x2, x1, b, a
    batch = [k for k in c if k in a and k in b]
    left, right = [k for k in c if k not in b], [k for k in c if k not in a]
    summed = [k for k in a if k not in c]
    if not (summed and (left or right)):  # no matrix product
        return np.einsum(x1, list(a), x2, list(b), list(c))
    size = dict(zip(a + b, x1.shape + x2.shape, strict=True))
    L, R, K = (math.prod(size[k] for k in group) for group in (left, right, summed))
    stack = [size[k] for k in batch]
    x1 = np.transpose(x1, [a.index(k) for k in batch + left + summed]).reshape(*stack, L, K)
    x2 = np.transpose(x2, [b.index(k) for k in batch + summed + right]).reshape(*stack, K, R)
    order = batch + left + right
    y = kernels.matmul(x1, x2).reshape([size[k] for k in order])
    return np.transpose(y, [order.index(k) for k in c])


contract.vjp(
    lambda g, _y, _x1, x2, labels: contract(g, x2, labels=(labels[2], labels[1], labels[0])),
    lambda g, _y, x1, _x2, labels: contract(x1, g, labels=(labels[0], labels[2], labels[1])),
)


def einsum(subscripts: Any, /, *operands: Any, optimize: bool | str = "greedy") -> Any:
    """The sum of products that the subscripts spell: einsum("ij,jk->ik", a, b) is matmul(a, b).

    A letter names an axis; operands are separated by commas. The result has the axes named after
    ->; without it, those named exactly once, in alphabetical order. A letter that the result
    lacks is summed over; one that stands twice in an operand takes its diagonal; "..." stands for
    any further axes, which broadcast, as axes of length 1 do. Spaces mean nothing. Instead of
    letters, lists of integers may follow each operand, and one the last for the result: einsum(a,
    [0, 1], b, [1, 2], [0, 2]).

    Three operands or more are multiplied two at a time, in the order that np.einsum_path finds:
    optimize="greedy", "optimal", or False for left to right.

    Raises ConfigError for subscripts that cannot be read, ShapeError where they do not fit the
    shapes.

    >>> import numpy as np
    >>> x = np.arange(9.0).reshape(3, 3)
    >>> float(einsum("ii", x))  # the trace
    12.0
    >>> einsum("...i,i->...", x, np.ones(3))
    array([ 3., 12., 21.])
    """
    if isinstance(subscripts, str):
        terms, result = _from_text(subscripts)
    else:
        terms, result, operands = _from_lists((subscripts, *operands))
    if len(terms) != len(operands):
        raise ShapeError(
            f"einsum: the subscripts {subscripts!r} are for {len(terms)} operands, got "
            f"{len(operands)}"
        )
    xs = [x if isinstance(x, Tensor) else as_array(x) for x in operands]
    labels, out, size = _fit(terms, result, tuple(x.shape for x in xs))
    pairs = [_without_repeats(x, own, size) for x, own in zip(xs, labels, strict=True)]
    y = _multiply_all(_without_lone(pairs, out), out, optimize)
    return alias(y) if any(y is x for x in operands) else y  # "i->i" changes nothing


# -- multiplying ------------------------------------------------------------------------------


def _without_repeats(x: Any, labels: Labels, size: dict[int, int]) -> tuple[Any, Labels]:
    """x with each of its labels once, and without the axes of length 1 that broadcast."""
    for k in [k for k, times in Counter(labels).items() for _ in range(times - 1)]:
        i = labels.index(k)
        j = labels.index(k, i + 1)
        if x.shape[i] != x.shape[j]:
            raise ShapeError(
                f"einsum: {_name(k)} stands twice in one operand, whose lengths there must be "
                f"equal, got {x.shape[i]} and {x.shape[j]}"
            )
        x = diagonal(moveaxis(x, (i, j), (-2, -1)))
        labels = (*labels[:i], *labels[i + 1 : j], *labels[j + 1 :], k)
    stretched = [n == 1 != size[k] for k, n in zip(labels, x.shape, strict=True)]
    if True in stretched:
        x = reshape(x, tuple(n for n, drop in zip(x.shape, stretched, strict=True) if not drop))
        labels = tuple(k for k, drop in zip(labels, stretched, strict=True) if not drop)
    return x, labels


def _without_lone(pairs: list[tuple[Any, Labels]], out: Labels) -> list[tuple[Any, Labels]]:
    """The operands summed over the labels that neither another one nor the result has."""
    uses = Counter((*out, *(k for _, labels in pairs for k in labels)))
    summed = []
    for x, labels in pairs:
        axes = tuple(i for i, k in enumerate(labels) if uses[k] == 1)
        if axes:
            x = sum(x, axis=axes, dtype=x.dtype)
        summed.append((x, tuple(k for k in labels if uses[k] > 1)))
    return summed


def _multiply_all(pairs: list[tuple[Any, Labels]], out: Labels, optimize: bool | str) -> Any:
    """All operands multiplied, a pair at a time, the axes brought into the order of the result."""
    for step in _path(tuple((x.shape, own) for x, own in pairs), out, optimize):
        chosen = [pairs.pop(i) for i in sorted(step, reverse=True)][::-1]
        y, own = chosen[0]
        for n, (x, other) in enumerate(chosen[1:], start=2):
            later = {k for _, labels in (*pairs, *chosen[n:]) for k in labels}.union(out)
            union = (*own, *(k for k in other if k not in own))
            last = not pairs and n == len(chosen)
            kept = out if last else tuple(k for k in union if k in later)
            y, own = contract(y, x, labels=_small((own, other, kept))), kept
        pairs.append((y, own))
    ((y, own),) = pairs
    return y if own == out else permute_dims(y, tuple(own.index(k) for k in out))


def _small(labels: tuple[Labels, Labels, Labels]) -> tuple[Labels, ...]:
    """The same labels as 0, 1, 2, ..., since np.einsum knows 52 of them."""
    number: dict[int, int] = {}
    return tuple(tuple(number.setdefault(k, len(number)) for k in own) for own in labels)


@lru_cache(maxsize=256)
def _path(
    operands: tuple[tuple[tuple[int, ...], Labels], ...], out: Labels, optimize: bool | str
) -> list[Any]:
    """Which operands to multiply next, step by step; results go to the end of the list."""
    if len(operands) < 3 or not optimize:
        return [tuple(range(len(operands)))] if len(operands) > 1 else []
    number = {k: i for i, k in enumerate({k: 0 for _, own in operands for k in own})}
    terms: list[Any] = []
    for shape, own in operands:
        terms += [np.broadcast_to(np.zeros(()), shape), [number[k] for k in own]]
    how = "greedy" if optimize is True else optimize
    return list(np.einsum_path(*terms, [number[k] for k in out], optimize=how)[0][1:])


# -- reading the subscripts -------------------------------------------------------------------

Term = tuple[int | EllipsisType, ...]


@lru_cache(maxsize=256)
def _from_text(subscripts: str) -> tuple[tuple[Term, ...], Term | None]:
    """The labels of each operand, and those of the result (None where there is no ->)."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    terms = tuple(_read(term, subscripts) for term in left.split(","))
    return terms, _read(right, subscripts) if arrow else None


def _read(term: str, told: str) -> Term:
    head, dots, tail = term.partition("...")
    if not all(c.isascii() and c.isalpha() for c in head + tail):
        raise ConfigError(
            f"einsum: subscripts are letters, one '...' in each operand, commas and '->', got "
            f"{term!r} in {told!r}"
        )
    return (*map(ord, head), *((...,) if dots else ()), *map(ord, tail))


def _from_lists(arguments: Sequence[Any]) -> tuple[tuple[Term, ...], Term | None, tuple[Any, ...]]:
    """The same, and the operands, from: operand, labels, operand, labels, ..., result's labels."""
    result = tuple(arguments[-1]) if len(arguments) % 2 else None
    n = len(arguments) // 2
    terms = tuple(tuple(t) for t in arguments[1 : 2 * n : 2])
    for k in (k for term in (*terms, result or ()) for k in term):
        if k is not Ellipsis and (not isinstance(k, int) or k < 0):
            raise ConfigError(f"einsum: labels in lists are integers >= 0 or Ellipsis, got {k!r}")
    return terms, result, tuple(arguments[0 : 2 * n : 2])


@lru_cache(maxsize=256)
def _fit(
    terms: tuple[Term, ...], result: Term | None, shapes: tuple[tuple[int, ...], ...]
) -> tuple[list[Labels], Labels, dict[int, int]]:
    """(the labels of each operand, those of the result, the length that each stands for)"""
    labels = [_without_ellipsis(t, shape) for t, shape in zip(terms, shapes, strict=True)]
    return labels, _output_labels(result, labels), _sizes(labels, shapes)


def _without_ellipsis(term: Term, shape: tuple[int, ...]) -> Labels:
    """A label for each axis: those under the ellipsis are -n, ..., -2, -1."""
    rest = len(shape) - len(term) + (... in term)
    if rest < 0 or (rest > 0 and ... not in term):
        raise ShapeError(
            f"einsum: {''.join(map(_name, term))!r} is for {len(term) - (... in term)} axes"
            f"{' or more' if ... in term else ''}, got an operand of shape {shape}"
        )
    dots = tuple(range(-rest, 0))
    return tuple(k for part in term for k in (dots if part is ... else (part,)))


def _output_labels(result: Term | None, labels: list[Labels]) -> Labels:
    """The labels of the result: given, or those that stand exactly once, in their order."""
    times = Counter(k for own in labels for k in own)
    dots = tuple(sorted(k for k in times if k < 0))
    if result is None:
        return dots + tuple(sorted(k for k, n in times.items() if k >= 0 and n == 1))
    if dots and ... not in result:
        raise ConfigError("einsum: the operands have an ellipsis, and the result needs one, too")
    out = tuple(k for part in result for k in (dots if part is ... else (part,)))
    for k in out:
        if k not in times or out.count(k) > 1:
            raise ConfigError(
                f"einsum: the result names axes of the operands, each once, got {_name(k)!r} "
                f"in {''.join(map(_name, result))!r}"
            )
    return out


def _sizes(labels: list[Labels], shapes: tuple[tuple[int, ...], ...]) -> dict[int, int]:
    """The length that each label stands for; an axis of length 1 broadcasts."""
    size: dict[int, int] = {}
    for own, shape in zip(labels, shapes, strict=True):
        for k, n in zip(own, shape, strict=True):
            if size.setdefault(k, n) == 1:
                size[k] = n
            if n not in (1, size[k]):
                raise ShapeError(
                    f"einsum: {_name(k)} names axes of lengths {size[k]} and {n}; they must be "
                    f"equal (or 1) in all operands, got shapes {', '.join(map(str, shapes))}"
                )
    return size


def _name(k: Any) -> str:
    """A label as the user wrote it."""
    if k is ... or k < 0:
        return "..."
    return chr(k) if chr(k).isalpha() else str(k)
