"""A matrix as a product of simpler ones: cholesky, qr, eigh, svd; (..., M, N) throughout.

Factors are unique up to a choice, and a loss has a gradient only if it does not depend on it. Where
every input leaves a choice open (the phases of complex vectors, the columns that fill up a square
U), a loss that depends on it is refused with a NotDifferentiableError.

Where two eigenvalues (or singular values) are equal, any basis of the space that belongs to them
may come out. A gradient is given that leaves this basis alone. It is right for every loss that
reads the vectors through that space, as a projector does, or through U V^H, and for every
symmetric function of the values. It misses a part where a loss multiplies functions of the values
by the vectors, as V exp(w) V^H does: that part is f'(w) between the vectors, which no gradient
with respect to w and V can carry. An EqualValuesWarning tells of it. Second derivatives need
values that differ.

Sources: Giles, Collected matrix derivative results, 2008; Seeger, Hetzel, Dai, Meissner and
Lawrence, Auto-differentiating linear algebra, 2017; Murray, Differentiation of the Cholesky
decomposition, 2016; Walter and Lehmann, Algorithmic differentiation of linear algebra functions,
2010 (QR); Wan and Zhang, Automatic differentiation for complex valued SVD, 2019.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn.core.op import op
from tinygrad_cnn.errors import ConfigError, EqualValuesWarning, NotDifferentiableError
from tinygrad_cnn.ops.elementwise import conj, where
from tinygrad_cnn.ops.linalg import left_divide
from tinygrad_cnn.ops.matrices import (
    FINITE,
    H,
    check_matrix,
    check_square,
    linalg_errors,
    plain,
    tolerance,
)
from tinygrad_cnn.ops.products import matmul
from tinygrad_cnn.ops.shape import concat, matrix_transpose


def _hermitian_part(x: Any) -> Any:
    """(X + X^H) / 2, which of a Hermitian X is X itself, bit for bit.

    LAPACK reads one triangle. The gradient would then be that of the other one, doubled, and not
    what a difference quotient finds for the element that moves.
    """
    return (x + H(x)) * 0.5


def _from_lower(x: Any) -> Any:
    """The Hermitian matrix whose lower triangle is that of x (with a real diagonal)."""
    n = x.shape[-1]
    lower = x * (np.tri(n, dtype=x.dtype) - 0.5 * np.eye(n, dtype=x.dtype))
    return lower + H(lower)


# -- cholesky ---------------------------------------------------------------------------------


@op(name="cholesky")
def _cholesky(x, /):
    """L, lower triangular with a positive diagonal, X = L L^H"""
    advice = "add a small multiple of the identity, or use eigh for one that is not definite"
    with linalg_errors("cholesky", x, advice):
        return np.linalg.cholesky(_hermitian_part(x))


def _cholesky_slope(g: Any, L: Any) -> Any:
    """dL/dX = 1/2 L^-H P L^-1, P Hermitian with the lower triangle of L^H G (Murray 2016)."""
    LH = H(L)
    P = _from_lower(matmul(LH, conj(g)))
    return conj(0.5 * _right_divide(left_divide(LH, P), L))


def _right_divide(x: Any, a: Any) -> Any:
    """x a^-1 = (a^-H x^H)^H"""
    return H(left_divide(H(a), H(x)))


_cholesky.vjp(lambda g, y, _x: _cholesky_slope(g, y))


def cholesky(x: Any, /, *, upper: bool = False) -> Any:
    """The lower triangular L with X = L L^H, or the upper triangular U = L^H with X = U^H U.

    X (..., M, M) is Hermitian and positive definite; its Hermitian part is what is read, and the
    gradient is Hermitian. Raises LinAlgError where it is not positive definite.

    >>> cholesky(np.array([[4.0, 2.0], [2.0, 2.0]]))
    array([[2., 0.],
           [1., 1.]])
    """
    check_square(x, "cholesky")
    y = _cholesky(x)
    return H(y) if upper else y


# -- choices that a loss must not depend on -----------------------------------------------------


def _skew(x: Any) -> Any:
    return x - H(x)


def _refuse(part: Any, whole: Any, name: str, choice: str, remedy: str) -> None:
    """Raise if `part` of a gradient, zero for every well-defined loss, is more than rounding."""
    scale = np.max(np.abs(plain(whole)), initial=0)
    if np.max(np.abs(plain(part)), initial=0) > 1e-3 * scale:
        raise NotDifferentiableError(
            f"{name}: the loss depends on {choice}, an arbitrary choice, and so has no derivative; "
            f"{remedy}"
        )


def _refuse_phases(x: Any, whole: Any, name: str, vectors: str) -> None:
    """x[i, i] is i times the slope of the loss along the phase of vector i."""
    _refuse(
        np.einsum("...ii->...i", plain(x)),
        whole,
        name,
        f"the phases of the {vectors}",
        "use their absolute values, or products in which the phases cancel",
    )


def _absorb_complement(Q: Any, G: Any, k: int, name: str, remedy: str) -> tuple[Any, Any]:
    """(Q1, the gradient by Q1 alone), for Q = [Q1 Q2] unitary and Q2 any basis of Q1's complement.

    A loss may depend on the space that Q2 spans: dQ2 = -Q1 dQ1^H Q2, up to a turn of Q2 in itself.
    """
    if Q.shape[-1] == k:
        return Q, G
    Q1, Q2, G1, G2 = Q[..., :k], Q[..., k:], G[..., :k], G[..., k:]
    turn = matmul(H(Q2), G2)
    choice = f"the basis of the columns from {k} on"
    _refuse(_skew(plain(turn)), np.append(plain(G1), plain(G2)), name, choice, remedy)
    return Q1, G1 - matmul(Q2, matmul(H(G2), Q1))


def _inverse(d: Any, nothing: Any) -> Any:
    """1 / d, and 0 where |d| <= nothing."""
    zero = np.abs(plain(d)) <= nothing
    return where(zero, 0.0, 1.0 / where(zero, 1.0, d))


def _warn_of_equal_values(gap: Any, nothing: Any, g: Any, mixed: Any, name: str) -> None:
    """Tell where two values are equal and the loss depends on them (g) and on their vectors."""
    equal = (np.abs(plain(gap)) <= nothing) & ~np.eye(gap.shape[-1], dtype=bool)
    if not equal.any():
        return
    g, mixed = np.abs(plain(g)), np.abs(plain(mixed))
    of_values = g > 1e-6 * np.max(g)
    of_vectors = mixed > 1e-6 * np.max(mixed)
    if (equal & of_vectors & of_values[..., None, :]).any():
        warnings.warn(
            f"{name}: two values are equal, and the loss reads both them and their vectors; if it "
            f"multiplies them, as V f(w) V^H does, a part of its gradient is missing here (add a "
            f"small symmetric perturbation to the input, or compute f another way)",
            EqualValuesWarning,
            stacklevel=2,
        )


# -- qr -----------------------------------------------------------------------------------------


@op(name="qr", outputs=2)
def _qr(x, /, *, mode):
    """(Q, R) for M >= N"""
    return np.linalg.qr(x, mode)


def _qr_slope(g: Any, y: Any, _x: Any, mode: str) -> tuple[Any]:
    """dL/dX = (G_Q + Q P) R^-H, P Hermitian with the lower triangle of R G_R^H - G_Q^H Q."""
    N = y[1].shape[-1]
    Q, G_Q = _absorb_complement(
        y[0], conj(g[0]), N, "qr", 'use mode="reduced", which has no such columns'
    )
    R, G_R = y[1][..., :N, :], conj(g[1])[..., :N, :]
    r = np.einsum("...ii->...i", plain(R))
    if (np.abs(r) <= tolerance(r, Q.shape[-2])).any():
        raise NotDifferentiableError(
            "qr: the first columns of a matrix are linearly dependent (R has a zero on its "
            "diagonal), and Q has no derivative there"
        )
    P = _from_lower(matmul(R, H(G_R)) - matmul(H(G_Q), Q))
    return (conj(_right_divide(G_Q + matmul(Q, P), H(R))),)


_qr.vjp_joint(_qr_slope)


class QRResult(NamedTuple):
    """What qr returns: X = Q R."""

    Q: Any
    R: Any


def qr(x: Any, /, *, mode: str = "reduced") -> QRResult:
    """X = Q R with Q^H Q = I and R upper triangular, for X (..., M, N); K = min(M, N).

    mode="reduced": Q (..., M, K), R (..., K, N). mode="complete": Q (..., M, M), R (..., M, N);
    the columns of Q from N on are any basis of the rest, and a loss that depends on which one is
    refused. Differentiable where the first K columns of X are linearly independent.
    """
    check_matrix(x, "qr")
    if mode not in ("reduced", "complete"):
        raise ConfigError(f'qr: mode must be "reduced" or "complete", got {mode!r}')
    M, N = x.shape[-2:]
    if M >= N:
        return QRResult(*_qr(x, mode=mode))
    # X = [A B] = Q [U V], where A = Q U is the decomposition of a square matrix, and V = Q^H B.
    Q, U = _qr(x[..., :M], mode=mode)
    return QRResult(Q, concat([U, matmul(H(Q), x[..., M:])], axis=-1))


# -- eigh ---------------------------------------------------------------------------------------


@op(name="eigh", outputs=2)
def _eigh(x, /):
    """(w, V): X = V diag(w) V^H"""
    with linalg_errors("eigh", x, FINITE):
        return np.linalg.eigh(_hermitian_part(x))


def _eigh_slope(g: Any, y: Any, _x: Any) -> tuple[Any]:
    """dL/dX = V (diag(G_w) + F * (K - K^H) / 2) V^H

    with K = V^H G_V, F[i, j] = 1 / (w[j] - w[i]) and F[i, i] = 0, from dw = diag(V^H dX V) and
    dV = V (F * V^H dX V) (Giles 2008, section 3.1).
    """
    (g_w, g_V), (w, V) = g, y
    n = w.shape[-1]
    K = matmul(H(V), conj(g_V))
    turn = _skew(K)
    _refuse_phases(turn, K, "eigh", "eigenvectors")
    gap, nothing = w[..., None, :] - w[..., :, None], tolerance(plain(w), n)[..., None]
    _warn_of_equal_values(gap, nothing, g_w, K + H(K), "eigh")
    F = _inverse(gap, nothing)
    core = 0.5 * (F * turn) + g_w[..., None, :] * np.eye(n, dtype=plain(w).dtype)
    return (conj(matmul(matmul(V, core), H(V))),)


_eigh.vjp_joint(_eigh_slope)


class EighResult(NamedTuple):
    """What eigh returns: X = V diag(w) V^H."""

    eigenvalues: Any
    eigenvectors: Any


def eigh(x: Any, /) -> EighResult:
    """Eigenvalues w (..., M), ascending, and orthonormal eigenvectors V (..., M, M), as columns.

    X (..., M, M) is Hermitian; its Hermitian part is what is read, and the gradient is Hermitian.

    >>> eigh(np.array([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    array([1., 2.])
    """
    check_square(x, "eigh")
    return EighResult(*_eigh(x))


@op
def eigvalsh(x, /):
    """The eigenvalues (..., M), ascending, of Hermitian matrices (..., M, M)."""
    check_square(x, "eigvalsh")
    with linalg_errors("eigvalsh", x, FINITE):
        return np.linalg.eigvalsh(_hermitian_part(x))


def _eigvalsh_slope(g: Any, x: Any) -> Any:
    """dL/dX = V diag(g) V^H"""
    _, V = _eigh(x)
    return conj(matmul(V * g[..., None, :], H(V)))


eigvalsh.vjp(lambda g, _y, x: _eigvalsh_slope(g, x))


# -- svd ----------------------------------------------------------------------------------------


@op(name="svd", outputs=3)
def _svd(x, /, *, full_matrices):
    """(U, s, V^H): X = U diag(s) V^H"""
    with linalg_errors("svd", x, FINITE):
        return np.linalg.svd(x, full_matrices)


def _svd_slope(g: Any, y: Any, _x: Any, full_matrices: bool) -> tuple[Any]:
    """dL/dX = U (C + diag(G_s)) V^H + (I - U U^H) G_U S^-1 V^H + U S^-1 G_V^H (I - V V^H)

    where C[i, j] = (a[i, j] s[j] + s[i] b[i, j]) / (s[j]^2 - s[i]^2), with a = U^H G_U - (...)^H
    and b = V^H G_V - (...)^H. In p = (a + b) / 2 and q = (a - b) / 2 that is p / (s[j] - s[i]) +
    q / (s[j] + s[i]), where equal values touch p alone; p is 0 there for a loss that does not
    depend on the basis.
    """
    U, s, Vh = y
    k = s.shape[-1]
    remedy = "use full_matrices=False, which has no such columns"
    U, G_U = _absorb_complement(U, conj(g[0]), k, "svd", remedy)
    V, G_V = _absorb_complement(H(Vh), matrix_transpose(g[2]), k, "svd", remedy)
    a, b = matmul(H(U), G_U), matmul(H(V), G_V)
    p, q = 0.5 * _skew(a + b), 0.5 * _skew(a - b)
    _refuse_phases(p, np.abs(plain(a)) + np.abs(plain(b)), "svd", "singular vectors")
    tiny = tolerance(plain(s), max(U.shape[-2], V.shape[-2]))
    nothing = tiny[..., None]
    row, column = s[..., None, :], s[..., :, None]
    _warn_of_equal_values(row - column, nothing, g[1], a + H(a) + b + H(b), "svd")
    C = p * _inverse(row - column, nothing) + q * _inverse(row + column, nothing)
    dX = matmul(matmul(U, C + g[1][..., None, :] * np.eye(k, dtype=plain(s).dtype)), H(V))
    by_s = _inverse(s, tiny)[..., None, :]
    if U.shape[-2] > k:
        dX = dX + matmul((G_U - matmul(U, a)) * by_s, H(V))
    if V.shape[-2] > k:
        dX = dX + matmul(U, H((G_V - matmul(V, b)) * by_s))
    return (conj(dX),)


_svd.vjp_joint(_svd_slope)


class SVDResult(NamedTuple):
    """What svd returns: X = U diag(S) Vh."""

    U: Any
    S: Any
    Vh: Any


def svd(x: Any, /, *, full_matrices: bool = True) -> SVDResult:
    """X = U diag(S) Vh with orthonormal columns of U and rows of Vh, S descending; K = min(M, N).

    X (..., M, N) -> U (..., M, M), S (..., K), Vh (..., N, N), or with full_matrices=False U
    (..., M, K) and Vh (..., K, N). The columns of U and rows of Vh from K on are any basis of the
    rest; a loss that depends on which one is refused.

    >>> svd(np.array([[0.0, 2.0], [1.0, 0.0]])).S
    array([2., 1.])
    """
    check_matrix(x, "svd")
    return SVDResult(*_svd(x, full_matrices=bool(full_matrices)))


@op
def svdvals(x, /):
    """The singular values (..., min(M, N)), descending, of matrices (..., M, N)."""
    check_matrix(x, "svdvals")
    with linalg_errors("svdvals", x, FINITE):
        return np.linalg.svdvals(x)


def _svdvals_slope(g: Any, x: Any) -> Any:
    """dL/dX = U diag(g) V^H"""
    U, _, Vh = _svd(x, full_matrices=False)
    return conj(matmul(U * g[..., None, :], Vh))


svdvals.vjp(lambda g, _y, x: _svdvals_slope(g, x))
