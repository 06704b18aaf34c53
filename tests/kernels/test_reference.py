"""The specification against naive loops, adjoint identities, and PyTorch where it is installed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tinygrad_cnn.kernels import reference

quick = settings(derandomize=True, max_examples=40, deadline=None)


@st.composite
def geometries(draw):
    """Sizes of a convolution with at least one output position."""
    d = draw(st.integers(1, 3))

    def axes(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(d))

    kernel, stride, dilation = axes(1, 3), axes(1, 3), axes(1, 2)
    padding, room = axes(0, 2), axes(0, 2)
    size = tuple(
        max(e * (k - 1) + 1 - 2 * p, 1) + r
        for k, e, p, r in zip(kernel, dilation, padding, room, strict=True)
    )
    return size, kernel, stride, padding, dilation


def source(position, tap, stride, padding, dilation):
    """Where output position i and tap a meet the input: s*i + d*a - p."""
    axes = zip(position, tap, stride, padding, dilation, strict=True)
    return tuple(s * i + d * a - p for i, a, s, p, d in axes)


def inside(at, size):
    return all(0 <= j < n for j, n in zip(at, size, strict=True))


def positions(size):
    return itertools.product(*map(range, size))


@quick
@given(where=geometries(), groups=st.integers(1, 2), seed=st.integers(0, 99))
def test_the_three_convolutions_are_their_sums_written_as_loops(where, groups, seed):
    size, kernel, stride, padding, dilation = where
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, 2 * groups, *size))
    w = rng.normal(size=(groups, 2, *kernel))
    y = reference.conv(x, w, stride, padding, dilation, groups)
    g = rng.normal(size=y.shape)

    y_loop, dx_loop, dw_loop = np.zeros_like(y), np.zeros_like(x), np.zeros_like(w)
    for n, f, i in itertools.product(range(2), range(groups), positions(y.shape[2:])):
        for c, a in itertools.product(range(2), positions(kernel)):
            j = source(i, a, stride, padding, dilation)
            if inside(j, size):
                channel = 2 * f + c  # one filter a group, two channels each
                y_loop[n, f][i] += x[n, channel][j] * w[f, c][a]
                dx_loop[n, channel][j] += g[n, f][i] * w[f, c][a]
                dw_loop[f, c][a] += g[n, f][i] * x[n, channel][j]

    rest = (stride, padding, dilation, groups)
    np.testing.assert_allclose(y, y_loop, atol=1e-12)
    np.testing.assert_allclose(reference.conv_input(g, w, size, *rest), dx_loop, atol=1e-12)
    np.testing.assert_allclose(reference.conv_weight(x, g, kernel, *rest), dw_loop, atol=1e-12)


@quick
@given(
    where=geometries(),
    groups=st.integers(1, 3),
    channels=st.integers(1, 3),
    filters=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_the_three_convolutions_are_transposes_of_one_another(
    where, groups, channels, filters, seed
):
    size, kernel, *rest = where
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, channels * groups, *size))
    w = rng.normal(size=(filters * groups, channels, *kernel))
    y = reference.conv(x, w, *rest, groups)
    g = rng.normal(size=y.shape)
    product = np.vdot(y, g)
    dx = reference.conv_input(g, w, size, *rest, groups)
    dw = reference.conv_weight(x, g, kernel, *rest, groups)
    np.testing.assert_allclose([np.vdot(x, dx), np.vdot(w, dw)], product, atol=1e-10)


@quick
@given(where=geometries(), ceil_mode=st.booleans(), seed=st.integers(0, 99))
def test_pooling_is_its_definition_written_as_loops(where, ceil_mode, seed):
    size, kernel, stride, padding, dilation = where
    padding = tuple(min(p, k // 2) for p, k in zip(padding, kernel, strict=True))
    x = np.random.default_rng(seed).integers(0, 3, (2, 2, *size)).astype(float)  # many ties
    y, argmax = reference.max_pool(x, kernel, stride, padding, dilation, ceil_mode)
    gathered = reference.window_gather(x, argmax, kernel, stride, padding, dilation)
    scattered = reference.window_scatter(y, argmax, size, kernel, stride, padding, dilation)

    scattered_loop = np.zeros_like(x)
    for n, c, i in itertools.product(range(2), range(2), positions(y.shape[2:])):
        meets = [source(i, a, stride, padding, dilation) for a in positions(kernel)]
        values = [x[n, c][j] if inside(j, size) else -np.inf for j in meets]
        assume(max(values) > -np.inf)  # dilation can leave a window without any input
        assert y[n, c][i] == max(values)
        assert argmax[n, c][i] == values.index(max(values))
        assert gathered[n, c][i] == max(values)
        scattered_loop[n, c][meets[argmax[n, c][i]]] += y[n, c][i]
    np.testing.assert_allclose(scattered, scattered_loop)


@quick
@given(where=geometries(), ceil_mode=st.booleans(), seed=st.integers(0, 99))
def test_sum_pooling_is_a_convolution_with_ones(where, ceil_mode, seed):
    size, kernel, stride, padding, _ = where
    padding = tuple(min(p, k // 2) for p, k in zip(padding, kernel, strict=True))
    ones = (1,) * len(size)
    x = np.random.default_rng(seed).normal(size=(2, 1, *size))
    y = reference.sum_pool(x, kernel, stride, padding, ceil_mode)
    conv = reference.conv(x, np.ones((1, 1, *kernel)), stride, padding, ones, 1)
    common = (..., *(slice(n) for n in conv.shape[2:]))  # ceil_mode may have more
    np.testing.assert_allclose(y[common], conv)
    g = np.random.default_rng(seed + 1).normal(size=y.shape)
    dx = reference.sum_pool_input(g, size, kernel, stride, padding)
    np.testing.assert_allclose(np.vdot(x, dx), np.vdot(y, g), atol=1e-12)


def pool(x, *, padding=0, kernel=2, stride=2):
    y, argmax = reference.max_pool(np.array([[x]]), (kernel,), (stride,), (padding,), (1,), False)
    return y[0, 0].tolist(), argmax[0, 0].tolist()


def test_the_first_of_equal_maxima_is_chosen():
    assert pool([3.0, 3.0, 1.0, 1.0]) == ([3, 3 - 2], [0, 0])


def test_a_nan_is_chosen_before_any_number_and_the_first_before_the_second():
    y, argmax = pool([np.inf, np.nan, np.nan, np.nan])
    assert np.isnan(y).all()
    assert argmax == [1, 0]


def test_the_padding_is_never_chosen_even_among_infinities():
    assert pool([-np.inf, -1.0, -np.inf], padding=1) == ([-np.inf, -1.0], [1, 0])


def test_argmax_takes_the_smallest_unsigned_dtype_that_holds_it():
    x = np.zeros((1, 1, 20, 20))
    where = ((1, 1), (0, 0), (1, 1), False)
    assert reference.max_pool(x, (16, 16), *where)[1].dtype == np.uint8
    assert reference.max_pool(x, (17, 16), *where)[1].dtype == np.uint16


def test_a_complex_step_passes_through_the_linear_kernels():
    rng = np.random.default_rng(0)
    x, w, dx = rng.normal(size=(1, 2, 5)), rng.normal(size=(3, 2, 3)), rng.normal(size=(1, 2, 5))
    where = ((1,), (1,), (1,), 1)
    y = reference.conv(x + 1e-20j * dx, w, *where)
    np.testing.assert_allclose(y.imag * 1e20, reference.conv(dx, w, *where), rtol=1e-12)


def test_batch_statistics_do_not_cancel_in_single_precision():
    x = np.random.default_rng(0).normal(4096, 0.25, (64, 3, 16, 16)).astype(np.float32)
    mean, var = reference.batch_stats(x)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(var, exact.var((0, 2, 3)), rtol=1e-4)
    assert mean.dtype == var.dtype == np.float32


def test_the_gradient_of_batch_norm_is_its_difference_quotient():
    rng = np.random.default_rng(0)
    x, g, v = rng.normal(size=(3, 2, 4, 3, 3))
    weight, bias, eps, h = rng.normal(size=4), rng.normal(size=4), 1e-5, 1e-6

    def loss(x, weight, bias):
        mean, var = reference.batch_stats(x)
        return np.vdot(g, reference.batch_norm(x, mean, 1 / np.sqrt(var + eps), weight, bias))

    mean, var = reference.batch_stats(x)
    dx, dweight, dbias = reference.batch_norm_grad(g, x, mean, 1 / np.sqrt(var + eps), weight)
    along = (loss(x + h * v, weight, bias) - loss(x - h * v, weight, bias)) / (2 * h)
    np.testing.assert_allclose(np.vdot(dx, v), along, rtol=1e-6)
    for k, e in enumerate(np.eye(4)):
        np.testing.assert_allclose(dweight[k], loss(x, e, 0 * e), rtol=1e-9)
        np.testing.assert_allclose(dbias[k], loss(x, 0 * e, e), rtol=1e-9)


def test_leaky_relu_keeps_nan_and_relu_maps_minus_infinity_to_zero():
    x = np.array([-np.inf, -2.0, 0.0, 3.0, np.inf, np.nan])
    np.testing.assert_array_equal(reference.leaky_relu(x, 0.0), [0, 0, 0, 3, np.inf, np.nan])
    np.testing.assert_array_equal(reference.leaky_relu(x, 0.5), [-np.inf, -1, 0, 3, np.inf, np.nan])


def test_the_slope_of_leaky_relu_at_zero_is_the_negative_one():
    g, y = np.ones(3), np.array([-1.0, 0.0, 1.0])
    np.testing.assert_array_equal(reference.leaky_relu_grad(g, y, 0.25), [0.25, 0.25, 1])
    np.testing.assert_array_equal(reference.leaky_relu_grad(0 * g, y, 0.25), 0)
    np.testing.assert_array_equal(reference.leaky_relu_grad(np.inf * g, y, 0.0), [0, 0, np.inf])


def test_softmax_and_its_losses_stand_large_logits():
    x = np.array([[1000.0, 1000.0, -1000.0], [0.0, np.log(3), -np.inf]])
    p = [[0.5, 0.5, 0], [0.25, 0.75, 0]]
    losses, probabilities = reference.softmax_cross_entropy(x, np.array([1, 0]))
    np.testing.assert_allclose(reference.softmax(x), p)
    np.testing.assert_allclose(np.exp(reference.log_softmax(x)), p)
    np.testing.assert_allclose(probabilities, p)
    np.testing.assert_allclose(losses, [np.log(2), np.log(4)])


# --- PyTorch --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip(
        "torch", reason="PyTorch is not installed: no oracle to compare with"
    )


@pytest.mark.oracle
@quick
@given(where=geometries(), groups=st.integers(1, 2), seed=st.integers(0, 99))
def test_convolutions_agree_with_pytorch(torch, where, groups, seed):
    size, kernel, stride, padding, dilation = where
    rng = np.random.default_rng(seed)
    x = torch.tensor(rng.normal(size=(2, 2 * groups, *size)), requires_grad=True)
    w = torch.tensor(rng.normal(size=(3 * groups, 2, *kernel)), requires_grad=True)
    function = getattr(torch.nn.functional, f"conv{len(size)}d")
    y = function(x, w, None, stride, padding, dilation, groups)
    g = rng.normal(size=y.shape)
    y.backward(torch.tensor(g))
    rest = (stride, padding, dilation, groups)
    x_, w_ = x.detach().numpy(), w.detach().numpy()
    np.testing.assert_allclose(reference.conv(x_, w_, *rest), y.detach(), atol=1e-12)
    np.testing.assert_allclose(reference.conv_input(g, w_, size, *rest), x.grad, atol=1e-12)
    np.testing.assert_allclose(reference.conv_weight(x_, g, kernel, *rest), w.grad, atol=1e-12)


@pytest.mark.oracle
@quick
@given(where=geometries(), ceil_mode=st.booleans(), seed=st.integers(0, 99))
def test_max_pooling_agrees_with_pytorch(torch, where, ceil_mode, seed):
    size, kernel, stride, padding, dilation = where
    padding = tuple(min(p, k // 2) for p, k in zip(padding, kernel, strict=True))
    span = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    assume(all(n + 2 * p >= e for n, p, e in zip(size, padding, span, strict=True)))
    x = torch.tensor(
        np.random.default_rng(seed).integers(0, 4, (2, 2, *size)).astype(float), requires_grad=True
    )
    function = getattr(torch.nn.functional, f"max_pool{len(size)}d")
    expected = function(x, kernel, stride, padding, dilation, ceil_mode)
    expected.sum().backward()
    y, argmax = reference.max_pool(x.detach().numpy(), kernel, stride, padding, dilation, ceil_mode)
    assume(np.isfinite(y).all())
    dx = reference.window_scatter(np.ones_like(y), argmax, size, kernel, stride, padding, dilation)
    np.testing.assert_array_equal(y, expected.detach())
    np.testing.assert_array_equal(dx, x.grad)


@pytest.mark.oracle
@quick
@given(where=geometries(), ceil_mode=st.booleans(), seed=st.integers(0, 99))
def test_average_pooling_agrees_with_pytorch(torch, where, ceil_mode, seed):
    size, kernel, stride, padding, _ = where
    padding = tuple(min(p, k // 2) for p, k in zip(padding, kernel, strict=True))
    assume(all(n >= k for n, k in zip(size, kernel, strict=True)))
    x = torch.tensor(np.random.default_rng(seed).normal(size=(2, 2, *size)), requires_grad=True)
    function = getattr(torch.nn.functional, f"avg_pool{len(size)}d")
    # Counting only the input, not the padding, is a sum divided by another sum.
    expected = function(x, kernel, stride, padding, ceil_mode, False)
    where = (kernel, stride, padding, ceil_mode)
    count = reference.sum_pool(np.ones(x.shape), *where)
    np.testing.assert_allclose(
        reference.sum_pool(x.detach().numpy(), *where) / count, expected.detach(), atol=1e-12
    )


@pytest.mark.oracle
def test_losses_and_normalization_agree_with_pytorch(torch):
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(7, 5)), rng.integers(0, 5, 7)
    x, weight, bias = rng.normal(3, 2, (4, 3, 5, 5)), rng.normal(size=3), rng.normal(size=3)
    functional = torch.nn.functional
    np.testing.assert_allclose(
        reference.softmax_cross_entropy(logits, labels)[0],
        functional.cross_entropy(torch.tensor(logits), torch.tensor(labels), reduction="none"),
    )
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, weight, bias)]
    expected = functional.batch_norm(tensors[0], None, None, *tensors[1:], training=True)
    g = rng.normal(size=x.shape)
    expected.backward(torch.tensor(g))
    mean, var = reference.batch_stats(x)
    rstd = 1 / np.sqrt(var + 1e-5)
    y = reference.batch_norm(x, mean, rstd, weight, bias)
    np.testing.assert_allclose(y, expected.detach(), atol=1e-12)
    for ours, theirs in zip(
        reference.batch_norm_grad(g, x, mean, rstd, weight), tensors, strict=True
    ):
        np.testing.assert_allclose(ours, theirs.grad, atol=1e-12)
