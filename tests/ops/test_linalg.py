"""What the table of cases does not say of linear algebra: singular points, choices, complex x."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor, errors, linalg, ops
from tinygrad_cnn.core import gradients_of
from tinygrad_cnn.testing import gradcheck, gradgradcheck

RNG = np.random.default_rng(0)
W = np.arange(16.0).reshape(4, 4) - 5


def leaf(x: np.ndarray) -> Tensor:
    return Tensor(x, requires_grad=True)


def gradient(f: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
    """df/dx of a number f."""
    at = leaf(x)
    f(at).backward()
    assert at.grad is not None
    return at.grad.data


def orthogonal(n: int) -> np.ndarray:
    return np.linalg.qr(RNG.normal(size=(n, n)))[0]


# -- determinants of any rank -------------------------------------------------------------------


def leibniz(a: np.ndarray) -> float:
    """The determinant as the sum over permutations that defines it."""
    total = 0.0
    for p in permutations(range(len(a))):
        sign = round(np.linalg.det(np.eye(len(a))[list(p)]))
        total += sign * math.prod(a[i, j] for i, j in enumerate(p))
    return total


@pytest.mark.parametrize(("n", "rank"), [(1, 0), (2, 1), (3, 3), (3, 2), (3, 1), (3, 0), (4, 2)])
def test_every_derivative_of_a_determinant_is_exact_at_every_rank(n: int, rank: int) -> None:
    # det(A + t V) is a polynomial in t: its coefficients are the derivatives along V.
    A = RNG.normal(size=(n, rank)) @ RNG.normal(size=(rank, n))
    V = RNG.normal(size=(n, n))
    nodes = np.cos(np.pi * (np.arange(n + 1) + 0.5) / (n + 1))
    expected = np.linalg.solve(
        np.vander(nodes, increasing=True), [leibniz(A + t * V) for t in nodes]
    )
    x = leaf(A)
    y = linalg.det(x)
    found = [y.item()]
    for order in range(1, n + 1):
        (g,) = gradients_of([y], [np.ones(())], [x], create_graph=True)
        y = ops.sum(g * V)
        found.append(y.item() / math.factorial(order))
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_singular_and_regular_matrices_share_a_stack_of_determinants() -> None:
    x = np.stack([np.diag([1.0, 2.0, 0.0]), np.diag([1.0, 2.0, 3.0]), np.zeros((3, 3))])
    (g,) = gradients_of([linalg.det(y := leaf(x))], [np.ones(3)], [y], create_graph=True)
    expected = [np.diag([0.0, 0, 2]), np.diag([6.0, 3, 2]), np.zeros((3, 3))]
    np.testing.assert_allclose(g.data, expected, atol=1e-14)


def test_the_logarithm_of_a_singular_determinant_has_an_infinite_slope_only_where_it_counts() -> (
    None
):
    singular = np.array([[1.0, 2.0], [2.0, 4.0]])
    x = np.stack([singular, np.diag([1.0, 2.0])])
    y = leaf(x)
    sign, log = linalg.slogdet(y)
    assert sign.data.tolist() == [0, 1]
    ops.sum(ops.where(np.array([False, True]), log, 0.0)).backward()
    np.testing.assert_allclose(y.grad.data, [np.zeros((2, 2)), np.diag([1, 0.5])])
    assert np.isinf(gradient(lambda a: linalg.slogdet(a).logabsdet, singular)).all()


# -- equal values -------------------------------------------------------------------------------


def repeated(*w: float) -> np.ndarray:
    """A symmetric matrix with these eigenvalues."""
    Q = orthogonal(len(w))
    x = (Q * np.array(w)) @ Q.T
    return (x + x.T) / 2


def test_a_projector_on_a_space_of_equal_eigenvalues_has_its_gradient() -> None:
    def f(x: Any) -> Any:
        v = linalg.eigh(x).eigenvectors[..., 1:]
        return ops.sum(ops.matmul(v, ops.matrix_transpose(v)) * W)

    x = repeated(-1, 2, 2, 2)
    assert gradcheck(f, x)


def test_a_symmetric_function_of_equal_eigenvalues_has_its_gradient() -> None:
    def f(x: Any) -> Any:
        return ops.sum(ops.exp(linalg.eigh(x).eigenvalues)) + ops.sum(linalg.eigvalsh(x) ** 3)

    x = repeated(1, 1, 1, 2)
    assert gradcheck(f, x)


@pytest.mark.parametrize("x", [np.eye(3), np.zeros((3, 3)), np.ones((3, 3))], ids=str)
def test_gradients_at_equal_eigenvalues_are_finite(x: np.ndarray) -> None:
    def f(x: Any) -> Any:
        w, v = linalg.eigh(x)
        return ops.sum(w * w) + ops.sum(v * v) + linalg.matrix_norm(x, ord=2)

    assert np.isfinite(gradient(f, x)).all()


def test_a_function_of_equal_eigenvalues_times_their_vectors_tells_that_a_part_is_missing() -> None:
    def f(x: Any) -> Any:
        w, v = linalg.eigh(x)
        return ops.sum(ops.matmul(v * ops.exp(w), ops.matrix_transpose(v)) * W)

    with pytest.warns(errors.EqualValuesWarning, match=r"V f\(w\) V\^H"):
        gradient(f, repeated(1, 1, 1, 2))


def test_the_orthogonal_factor_of_a_matrix_with_equal_singular_values_has_its_gradient() -> None:
    def f(x: Any) -> Any:
        u, _, vh = linalg.svd(x, full_matrices=False)
        return ops.sum(ops.matmul(u, vh) * W[:, :3])

    x = 2 * orthogonal(4)[:, :3]
    assert gradcheck(f, x)


def test_the_nuclear_norm_of_the_identity_has_its_second_derivative() -> None:
    assert gradgradcheck(lambda x: linalg.matrix_norm(x, ord="nuc"), np.eye(3))


# -- choices that a loss must not depend on -------------------------------------------------------


@pytest.mark.parametrize(
    "columns",
    [lambda x: linalg.svd(x)[0], lambda x: linalg.qr(x, mode="complete")[0]],
    ids=["svd", "qr"],
)
def test_the_space_of_the_columns_that_fill_up_has_a_gradient_and_their_basis_none(
    columns: Callable[[Any], Any],
) -> None:
    x = RNG.normal(size=(4, 2))

    def space(x: Any) -> Any:
        rest = columns(x)[..., 2:]
        return ops.sum(ops.matmul(rest, ops.matrix_transpose(rest)) * W)

    assert gradcheck(space, x)
    with pytest.raises(errors.NotDifferentiableError, match="basis of the columns from 2 on"):
        gradient(lambda x: ops.sum(columns(x) * W), x)


def test_a_single_column_that_fills_up_has_a_gradient() -> None:
    x = RNG.normal(size=(3, 2))  # it is fixed, but for its sign

    def f(x: Any) -> Any:
        return ops.sum(linalg.svd(x).U[..., 2] ** 2 * np.array([1.0, 2.0, 3.0]))

    assert gradcheck(f, x)


@pytest.mark.parametrize(
    "vectors",
    [lambda x: linalg.eigh(x)[1], lambda x: linalg.svd(x, full_matrices=False)[0]],
    ids=["eigh", "svd"],
)
def test_a_loss_that_depends_on_the_phases_of_complex_vectors_is_refused(
    vectors: Callable[[Any], Any],
) -> None:
    x = RNG.normal(size=(3, 3)) + 1j * RNG.normal(size=(3, 3))
    x = x @ x.conj().T
    with pytest.raises(errors.NotDifferentiableError, match="phases"):
        gradient(lambda x: ops.sum(ops.real(vectors(x))), x)
    assert np.isfinite(gradient(lambda x: ops.sum(ops.abs(vectors(x)) * W[:3, :3]), x)).all()


def test_the_orthogonal_factor_of_dependent_columns_has_no_derivative() -> None:
    with pytest.raises(errors.NotDifferentiableError, match="linearly dependent"):
        gradient(lambda x: ops.sum(linalg.qr(x)[0]), np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 0.0]]))


# -- kinks of norms -------------------------------------------------------------------------------


@pytest.mark.parametrize("ord", [0, 0.5, 1, 1.5, 2, 3, 4, np.inf, -np.inf, -1])
def test_the_gradient_of_every_norm_of_the_zero_vector_is_zero(ord: float) -> None:
    zeros = np.zeros(3)
    assert not gradient(lambda x: linalg.vector_norm(x, ord=ord), zeros).any()
    rows = np.array([[0.0, 0.0], [3.0, 4.0]])
    g = gradient(lambda x: ops.sum(linalg.vector_norm(x, axis=1, ord=ord)), rows)
    assert not g[0].any()
    assert np.isfinite(g).all()


@pytest.mark.parametrize("ord", ["fro", "nuc", 1, np.inf])
def test_the_gradient_of_a_norm_of_the_zero_matrix_is_zero(ord: Any) -> None:
    assert not gradient(lambda x: linalg.matrix_norm(x, ord=ord), np.zeros((2, 3))).any()


@pytest.mark.parametrize("ord", [0.5, 1, 1.5, -1])
def test_an_element_that_is_zero_gets_no_infinite_slope(ord: float) -> None:
    g = gradient(lambda x: linalg.vector_norm(x, ord=ord), np.array([0.0, 2.0]))
    np.testing.assert_allclose(g, [0, 1] if ord > 0 else [0, 0])


def test_even_powers_have_every_derivative_at_an_element_that_is_zero() -> None:
    x = leaf(np.array([0.0, 2.0]))
    y = linalg.vector_norm(
        x, ord=4
    )  # (x0^4 + 16)^(1/4), whose fourth derivative at 0 is 24 / (4 * 8)
    for _ in range(4):
        (g,) = gradients_of([y], [np.ones(())], [x], create_graph=True)
        y = g[0]
    assert y.item() == pytest.approx(24 / 32)


def test_the_nuclear_norm_gives_rounding_no_gradient() -> None:
    u, v = orthogonal(3)[:, :1], orthogonal(3)[:, :1]
    g = gradient(lambda x: linalg.matrix_norm(x, ord="nuc"), 5 * u @ v.T)  # of rank 1
    np.testing.assert_allclose(g, u @ v.T, atol=1e-14)


def test_norms_of_nothing_are_zero() -> None:
    nothing = np.zeros((0, 3))
    assert linalg.vector_norm(nothing, ord=np.inf) == 0
    assert linalg.matrix_norm(nothing, ord=2) == 0
    assert linalg.vector_norm(nothing, axis=0).tolist() == [0, 0, 0]


# -- complex numbers ------------------------------------------------------------------------------


def of_eigenvectors(matmul: Any, conj: Any, eigh: Any, x: Any) -> Any:
    w, v = eigh(x)
    return matmul(v * w[..., None, :] ** 2, conj(v).mT)


def of_singular_vectors(matmul: Any, svd: Any, x: Any) -> Any:
    u, s, vh = svd(x, full_matrices=False)
    return matmul(u * s[..., None, :] ** 2, vh)


COMPLEX: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = {
    "det": (linalg.det, lambda t, x: t.linalg.det(x)),
    "inv": (linalg.inv, lambda t, x: t.linalg.inv(x)),
    "solve": (lambda x: linalg.solve(x, x * x), lambda t, x: t.linalg.solve(x, x * x)),
    "sign": (lambda x: linalg.slogdet(x)[0], lambda t, x: t.linalg.slogdet(x)[0]),
    "slogdet": (lambda x: linalg.slogdet(x)[1], lambda t, x: t.linalg.slogdet(x)[1]),
    "power": (lambda x: linalg.matrix_power(x, -2), lambda t, x: t.linalg.matrix_power(x, -2)),
    "cholesky": (linalg.cholesky, lambda t, x: t.linalg.cholesky(hermitian(x))),
    "eigvalsh": (linalg.eigvalsh, lambda t, x: t.linalg.eigvalsh(hermitian(x))),
    "eigh": (
        lambda x: of_eigenvectors(ops.matmul, ops.conj, linalg.eigh, x),
        lambda t, x: of_eigenvectors(t.matmul, t.conj, t.linalg.eigh, hermitian(x)),
    ),
    "pinv": (linalg.pinv, lambda t, x: t.linalg.pinv(x)),
    "qr Q": (lambda x: linalg.qr(x)[0], lambda t, x: t.linalg.qr(x)[0]),
    "qr R": (lambda x: linalg.qr(x)[1], lambda t, x: t.linalg.qr(x)[1]),
    "svdvals": (linalg.svdvals, lambda t, x: t.linalg.svdvals(x)),
    "svd": (
        lambda x: of_singular_vectors(ops.matmul, linalg.svd, x),
        lambda t, x: of_singular_vectors(t.matmul, t.linalg.svd, x),
    ),
    "vecdot": (lambda x: linalg.vecdot(x, x * x), lambda t, x: t.linalg.vecdot(x, x * x)),
    "einsum": (
        lambda x: ops.einsum("...ij,...kj->...ik", x, x),
        lambda t, x: t.einsum("...ij,...kj->...ik", x, x),
    ),
    "cumprod": (lambda x: ops.cumprod(x, axis=-1), lambda t, x: t.cumprod(x, -1)),
    **{
        f"vector_norm {p}": (
            lambda x, p=p: linalg.vector_norm(x, ord=p),
            lambda t, x, p=p: t.linalg.vector_norm(x, p),
        )
        for p in (1, 2, 3, 4, 0.5, -1, np.inf)
    },
    **{
        f"matrix_norm {p}": (
            lambda x, p=p: linalg.matrix_norm(x, ord=p),
            lambda t, x, p=p: t.linalg.matrix_norm(x, p),
        )
        for p in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)
    },
}
SQUARE = ("det", "inv", "solve", "sign", "slogdet", "power", "cholesky", "eigvalsh", "eigh")


def hermitian(x: Any) -> Any:
    """The Hermitian part of PyTorch's x, which is what ours is a function of."""
    return (x + x.mH) / 2


