"""at="kink": subgradients, by the slopes on both sides, and the library's choices among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.testing import GradientMismatch, GradientReport, gradcheck


def a(*numbers: Any) -> np.ndarray:
    return np.array(numbers, float)


# One row for each row of the table "At singular points" of the documentation that has a kink:
# (function, inputs at the kink, the gradient of its sum with respect to the first)
POLICIES: dict[str, tuple[Callable[..., Any], tuple[np.ndarray, ...], np.ndarray]] = {
    "relu": (tg.relu, (a(-1, 0, 2),), a(0, 0, 1)),
    "leaky_relu": (tg.leaky_relu, (a(-1, 0, 2),), a(0.01, 0.01, 1)),
    "hardtanh": (tg.hardtanh, (a(-1, 0, 1),), a(0, 1, 0)),
    "relu6": (tg.relu6, (a(0, 3, 6),), a(0, 1, 0)),
    "hardsigmoid": (tg.hardsigmoid, (a(-3, 3),), a(0, 0)),
    "abs": (tg.abs, (a(-2, 0, 2),), a(-1, 0, 1)),
    "maximum": (tg.maximum, (a(3, 1), a(3, 2)), a(0.5, 0)),
    "minimum": (tg.minimum, (a(3, 1), a(3, 2)), a(0.5, 1)),
    "max": (tg.max, (a(1, 4, 4),), a(0, 0.5, 0.5)),
    "min": (tg.min, (a(1, 1, 4),), a(0.5, 0.5, 0)),
    "max_pool": (
        lambda x: tg.max_pool2d(x, kernel_size=2),
        (np.full((1, 1, 2, 2), 5.0),),
        np.array([[[[1.0, 0.0], [0.0, 0.0]]]]),
    ),
    "clip": (lambda x: tg.clip(x, 0, 1), (a(0, 1, 2),), a(1, 1, 0)),
    "sort": (lambda x: tg.sort(x) * a(1, 2, 3), (a(2, 2, 2),), a(1, 2, 3)),
    "topk": (lambda x: tg.topk(x, 2).values, (a(2, 2, 2),), a(1, 1, 0)),
    "median": (tg.median, (a(2, 2, 2),), a(0, 1, 0)),
    "cumulative_max": (tg.cumulative_max, (a(1, 1),), a(2, 0)),
    "vector_norm": (tg.linalg.vector_norm, (a(0, 0),), a(0, 0)),
    "vector_norm(ord=1)": (lambda x: tg.linalg.vector_norm(x, ord=1), (a(0, 2),), a(0, 1)),
    "std": (tg.std, (a(2, 2),), a(0, 0)),
}


@pytest.mark.parametrize("name", POLICIES)
def test_the_choice_that_the_table_tells_is_made_and_is_a_subgradient(name: str) -> None:
    f, inputs, expected = POLICIES[name]
    x, *rest = (tg.Tensor(v, requires_grad=True) for v in inputs)
    tg.sum(f(x, *rest)).backward()
    np.testing.assert_array_equal(x.grad.data, expected)
    report = at_the_kink(f, *inputs)
    assert report.checks


def at_the_kink(f: Callable[..., Any], *inputs: np.ndarray, **options: Any) -> GradientReport:
    return gradcheck(f, *inputs, at="kink", **options)


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def largest(x: np.ndarray) -> Any:
    return x.max()


@pytest.mark.parametrize("slope", [0.0, 0.3, 0.5, 1.0])
def test_any_slope_between_the_two_sides_passes(slope: float) -> None:
    assert at_the_kink(relu, a(0, 1), vjp=lambda g, x: (g * np.where(x == 0, slope, x > 0),))


@pytest.mark.parametrize("slope", [-1.0, -0.001, 1.001, 2.0])
def test_none_beyond_the_two_sides_passes(slope: float) -> None:
    with pytest.raises(GradientMismatch) as caught:
        at_the_kink(relu, a(1, 0), vjp=lambda g, x: (g * np.where(x == 0, slope, x > 0),))
    assert caught.value.element == (1,)
    assert caught.value.analytic == slope
    assert caught.value.numeric == pytest.approx(min(max(slope, 0), 1))
    left, right = caught.value.evidence
    assert left.startswith("slope from the left 0 ±")
    assert right.startswith("slope from the right 1 ±")


@pytest.mark.parametrize("shares", [(1, 0, 0), (0, 0, 1), (0.5, 0.5, 0), (0.2, 0.3, 0.5)])
def test_equal_maxima_share_as_they_like(shares: tuple[float, ...]) -> None:
    assert at_the_kink(largest, a(3, 3, 3), vjp=lambda g, x: (g * np.array(shares),))


@pytest.mark.parametrize("shares", [(1, 1, 0), (1, 1, 1), (0, 0, 0), (0.4, 0.4, 0.4)])
def test_their_shares_sum_to_one(shares: tuple[float, ...]) -> None:
    with pytest.raises(GradientMismatch, match="moved as a whole"):
        at_the_kink(largest, a(3, 3, 3), vjp=lambda g, x: (g * np.array(shares),))


def test_the_middle_of_three_equals_may_be_any_of_them() -> None:
    for i in range(3):
        assert at_the_kink(np.median, a(1, 1, 1), vjp=lambda g, x, i=i: (g * (np.arange(3) == i),))


def test_where_f_is_smooth_a_wrong_gradient_is_wrong_at_the_kink_of_another_element() -> None:
    with pytest.raises(GradientMismatch) as caught:
        at_the_kink(relu, a(0, 1), vjp=lambda g, x: (g * 1.001 * (x > 0),))
    assert caught.value.element == (1,)


def test_a_jump_has_no_subgradient_and_is_not_judged() -> None:
    assert at_the_kink(
        lambda x: np.where(x >= 0, 1.0, 0.0), a(0), vjp=lambda g, x: (g * 7,)
    ).rejected


def test_the_kink_of_a_second_derivative_is_tested_too() -> None:
    assert gradcheck(lambda x: tg.relu(x) * x, a(0, 1, -1), at="kink", order=2)


@pytest.mark.parametrize(
    ("f", "n", "said"),
    [
        (lambda x: np.maximum(x[0], np.zeros(6)), 1, ()),
        (lambda x: np.maximum(x[0], np.zeros(7)), 1, ("outputs beyond the first 6 of 7",)),
        (lambda x: x[:1], 4, ()),
        (lambda x: x[:1], 5, ("input 0: 1 of 5 elements",)),
    ],
)
def test_at_a_kink_what_was_not_looked_at_is_said(
    f: Any, n: int, said: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinygrad_cnn.testing.sides.OUTPUTS", 6)
    monkeypatch.setattr("tinygrad_cnn.testing.sides.ELEMENTS", 4)

    def vjp(g: Any, x: Any) -> tuple[Any]:
        G = np.zeros(n)
        G[0] = g.sum()
        return (G,)

    skipped = gradcheck(f, np.zeros(n), vjp=vjp, at="kink").skipped
    assert len(skipped) == len(said)
    assert all(a.startswith(b) for a, b in zip(skipped, said, strict=True))


def test_of_many_outputs_the_wrong_one_is_found() -> None:
    def vjp(g: Any, x: Any) -> tuple[Any]:
        G = np.zeros(100)
        G[99] = 2 * g[99]
        return (G,)

    with pytest.raises(GradientMismatch, match="no slope of output element 99") as caught:
        at_the_kink(relu, np.zeros(100), vjp=vjp)
    assert caught.value.element == (99,)


def test_of_many_elements_the_wrong_one_is_found() -> None:
    def vjp(g: Any, x: Any) -> tuple[Any]:
        G = np.zeros(700)
        G[650] = 2 * g
        return (G,)

    with pytest.raises(GradientMismatch) as caught:
        at_the_kink(lambda x: np.maximum(x, 0).sum(), np.zeros(700), vjp=vjp)
    assert caught.value.element == (650,)


HALVES = np.round(np.random.default_rng(0).normal(size=(90, 5))) / 2  # many ties, many zeros
MANY: dict[str, Callable[..., Any]] = {
    "each": lambda x: tg.relu(x) * tg.abs(x),
    "up and down": lambda x: tg.relu(x[:40]) - tg.relu(x[40:80]) * tg.exp(x[:40]),
    "mixed": lambda x: tg.relu(x) @ np.random.default_rng(1).normal(size=(5, 4)),
    "maxima": lambda x: tg.max(x, axis=1),
    "in a row": lambda x: tg.cumulative_max(x[:, 0]),
    "pooled": lambda x: tg.max_pool2d(tg.reshape(x[:80], (1, 1, 20, 20)), kernel_size=2),
}


@pytest.mark.parametrize("name", MANY)
def test_of_many_outputs_no_right_one_is_accused(name: str) -> None:
    report = at_the_kink(MANY[name], HALVES)
    assert report.checks
    assert not report.skipped


def test_of_an_interval_that_is_one_point_the_inside_counts() -> None:
    assert at_the_kink(lambda x, low, high: tg.clip(x, low, high), *np.full((3, 3), 0.5)).checks


def test_what_rounding_leaves_of_a_zero_is_no_wrong_slope() -> None:
    def vjp(g: Any, x: np.ndarray) -> tuple[np.ndarray]:
        return (g @ np.array([[1.0, 1e-17], [0.0, 2.0]]),)

    assert at_the_kink(lambda x: np.array([x[0], 2 * x[1]]), a(0, 1), vjp=vjp).checks


def test_of_infinite_outputs_nothing_is_asked() -> None:
    assert at_the_kink(lambda x: tg.log(x) + tg.relu(x - 1), a(0, 1, 2)).checks


def test_where_there_is_no_kink_a_wrong_gradient_is_called_one() -> None:
    with pytest.raises(GradientMismatch) as caught:
        gradcheck(np.sin, np.ones(2), vjp=lambda g, x: (-g * np.cos(x),), at="kink")
    assert caught.value.verdict.startswith("wrong gradient")
    assert caught.value.hints[0] == "the sign is wrong"


@pytest.mark.parametrize("x", [-40.0, -36.5, -30.0, -25.0])
def test_in_the_tail_of_a_smooth_function_what_cancels_is_granted(x: float) -> None:
    def vjp(g: Any, x: np.ndarray) -> tuple[np.ndarray]:
        return (g * 0.5 * (1 + np.tanh(x / 2)),)

    assert at_the_kink(lambda x: np.logaddexp(0, x), a(x, 1), vjp=vjp).checks


@pytest.mark.parametrize("scale", [1e-10, 1e-30])
def test_of_outputs_that_are_tiny_all_over_nothing_is_granted(scale: float) -> None:
    with pytest.raises(GradientMismatch):
        at_the_kink(lambda x: scale * relu(x), a(0, 1), vjp=lambda g, x: (2 * scale * g * (x > 0),))


@pytest.mark.parametrize(
    ("x", "slope"), [(a(0), 0.0), (a(0), -np.inf), (a(0, 0.625), 0.0), (a(0.5, 0), 0.0)]
)
def test_a_slope_that_is_infinite_is_left_out(x: np.ndarray, slope: float) -> None:
    def f(x: np.ndarray) -> np.ndarray:
        return x * np.log(np.abs(np.where(x == 0, 1, x)))

    at_the_kink(f, x, vjp=lambda g, x: (g * np.where(x == 0, slope, np.log(np.abs(x)) + 1),))
