"""Third derivatives, of functions whose first two are in the table of cases.

A rule that reads a captured array instead of an input or output is right to second order at most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_cnn import linalg, ops
from tinygrad_cnn.testing import gradcheck

RNG = np.random.default_rng(0)
SQUARE = RNG.normal(size=(3, 3)) + 2 * np.eye(3)
TALL, WIDE = RNG.normal(size=(4, 2)), RNG.normal(size=(2, 4))
DEFINITE = SQUARE @ SQUARE.T
THIN = {"full_matrices": False}


def on_the_complement(x: Any) -> Any:
    rest = linalg.svd(x).U[..., 2:]
    return ops.matmul(rest, ops.matrix_transpose(rest))


CASES: dict[str, tuple[Callable[[Any], Any], np.ndarray]] = {
    "inv": (linalg.inv, SQUARE),
    "solve": (lambda x: linalg.solve(x, x * x), SQUARE),
    "det": (linalg.det, SQUARE),
    "slogdet": (lambda x: linalg.slogdet(x).logabsdet, SQUARE),
    "matrix_power": (lambda x: linalg.matrix_power(x, -2), SQUARE),
    "pinv": (linalg.pinv, TALL),
    "cholesky": (linalg.cholesky, DEFINITE),
    "qr": (lambda x: linalg.qr(x).Q, TALL),
    "qr of a wide matrix": (lambda x: linalg.qr(x).R, WIDE),
    "eigvalsh": (linalg.eigvalsh, DEFINITE),
    "eigh": (lambda x: linalg.eigh(x).eigenvectors, DEFINITE),
    "svdvals": (linalg.svdvals, SQUARE),
    "svd": (lambda x: linalg.svd(x, **THIN).U, TALL),
    "svd of a wide matrix": (lambda x: linalg.svd(x, **THIN).Vh, WIDE),
    "svd beyond the rank": (on_the_complement, TALL),
    "vector_norm": (linalg.vector_norm, SQUARE),
    "vector_norm 2.5": (lambda x: linalg.vector_norm(x, ord=2.5), SQUARE),
    "vector_norm 4": (lambda x: linalg.vector_norm(x, ord=4), SQUARE),
    "matrix_norm nuc": (lambda x: linalg.matrix_norm(x, ord="nuc"), SQUARE),
    "matrix_norm 2": (lambda x: linalg.matrix_norm(x, ord=2), SQUARE),
    "einsum": (lambda x: ops.einsum("ij,jk,kl,lk->il", x, x, x, x), SQUARE),
    "cumprod": (lambda x: ops.cumprod(x * x, axis=0), SQUARE),
    "logcumsumexp": (lambda x: ops.logcumsumexp(x, axis=0), SQUARE),
    "sort": (lambda x: ops.sort(x * x) ** 3, SQUARE),
    "quantile": (lambda x: ops.quantile(x * x, 0.3) ** 3, SQUARE),
    "repeat": (lambda x: ops.repeat(x * x, 2, axis=1) ** 3, SQUARE),
}


@pytest.mark.parametrize("name", CASES)
def test_the_third_derivative_is_the_slope_of_the_second(name: str) -> None:
    f, x = CASES[name]
    assert gradcheck(f, x, order=3, directions=1)
