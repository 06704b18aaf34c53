"""One property for every kernel of every tier: it is the specification, up to rounding.

And it keeps the manners of a kernel: inputs untouched, results fresh, contiguous, of the inputs'
dtype, whatever the inputs' layout in memory.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from subprocess import run

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_cnn import kernels
from tinygrad_cnn.kernels import reference
from tinygrad_cnn.kernels.blocked import (
    activation,
    matrix,
    normalization,
    pooling,
    resampling,
    windows,
    workers,
)
from tinygrad_cnn.kernels.geometry import conv_output_size, pool_output_size

REAL = (np.float32, np.float64)

dims = st.sampled_from([1, 2, 2, 2, 3])


class Draw:
    """Draws sizes and arrays; every array in some layout that is not the tidy one."""

    def __init__(self, draw, dtypes=REAL, special=False):
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 9999)))
        self.dtype = np.dtype(draw(st.sampled_from(dtypes)))
        self.special = special
        self.dims = draw(dims)

    def int(self, low, high):
        return self.draw(st.integers(low, high))

    def axes(self, low, high):
        return tuple(self.int(low, high) for _ in range(self.dims))

    def array(self, *shape, positive=False):
        a = np.asarray(self.rng.normal(size=shape))
        if self.dtype.kind == "c":
            a = a + 1j * self.rng.normal(size=shape)
        if self.special and self.draw(st.booleans()):  # ties
            a = np.round(a)
            if self.draw(st.booleans()):  # and the values that compare in no usual way
                odd = self.rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0], shape)
                a = np.where(self.rng.random(shape) < 0.3, odd, a)
        if positive:
            a = np.abs(a) + 0.1
        return self.laid_out(a.astype(self.dtype)) if shape else a.astype(self.dtype)

    def laid_out(self, a):
        layout = self.draw(st.sampled_from(["tidy", "reversed", "transposed", "stepped", "frozen"]))
        if layout == "reversed":
            a = np.ascontiguousarray(a[..., ::-1])[..., ::-1]
        elif layout == "transposed":
            a = np.asfortranarray(a)
        elif layout == "stepped":
            a = np.repeat(a, 2, axis=-1)[..., ::2]
        a.flags.writeable = layout != "frozen"
        return a


def conv_case(d):
    groups, kernel = d.int(1, 3), d.axes(1, 4)
    channels, filters = d.int(1, 3), d.int(1, 3)
    size, where = d.axes(0, 9), (d.axes(1, 3), d.axes(0, 2), d.axes(1, 3))
    ones = (1,) * d.dims
    special = d.int(0, 5)
    if special == 0:
        kernel, where = ones, (ones, (0,) * d.dims, ones)  # every position by itself
    elif special == 1:  # the usual one, which Winograd's tiles serve
        kernel, where, groups = (3,) * d.dims, (ones, d.axes(0, 2), ones), 1
    x = d.array(d.int(0, 4), channels * groups, *size)
    w = d.array(filters * groups, channels, *kernel)
    return x, w, *where, groups


def conv_with_bias_case(d):
    x, w, *where = conv_case(d)
    return x, w, *where, d.array(len(w)) if d.int(0, 1) else None


def conv_input_case(d):
    x, w, *where, groups = conv_case(d)
    out = conv_output_size(x.shape[2:], w.shape[2:], *where)
    return d.array(x.shape[0], w.shape[0], *out), w, x.shape[2:], *where, groups


def conv_weight_case(d):
    x, w, *where, groups = conv_case(d)
    out = conv_output_size(x.shape[2:], w.shape[2:], *where)
    return x, d.array(x.shape[0], w.shape[0], *out), w.shape[2:], *where, groups


def matmul_case(d):
    n, k, m = d.int(1, 9), d.int(0, 9), d.int(1, 9)
    stack = tuple(d.int(1, 4) for _ in range(d.int(0, 2)))
    left, right = (*stack, n, k), (*stack, k, m)
    lonely = d.int(0, 4)  # one that is a vector, or not in a stack
    if lonely < 2:
        left = (k,) if lonely else (n, k)
    elif lonely < 4:
        right = (k,) if lonely == 2 else (k, m)
    return d.array(*left), d.array(*right)


def pool_case(d):
    kernel = d.axes(1, 3)
    stride = kernel if d.int(0, 1) else d.axes(1, 3)
    padding = tuple(d.int(0, k // 2) for k in kernel)
    return d.array(d.int(0, 3), d.int(0, 3), *d.axes(1, 9)), kernel, stride, padding


def max_pool_case(d):
    dilation = d.axes(1, 2) if d.int(0, 1) else (1,) * d.dims
    return *pool_case(d), dilation, bool(d.int(0, 1))


def pooled(d):
    """A pooling's shapes, with an argmax that any network could have given it."""
    x, kernel, stride, padding, dilation, ceil_mode = max_pool_case(d)
    out = pool_output_size(x.shape[2:], kernel, stride, padding, dilation, ceil_mode)
    values = d.rng.normal(size=x.shape)
    argmax = reference.max_pool(values, kernel, stride, padding, dilation, ceil_mode)[1]
    return x, d.array(*x.shape[:2], *out), d.laid_out(argmax), kernel, stride, padding, dilation


