"""Where a report says that the wrong gradient is written down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.testing import GradientMismatch, gradcheck


@tg.op
def _zero_in_its_vjp(x: Any, /) -> Any:
    return np.exp(x)


_zero_in_its_vjp.vjp(lambda g, y, x: 0 * g)


@tg.op
def _none_for_its_second(x: Any, y: Any, /) -> Any:
    return x * y


_none_for_its_second.vjp(lambda g, z, x, y: g * y, None)


def where(f: Callable[..., Any], *inputs: Any) -> str:
    with pytest.raises(GradientMismatch) as caught:
        gradcheck(f, *inputs)
    return str(caught.value.where)


@pytest.mark.parametrize(
    "cut",
    [
        lambda x: tg.sin(x.detach()),
        lambda x: tg.sin(tg.Tensor(x.data)),
        lambda x: tg.sin(tg.exp(x.detach())),
    ],
)
def test_where_the_graph_is_cut_the_function_is_to_blame_and_no_op(cut: Any) -> None:
    told = where(cut, np.array([0.1, 0.2]))
    assert "the function under test: no gradient finds a way to input 0" in told
    assert __file__.rpartition("/")[2] in told


def test_of_two_inputs_the_one_that_is_cut_off_is_named() -> None:
    told = where(lambda x, y: x * y.detach(), np.ones(2), np.ones(2))
    assert "no gradient finds a way to input 1" in told


def test_a_vjp_that_returns_zero_is_to_blame_itself() -> None:
    assert "the VJP of op _zero_in_its_vjp" in where(_zero_in_its_vjp, np.ones(2))


def test_an_op_that_declares_no_gradient_for_an_input_is_to_blame_itself() -> None:
    told = where(_none_for_its_second, np.ones(2), np.ones(2))
    assert "op _none_for_its_second" in told
