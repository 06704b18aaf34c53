"""Random programs: what many ops, names and in-place operations together come to.

A program is drawn as a list of statements on a few names. It runs twice: on Tensors, and on complex
arrays with one input moved by ih, whose imaginary part is the derivative to the last digit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor
from tinygrad_cnn.core import gradients_of

N = 4
Names = dict[str, Any]


def concat(a: Any, b: Any) -> Any:
    return (tg.concat if isinstance(a, Tensor) or isinstance(b, Tensor) else np.concatenate)([a, b])


PURE: list[Callable[[Any, Any], Any]] = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a / (b * b + 2.0),
    lambda a, b: tg.sin(a) * b,
    lambda a, b: tg.tanh(a + b),
    lambda a, b: tg.exp(a * 0.1) + b[::-1],
    lambda a, b: concat(a[:2], b[2:]),
    lambda a, b: a[[0, 0, 2, 3]] + b,
    lambda a, b: tg.sum(a) * b,
    lambda a, b: tg.matmul(tg.reshape(a, (N, 1)), tg.reshape(b, (1, N)))[1] * 0.5,
    lambda a, b: tg.cumsum(a, axis=0) * 0.3 + b,
    lambda a, b: tg.roll(a, 1) * tg.flip(b),
    lambda a, b: tg.where(MASK, a, b),
    lambda a, b: a,  # another name
    lambda a, b: tg.mean(a) - tg.prod(b) * 0.01,
]
MASK = np.array([True, False, True, True])


def add(x: Any, a: Any) -> Any:
    x += a
    return x


def multiply(x: Any, a: Any) -> Any:
    x *= a * 0.5
    return x


def write(x: Any, a: Any) -> Any:
    x[1:3] = a[::2]
    return x


def write_where(x: Any, a: Any) -> Any:
    x[MASK] = a[1:]
    return x


IN_PLACE = [add, multiply, write, write_where]
statements = st.lists(
    st.tuples(st.booleans(), st.integers(0, 99), *(st.sampled_from("abcd") for _ in range(3))),
    min_size=1,
    max_size=12,
)


def run(program: list[Any], inputs: list[Any], value: bool) -> Any:
    """The sum of all names at the end. `value`: arrays are copied where a name gets another's."""
    names: Names = dict(zip("abcd", inputs, strict=True))
    for in_place, k, target, first, second in program:
        if in_place:
            names[target] = IN_PLACE[k % len(IN_PLACE)](names[target], names[first])
        else:
            y = PURE[k % len(PURE)](names[first], names[second])
            y = y + np.zeros(N) if y.shape == () else y
            same = any(y is v for v in names.values())
            names[target] = +y if same else y
        if value:
            names[target] = names[target].copy()
    return tg.sum(names["a"] * W) + tg.sum(names["b"] + names["c"] * names["d"])


W = np.array([1.0, -2.0, 0.5, 3.0])


@settings(max_examples=150, derandomize=True)
@given(program=statements, seed=st.integers(0, 10_000))
def test_a_random_program_has_the_derivative_that_its_complex_step_tells(
    program: list[Any], seed: int
) -> None:
    check(program, seed)


def check(program: list[Any], seed: int) -> None:
    rng = np.random.default_rng(seed)
    data, directions = rng.uniform(-1, 1, (2, 4, N))
    leaves = [Tensor(x, requires_grad=True) for x in data]
    # Every name has a value of its own: x += y on a leaf would turn the leaf's name.
    y = run(program, [x * 1.0 for x in leaves], value=False)
    gradients = gradients_of([y], [np.ones(())], leaves, create_graph=True)
    step = [x + 1e-20j * v for x, v in zip(data, directions, strict=True)]
    exact = run(program, step, value=True)
    assert y.item() == pytest.approx(exact.real, rel=1e-9, abs=1e-9)
    slope = sum(
        np.sum(g.data * v) for g, v in zip(gradients, directions, strict=True) if g is not None
    )
    assert slope == pytest.approx(exact.imag / 1e-20, rel=1e-8, abs=1e-8)
    assert [x.tolist() for x in leaves] == data.tolist()

    plain = gradients_of([y], [np.ones(())], leaves)
    for g, p in zip(gradients, plain, strict=True):
        assert (g is None) == (p is None)
        if g is not None and p is not None:
            np.testing.assert_allclose(p.data, g.data, rtol=1e-12, atol=1e-12)
