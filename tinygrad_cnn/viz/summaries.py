"""summary(model, x): the layers of a model as a table, with shapes, parameters and work.

The same as `model.summary(x)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_cnn.core.modes import STATE, Observer, default_dtype, no_grad, observe
from tinygrad_cnn.core.op import Op
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.nn.module import Call, Module
from tinygrad_cnn.viz.flops import flops
from tinygrad_cnn.viz.words import aligned, count, one_line, shape_text, size

HEADINGS = ("layer", "output", "parameters", "FLOP")


@dataclass
class Row:
    """One module: its path and depth, and, once it has run, its output's shape and its work."""

    path: str
    name: str
    module: str
    depth: int
    parameters: int
    calls: int = 0
    output: tuple[int, ...] | None = None
    flops: int = 0


@dataclass(frozen=True, repr=False)
class Summary:
    """A table that prints; its sums are attributes.

    parameters, trainable   how many numbers, and how many of them require a gradient
    flops                   operations of one forward pass (a multiply-add counts as two); None
                            where there was none
    nbytes                  of all parameters
    """

    rows: Sequence[Row]
    parameters: int
    trainable: int
    flops: int | None
    nbytes: int
    unknown: Sequence[str] = field(default=())

    def __str__(self) -> str:
        cells = [
            (
                "  " * row.depth + _title(row),
                shape_text(row.output) if row.output is not None else "",
                f"{row.parameters:,}" if row.parameters else "",
                count(row.flops) if row.flops else "",
            )
            for row in self.rows
        ]
        columns = (0, 1, 2, 3) if self.flops is not None else (0, 2)
        table = [[row[i] for i in columns] for row in (HEADINGS, *cells)]
        lines = aligned(table, right=[columns.index(i) for i in columns if i >= 2])
        frozen = self.parameters - self.trainable
        lines += [
            "-" * max(map(len, lines)),
            f"{self.parameters:,} parameters ({size(self.nbytes)}), {frozen:,} of them frozen",
        ]
        if self.flops is not None:
            missing = f", without {', '.join(self.unknown)}" if self.unknown else ""
            unit = "FLOP" if self.flops >= 10_000 else " FLOP"
            lines.append(f"{count(self.flops)}{unit} a forward pass{missing}")
        return "\n".join(lines)

    __repr__ = __str__


def summary(model: Module, x: Any = None, depth: int | None = None) -> Summary:
    """Run `model` once on `x` and tell what each of its modules did.

    x is an input (Tensor or array), a tuple of several, or the shape of one as a tuple of ints;
    without it nothing runs, and the table has parameters alone. The model runs in inference mode
    and without recording, and is put back into the mode it was in.
    depth limits the table (0: the model itself alone).

    >>> import tinygrad_cnn as tg
    >>> print(summary(tg.nn.Sequential(tg.nn.Linear(784, 10), tg.nn.ReLU()), (1, 784)))
    layer        output   parameters    FLOP
    Sequential   (1, 10)       7,850  15.7 k
      0  Linear  (1, 10)       7,850  15.7 k
      1  ReLU    (1, 10)                  10
    ----------------------------------------
    7,850 parameters (31.4 kB), 0 of them frozen
    15.7 kFLOP a forward pass
    """
    rows = {id(m): _row(path, m) for path, m in model.named_modules()}
    layers = _Layers(rows)
    if x is not None:
        _run(model, _inputs(x), layers)
    parameters = list(model.parameters())
    return Summary(
        rows=[row for row in rows.values() if depth is None or row.depth <= depth],
        parameters=sum(p.size for p in parameters),
        trainable=sum(p.size for p in parameters if p.requires_grad),
        flops=None if x is None else layers.total,
        nbytes=sum(p.nbytes for p in parameters),
        unknown=tuple(layers.unknown),
    )


def _run(model: Module, inputs: list[Any], observer: Observer) -> None:
    """One forward pass in inference mode; each module keeps the mode that it is in."""
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        with no_grad(), observe(observer):
            model(*inputs)
    finally:
        for module, training in modes:
            module.training = training


class _Layers(Observer):
    """Adds every op to the modules that are running."""

    def __init__(self, rows: dict[int, Row]) -> None:
        self.rows = rows
        self.total = 0
        self.unknown: dict[str, None] = {}
        self._inside = 0  # an op may be computed by others, which are then a part of it
        self._seen: dict[int, Call] = {}

    def before_forward(self, op: Op, values: list[Any], static: dict[str, Any]) -> None:
        self._inside += 1

    def after_forward(self, op: Op, values: list[Any], static: dict[str, Any], out: Any) -> None:
        self._inside -= 1
        if self._inside:
            return
        output = np.shape(out[0] if isinstance(out, tuple) else out)
        names = op.inputs if not op.variadic else [str(i) for i in range(len(values))]
        shapes = {
            name: value.shape
            for name, value in zip(names, values, strict=True)
            if isinstance(value, np.ndarray)
        }
        work = flops(op, shapes, output, static)
        if work is None:
            self.unknown[op.name] = None
        self.total += work or 0
        call = STATE.get().scope
        while isinstance(call, Call):
            self._add(call, output, work or 0)
            call = call.enclosing

    def _add(self, call: Call, output: tuple[int, ...], work: int) -> None:
        row = self.rows.get(id(call.module))
        if row is None:  # a module that the model calls without owning it
            return
        if id(call) not in self._seen:
            self._seen[id(call)] = call  # kept alive, so that no other call gets its id()
            row.calls += 1
        row.output = output
        row.flops += work


def _row(path: str, module: Module) -> Row:
    return Row(
        path=path,
        name=path.rpartition(".")[2],
        module=type(module).__name__,
        depth=len(path.split(".")) if path else 0,
        parameters=sum(p.size for p in module.parameters()),
    )


def _title(row: Row) -> str:
    words = [one_line(row.name)] if row.name else []
    words += [row.module] + ([f"x {row.calls}"] if row.calls > 1 else [])
    return "  ".join(words)


def _inputs(x: Any) -> list[Any]:
    if isinstance(x, Tensor | np.ndarray):
        return [x if isinstance(x, Tensor) else Tensor(x)]
    if isinstance(x, tuple | list) and x and all(isinstance(n, int) for n in x):
        return [Tensor(np.zeros(tuple(x), default_dtype()))]
    if isinstance(x, tuple | list) and x and all(isinstance(a, Tensor | np.ndarray) for a in x):
        return [a if isinstance(a, Tensor) else Tensor(a) for a in x]
    raise ConfigError(
        "summary: takes an input (a Tensor or array), a tuple of them, or a shape such as "
        f"(1, 3, 32, 32); got {type(x).__name__}"
    )
