"""Inverses, determinants, and what else solves or judges linear systems; (..., M, N) throughout.

Gradients after Giles, Collected matrix derivative results for forward and reverse mode
algorithmic differentiation, 2008, section 2, unless another source is named. Each rests on
d(A^-1) = -A^-1 dA A^-1.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_cnn.core.op import op
from tinygrad_cnn.core.tensor import another_name
from tinygrad_cnn.errors import ShapeError
from tinygrad_cnn.ops.elementwise import conj, imag, negative, scale, where, zero
from tinygrad_cnn.ops.matrices import (
    FINITE,
    H,
    check_matrix,
    check_square,
    linalg_errors,
    plain,
)
from tinygrad_cnn.ops.products import matmul
from tinygrad_cnn.ops.reduction import products_of_others, sum
from tinygrad_cnn.ops.scan import cumsum
from tinygrad_cnn.ops.shape import (
    broadcast_to,
    diagonal,
    expand_dims,
    flip,
    matrix_transpose,
    reshape,
    triu,
)

SINGULAR = "use pinv or a least-squares solution, or add a small multiple of the identity"


def trace(x: Any, /, *, offset: int = 0, dtype: DTypeLike | None = None) -> Any:
    """y = sum_i x[i, i + offset]"""
    return sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


# -- inverses ---------------------------------------------------------------------------------


@op
def inv(x, /):
    """Y = X^-1, for square matrices (..., M, M). Raises LinAlgError for a singular one."""
    check_square(x, "inv")
    with linalg_errors("inv", x, SINGULAR):
        return np.linalg.inv(x)


def _inv_slope(g: Any, y: Any) -> Any:
    """dL/dX = -Y^T g Y^T, from dY = -Y dX Y."""
    return negative(matmul(matmul(matrix_transpose(y), g), matrix_transpose(y)))


inv.vjp(lambda g, y, _x: _inv_slope(g, y))


@op(name="solve")
def left_divide(a, b, /):
    """Y with A Y = B, (..., M, M), (..., M, K) -> (..., M, K)"""
    with linalg_errors("solve", a, SINGULAR):
        return np.linalg.solve(a, b)


def _solve_slopes(g: Any, y: Any, a: Any, _b: Any) -> tuple[Any, Any]:
    """dL/dB = A^-T g and dL/dA = -dL/dB Y^T, from dY = A^-1 (dB - dA Y)."""
    g_b = left_divide(matrix_transpose(a), g)
    return negative(matmul(g_b, matrix_transpose(y))), g_b


left_divide.vjp_joint(_solve_slopes)


def solve(x1: Any, x2: Any, /) -> Any:
    """Y with x1 Y = x2: x1 (..., M, M), x2 (..., M, K) -> (..., M, K); or x2 (M,) -> (..., M).

    x2 is a vector only if it has exactly one axis; the leading axes broadcast.

    >>> solve(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([2.0, 2.0]))
    array([1. , 0.5])
    """
    check_square(x1, "solve")
    vector = x2.ndim == 1
    if x2.ndim == 0 or x2.shape[-1 if vector else -2] != x1.shape[-1]:
        raise ShapeError(
            f"solve: x2 is a vector (M,) or matrices (..., M, K) for x1 (..., M, M), got x1 "
            f"{x1.shape}, x2 {x2.shape}"
            + ("; write a stack of vectors as x2[..., None]" if x2.ndim > 1 else "")
        )
    y = left_divide(x1, expand_dims(x2, axis=-1) if vector else x2)
    return reshape(y, y.shape[:-1]) if vector else y


@op(name="pinv")
def _pinv(x, /, *, rtol):
    """P = V diag(1/s or 0) U^H"""
    with linalg_errors("pinv", x, FINITE):
        return np.linalg.pinv(x, rtol=rtol)


def _pinv_slope(g: Any, P: Any, A: Any) -> Any:
    """dP = -P dA P + P P^H dA^H (I - A P) + (I - P A) dA^H P^H P

    as long as the rank stays (Golub and Pereyra 1973, eq. 4.12). With G = conj(g) that gives
    dL/dA = -P^H G P^H + (I - A P) G^H P P^H + P^H P G^H (I - P A).
    """
    PH, GH = H(P), matrix_transpose(g)
    B, C = matmul(matmul(GH, P), PH), matmul(matmul(PH, P), GH)
    dA = B - matmul(A, matmul(P, B)) + C - matmul(matmul(C, P), A)
    return conj(dA - matmul(matmul(PH, H(GH)), PH))


_pinv.vjp(lambda g, y, x, rtol: _pinv_slope(g, y, x))


def pinv(x: Any, /, *, rtol: Any = None) -> Any:
    """The Moore-Penrose inverse P of (..., M, N): P A P = P, A P A = A, A P and P A Hermitian.

    Singular values up to rtol times the largest count as zero; rtol is a number or one for each
    matrix, max(M, N) eps by default. Differentiable where the rank is locally constant.
    """
    check_matrix(x, "pinv")
    return _pinv(x, rtol=_relative(rtol, x))


@op(name="matrix_rank", differentiable=False)
def _matrix_rank(x, /, *, rtol):
    """The number of s[i] > rtol s[0]"""
    with linalg_errors("matrix_rank", x, FINITE):
        s = np.linalg.svdvals(x)
    return np.count_nonzero(s > rtol[..., None] * s.max(axis=-1, keepdims=True, initial=0), axis=-1)


def matrix_rank(x: Any, /, *, rtol: Any = None) -> Any:
    """How many singular values exceed rtol times the largest; rtol as in `pinv`."""
    check_matrix(x, "matrix_rank")
    return _matrix_rank(x, rtol=_relative(rtol, x))


def _relative(rtol: Any, x: Any) -> np.ndarray:
    if rtol is None:
        kind = x.dtype if x.dtype.kind in "fc" else np.dtype(np.float64)
        rtol = max(x.shape[-2:]) * np.finfo(kind).eps
    return plain(rtol)


def matrix_power(x: Any, n: int, /) -> Any:
    """x x ... x, n times, by repeated squaring; for n < 0 of the inverse; for 0 the identity."""
    check_square(x, "matrix_power")
    n = operator.index(n)
    if n == 0:
        return zero(x) + np.eye(x.shape[-1], dtype=x.dtype)
    square, power = (inv(x) if n < 0 else another_name(x)), None
    n = abs(n)
    while True:
        if n & 1:
            power = square if power is None else matmul(power, square)
        n >>= 1
        if not n:
            return power
        square = matmul(square, square)


# -- determinants -----------------------------------------------------------------------------


@op
def regular_det(x, /):
    """det X of matrices known to be regular: its gradient is y X^-T."""
    return np.linalg.det(x)


regular_det.vjp(lambda g, y, x: (g * y)[..., None, None] * matrix_transpose(inv(x)))


def _det_in_blocks(x: Any, /) -> Any:
    """det X = det U det V^H det(U^H X V): true for any U and V, hence for constant ones.

    With the singular vectors at this very X, U^H X V = [[A, B], [C, D]] is diagonal up to
    rounding, A regular and D, of size k, the part that may be singular. Then det = det A det(D -
    C A^-1 B), of which the second factor is a polynomial, differentiable at any rank.
    """
    U, s, Vh = _singular(plain(x))
    small = s <= np.sqrt(np.finfo(s.dtype).eps) * s[..., :1]
    m = x.shape[-1] - int(np.max(np.count_nonzero(small, axis=-1), initial=0))
    if m == x.shape[-1]:
        return regular_det(x)
    x = matmul(matmul(H(U), x), H(Vh))
    A, B, C, D = x[..., :m, :m], x[..., :m, m:], x[..., m:, :m], x[..., m:, m:]
    turns = np.linalg.det(U) * np.linalg.det(Vh)
    return turns * (regular_det(A) * _polynomial_det(D - matmul(C, left_divide(A, B))))


def _singular(x: np.ndarray) -> Any:
    with linalg_errors("the gradient of det", x, FINITE):
        return np.linalg.svd(x)


def _polynomial_det(x: Any) -> Any:
    """det X = (-1)^(n-1) F_n[0, 0], where F_1 = X and F_(i+1) = mu(F_i) X, without any division.

    mu(F) keeps F above its diagonal, has 0 below, and minus the sum of F[j, j], j > i, at [i, i].
    Source: Bird, A simple division-free algorithm for computing determinants, 2011.
    """
    n = x.shape[-1]
    F = x
    for _ in range(n - 1):
        d = diagonal(F)
        later = flip(cumsum(flip(d, axis=-1), axis=-1), axis=-1) - d
        F = matmul(triu(F, k=1) - later[..., None] * np.eye(n, dtype=x.dtype), x)
    return (-1) ** (n - 1) * F[..., 0, 0]


@op(reference=_det_in_blocks)
def det(x, /):
    """The determinant of square matrices (..., M, M) -> (...); differentiable at any rank."""
    check_square(x, "det")
    return np.linalg.det(x)


def _cofactors(x: Any) -> Any:
    """d det / dx[i, j], from X = U S V^H: conj(U diag(products of the other s) V^H) det U det V^H.

    At rank n-1 it is not zero, and det(X) X^-T would be 0 times infinity.
    """
    U, s, Vh = _singular(x)
    others = products_of_others(s, axis=-1)
    turns = np.linalg.det(U) * np.linalg.det(Vh)
    return turns[..., None, None] * np.conj((U * others[..., None, :]) @ Vh)


det.vjp(lambda g, _y, x: g[..., None, None] * _cofactors(x))


class SlogdetResult(NamedTuple):
    """What slogdet returns: det = sign * exp(logabsdet)."""

    sign: Any
    logabsdet: Any


@op(name="slogdet", outputs=2)
def _slogdet(x, /):
    """(sign, ln |det|)"""
    return np.linalg.slogdet(x)


def _slogdet_slope(g: Any, y: Any, x: Any) -> tuple[Any]:
    """With t = tr(X^-1 dX): d ln|det| = Re t and d sign = i Im(t) sign.

    A singular X has an infinite slope, and no inverse.
    """
    (g_sign, g_log), (sign, log) = g, y
    slope = g_log if x.dtype.kind == "f" else g_log + 1j * imag(g_sign * sign)
    singular = (plain(log) == -np.inf)[..., None, None]
    regular = where(singular, np.eye(x.shape[-1], dtype=x.dtype), x)
    inverse = where(singular, np.inf, matrix_transpose(inv(regular)))
    return (scale(broadcast_to(slope[..., None, None], x.shape), inverse),)


_slogdet.vjp_joint(_slogdet_slope)


def slogdet(x: Any, /) -> SlogdetResult:
    """(sign, logabsdet) with det X = sign e^logabsdet, which neither over- nor underflows.

    A singular matrix has sign 0 and logabsdet -inf.
    """
    check_square(x, "slogdet")
    return SlogdetResult(*_slogdet(x))
