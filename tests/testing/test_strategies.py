"""What the strategies draw is what the functions take, the awkward cases among it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import find

from tinygrad_cnn import Tensor, ops
from tinygrad_cnn.testing import strategies as st
from tinygrad_cnn.testing.mutants import draw
from tinygrad_cnn.testing.mutants.catalogue import average_pool, conv, max_pool

ACCEPTED: dict[str, tuple[Any, Callable[..., Any]]] = {
    "conv_cases": (st.conv_cases(), conv),
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


@pytest.mark.parametrize(
    ("strategy", "rare"),
    [
        (st.conv_cases(), lambda c: 0 in c[0][0].shape),
        (st.conv_cases(3), lambda c: c[1]["groups"] > 1 and c[1]["dilation"][0] > 1),
        (st.conv_cases(1), lambda c: (c[0][0].shape[2] - c[0][1].shape[2]) % c[1]["stride"][0]),
        (st.pool_cases(1), lambda c: c[1]["stride"][0] < c[1]["kernel_size"][0]),
        (st.pool_cases(ties=True), lambda c: len(np.unique(c[0][0])) < c[0][0].size),
        (st.matmul_cases(), lambda c: c[0][0].ndim == 1 and c[0][1].ndim == 3),
        (
            st.broadcastable(2),
            lambda c: c[0][0].ndim == 1 and c[0][1].shape == c[0][0].shape * 2,
        ),
        (st.arrays(), lambda c: c[0][0].shape == ()),
        (st.arrays(), lambda c: c[0][0].size == 0),
        (st.arrays(), lambda c: c[0][0].size > st.BY_HAND),
        (st.reshape_cases(), lambda c: -1 in c[1]["shape"]),
        (st.logits_with_labels(), lambda c: np.ptp(c[0][0]) > 100),
    ],
)
def test_the_awkward_cases_are_among_those_drawn(strategy: Any, rare: Any) -> None:
    assert any(rare(case) for case in draw(strategy, 150, seed=0))


def test_a_failure_shrinks_to_a_small_array_of_short_fractions() -> None:
    x = find(st.arrays(), lambda x: x.size > 2)
    assert x.tolist() == [0.125, 0.25, 0.375]


def test_the_simplest_arrays_of_a_case_hold_no_number_twice_and_no_zero() -> None:
    x, w, b = find(st.conv_cases(1, bias=True), lambda case: case[0][1].shape == (2, 1, 3))[0]
    numbers = np.concatenate([x.ravel(), w.ravel(), b])
    assert numbers.tolist() == [n / 8 for n in range(1, numbers.size + 1)]


@pytest.mark.parametrize("shape", [(3,), (30,)], ids=["by hand", "by a seed"])
def test_every_number_is_drawn_and_none_beyond_the_limits(shape: tuple[int, ...]) -> None:
    drawn = [x for (x,), _ in draw(st.arrays(shape, low=-0.5, high=1), 200, seed=0)]
    assert set(np.unique(drawn)) == {k / 8 for k in range(-4, 9)}


def test_distinct_arrays_hold_no_value_twice() -> None:
    for (x,), _ in draw(st.arrays(distinct=True), 50, seed=0):
        assert len(np.unique(x)) == x.size


def test_pooling_without_ties_holds_no_value_twice() -> None:
    for (x,), _ in draw(st.pool_cases(ties=False), 30, seed=0):
        assert len(np.unique(x)) == x.size


@pytest.mark.parametrize("layout", st.LAYOUTS)
def test_a_layout_changes_no_number(layout: str) -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(st.LAYOUTS[layout](x), x)


def test_every_layout_is_drawn() -> None:
    drawn = [x for (x,), _ in draw(st.awkward_layouts(st.arrays((3, 4))), 60, seed=0)]
    assert any(not x.flags.writeable for x in drawn)
    assert any(x.strides[0] < 0 for x in drawn)
    assert any(x.flags.f_contiguous for x in drawn)
    assert any(x.strides[-1] == 16 for x in drawn)


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
