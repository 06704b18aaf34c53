"""Reductions and running sums, over every kind of `axis`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.table import case
from tests.oracle import Draw, Sample, torch
from tinygrad_cnn.ops.axes import normalize_axes


def over_axes(values: str = "real", empty: bool = True) -> Callable[[Draw], Sample]:
    def draw(d: Draw) -> Sample:
        shape = d.shape(empty=empty)
        x = getattr(d, values)(*shape)
        return [x], {"axis": d.axes(len(shape)), "keepdims": d.flag()}

    return draw


def with_zeros(d: Draw) -> Sample:
    """A product with none, one or several zeros in what it takes together."""
    (x,), options = over_axes()(d)
    return [d.laid_out(np.where(d.rng.random(x.shape) < 0.2 * d.int(0, 3), 0.0, x))], options


def spread(d: Draw) -> Sample:
    """At least three elements in every variance."""
    shape = (*d.shape(0, 1, empty=False), 3, 4)
    axis = d.of(None, -1, -2, (-2, -1), len(shape) - 1)
    return [d.real(*shape)], {"axis": axis, "keepdims": d.flag(), "correction": d.of(0, 1, 0.5)}


def by_axes(reduce: Callable[..., Any]) -> Callable[..., Any]:
    """PyTorch's reduction, with NumPy's meaning of `axis`: () is no axis, None is all of them."""

    def f(x: Any, axis: Any, keepdims: bool, **options: Any) -> Any:
        axes = normalize_axes(axis, x.ndim, "")
        return reduce(x, axes, keepdims, **options) if axes else reduce(x[None], (0,), False)

    return f


def torch_prod(x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    for axis in sorted(axes, reverse=True):
        x = torch.prod(x, axis, keepdim=keepdims)
    return x


def torch_var(name: str) -> Callable[..., Any]:
    return by_axes(
        lambda x, axes, keepdims, correction: getattr(torch, name)(
            x, axes, correction=correction, keepdim=keepdims
        )
    )


def plainly(name: str) -> Callable[..., Any]:
    return by_axes(lambda x, axes, keepdims: getattr(torch, name)(x, axes, keepdim=keepdims))


CASES = [
    case("sum", over_axes(), None, plainly("sum")),
    case(
        "channel_sum",
        lambda d: ([d.real(*d.of((2, 3), (3, 1, 2), (2, 3, 2, 2)))], {}),
        None,
        lambda x: torch.sum(x.movedim(1, 0).reshape(x.shape[1], -1), 1),
    ),
    case("mean", over_axes(empty=False), None, plainly("mean")),
    case("var", spread, None, torch_var("var")),
    case("std", spread, None, torch_var("std")),
    case("max", over_axes("distinct", empty=False), None, plainly("amax")),
    case("min", over_axes("distinct", empty=False), None, plainly("amin")),
    case("prod", over_axes(), None, by_axes(torch_prod)),
    case("prod of zeros", with_zeros, None, by_axes(torch_prod)),
    case("logsumexp", over_axes(empty=False), None, plainly("logsumexp")),
    case(
        "cumsum",
        lambda d: (lambda x: ([x], {"axis": d.axis(x.ndim)}))(d.real(*d.shape(1, 3))),
        None,
        lambda x, axis: torch.cumsum(x, axis),
    ),
]