@pytest.mark.oracle
@pytest.mark.parametrize("name", COMPLEX)
def test_complex_gradients_are_the_conjugates_of_pytorchs_to_second_order(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")
    f, f_torch = COMPLEX[name]
    rng = np.random.default_rng(1)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(size=shape) + 1j * rng.normal(size=shape)

    for shape in [(3, 3), (2, 3, 3)] if name in SQUARE else [(3, 3), (4, 2), (2, 4), (2, 2, 3)]:
        x, v = draw(*shape), draw(*shape)
        if name in ("cholesky", "eigvalsh", "eigh"):
            x = x @ x.conj().swapaxes(-1, -2) + np.eye(shape[-1])
        a, b = leaf(x), torch.tensor(x, requires_grad=True)
        y, z = f(a), f_torch(torch, b)
        g = draw(*y.shape) if y.dtype.kind == "c" else rng.normal(size=y.shape)
        (G,) = gradients_of([y], [g], [a], create_graph=True)
        (D,) = torch.autograd.grad([z], [b], [torch.tensor(g.conj())], create_graph=True)
        (second,) = gradients_of([G], [v], [a])
        (second_torch,) = torch.autograd.grad([D], [b], [torch.tensor(v)])
        for mine, other in [(y, z), (G, D.conj()), (second, second_torch.conj())]:
            expected = other.detach().resolve_conj().numpy()
            atol = 1e-10 * np.abs(expected).max()
            np.testing.assert_allclose(mine.data, expected, rtol=1e-9, atol=atol)


# -- manners --------------------------------------------------------------------------------------

ON_SQUARE = {
    "cholesky": lambda x: linalg.cholesky(x),
    "det": linalg.det,
    "eigh": lambda x: ops.sum(linalg.eigh(x)[1]) + linalg.eigh(x)[0],
    "eigvalsh": linalg.eigvalsh,
    "inv": linalg.inv,
    "matrix_norm": lambda x: linalg.matrix_norm(x, ord="nuc") + linalg.matrix_norm(x),
    "matrix_power": lambda x: linalg.matrix_power(x, -3),
    "pinv": linalg.pinv,
    "qr": lambda x: ops.matmul(*linalg.qr(x)),
    "slogdet": lambda x: linalg.slogdet(x)[1],
    "solve": lambda x: linalg.solve(x, x * x),
    "svd": lambda x: linalg.svd(x)[0] + linalg.svd(x)[1][..., None],
    "vector_norm": lambda x: linalg.vector_norm(x, ord=3),
    "quantile": lambda x: ops.quantile(x * x, 0.3),
    "cumulative_prod": lambda x: ops.cumulative_prod(x, axis=0),
    "logcumsumexp": lambda x: ops.logcumsumexp(x, axis=0),
}


@pytest.mark.parametrize("name", ON_SQUARE)
def test_float32_stays_float32_through_values_and_gradients(name: str) -> None:
    x = leaf(np.array([[4.0, 1.0], [1.0, 3.0]], np.float32))
    y = ON_SQUARE[name](x)
    (g,) = gradients_of([y], [np.ones(y.shape, np.float32)], [x], create_graph=True)
    (h,) = gradients_of([g], [np.ones((2, 2), np.float32)], [x])
    assert y.dtype == g.dtype == h.dtype == np.float32
    assert ON_SQUARE[name](x.data).dtype == np.float32


def test_the_namespace_holds_exactly_the_standards_functions_with_their_signatures() -> None:
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    names = {n for n in dir(strict.linalg) if inspect.isfunction(getattr(strict.linalg, n))}
    standard = names & set(strict.linalg.__all__)
    assert set(linalg.__all__) == standard
    for name in standard:
        expected = inspect.signature(getattr(strict.linalg, name)).parameters.values()
        function = getattr(linalg, name)
        mine = inspect.signature(getattr(function, "forward", function)).parameters.values()
        described = [(p.name, p.kind, p.default) for p in mine]
        assert described == [(p.name, p.kind, p.default) for p in expected], name


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: linalg.inv(np.zeros((2, 2))),
            r"inv: Singular matrix \(shape \(2, 2\)\); use pinv",
        ),
        (lambda: linalg.inv(np.zeros((5, 2, 2))), "in the stack"),
        (lambda: linalg.solve(np.zeros((2, 2)), np.ones(2)), "solve: Singular matrix"),
        (lambda: linalg.cholesky(-np.eye(2)), "not positive definite.*use eigh"),
        (lambda: linalg.svd(np.full((2, 2), np.nan)), "did not converge.*finite"),
    ],
)
def test_what_lapack_cannot_do_is_a_linalg_error_of_both_kinds(call: Any, words: str) -> None:
    with pytest.raises(errors.LinAlgError, match=words) as caught:
        call()
    assert isinstance(caught.value, np.linalg.LinAlgError)
    assert isinstance(caught.value, tg.TinygradError)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: linalg.inv(np.ones((2, 3))), r"inv: takes square matrices.*\(2, 3\)"),
        (lambda: linalg.det(np.ones(3)), r"det: takes square matrices.*\(3,\)"),
        (lambda: linalg.svd(np.ones(3)), r"svd: takes matrices \(\.\.\., M, N\)"),
        (lambda: linalg.trace(np.ones(3)), "takes matrices"),
        (lambda: linalg.solve(np.ones((4, 3, 3)), np.ones((4, 3))), r"x2\[\.\.\., None\]"),
        (lambda: linalg.outer(np.ones((2, 2)), np.ones(2)), "two vectors.*flatten"),
        (lambda: linalg.cross(np.ones(2), np.ones(2)), "three elements"),
        (lambda: linalg.cross(np.ones((3, 2)), np.ones((2, 3, 2)), axis=0), "negative axis"),
        (lambda: linalg.vecdot(np.ones(2), np.ones(3)), "one length, got 2 and 3"),
        (lambda: linalg.tensordot(np.ones((2, 3)), np.ones((3, 2))), "equal lengths"),
        (lambda: linalg.tensordot(np.ones(2), np.ones(2), axes=2), "axes=2 pairs"),
        (lambda: linalg.matmul(np.ones((2, 3)), np.ones((2, 3))), "matmul: the last axis"),
        (lambda: linalg.matrix_norm(np.ones((2, 2)), ord=3), "ord must be"),
        (lambda: linalg.qr(np.ones((2, 2)), mode="r"), "mode must be"),
        (lambda: ops.norm(np.ones((2, 2, 2)), 1), "names one axis, of matrices two"),
        (lambda: ops.norm(np.ones(2), "fro"), "for matrices"),
        (lambda: linalg.matrix_power(np.ones((2, 3)), 2), "square"),
    ],
)
def test_a_mistake_is_answered_with_the_rule_and_what_arrived(call: Any, words: str) -> None:
    with pytest.raises((errors.ShapeError, errors.ConfigError, errors.AxisError), match=words):
        call()


