"""Reading and writing at an index, of every form that NumPy knows."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.cases.table import case
from tests.oracle import Draw, F, Sample, torch
from tinygrad_cnn import Tensor, ops

SHAPE = (3, 4, 2)


def index(d: Draw) -> Any:
    """An index into (3, 4, 2): integers, slices, ..., None, masks, arrays with repeated entries."""
    mask = d.mask(3, 4)
    rows, columns = d.rng.integers(-3, 3, (2, 3)), d.rng.integers(-4, 4, (2, 1))
    return d.of(
        1,
        -1,
        np.int64(2),
        slice(None),
        slice(None, None, 2),
        slice(-1, 0, -1),
        slice(2, 2),
        ...,
        None,
        (),
        True,
        (0, ..., None, -1),
        (slice(None), 1, slice(1, None)),
        (..., slice(None, None, -1)),
        mask,
        mask[:, 0],
        (slice(None), mask[0]),
        (mask, 0),
        rows,
        [0, 0, -3],
        [[0, 1], [2, 2]],
        [True, False, True],
        (rows, columns),
        (rows, slice(None), 0),
        (rows, None, columns, slice(None)),
        ([0, 0], [1, 1]),
        ((0, 0, 1), slice(None)),
        (0, [1, 1]),
        (np.array(1), columns),
        range(2),
        np.zeros((0,), np.intp),
    )


def read(d: Draw) -> Sample:
    return [d.real(*SHAPE)], {"index": index(d)}


def write(d: Draw) -> Sample:
    """A value of the shape that is written to, or one that broadcasts to it."""
    i = index(d)
    shape = np.zeros(SHAPE)[ops.plain_index(i)].shape
    shape = d.of(shape, shape[1:], shape[-1:] and (1,), (), (1, 1, *shape))
    return [d.real(*SHAPE), d.real(*shape)], {"index": i}


def taken(d: Draw) -> Sample:
    shape = d.shape(1, 3, empty=False)
    axis = d.axis(len(shape))
    indices = d.rng.integers(-shape[axis], shape[axis], d.shape(0, 2))
    return [d.real(*shape)], {"indices": indices, "axis": axis}


def taken_along(d: Draw) -> Sample:
    """x and indices of equal shape off the axis, or 1 in either."""
    shape = d.shape(1, 3, empty=False)
    axis = d.axis(len(shape))
    off = [a for a in range(len(shape)) if a != axis % len(shape)]
    of_x, of_indices = list(shape), list(shape)
    of_indices[axis] = d.int(0, 4)
    for a in off:
        thin = d.of(None, None, of_x, of_indices)
        if thin is not None:
            thin[a] = 1
    indices = d.rng.integers(-shape[axis], shape[axis], of_indices)
    return [d.real(*of_x)], {"indices": indices, "axis": axis}


def rows(d: Draw) -> Sample:
    table = (d.int(1, 4), d.int(1, 3))
    return [d.rng.integers(0, table[0], d.shape(0, 2, empty=False)), d.real(*table)], {}


def added(d: Draw) -> Sample:
    i = ops.plain_index(index(d))
    return [d.real(*np.zeros(SHAPE)[i].shape)], {"index": i, "shape": SHAPE}


def by_position(x: Any, index: Any) -> Any:
    """x[index] for PyTorch, which knows no negative steps and no lists of lists."""
    at = np.arange(int(np.prod(x.shape))).reshape(tuple(x.shape))[numpy_index(index)]
    return x.reshape(-1)[torch.tensor(at.copy())]


def numpy_index(index: Any) -> Any:
    """NumPy takes a tuple or a range within an index for an array, and so do we."""
    if isinstance(index, tuple):
        return tuple(np.array(i) if isinstance(i, tuple | range) else i for i in index)
    return np.array(index) if isinstance(index, range) else index


def torch_setitem(x: Any, value: Any, index: Any) -> Any:
    """Each element from the last entry that names it, else from x."""
    index = numpy_index(index)
    at = np.arange(int(np.prod(x.shape))).reshape(tuple(x.shape))[index]
    source = np.full(tuple(x.shape), -1)
    source[index] = np.arange(at.size).reshape(at.shape)
    while value.ndim > at.ndim:
        value = value[0]
    written = torch.broadcast_to(value, at.shape).reshape(-1)
    everything = torch.concat([written, x.reshape(-1)])
    old = at.size + np.arange(source.size).reshape(source.shape)
    return everything[torch.tensor(np.where(source < 0, old, source))]


def setitem(x: Any, value: Any, index: Any) -> Any:
    """x[index] = value, on a Tensor that stands for the old value first."""
    if isinstance(value, Tensor) and not isinstance(x, Tensor):
        x = Tensor(x)
    y = ops.copy(x) if isinstance(x, Tensor) else x.copy()
    y[index if isinstance(y, Tensor) else numpy_index(index)] = value
    return y


def torch_scatter_add(g: Any, index: Any, shape: Any) -> Any:
    at = np.arange(int(np.prod(shape))).reshape(shape)[index]
    flat = torch.zeros(int(np.prod(shape)), dtype=g.dtype)
    return flat.index_add(0, torch.tensor(at.reshape(-1)), g.reshape(-1)).reshape(shape)


def torch_take_along(x: Any, indices: Any, axis: int) -> Any:
    indices = np.where(indices < 0, indices + x.shape[axis], indices)
    return torch.take_along_dim(x, torch.tensor(indices), axis)


CASES = [
    case(
        "getitem",
        read,
        lambda x, index: x[index if isinstance(x, Tensor) else numpy_index(index)],
        by_position,
    ),
    case("setitem", write, setitem, torch_setitem),
    case("scatter_add", added, None, torch_scatter_add),
    case(
        "take",
        taken,
        lambda x, indices, axis: ops.take(x, indices, axis=axis),
        lambda x, indices, axis: by_position(x, (*[slice(None)] * (axis % x.ndim), indices)),
    ),
    case(
        "take_along_axis",
        taken_along,
        lambda x, indices, axis: ops.take_along_axis(x, indices, axis=axis),
        torch_take_along,
    ),
    case("embedding", rows, None, lambda i, table: F.embedding(i, table)),
]
