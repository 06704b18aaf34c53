"""The same numbers in another arrangement."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.cases.table import case
from tests.oracle import Draw, F, Sample, torch
from tinygrad_cnn import ops


def factorised(d: Draw) -> Sample:
    """A shape of the same size; perhaps with a -1 in it."""
    shape = d.shape()
    new = [*shape[::-1], 1] if d.flag() else [int(np.prod(shape))]
    if d.flag() and new and 0 not in new:
        new[d.int(0, len(new) - 1)] = -1
    return [d.real(*shape)], {"shape": tuple(new)}


def permuted(d: Draw) -> Sample:
    shape = d.shape()
    order = [int(a) - (len(shape) if d.flag() else 0) for a in d.rng.permutation(len(shape))]
    return [d.real(*shape)], {"axes": tuple(order)}


def moved(d: Draw) -> Sample:
    shape = d.shape(1, 3)
    k = d.int(1, len(shape))
    pick = [tuple(int(a) for a in d.rng.permutation(len(shape))[:k]) for _ in range(2)]
    return [d.real(*shape)], {"source": pick[0], "destination": pick[1]}


def new_axes(d: Draw) -> Sample:
    shape = d.shape()
    return [d.real(*shape)], {"axis": d.of(0, -1, len(shape), (0, -1), (0, 1))}


def ones(d: Draw) -> Sample:
    shape = (1, *d.shape(0, 2), 1)
    return [d.real(*shape)], {"axis": d.of(0, -1, (0, -1), (len(shape) - 1,))}


def stretched(d: Draw) -> Sample:
    small, *_ = shapes = d.broadcastable(3)
    return [d.real(*small)], {"shape": np.broadcast_shapes(*shapes)}


def shrunk(d: Draw) -> Sample:
    small, *_ = shapes = d.broadcastable(3)
    return [d.real(*np.broadcast_shapes(*shapes))], {"shape": small}


def in_a_row(d: Draw) -> Sample:
    """Arrays that differ in the length of one axis."""
    shape = list(d.shape(1, 3))
    axis = d.axis(len(shape))
    xs = []
    for _ in range(d.int(1, 4)):
        shape[axis] = d.int(0, 3)
        xs.append(d.real(*shape))
    return xs, {"axis": axis}


def alike(d: Draw) -> Sample:
    shape = d.shape()
    return [d.real(*shape) for _ in range(d.int(1, 3))], {"axis": d.axis(len(shape) + 1)}


def framed(d: Draw) -> Sample:
    shape = d.shape(1, 3)
    width = tuple(d.ints(2, 0, 2) for _ in shape)
    return [d.real(*shape)], {"pad_width": width, "value": d.of(0.0, 1.5)}


def rolled(d: Draw) -> Sample:
    shape = d.shape(1, 3)
    axis = d.of(None, 0, -1, (0, -1)) if len(shape) > 1 else d.of(None, 0, -1)
    shift = d.ints(2, -5, 5) if isinstance(axis, tuple) else d.int(-5, 5)
    return [d.real(*shape)], {"shift": shift, "axis": axis}


def some_axes(d: Draw) -> Sample:
    shape = d.shape()
    return [d.real(*shape)], {"axis": d.axes(len(shape))}


def torch_expand_dims(x: Any, axis: Any) -> Any:
    return x.reshape(np.expand_dims(np.zeros(x.shape), axis).shape)


def torch_flip(x: Any, axis: Any) -> Any:
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return torch.flip(x, tuple(axes))


def torch_pad(x: Any, pad_width: Any, value: float) -> Any:
    return F.pad(x, tuple(n for pair in reversed(pad_width) for n in pair), value=value)


def torch_sum_to(x: Any, shape: Any) -> Any:
    return x.sum_to_size(shape) if shape else x.sum()


CASES = [
    case("reshape", factorised),
    case("permute_dims", permuted, None, lambda x, axes: x.permute(axes)),
    case("matrix_transpose", lambda d: ([d.real(*d.shape(2, 3))], {}), None, lambda x: x.mT),
    case(
        "moveaxis",
        moved,
        lambda x, source, destination: ops.moveaxis(x, source, destination),
        lambda x, source, destination: torch.movedim(x, source, destination),
    ),
    case("expand_dims", new_axes, None, torch_expand_dims),
    case("squeeze", ones, None, lambda x, axis: x.squeeze(axis)),
    case(
        "flatten",
        lambda d: ([d.real(*d.shape(1, 3))], {"start_axis": d.of(0, -1)}),
        None,
        lambda x, start_axis: torch.flatten(x, start_axis),
    ),
    case("broadcast_to", stretched, None, lambda x, shape: x.broadcast_to(shape)),
    case(
        "broadcast_arrays",
        lambda d: ([d.real(*s) for s in d.broadcastable(2)], {}),
        lambda a, b: ops.broadcast_arrays(a, b)[0] * ops.broadcast_arrays(a, b)[1],
        lambda a, b: a * b,
    ),
    case("sum_to", shrunk, None, torch_sum_to),
    case("_concat", in_a_row, None, lambda *xs, axis: torch.concat(xs, axis)),
    case(
        "concat",
        in_a_row,
        lambda *xs, axis: ops.concat(xs, axis=axis),
        lambda *xs, axis: torch.concat(xs, axis),
    ),
    case(
        "stack",
        alike,
        lambda *xs, axis: ops.stack(xs, axis=axis),
        lambda *xs, axis: torch.stack(xs, axis),
    ),
    case("pad", framed, None, torch_pad),
    case("flip", some_axes, None, torch_flip),
    case("roll", rolled, None, lambda x, shift, axis: torch.roll(x, shift, axis)),
]
