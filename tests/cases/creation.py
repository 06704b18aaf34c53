"""New Tensors made of others, and the values of a set."""

from __future__ import annotations

from typing import Any

from tests.cases.table import case
from tests.oracle import Draw, Sample, torch
from tinygrad_cnn import Tensor, ops


def number_and_shape(d: Draw) -> Sample:
    return [d.real()], {"shape": d.shape()}


def filled(x: Any, shape: Any) -> Any:
    return ops.full(shape, x) if isinstance(x, Tensor) else ops.full(shape, x).data


def pieces_and_number(d: Draw) -> Sample:
    return [d.real(*d.shape()), d.real()], {}


def filled_like(x: Any, number: Any) -> Any:
    y = ops.full_like(x, number)
    return y if isinstance(x, Tensor) or isinstance(number, Tensor) else y.data


def pieces(d: Draw) -> Sample:
    shape = d.shape(0, 2)
    return [d.real(*shape), d.real(*shape)], {}


def nested(a: Any, b: Any) -> Any:
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        a, b = Tensor(a), Tensor(b)
        return ops.asarray([[a, b], [b, a]]).data
    return ops.asarray([[a, b], [b, a]])


def all_different(d: Draw) -> Sample:
    """Values all of which differ, as a set of them must to have a derivative."""
    return [d.distinct(*d.shape())], {}


def in_order(x: Any) -> Any:
    return torch.sort(x.flatten()).values


def values_of(name: str) -> Any:
    return lambda x: getattr(ops, name)(x).values


CASES = [
    case("full", number_and_shape, filled, lambda x, shape: x.expand(shape).clone()),
    case("asarray", pieces, nested, lambda a, b: torch.stack([a, b, b, a]).reshape(2, 2, *a.shape)),
    case("full_like", pieces_and_number, filled_like, lambda x, v: v.expand(x.shape) + 0 * x),
    case("unique_values", all_different, None, in_order),
    case("unique_all", all_different, values_of("unique_all"), in_order),
    case("unique_counts", all_different, values_of("unique_counts"), in_order),
    case("unique_inverse", all_different, values_of("unique_inverse"), in_order),
]
