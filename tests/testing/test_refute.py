"""What is held against a gradient, and what is not: kinks, stairs, noise, scales."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.testing.refute import Probe, Reading
from tinygrad_cnn.testing.subject import Subject


def read(f: Callable[..., Any], x: float, claim: float, rounding: float = 0.0) -> Reading:
    """What f says about the claim that its slope at x is this."""
    subject = Subject(f, (np.array([x]),), vjp=lambda g, x: (claim * g,))
    return Probe(subject, 0, 0, np.ones(1)).reading(claim, lambda _: rounding)


@pytest.mark.parametrize(
    ("f", "x", "slope"),
    [
        (np.sin, 0.7, np.cos(0.7)),
        (np.exp, -3.0, np.exp(-3.0)),
        (np.square, 1e-8, 2e-8),
        (np.sqrt, 1e12, 5e-7),
        (np.tanh, 0.0, 1.0),
        (lambda x: x + 5.0, 0.0, 1.0),
        (lambda x: np.sin(1e6 * x), 1e-6, 1e6 * np.cos(1.0)),
    ],
)
def test_a_slope_off_by_a_thousandth_is_refuted_and_the_right_one_is_found(
    f: Callable[..., Any], x: float, slope: float
) -> None:
    for factor in (1.001, -1.0, 0.0, np.nan, np.inf):
        reading = read(f, x, factor * slope)
        assert reading.kind == "wrong"
        assert abs(reading.slope.value - slope) <= reading.slope.error + 1e-9 * abs(slope)
    assert read(f, x, slope).kind == "open"


@pytest.mark.parametrize("distance", [0.0, 1e-17, 1e-14, 1e-11, 1e-8])
@pytest.mark.parametrize("claim", [0.0, 1.0])
def test_no_side_of_a_kink_is_refuted_from_however_near(distance: float, claim: float) -> None:
    for x in (1 + distance, 1 - distance):
        right = float(x > 1)
        if claim == right or distance < 1e-12:
            assert read(lambda x: np.maximum(x - 1, 0), x, claim).kind != "wrong"


def test_beside_a_kink_that_can_be_told_the_other_side_is_refuted() -> None:
    assert read(lambda x: np.maximum(x, 0), 1e-9, 0.0).kind == "wrong"
    assert read(lambda x: np.abs(x), -1e-9, 1.0).kind == "wrong"


def test_a_kink_itself_is_called_one() -> None:
    assert read(np.abs, 0.0, 7.0).kind == "kink"


def test_a_witness_ends_the_steps_on_its_side() -> None:
    subject = Subject(tg.relu, (np.array([0.01]),))
    probe = Probe(subject, 0, 0, np.ones(1))
    assert min(probe.left) > -0.01
    assert max(probe.right) > 0.1


def test_at_a_jump_nothing_is_told() -> None:
    assert read(lambda x: np.where(x >= 1, 1.0, 0.0), 1.0, 3.0).kind != "wrong"


def test_on_a_wide_stair_any_slope_is_refuted() -> None:
    assert read(np.floor, 1.4, 1.0).kind == "wrong"
    assert read(np.floor, 1.4, 0.0).kind == "open"


def test_on_a_stair_that_rounding_made_the_slope_of_the_staircase_counts() -> None:
    def f(x: np.ndarray) -> np.ndarray:
        return (x + 1e9) - 1e9

    assert read(f, 0.3, 1.0).kind == "open"
    assert read(f, 0.3, 1.01).kind == "wrong"
    assert read(f, 0.3, 0.0).kind == "wrong"


def test_not_a_number_is_refuted_where_f_is_constant() -> None:
    assert read(np.zeros_like, 1.0, np.nan).kind == "wrong"
    assert read(np.zeros_like, 1.0, 0.0).kind == "open"


def test_a_rise_too_small_to_be_seen_is_not_refuted() -> None:
    assert read(np.tanh, 25.0, 1e-20).kind == "open"
    assert read(lambda x: np.log(1 + x), 1e-18, 1.0).kind == "open"


def test_what_a_claim_has_lost_in_rounding_is_granted() -> None:
    assert read(np.sin, 0.7, np.cos(0.7) + 1e-6).kind == "wrong"
    assert read(np.sin, 0.7, np.cos(0.7) + 1e-6, rounding=2e-6).kind == "open"


def test_a_part_of_f_that_rounding_holds_constant_accuses_nobody() -> None:
    def f(x: np.ndarray) -> np.ndarray:
        return (1 - np.cos(x)) / x**2

    rng = np.random.default_rng(0)
    for x in 10.0 ** rng.uniform(-5, -2, 20):
        assert read(f, x, -x / 12).kind == "open"


def test_a_median_of_equals_has_a_kink_that_no_element_shows_alone() -> None:
    subject = Subject(np.median, (np.ones(3),), vjp=lambda g, x: (g * np.array([0, 1, 0]),))
    assert Probe(subject, 0, 1, np.ones(1)).reading(1.0).kind != "wrong"


def test_steps_are_differences_of_floating_point_numbers() -> None:
    probe = Probe(Subject(np.sin, (np.array([0.1]),), vjp=lambda g, x: (g,)), 0, 0, np.ones(1))
    assert all(np.float64(0.1) + t - np.float64(0.1) == t for t in (*probe.left, *probe.right))
