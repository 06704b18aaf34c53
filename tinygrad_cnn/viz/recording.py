"""record(): measure what runs, for pictures that show time, gradients and statistics."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from tinygrad_cnn.core.anomaly import user_location
from tinygrad_cnn.core.modes import STATE, Observer, observe
from tinygrad_cnn.core.node import Node
from tinygrad_cnn.core.op import Op
from tinygrad_cnn.core.tensor import Tensor

_LAST: ContextVar[Record | None] = ContextVar("tinygrad_cnn_last_record", default=None)


class Record(Observer):
    """What was measured, by the sequence number of the node: `record.of(node)`."""

    def __init__(self) -> None:
        self._notes: dict[int, dict[str, Any]] = {}
        self._started: list[float] = []  # ops may run inside of ops, as in a VJP
        self._last: tuple[Op, float, Any] | None = None

    def of(self, node: Node) -> dict[str, Any]:
        """time and backward_time in seconds, grad_norm, stats of the output, source line."""
        return self._notes.get(node.seq, {})

    def before_forward(self, op: Op, values: list[Any], static: dict[str, Any]) -> None:
        """Start the clock."""
        self._started.append(perf_counter())

    def after_forward(self, op: Op, values: list[Any], static: dict[str, Any], out: Any) -> None:
        """Stop it; whether the op is recorded is known only after this."""
        self._last = op, perf_counter() - self._started.pop(), out

    def recorded(self, node: Node) -> None:
        """The op that has just run is part of the graph: keep what was measured."""
        if self._last is None or self._last[0] is not node.op:
            return
        _, time, out = self._last
        source = user_location()
        self._notes[node.seq] = {
            "time": time,
            "stats": statistics(out[0] if isinstance(out, tuple) else out),
            "source": f"{Path(source.file).name}:{source.line}" if source else "",
        }
        self._last = None

    def before_backward(self, node: Node, gradient: Any) -> None:
        """Measure the gradient that arrives, then start the clock."""
        notes = self._notes.setdefault(node.seq, {})
        notes["grad_norm"] = told(norm(gradient))
        self._started.append(perf_counter())

    def after_backward(self, node: Node, gradients: list[Any]) -> None:
        """Stop it. A second sweep adds its time to the first one's."""
        notes = self._notes[node.seq]
        notes["backward_time"] = (
            notes.get("backward_time", 0.0) + perf_counter() - self._started.pop()
        )


@contextmanager
def record() -> Iterator[Record]:
    """Measure every op that runs inside: its time, its output, the gradient that reaches it.

    Graphs that are drawn inside of the block, or after it, find the newest record by themselves.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> from tinygrad_cnn import viz
    >>> w = tg.Tensor([3.0, 4.0], requires_grad=True)
    >>> with viz.record() as measured:
    ...     y = tg.sum(w * w)
    ...     y.backward()
    >>> g = viz.graph(y, annotate=("shape", "time", "grad_norm"))
    >>> [round(n.notes["grad_norm"], 3) for n in g.picture.nodes if n.kind == "op"]
    [1.414, 1.0]
    """
    with observe(Record()) as observer:
        assert isinstance(observer, Record)
        try:
            yield observer
        finally:
            _LAST.set(observer)


def active() -> Record | None:
    """The record whose block this is, the innermost one; outside of all, the one finished last.

    Measurements go by the number of the node: a record of something else has none that would fit.
    """
    observers = reversed(STATE.get().observers)
    return next((o for o in observers if isinstance(o, Record)), _LAST.get())


def norm(gradient: Any) -> float:
    """The Euclidean norm of an array, a Tensor, or a list of them with None for zero."""
    if isinstance(gradient, list | tuple):
        return float(np.hypot.reduce([norm(g) for g in gradient if g is not None] or [0.0]))
    array = gradient.data if isinstance(gradient, Tensor) else np.asarray(gradient)
    with np.errstate(all="ignore"):
        return float(np.sqrt(np.sum(np.square(np.abs(array), dtype=np.float64))))


def statistics(array: Any) -> dict[str, float | str]:
    """Mean, standard deviation, smallest and largest element; empty of nothing."""
    array = np.abs(array) if np.iscomplexobj(array) else np.asarray(array)
    if not array.size:
        return {}
    with np.errstate(all="ignore"):
        return {
            "mean": told(float(array.mean(dtype=np.float64))),
            "std": told(float(array.std(dtype=np.float64))),
            "min": told(float(array.min())),
            "max": told(float(array.max())),
        }


def told(value: float) -> float | str:
    """A number as JSON can hold it: "nan" and "inf" are words there."""
    return value if math.isfinite(value) else str(value)
