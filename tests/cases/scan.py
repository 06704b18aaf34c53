"""Running sums, products and extrema, and differences."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.cases.table import case
from tests.oracle import Draw, Sample, torch


def along(values: str = "real") -> Any:
    def draw(d: Draw) -> Sample:
        shape = d.shape(1, 3)
        return [getattr(d, values)(*shape)], {"axis": d.axis(len(shape))}

    return draw


def from_an_initial(d: Draw) -> Sample:
    xs, options = along()(d)
    return xs, {**options, "include_initial": d.flag()}


def with_zeros(d: Draw) -> Sample:
    """None, one or several zeros in a row."""
    (x,), options = along()(d)
    return [d.laid_out(np.where(d.rng.random(x.shape) < 0.2 * d.int(0, 3), 0.0, x))], options


def torch_cumulative(name: str, initial: float) -> Any:
    def f(x: Any, axis: int, include_initial: bool) -> Any:
        y = getattr(torch, name)(x, axis)
        first = torch.full_like(y.sum(axis, keepdim=True), initial)
        return torch.concat([first, y], axis) if include_initial else y

    return f


def coefficients(d: Draw) -> Sample:
    a, b = d.broadcastable(2)
    n = d.int(0, 4)
    return [d.real(*a, n), d.real(*b, n)], {}


def torch_recurrence(a: Any, b: Any) -> Any:
    a, b = torch.broadcast_tensors(a, b)
    ys: list[Any] = []
    for i in range(a.shape[-1]):
        ys.append(a[..., i] * ys[-1] + b[..., i] if ys else b[..., i])
    return torch.stack(ys, -1) if ys else a * b


def differences(d: Draw) -> Sample:
    shape = d.shape(1, 3, empty=False)
    return [d.real(*shape)], {"axis": d.axis(len(shape)), "n": d.int(0, 3)}


def torch_diff(x: Any, axis: int, n: int) -> Any:
    return torch.diff(x, n, axis) if n else x * 1


CASES = [
    case("cumulative_sum", from_an_initial, None, torch_cumulative("cumsum", 0.0)),
    case("cumulative_prod", from_an_initial, None, torch_cumulative("cumprod", 1.0)),
    case("cumprod of zeros", with_zeros, None, lambda x, axis: torch.cumprod(x, axis)),
    case("cumulative_max", along("distinct"), None, lambda x, axis: torch.cummax(x, axis)[0]),
    case("cumulative_min", along("distinct"), None, lambda x, axis: torch.cummin(x, axis)[0]),
    case("logcumsumexp", along(), None, lambda x, axis: torch.logcumsumexp(x, axis)),
    case("recurrence", coefficients, None, torch_recurrence),
    case("diff", differences, None, torch_diff),
]
