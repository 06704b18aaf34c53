"""Tensor as a value: what it is made of, what it becomes, and what no operation does to another."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import Parameter, Tensor
from tinygrad_cnn.core import gradients_of
from tinygrad_cnn.errors import DTypeError, GraphError, ShapeError, TinygradError


def leaf(*values: Any, dtype: Any = np.float64) -> Tensor:
    data = values[0] if len(values) == 1 else values
    return Tensor(np.array(data, dtype), requires_grad=True)


# -- making ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.0, np.float32),
        ([1.0, 2], np.float32),
        (1, np.int64),
        ([[1, 2], [3, 4]], np.int64),
        (True, np.bool_),
        (1j, np.complex64),
        ([], np.float32),
        (np.float64(1.0), np.float64),
        (np.ones(2), np.float64),
        (np.ones(2, np.float16), np.float16),
        (np.ones(2, np.uint8), np.uint8),
        (Tensor(np.ones(2)), np.float64),
        (range(3), np.int64),
    ],
)
def test_python_numbers_take_the_default_dtype_and_arrays_keep_theirs(
    data: Any, dtype: Any
) -> None:
    assert Tensor(data).dtype == dtype


def test_the_default_dtype_can_be_set_and_must_be_a_float() -> None:
    tg.set_default_dtype(np.float64)
    try:
        assert Tensor(1.0).dtype == np.float64
        assert (Tensor(np.ones(2, np.int64)) * [0.5, 1.0]).dtype == np.float64
    finally:
        tg.set_default_dtype(np.float32)
    with pytest.raises(DTypeError, match="int64"):
        tg.set_default_dtype(np.int64)


def test_a_tensor_copies_its_data() -> None:
    data = np.ones(2)
    x = Tensor(data)
    data[0] = 5.0
    assert x.tolist() == [1.0, 1.0]


def test_a_tensor_of_a_tensor_is_a_copy_outside_its_graph() -> None:
    x = leaf(1.0, 2.0)
    y = Tensor(x * 2.0)
    assert not y.requires_grad
    assert y.tolist() == [2.0, 4.0]


@pytest.mark.parametrize("data", [["a"], None, {}, object(), [[1], [2, 3]], np.array([None])])
def test_what_is_no_array_of_numbers_is_refused(data: Any) -> None:
    with pytest.raises(TinygradError):
        Tensor(data)


@pytest.mark.parametrize("dtype", [np.int64, np.bool_, np.uint8])
def test_only_float_tensors_can_require_a_gradient(dtype: Any) -> None:
    with pytest.raises(DTypeError, match=np.dtype(dtype).name):
        Tensor(np.ones(2, dtype), requires_grad=True)


def test_a_parameter_requires_a_gradient_from_the_start_and_can_be_frozen() -> None:
    p = Parameter([1.0])
    assert p.requires_grad
    assert not p.requires_grad_(False).requires_grad
    assert not Parameter([1.0], requires_grad=False).requires_grad
    assert "Parameter([1.]" in repr(p)


def test_what_was_computed_cannot_stop_requiring_a_gradient() -> None:
    y = leaf(1.0) * 2.0
    with pytest.raises(GraphError, match=r"detach\(\)"):
        y.requires_grad = False


# -- dtypes of results ----------------------------------------------------------------------------

f32, f64 = np.ones(2, np.float32), np.ones(2, np.float64)


@pytest.mark.parametrize("number", [2, 2.0, True])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    "f",
    [
        lambda x, c: x + c,
        lambda x, c: c - x,
        lambda x, c: x * c,
        lambda x, c: c / x,
        lambda x, c: x**c,
        lambda x, c: (c + 0.5) ** x,
        lambda x, c: c // x,
        lambda x, c: x % (c + 1),
        lambda x, c: tg.where(np.array([True, False]), x, c),
        lambda x, c: tg.maximum(x, c),
        lambda x, c: tg.clip(x, -c, c),
        lambda x, c: tg.add(c, x),
        lambda x, c: tg.pow(x, c),
        lambda x, c: tg.atan2(x, c),
        lambda x, c: tg.hypot(c, x),
    ],
)
def test_pythons_numbers_yield_to_the_dtype_of_the_tensor(
    f: Callable[..., Tensor], dtype: Any, number: Any
) -> None:
    x = leaf(1.0, 2.0, dtype=dtype)
    y = f(x, number)
    assert y.dtype == dtype
    (g,) = gradients_of([y], [np.ones(2)], [x], create_graph=True)
    assert g.dtype == dtype


@pytest.mark.parametrize(
    ("a", "b", "result"),
    [
        (f32, f64, np.float64),
        (f32, f32, np.float32),
        (f32, np.ones(2, np.int64), np.float64),
        (f32, np.ones(2, np.int16), np.float32),
        (f32, np.float64(2.0), np.float64),
        (f32, [2.0, 2.0], np.float32),
        (f32, [2, 2], np.float64),
        (np.ones(2, np.int64), [0.5, 0.5], np.float64),
        (f64, 1j, np.complex128),
    ],
)
def test_arrays_are_promoted_as_numpy_promotes_them(a: Any, b: Any, result: Any) -> None:
    assert (Tensor(a) + b).dtype == result
    assert (b + Tensor(a)).dtype == result


# -- value semantics ------------------------------------------------------------------------------

CHANGES: dict[str, Callable[[Tensor], None]] = {
    "+=": lambda x: x.__iadd__(1.0),
    "-=": lambda x: x.__isub__(1.0),
    "*=": lambda x: x.__imul__(3.0),
    "/=": lambda x: x.__itruediv__(2.0),
    "**=": lambda x: x.__ipow__(2),
    "//=": lambda x: x.__ifloordiv__(2.0),
    "%=": lambda x: x.__imod__(0.7),
    "x[0] = 9": lambda x: x.__setitem__(0, 9.0),
    "x[...] = 9": lambda x: x.__setitem__(..., 9.0),
    "x[mask] = 9": lambda x: x.__setitem__(np.ones((2, 2), bool), 9.0),
}

RELATIVES: dict[str, Callable[[Tensor], Any]] = {
    "view": lambda x: x.reshape(4),
    "row": lambda x: x[0],
    "transpose": lambda x: x.T,
    "broadcast": lambda x: tg.broadcast_to(x, (3, 2, 2)),
    "alias": tg.alias,
    "positive": tg.positive,
    "real": tg.real,
    "conj": tg.conj,
    "squeezed": lambda x: tg.squeeze(tg.expand_dims(x, axis=0), axis=0),
    "detached": lambda x: x.detach(),
    "copy": lambda x: x.copy(),
    "shallow copy": copy.copy,
    "same dtype": lambda x: x.astype(x.dtype, copy=False) * 1.0,
    "product": lambda x: x * 1.0,
    "array": lambda x: x.numpy(),
    "another name for the array": lambda x: x.data,
}


@pytest.mark.parametrize("requires_grad", [True, False])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("relative", RELATIVES)
def test_an_in_place_operation_changes_no_other_value(
    relative: str, change: str, requires_grad: bool
) -> None:
    data = np.arange(1.0, 5).reshape(2, 2)
    x = Tensor(data, requires_grad=requires_grad)
    other = RELATIVES[relative](x)
    before = np.array(getattr(other, "data", other))
    CHANGES[change](x)
    assert np.array_equal(np.asarray(getattr(other, "data", other)), before)
    assert not np.array_equal(x.data, data)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("relative", RELATIVES)
def test_changing_what_was_made_from_a_tensor_leaves_the_tensor_as_it_was(
    relative: str, change: str
) -> None:
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    made = RELATIVES[relative](x)
    if isinstance(made, Tensor) and made.shape == (2, 2):
        CHANGES[change](made)
    assert x.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_two_names_of_one_tensor_change_together() -> None:
    x = leaf(1.0)
    y = x
    y += 1.0
    assert x is y


@pytest.mark.parametrize(
    ("statement", "slope"),
    [
        ("x += 3 * x", [4.0, 4.0]),
        ("x -= x / 2", [0.5, 0.5]),
        ("x *= x", [2.0, 4.0]),
        ("x /= x * x", [-1.0, -0.25]),
        ("x **= 3", [3.0, 12.0]),
        ("x[0] = 7.0", [0.0, 1.0]),
        ("x[0] = x[1] * 5", [0.0, 6.0]),
        ("x[:] = x[::-1] * x", [4.0, 2.0]),
        ("x[x > 1.5] = 0.0", [1.0, 0.0]),
        ("x[[0, 0]] = x * 2", [0.0, 3.0]),  # the last one wins: x[0] is 2 x[1]
        ("x[[1, 1]] += x", [1.0, 2.0]),  # read, added, written: the last one wins here, too
        ("x[0] += 1; x *= 2; x[1] = x[0]", [4.0, 0.0]),
        ("y = x; x = x * 2; x += y", [3.0, 3.0]),
    ],
)
def test_in_place_operations_are_differentiated_as_what_they_compute(
    statement: str, slope: list[float]
) -> None:
    start = leaf(1.0, 2.0)
    names = {"x": start * 1.0}
    exec(statement, names)
    tg.sum(names["x"]).backward()
    assert start.grad.tolist() == slope


def test_an_in_place_operation_on_a_leaf_computes_it_and_the_gradient_reaches_the_old_leaf() -> (
    None
):
    x = leaf(1.0, 2.0)
    old = x._node
    y = x * 2.0
    x += y
    assert not x.is_leaf
    tg.sum(x).backward()
    assert old.grad.tolist() == [3.0, 3.0]


def test_under_no_grad_an_in_place_operation_changes_the_numbers_of_a_leaf_alone() -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    with tg.no_grad():
        x -= 0.5
        x[1] = 9.0
    assert x.is_leaf
    assert x.requires_grad
    assert x.tolist() == [0.5, 9.0]
    tg.sum(y).backward()  # y was computed from what x was then
    assert x.grad.tolist() == [2.0, 4.0]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda x: x.__iadd__(np.ones((2, 2))), ShapeError, r"keeps the shape.*x = x \+ y"),
        (lambda x: x.__imul__(1j), DTypeError, "keeps the dtype"),
        (lambda x: x.__setitem__(0, 1j), TypeError, "complex"),
        (lambda x: x.__setitem__(5, 1.0), IndexError, "5"),
        (lambda x: x.__setitem__(slice(None), np.ones(3)), ShapeError, r"\(3,\)"),
    ],
)
def test_an_in_place_operation_that_cannot_be_is_refused_and_changes_nothing(
    change: Callable[[Tensor], None], error: type[Exception], message: str
) -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(error, match=message):
        change(x)
    assert x.tolist() == [1.0, 2.0]
    assert x.is_leaf


def test_in_place_operations_keep_the_dtype() -> None:
    x = leaf(1.0, 2.0, dtype=np.float32)
    y = x * 1
    y += np.ones(2)
    assert y.dtype == np.float32
    tg.sum(y).backward()
    assert x.grad.dtype == np.float32
    n = Tensor([1, 2])
    with pytest.raises(DTypeError, match="int64"):
        n += 0.5
    n += 1
    assert n.tolist() == [2, 3]


# -- grad -----------------------------------------------------------------------------------------


def test_grad_can_be_set_on_a_leaf_in_its_shape_and_dtype() -> None:
    x = leaf(1.0, 2.0, dtype=np.float32)
    x.grad = np.array([1.0, 2.0])
    assert x.grad.dtype == np.float32
    x.grad = Tensor(np.array([3.0, 4.0]))
    assert x.grad.dtype == np.float32
    tg.sum(x).backward()
    assert x.grad.tolist() == [4.0, 5.0]
    assert x.grad.dtype == np.float32
    with pytest.raises(ShapeError, match=r"\(2,\)"):
        x.grad = np.ones(3)
    with pytest.raises(GraphError, match="leaf"):
        (x * 1).grad = np.ones(2)


@pytest.mark.parametrize("data", [np.ones(2, np.float64), np.ones((3, 2), np.float32)])
def test_data_of_another_dtype_or_shape_gets_gradients_of_its_own(data: np.ndarray) -> None:
    p = Parameter(np.ones(2, np.float32))
    p.data = data
    tg.sum(p * 2.0).backward()
    assert p.grad.dtype == data.dtype
    assert p.grad.shape == data.shape


def test_setting_grad_copies_an_array() -> None:
    x, given = leaf(1.0, 2.0), np.ones(2)
    x.grad = given
    tg.sum(x).backward()
    assert given.tolist() == [1.0, 1.0]


# -- out of the library ---------------------------------------------------------------------------


def test_a_tensor_that_requires_a_gradient_does_not_become_a_constant_array_silently() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(GraphError, match=r"\.detach\(\) or \.numpy\(\)"):
        np.asarray(x)
    assert np.asarray(x.detach()).tolist() == [1.0, 2.0]
    assert np.asarray(Tensor([1.0])).tolist() == [1.0]
    with tg.no_grad():
        assert np.asarray(x).tolist() == [1.0, 2.0]


def test_numpy_is_a_copy() -> None:
    x = leaf(1.0, 2.0)
    x.numpy()[0] = 9.0
    assert x.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("convert", "data", "expected"),
    [
        (float, 2.5, 2.5),
        (int, 2.5, 2),
        (complex, 2.5, 2.5 + 0j),
        (bool, 0.0, False),
        (bool, [[3.0]], True),
        (float, [[2.5]], 2.5),
        (Tensor.item, [2.5], 2.5),
        (lambda x: f"{x:.2f}", 2.5, "2.50"),
        (lambda x: [10, 20, 30][x], Tensor(1), 20),
        (lambda x: list(range(x)), Tensor(2), [0, 1]),
    ],
)
def test_a_single_element_converts_to_a_python_number(
    convert: Callable[[Any], Any], data: Any, expected: Any
) -> None:
    assert convert(Tensor(data)) == expected


@pytest.mark.parametrize("convert", [float, int, complex, bool, Tensor.item])
@pytest.mark.parametrize("data", [[1.0, 2.0], []])
def test_several_elements_are_no_number(convert: Callable[[Any], Any], data: Any) -> None:
    with pytest.raises(ShapeError):
        convert(Tensor(data))


@pytest.mark.parametrize("data", [1.0, True, [1, 2]])
def test_what_is_no_single_integer_is_no_index(data: Any) -> None:
    with pytest.raises((TypeError, ShapeError)):
        [1, 2, 3][Tensor(data)]


def test_iterating_gives_the_rows_and_differentiates_through_them() -> None:
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    first, second = x
    tg.sum(first * 10.0 + second).backward()
    assert x.grad.tolist() == [[10.0, 10.0], [1.0, 1.0]]
    assert len(x) == 2
    assert [row.shape for row in Tensor(np.ones((0, 3)))] == []
    with pytest.raises(TypeError):
        iter(leaf(1.0))
    with pytest.raises(TypeError):
        len(leaf(1.0))


def test_membership_compares_values() -> None:
    assert 2.0 in leaf(1.0, 2.0)
    assert 3.0 not in leaf(1.0, 2.0)


@pytest.mark.parametrize("other", [None, "auto", object(), {}])
def test_a_tensor_is_not_equal_to_what_is_no_array(other: Any) -> None:
    x = leaf(1.0, 2.0)
    assert (x == other) is False
    assert (x != other) is True
    assert other not in [x]
    assert [x, other].index(other) == 1


def test_a_tensor_is_hashed_by_identity() -> None:
    x, y = leaf(1.0), leaf(1.0)
    assert len({x, y, x}) == 2
    assert {x: "x", y: "y"}[y] == "y"


def test_comparisons_give_tensors_of_truth_values_outside_the_graph() -> None:
    x = leaf(1.0, 2.0)
    for y in (x < 2, x <= 1, x > 1, x >= 2, x == 1, x != 1):
        assert y.dtype == bool
        assert not y.requires_grad


# -- copies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])  # noqa: S301
@pytest.mark.parametrize("kind", [Tensor, Parameter])
def test_a_deep_copy_is_a_leaf_of_its_own(duplicate: Any, kind: Any) -> None:
    x = kind(np.array([1.0, 2.0]), requires_grad=True)
    y = duplicate(x)
    assert type(y) is kind
    tg.sum(x * 2.0 + y * 3.0).backward()
    assert x.grad.tolist() == [2.0, 2.0]
    assert y.grad.tolist() == [3.0, 3.0]
    y.data[0] = 9.0
    assert x.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, pickle.dumps])
def test_what_was_computed_can_be_copied_once_it_is_detached(duplicate: Any) -> None:
    y = leaf(1.0) * 2.0
    with pytest.raises(GraphError, match=r"detach\(\)"):
        duplicate(y)
    duplicate(y.detach())


def test_a_deep_copy_of_a_structure_copies_a_shared_tensor_once() -> None:
    x = leaf(1.0)
    a, b = copy.deepcopy([x, x])
    assert a is b
    assert a is not x


def test_a_shallow_copy_stands_at_the_same_place_of_the_graph() -> None:
    x = leaf(1.0, 2.0)
    y = copy.copy(x * 3.0)
    tg.sum(y).backward()
    assert x.grad.tolist() == [3.0, 3.0]


# -- methods --------------------------------------------------------------------------------------

METHODS: dict[str, tuple[Callable[[Tensor], Any], Callable[[np.ndarray], Any]]] = {
    "sum": (lambda x: x.sum(1, keepdims=True), lambda a: a.sum(1, keepdims=True)),
    "mean": (lambda x: x.mean(axis=-1), lambda a: a.mean(-1)),
    "var": (lambda x: x.var(0, correction=1), lambda a: a.var(0, ddof=1)),
    "std": (lambda x: x.std(), lambda a: a.std()),
    "prod": (lambda x: x.prod((0, 1)), lambda a: a.prod()),
    "max": (lambda x: x.max(1), lambda a: a.max(1)),
    "min": (lambda x: x.min(1, True), lambda a: a.min(1, keepdims=True)),
    "argmax": (lambda x: x.argmax(1), lambda a: a.argmax(1)),
    "argmin": (lambda x: x.argmin(), lambda a: a.argmin()),
    "reshape": (lambda x: x.reshape(3, -1), lambda a: a.reshape(3, -1)),
    "reshape by a tuple": (lambda x: x.reshape((6,)), lambda a: a.reshape(6)),
    "transpose": (lambda x: x.transpose(), lambda a: a.T),
    "transpose by axes": (lambda x: x.transpose(-1, 0), lambda a: a.T),
    "T": (lambda x: x.T, lambda a: a.T),
    "mT": (lambda x: x.mT, lambda a: a.T),
    "squeeze": (lambda x: x[None].squeeze(), lambda a: a),
    "squeeze one": (lambda x: x[None].squeeze(0), lambda a: a),
    "flatten": (lambda x: x[None].flatten(1), lambda a: a.reshape(1, 6)),
    "flatten from the end": (lambda x: x.flatten(-1), lambda a: a),
    "broadcast_to": (lambda x: x.broadcast_to((2, 2, 3)), lambda a: np.stack([a, a])),
    "clip": (lambda x: x.clip(2, 3), lambda a: a.clip(2, 3)),
    "clip below": (lambda x: x.clip(min=2), lambda a: a.clip(min=2)),
    "exp": (lambda x: x.exp(), np.exp),
    "log": (lambda x: x.log(), np.log),
    "sqrt": (lambda x: x.sqrt(), np.sqrt),
    "abs": (lambda x: (-x).abs(), np.abs),
    "tanh": (lambda x: x.tanh(), np.tanh),
    "sigmoid": (lambda x: x.sigmoid(), lambda a: 1 / (1 + np.exp(-a))),
    "relu": (lambda x: (x - 2).relu(), lambda a: np.maximum(a - 2, 0)),
    "all": (lambda x: (x > 1).all(1), lambda a: (a > 1).all(1)),
    "any": (lambda x: (x > 1).any(), lambda a: (a > 1).any()),
    "astype": (lambda x: x.astype(np.float32), lambda a: a.astype(np.float32)),
    "rsub": (lambda x: 1 - x, lambda a: 1 - a),
    "rpow": (lambda x: 2**x, lambda a: 2**a),
    "matmul": (lambda x: x @ x.T, lambda a: a @ a.T),
    "rmatmul": (lambda x: np.ones((2, 2)) @ x, lambda a: np.ones((2, 2)) @ a),
    "array times": (lambda x: np.ones(3) * x, lambda a: a),
    "scalar times": (lambda x: np.float64(2) * x, lambda a: 2 * a),
    "abs()": (lambda x: abs(-x), np.abs),
    "+x": (lambda x: +x, lambda a: a),
    "divmod": (lambda x: x // 2 + x % 2, lambda a: a // 2 + a % 2),
    "bits": (
        lambda x: ~(x > 1) | (x < 2) & (x == x) ^ (x > 3),
        lambda a: (a <= 1) | (a < 2) ^ (a > 3),
    ),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_computes_what_numpys_does(name: str) -> None:
    f, expected = METHODS[name]
    a = np.arange(1.0, 7).reshape(2, 3)
    y = f(leaf(a))
    assert isinstance(y, Tensor)
    np.testing.assert_allclose(y.data, expected(a), rtol=1e-14)
    assert y.shape == np.shape(expected(a))
    assert y.requires_grad == (y.dtype.kind == "f")


@pytest.mark.parametrize("shape", [(), (3,), (2, 2, 2)])
def test_t_is_for_matrices(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="mT"):
        leaf(np.ones(shape)).T  # noqa: B018


def test_the_repr_shows_values_dtype_and_whether_a_gradient_is_required() -> None:
    assert repr(Tensor([1.0, 2.5])) == "Tensor([1. , 2.5], dtype=float32)"
    assert repr(leaf(1.0)) == "Tensor(1., dtype=float64, requires_grad=True)"


def test_a_tensor_takes_no_new_attributes() -> None:
    with pytest.raises(AttributeError):
        Tensor(1.0).grads = None  # type: ignore[attr-defined]