def test_ranks_and_powers_of_nothing_and_of_zero() -> None:
    assert linalg.matrix_rank(
        np.stack([np.eye(3), np.ones((3, 3)), np.zeros((3, 3))])
    ).tolist() == [
        3,
        1,
        0,
    ]
    assert linalg.matrix_rank(np.zeros((2, 0, 3))).tolist() == [0, 0]
    assert linalg.matrix_rank(np.diag([1.0, 1e-3]), rtol=1e-2) == 1
    identity = linalg.matrix_power(leaf(np.full((2, 2), 3.0)), 0)
    assert identity.data.tolist() == [[1, 0], [0, 1]]


def test_the_pseudoinverse_cuts_each_matrix_of_a_stack_by_its_own_tolerance() -> None:
    x = np.stack([np.diag([1.0, 1e-3])] * 2)
    y = linalg.pinv(x, rtol=np.array([1e-2, 1e-4]))
    np.testing.assert_allclose(y, [np.diag([1.0, 0.0]), np.diag([1.0, 1e3])], atol=1e-12)


def test_numpys_functions_find_these() -> None:
    x = leaf(np.array([[2.0, 1.0], [1.0, 3.0]]))
    np.linalg.slogdet(x)[1].backward()
    np.testing.assert_allclose(x.grad.data, np.linalg.inv(x.data))
