"""Normalisation: statistics of the batch, running averages, and dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor
from tinygrad_cnn.errors import ConfigError, ShapeError


def leaf(values: Any, dtype: Any = np.float64) -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


RNG = np.random.default_rng(0)
X = RNG.normal(3, 2, (4, 3, 5, 5))


# -- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "axes"),
    [
        (lambda x: tg.batch_norm(x, None, None, training=True), (0, 2, 3)),
        (lambda x: tg.layer_norm(x, (3, 5, 5)), (1, 2, 3)),
        (lambda x: tg.layer_norm(x, (5,)), (3,)),
        (lambda x: tg.group_norm(x, 3), (2, 3)),
        (lambda x: tg.group_norm(x, 1), (1, 2, 3)),
        (lambda x: tg.instance_norm(x), (2, 3)),
    ],
)
def test_what_is_normalised_has_mean_zero_and_variance_one(f: Any, axes: tuple[int, ...]) -> None:
    y = f(leaf(X)).data
    np.testing.assert_allclose(y.mean(axes), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axes), 1, atol=0.01)  # eps counts in small groups


@pytest.mark.parametrize("offset", [1e4, -1e6])
def test_a_large_mean_does_not_spoil_the_variance(offset: float) -> None:
    y = tg.batch_norm(leaf(X + offset), None, None, training=True)
    expected = tg.batch_norm(leaf(X), None, None, training=True)
    np.testing.assert_allclose(y.data, expected.data, atol=1e-9 * abs(offset) ** 0.5)


def test_a_constant_channel_becomes_zero_and_passes_no_gradient() -> None:
    x = leaf(np.full((4, 2), 7.0))
    y = tg.batch_norm(x, None, None, training=True)
    y.backward(RNG.normal(size=(4, 2)))
    assert not y.data.any()
    assert np.isfinite(x.grad.data).all()
    np.testing.assert_allclose(x.grad.data.sum(0), 0, atol=1e-9)


def test_the_gradient_of_batch_norm_is_orthogonal_to_constants_and_to_the_output() -> None:
    x = leaf(X)
    y = tg.batch_norm(x, None, None, training=True, eps=0.0)
    y.backward(RNG.normal(size=X.shape))
    np.testing.assert_allclose(x.grad.data.sum((0, 2, 3)), 0, atol=1e-12)
    np.testing.assert_allclose((x.grad.data * y.data).sum((0, 2, 3)), 0, atol=1e-12)


# -- running averages -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("momentum", [0.0, 0.1, 1.0])
def test_running_averages_move_towards_the_mean_and_the_unbiased_variance(
    momentum: float, dtype: Any
) -> None:
    mean, var = np.full(3, 5.0, dtype), np.full(3, 2.0, dtype)
    tg.batch_norm(leaf(X, dtype), mean, var, training=True, momentum=momentum)
    truth = X.mean((0, 2, 3)), X.var((0, 2, 3), ddof=1)
    rtol = 1e-5 if dtype is np.float32 else 1e-13
    np.testing.assert_allclose(mean, (1 - momentum) * 5 + momentum * truth[0], rtol=rtol)
    np.testing.assert_allclose(var, (1 - momentum) * 2 + momentum * truth[1], rtol=rtol)
    assert mean.dtype == var.dtype == dtype


def test_evaluation_uses_the_running_averages_and_leaves_them_alone() -> None:
    mean, var = np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 9.0])
    y = tg.batch_norm(leaf(X), mean, var, eps=0.0)
    by_hand = (X - mean[:, None, None]) / np.sqrt(var)[:, None, None]
    np.testing.assert_allclose(y.data, by_hand, rtol=1e-13)
    assert mean.tolist() == [1.0, 2.0, 3.0]
    one = tg.batch_norm(leaf(X[:1]), mean, var, eps=0.0)  # a batch of one is enough
    np.testing.assert_allclose(one.data, by_hand[:1], rtol=1e-13)


def test_a_second_use_of_a_batch_moves_the_averages_a_second_time_and_no_gradient_does() -> None:
    mean, var = np.zeros(3), np.ones(3)
    x = leaf(X)
    y = tg.batch_norm(x, mean, var, training=True)
    after_one = mean.copy()
    y.backward(np.ones(X.shape), create_graph=True)
    assert np.array_equal(mean, after_one)
    tg.batch_norm(x, mean, var, training=True)
    assert not np.array_equal(mean, after_one)


@pytest.mark.parametrize(
    ("call", "error", "parts"),
    [
        (lambda: tg.batch_norm(X[0, 0, 0], None, None), ShapeError, ["(N, C, ...)", "(5,)"]),
        (lambda: tg.batch_norm(X, None, None), ConfigError, ["training=False", "running_mean"]),
        (lambda: tg.batch_norm(X, np.ones(4), np.ones(3)), ShapeError, ["running_mean", "(4,)"]),
        (
            lambda: tg.batch_norm(X, None, None, np.ones(2), training=True),
            ShapeError,
            ["weight", "3 channels", "(2,)"],
        ),
        (
            lambda: tg.batch_norm(X[:1, :, 0, 0], None, None, training=True),
            ShapeError,
            ["more than one value a channel", "(1, 3)", "eval()"],
        ),
        (lambda: tg.layer_norm(X, (5, 3)), ShapeError, ["(5, 3)", "(4, 3, 5, 5)"]),
        (lambda: tg.layer_norm(X, (5,), np.ones(3)), ShapeError, ["weight", "(3,)"]),
        (lambda: tg.group_norm(X, 2), ConfigError, ["divide the 3 channels", "2"]),
        (lambda: tg.group_norm(X, 0), ConfigError, ["0"]),
        (lambda: tg.group_norm(X[0, 0, 0], 1), ShapeError, ["(5,)"]),
    ],
)
def test_what_does_not_fit_is_told(call: Any, error: type[Exception], parts: list[str]) -> None:
    with pytest.raises(error) as caught:
        call()
    assert [part for part in parts if part not in str(caught.value)] == []


@pytest.mark.parametrize(
    "f",
    [
        lambda x: tg.layer_norm(x, (5,)),
        lambda x: tg.group_norm(x, 3),
        tg.instance_norm,
    ],
)
def test_an_empty_batch_is_normalised_to_an_empty_batch(f: Any) -> None:
    x = leaf(np.ones((0, 3, 4, 5)))
    y = f(x)
    assert y.shape == x.shape
    y.backward(np.ones(x.shape))
    assert x.grad.shape == x.shape


# -- dropout --------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_expectation_and_the_gradient_has_the_mask_of_the_output(
    p: float,
) -> None:
    tg.manual_seed(0)
    x = leaf(np.ones(100_000))
    y = tg.dropout(x, p=p)
    assert set(np.unique(y.data)) == {0.0, 1 / (1 - p)}
    assert y.data.mean() == pytest.approx(1, abs=0.05)
    y.backward(np.ones(x.shape))
    assert np.array_equal(x.grad.data, y.data)


def test_dropout_of_everything_and_of_nothing() -> None:
    x = leaf([1.0, 2.0])
    assert tg.dropout(x, p=1.0).tolist() == [0.0, 0.0]
    assert tg.dropout(x, p=0.0).tolist() == [1.0, 2.0]
    assert tg.dropout(x, p=0.9, training=False).tolist() == [1.0, 2.0]
    for p in (-0.1, 1.1, np.nan):
        with pytest.raises(ConfigError, match="probability"):
            tg.dropout(x, p=p)


def test_dropout2d_drops_whole_channels() -> None:
    tg.manual_seed(0)
    y = tg.dropout2d(leaf(np.ones((20, 30, 4, 4))), p=0.5).data
    assert set(np.unique(y.mean((2, 3)))) == {0.0, 2.0}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dropout_keeps_the_dtype(dtype: Any) -> None:
    assert tg.dropout(leaf(np.ones(4), dtype), p=0.3).dtype == dtype


def test_a_mask_is_drawn_once_and_serves_every_order() -> None:
    tg.manual_seed(0)
    x = leaf(np.arange(1.0, 9))
    y = tg.sum(tg.dropout(x * x, p=0.5))
    y.backward(create_graph=True)
    first, x.grad = x.grad, None
    tg.sum(first).backward()
    mask = first.data / (2 * np.arange(1.0, 9))
    np.testing.assert_allclose(x.grad.data, 2 * mask)
