"""Slopes of functions of one variable: the error that is told bounds the error that is made."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.testing.slopes import (
    LEVELS,
    QUICK_STEPS,
    Line,
    Phi,
    Row,
    Slope,
    central,
    extrapolate,
    grid,
    noise_of,
    one_sided,
    plateau,
    settle,
)
from tinygrad_cnn.testing.subject import Subject

EPS = float(np.finfo(float).eps)


def along(f: Callable[..., Any], x: float) -> Phi:
    """t -> f(x + t) - f(x)"""
    subject = Subject(f, (np.array([x]),), vjp=lambda g, x: (g,))
    return Line(subject, [np.ones(1)]).along(np.ones(1))


SMOOTH = [
    (np.sin, 0.7, math.cos(0.7)),
    (np.exp, 1.5, math.exp(1.5)),
    (lambda x: 1 / x, 3.0, -1 / 9),
    (lambda x: np.sin(20 * x), 0.1, 20 * math.cos(2.0)),
    (np.log, 0.2, 5.0),
]


@pytest.mark.parametrize(("f", "x", "slope"), SMOOTH)
def test_the_error_told_bounds_the_error_made(
    f: Callable[..., Any], x: float, slope: float
) -> None:
    phi = along(f, x)
    few = [central(phi, h, EPS) for h in QUICK_STEPS]
    many = [central(phi, h, EPS) for h in grid(2.0**-4)]
    for found in (Slope(*extrapolate(few, power=2), "few steps"), settle(many)):
        assert found is not None
        assert abs(found.value - slope) <= found.error < 1e-6 * abs(slope)


def test_four_rows_cancel_three_terms_of_their_error() -> None:
    rows = [Row(1 + 5 * h**2 - 3 * h**4 + 2 * h**6, h, 0.0) for h in (0.5, 0.25, 0.125, 0.0625)]
    value, error = extrapolate(rows, power=2)
    assert value == pytest.approx(1, abs=1e-12)
    assert error < 1e-2


def test_noise_widens_the_error_in_proportion() -> None:
    rows = [Row(1.0, h, 1e-3) for h in (0.5, 0.25, 0.125, 0.0625)]
    assert extrapolate(rows, power=2) == (1.0, pytest.approx(2e-3))


def test_the_complex_step_is_exact_where_the_forward_carries_it_and_none_where_not() -> None:
    subject = Subject(tg.tanh, (np.array([0.5]),))
    column = Line(subject, [np.ones(1)]).column
    assert column is not None
    assert column[0] == pytest.approx(1 - math.tanh(0.5) ** 2, rel=1e-15)
    real = Subject(np.arctan2, (np.ones(1), np.ones(1)), vjp=lambda g, y, x: (g, g))
    assert Line(real, [np.ones(1), None]).column is None


def test_sides_of_a_kink_are_two_slopes() -> None:
    phi = along(lambda x: np.where(x > 0, 3 * x, -x), 0.0)
    steps = grid(2.0**-4)
    sides = one_sided(phi, EPS, steps, steps)
    assert sides is not None
    assert [side.value for side in sides] == pytest.approx([-1, 3])


@pytest.mark.parametrize("level", [1e-12, 1e-9, 1e-6])
def test_noise_is_measured_where_rounding_alone_would_tell_too_little(level: float) -> None:
    rng = np.random.default_rng(0)
    phi = along(lambda x: np.sin(x) + level * rng.standard_normal(), 0.4)
    assert level / 4 < noise_of(phi, EPS, 2.0**-4) < 32 * level


def test_a_smooth_function_has_the_noise_of_its_rounding() -> None:
    assert noise_of(along(np.sin, 0.4), EPS, 2.0**-4) < 16 * EPS


def test_a_plateau_is_as_long_as_f_stays_the_same_on_both_sides() -> None:
    steps = grid(2.0**-4)
    assert plateau(along(np.floor, 0.5), steps) == len(steps)
    assert plateau(along(np.sin, 0.5), steps) == 0
    near = plateau(along(np.floor, 1 + 1e-6), steps)
    assert steps[near - 1] <= 1e-6 < steps[near]


def test_windows_that_disagree_with_finer_ones_are_not_believed() -> None:
    """A kink 1e-3 away: beyond it the slope is another, and looks as settled."""
    phi = along(lambda x: np.maximum(x, 0), 1e-3)
    found = settle([central(phi, h, EPS) for h in grid(2.0**-4)])
    assert found is not None
    assert abs(found.value - 1) <= found.error < 1e-6


def test_fewer_steps_than_a_ladder_has_settle_nothing() -> None:
    phi = along(np.sin, 0.3)
    assert settle([central(phi, h, EPS) for h in grid(2.0**-4)[: LEVELS - 1]]) is None


def test_where_f_changes_shape_it_has_no_value() -> None:
    phi = along(lambda x: x[x > 0.5], 0.6)
    assert math.isnan(phi(-0.2))
    assert phi(0.25) == pytest.approx(0.25)
