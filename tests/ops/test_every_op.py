"""What holds of every op and function alike: nobody is forgotten, and all keep the same manners."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.cases import CASES
from tests.oracle import (
    Case,
    Seeded,
    close,
    differentiable,
    leaf,
    ours,
    upstream_and_directions,
)
from tinygrad_cnn import Tensor, fft, linalg, ops
from tinygrad_cnn.core import REGISTRY, Node, Op, gradients_of
from tinygrad_cnn.core.modes import Observer, manual_seed, observe

every_case = pytest.mark.parametrize("case", CASES, ids=str)
LIBRARY = {n: o for n, o in REGISTRY.items() if o.__module__.startswith("tinygrad_cnn")}
SEEDS = (0, 1, 2)


def every_case_and_seed(test: Callable[[Case, int], None]) -> Callable[[Case], None]:
    """The test of a case and a seed as one test of the case, for some seeds."""

    @every_case
    def for_all_seeds(case: Case) -> None:
        for seed in SEEDS:
            try:
                test(case, seed)
            except Exception as error:
                error.add_note(f"seed {seed}")
                raise

    for_all_seeds.__name__ = test.__name__
    return for_all_seeds


# -- nobody is forgotten --------------------------------------------------------------------------


class Call(NamedTuple):
    op: Op
    values: list[Any]
    static: dict[str, Any]


class Record(Observer):
    def __init__(self) -> None:
        self.differentiated: set[str] = set()
        self.calls: list[Call] = []

    def before_forward(self, op: Op, values: list[Any], static: dict[str, Any]) -> None:
        if op.reference is not None:
            self.calls.append(Call(op, list(values), dict(static)))

    def before_backward(self, node: Node, gradient: Any) -> None:
        assert node.op is not None
        self.differentiated.add(node.op.name)


@cache
def record() -> Record:
    """What happens while every case is differentiated twice."""
    seen = Record()
    with observe(seen):
        for case in CASES:
            for seed in SEEDS:
                f, xs, _ = case.sample(Seeded(seed))
                g, vs = upstream_and_directions(f, xs, np.random.default_rng(0))
                ours(f, xs, g, vs)
    return seen


def test_every_op_that_has_a_derivative_is_differentiated_by_some_case() -> None:
    forgotten = {name for name, op in LIBRARY.items() if op.differentiable}
    assert forgotten - record().differentiated == set(), "add a row to tests/cases"


FUSED = sorted(name for name, op in LIBRARY.items() if op.reference is not None)


@pytest.mark.parametrize("name", FUSED)
def test_a_kernel_and_its_reference_agree_to_the_second_order(name: str) -> None:
    calls = [call for call in record().calls if call.op.name == name]
    assert calls, "no case reaches this op: add a row to tests/cases"
    for call in calls[:40]:
        compare_with_reference(call)


def compare_with_reference(call: Call) -> None:
    op, values, static = call
    assert op.reference is not None
    xs = [v for v in values if isinstance(v, np.ndarray)]

    def kernel(*xs: Any) -> Any:
        return op(*_put(values, xs), **static)

    def reference(*xs: Any) -> Any:
        return op.reference(*_put(values, xs), **static)  # type: ignore[misc]

    g, vs = upstream_and_directions(kernel, xs, np.random.default_rng(0))
    fused, plain = ours(kernel, xs, g, vs), ours(reference, xs, g, vs)
    close(fused.y, plain.y, 1e-11, "value")
    leaves = [leaf(x) if differentiable(x) else x for x in xs]
    first = gradients_of([kernel(*leaves)], [g], [x for x in leaves if isinstance(x, Tensor)])
    for a, b in zip(first, plain.gradients, strict=True):
        close(np.zeros_like(b) if a is None else a.data, b, 1e-10, "gradient by the kernel")
    for a, b in zip(fused.gradients, plain.gradients, strict=True):
        close(a, b, 1e-10, "gradient with a graph")
    for a, b in zip(fused.seconds, plain.seconds, strict=True):
        close(a, b, 1e-10, "second derivative")


def _put(values: list[Any], xs: Any) -> list[Any]:
    """The recorded values with `xs` in the places of the arrays."""
    arrays: Iterator[Any] = iter(xs)
    return [next(arrays) if isinstance(v, np.ndarray) else v for v in values]


NUMPY: dict[str, Any] = {
    **dict.fromkeys(["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]),
    **dict.fromkeys(["logical_and", "logical_or", "logical_xor", "logical_not"]),
    **dict.fromkeys(["isfinite", "isinf", "isnan", "signbit", "count_nonzero"]),
    **dict.fromkeys(["bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_invert"]),
    **dict.fromkeys(["bitwise_left_shift", "bitwise_right_shift"]),
    **dict.fromkeys(["argmax", "argmin", "all", "any", "argsort"]),
}
"""Functions without a derivative, which NumPy has under the same name."""


@pytest.mark.parametrize("name", NUMPY)
@pytest.mark.parametrize("layout", ["C", "F"])
def test_a_function_without_a_derivative_is_numpys_and_its_result_is_outside_the_graph(
    name: str, layout: Any
) -> None:
    op = getattr(ops, name)
    whole = "bitwise" in name
    a = np.array([[1, -2, 3], [0, 1, 5]] if whole else [[1.0, np.nan, -0.0], [0, -np.inf, 2]])
    b = np.array([[1, 1, 2], [3, 1, 0]] if whole else [[1.0, 2.0, 0.0], [0, np.inf, 2]])
    a = np.asarray(a, order=layout)
    xs = (a, b)[: len(op.inputs)]
    expected = getattr(np, name)(*xs)
    assert np.array_equal(op(*xs), expected)
    y = op(*(leaf(x) if differentiable(x) else Tensor(x) for x in xs))
    assert isinstance(y, Tensor)
    assert not y.requires_grad
    assert np.array_equal(y.data, expected)
    if len(op.inputs) == 1 and "axis" in op.keywords:
        for axis in (0, -1):
            assert np.array_equal(op(a, axis=axis), getattr(np, name)(a, axis=axis))


ELSEWHERE = {
    *("plain_index", "can_cast", "finfo", "iinfo", "isdtype", "result_type", "from_dlpack"),
    *("arange", "empty", "empty_like", "eye", "full_like", "linspace", "ones", "ones_like"),
    *("zeros", "zeros_like", "unique_all", "unique_counts", "unique_inverse"),
    *("nonzero", "one_hot", "searchsorted", "matrix_rank", "fftfreq", "rfftfreq"),
    *(n for n in ops.__all__ if isinstance(getattr(ops, n), type | np.dtype)),  # float32 ...
}
"""Functions with nothing to differentiate, whose tests are those of their files."""


@pytest.mark.parametrize("module", [ops, linalg, fft], ids=lambda m: m.__name__)
def test_every_public_function_has_a_case(module: Any) -> None:
    cased = {case.name for case in CASES} | set(NUMPY) | ELSEWHERE
    functions = {name for name in module.__all__ if callable(getattr(module, name))}
    assert functions - cased == set(), "add a row to tests/cases"


# -- manners --------------------------------------------------------------------------------------


def graph(case: Case, seed: int, dtype: Any = None) -> tuple[Any, list[Any], list[Tensor], Tensor]:
    """(f, its inputs, its leaves among them, f of them)"""
    f, xs, _ = case.sample(Seeded(seed))
    if dtype is not None:
        xs = [x.astype(dtype) if x.dtype == np.float64 else x for x in xs]
    manual_seed(0)
    places = [leaf(x) if differentiable(x) else x for x in xs]
    return f, xs, [p for p in places if isinstance(p, Tensor)], f(*places)


@every_case_and_seed
def test_arrays_give_the_very_values_that_tensors_do(case: Case, seed: int) -> None:
    f, xs, _, y = graph(case, seed)
    manual_seed(0)
    value = f(*xs)
    assert not isinstance(value, Tensor)
    assert np.array_equal(value, y.data, equal_nan=True)
    assert np.shape(value) == y.shape
    assert value.dtype == y.dtype


@every_case_and_seed
def test_gradients_are_the_same_with_a_graph_and_without(case: Case, seed: int) -> None:
    f, xs, leaves, y = graph(case, seed)
    g, vs = upstream_and_directions(f, xs, np.random.default_rng(0))
    y.backward(g)
    recorded = ours(f, xs, g, vs)
    for x, G in zip(leaves, recorded.gradients, strict=True):
        plain = np.zeros_like(G) if x.grad is None else x.grad.data
        close(plain, G, 1e-12, "gradient without a graph")


@every_case_and_seed
def test_neither_inputs_nor_the_upstream_gradient_are_written_to(case: Case, seed: int) -> None:
    f, xs, leaves, y = graph(case, seed)
    g, _ = upstream_and_directions(f, xs, np.random.default_rng(0))
    before = [a.tobytes() for a in (*xs, y.data, g)]
    y.backward(g, retain_graph=True)
    y.backward(g)
    assert [a.tobytes() for a in (*xs, y.data, g)] == before
    gradients = [x.grad.data for x in leaves if x.grad is not None]
    for i, a in enumerate(gradients):
        others = [*xs, y.data, g, *gradients[:i]]
        assert not any(np.shares_memory(a, b) for b in others)


@every_case_and_seed
def test_gradients_keep_the_dtype_of_their_inputs(case: Case, seed: int) -> None:
    _, _, leaves, y = graph(case, seed, np.float32)
    g = np.ones(y.shape, y.dtype)
    gradients = gradients_of([y], [g], leaves, create_graph=True)
    assert {G.dtype for G in gradients if G is not None} <= {x.dtype for x in leaves}
    seconds = gradients_of(
        [G for G in gradients if G is not None],
        [np.ones(G.shape, G.dtype) for G in gradients if G is not None],
        leaves,
    )
    assert {H.dtype for H in seconds if H is not None} <= {x.dtype for x in leaves}


DOUBLE = {"astype", "eigh vectors", "svd U", "svd V"}


@every_case
def test_single_precision_in_is_single_precision_out(case: Case) -> None:
    draw = Seeded(0)
    xs, options = case.draw(draw)
    wide = {np.dtype(np.float64), np.dtype(np.complex128), np.dtype(np.int64)}
    held = [o.dtype for o in options.values() if isinstance(o, np.ndarray)]
    if wide & {*held, *(x.dtype for x in xs if x.dtype.kind in "iu")} or case.label in DOUBLE:
        pytest.skip("the case itself brings double precision in")
    narrow = [x.astype({"f": np.float32, "c": np.complex64}.get(x.dtype.kind, x.dtype)) for x in xs]
    y = case.f(*(leaf(x) if differentiable(x) else x for x in narrow), **options)
    assert y.dtype in (np.float32, np.complex64)


@every_case_and_seed
def test_single_precision_loses_digits_and_nothing_else(case: Case, seed: int) -> None:
    f, xs, _ = case.sample(Seeded(seed))
    xs = [x.astype(np.float32).astype(x.dtype) if x.dtype == np.float64 else x for x in xs]
    narrow = [x.astype(np.float32) if x.dtype == np.float64 else x for x in xs]
    g, vs = upstream_and_directions(f, xs, np.random.default_rng(0))
    wide, single = ours(f, xs, g, vs), ours(f, narrow, g.astype(np.float32), vs)
    for a, b in zip([single.y, *single.gradients], [wide.y, *wide.gradients], strict=True):
        largest = float(np.abs(b).max(initial=0))
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * (largest + 1))


@every_case
def test_nothing_is_recorded_under_no_grad_or_for_constants(case: Case) -> None:
    f, xs, _ = case.sample(Seeded(0))
    with tg.no_grad():
        assert not f(*(leaf(x) if differentiable(x) else x for x in xs)).requires_grad
    assert not f(*(Tensor(x) if differentiable(x) else x for x in xs)).requires_grad


@every_case_and_seed
def test_a_function_does_not_return_the_very_tensor_it_was_given(case: Case, seed: int) -> None:
    # y = f(x); y += 1 would change x.
    f, xs, _ = case.sample(Seeded(seed))
    tensors = [Tensor(x) for x in xs]
    y = f(*(t if differentiable(x) else x for t, x in zip(tensors, xs, strict=True)))
    assert not any(y is t for t in tensors)


@every_case
def test_a_gradient_does_not_depend_on_which_others_are_wanted(case: Case) -> None:
    f, xs, leaves, y = graph(case, 0)
    if len(leaves) < 2:
        return
    g, _ = upstream_and_directions(f, xs, np.random.default_rng(0))
    together = gradients_of([y], [g], leaves)
    places = [i for i, x in enumerate(xs) if differentiable(x)]
    for i, expected in zip(places, together, strict=True):
        manual_seed(0)
        x = leaf(xs[i])
        alone = f(*(x if k == i else v for k, v in enumerate(xs)))
        (G,) = gradients_of([alone], [g], [x]) if isinstance(alone, Tensor) else (None,)
        assert (G is None) == (expected is None)
        if G is not None and expected is not None:
            close(G.data, expected.data, 1e-12, f"gradient of input {i} alone")


@every_case
def test_a_run_repeats_bit_for_bit(case: Case) -> None:
    f, xs, _ = case.sample(Seeded(1))
    g, vs = upstream_and_directions(f, xs, np.random.default_rng(0))
    first, second = ours(f, xs, g, vs), ours(f, xs, g, vs)
    for a, b in zip(
        [first.y, *first.gradients, *first.seconds],
        [second.y, *second.gradients, *second.seconds],
        strict=True,
    ):
        assert a.tobytes() == b.tobytes()
