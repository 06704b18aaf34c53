"""Shape functions: the forms that arguments may have, many pieces, and what does not fit."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor
from tinygrad_cnn.errors import AxisError, ShapeError, TinygradError


def leaf(values: Any) -> Tensor:
    return Tensor(np.array(values, np.float64), requires_grad=True)


X = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    ("f", "numpys"),
    [
        (lambda x: tg.pad(x, 1), lambda a: np.pad(a, 1)),
        (lambda x: tg.pad(x, (1, 2)), lambda a: np.pad(a, (1, 2))),
        (
            lambda x: tg.pad(x, ((1, 2), (0, 1)), value=7.0),
            lambda a: np.pad(a, ((1, 2), (0, 1)), constant_values=7.0),
        ),
        (lambda x: tg.pad(x, ((1,), (2,))), lambda a: np.pad(a, ((1,), (2,)))),
        (lambda x: tg.pad(x, np.array([[1, 0], [0, 1]])), lambda a: np.pad(a, ((1, 0), (0, 1)))),
        (lambda x: tg.roll(x, 1), lambda a: np.roll(a, 1)),
        (lambda x: tg.roll(x, (1, 2)), lambda a: np.roll(a, (1, 2))),
        (lambda x: tg.roll(x, (1, -2), axis=(0, 1)), lambda a: np.roll(a, (1, -2), (0, 1))),
        (lambda x: tg.roll(x, 2, axis=(0, 1)), lambda a: np.roll(a, 2, (0, 1))),
        (lambda x: tg.flip(x), np.flip),
        (lambda x: tg.flip(x, axis=(0, -1)), lambda a: np.flip(a, (0, -1))),
        (lambda x: tg.concat([x, x], axis=None), lambda a: np.concatenate([a, a], axis=None)),
        (lambda x: tg.concat([x, X, [[1, 2, 3]]]), lambda a: np.concatenate([a, X, [[1, 2, 3]]])),
        (lambda x: tg.stack([x, X], axis=-1), lambda a: np.stack([a, X], -1)),
        (lambda x: tg.expand_dims(x, axis=np.int64(1)), lambda a: np.expand_dims(a, 1)),
        (lambda x: tg.expand_dims(x, axis=(0, -1)), lambda a: np.expand_dims(a, (0, -1))),
        (lambda x: tg.reshape(x, 6), np.ravel),
        (lambda x: tg.reshape(x, [3, -1]), lambda a: a.reshape(3, -1)),
        (lambda x: tg.reshape(x, (np.int64(3), 2)), lambda a: a.reshape(3, 2)),
        (lambda x: tg.permute_dims(x, [-1, 0]), np.transpose),
        (lambda x: tg.moveaxis(x, 0, -1), lambda a: np.moveaxis(a, 0, -1)),
        (lambda x: tg.broadcast_to(x, [2, 2, 3]), lambda a: np.broadcast_to(a, (2, 2, 3))),
        (lambda x: tg.flatten(x, start_axis=1), lambda a: a),
    ],
)
def test_an_argument_may_have_every_form_that_numpy_takes_forward_and_backward(
    f: Any, numpys: Any
) -> None:
    x = leaf(X)
    y = f(x)
    assert np.array_equal(y.data, numpys(X))
    g = np.random.default_rng(0).normal(size=y.shape)
    y.backward(g)
    # The map is linear (up to a constant): its transpose, by unit vectors.
    zero = numpys(np.zeros((2, 3)))
    for i in np.ndindex(2, 3):
        unit = np.zeros((2, 3))
        unit[i] = 1.0
        assert x.grad.data[i] == pytest.approx(np.sum(g * (numpys(unit) - zero)))


@pytest.mark.parametrize(
    ("call", "error", "parts"),
    [
        (lambda x: tg.pad(x, ((1, 2), (0, 1), (1, 1))), ShapeError, ["pad_width", "2 axes"]),
        (lambda x: tg.pad(x, -1), TinygradError, ["pad"]),
        (lambda x: tg.roll(x, (1, 2), axis=0), ShapeError, ["one shift for each axis"]),
        (lambda x: tg.roll(x, 1, axis=2), AxisError, ["roll", "axis=2"]),
        (lambda x: tg.flip(x, axis=5), AxisError, ["flip", "axis=5"]),
        (lambda x: tg.concat([]), ShapeError, ["at least one"]),
        (lambda x: tg.concat([x, x[0]]), ShapeError, ["(2, 3)", "(3,)"]),
        (lambda x: tg.concat([x, x], axis=2), AxisError, ["axis=2"]),
        (lambda x: tg.stack([x, x[:1]]), ShapeError, ["one shape"]),
        (lambda x: tg.expand_dims(x, axis=4), AxisError, ["axis=4"]),
        (lambda x: tg.squeeze(x, 0), ShapeError, ["length 2, not 1"]),
        (lambda x: tg.reshape(x, (4,)), ShapeError, ["6 elements", "(4,)"]),
        (lambda x: tg.reshape(x, (-1, 4)), ShapeError, ["6 elements"]),
        (lambda x: tg.reshape(x, (-2, -3)), ShapeError, ["reshape"]),
        (lambda x: tg.permute_dims(x, (0, 0)), AxisError, ["once"]),
        (lambda x: tg.broadcast_to(x, (3, 2)), ShapeError, ["(2, 3)", "(3, 2)"]),
        (lambda x: tg.broadcast_arrays(x, x.T), ShapeError, ["(2, 3)", "(3, 2)"]),
        (lambda x: tg.matrix_transpose(x[0]), ShapeError, ["2 axes"]),
        (lambda x: tg.moveaxis(x, (0, 1), 0), ShapeError, ["as many"]),
        (lambda x: tg.flatten(x, start_axis=2), AxisError, ["axis=2"]),
    ],
)
def test_what_does_not_fit_is_told(call: Any, error: type[Exception], parts: list[str]) -> None:
    with pytest.raises(error) as caught:
        call(leaf(X))
    assert [part for part in parts if part not in str(caught.value)] == []


def _join(n: int) -> float:
    pieces = [leaf([1.0]) for _ in range(n)]
    start = time.process_time()
    tg.sum(tg.concat(pieces)).backward()
    return time.process_time() - start


def test_the_time_to_join_many_pieces_is_linear_in_their_number() -> None:
    short = min(_join(500) for _ in range(3))
    assert min(_join(4000) for _ in range(2)) < 4 * 8 * short
