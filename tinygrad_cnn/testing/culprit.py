"""Where the wrong gradient is written down: file and line of a VJP.

Of a function made of many ops each op is tried by itself, on the arrays that it was given, until
one of them is wrong alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_cnn.core.modes import Observer, observe
from tinygrad_cnn.core.op import Op
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.testing.arrays import copies_of
from tinygrad_cnn.testing.report import GradientMismatch
from tinygrad_cnn.testing.subject import REFUSALS, Subject

TRIED = 40
"""So many different ops are tried at the most, on arrays of so many elements altogether:"""
LARGE = 4096


def definition(subject: Subject, name: str, place: int | None) -> str:
    """file:line of the VJP that is to blame, as far as it can be told."""
    if subject.vjp is not None:
        return f"{location(subject.vjp)}, vjp="
    calls = _calls(subject.root)
    if name == "directional_derivative" and place is not None and _cut(subject, place, calls):
        f = f"{location(subject.f)}, the function under test"
        return f"{f}: no gradient finds a way to input {place}"
    ops = list({id(op): op for op, _, _ in calls}.values())
    if len(ops) == 1:
        return _place_in(ops[0], place)
    if name not in ("directional_derivative", "second_order") or not ops:
        return f"{location(subject.root.f)}, the function under test"
    for op, values, static in calls:
        guilty = _guilty_input(op, values, static, subject, name)
        if guilty is not None:
            return _place_in(op, guilty) + "; wrong by itself, too"
    return (
        f"{location(subject.root.f)}, the function under test; each op in it is right by itself: "
        f"did a value leave the graph on the way (.data, .numpy(), detach, np.asarray)?"
    )


def location(function: Any) -> str:
    """file:line where a function, or what stands for one, is written."""
    function = inspect.unwrap(getattr(function, "forward", function))
    function = getattr(function, "func", function)  # of a partial
    if not hasattr(function, "__code__") and not inspect.ismethod(function):
        function = type(function).__call__
    code = getattr(function, "__code__", None)
    if code is None:
        return repr(function)
    path = Path(code.co_filename)
    here = Path.cwd()
    shown = path.relative_to(here) if path.is_relative_to(here) else path
    return f"{shown}:{code.co_firstlineno}"


def _place_in(op: Op, i: int | None) -> str:
    """The VJP of an op's i-th input; the op, where it is not known which input it is."""
    if op.reference is not None and not op.vjp_kind:
        return f"{location(op.reference)}, the reference of op {op.name}"
    if i is None and len(op.vjps) == 1:
        i = 0
    if i is None or not op.vjps:
        return f"{location(op.forward)}, op {op.name}"
    vjp = op.vjps[min(i, len(op.vjps) - 1)]
    which = f" with respect to {op.inputs[i]}" if i < len(op.inputs) > 1 else ""
    return f"{location(vjp or op.forward)}, the VJP of op {op.name}{which}"


def _cut(subject: Subject, place: int, calls: list[tuple[Op, list[Any], dict[str, Any]]]) -> bool:
    """Whether no recorded way leads from an input to the outputs, though each op has its VJPs."""
    if place not in subject.places or any(None in op.vjps for op, _, _ in calls):
        return False
    leaves, ys = subject.record(copies_of(subject.xs))
    wanted = leaves[subject.places.index(place)]._node
    seen: set[int] = set()
    ahead = [y._node for y in ys if isinstance(y, Tensor)]
    while ahead:
        node = ahead.pop()
        if node is wanted and node is not None:
            return False
        if node is not None and id(node) not in seen:
            seen.add(id(node))
            ahead += node.parents
    return True


class _Calls(Observer):
    """Notes every op that runs, with its inputs."""

    def __init__(self) -> None:
        self.calls: list[tuple[Op, list[Any], dict[str, Any]]] = []

    def before_forward(self, op: Op, values: list[Any], static: dict[str, Any]) -> None:
        """Note the call."""
        self.calls.append((op, list(values), static))


def _calls(subject: Subject) -> list[tuple[Op, list[Any], dict[str, Any]]]:
    """One call of each differentiable op that f runs."""
    notes = _Calls()
    try:
        with observe(notes):
            subject.run(subject.xs)
    except REFUSALS:
        return []
    first: dict[int, tuple[Op, list[Any], dict[str, Any]]] = {}
    for call in notes.calls:
        if call[0].differentiable and call[0].vjp_kind + str(call[0].reference or ""):
            first.setdefault(id(call[0]), call)
    return list(first.values())[:TRIED]


def _guilty_input(
    op: Op, values: list[Any], static: dict[str, Any], subject: Subject, name: str
) -> int | None:
    """Which input of the op has a wrong gradient when the op is checked alone; None for none."""
    from tinygrad_cnn.testing.gradcheck import check_gradient

    if sum(np.size(v) for v in values if v is not None) > LARGE:
        return None
    alone = replace(
        subject.root,
        f=_bound(op, static),
        inputs=tuple(values),
        wrt=None,
        reference=None,
        directions=1,
    )
    try:
        check_gradient(alone.derivative if name == "second_order" else alone, "culprit")
    except GradientMismatch as error:
        return error.failure.input or 0
    except REFUSALS:
        return None
    return None


def _bound(op: Op, static: dict[str, Any]) -> Callable[..., Any]:
    return lambda *xs: op(*xs, **static)
