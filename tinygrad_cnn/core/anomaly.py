"""Finding the op that went wrong: the first NaN or Inf, arrays changed behind the graph's back."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn.core.modes import STATE, Observer, observe
from tinygrad_cnn.core.node import Node
from tinygrad_cnn.core.op import Op
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import AnomalyError

_PACKAGE = str(Path(__file__).resolve().parent.parent)


class Location(NamedTuple):
    """A place in the user's source."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def user_location() -> Location | None:
    """The innermost line outside this package that led to here."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back  # type: ignore[assignment]
    return frame and Location(frame.f_code.co_filename, frame.f_lineno)


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Stop at the first op, forward or backward, that makes a NaN or an Inf.

    The AnomalyError names the op, the first bad element, the module and the line of your code that
    called the op. An array that was saved for the backward pass and has been written to since is
    reported as well: its gradient would be wrong. Every array is read once more: use it to look for
    a fault, not to train.

    An Inf that came in from outside (a mask of -inf) is let through, a NaN is not.

    >>> import tinygrad_cnn as tg
    >>> x = tg.Tensor([1.0, 0.0], requires_grad=True)
    >>> with tg.detect_anomaly():  # doctest: +ELLIPSIS
    ...     y = tg.sqrt(x) / x
    Traceback (most recent call last):
    tinygrad_cnn.errors.AnomalyError: divide made a NaN at index (1,) of its output...
    """
    with observe(_Anomalies()), np.errstate(all="ignore"):
        yield


class _Anomalies(Observer):
    """Checks outputs and gradients as they appear, and saved arrays before they are read."""

    def __init__(self) -> None:
        self._records: dict[int, tuple[Location | None, list[tuple[str, int]]]] = {}

    def after_forward(self, op: Op, values: list[Any], static: dict[str, Any], out: Any) -> None:
        outputs = out[: op.outputs] if isinstance(out, tuple) else (out,)
        came_in = _bad_kinds(values)
        for y in outputs:
            index, kind = _first_bad(y, ignore_inf="Inf" in came_in)
            if index is None:
                continue
            where = _describe(STATE.get().scope, user_location())
            if kind in came_in:
                name, at = next(
                    (n, _first_bad(v, ignore_inf=True)[0])
                    for n, v in zip(_input_names(op, values), values, strict=True)
                    if kind in _bad_kinds([v])
                )
                raise AnomalyError(
                    f"{op.name} was given a {kind} at index {at} of its input {name}{where}; "
                    f"look at where this input comes from"
                )
            raise AnomalyError(
                f"{op.name} made {_article(kind)} at index {index} of its output{where}; its "
                f"inputs there were {_values_at(values, index, np.shape(y))}"
            )

    def recorded(self, node: Node) -> None:
        self._records[node.seq] = (user_location(), _checksums(node))

    def before_backward(self, node: Node, gradient: Any) -> None:
        location, sums = self._records.get(node.seq, (None, []))
        for (name, before), (_, now) in zip(sums, _checksums(node), strict=False):
            if before != now:
                raise AnomalyError(
                    f"backward: the array {name} that {_name(node)} saved for its gradient was "
                    f"written to after it was recorded{_describe(node.scope, location)}; write "
                    f"into a copy, or call backward() first"
                )

    def after_backward(self, node: Node, gradients: list[Any]) -> None:
        location, _ = self._records.get(node.seq, (None, []))
        assert node.op is not None
        names = _input_names(node.op, gradients)
        for name, g in zip(names, gradients, strict=True):
            index, kind = _first_bad(g)
            if index is not None:
                raise AnomalyError(
                    f"backward: the gradient of {_name(node)} made {_article(kind)} at index "
                    f"{index} of the gradient of its input {name}{_describe(node.scope, location)}"
                )


def _first_bad(value: Any, ignore_inf: bool = False) -> tuple[tuple[int, ...] | None, str]:
    """(index of the first NaN, or of the first Inf where there is none; which of them)."""
    array = value.data if isinstance(value, Tensor) else value
    if not isinstance(array, np.ndarray | np.generic) or array.dtype.kind not in "fc":
        return None, ""
    for kind, test in (("NaN", np.isnan), ("Inf", np.isinf)):
        if kind == "Inf" and ignore_inf:
            continue
        bad = test(array)
        if bad.any():
            first = np.unravel_index(int(np.argmax(bad)), bad.shape)
            return tuple(int(i) for i in first), kind
    return None, ""


def _bad_kinds(values: list[Any]) -> set[str]:
    """Which of "NaN" and "Inf" occur among the values."""
    arrays = [np.asarray(v) for v in values if isinstance(v, np.ndarray | np.generic | float)]
    arrays = [a for a in arrays if a.dtype.kind in "fc"]
    kinds = {"NaN"} if any(np.isnan(a).any() for a in arrays) else set()
    return kinds | ({"Inf"} if any(np.isinf(a).any() for a in arrays) else set())


def _values_at(values: list[Any], index: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """What an elementwise op was given at the bad element; shapes for any other op."""
    try:
        cells = [np.broadcast_to(v, shape)[index] for v in values if v is not None]
    except ValueError:
        return " and ".join(f"of shape {np.shape(v)}" for v in values if v is not None)
    return " and ".join(f"{c:.6g}" for c in cells)


def _input_names(op: Op, values: list[Any]) -> list[str]:
    if op.variadic:
        return [f"number {i}" for i in range(len(values))]
    return list(op.inputs)


def _checksums(node: Node) -> list[tuple[str, int]]:
    """(name, checksum) of every array that the node has saved."""
    assert node.op is not None
    saved = list(zip(_input_names(node.op, node.args), node.args, strict=True))
    outputs = node.output if isinstance(node.output, tuple) else (node.output,)
    saved += [("y (its output)", y) for y in outputs]
    return [
        (name, zlib.crc32(np.ascontiguousarray(a).view(np.uint8).data))
        for name, a in saved
        if isinstance(a, np.ndarray)
    ]


def _describe(scope: object, location: Location | None) -> str:
    module = f", in the module {scope}" if scope is not None and str(scope) else ""
    return f"{module}, called at {location}" if location else module


def _name(node: Node) -> str:
    return node.op.name if node.op else "a leaf"


def _article(kind: str) -> str:
    return "an Inf" if kind == "Inf" else "a NaN"
