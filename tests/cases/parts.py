"""Parts of arrays and repetitions of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.cases.table import case
from tests.oracle import Draw, Sample, torch
from tinygrad_cnn import linalg, ops


def triangle(d: Draw) -> Sample:
    return [d.real(*d.shape(2, 4))], {"k": d.int(-3, 3)}


def offset(d: Draw) -> Sample:
    shape = d.shape(2, 4, empty=False)
    return [d.real(*shape)], {"offset": d.int(-shape[-2], shape[-1])}


def on_a_diagonal(d: Draw) -> Sample:
    M, N, k = d.int(1, 4), d.int(1, 4), d.int(-2, 2)
    shape = (*d.shape(0, 1), M, N)
    return [d.real(*np.diagonal(np.zeros(shape), k, -2, -1).shape)], {"offset": k, "shape": shape}


def torch_diagonal_matrix(g: Any, offset: int, shape: Any) -> Any:
    y = torch.zeros(shape, dtype=g.dtype)
    return torch.diagonal_scatter(y, g, offset, -2, -1)


def repeated(d: Draw) -> Sample:
    shape = d.shape(0, 3)
    axis = d.axis(len(shape)) if shape and d.flag() else None
    n = int(np.prod(shape)) if axis is None else shape[axis]
    return [d.real(*shape)], {"repeats": d.of(0, 1, 3, d.rng.integers(0, 3, n)), "axis": axis}


def torch_repeat(x: Any, repeats: Any, axis: Any) -> Any:
    many = repeats if isinstance(repeats, int) else torch.tensor(repeats)
    return torch.repeat_interleave(x, many, axis)


def runs(d: Draw) -> Sample:
    counts = d.of(np.array([2, 2, 2]), np.array([9, 9]), np.array([0, 1, 3, 0]), np.zeros(2, int))
    shape = [*d.shape(0, 2, empty=False)]
    axis = d.int(0, len(shape))
    shape.insert(axis, int(counts.sum()))
    return [d.real(*shape)], {"counts": counts, "axis": axis}


def torch_sum_runs(g: Any, counts: Any, axis: int) -> Any:
    run = torch.tensor(np.repeat(np.arange(len(counts)), counts))
    shape = (*g.shape[:axis], len(counts), *g.shape[axis + 1 :])
    return torch.zeros(shape, dtype=g.dtype).index_add(axis, run, g)


def tiled(d: Draw) -> Sample:
    return [d.real(*d.shape())], {"repetitions": d.ints(d.int(0, 4), 0, 3)}


def cut(d: Draw) -> Sample:
    shape = [*d.shape(0, 2, empty=False)]
    axis = d.int(0, len(shape))
    shape.insert(axis, 6)
    return [d.real(*shape)], {"cuts": d.of(1, 2, 3, 6, [], [1], [2, 2, 5], [0, 6]), "axis": axis}


def grid(d: Draw) -> Sample:
    vectors = [d.real(d.int(0, 3)) for _ in range(d.int(1, 3))]
    return vectors, {"indexing": d.of("xy", "ij"), "part": d.int(0, len(vectors) - 1)}


CASES = [
    case("tril", triangle, None, lambda x, k: torch.tril(x, k)),
    case("triu", triangle, None, lambda x, k: torch.triu(x, k)),
    case("diagonal", offset, linalg.diagonal, lambda x, offset: torch.diagonal(x, offset, -2, -1)),
    case("diagonal_matrix", on_a_diagonal, None, torch_diagonal_matrix),
    case(
        "repeat",
        repeated,
        lambda x, repeats, axis: ops.repeat(x, repeats, axis=axis),
        torch_repeat,
    ),
    case("sum_runs", runs, None, torch_sum_runs),
    case(
        "tile",
        tiled,
        lambda x, repetitions: ops.tile(x, repetitions),
        lambda x, repetitions: torch.tile(x, repetitions),
    ),
    case(
        "split",
        cut,
        lambda x, cuts, axis: ops.concat(
            [(i + 1.0) * y for i, y in enumerate(ops.split(x, cuts, axis=axis))], axis=axis
        ),
        lambda x, cuts, axis: torch.concat(
            [(i + 1.0) * y for i, y in enumerate(torch.tensor_split(x, cuts, axis))], axis
        ),
    ),
    case(
        "unstack",
        lambda d: ([d.real(3, 2, 4)], {"axis": d.int(-3, 2)}),
        lambda x, axis: ops.unstack(x, axis=axis)[1],
        lambda x, axis: torch.unbind(x, axis)[1],
    ),
    case(
        "meshgrid",
        grid,
        lambda *xs, part, indexing: ops.meshgrid(*xs, indexing=indexing)[part],
        lambda *xs, part, indexing: torch.meshgrid(*xs, indexing=indexing)[part],
    ),
]
