"""PyTorch as a judge: what is wrong is noticed, what is right is not accused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.oracle import Case, Seeded, assert_agrees_with_torch
from tinygrad_cnn.core import Op

pytestmark = pytest.mark.oracle

WRONG: dict[str, Callable[[Any, Any, Any], Any]] = {
    "sign": lambda g, _y, x: -3 * g * x * x,
    "a millionth": lambda g, _y, x: 3.000003 * g * x * x,
    "upstream gradient dropped": lambda g, _y, x: 3 * x * x,
    "second derivative cut": lambda g, _y, x: 3 * g * np.square(getattr(x, "data", x)),
}


def cube(vjp: Callable[[Any, Any, Any], Any]) -> Case:
    f = Op(lambda x: x * x * x, name="cube").vjp(vjp)
    return Case("cube", f, lambda x: x**3, lambda d: ([d.real(3, 3, low=0.5)], {}))


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_gradient_is_noticed(name: str) -> None:
    pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")
    for seed in range(5):
        with pytest.raises(AssertionError, match="derivative" if "second" in name else "gradient"):
            assert_agrees_with_torch(cube(WRONG[name]), Seeded(seed))


def test_a_right_gradient_is_not_accused() -> None:
    pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")
    for seed in range(50):
        assert_agrees_with_torch(cube(lambda g, _y, x: 3 * g * x * x), Seeded(seed))
