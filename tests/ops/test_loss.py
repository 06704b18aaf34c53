"""Losses at their edges: saturated logits, ignored labels, weights, what is no label."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor
from tinygrad_cnn.core import gradients_of
from tinygrad_cnn.errors import ConfigError, DTypeError, ShapeError, TinygradError

inf = np.inf


def leaf(values: Any, dtype: Any = np.float64) -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


# -- cross-entropy --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("logits", "label", "loss", "gradient"),
    [
        ([0.0, 0.0], 0, np.log(2), [-0.5, 0.5]),
        ([1000.0, 0.0], 0, 0.0, [0.0, 0.0]),
        ([1000.0, 0.0], 1, 1000.0, [1.0, -1.0]),
        ([-1000.0, 0.0], 0, 1000.0, [-1.0, 1.0]),
        ([-1000.0, -1000.0], 0, np.log(2), [-0.5, 0.5]),
        ([1e308, -1e308], 0, 0.0, [0.0, 0.0]),
        ([-inf, 0.0], 1, 0.0, [0.0, 0.0]),
        ([-inf, 0.0], 0, inf, [-1.0, 1.0]),
        ([-inf, 0.0, 0.0], 1, np.log(2), [0.0, -0.5, 0.5]),
        ([5.0], 0, 0.0, [0.0]),
    ],
)
def test_saturated_logits_give_exact_losses_and_gradients(
    logits: list[float], label: int, loss: float, gradient: list[float]
) -> None:
    x = leaf([logits])
    with np.errstate(all="ignore"):
        y = tg.cross_entropy(x, np.array([label]))
    y.backward()
    assert y.item() == pytest.approx(loss, rel=1e-14)
    np.testing.assert_allclose(x.grad.data[0], gradient, atol=1e-15)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("spoiled", [0.0, -inf, inf, np.nan])
def test_whatever_stands_in_a_row_that_is_ignored_counts_for_nothing(
    reduction: str, weighted: bool, smoothing: float, spoiled: float
) -> None:
    rows = np.array([[1.0, 2.0, 3.0], [0.5, -0.5, 1.0]])
    options: dict[str, Any] = {"reduction": reduction, "label_smoothing": smoothing}
    if weighted:
        options["weight"] = np.array([1.0, 2.0, 0.5])
    alone = leaf(rows)
    expected = tg.cross_entropy(alone, np.array([2, 0]), **options)
    x = leaf([rows[0], [spoiled, 0.0, 1.0], rows[1]])
    with np.errstate(all="ignore"):
        y = tg.cross_entropy(x, np.array([2, -100, 0]), **options)
    if reduction == "none":
        assert y.data[1] == 0.0
        y = y[[0, 2]]
    np.testing.assert_allclose(y.data, expected.data, rtol=1e-14)
    tg.sum(y).backward()
    tg.sum(expected).backward()
    np.testing.assert_allclose(x.grad.data[[0, 2]], alone.grad.data, rtol=1e-12)
    assert not x.grad.data[1].any()


def test_where_every_label_is_ignored_the_mean_is_not_a_number_and_the_sum_is_zero() -> None:
    x = leaf(np.ones((2, 3)))
    labels = np.full(2, -100)
    assert np.isnan(tg.cross_entropy(x, labels).item())
    assert tg.cross_entropy(x, labels, reduction="sum").item() == 0.0
    assert np.isnan(tg.nll_loss(x, labels).item())


def test_ignore_index_may_be_a_class() -> None:
    x = leaf([[1.0, 2.0], [3.0, 1.0]])
    one = tg.cross_entropy(x[:1], np.array([1]))
    assert tg.cross_entropy(x, np.array([1, 0]), ignore_index=0).item() == one.item()


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
def test_labels_may_be_integers_of_any_type(dtype: Any) -> None:
    x = leaf(np.eye(3))
    expected = tg.cross_entropy(x, np.arange(3)).item()
    assert tg.cross_entropy(x, np.arange(3).astype(dtype)).item() == expected
    assert tg.cross_entropy(x, Tensor(np.arange(3).astype(dtype))).item() == expected
    assert tg.cross_entropy(x, [0, 1, 2]).item() == expected


def test_probabilities_that_are_one_hot_give_the_loss_of_labels() -> None:
    x = leaf(np.arange(6.0).reshape(2, 3))
    one_hot = np.eye(3)[[2, 0]]
    expected = tg.cross_entropy(x, np.array([2, 0])).item()
    assert tg.cross_entropy(x, one_hot).item() == pytest.approx(expected, rel=1e-14)


def test_soft_targets_are_differentiated_too() -> None:
    x, t = leaf([[1.0, 2.0]]), leaf([[0.3, 0.7]])
    tg.cross_entropy(x, t).backward()
    np.testing.assert_allclose(t.grad.data, -tg.log_softmax(x.numpy()))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_loss_has_the_dtype_of_the_logits(dtype: Any) -> None:
    x = leaf([[1.0, 2.0]], dtype)
    y = tg.cross_entropy(x, np.array([1]), weight=np.ones(2, dtype), label_smoothing=0.1)
    assert y.dtype == dtype


@pytest.mark.parametrize(
    ("call", "error", "parts"),
    [
        (lambda x: tg.cross_entropy(x, np.array([0, 3])), ShapeError, ["0..2", "3 classes", "3"]),
        (lambda x: tg.cross_entropy(x, np.array([0, -1])), ShapeError, ["0..2", "-1"]),
        (lambda x: tg.cross_entropy(x, np.array([0])), ShapeError, ["(2, 3)", "(2,)", "(1,)"]),
        (lambda x: tg.cross_entropy(x, np.array([[0], [1]])), ShapeError, ["(2,)", "(2, 1)"]),
        (lambda x: tg.cross_entropy(x, np.array([0.0, 1.0])), TinygradError, ["(2,)"]),
        (lambda x: tg.cross_entropy(x, np.array([True, False])), DTypeError, ["bool"]),
        (lambda x: tg.cross_entropy(x[0], np.array(0)), ShapeError, ["(N, K, ...)", "(3,)"]),
        (lambda x: tg.cross_entropy(x, [0, 1], reduction="avg"), ConfigError, ["'avg'", '"mean"']),
        (lambda x: tg.cross_entropy(x, [0, 1], label_smoothing=2), ConfigError, ["0..1", "2"]),
        (lambda x: tg.cross_entropy(x, [0, 1], weight=np.ones(2)), TinygradError, ["weight"]),
        (lambda x: tg.nll_loss(x, np.array([0, 3])), ShapeError, ["0..2"]),
        (lambda x: tg.nll_loss(x, np.array([0, 1]), reduction="x"), ConfigError, ["'x'"]),
        (lambda x: tg.mse_loss(x, x[0]), ShapeError, ["(2, 3)", "(3,)", "broadcasting"]),
        (lambda x: tg.l1_loss(x, x[:, :1]), ShapeError, ["(2, 1)"]),
        (lambda x: tg.smooth_l1_loss(x, x, beta=-1), ConfigError, ["beta", "-1"]),
        (lambda x: tg.binary_cross_entropy_with_logits(x, x.T), ShapeError, ["(3, 2)"]),
        (lambda x: tg.mse_loss(x, x, reduction=None), ConfigError, ["None"]),
    ],
)
def test_what_is_no_label_and_what_does_not_fit_is_told(
    call: Any, error: type[Exception], parts: list[str]
) -> None:
    with pytest.raises(error) as caught:
        call(leaf(np.ones((2, 3))))
    assert [part for part in parts if part not in str(caught.value)] == []


@pytest.mark.parametrize("loss", [tg.cross_entropy, tg.nll_loss])
def test_labels_and_logits_that_have_changed_places_are_noticed(loss: Any) -> None:
    with pytest.raises(DTypeError, match=r"float dtype, got int64"):
        loss(np.array([[1, 0]]), np.array([[0.5, 0.5]]))


# -- the others ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "t", "loss"),
    [
        (0.0, 0.5, np.log(2)),
        (40.0, 1.0, np.exp(-40)),
        (-40.0, 0.0, np.exp(-40)),
        (1000.0, 1.0, 0.0),
        (1000.0, 0.0, 1000.0),
        (-1000.0, 1.0, 1000.0),
    ],
)
def test_binary_cross_entropy_keeps_small_losses_and_does_not_overflow(
    x: float, t: float, loss: float
) -> None:
    z = leaf(x)
    y = tg.binary_cross_entropy_with_logits(z, np.array(t))
    y.backward()
    assert y.item() == pytest.approx(loss, rel=1e-14, abs=0)
    assert z.grad.item() == pytest.approx(1 / (1 + np.exp(-x)) - t if x > -700 else -t, abs=1e-15)


@pytest.mark.parametrize(
    ("loss", "options"),
    [("mse_loss", {}), ("l1_loss", {}), ("smooth_l1_loss", {}), ("smooth_l1_loss", {"beta": 0.0})],
)
def test_a_perfect_prediction_costs_nothing_and_pulls_nowhere(loss: str, options: Any) -> None:
    x = leaf([1.0, 2.0])
    y = getattr(tg, loss)(x, x.numpy(), **options)
    y.backward()
    assert y.item() == 0.0
    assert x.grad.tolist() == [0.0, 0.0]


def test_smooth_l1_changes_its_formula_without_a_jump() -> None:
    for beta in (0.5, 1.0, 2.0):
        below, above = np.nextafter(beta, 0), np.nextafter(beta, 9)
        values, slopes = [], []
        for d in (below, beta, above):
            x = leaf(d)
            y = tg.smooth_l1_loss(x, np.array(0.0), beta=beta)
            y.backward()
            values.append(y.item())
            slopes.append(x.grad.item())
        np.testing.assert_allclose(values, 0.5 * beta, rtol=1e-14)
        np.testing.assert_allclose(slopes, 1.0, rtol=1e-14)


@pytest.mark.parametrize("loss", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_differences_of_pixels_do_not_wrap(loss: str) -> None:
    a, b = np.array([0, 255], np.uint8), np.array([255, 0], np.uint8)
    expected = getattr(tg, loss)(a.astype(float), b.astype(float))
    assert float(getattr(tg, loss)(a, b)) == pytest.approx(float(expected))


@pytest.mark.parametrize("loss", ["mse_loss", "l1_loss", "binary_cross_entropy_with_logits"])
def test_the_mean_loss_of_an_empty_batch_is_not_a_number(loss: str) -> None:
    x = leaf(np.ones((0, 3)))
    y = getattr(tg, loss)(x, np.ones((0, 3)))
    assert np.isnan(y.item())
    y.backward()
    assert x.grad.shape == (0, 3)


def test_the_hessian_of_cross_entropy_is_that_of_logsumexp() -> None:
    x = leaf([[0.2, -0.4, 1.0]])
    (g,) = gradients_of([tg.cross_entropy(x, np.array([1]))], [np.ones(())], [x], create_graph=True)
    p = tg.softmax(x.numpy())[0]
    for i in range(3):
        (row,) = gradients_of([g[0, i]], [np.ones(())], [x], retain_graph=True)
        np.testing.assert_allclose(row.data[0], p[i] * (np.eye(3)[i] - p), atol=1e-15)
