"""einsum is NumPy's, for every subscript, and says what is wrong with the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_cnn import Tensor, errors, ops
from tinygrad_cnn.core import gradients_of
from tinygrad_cnn.core.modes import Observer, observe

SIZES = {"a": 2, "b": 3, "c": 1, "d": 4, "e": 0}


@st.composite
def contractions(draw: Any) -> tuple[str, list[np.ndarray]]:
    """Subscripts of one to four operands, with repeated letters, ellipses, and a result or none."""
    letters = "abcd" + ("e" if draw(st.integers(0, 9)) == 9 else "")
    dots = draw(st.lists(st.integers(1, 3), max_size=2))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    terms, operands = [], []
    for _ in range(draw(st.integers(1, 4))):
        own = draw(st.lists(st.sampled_from(letters), max_size=4))
        shape = [SIZES[k] for k in own]
        at = draw(st.integers(-1, len(own)))
        if at >= 0:
            under = [1 if draw(st.integers(0, 3)) == 3 else n for n in dots]
            own.insert(at, "...")
            shape[at:at] = under[draw(st.integers(0, len(under))) :]
        terms.append("".join(own))
        operands.append(rng.normal(size=shape))
    named = sorted({k for term in terms for k in term.replace(".", "")})
    result = draw(st.permutations(named)) if named else []
    result = result[: draw(st.integers(0, len(result)))]
    if any("..." in term for term in terms):
        result.insert(draw(st.integers(0, len(result))), "...")
    arrow = "" if draw(st.integers(0, 3)) == 3 else "->" + "".join(result)
    return ",".join(terms) + arrow, operands


@given(contractions(), st.sampled_from([True, False, "greedy", "optimal"]))
def test_the_sum_is_numpys(contraction: tuple[str, list[np.ndarray]], optimize: Any) -> None:
    subscripts, operands = contraction
    expected = np.einsum(subscripts, *operands)
    y = ops.einsum(subscripts, *operands, optimize=optimize)
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)


@given(contractions())
def test_the_gradients_are_those_of_a_product_that_is_linear_in_each_operand(
    contraction: tuple[str, list[np.ndarray]],
) -> None:
    # For f linear in x, <dL/dx, v> = <g, f(v)>, exactly, for any v; and the second derivatives by
    # another operand follow from dL/dx being linear in that one.
    subscripts, operands = contraction
    rng = np.random.default_rng(0)
    xs = [Tensor(x, requires_grad=True) for x in operands]
    y = ops.einsum(subscripts, *xs)
    g = rng.normal(size=y.shape)
    found = gradients_of([y], [g], xs, create_graph=True)
    for i, (x, G) in enumerate(zip(operands, found, strict=True)):
        v = rng.normal(size=x.shape)
        assert G is not None
        assert G.shape == x.shape
        moved = [*operands[:i], v, *operands[i + 1 :]]
        expected = np.sum(g * np.einsum(subscripts, *moved))
        np.testing.assert_allclose(np.sum(G.data * v), expected, rtol=1e-10, atol=1e-10)
        others = [z for j, z in enumerate(xs) if j != i]
        for j, second in enumerate(gradients_of([G], [v], others, retain_graph=True)):
            w = rng.normal(size=others[j].shape)
            twice = list(moved)
            twice[j + (j >= i)] = w
            expected = np.sum(g * np.einsum(subscripts, *twice))
            found_second = 0.0 if second is None else np.sum(second.data * w)
            np.testing.assert_allclose(found_second, expected, rtol=1e-10, atol=1e-10)


def test_a_sum_over_nothing_is_a_tensor_of_its_own() -> None:
    x = Tensor(np.arange(3.0))
    y = ops.einsum("i->i", x)
    y += 1
    np.testing.assert_array_equal(x.data, np.arange(3.0))


def test_lists_of_labels_mean_what_letters_mean() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    expected = a @ b
    assert ops.einsum(a, [0, 1], b, [1, 2], [0, 2]).tolist() == expected.tolist()
    assert ops.einsum(a, [7, 1], b, [1, 70]).tolist() == expected.tolist()
    assert ops.einsum(a, [..., 1], b, [1, 2], [2, ...]).tolist() == expected.T.tolist()


def test_the_graph_holds_a_contraction_for_each_pair_and_nothing_else() -> None:
    x = Tensor(np.ones((3, 3)), requires_grad=True)
    y = ops.einsum("ij,jk,kl->il", x, x, x)
    names, node = [], y._node
    while node is not None and node.op is not None:
        names.append(node.op.name)
        node = max((p for p in node.parents if p), key=lambda p: p.seq)
    assert names == ["contract", "contract"]


def test_a_long_chain_is_multiplied_in_a_cheap_order() -> None:
    # (n, 1) (1, n) (n, 1): from the left an n x n matrix arises, from the right a number
    n = 2000
    column, row = np.ones((n, 1)), np.ones((1, n))
    sizes: list[int] = []

    class Sizes(Observer):
        def after_forward(self, op: Any, values: Any, static: Any, out: Any) -> None:
            sizes.append(np.size(out))

    with observe(Sizes()):
        y = ops.einsum("ij,jk,kl->il", Tensor(column), Tensor(row), Tensor(column))
    assert y.shape == (n, 1)
    assert max(sizes) == n


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.float32, np.complex64, bool])
def test_the_dtype_is_that_of_the_operands(dtype: Any) -> None:
    x = np.ones((2, 3), dtype)
    for subscripts in ("ij,kj->ik", "ij,ij->i", "ij,kl->"):
        assert ops.einsum(subscripts, x, x).dtype == np.dtype(dtype)
    assert ops.einsum("ij->i", x).dtype == np.dtype(dtype)


@pytest.mark.parametrize(
    ("subscripts", "shapes", "kind", "words"),
    [
        ("ij,jk", [(2, 3)], errors.ShapeError, "for 2 operands, got 1"),
        ("ij,jk", [(2, 3), (4, 2)], errors.ShapeError, "j names axes of lengths 3 and 4"),
        (
            "ijk",
            [(2, 3)],
            errors.ShapeError,
            r"'ijk' is for 3 axes, got an operand of shape \(2, 3\)",
        ),
        ("i", [(2, 3)], errors.ShapeError, "for 1 axes"),
        ("ii", [(2, 3)], errors.ShapeError, "i names axes of lengths 2 and 3"),
        ("ii", [(1, 3)], errors.ShapeError, "stands twice"),
        ("ij->ijj", [(2, 3)], errors.ConfigError, "each once, got 'j'"),
        ("ij->k", [(2, 3)], errors.ConfigError, "got 'k'"),
        ("i1->i", [(2, 3)], errors.ConfigError, "letters"),
        ("i..j->i", [(2, 3)], errors.ConfigError, "letters"),
        ("...i->i", [(2, 3)], errors.ConfigError, "needs one, too"),
    ],
)
def test_wrong_subscripts_are_answered_with_the_rule(
    subscripts: str, shapes: Any, kind: Any, words: str
) -> None:
    with pytest.raises(kind, match=words):
        ops.einsum(subscripts, *(np.ones(shape) for shape in shapes))


def test_labels_in_lists_are_integers() -> None:
    with pytest.raises(errors.ConfigError, match="integers >= 0"):
        ops.einsum(np.ones(2), ["i"])
