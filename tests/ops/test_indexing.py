"""Reading and writing at an index: NumPy's values, every gradient in its place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.cases import indexing
from tests.oracle import Seeded
from tinygrad_cnn import Tensor, ops
from tinygrad_cnn.errors import AxisError, DTypeError, IndexingError, ShapeError, TinygradError


def leaf(values: Any) -> Tensor:
    return Tensor(np.array(values, np.float64), requires_grad=True)


X = np.arange(24.0).reshape(indexing.SHAPE)


def every_index() -> list[Any]:
    """Each of the indices that the table draws from."""

    class All(Seeded):
        def of(self, *choices: Any) -> Any:
            return choices

    return list(indexing.index(All(0)))


@pytest.mark.parametrize("index", every_index(), ids=repr)
def test_an_index_reads_what_numpy_reads(index: Any) -> None:
    expected = X[indexing.numpy_index(index)]
    y = leaf(X)[index]
    assert np.array_equal(y.data, expected)
    assert y.shape == expected.shape


@pytest.mark.parametrize("index", every_index(), ids=repr)
def test_the_gradient_of_reading_counts_how_often_each_element_was_read(index: Any) -> None:
    x = leaf(X)
    tg.sum(x[index]).backward()
    positions = np.arange(X.size).reshape(X.shape)[indexing.numpy_index(index)]
    counts = np.bincount(np.ravel(positions), minlength=X.size).reshape(X.shape)
    assert np.array_equal(x.grad.data, counts)


@pytest.mark.parametrize("index", every_index(), ids=repr)
def test_an_index_writes_where_numpy_writes_and_the_last_writer_wins(index: Any) -> None:
    expected = X.copy()
    place = expected[indexing.numpy_index(index)]
    values = -1.0 - np.arange(np.size(place)).reshape(np.shape(place))
    expected[indexing.numpy_index(index)] = values
    x, v = leaf(X), leaf(values)
    y = x * 1.0
    y[index] = v
    assert np.array_equal(y.data, expected)
    y.backward(X)
    kept, written = expected >= 0, np.zeros(np.size(values))
    written[(-1 - expected[~kept]).astype(int)] = X[~kept]  # the value tells its writer
    assert np.array_equal(x.grad.data, np.where(kept, X, 0))
    assert np.array_equal(v.grad.data.reshape(-1), written)


@pytest.mark.parametrize(
    "index",
    [Tensor(1), Tensor([0, 0, 2]), Tensor([True, False, True]), (Tensor([0, 1]), Tensor([1, 1]))],
    ids=repr,
)
def test_a_tensor_of_integers_or_booleans_is_an_index(index: Any) -> None:
    plain = ops.plain_index(index)
    assert np.array_equal(leaf(X)[index].data, X[plain])
    y = leaf(X) * 1.0
    y[index] = 0.0
    assert (y.data[plain] == 0).all()


@pytest.mark.parametrize(
    ("index", "kind"),
    [
        (3, IndexError),
        (-4, IndexError),
        ((0, 0, 0, 0), IndexError),
        ((..., ...), IndexError),
        ([3], IndexError),
        (np.ones(4, bool), IndexError),
        ((np.array([0, 1]), np.array([0, 1, 2])), IndexError),
        (1.5, IndexError),
        ("a", TypeError),
        ([0.5], TypeError),
        (Tensor(0.5), TypeError),
        (slice(0.5, None), TypeError),
        (slice(None, None, 0), ValueError),
    ],
    ids=repr,
)
@pytest.mark.parametrize("writing", [False, True])
def test_an_index_that_is_none_is_refused_by_name(
    index: Any, kind: type[Exception], writing: bool
) -> None:
    x = leaf(X)
    act = (lambda: x.__setitem__(index, 0.0)) if writing else (lambda: x[index])
    with pytest.raises(TinygradError) as caught:
        act()
    assert isinstance(caught.value, kind)
    assert x.is_leaf
    assert np.array_equal(x.data, X)


def test_iterating_ends_where_numpys_does() -> None:
    # Python's own protocol asks for x[0], x[1] ... until IndexError.
    class Rows:
        def __init__(self) -> None:
            self.x = leaf(X)

        def __getitem__(self, i: int) -> Tensor:
            return self.x[i]

    assert len(list(Rows())) == 3


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (np.ones((2, 2)), ShapeError),
        (1j, DTypeError),
        ("a", DTypeError),
        (np.ones((2, 4, 2)), ShapeError),
    ],
)
def test_a_value_that_does_not_fit_is_refused(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        leaf(X)[0] = value


def test_an_integer_tensor_does_not_take_a_fraction() -> None:
    n = Tensor([1, 2, 3])
    with pytest.raises(DTypeError, match=r"int64.*float"):
        n[0] = 0.5
    n[0] = 7
    assert n.tolist() == [7, 2, 3]


def test_a_value_of_a_smaller_float_type_gets_its_gradient_in_its_own() -> None:
    x, v = leaf(X), Tensor(np.ones(2, np.float32), requires_grad=True)
    x[0, 0] = v
    x.backward(X + 1)
    assert v.grad.dtype == np.float32
    assert v.grad.tolist() == [1.0, 2.0]


def test_writing_to_a_constant_from_a_tensor_in_the_graph_records() -> None:
    x, v = Tensor(np.zeros(3)), leaf(2.0)
    x[1] = v
    assert x.requires_grad
    tg.sum(x * x).backward()
    assert v.grad.item() == 4.0


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_take_is_numpys(axis: int) -> None:
    indices = np.array([[0, -1], [1, 1]])
    assert np.array_equal(tg.take(leaf(X), indices, axis=axis).data, np.take(X, indices, axis))


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_take_along_axis_is_numpys(axis: int) -> None:
    order = np.argsort(-X, axis=axis)
    expected = np.take_along_axis(X, order, axis)
    assert np.array_equal(tg.take_along_axis(leaf(X), order, axis=axis).data, expected)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: tg.take(x, np.array([0])), AxisError, "names an axis"),
        (lambda x: tg.take(x, np.array([9]), axis=0), IndexError, "9"),
        (lambda x: tg.take(x, np.array([0.5]), axis=0), DTypeError, "float64"),
        (lambda x: tg.take(x, np.array([0]), axis=3), AxisError, "axis=3"),
        (lambda x: tg.take_along_axis(x, np.array([0]), axis=0), ShapeError, "as many axes"),
        (lambda x: tg.embedding(np.array([7]), x[0]), IndexError, "7"),
        (lambda x: tg.embedding(np.array([0.0]), x[0]), DTypeError, "float64"),
    ],
)
def test_wrong_indices_are_told_from_wrong_axes(
    call: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call(leaf(X))


def test_an_embedding_adds_up_the_gradients_of_a_row_that_is_read_often() -> None:
    table = leaf(np.arange(6.0).reshape(3, 2))
    rows = tg.embedding(np.array([[2, 0], [2, 2]]), table)
    assert rows.shape == (2, 2, 2)
    tg.sum(rows).backward()
    assert table.grad.tolist() == [[1.0, 1.0], [0.0, 0.0], [3.0, 3.0]]


def test_the_error_class_of_a_bad_index_is_ours_and_pythons() -> None:
    with pytest.raises(IndexingError):
        leaf(X)[9]