def window_gather_case(d):
    x, _, argmax, *where = pooled(d)
    return x, argmax, *where


def window_scatter_case(d):
    x, g, argmax, *where = pooled(d)
    return g, argmax, x.shape[2:], *where


def sum_pool_case(d):
    return *pool_case(d), bool(d.int(0, 1))


def sum_pool_input_case(d):
    x, kernel, stride, padding = pool_case(d)
    out = pool_output_size(x.shape[2:], kernel, stride, padding, (1,) * d.dims, bool(d.int(0, 1)))
    return d.array(*x.shape[:2], *out), x.shape[2:], kernel, stride, padding


def batch(d):
    return d.array(d.int(1, 4), d.int(0, 3), *(d.axes(1, 6) if d.int(0, 3) else ()))


def batch_stats_case(d):
    return (batch(d),)


def batch_norm_case(d):
    x = batch(d)
    C = x.shape[1]
    return x, d.array(C), d.array(C, positive=True), d.array(C), d.array(C)


def batch_norm_grad_case(d):
    x = batch(d)
    C = x.shape[1]
    return d.array(*x.shape), x, d.array(C), d.array(C, positive=True), d.array(C)


def slope(d):
    return d.draw(st.sampled_from([0.0, 0.01, 0.3, 1.0, 1.5, -0.5]))


def any_shape(d):
    return (d.int(0, 3), *d.axes(0, 5)) if d.int(0, 9) else ()


def leaky_relu_case(d):
    return d.array(*any_shape(d)), slope(d)


def leaky_relu_grad_case(d):
    shape = any_shape(d)
    return d.array(*shape), d.array(*shape), slope(d)


def softmax_case(d):
    return (d.array(d.int(0, 4), d.int(1, 7)),)


def softmax_cross_entropy_case(d):
    N, K = d.int(0, 5), d.int(1, 6)
    return d.array(N, K), d.rng.integers(0, K, N)


def resample_case(d):
    N, C, H, W = d.int(0, 4), d.int(1, 2), d.int(0, 9), d.int(0, 9)
    images = np.nan_to_num(d.array(N, C, H, W), posinf=1, neginf=-1)
    bend = d.array(N, 2, H, W) if d.int(0, 1) else None
    return images, d.array(N, 2, 3), bend


def channel_sum_case(d):
    return (batch(d),)


def changeable(d, *shape, positive=False):
    a = np.asarray(d.array(*shape, positive=positive))
    a.flags.writeable = True
    return a


def sgd_step_case(d):
    shape = any_shape(d)
    p, g = changeable(d, *shape), d.array(*shape)
    v = changeable(d, *shape) if d.int(0, 3) else None
    nesterov = bool(d.int(0, 1))
    dampening = 0.0 if nesterov else d.draw(st.sampled_from([0.0, 0.25]))
    return p, g, v, 0.1, 0.9, dampening, d.draw(st.sampled_from([0.0, 0.01])), nesterov


def adam_step_case(d):
    shape = any_shape(d)
    p, g, m = changeable(d, *shape), d.array(*shape), changeable(d, *shape)
    v = changeable(d, *shape, positive=True)
    largest = changeable(d, *shape, positive=True) if d.int(0, 1) else None
    decay = d.draw(st.sampled_from([0.0, 0.01]))
    return p, g, m, v, largest, d.int(1, 9), 0.1, (0.9, 0.99), 1e-8, decay, bool(d.int(0, 1))


