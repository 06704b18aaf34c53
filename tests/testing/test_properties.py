"""Each property notices a mistake that no other one does, and says what it is."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import NotDifferentiableError
from tinygrad_cnn.testing import PROPERTIES, GradientMismatch, check_all, gradcheck
from tinygrad_cnn.testing.mutants import MUTANTS, Mutant, draw

ALONE = {
    "directional_derivative": ("vjp=: sign", "is wrong at"),
    "second_order": ("tanh: saved values detached", "is wrong at"),
    "adjointness": ("exp within float32: upstream detached", "differs from <g, J v>"),
    "symmetry": ("multiply within float32: saved values detached", "not symmetric"),
    "linearity": ("multiply: NaN for an upstream of zero", "J^T 0 is not 0"),
    "reference": ("a body: sums for the mean", "differs from the reference"),
    "accumulation": ("subtract: lost where the inputs are one array", "two equal arrays"),
    "graph_freed": ("a body: keeps its graph", "outlive its last Tensor"),
    "nothing_recorded": ("a body: records under no_grad", "nodes were recorded"),
    "repeatability": ("vjp=: another rounding every time", "the gradient is another when"),
    "memory_layout": ("tanh: memory order taken for granted", "arrays"),
    "purity": ("vjp=: writes into the upstream gradient", "writes into upstream gradient 0"),
    "no_shared_memory": ("the sweep: hands on memory", "shares memory with"),
    "broadcasting": ("logaddexp: factor 2 where nothing is broadcast", "stands for copies"),
    "batch_independence": ("tanh: factor 2 for a batch of one", "with the rest of its batch"),
    "dtype_and_shape": ("vjp=: float64", "is float32"),
}
"""{property: (a mutant that it alone kills, what it says)}"""


def test_every_property_has_a_mistake_of_its_own() -> None:
    assert set(ALONE) == set(PROPERTIES)


@pytest.mark.parametrize("name", ALONE)
def test_the_property_alone_notices_and_says_what_it_is(name: str) -> None:
    named, words = ALONE[name]
    mutant = next(m for m in MUTANTS if m.name == named)
    assert words in next(failures_of(mutant, name))


def failures_of(mutant: Mutant, name: str) -> Iterator[str]:
    """What is said in the cases in which this property alone is violated."""
    with mutant.active() as (f, options, _):
        for xs, static in draw(mutant.work.cases, 12, seed=0):
            try:
                check_all(partial(f, **static), *xs, **options)
            except GradientMismatch as error:
                if (error.failure.name, error.failure.also) == (name, ()):
                    yield str(error)


@pytest.mark.parametrize(
    ("f", "x", "vjp"),
    [
        (tg.sqrt, [0.0, 4.0], None),
        (lambda x: x**1.5, [0.0, 4.0], None),
        (lambda x: tg.sqrt(tg.sum(x * x)), [0.0, 0.0, 0.0], None),
        (np.sqrt, [0.0, 4.0], lambda g, x: (g / (2 * np.sqrt(x)),)),
    ],
    ids=["sqrt", "power", "norm", "vjp="],
)
def test_at_the_edge_of_its_domain_no_right_gradient_is_accused(f: Any, x: Any, vjp: Any) -> None:
    check_all(f, np.array(x), vjp=vjp)


def test_beside_an_infinite_element_a_wrong_one_is_seen() -> None:
    def forgets_g(g: Any, x: Any) -> tuple[Any]:
        G = g / (2 * np.sqrt(x))
        G[1] = 0.25
        return (G,)

    with pytest.raises(GradientMismatch) as caught:
        check_all(np.sqrt, np.array([0.0, 4.0]), vjp=forgets_g, properties=["linearity"])
    assert caught.value.element == (1,)


def test_a_bare_vjp_is_judged_in_the_dtypes_that_are_given() -> None:
    def share(g: Any, x: Any) -> tuple[Any]:
        ties = x == x.max()
        return (g * ties / ties.sum(),)  # an int64 in it: double precision for float32

    x = np.array([1.0, 3.0, 2.0])
    check_all(np.max, x, vjp=share)
    with pytest.raises(GradientMismatch, match="is float32"):
        check_all(np.max, x.astype(np.float32), vjp=share)


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: x, [1.0, 2.0]),
        (lambda x: (x, 2 * x), [1.0, 2.0]),
        (lambda x: (x - tg.mean(x)) / tg.sqrt(tg.var(x) + 1e-5), [0.015625]),
        (lambda x: 300 * x - x * 300, [0.015625, 3.0]),
        (lambda x: tg.layer_norm(x, (1,)), [0.015625]),
        (lambda x: tg.layer_norm(x, (1,)), [1.8905e-4]),
        (lambda x: (x + 1) ** 2 - x**2 - 2 * x - 1, [-100.69957123]),
    ],
    ids=[
        "identity",
        "identity and more",
        "layer norm of one",
        "terms that cancel",
        "fused layer norm of one",
        "fused layer norm of a small one",
        "a gradient that is rounding alone",
    ],
)
def test_a_right_function_is_accused_of_nothing(f: Any, x: list[float]) -> None:
    for seed in range(4):
        check_all(f, np.array(x), seed=seed)


DEPENDENT = np.array([[1.0, 2.0], [2.0, 4.0], [0.0, 0.0]])


def test_where_an_op_says_that_it_has_no_derivative_nothing_is_judged() -> None:
    def basis(x: Any) -> Any:
        return tg.linalg.qr(x).Q

    assert "linearly dependent" in gradcheck(basis, DEPENDENT).rejected
    assert "linearly dependent" in check_all(basis, DEPENDENT).rejected
    assert not check_all(basis, DEPENDENT + np.eye(3, 2)).rejected


def test_an_op_that_says_so_everywhere_is_not_excused() -> None:
    def refuses(g: Any, x: Any) -> Any:
        raise NotDifferentiableError("sin has no derivative")

    with pytest.raises(GradientMismatch, match="has no derivative"):
        gradcheck(np.sin, np.ones(2), vjp=refuses)


def test_what_is_left_where_terms_cancel_has_no_size_of_its_own() -> None:
    """Some of these gradients are 1e-16, all of it rounding, and so steep beside their size."""
    q = [[0.75, 0.75, 1.25, 3.0], [3.25, 2.5, 3.0, 3.25]]
    k = [[0.5, 3.75, 2.75, 2.5], [-0.25, 0.5, 1.25, -1.75]]
    k += [[1.0, 0.25, -1.0, 0.25], [3.75, 4.0, 0.5, -1.75]]
    v = [[-1.0, 0.75, 1], [-1.75, 0.25, 0.5], [-0.75, -1.75, 2], [-1, 0.5, 0.75]]
    mask = np.array([[True, True, True, True], [False, True, False, True]])
    attention = partial(tg.scaled_dot_product_attention, attn_mask=mask)
    for seed in range(3):
        check_all(attention, *map(np.array, (q, k, v)), seed=seed, properties=["second_order"])


@pytest.mark.parametrize("f", [tg.expm1, tg.tanh])
def test_a_derivative_that_cancels_beside_a_tiny_one_is_not_accused(f: Any) -> None:
    """Of exp(z) = expm1(z) + 1 for z = -188 + 76i the real part is lost, and 1e-82 i is not."""

    def parts(a: Any, b: Any) -> Any:
        y = f(a + 1j * b)
        return tg.real(y), tg.imag(y)

    a, b = np.array([44.3, 53.0, -187.76, -33.6]), np.array([84.4, 51.6, 76.06, 69.6])
    check_all(parts, a, b, properties=["directional_derivative", "second_order"])


def test_an_infinite_gradient_of_complex_numbers_has_no_derivative_to_be_wrong() -> None:
    z = np.array([1j, 0.25 - 0.5j])
    check_all(tg.asinh, z, properties=["directional_derivative", "second_order"])


def test_of_a_batch_of_one_it_is_told_that_there_is_no_other_sample() -> None:
    of_one = check_all(tg.tanh, np.ones((1, 3)), properties=["batch_independence"])
    assert of_one.outcomes["batch_independence"].skipped.startswith("a batch of one")
    of_two = check_all(tg.sum, np.ones((2, 3)), properties=["batch_independence"])
    assert of_two.outcomes["batch_independence"].skipped == "f does not act row by row"
