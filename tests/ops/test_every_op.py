"""What holds of every op and function alike: nobody is forgotten, and all keep the same manners."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
import pytest

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
from tinygrad_cnn.testing import check_all

every_case = pytest.mark.parametrize("case", CASES, ids=str)
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
    """The ops that each case differentiates, and the calls of those that have a reference."""

    def __init__(self) -> None:
        self.case = ""
        self.differentiated: set[tuple[str, str]] = set()
        self.calls: list[Call] = []

    def before_forward(self, op: Op, values: list[Any], static: dict[str, Any]) -> None:
        if op.reference is not None:
            self.calls.append(Call(op, list(values), dict(static)))

    def before_backward(self, node: Node, gradient: Any) -> None:
        assert node.op is not None
        self.differentiated.add((self.case, node.op.name))


@cache
def record() -> Record:
    """What happens while every case is differentiated twice."""
    seen = Record()
    with observe(seen):
        for case in CASES:
            seen.case = case.name
            for seed in SEEDS:
                f, xs, _ = case.sample(Seeded(seed))
                g, vs = upstream_and_directions(f, xs, np.random.default_rng(0))
                ours(f, xs, g, vs)
    return seen


def library() -> dict[str, Op]:
    """The ops that stand in a module of the library; the registry holds those of others, too."""
    modules = [m for name, m in sys.modules.items() if name.partition(".")[0] == "tinygrad_cnn"]
    standing = {id(value) for module in modules for value in vars(module).values()}
    return {name: op for name, op in REGISTRY.items() if id(op) in standing}


def undeclared() -> set[str]:
    """The ops that neither a row of their name differentiates, nor NUMPY or ELSEWHERE names."""
    declared = {case for case, op in record().differentiated if case == op}
    return {
        name
        for name, op in library().items()
        if name not in (declared if op.differentiable else {*NUMPY, *ELSEWHERE})
    }


def test_every_op_has_a_case() -> None:
    assert undeclared() == set(), "add a row to tests/cases"


def test_an_op_without_a_case_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    newcomer = Op(lambda x: x, name="newcomer").vjp(lambda g, _y, _x: g)
    monkeypatch.setattr(ops.elementwise, "newcomer", newcomer, raising=False)
    monkeypatch.setitem(REGISTRY, "newcomer", newcomer)
    assert undeclared() == {"newcomer"}


@pytest.mark.parametrize("name", sorted(n for n, op in library().items() if op.reference))
def test_a_kernel_and_its_reference_agree(name: str) -> None:
    calls = [call for call in record().calls if call.op.name == name]
    assert calls
    for op, values, static in calls[:40]:
        reference = partial(op.reference, **static)
        check_all(partial(op, **static), *values, reference=reference, properties=["reference"])


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
    *(
        "_places",
        "_positions",
        "nonzero",
        "one_hot",
        "searchsorted",
        "matrix_rank",
        "fftfreq",
        "rfftfreq",
    ),
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
def test_nothing_is_recorded_for_constants(case: Case) -> None:
    f, xs, _ = case.sample(Seeded(0))
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
