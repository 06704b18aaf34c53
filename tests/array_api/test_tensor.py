"""The Tensor as an array among others: devices, exchange, conversion, indices and their errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import errors

# -- exchange ------------------------------------------------------------------------------------


def test_dlpack_hands_over_the_memory_itself() -> None:
    x = tg.asarray([1.0, 2.0])
    assert np.shares_memory(np.from_dlpack(x), x.data)
    a = np.arange(3)
    assert np.shares_memory(tg.from_dlpack(a).data, a)
    assert not np.shares_memory(tg.from_dlpack(a, copy=True).data, a)


def test_read_only_memory_is_copied_for_a_consumer_that_has_no_word_for_it() -> None:
    x = tg.broadcast_to(tg.asarray([1.0]), (3,))
    assert not x.data.flags.writeable
    assert x.__dlpack__() is not None
    np.testing.assert_array_equal(np.from_dlpack(x), 1.0)


def test_a_tensor_that_requires_a_gradient_is_not_handed_over() -> None:
    x = tg.Tensor([1.0], requires_grad=True)
    with pytest.raises(errors.GraphError, match=r"hand over its \.detach\(\)"):
        np.from_dlpack(x)
    with pytest.raises(errors.GraphError, match=r"\.detach\(\)"):
        tg.from_dlpack(x)
    np.testing.assert_array_equal(np.from_dlpack(x.detach()), [1.0])


def test_what_has_no_dlpack_is_refused_with_advice() -> None:
    with pytest.raises(errors.DTypeError, match="asarray takes numbers"):
        tg.from_dlpack([1.0])


def test_pytorch_and_tensors_exchange_memory() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")
    x = tg.asarray([1.0, 2.0])
    np.testing.assert_array_equal(torch.from_dlpack(x).numpy(), x.data)
    np.testing.assert_array_equal(tg.from_dlpack(torch.arange(3)).data, [0, 1, 2])


def test_there_is_one_device() -> None:
    x = tg.zeros(2)
    assert x.device == "cpu"
    assert x.to_device("cpu") is x
    for refused in (lambda: x.to_device("gpu"), lambda: tg.zeros(1, device="gpu")):
        with pytest.raises(errors.ConfigError, match="\"cpu\", got device='gpu'"):
            refused()


# -- conversion ----------------------------------------------------------------------------------


def test_asarray_of_a_tensor_is_the_tensor_and_its_copy_stays_in_the_graph() -> None:
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    assert tg.asarray(x) is x
    assert tg.asarray(x, copy=False) is x
    tg.sum(tg.asarray(x, copy=True) * tg.asarray(x, dtype=tg.float64)).backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.data, [2.0, 4.0])


def test_asarray_copies_an_array_unless_told_not_to() -> None:
    a = np.ones(3)
    assert not np.shares_memory(tg.asarray(a).data, a)
    assert np.shares_memory(tg.asarray(a, copy=False).data, a)
    with pytest.raises(errors.ConfigError, match="by a copy only"):
        tg.asarray(a, dtype=tg.float32, copy=False)
    with pytest.raises(errors.ConfigError, match="list becomes a Tensor by a copy only"):
        tg.asarray([1.0], copy=False)


def test_tensors_inside_of_lists_stay_in_the_graph() -> None:
    x = tg.Tensor(2.0, requires_grad=True)
    tg.sum(tg.asarray([[x, 1.0], [x * x, x]])).backward()
    assert x.grad is not None
    assert x.grad.item() == 6.0


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: tg.asarray("a"), errors.DTypeError, "holds numbers, got str"),
        (lambda: tg.asarray([1, [2]]), errors.ShapeError, "nested lists must have equal lengths"),
        (lambda: tg.asarray(np.nan, dtype=tg.int64), errors.DTypeError, "cannot convert float NaN"),
        (lambda: tg.asarray(1j, dtype=tg.float32), errors.DTypeError, "do not fit float32"),
        (lambda: tg.asarray(1j).astype(tg.float32), errors.DTypeError, r"take real\(x\)"),
        (lambda: tg.sum(tg.asarray([1j]), dtype=tg.float32), errors.DTypeError, "imaginary part"),
        (lambda: tg.zeros(-1), errors.ShapeError, "zeros: lengths are 0 or more"),
        (lambda: tg.ones((2, 0.5)), errors.DTypeError, "ones: a shape is made of integers"),
        (lambda: tg.arange(0, 1, 0), errors.ConfigError, "step must not be 0"),
        (lambda: tg.linspace(0, 1, -1), errors.ConfigError, "num, how many numbers"),
        (lambda: tg.finfo(tg.int8), errors.DTypeError, "iinfo is for integers"),
        (lambda: tg.iinfo(tg.float32), errors.DTypeError, "finfo is for floats"),
        (lambda: tg.isdtype(tg.int8, "number"), errors.DTypeError, "isdtype: .*number"),
        (lambda: tg.nonzero(tg.asarray(1)), errors.ShapeError, "nonzero: .* compare it with 0"),
        (lambda: bool(tg.ones(2)), errors.ShapeError, r"use all\(\) or any\(\)"),
        (lambda: tg.sum(tg.ones(2), axis="x"), errors.DTypeError, "sum: an axis is an integer"),
    ],
)
def test_a_mistake_is_answered_with_the_rule(make: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        make()


# -- indices -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (5, IndexError, r"index 5 is out of bounds .* x \(2, 3\) float32, index .*5"),
        ((0, 9), IndexError, r"out of bounds for axis 1 .* index .*\(0, 9\)"),
        ((0, 0, 0), IndexError, "too many indices"),
        ([7], IndexError, "index 7 is out of bounds"),
        ([True, False, True], IndexError, "boolean index did not match"),
        (0.5, IndexError, "only integers, slices"),
        ([0.5], TypeError, "getitem: an index is made of integers"),
        ("a", TypeError, "getitem: an index is made of integers"),
    ],
)
def test_a_wrong_index_is_named_with_the_shape(index: Any, error: Any, message: str) -> None:
    x = tg.ones((2, 3))
    with pytest.raises(error, match=message) as raised:
        x[index]
    assert isinstance(raised.value, errors.TinygradError)
    with pytest.raises(error):
        x[index] = 1.0


def test_a_value_that_does_not_fit_its_place_is_refused() -> None:
    x = tg.ones((2, 3))
    with pytest.raises(errors.ShapeError, match=r"setitem: .* value \(4,\) float64, index .*0"):
        x[0] = np.ones(4)
    with pytest.raises(errors.DTypeError, match="the elements are float32, the value is complex"):
        x[0] = 1j
    whole = tg.asarray([1, 2])
    with pytest.raises(errors.DTypeError, match="the elements are int64, the value is float64"):
        whole[0] = 0.5
    np.testing.assert_array_equal(x.data, 1.0)


def test_a_value_may_have_leading_axes_of_length_one() -> None:
    x = tg.Tensor(np.zeros((2, 3)), requires_grad=True)
    value = tg.Tensor(np.ones((1, 1, 3)), requires_grad=True)
    y = x * 1.0
    y[0] = value
    tg.sum(y * y).backward()
    assert value.grad is not None
    np.testing.assert_array_equal(value.grad.data, [[[2.0, 2.0, 2.0]]])


def test_a_tensor_without_axes_is_an_index() -> None:
    x = tg.arange(4)
    assert x[tg.asarray(2)].item() == 2
    assert [10, 20, 30][tg.asarray(1)] == 20
    with pytest.raises(TypeError, match="an index must be an integer"):
        [10, 20, 30][tg.asarray(1.0)]


# -- at the edges of the mathematics ---------------------------------------------------------------


def test_the_deviation_of_what_does_not_vary_has_no_slope() -> None:
    x = tg.Tensor([[3.0, 3.0, 3.0]], requires_grad=True)
    tg.sum(tg.std(x, axis=1)).backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.data, 0.0)


def test_pythons_number_to_the_power_of_a_tensor_takes_its_dtype() -> None:
    x = tg.asarray([1.0, 2.0])
    assert (2.0**x).dtype == tg.float32
    assert (x**2.0).dtype == tg.float32


def test_the_variance_of_complex_numbers_is_real() -> None:
    z = np.array([1.0 + 2j, -1.0, 3j])
    v = tg.var(tg.Tensor(z))
    assert v.dtype == np.float64
    np.testing.assert_allclose(v.item(), np.var(z))


def test_arange_is_exact_in_every_integer_dtype() -> None:
    assert tg.arange(2**63, 2**63 + 3, dtype=tg.uint64).tolist() == [2**63, 2**63 + 1, 2**63 + 2]
    assert tg.arange(5, 1, -2, dtype=tg.uint8).tolist() == [5, 3]
    assert tg.arange(-(2**62), 2**62, 2**62).tolist() == [-(2**62), 0]
