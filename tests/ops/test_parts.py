"""Cutting, repeating and rolling: edges, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_cnn import Tensor, errors, linalg, ops

X = np.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize("shift", [0, 1, -1, 7, -9, (1, -2), (3,)])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (2, -2), (1,)])
def test_a_roll_is_numpys_or_refused(shift: Any, axis: Any) -> None:
    many = (np.size(shift), np.size(axis)) if axis is not None else (1, 1)
    if many[0] not in (1, many[1]):
        with pytest.raises(errors.ShapeError, match="one shift for each axis"):
            ops.roll(X, shift, axis=axis)
        return
    assert ops.roll(X, shift, axis=axis).tolist() == np.roll(X, shift, axis).tolist()
    t = Tensor(X, requires_grad=True)
    y = ops.roll(t, shift, axis=axis)
    y.backward(y.data)  # the gradient rolls back
    assert t.grad.data.tolist() == X.tolist()


@pytest.mark.parametrize("axis", [None, 0, -1, (0, -1), (-3, 1, 2), ()])
def test_a_flip_is_numpys(axis: Any) -> None:
    assert ops.flip(X, axis=axis).tolist() == np.flip(X, axis).tolist()


def test_an_axis_that_is_not_there_or_named_twice_is_refused() -> None:
    for call in (ops.flip, lambda x, axis: ops.roll(x, 1, axis=axis)):
        with pytest.raises(errors.AxisError, match="-3 to 2, got axis=3"):
            call(X, axis=3)
        with pytest.raises(errors.AxisError, match="once"):
            call(X, axis=(0, -3))


@pytest.mark.parametrize("repeats", [0, 2, np.array(2), np.array([2]), np.array([0, 1, 3])])
def test_a_repetition_is_numpys(repeats: Any) -> None:
    assert ops.repeat(X, repeats, axis=1).tolist() == np.repeat(X, repeats, 1).tolist()
    assert ops.repeat(X, 2).tolist() == np.repeat(X, 2).tolist()
    assert ops.repeat(Tensor(X), Tensor(np.array([1, 2])), axis=0).shape == (3, 3, 4)


@pytest.mark.parametrize(
    "repeats", [-1, np.array([1, 2]), np.array([1.5, 2, 3]), np.ones((3, 3), int)]
)
def test_a_repetition_wants_one_count_or_one_for_each_element(repeats: Any) -> None:
    with pytest.raises(errors.ShapeError, match="integer >= 0, or 3 of them"):
        ops.repeat(X, repeats, axis=1)


@pytest.mark.parametrize("times", [(), (2,), (2, 1, 3), (2, 1, 1, 2), (0, 1)])
def test_a_tiling_is_numpys(times: Any) -> None:
    assert ops.tile(X, times).tolist() == np.tile(X, times).tolist()


def test_the_parts_of_a_split_are_numpys_and_stack_undoes_unstack() -> None:
    for cuts in (2, 4, [1, 3], [0, 2, 2]):
        mine, theirs = ops.split(X, cuts, axis=2), np.split(X, cuts, 2)
        assert [a.tolist() for a in mine] == [a.tolist() for a in theirs]
    assert ops.stack(ops.unstack(X, axis=1), axis=1).tolist() == X.tolist()


def test_a_split_into_unequal_sections_is_refused() -> None:
    with pytest.raises(errors.ShapeError, match="5 equal sections must divide the length 4"):
        ops.split(X, 5, axis=-1)


@pytest.mark.parametrize("indexing", ["xy", "ij"])
def test_a_grid_is_numpys(indexing: Any) -> None:
    vectors = [np.arange(2.0), np.arange(3.0), np.array(7.0)]
    for n in (1, 2, 3):
        mine, theirs = (
            ops.meshgrid(*vectors[:n], indexing=indexing),
            np.meshgrid(*vectors[:n], indexing=indexing),
        )
        assert [a.tolist() for a in mine] == [a.tolist() for a in theirs]


def test_a_grid_wants_vectors_and_a_known_order() -> None:
    with pytest.raises(errors.ShapeError, match="takes vectors"):
        ops.meshgrid(X)
    with pytest.raises(errors.ConfigError, match="indexing"):
        ops.meshgrid(np.ones(2), indexing="yx")


@pytest.mark.parametrize("k", [-4, -1, 0, 1, 4])
def test_triangles_and_diagonals_are_numpys(k: int) -> None:
    assert ops.tril(X, k=k).tolist() == np.tril(X, k).tolist()
    assert ops.triu(X, k=k).tolist() == np.triu(X, k).tolist()
    assert linalg.diagonal(X, offset=k).tolist() == np.diagonal(X, k, 1, 2).tolist()
    assert linalg.trace(X, offset=k).tolist() == np.trace(X, k, 1, 2).tolist()


def test_an_index_along_an_axis_needs_as_many_axes() -> None:
    with pytest.raises(errors.ShapeError, match="as many axes"):
        ops.take_along_axis(X, np.zeros(3, int))


def test_the_elements_that_are_not_zero_are_counted_over_axes() -> None:
    assert ops.count_nonzero(X) == 23
    assert ops.count_nonzero(X, axis=(0, 1)).tolist() == [5, 6, 6, 6]
    assert ops.count_nonzero(X, axis=0, keepdims=True).shape == (1, 3, 4)
