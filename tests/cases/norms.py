"""Norms of every order, away from their kinks."""

from __future__ import annotations

import math
from typing import Any

from tests.cases.matrices import spectral
from tests.cases.table import case
from tests.oracle import Draw, Sample, torch
from tinygrad_cnn import linalg, ops
from tinygrad_cnn.ops.axes import normalize_axes

ORDERS = (2, 1, 3, 4, 6, 0.5, 1.5, 2.5, -1, -2, -0.5, 0, math.inf, -math.inf)


def vectors(d: Draw) -> Sample:
    shape = d.shape(0, 3, empty=False)
    return [d.distinct(*shape)], {
        "axis": d.axes(len(shape)),
        "keepdims": d.flag(),
        "ord": d.of(*ORDERS),
    }


def euclidean(d: Draw) -> Sample:
    (x,), k = vectors(d)
    return [x], {"axis": normalize_axes(k["axis"], x.ndim, ""), "keepdims": k["keepdims"]}


def torch_vector_norm(x: Any, axis: Any, keepdims: bool, ord: float) -> Any:
    if axis == ():  # PyTorch means all of them
        return torch.linalg.vector_norm(x[None], ord, 0)
    return torch.linalg.vector_norm(x, ord, axis, keepdims)


def matrices(d: Draw) -> Sample:
    order = d.of("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)
    x = spectral(d, d.int(1, 4), d.int(1, 4), *d.of((), (2,)))
    return [x], {"ord": order, "keepdims": d.flag()}


def numpys(d: Draw) -> Sample:
    """Two axes of three, or one, or all of them."""
    axis, order = d.of((None, None), (1, 3), ((0, 2), "fro"), ((-1, 0), 1), ((1, 2), None))
    return [d.distinct(2, 3, 2)], {"ord": order, "axis": axis, "keepdims": d.flag()}


CASES = [
    case(
        "euclidean_norm",
        euclidean,
        None,
        lambda x, axis, keepdims: torch_vector_norm(x, axis, keepdims, 2),
    ),
    case("vector_norm", vectors, linalg.vector_norm, torch_vector_norm),
    case(
        "matrix_norm",
        matrices,
        linalg.matrix_norm,
        lambda x, ord, keepdims: torch.linalg.matrix_norm(x, ord, keepdim=keepdims),
    ),
    case(
        "norm",
        numpys,
        ops.norm,
        lambda x, ord, axis, keepdims: torch.linalg.norm(x, ord, axis, keepdims),
    ),
]
