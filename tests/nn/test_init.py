"""Initialisers: the distributions that their formulas promise."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cnn import manual_seed, nn
from tinygrad_cnn.errors import ConfigError, ShapeError
from tinygrad_cnn.nn import init

FAN_IN, FAN_OUT = 20 * 9, 30 * 9


@pytest.fixture(autouse=True)
def _seed() -> None:
    manual_seed(0)


def weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(np.full(shape or (30, 20, 3, 3), np.nan))


@pytest.mark.parametrize(
    ("fill", "std", "uniform"),
    [
        (lambda w: init.kaiming_normal_(w), (2 / FAN_IN) ** 0.5, False),
        (lambda w: init.kaiming_normal_(w, a=0.5), (2 / 1.25 / FAN_IN) ** 0.5, False),
        (lambda w: init.kaiming_normal_(w, mode="fan_out"), (2 / FAN_OUT) ** 0.5, False),
        (lambda w: init.kaiming_normal_(w, nonlinearity="linear"), FAN_IN**-0.5, False),
        (lambda w: init.kaiming_uniform_(w, nonlinearity="relu"), (2 / FAN_IN) ** 0.5, True),
        (lambda w: init.xavier_normal_(w), (2 / (FAN_IN + FAN_OUT)) ** 0.5, False),
        (lambda w: init.xavier_uniform_(w, gain=2), 2 * (2 / (FAN_IN + FAN_OUT)) ** 0.5, True),
        (lambda w: init.normal_(w, 0, 3.0), 3.0, False),
        (lambda w: init.uniform_(w, -6, 6), 6 / 3**0.5, True),
    ],
)
def test_weights_have_the_spread_of_the_formula(fill, std, uniform):
    w = weight()
    assert fill(w) is w
    assert abs(w.data.mean()) < 0.05 * std
    np.testing.assert_allclose(w.data.std(), std, rtol=0.03)
    largest = np.abs(w.data).max()
    assert largest <= std * 3**0.5 if uniform else largest > 3 * std


def test_constants_fill():
    assert init.constant_(weight(2), 3).tolist() == [3, 3]
    assert init.zeros_(weight(2)).tolist() == [0, 0]
    assert init.ones_(weight(2)).tolist() == [1, 1]


def test_truncated_normal_values_stay_inside_and_keep_their_spread():
    w = init.trunc_normal_(weight(200, 200), std=1.0, a=-1.0, b=1.0)
    assert np.abs(w.data).max() <= 1
    np.testing.assert_allclose(w.data.std(), 0.5396, rtol=0.02)  # of N(0, 1) cut at +-1


@pytest.mark.parametrize("shape", [(4, 7), (7, 4), (6, 2, 3, 1)])
def test_orthogonal_rows_or_columns_are_orthonormal_times_the_gain(shape):
    w = init.orthogonal_(weight(*shape), gain=2.0).data.reshape(shape[0], -1)
    small = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-12)


def test_a_seed_gives_the_same_weights_in_every_dtype_up_to_rounding():
    a = init.normal_(nn.Parameter(np.empty(50, np.float32)))
    manual_seed(0)
    b = init.normal_(nn.Parameter(np.empty(50, np.float64)))
    np.testing.assert_array_equal(a.data, b.data.astype(np.float32))


@pytest.mark.parametrize(
    ("name", "param", "gain"),
    [("relu", 0, 2**0.5), ("leaky_relu", 3**0.5, 0.5**0.5), ("tanh", 0, 5 / 3), ("linear", 0, 1)],
)
def test_gains_are_those_of_the_papers(name, param, gain):
    assert init.calculate_gain(name, param) == pytest.approx(gain)


def test_bad_requests_are_refused_with_advice():
    with pytest.raises(ShapeError, match=r"two axes or more.*got \(3,\)"):
        init.kaiming_normal_(weight(3))
    with pytest.raises(ConfigError, match="no gain for 'rleu'; known are"):
        init.calculate_gain("rleu")
    with pytest.raises(ConfigError, match="'fan_in' or 'fan_out'"):
        init.kaiming_normal_(weight(), mode="fan")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="trunc_normal_: needs a < b"):
        init.trunc_normal_(weight(3), a=1, b=-1)
