"""Elementwise functions at their edges: singular points, infinities, integers, complex numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.cases import activation, elementwise
from tests.oracle import Case
from tinygrad_cnn import Tensor
from tinygrad_cnn.core import gradients_of
from tinygrad_cnn.errors import DTypeError, TinygradError


def leaf(*values: Any, dtype: Any = np.float64) -> Tensor:
    data = values[0] if len(values) == 1 else values
    return Tensor(np.array(data, dtype), requires_grad=True)


def slopes(f: Callable[..., Tensor], *at: Any) -> list[Any]:
    """The derivatives of sum(f) by each argument."""
    xs = [leaf(a) for a in at]
    with np.errstate(all="ignore"):
        tg.sum(f(*xs)).backward()
    return [None if x.grad is None else x.grad.tolist() for x in xs]


inf, nan = np.inf, np.nan


@pytest.mark.parametrize(
    ("f", "at", "expected"),
    [
        (tg.relu, [0.0], [0.0]),
        (tg.relu, [-0.0], [0.0]),
        (tg.abs, [0.0], [0.0]),
        (tg.elu, [0.0], [1.0]),
        (lambda x: tg.elu(x, alpha=0.5), [0.0], [0.5]),
        (tg.gelu, [0.0], [0.5]),
        (tg.silu, [0.0], [0.5]),
        (tg.softplus, [0.0], [0.5]),
        (tg.sqrt, [0.0], [inf]),
        (tg.log, [0.0], [inf]),
        (tg.reciprocal, [0.0], [-inf]),
        (tg.asin, [1.0], [inf]),
        (tg.acosh, [1.0], [inf]),
        (tg.maximum, [1.0, 1.0], [0.5, 0.5]),
        (tg.minimum, [1.0, 1.0], [0.5, 0.5]),
        (tg.hypot, [0.0, 0.0], [0.0, 0.0]),
        (tg.pow, [0.0, 0.0], [0.0, -inf]),  # x^0 = 1 at every x; 0^t = 1, 0 at t = 0, t > 0
        (tg.pow, [0.0, 1.0], [1.0, 0.0]),
        (tg.pow, [0.0, 2.0], [0.0, 0.0]),
        (lambda x: x**2, [0.0], [0.0]),
        (lambda x: x**0, [0.0], [0.0]),
        (lambda x: x**1, [0.0], [1.0]),
        (lambda x: x**0.5, [0.0], [inf]),
        (lambda x: 0.0**x, [2.0], [0.0]),
        (lambda x: tg.clip(x, 0.0, 1.0), [0.0], [1.0]),
        (lambda x: tg.clip(x, 0.0, 1.0), [1.0], [1.0]),
        (lambda x: tg.clip(x, 0.0, 0.0), [0.0], [1.0]),
        (lambda x: tg.clip(x, 1.0, 0.0), [0.5], [0.0]),  # limits that cross: the upper one wins
        (tg.logaddexp, [-inf, -inf], [0.5, 0.5]),
        (tg.logaddexp, [-inf, 0.0], [0.0, 1.0]),
        (tg.logaddexp, [1000.0, 0.0], [1.0, 0.0]),
        (tg.sigmoid, [1000.0], [0.0]),
        (tg.sigmoid, [-1000.0], [0.0]),
        (tg.tanh, [1000.0], [0.0]),
        (tg.softplus, [1000.0], [1.0]),
        (tg.softplus, [-1000.0], [0.0]),
        (tg.gelu, [-1000.0], [0.0]),
        (tg.erf, [1000.0], [0.0]),
        (tg.exp, [-1000.0], [0.0]),
        (tg.atan, [1e200], [0.0]),
        (tg.asinh, [1e200], [0.0]),
    ],
)
def test_at_a_singular_point_the_derivative_is_the_documented_one(
    f: Callable[..., Tensor], at: list[float], expected: list[float]
) -> None:
    assert slopes(f, *at) == expected


EDGES = np.array([0.0, -0.0, 1, -1, 0.5, 2, 1e308, -1e308, 800, -800, 1e-320, 5e-324])


@pytest.mark.parametrize("case", [*elementwise.CASES, *activation.CASES], ids=str)
def test_an_upstream_gradient_of_zero_stays_zero_at_every_finite_input(case: Case) -> None:
    n = len(case.draw(_first())[0])
    _, options = case.draw(_first())
    xs = [leaf(g.reshape(-1)) for g in np.meshgrid(*[EDGES] * n)]
    with np.errstate(all="ignore"):
        try:
            y = case.f(*xs, **options)
        except (TinygradError, TypeError):
            pytest.skip("the function takes no such inputs")
    assert all(g is None or not g.data.any() for g in gradients_of([y], [np.zeros(y.shape)], xs))


def _first() -> Any:
    from tests.oracle import Seeded

    return Seeded(0)


@pytest.mark.parametrize(
    "f", [tg.sqrt, tg.log, tg.reciprocal, tg.asin, tg.acos, tg.acosh, tg.atanh, tg.log1p, tg.log2]
)
def test_a_branch_that_where_does_not_take_spoils_nothing(f: Any) -> None:
    at = {"acosh": 1.0, "asin": 1.0, "acos": 1.0, "atanh": 1.0, "log1p": -1.0}.get(f.name, 0.0)
    x = leaf(at, 0.5 if at != 1.0 or f.name != "acosh" else 2.0)
    with np.errstate(all="ignore"):
        y = tg.where(np.array([False, True]), f(x), 0.0)
    (g,) = gradients_of([tg.sum(y)], [1.0], [x], create_graph=True)
    assert g.data[0] == 0.0
    (h,) = gradients_of([g], [np.ones(2)], [x])
    assert h.data[0] == 0.0
    assert np.isfinite(h.data[1])


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (tg.log1p, 1e-20, 1e-20),
        (tg.expm1, 1e-20, 1e-20),
        (tg.sigmoid, -700.0, np.exp(-700)),
        (tg.sigmoid, -1000.0, 0.0),
        (tg.softplus, -700.0, np.exp(-700)),
        (tg.softplus, 800.0, 800.0),
        (tg.tanh, 1e-20, 1e-20),
        (tg.asinh, 1e300, np.log(2) + np.log(1e300)),
        (lambda x: tg.hypot(x, x), 1e200, np.sqrt(2) * 1e200),
        (lambda x: tg.logaddexp(x, x), 1e4, 1e4 + np.log(2)),
        (tg.erf, 1e-300, 2 / np.sqrt(np.pi) * 1e-300),
    ],
)
def test_values_are_exact_where_the_textbook_formula_is_not(
    f: Callable[[Any], Any], x: float, expected: float
) -> None:
    assert float(f(np.float64(x))) == pytest.approx(expected, rel=1e-14, abs=0)


@pytest.mark.parametrize("x", [nan, inf, -inf])
def test_nan_and_infinity_pass_through(x: float) -> None:
    for f in (tg.relu, tg.leaky_relu, tg.abs, tg.exp, tg.softplus, tg.sigmoid, tg.tanh, tg.erf):
        value = float(f(leaf(x)))
        assert np.isnan(value) == np.isnan(x)
    assert np.isnan(float(tg.maximum(leaf(nan), 1.0)))
    assert np.isnan(float(tg.minimum(1.0, leaf(nan))))


# -- dtypes -------------------------------------------------------------------------------------

UNARY = [
    "exp expm1 log1p sqrt sin cos tan tanh atan asinh sinh cosh square abs sign negative positive",
    "sigmoid softplus erf relu silu gelu softmax log_softmax floor ceil round trunc",
]


@pytest.mark.parametrize("name", " ".join(UNARY).split())
@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint8])
def test_integers_are_taken_as_numpy_takes_them(name: str, dtype: Any) -> None:
    f = getattr(tg, name)
    x = np.array([1, 2, 3], dtype)
    if name == "negative" and dtype is np.uint8:
        assert f(Tensor(x)).tolist() == (-x).tolist()
        return
    y = f(Tensor(x))
    expected = f(x.astype(np.float64))
    np.testing.assert_allclose(y.data, expected, rtol=1e-3 if x.itemsize == 1 else 1e-12)
    assert not y.requires_grad


HOLOMORPHIC = "exp log sqrt sin cos tan sinh cosh tanh square reciprocal sigmoid expm1 log1p"


@pytest.mark.parametrize("name", HOLOMORPHIC.split())
def test_a_holomorphic_function_has_its_complex_derivative(name: str) -> None:
    f = getattr(tg, name)
    z, h = 0.3 + 0.7j, 1e-6
    x = leaf(z, dtype=complex)
    (g,) = gradients_of([f(x)], [np.array(1.0 + 0j)], [x])
    for direction in (1.0, 1j):
        step = h * direction
        quotient = (f(np.array(z + step)) - f(np.array(z - step))) / (2 * step)
        assert g.item() == pytest.approx(complex(quotient), rel=1e-8)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (lambda z: tg.sum(tg.real(z)), 1.0),  # dL/da - i dL/db, for z = a + ib
        (lambda z: tg.sum(tg.imag(z)), -1j),
        (lambda z: tg.sum(tg.real(z * tg.conj(z))), 2 * (3 - 4j)),
        (lambda z: tg.sum(tg.abs(z)), (3 - 4j) / 5),
        (lambda z: tg.sum(tg.abs(z) ** 2), 2 * (3 - 4j)),
    ],
)
def test_the_gradient_of_a_real_loss_by_a_complex_number(loss: Any, expected: complex) -> None:
    z = leaf(3 + 4j, dtype=complex)
    loss(z).backward()
    assert z.grad.item() == pytest.approx(expected)


def test_abs_of_complex_zero_has_gradient_zero() -> None:
    z = leaf(0j, dtype=complex)
    tg.abs(z).backward()
    assert z.grad.item() == 0


def test_complex_numbers_do_not_lose_their_imaginary_part_silently() -> None:
    with pytest.raises(DTypeError, match=r"imaginary.*real\(x\)"):
        leaf(1j, dtype=complex).astype(np.float64)


# -- constants ------------------------------------------------------------------------------------


def test_division_by_a_python_zero_is_numpys() -> None:
    x = leaf(1.0, -2.0)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        y = x / 0
    assert y.tolist() == [inf, -inf]
    y.backward(np.array([1.0, 0.0]))
    assert x.grad.tolist() == [inf, 0.0]


@pytest.mark.parametrize(
    ("f", "numpys"),
    [
        (lambda x: x**-1, lambda a: a**-1),
        (lambda x: x ** np.float32(2), lambda a: a**2),
        (lambda x: x ** np.array([1, 2]), lambda a: a ** np.array([1, 2])),
        (lambda x: 2**x, lambda a: 2**a),
        (lambda x: np.float64(2) ** x, lambda a: 2**a),
        (lambda x: tg.pow(2, x), lambda a: 2**a),
        (lambda x: [1.0, 2.0] * x, lambda a: [1.0, 2.0] * a),
        (lambda x: (1, 2) - x, lambda a: (1, 2) - a),
        (lambda x: x % 0.7, lambda a: a % 0.7),
        (lambda x: 5 % x, lambda a: 5 % a),
        (lambda x: -7 // x, lambda a: -7 // a),
        (lambda x: True * x, lambda a: True * a),
    ],
)
def test_an_operator_takes_numbers_lists_and_arrays_on_either_side(f: Any, numpys: Any) -> None:
    a = np.array([1.5, 2.5])
    y = f(leaf(a))
    np.testing.assert_allclose(y.data, numpys(a), rtol=1e-15)
    y.backward(np.ones(2))


def test_floor_divide_and_remainder_put_a_number_together_again() -> None:
    a = np.array([7.0, -7.0, 7.0, -7.0, 0.5])
    b = np.array([2.0, 2.0, -2.0, -2.0, 3.0])
    x = leaf(a)
    y = (x // b) * b + x % b
    np.testing.assert_allclose(y.data, a)
    y.backward(np.ones(5))
    assert x.grad.tolist() == [1.0] * 5
