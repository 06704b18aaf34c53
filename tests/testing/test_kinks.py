"""Branch witnesses: what the ops of the library tell about the side of a kink that they took."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core.op import REGISTRY
from tinygrad_cnn.testing import gradcheck
from tinygrad_cnn.testing.kinks import BRANCHES
from tinygrad_cnn.testing.subject import Subject


def branches(f: Callable[..., Any], *xs: Any) -> tuple[Any, ...]:
    return Subject(f, tuple(np.asarray(x, float) for x in xs)).base.branches


CROSSINGS: list[tuple[str, Callable[..., Any], Any, Any, Any]] = [
    ("relu", tg.relu, [-0.1], [0.0], [0.1]),
    ("leaky_relu", tg.leaky_relu, [-0.1], [0.0], [0.1]),
    ("abs", tg.abs, [-0.1], [0.0], [0.1]),
    ("hardtanh", tg.hardtanh, [0.9], [1.0], [1.1]),
    ("clip", lambda x: tg.clip(x, 0, 1), [0.9], [1.0], [1.1]),
    ("max", tg.max, [1.0, 0.9], [1.0, 1.0], [1.0, 1.1]),
    ("min", tg.min, [1.0, 0.9], [1.0, 1.0], [1.0, 1.1]),
    ("maximum", lambda x: tg.maximum(x, 1.0), [0.9], [1.0], [1.1]),
    ("floor", tg.floor, [0.9], [1.0], None),
    ("sort", tg.sort, [1.0, 0.9], None, [1.0, 1.1]),
    ("max_pool", lambda x: tg.max_pool1d(x, kernel_size=2), [[[1.0, 0.9]]], None, [[[1.0, 1.1]]]),
    ("where", lambda x: tg.where(x > 1, x, 2 * x), [0.9], None, [1.1]),
    ("vector_norm", tg.linalg.vector_norm, [0.1, 0.0], [0.0, 0.0], None),
]


@pytest.mark.parametrize(
    ("f", "left", "on", "right"), [c[1:] for c in CROSSINGS], ids=[c[0] for c in CROSSINGS]
)
def test_the_branch_is_another_on_each_side_and_on_the_kink(
    f: Callable[..., Any], left: Any, on: Any, right: Any
) -> None:
    there = [branches(f, x) for x in (left, on, right) if x is not None]
    assert len(set(there)) == len(there)


def test_the_branch_is_the_same_along_a_side() -> None:
    assert branches(tg.relu, [0.1, -2.0]) == branches(tg.relu, [3.0, -0.1])


def test_a_smooth_op_has_no_branch() -> None:
    assert branches(tg.tanh, [0.1]) == branches(tg.tanh, [-5.0])


def test_an_op_of_ones_own_is_not_read_as_the_librarys_of_the_same_name() -> None:
    @tg.op
    def hardtanh(x: Any, /) -> Any:
        return np.clip(x, -1, 1)

    hardtanh.vjp(lambda g, _y, x: g * (abs(x) < 1))
    assert REGISTRY["hardtanh"] is tg.hardtanh
    assert gradcheck(hardtanh, np.array([0.5, 2.0])).checks


def test_an_op_of_ones_own_joins_by_an_entry() -> None:
    @tg.op(name="witnessed_relu")
    def my_relu(x: Any) -> Any:
        return np.maximum(x, 0)

    my_relu.vjp(lambda g, _y, x: g * (x > 0))
    x = np.array([0.0, 1.0])
    BRANCHES[my_relu] = lambda values, _static, _y: np.sign(values[0])
    try:
        assert gradcheck(my_relu, x).kinks == ((0, (0,)),)
    finally:
        del BRANCHES[my_relu]
    assert gradcheck(my_relu, x).kinks == ((0, (0,)),)  # the slopes of both sides tell, too
