"""Transforms against derivatives written by hand, and what they say to wrong arguments."""

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ConfigError, DTypeError, GraphError, ShapeError

X = np.array([1.0, 2.0])


def test_transforms_nest_without_confusing_their_variables() -> None:
    assert float(tg.grad(lambda x: x * tg.grad(lambda y: x + y)(1.0))(1.0)) == 1.0

    def inner(x: tg.Tensor) -> Any:
        return tg.jvp(lambda y: x * y, (2.0,), (1.0,))[1]

    assert float(tg.jvp(lambda x: x * inner(x), (1.0,), (1.0,))[1]) == 2.0


def test_jvp_of_jvp_is_the_second_derivative() -> None:
    def first(x: tg.Tensor) -> Any:
        return tg.jvp(lambda z: z**3, (x,), (np.ones(2),))[1]

    np.testing.assert_allclose(tg.jvp(first, (X,), (np.ones(2),))[1], 6 * X)


def test_hessian_of_several_arguments_has_a_block_for_each_pair() -> None:
    blocks = tg.hessian(lambda x, y: (x**2 * y).sum(), (0, 1))(X, np.array([3.0, 4.0]))
    np.testing.assert_allclose(blocks[0][0], np.diag([6.0, 8.0]))
    np.testing.assert_allclose(blocks[0][1], np.diag(2 * X))
    np.testing.assert_allclose(blocks[1][1], np.zeros((2, 2)))


def test_no_grad_around_a_transform_changes_nothing_and_inside_makes_constants() -> None:
    with tg.no_grad():
        assert float(tg.grad(tg.grad(lambda x: x**3))(3.0)) == 18.0

    def f(x: tg.Tensor) -> tg.Tensor:
        with tg.no_grad():
            constant = x * x
        return constant * x

    assert float(tg.grad(f)(3.0)) == 9.0


@pytest.mark.parametrize("result", [None, "loss", {"loss": 1.0}, [1.0, 2.0]])
def test_grad_of_what_is_no_number_is_refused(result: object) -> None:
    with pytest.raises(GraphError, match="must return a single number"):
        tg.grad(lambda x: result)(X)


def test_argnums_are_checked() -> None:
    def product(x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
        return (x * y).sum()

    np.testing.assert_array_equal(tg.grad(product, np.int64(1))(X, 3 * X), X)
    with pytest.raises(ConfigError, match="twice"):
        tg.grad(product, (0, -2))(X, X)
    with pytest.raises(ConfigError, match="integer"):
        tg.grad(product, "x")(X, X)  # type: ignore[arg-type]
    with pytest.raises(IndexError, match="2 positional"):
        tg.grad(product, 2)(X, X)


def test_jvp_takes_a_tuple_of_arguments() -> None:
    for primals, tangents in ((X, X), (3.0, 1.0), ((X,), X)):
        with pytest.raises(ShapeError, match="tuple"):
            tg.jvp(lambda x: x * x, primals, tangents)  # type: ignore[arg-type]


def test_a_complex_tangent_of_a_real_argument_is_refused() -> None:
    with pytest.raises(DTypeError, match="complex"):
        tg.jvp(lambda x: x * x, (X,), (X * 1j,))


def test_checkpoint_is_exact_to_the_second_order() -> None:
    x = tg.Tensor(X, requires_grad=True)
    w = tg.Tensor(X + 2, requires_grad=True)
    y, z = tg.checkpoint(lambda a: (a**3, a * w), x)
    (y * z).sum().backward(create_graph=True)  # x^4 w
    gx, gw = x.grad, w.grad
    assert gx is not None
    assert gw is not None
    np.testing.assert_allclose(gx.data, 4 * X**3 * w.data)
    np.testing.assert_allclose(gw.data, X**4)
    x.zero_grad()
    w.zero_grad()
    gx.sum().backward()
    assert x.grad is not None
    assert w.grad is not None
    np.testing.assert_allclose(x.grad.data, 12 * X**2 * w.data)
    np.testing.assert_allclose(w.grad.data, 4 * X**3)


def test_checkpoint_draws_the_same_random_numbers_again() -> None:
    x = tg.Tensor(np.ones(100), requires_grad=True)
    y = tg.checkpoint(lambda a: tg.nn.functional.dropout(a, 0.5, training=True), x)
    y.sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.data, y.data)


def test_checkpoint_of_arrays_alone_returns_an_array() -> None:
    y = tg.checkpoint(lambda a: a * 2, X)
    assert isinstance(y, np.ndarray)
    np.testing.assert_array_equal(y, 2 * X)


def test_checkpoint_passes_constants_among_its_outputs() -> None:
    x = tg.Tensor(X, requires_grad=True)
    y, k = tg.checkpoint(lambda a: (a * 3, np.ones(2)), x)
    (y * k).sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.data, [3.0, 3.0])
    x.zero_grad()
    tg.checkpoint(lambda a: np.ones(2), x).sum().backward()
    assert x.grad is None


@pytest.mark.parametrize("result", [None, (), {"y": X}, "y"])
def test_checkpoint_of_anything_else_says_what_it_takes(result: object) -> None:
    with pytest.raises(DTypeError, match="or a tuple of them"):
        tg.checkpoint(lambda a: result, tg.Tensor(X, requires_grad=True))


def test_checkpoint_keeps_a_tuple_of_one_a_tuple() -> None:
    x = tg.Tensor(X, requires_grad=True)
    (y,) = tg.checkpoint(lambda a: (a[0] * a,), x)
    y.backward(np.ones(2))
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.data, [4.0, 1.0])
