"""Putting a wrong VJP in the place of the right one, for as long as a `with` block lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import wraps
from types import ModuleType
from typing import Any

import numpy as np

from tinygrad_cnn.core.op import REGISTRY, Op
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.testing.mutants.mutations import MUTATIONS, Call, Mutation


@dataclass
class Trace:
    """Whether the mutant has had an effect so far: where it has none, nobody can find it."""

    changed: bool = False


@contextmanager
def swapped(op: Op, kind: str, vjps: Sequence[Any]) -> Iterator[None]:
    """Inside, `op` has these VJPs; afterwards, and after an exception, its own again."""
    before = op.vjp_kind, op.vjps
    op._declare(kind, tuple(vjps))
    try:
        yield
    finally:
        op._declare(*before)


@contextmanager
def patched(module: ModuleType, wrong: dict[str, Callable[..., Any]]) -> Iterator[None]:
    """Inside, the module has these functions; afterwards its own again."""
    before = {name: getattr(module, name) for name in wrong}
    try:
        vars(module).update(wrong)
        yield
    finally:
        vars(module).update(before)


@contextmanager
def mutate(op: Op | str, mutation: Mutation | str, input: int = 0) -> Iterator[Trace]:
    """Inside, the gradient of one of the op's inputs contains a mistake.

    op         an Op, or the name of one in the registry
    mutation   the name of one in MUTATIONS, or a Mutation of your own

    The mistakes that only one op can have ("kernel not flipped", "ties all paid") are whole rules:
    they are those of MUTANTS, each with its work, and mutate does not apply them.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> x = tg.Tensor(np.array(0.0), requires_grad=True)
    >>> with mutate("sin", "sign"):
    ...     tg.sin(x).backward()
    >>> x.grad.item()  # cos(0) is 1
    -1.0
    """
    found: Op = named(op, REGISTRY, "op")
    trace = Trace()
    wrong = _Wrong(named(mutation, MUTATIONS, "mutation"), input, trace)
    with swapped(found, found.vjp_kind, _spoiled(found, wrong)):
        yield trace


def spoil_bare(
    vjp: Callable[..., Any], mutation: Mutation, input: int, trace: Trace
) -> Callable[..., Any]:
    """vjp(g, *inputs) with a mistake in the gradient of one input."""
    return _Wrong(mutation, input, trace).bare(vjp)


SOURCES = {
    "op": "all are in tinygrad_cnn.core.op.REGISTRY",
    "mutation": "all are in mutants.MUTATIONS; those of mutants.MUTANTS are run by kill_matrix",
}
"""Where the names of each kind are to be found."""


def named(value: Any, table: Any, what: str) -> Any:
    """The entry of the table, if `value` is a name; else what it is."""
    if not isinstance(value, str):
        return value
    if value not in table:
        near = get_close_matches(value, table, n=4, cutoff=0.4)
        hint = f"; the nearest are {', '.join(near)}" if near else ""
        raise ConfigError(f"mutate: no {what} {value!r}{hint}; {SOURCES[what]}")
    return table[value]


def _spoiled(op: Op, wrong: _Wrong) -> list[Any]:
    """The op's VJPs, that of one input with the mistake."""
    vjps: list[Any] = list(op.vjps)
    i = wrong.i
    if op.vjp_kind == "per input":
        if not 0 <= i < len(vjps) or vjps[i] is None:
            raise ConfigError(f"mutate: {op.name} has no VJP for an input {i}")
        vjps[i] = wrong.one(vjps[i])
        return vjps
    return [wrong.numbered(vjps[0]) if op.vjp_kind == "each" else wrong.joint(vjps[0])]


@dataclass
class _Wrong:
    """Makes the wrong VJP of the right one, with the same signature: it says what graphs keep."""

    mutation: Mutation
    i: int
    trace: Trace
    memory: dict[Any, Any] = field(default_factory=dict)

    def one(self, vjp: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(vjp)
        def wrong(g: Any, y: Any, *args: Any, **static: Any) -> Any:
            rule = lambda g, y, args, static: vjp(g, y, *args, **static)  # noqa: E731
            return self._spoil(rule, g, y, args, static)

        return wrong

    def numbered(self, vjp: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(vjp)
        def wrong(i: int, g: Any, y: Any, *args: Any, **static: Any) -> Any:
            if i != self.i:
                return vjp(i, g, y, *args, **static)
            rule = lambda g, y, args, static: vjp(i, g, y, *args, **static)  # noqa: E731
            return self._spoil(rule, g, y, args, static)

        return wrong

    def joint(self, vjp: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(vjp)
        def wrong(g: Any, y: Any, *args: Any, **static: Any) -> Any:
            gradients = vjp(g, y, *args, **static)
            if gradients[self.i] is None:
                return gradients
            rule = lambda g, y, args, static: vjp(g, y, *args, **static)[self.i]  # noqa: E731
            spoiled = self._spoil(rule, g, y, args, static)
            return (*gradients[: self.i], spoiled, *gradients[self.i + 1 :])

        return wrong

    def bare(self, vjp: Callable[..., Any]) -> Callable[..., Any]:
        """Of a vjp(g, *inputs), which has no output."""

        @wraps(vjp)
        def wrong(g: Any, *args: Any, **static: Any) -> Any:
            def rule(g: Any, _y: Any, args: Any, static: Any) -> Any:
                return _tuple(vjp(g, *args, **static))[self.i]

            gradients = _tuple(vjp(g, *args, **static))
            if gradients[self.i] is None:
                return gradients
            spoiled = self._spoil(rule, g, None, args, static)
            return (*gradients[: self.i], spoiled, *gradients[self.i + 1 :])

        return wrong

    def _spoil(self, rule: Any, g: Any, y: Any, args: Any, static: Any) -> Any:
        """The wrong gradient; notes whether anything about it is wrong."""
        right = rule(g, y, args, static)
        arrays = list(_arrays(g, y, args, static))
        before = [a.tobytes() for a in arrays]
        wrong = self.mutation.spoil(Call(rule, g, y, args, static, self.i, self.memory))
        written = any(a.tobytes() != b for a, b in zip(arrays, before, strict=True))
        self.trace.changed |= written or _differ(right, wrong) or bool(self.memory)
        return wrong


def _tuple(gradients: Any) -> tuple[Any, ...]:
    return tuple(gradients) if isinstance(gradients, tuple | list) else (gradients,)


def _arrays(g: Any, y: Any, args: Any, static: Any) -> Iterator[np.ndarray]:
    several = g if isinstance(g, tuple | list) else (g,)
    for a in (*several, y, *args, *static.values()):
        if isinstance(a, np.ndarray):
            yield a


def _differ(right: Any, wrong: Any) -> bool:
    """In value, dtype, shape, or in what they know of their graph."""
    if right is None or wrong is None:
        return right is not wrong
    known = [isinstance(a, Tensor) and a.requires_grad for a in (right, wrong)]
    a, b = (np.asarray(x.data if isinstance(x, Tensor) else x) for x in (right, wrong))
    same = a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True)
    return known[0] != known[1] or not same
