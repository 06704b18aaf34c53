"""Convolution and pooling: ties, overlaps, remainders, and what does not fit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor, kernels
from tinygrad_cnn.core import Op
from tinygrad_cnn.core.modes import Observer, observe
from tinygrad_cnn.errors import ConfigError, ShapeError


def leaf(values: Any, dtype: Any = np.float64) -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


def row(*values: float) -> Tensor:
    """(1, 1, L)"""
    return leaf([[values]])


def slope(y: Tensor, x: Tensor) -> list[float]:
    tg.sum(y).backward()
    assert x.grad is not None
    return x.grad.data.reshape(-1).tolist()  # type: ignore[no-any-return]


# -- pooling --------------------------------------------------------------------------------------


@pytest.mark.parametrize("tier", ["reference", "blocked"])
@pytest.mark.parametrize(
    ("values", "options", "expected", "gradient"),
    [
        ([1, 1, 1, 1], {"kernel_size": 2}, [1, 1], [1, 0, 1, 0]),
        ([1, 1, 1, 1], {"kernel_size": 2, "stride": 1}, [1, 1, 1], [1, 1, 1, 0]),
        ([1, 3, 1, 0], {"kernel_size": 3, "stride": 1}, [3, 3], [0, 2, 0, 0]),
        ([1, 2, 3, 4, 5], {"kernel_size": 2}, [2, 4], [0, 1, 0, 1, 0]),
        ([1, 2, 3, 4, 5], {"kernel_size": 2, "ceil_mode": True}, [2, 4, 5], [0, 1, 0, 1, 1]),
        ([-1, -2], {"kernel_size": 2, "padding": 1}, [-1, -2], [1, 1]),
        ([-1, -2, -3], {"kernel_size": 3, "padding": 1, "stride": 2}, [-1, -2], [1, 1, 0]),
        ([3, 0, 3, 9], {"kernel_size": 2, "dilation": 2, "stride": 1}, [3, 9], [1, 0, 0, 1]),
        ([0, -0.0, 0], {"kernel_size": 3}, [0], [1, 0, 0]),
        ([-np.inf, -np.inf], {"kernel_size": 2}, [-np.inf], [1, 0]),
        ([-np.inf, np.inf], {"kernel_size": 2}, [np.inf], [0, 1]),
    ],
)
def test_a_maximum_goes_to_the_first_position_that_attains_it_and_never_to_the_padding(
    values: list[float],
    options: dict[str, Any],
    expected: list[float],
    gradient: list[float],
    tier: str,
) -> None:
    with kernels.use(tier):
        x = row(*values)
        y = tg.max_pool1d(x, **options)
        assert y.data.reshape(-1).tolist() == expected
        assert slope(y, x) == gradient


def test_nan_wins_a_window_and_gets_its_gradient() -> None:
    x = row(5, np.nan, 1, 2)
    y = tg.max_pool1d(x, kernel_size=2)
    assert np.isnan(y.data[0, 0, 0])
    assert slope(y, x) == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"kernel_size": 2}, [1.5, 3.5]),
        ({"kernel_size": 2, "ceil_mode": True}, [1.5, 3.5, 5.0]),
        ({"kernel_size": 3, "padding": 1}, [1.0, 4.0]),
        ({"kernel_size": 3, "padding": 1, "count_include_pad": False}, [1.5, 4.0]),
        ({"kernel_size": 2, "divisor_override": 1}, [3.0, 7.0]),
    ],
)
def test_an_average_counts_what_it_says(options: dict[str, Any], expected: list[float]) -> None:
    y = tg.avg_pool1d(row(1, 2, 3, 4, 5), **options)
    np.testing.assert_allclose(y.data.reshape(-1), expected)


@pytest.mark.parametrize("pool", ["max_pool", "avg_pool", "adaptive_avg_pool", "lp_pool"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_pixels_are_pooled_without_wrapping_or_rounding(pool: str, dtype: Any) -> None:
    x = np.array([[[[250, 251], [252, 255]]]], dtype)
    options: dict[str, Any] = {"kernel_size": 2}
    if pool == "adaptive_avg_pool":
        options = {"output_size": 1}
    if pool == "lp_pool":
        options["norm_type"] = 1
    expected = {"max_pool": 255, "lp_pool": 1008}.get(pool, 252.0)
    assert float(getattr(tg, f"{pool}2d")(x, **options).reshape(())) == pytest.approx(expected)


def test_lp_pooling_of_a_window_of_zeros_has_gradient_zero() -> None:
    for p in (1, 2, 3, 1.5):
        x = row(0, 0, 1, 2)
        assert slope(tg.lp_pool1d(x, norm_type=p, kernel_size=2), x)[:2] == [0, 0]


def test_adaptive_cells_overlap_where_the_size_does_not_divide() -> None:
    x = row(1, 2, 3, 4, 5)
    y = tg.adaptive_avg_pool1d(x, output_size=3)  # 0..1, 1..3, 3..4
    np.testing.assert_allclose(y.data.reshape(-1), [1.5, 3.0, 4.5])
    np.testing.assert_allclose(slope(y, x), [1 / 2, 5 / 6, 1 / 3, 5 / 6, 1 / 2])


# -- convolution ----------------------------------------------------------------------------------


def test_a_convolution_is_a_correlation_the_kernel_is_not_flipped() -> None:
    y = tg.conv1d(row(1, 2, 3), leaf([[[10.0, 1.0]]]))
    assert y.data.reshape(-1).tolist() == [12.0, 23.0]


def test_a_depthwise_convolution_mixes_no_channels() -> None:
    x = np.arange(8.0).reshape(1, 2, 4)
    w = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    y = tg.conv1d(x, w, groups=2)
    assert y.tolist() == [[[0.0, 1.0, 2.0], [5.0, 6.0, 7.0]]]


def test_pixels_that_no_window_reaches_get_no_gradient() -> None:
    x = row(1, 2, 3, 4, 5, 6)
    assert slope(tg.conv1d(x, leaf([[[1.0, 1.0]]]), stride=3), x) == [1, 1, 0, 1, 1, 0]


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize(
    "sizes", [(0, 2, 3), (2, 0, 3), (2, 2, 0)], ids=["no samples", "no channels", "no filters"]
)
def test_a_convolution_of_nothing(n: int, sizes: tuple[int, int, int]) -> None:
    N, C, F = sizes
    x, w = leaf(np.ones((N, C, *(4,) * n))), leaf(np.ones((F, C, *(2,) * n)))
    y = getattr(tg, f"conv{n}d")(x, w, leaf(np.ones(F)))
    assert y.shape == (N, F, *(3,) * n)
    y.backward(np.ones(y.shape))
    assert not x.grad.data.any()
    assert not w.grad.data.any()


@pytest.mark.parametrize("pool", ["max_pool2d", "avg_pool2d"])
def test_pooling_of_no_samples(pool: str) -> None:
    x = leaf(np.ones((0, 3, 4, 4)))
    y = getattr(tg, pool)(x, kernel_size=2)
    assert y.shape == (0, 3, 2, 2)
    y.backward(np.ones(y.shape))
    assert x.grad.shape == x.shape


@pytest.mark.parametrize(
    ("x", "w", "b"),
    [
        (np.float32, np.float64, None),
        (np.float32, np.float32, np.float64),
        (np.int64, np.float32, None),
    ],
)
def test_a_convolution_has_the_promoted_dtype(x: Any, w: Any, b: Any) -> None:
    bias = None if b is None else np.ones(1, b)
    y = tg.conv1d(np.ones((1, 1, 3), x), np.ones((1, 1, 2), w), bias)
    assert y.dtype == np.float64
    y = tg.linear(np.ones((1, 3), x), np.ones((2, 3), w), None if b is None else np.ones(2, b))
    assert y.dtype == np.float64


def test_a_transposed_convolution_is_the_transpose() -> None:
    rng = np.random.default_rng(0)
    x, w, u = rng.normal(size=(1, 2, 7)), rng.normal(size=(3, 2, 3)), rng.normal(size=(1, 3, 3))
    y = tg.conv1d(x, w, stride=2)
    back = tg.conv_transpose1d(u, w, stride=2)
    assert np.vdot(u, y) == pytest.approx(np.vdot(back, x))


def test_output_padding_larger_than_the_stride_is_differentiated() -> None:
    # The larger image has room for a window that no input position stands for.
    x, w = row(1.0, 2.0), leaf([[[1.0, 10.0]]])
    y = tg.conv_transpose1d(x, w, stride=1, dilation=3, output_padding=2)
    assert y.data.reshape(-1).tolist() == [1, 2, 0, 10, 20, 0, 0]
    assert slope(y * np.arange(7.0), x) == [30.0, 41.0]


# -- what does not fit ----------------------------------------------------------------------------

x4, w4 = np.ones((2, 3, 5, 5)), np.ones((4, 3, 3, 3))


@pytest.mark.parametrize(
    ("call", "error", "parts"),
    [
        (lambda: tg.conv2d(x4, np.ones((4, 1, 3, 3))), ShapeError, ["3 channels", "expects 1"]),
        (lambda: tg.conv2d(x4[0], w4), ShapeError, ["(N, C, H, W)", "x[None]", "(1, 3, 5, 5)"]),
        (lambda: tg.conv2d(x4, w4[0]), ShapeError, ["(F, C/groups, KH, KW)", "(3, 3, 3)"]),
        (lambda: tg.conv2d(x4, np.ones((4, 3, 6, 6))), ShapeError, ["(6, 6)", "(5, 5)", "pad"]),
        (lambda: tg.conv2d(x4, w4, dilation=3), ShapeError, ["(7, 7)", "dilation"]),
        (lambda: tg.conv2d(x4, w4, np.ones(3)), ShapeError, ["(4,)", "(3,)"]),
        (lambda: tg.conv2d(x4, w4, groups=2), ConfigError, ["groups=2", "3 and 4"]),
        (lambda: tg.conv2d(x4, w4, groups=0), ConfigError, ["groups=0"]),
        (lambda: tg.conv2d(x4, w4, groups=1.5), ConfigError, ["groups=1.5"]),
        (lambda: tg.conv2d(x4, w4, stride=0), ConfigError, ["stride", ">= 1", "0"]),
        (lambda: tg.conv2d(x4, w4, stride=(1, 2, 3)), ConfigError, ["stride", "2 of them"]),
        (lambda: tg.conv2d(x4, w4, stride=1.5), ConfigError, ["stride", "1.5"]),
        (lambda: tg.conv2d(x4, w4, padding=-1), ConfigError, ["padding", ">= 0", "-1"]),
        (lambda: tg.conv2d(x4, w4, padding="some"), ConfigError, ["'some'", '"same"']),
        (lambda: tg.conv2d(x4, w4, padding="same", stride=2), ConfigError, ["stride"]),
        (lambda: tg.conv2d(x4, np.ones((4, 3, 0, 3))), ShapeError, ["(4, 3, 0, 3)"]),
        (lambda: tg.conv_transpose2d(x4, w4), ShapeError, ["3 channels", "expects 4"]),
        (
            lambda: tg.conv_transpose2d(x4, np.ones((3, 1, 2, 2)), output_padding=1),
            ConfigError,
            ["output_padding", "less than"],
        ),
        (
            lambda: tg.conv_transpose2d(x4, np.ones((3, 1, 1, 1)), padding=3),
            ShapeError,
            ["size (-1, -1)"],
        ),
        (lambda: tg.max_pool2d(x4, kernel_size=6), ShapeError, ["(6, 6)", "(5, 5)"]),
        (lambda: tg.max_pool2d(x4, kernel_size=2, padding=2), ConfigError, ["half the kernel"]),
        (lambda: tg.max_pool2d(x4[0], kernel_size=2), ShapeError, ["x[None]"]),
        (lambda: tg.avg_pool2d(x4, kernel_size=0), ConfigError, ["kernel_size", ">= 1"]),
        (lambda: tg.avg_pool2d(x4, kernel_size=2, divisor_override=0), ConfigError, ["divisor"]),
        (lambda: tg.lp_pool2d(x4, kernel_size=2, norm_type=0), ConfigError, ["norm_type"]),
        (lambda: tg.adaptive_avg_pool2d(x4, output_size=0), ConfigError, ["output_size"]),
        (lambda: tg.adaptive_avg_pool2d(x4, output_size=(1, 2, 3)), ConfigError, ["2 of them"]),
    ],
)
def test_what_does_not_fit_is_told_with_both_sides_and_a_remedy(
    call: Any, error: type[Exception], parts: list[str]
) -> None:
    with pytest.raises(error) as caught:
        call()
    assert [part for part in parts if part not in str(caught.value)] == []


@pytest.mark.parametrize("value", [np.int64(2), [2, 2], (2, np.int64(2)), np.array([2, 2])])
def test_sizes_may_be_numpys_integers_and_any_sequence(value: Any) -> None:
    assert tg.conv2d(x4, w4, stride=value).shape == (2, 4, 2, 2)
    assert tg.max_pool2d(x4, kernel_size=value).shape == (2, 3, 2, 2)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_padding_is_never_the_maximum_whatever_the_dtype(dtype: Any, sign: int) -> None:
    lowest = np.iinfo(dtype).min if np.dtype(dtype).kind in "iu" else -np.inf
    x = (sign * np.arange(16)).astype(dtype).reshape(1, 1, 4, 4)
    x[..., 0, :2] = lowest
    window = {"kernel_size": 2, "stride": 2, "padding": 1}
    y, places = tg.max_pool2d(x, **window, return_indices=True)
    assert y.dtype == dtype
    padded = np.pad(x.astype(float), ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    np.testing.assert_array_equal(y, padded.reshape(1, 1, 3, 2, 3, 2).max((3, 5)))
    np.testing.assert_array_equal(x.reshape(-1)[places], y)


def test_convolutions_of_integers_are_floats_and_do_not_wrap() -> None:
    x, w = np.full((1, 1, 3, 3), 200, np.uint8), np.full((1, 1, 2, 2), 2, np.uint8)
    np.testing.assert_array_equal(tg.conv2d(x, w), np.full((1, 1, 2, 2), 1600.0))
    np.testing.assert_array_equal(tg.conv_transpose2d(x, w)[0, 0, 1, 1], 1600.0)
    assert tg.conv2d(x, w.astype(np.float32)).dtype == np.float32


# -- cost -----------------------------------------------------------------------------------------


def test_the_first_layer_computes_no_gradient_of_its_images() -> None:
    ran: list[str] = []

    class Watch(Observer):
        def before_forward(self, op: Op, values: list[Any], static: dict[str, Any]) -> None:
            ran.append(op.name)

    w = leaf(np.ones((4, 3, 3, 3)))
    y = tg.sum(tg.conv2d(x4, w))
    with observe(Watch()):
        y.backward()
    assert "conv_weight" in ran
    assert "conv_input" not in ran


def test_convolutions_in_several_threads_do_not_disturb_one_another() -> None:
    rng = np.random.default_rng(0)
    jobs = [(rng.normal(size=(8, 3, 9 + i, 9)), rng.normal(size=(4, 3, 3, 3))) for i in range(4)]

    def work(job: Any) -> list[np.ndarray]:
        x, w = (leaf(a) for a in job)
        y = tg.conv2d(x, w, padding=1)
        tg.sum(tg.max_pool2d(y * y, kernel_size=2)).backward()
        assert x.grad is not None
        assert w.grad is not None
        return [y.data, x.grad.data, w.grad.data]

    alone = [work(job) for job in jobs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for expected, found in zip(alone, pool.map(work, jobs), strict=True):
                for a, b in zip(expected, found, strict=True):
                    np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-12)
