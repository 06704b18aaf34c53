"""What the strategies draw is what the functions take, the awkward cases among it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import find
from hypothesis import strategies as hs

from tinygrad_cnn import Tensor, ops
from tinygrad_cnn.testing import strategies as st
from tinygrad_cnn.testing.mutants import draw
from tinygrad_cnn.testing.mutants.catalogue import average_pool, conv, max_pool
from tinygrad_cnn.testing.strategies import Case

ACCEPTED: dict[str, tuple[Any, Callable[..., Any]]] = {
    "conv_cases": (st.conv_cases(), conv),
    "conv_cases with all": (st.conv_cases(bias=True, dilated=True, groups=True), conv),
    "pool_cases": (st.pool_cases(), max_pool),
    "pool_cases with dilation": (st.pool_cases(dilated=True), max_pool),
    "pool_cases for averages": (st.pool_cases(), average_pool),
    "matmul_cases": (st.matmul_cases(), ops.matmul),
    "reduction_cases": (st.reduction_cases(), ops.sum),
    "reshape_cases": (st.reshape_cases(), lambda x, shape: ops.reshape(x, shape)),
    "index_cases": (st.index_cases(), lambda x, index: ops.getitem(x, index)),
    "logits_with_labels": (st.logits_with_labels(), ops.cross_entropy),
    "residual_dags": (st.residual_dags(), lambda x, w, program: program(x, w)),
    "broadcastable": (st.broadcastable(3), lambda a, b, c: a + b + c),
    "awkward_layouts": (st.awkward_layouts(st.conv_cases()), conv),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_the_functions_take_every_case(name: str) -> None:
    strategy, f = ACCEPTED[name]
    for xs, static in draw(strategy, 60, seed=1):
        assert np.isfinite(f(*xs, **static)).all()


@cache
def drawn(name: str) -> list[Case]:
    """200 cases, always the same."""
    return draw(STRATEGIES[name], 200, seed=0)


STRATEGIES: dict[str, Any] = {
    "arrays": st.arrays(),
    "short arrays": st.arrays((3,)),
    "distinct arrays": st.arrays((4,), distinct=True),
    "broadcastable": st.broadcastable(2),
    "conv_cases(1)": st.conv_cases(1, bias=True, dilated=True, groups=True),
    "conv_cases": st.conv_cases(bias=True, dilated=True, groups=True),
    "pool_cases": st.pool_cases(dilated=True),
    "matmul_cases": st.matmul_cases(),
    "reduction_cases": st.reduction_cases(),
    "reshape_cases": st.reshape_cases(),
    "index_cases": st.index_cases(),
    "logits_with_labels": st.logits_with_labels(),
    "residual_dags": st.residual_dags(),
}


def tied(x: np.ndarray) -> bool:
    return len(np.unique(x)) < x.size


def remainder(xs: Any, static: Any) -> bool:
    """Some stride does not divide the way that the window goes."""
    kernel = static.get("kernel_size") or xs[1].shape[2:]
    geometry = zip(
        xs[0].shape[2:],
        *(static["padding"], static["dilation"], kernel, static["stride"]),
        strict=True,
    )
    return any((n + 2 * p - d * (k - 1) - 1) % s for n, p, d, k, s in geometry)


def spread(xs: Any, static: Any) -> bool:
    """Some window of several elements has gaps."""
    kernel = static.get("kernel_size") or xs[1].shape[2:]
    return any(d > 1 and k > 1 for d, k in zip(static["dilation"], kernel, strict=True))


def program(static: Any) -> tuple[tuple[str, int, int], ...]:
    steps: tuple[tuple[str, int, int], ...] = static["program"].steps
    return steps


def kind(index: Any) -> str:
    return index.dtype.kind if isinstance(index, np.ndarray) else ""


def parts(static: Any) -> tuple[Any, ...]:
    index = static["index"]
    return index if isinstance(index, tuple) else (index,)


# (strategy, event, whether a case is one)
EVENTS: list[tuple[str, str, Callable[[Any, Any], Any]]] = [
    ("arrays", "a number alone", lambda xs, _: xs[0].shape == ()),
    ("arrays", "one element", lambda xs, _: xs[0].ndim and xs[0].size == 1),
    ("arrays", "no element", lambda xs, _: xs[0].size == 0),
    ("arrays", "many elements", lambda xs, _: xs[0].size > st.BY_HAND),
    ("arrays", "a zero", lambda xs, _: 0 in xs[0]),
    ("arrays", "numbers of both signs", lambda xs, _: xs[0].size and xs[0].min() < 0 < xs[0].max()),
    ("short arrays", "a zero", lambda xs, _: 0 in xs[0]),
    ("short arrays", "a tie", lambda xs, _: tied(xs[0])),
    ("distinct arrays", "a zero", lambda xs, _: 0 in xs[0]),
    ("distinct arrays", "no zero, and nothing negative", lambda xs, _: xs[0].min() > 0),
    ("distinct arrays", "nothing but negative numbers", lambda xs, _: xs[0].max() < 0),
    ("broadcastable", "an axis of one", lambda xs, _: any(1 in x.shape for x in xs)),
    ("broadcastable", "fewer axes", lambda xs, _: xs[0].ndim < xs[1].ndim),
    (
        "broadcastable",
        "both broadcast",
        lambda xs, _: np.broadcast(*xs).shape not in [x.shape for x in xs],
    ),
    (
        "broadcastable",
        "a row and a square of its length",
        lambda xs, _: xs[0].ndim == 1 and xs[1].shape == 2 * xs[0].shape,
    ),
    ("broadcastable", "a tie of the two", lambda xs, _: not np.subtract(*xs).all()),
    ("broadcastable", "no element", lambda xs, _: not xs[0].size),
    ("conv_cases(1)", "a remainder of the stride", remainder),
    ("conv_cases", "a remainder of the stride", remainder),
    ("conv_cases", "dilation", spread),
    ("conv_cases", "groups", lambda _, static: static["groups"] > 1),
    ("conv_cases", "depthwise", lambda xs, static: xs[1].shape[1] == 1 < static["groups"]),
    (
        "conv_cases",
        "groups, dilation and a remainder",
        lambda xs, static: static["groups"] > 1 and spread(xs, static) and remainder(xs, static),
    ),
    ("conv_cases", "padding", lambda _, static: any(static["padding"])),
    ("conv_cases", "a bias", lambda xs, _: len(xs) == 3),
    ("conv_cases", "no bias", lambda xs, _: len(xs) == 2),
    ("conv_cases", "an empty batch", lambda xs, _: len(xs[0]) == 0),
    *(
        ("conv_cases", f"{n} axes", lambda xs, _, n=n: xs[0].ndim == n + 2)  # type: ignore[misc]
        for n in (1, 2, 3)
    ),
    ("pool_cases", "a remainder of the stride", remainder),
    ("pool_cases", "dilation", spread),
    ("pool_cases", "a tie", lambda xs, _: tied(xs[0])),
    ("pool_cases", "no tie", lambda xs, _: not tied(xs[0])),
    ("pool_cases", "padding", lambda _, static: any(static["padding"])),
    (
        "pool_cases",
        "overlapping windows",
        lambda _, static: np.less(static["stride"], static["kernel_size"]).any(),
    ),
    ("matmul_cases", "two vectors", lambda xs, _: xs[0].ndim == xs[1].ndim == 1),
    ("matmul_cases", "a vector and a stack", lambda xs, _: xs[0].ndim == 1 and xs[1].ndim == 3),
    ("matmul_cases", "a matrix and a stack", lambda xs, _: xs[0].ndim == 2 and xs[1].ndim == 3),
    ("matmul_cases", "two squares", lambda xs, _: {x.shape for x in xs} in ({(2, 2)}, {(3, 3)})),
    ("matmul_cases", "no element", lambda xs, _: any(x.size == 0 for x in xs)),
    ("reduction_cases", "all axes", lambda _, static: static["axis"] is None),
    ("reduction_cases", "no axis", lambda _, static: static["axis"] == ()),
    ("reduction_cases", "one axis", lambda _, static: isinstance(static["axis"], int)),
    ("reduction_cases", "several axes", lambda _, static: len(np.ravel(static["axis"])) > 1),
    (
        "reduction_cases",
        "an axis from the end",
        lambda _, static: isinstance(static["axis"], int) and static["axis"] < 0,
    ),
    ("reduction_cases", "keepdims", lambda _, static: static["keepdims"]),
    ("reshape_cases", "a length to be found", lambda _, static: -1 in static["shape"]),
    ("reshape_cases", "no element", lambda xs, _: xs[0].size == 0),
    ("index_cases", "a mask", lambda _, static: kind(static["index"]) == "b"),
    (
        "index_cases",
        "a row named twice",
        lambda _, static: kind(static["index"]) == "i" and tied(static["index"]),
    ),
    ("index_cases", "a new axis", lambda _, static: any(p is None for p in parts(static))),
    ("index_cases", "an ellipsis", lambda _, static: any(p is ... for p in parts(static))),
    ("index_cases", "several arrays", lambda _, static: "i" in map(kind, parts(static))),
    (
        "index_cases",
        "a step back",
        lambda _, static: any(type(p) is slice and (p.step or 1) < 0 for p in parts(static)),
    ),
    ("logits_with_labels", "saturated logits", lambda xs, _: np.ptp(xs[0]) > 100),
    ("logits_with_labels", "a tie in a row", lambda xs, _: any(map(tied, xs[0]))),
    ("logits_with_labels", "one class", lambda xs, _: xs[0].shape[1] == 1),
    ("logits_with_labels", "one row", lambda xs, _: xs[0].shape[0] == 1),
    ("logits_with_labels", "a label named twice", lambda xs, _: tied(xs[1])),
    ("residual_dags", "a skip", lambda _, s: any(a != b for _, a, b in program(s))),
    ("residual_dags", "a value used twice", lambda _, s: any(a == b for _, a, b in program(s))),
    (
        "residual_dags",
        "a value that is not used",
        lambda _, s: len({v for step in program(s) for v in step[1:]}) < len(program(s)),
    ),
]


@pytest.mark.parametrize(
    ("strategy", "event"),
    [pytest.param(name, event, id=f"{name}: {what}") for name, what, event in EVENTS],
)
def test_of_two_hundred_cases_some_are_awkward_in_every_way(strategy: str, event: Any) -> None:
    assert sum(bool(event(xs, static)) for xs, static in drawn(strategy)) >= 3


@pytest.mark.parametrize("name", [n for n in STRATEGIES if n not in ("logits_with_labels",)])
def test_all_numbers_are_multiples_of_an_eighth_within_four(name: str) -> None:
    for xs, _ in drawn(name):
        for x in xs:
            assert np.array_equal(8 * x, np.round(8 * x))
            assert name == "pool_cases" or np.abs(x).max(initial=0) <= 4


def test_saturated_logits_are_a_hundred_apart_and_labels_are_classes() -> None:
    for (z, labels), _ in draw(st.logits_with_labels(saturated=True), 50, seed=0):
        apart = np.diff(np.unique(z))
        assert not len(apart) or apart.min() >= 32
        assert labels.shape == z.shape[:1]
        assert (labels >= 0).all()
        assert (labels < z.shape[1]).all()


def test_shapes_keep_to_their_limits() -> None:
    for (x,), _ in draw(st.arrays(st.shapes(1, 2, 3, empty=False)), 100, seed=0):
        assert x.ndim in (1, 2)
        assert set(x.shape) <= {1, 2, 3}


def test_a_failure_shrinks_to_a_small_array_of_short_fractions() -> None:
    x = find(st.arrays(), lambda x: x.size > 2)
    assert x.tolist() == [0.125, 0.25, 0.375]


def test_the_simplest_arrays_of_a_case_hold_no_number_twice_and_no_zero() -> None:
    x, w = find(hs.tuples(st.arrays((3,)), st.arrays((2, 2))), lambda case: True)
    assert [*x, *w.ravel()] == [n / 8 for n in range(1, 8)]


@pytest.mark.parametrize("shape", [(3,), (30,)], ids=["by hand", "by a seed"])
def test_every_number_is_drawn_and_none_beyond_the_limits(shape: tuple[int, ...]) -> None:
    xs = [x for (x,), _ in draw(st.arrays(shape, low=-0.5, high=1), 200, seed=0)]
    assert set(np.unique(xs)) == {k / 8 for k in range(-4, 9)}


def test_distinct_arrays_hold_no_value_twice() -> None:
    for (x,), _ in draw(st.arrays(distinct=True), 50, seed=0):
        assert len(np.unique(x)) == x.size


def test_pooling_without_ties_holds_no_value_twice() -> None:
    for (x,), _ in draw(st.pool_cases(ties=False), 30, seed=0):
        assert len(np.unique(x)) == x.size


def test_every_layout_is_drawn() -> None:
    xs = [x for (x,), _ in draw(st.awkward_layouts(st.arrays((3, 4))), 60, seed=0)]
    assert any(not x.flags.writeable for x in xs)
    assert any(x.strides[0] < 0 for x in xs)
    assert any(x.flags.f_contiguous for x in xs)
    assert any(x.strides[-1] == 16 for x in xs)
    assert any(x.flags.c_contiguous and x.flags.writeable for x in xs)


def test_tensors_require_a_gradient() -> None:
    assert all(
        isinstance(t, Tensor) and t.requires_grad for (t,), _ in draw(st.tensors(), 5, seed=0)
    )


def test_a_program_reads_as_what_it_does() -> None:
    program = st.Program((("a + b", 0, 0), ("a * tanh(b)", 1, 0)))
    assert repr(program) == (
        "<v0 = x; v1 = a + b (a = v0, b = v0); v2 = a * tanh(b) (a = v1, b = v0); v2 + x>"
    )
    np.testing.assert_allclose(program(np.full((1, 1), 2.0), None), 4 * np.tanh(2.0) + 2)
