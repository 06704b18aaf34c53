"""The judges themselves: what is wrong is noticed, what is right is not accused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.oracle import Case, Seeded, complex_step, difference_quotients, ridders
from tinygrad_cnn import ops
from tinygrad_cnn.core import Op


def one_entry_off(g: Any, x: Any) -> Any:
    weights = np.ones(x.shape)
    weights[-1, -1] = 1.001
    return 3 * g * x * x * weights


MUTANTS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "sign": lambda g, _y, x: -3 * g * x * x,
    "factor": lambda g, _y, x: 2 * g * x * x,
    "a millionth": lambda g, _y, x: 3.000003 * g * x * x,
    "one entry off by a thousandth": lambda g, _y, x: one_entry_off(g, x),
    "upstream gradient dropped": lambda g, _y, x: 3 * x * x,
    "transposed": lambda g, _y, x: 3 * g * ops.matrix_transpose(x * x),
    "second derivative cut": lambda g, _y, x: 3 * g * np.square(getattr(x, "data", x)),
    "zero": lambda g, _y, x: g * 0.0,
}


def cube(vjp: Callable[[Any, Any, Any], Any]) -> Case:
    f = Op(lambda x: x * x * x, name="cube").vjp(vjp)
    return Case("cube", f, None, lambda d: ([d.real(3, 3, low=0.5)], {}))


def check(case: Case, seed: int) -> None:
    for comparison in difference_quotients(case, Seeded(seed)):
        comparison.check()


@pytest.mark.parametrize("name", MUTANTS)
@pytest.mark.parametrize("seed", range(5))
def test_a_wrong_gradient_is_noticed(name: str, seed: int) -> None:
    with pytest.raises(AssertionError, match="is claimed"):
        check(cube(MUTANTS[name]), seed)


def test_a_right_gradient_is_not_accused() -> None:
    right = cube(lambda g, _y, x: 3 * g * x * x)
    for seed in range(200):
        check(right, seed)


@pytest.mark.parametrize(
    ("phi", "slope"),
    [
        (lambda t: np.exp(3 * t), 3.0),
        (lambda t: 1e6 + t, 1.0),
        (lambda t: np.sqrt(0.05 + t), 0.5 / np.sqrt(0.05)),
        (lambda t: np.sin(50 * t), 50.0),
        (lambda t: 5.0, 0.0),
    ],
)
def test_the_bound_of_the_extrapolation_holds_and_is_not_idle(phi: Any, slope: float) -> None:
    found, bound = ridders(phi, size=abs(phi(0.0)))
    assert abs(found - slope) <= bound
    assert bound < 1e-4 * (abs(slope) + 1)


def test_a_jump_makes_the_bound_large() -> None:
    _, bound = ridders(lambda t: 1.0 if t > 1e-9 else 0.0, size=1.0)
    assert bound > 1


def test_the_complex_step_is_exact_and_knows_when_it_does_not_apply() -> None:
    assert complex_step(np.exp) == 1.0
    assert complex_step(lambda t: np.hypot(t, 1.0)) is None
    assert complex_step(lambda t: abs(t) + 1.0) is None
