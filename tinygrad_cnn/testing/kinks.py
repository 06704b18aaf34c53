"""Branch witnesses: which side of its kinks each non-smooth op took.

A difference quotient means nothing where the function takes another branch on the way. While a
function is tested, an observer reads from every non-smooth op which branch each element took: the
sign of what a ReLU saw, the positions of the maxima, the outcome of a comparison. Where two points
of a stencil disagree, a kink lies between them.

Signs are -1, 0 or 1, so that a point exactly on a kink differs from both of its sides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_cnn.core.modes import Observer
from tinygrad_cnn.core.op import REGISTRY, Op

Branch = Callable[[list[Any], dict[str, Any], Any], Any]
"""(inputs, static keywords, output) of an op -> an array that changes where the branch changes."""


def _sign(i: int) -> Branch:
    def read(values: list[Any], _static: dict[str, Any], _y: Any) -> Any:
        x = np.asarray(values[i])
        return np.equal(x, 0) if x.dtype.kind == "c" else np.sign(x)  # z / |z| is smooth

    return read


def _difference(values: list[Any], _static: dict[str, Any], _y: Any) -> Any:
    return np.sign(np.subtract(*values))


def _output(_values: list[Any], _static: dict[str, Any], y: Any) -> Any:
    return y


def _static(*names: str) -> Branch:
    """Indices and masks that were computed outside, perhaps from the values of an input."""

    def read(_values: list[Any], static: dict[str, Any], _y: Any) -> Any:
        parts = [static[name] for name in names]
        flat = [p for part in parts for p in (part if isinstance(part, tuple) else (part,))]
        return [p for p in flat if isinstance(p, np.ndarray)]

    return read


def _limits(values: list[Any], _static: dict[str, Any], _y: Any) -> Any:
    x, *limits = values
    return [np.sign(np.subtract(x, limit)) for limit in limits if limit is not None]


def _ends(values: list[Any], static: dict[str, Any], _y: Any) -> Any:
    return [np.sign(values[0] - static["min_val"]), np.sign(values[0] - static["max_val"])]


def _attained(extremum: Any) -> Branch:
    """Which elements are the extremum."""

    def read(values: list[Any], static: dict[str, Any], _y: Any) -> Any:
        return values[0] == extremum(values[0], axis=static["axis"], keepdims=True)

    return read


def _cut(values: list[Any], _static: dict[str, Any], _y: Any) -> Any:
    """atan2 jumps across the negative half of the axis x2."""
    return np.where(np.less(values[1], 0), np.sign(values[0]), 2)


_BY_NAME: dict[str, Branch] = {
    **dict.fromkeys(("relu", "leaky_relu", "elu", "abs", "sign"), _sign(0)),
    **dict.fromkeys(("maximum", "minimum", "nextafter"), _difference),
    **dict.fromkeys(("floor", "ceil", "trunc", "round", "floor_divide"), _output),
    **dict.fromkeys(("less", "less_equal", "greater", "greater_equal"), _output),
    **dict.fromkeys(("equal", "not_equal", "isfinite", "isinf", "isnan", "signbit"), _output),
    **dict.fromkeys(("logical_and", "logical_or", "logical_xor", "logical_not"), _output),
    **dict.fromkeys(("argmax", "argmin", "argsort", "searchsorted", "count_nonzero"), _output),
    **dict.fromkeys(("any", "all", "matrix_rank", "_positions", "_places"), _output),
    **dict.fromkeys(("getitem", "setitem", "scatter_add"), _static("index")),
    **dict.fromkeys(("window_gather", "window_scatter"), _static("argmax")),
    "_reorder": _static("order"),
    "leaky_relu_grad": _sign(1),
    "hardtanh": _ends,
    "clip": _limits,
    "clipped_log": lambda _values, _static, y: y > -100,
    "copysign": lambda values, _static, _y: [np.sign(values[0]), np.signbit(values[1])],
    "remainder": lambda values, _static, _y: np.floor_divide(*values),
    "where": lambda values, _static, _y: values[0],
    "max": _attained(np.max),
    "min": _attained(np.min),
    "max_pool": lambda _values, _static, y: y[1],
    "euclidean_norm": lambda _values, _static, y: np.equal(y, 0),
    "hypot": lambda _values, _static, y: np.equal(y, 0),
    "atan2": _cut,
}

BRANCHES: dict[Op, Branch] = {REGISTRY[name]: read for name, read in _BY_NAME.items()}
"""For each op that is not smooth everywhere: how to read the branch that it took.

An op of your own joins by an entry, e.g. `BRANCHES[my_relu] = lambda values, static, y: y > 0`.
Without one its kinks are found by the slopes on both sides, which takes more evaluations.
"""


class Witness(Observer):
    """Collects the branches of the ops that run while it observes."""

    def __init__(self) -> None:
        self.branches: list[Any] = []

    def after_forward(self, op: Op, values: list[Any], static: dict[str, Any], out: Any) -> None:
        """Note the branch of an op that has one."""
        read = BRANCHES.get(op)
        if read is not None:
            branch = read(values, static, out)
            parts = branch if isinstance(branch, list | tuple) else [branch]
            self.branches += [op.name, *(np.asarray(part).tobytes() for part in parts)]
