"""Sorting and what follows from it, of elements that differ."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.cases.table import case
from tests.oracle import Draw, Sample, torch
from tinygrad_cnn import ops
from tinygrad_cnn.ops.axes import normalize_axes


def along(d: Draw) -> Sample:
    shape = d.shape(1, 3)
    return [d.distinct(*shape)], {"axis": d.axis(len(shape)), "descending": d.flag()}


def rearranged(d: Draw) -> Sample:
    shape = d.shape(1, 3)
    axis = d.axis(len(shape))
    order = np.argsort(d.rng.random(shape), axis=axis)
    return [d.real(*shape)], {"order": order, "axis": axis}


def best(d: Draw) -> Sample:
    shape = d.shape(1, 3)
    axis = d.axis(len(shape))
    return [d.distinct(*shape)], {"k": d.int(0, shape[axis]), "axis": axis, "largest": d.flag()}


def middle(d: Draw) -> Sample:
    shape = d.shape(0, 3, empty=False)
    return [d.distinct(*shape)], {"axis": d.axes(len(shape)), "keepdims": d.flag()}


def fractions(d: Draw) -> Sample:
    xs, options = middle(d)
    return xs, {"q": d.of(0.0, 1.0, 0.3, 0.5, [0.1, 0.9], [[0.2], [0.7]]), **options}


def torch_quantile(x: Any, q: Any, axis: Any, keepdims: bool) -> Any:
    axes = normalize_axes(axis, x.ndim, "")
    rest = [i for i in range(x.ndim) if i not in axes]
    n = int(np.prod([x.shape[i] for i in axes]))
    flat = x.permute((*rest, *axes)).reshape((*(x.shape[i] for i in rest), n))
    q = np.asarray(q)
    y = torch.quantile(flat, torch.tensor(q.reshape(-1)), -1)
    shape = [1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes]
    return y.reshape((*q.shape, *shape))


CASES = [
    case(
        "_reorder",
        rearranged,
        None,
        lambda x, order, axis: torch.gather(x, axis, torch.as_tensor(order)),
    ),
    case("sort", along, None, lambda x, axis, descending: torch.sort(x, axis, descending)[0]),
    case(
        "topk",
        best,
        lambda x, k, axis, largest: ops.topk(x, k, axis=axis, largest=largest).values,
        lambda x, k, axis, largest: torch.topk(x, k, axis, largest)[0],
    ),
    case("median", middle, None, lambda x, axis, keepdims: torch_quantile(x, 0.5, axis, keepdims)),
    case("quantile", fractions, lambda x, **k: ops.quantile(x, k.pop("q"), **k), torch_quantile),
]
