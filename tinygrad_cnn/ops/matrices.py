"""What the files on linear algebra share: the adjoint, checks, and NumPy's LinAlgError as advice.

Literature writes gradients of complex functions with G = dL/da + i dL/db for z = a + ib, and
adjoints. The library's g is its conjugate, so that a holomorphic function's rule has transposes
alone, in both cases: inv, solve, det. Where a function is not holomorphic (eigh, svd, qr, norms),
its rule takes G = conj(g) as in the literature, and gives back conj(dL/dA). Of real arrays conj
is the array itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import LinAlgError, ShapeError
from tinygrad_cnn.ops.elementwise import conj
from tinygrad_cnn.ops.shape import matrix_transpose

FINITE = "are its elements finite?"


def H(x: Any) -> Any:
    """x^H, the adjoint: transposed and conjugated."""
    return conj(matrix_transpose(x))


def plain(x: Any) -> np.ndarray:
    """x as an array, outside the graph: for decisions, never for values."""
    return x.data if isinstance(x, Tensor) else np.asarray(x)


def check_matrix(x: Any, name: str) -> None:
    """x is a matrix, or a stack of them: (..., M, N)."""
    if len(x.shape) < 2:
        raise ShapeError(f"{name}: takes matrices (..., M, N), got shape {x.shape}")


def check_square(x: Any, name: str) -> None:
    """x is a square matrix, or a stack of them: (..., M, M)."""
    if len(x.shape) < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{name}: takes square matrices (..., M, M), got shape {x.shape}")


@contextmanager
def linalg_errors(name: str, x: Any, advice: str) -> Iterator[None]:
    """What LAPACK cannot do, with the op's name, the shape, and what to do about it."""
    try:
        yield
    except np.linalg.LinAlgError as error:
        where = "" if x.ndim == 2 else " in the stack"
        raise LinAlgError(f"{name}: {error}{where} (shape {x.shape}); {advice}") from error


def tolerance(values: np.ndarray, n: int) -> Any:
    """Below this, a (difference of) singular or eigenvalue is rounding: n eps max|values|."""
    largest = np.max(np.abs(values), axis=-1, keepdims=True, initial=0)
    return n * np.finfo(values.dtype).eps * largest