COMPLEX = (*REAL, np.complex128)
CASES = {
    "conv": (conv_with_bias_case, {"dtypes": COMPLEX}),
    "conv_input": (conv_input_case, {"dtypes": COMPLEX}),
    "conv_weight": (conv_weight_case, {"dtypes": COMPLEX}),
    "matmul": (matmul_case, {"dtypes": COMPLEX}),
    "max_pool": (max_pool_case, {"special": True}),
    "window_gather": (window_gather_case, {"dtypes": COMPLEX}),
    "window_scatter": (window_scatter_case, {"dtypes": COMPLEX, "special": True}),
    "sum_pool": (sum_pool_case, {"dtypes": COMPLEX}),
    "sum_pool_input": (sum_pool_input_case, {"dtypes": COMPLEX}),
    "channel_sum": (channel_sum_case, {"dtypes": COMPLEX}),
    "batch_stats": (batch_stats_case, {}),
    "batch_norm": (batch_norm_case, {}),
    "batch_norm_grad": (batch_norm_grad_case, {}),
    "leaky_relu": (leaky_relu_case, {"special": True}),
    "leaky_relu_grad": (leaky_relu_grad_case, {"special": True}),
    "softmax": (softmax_case, {}),
    "log_softmax": (softmax_case, {}),
    "softmax_cross_entropy": (softmax_cross_entropy_case, {}),
    "resample": (resample_case, {"dtypes": (np.float32,), "special": True}),
}


STEPS = {"sgd_step": sgd_step_case, "adam_step": adam_step_case}  # these change their arguments


def test_every_kernel_has_its_cases():
    assert sorted([*CASES, *STEPS]) == sorted(kernels._DISPATCHED)


@contextmanager
def cut_small():
    """Tiny blocks, pieces and tiles, and three threads: small cases meet every cut."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (windows, pooling, normalization):
            patch.setattr(module, "BLOCK_BYTES", 300)
        patch.setattr(normalization, "SHORT", 1)
        patch.setattr(activation, "PIECE", 7)
        patch.setattr(resampling, "BLOCK_PIXELS", 30)
        patch.setattr(activation, "FEW", 0)
        patch.setattr(matrix, "FEW", 0)
        patch.setattr(matrix, "blas_has_one_thread", lambda: True)
        patch.setattr(matrix, "SMALL", 200)
        patch.setattr(matrix, "VECTORS", 4)
        patch.setattr(matrix, "TRANSPOSED_SIZE", 6)
        patch.setattr(workers, "GRAIN", 1)
        patch.setattr(workers, "threads", lambda: 3)
        if find_spec("numba"):
            patch.setattr("tinygrad_cnn.kernels.compiled.direct.FRAMES_BYTES", 1)
            winograd = "tinygrad_cnn.kernels.compiled.winograd"
            patch.setattr(f"{winograd}.FEWEST", 1)
            patch.setattr(f"{winograd}.TOGETHER", 5)
            patch.setattr(f"{winograd}.SUMMED", 5)
        yield


def arrays(values):
    return [v for v in values if isinstance(v, np.ndarray)]


def results(tier, kernel, args):
    tier, _, cut = tier.partition(", ")
    with kernels.use(tier), np.errstate(invalid="ignore"), cut_small() if cut else nullcontext():
        result = getattr(kernels, kernel)(*args)
    return result if isinstance(result, tuple) else (result,)


def assert_equal_up_to_rounding(result, expected):
    assert result.shape == expected.shape
    assert result.dtype == expected.dtype
    if expected.dtype.kind == "u":
        np.testing.assert_array_equal(result, expected)
        return
    finite = np.abs(expected[np.isfinite(expected)])
    scale = max(finite.max(initial=0), 1)
    eps = np.finfo(expected.dtype).eps
    np.testing.assert_allclose(result, expected, rtol=200 * eps, atol=200 * eps * scale)


TIERS = [name for name in kernels.TIERS if name != "compiled" or find_spec("numba")]
CUT = [f"{name}, cut small" for name in TIERS if name != "reference"]


@pytest.mark.parametrize("tier", [*TIERS, *CUT])
@pytest.mark.parametrize("kernel", CASES)
@settings(derandomize=True, max_examples=60, deadline=None)
@given(data=st.data())
def test_every_tier_computes_the_specification_and_keeps_its_manners(kernel, tier, data):
    case, options = CASES[kernel]
    args = case(Draw(data.draw, **options))
    copies = [a.copy() for a in arrays(args)]
    got = results(tier, kernel, args)
    for result, expected in zip(got, results("reference", kernel, args), strict=True):
        assert_equal_up_to_rounding(result, expected)
        assert result.flags.c_contiguous
        assert result.flags.writeable
        assert not any(np.shares_memory(result, a) for a in arrays(args))
    for a, copy in zip(arrays(args), copies, strict=True):
        np.testing.assert_array_equal(a, copy)
    for other in got[1:]:
        assert not np.shares_memory(got[0], other)


@pytest.mark.parametrize("tier", [*TIERS, *CUT])
@pytest.mark.parametrize("kernel", STEPS)
@settings(derandomize=True, max_examples=60, deadline=None)
@given(data=st.data())
def test_every_tier_takes_the_specified_step_in_place(kernel, tier, data):
    args = STEPS[kernel](Draw(data.draw, special=True))
    expected = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    assert results("reference", kernel, expected) == (None,)
    gradient = args[1].copy()
    assert results(tier, kernel, args) == (None,)
    np.testing.assert_array_equal(args[1], gradient)
    for changed, wanted in zip(arrays(args), arrays(expected), strict=True):
        assert_equal_up_to_rounding(changed, wanted)


@pytest.mark.parametrize("tier", TIERS)
def test_single_taps_that_meet_a_part_of_the_gradient_only_take_that_part(tier):
    # Strides of 3 leave phases of dx of 2 positions, which one tap each meets of the gradient's 3.
    rng = np.random.default_rng(0)
    args = rng.normal(size=(1, 2, 3, 3, 3)), rng.normal(size=(2, 1, 2, 3, 2)), (9, 7, 9)
    where = (3, 3, 3), (0, 2, 1), (1, 2, 2), 1
    with kernels.use(tier):
        found = kernels.conv_input(*args, *where)
    assert_equal_up_to_rounding(found, reference.conv_input(*args, *where))


@pytest.mark.parametrize("tier", TIERS)
def test_a_second_call_does_not_write_into_the_result_of_the_first(tier):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(3, 2, 6, 6)), rng.normal(size=(2, 2, 3, 3))
    where = ((1, 1), (1, 1), (1, 1))
    with kernels.use(tier):
        first = [
            kernels.conv(x, w, *where, 1),
            kernels.conv_input(x, w, (6, 6), *where, 1),
            kernels.conv_weight(x, x, (3, 3), *where, 1),
            *kernels.max_pool(x, (3, 3), *where, False),
            kernels.leaky_relu(x, 0.1),
            *kernels.batch_stats(x),
        ]
        copies = [a.copy() for a in first]
        y = -x
        kernels.conv(y, w, *where, 1)
        kernels.conv_input(y, w, (6, 6), *where, 1)
        kernels.conv_weight(y, x, (3, 3), *where, 1)
        kernels.max_pool(y, (3, 3), *where, False)
        kernels.leaky_relu(y, 0.1)
        kernels.batch_stats(y)
    for a, copy in zip(first, copies, strict=True):
        np.testing.assert_array_equal(a, copy)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"OMP_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "5"}, 5),
        ({"OPENBLAS_NUM_THREADS": "1", "TINYGRAD_CNN_THREADS": "2"}, 2),
        ({"OMP_NUM_THREADS": "64"}, workers.MOST),
        ({"OMP_NUM_THREADS": "many"}, None),
        ({"OMP_NUM_THREADS": "0"}, None),
        ({}, None),
    ],
)
def test_there_are_as_many_threads_as_blas_is_told_to_use(monkeypatch, variables, expected):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TINYGRAD_CNN_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    threads = workers.threads.__wrapped__()
    assert threads == expected or (expected is None and 1 <= threads <= os.cpu_count())


@pytest.mark.parametrize("tier", TIERS)
def test_threads_share_the_work_in_the_same_way_every_time(tier):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(7, 3, 9, 9)), rng.normal(size=(4, 3, 3, 3))
    where = ((1, 1), (1, 1), (1, 1), 1)
    with kernels.use(tier), cut_small():
        g = kernels.conv(x, w, *where)
        first = kernels.conv_weight(x, g, (3, 3), *where)
        for _ in range(5):
            assert np.array_equal(kernels.conv(x, w, *where), g)
            assert np.array_equal(kernels.conv_weight(x, g, (3, 3), *where), first)


def test_an_error_state_of_the_caller_reaches_the_threads():
    x = np.full((4, 1, 8, 8), np.inf)
    raises = pytest.raises(FloatingPointError)
    with kernels.use("blocked"), cut_small(), np.errstate(invalid="raise"), raises:
        kernels.batch_norm(x, *np.array([[np.inf], [1], [1], [0]]))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_makes_its_own_threads():
    program = """if True:
        import os, warnings
        import numpy as np
        from tinygrad_cnn import kernels
        from tinygrad_cnn.kernels.blocked import workers
        warnings.simplefilter("ignore")  # Python warns that threads do not survive a fork
        workers.threads, workers.GRAIN = lambda: 3, 1
        x = np.ones((6, 1, 4))
        kernels.use("blocked")
        kernels.sum_pool(x, (2,), (2,), (0,), False)
        pid = os.fork()
        kernels.sum_pool(x, (2,), (2,), (0,), False)
        if pid:
            raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """
    run([sys.executable, "-c", program], check=True, timeout=60)
