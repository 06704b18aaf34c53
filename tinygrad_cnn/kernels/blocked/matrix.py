"""Matrix products cut to the size that BLAS does best.

Up to 10^6 multiplications, OpenBLAS has kernels for AVX-512 that read the matrices where they lie;
above, it first packs both into panels and wakes its threads, which for the thin matrices of a
convolution (16 filters, say) costs more than the product. Hence tiles just below that size, several
of them to one call of np.matmul; the threads are ours (`workers`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from tinygrad_cnn.kernels import reference
from tinygrad_cnn.kernels.blas import blas_has_one_thread
from tinygrad_cnn.kernels.blocked.memory import fresh, workspace
from tinygrad_cnn.kernels.blocked.workers import share
from tinygrad_cnn.kernels.geometry import Array

PRODUCTS_PER_ACCESS = 16  # multiplications that BLAS does while an elementwise kernel does one
FEW = 1 << 21  # multiplications, at most, that are not worth a look at how to share them
SMALL = 1_000_000  # multiplications of one unpacked product
VECTORS = 64  # columns are taken in fours of AVX-512 vectors
TOGETHER = 1 << 15  # entries of small products that are computed first and added up then
TRANSPOSED_SIZE = 1200  # entries of a product a @ b.T that is still computed unpacked


def matmul(a: Array, b: Array) -> Array:
    """As `reference.matmul`: where BLAS has one thread, shared out along the longest axis."""
    if a.size * b.size < FEW:
        return reference.matmul(a, b)
    if a.ndim > 2 == b.ndim and a.flags.c_contiguous:  # one product instead of many
        return matmul(a.reshape(-1, a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[-1])
    alike = a.ndim == b.ndim > 1 and a.shape[:-2] == b.shape[:-2] and a.dtype == b.dtype
    if not (alike and a.dtype in (np.float32, np.float64) and blas_has_one_thread()):
        return reference.matmul(a, b)
    work = a.size * b.shape[-1] // PRODUCTS_PER_ACCESS
    if a.ndim == 2 and max(len(a), b.shape[1]) <= len(b):
        parts: list[Array] = share(lambda i, j: np.matmul(a[:, i:j], b[i:j]), len(b), work)
        return sum(parts[1:], start=parts[0])
    y = fresh((*a.shape[:-1], b.shape[-1]), a.dtype)
    if a.ndim > 2:
        share(lambda i, j: np.matmul(a[i:j], b[i:j], out=y[i:j]), len(a), work)
    elif len(a) >= b.shape[1]:
        share(lambda i, j: np.matmul(a[i:j], b, out=y[i:j]), len(a), work)
    else:
        share(lambda i, j: np.matmul(a, b[:, i:j], out=y[:, i:j]), b.shape[1], work)
    return y


@lru_cache(maxsize=256)
def _divisor(n: int, limit: int) -> int:
    """The largest divisor of n that is at most `limit`, and 1 at least."""
    return next(k for k in range(max(min(n, limit), 1), 0, -1) if n % k == 0)


def multiply(a: Array, b: Array, out: Array) -> None:
    """out[n,q] = a[q] @ b[n,q]: a (Q, M, K), b (N, Q, K, P), out (N, Q, M, P)."""
    (M, K), (N, Q, _, P) = a.shape[1:], b.shape
    rows, columns = _tile(M, K, P, SMALL, VECTORS)
    whole = P // columns * columns
    a = a.reshape(Q, M // rows, 1, rows, K)
    for start, stop, width in ((0, whole, columns), (whole, P, P - whole)):
        if width:
            count = (stop - start) // width
            np.matmul(
                a,
                b[..., start:stop].reshape(N, Q, 1, K, count, width).swapaxes(3, 4),
                out=out[..., start:stop]
                .reshape(N, Q, M // rows, rows, count, width)
                .swapaxes(3, 4),
            )


@lru_cache(maxsize=256)  # a convolution asks for each of its blocks of samples
def _tile(M: int, K: int, P: int, small: int, vectors: int) -> tuple[int, int]:
    """The rows and columns of a tile of a product (M, K) @ (K, P)."""
    rows = _divisor(M, small // (K * P))
    if rows == M or rows >= 8:
        return rows, P
    rows = _divisor(M, small // (K * vectors))
    columns = small // (rows * K) // vectors
    if columns == 0 or rows < min(M, 4):  # too large for tiles: one product, packed by BLAS
        return M, P
    if P % vectors == 0:  # no remainder is one call less
        columns = _divisor(P // vectors, columns)
    return rows, min(columns * vectors, P)


class TransposedSum:
    """The sum of a[q] @ b[q].T over many blocks of columns: a (Q, M, S), b (Q, K, S).

    It is kept tile by tile until `total`, since rearranging it costs as much as a small product.
    """

    def __init__(self, Q: int, M: int, K: int, dtype: np.dtype[Any]) -> None:
        self.rows = _divisor(M, 32)
        self.columns = _divisor(K, TRANSPOSED_SIZE // self.rows)
        if self.rows * self.columns < min(M * K, 128):  # M or K has no useful divisor
            self.rows, self.columns = M, K
        self.length = max(SMALL // (self.rows * self.columns), 1)
        shape = (Q, M // self.rows, K // self.columns, self.rows, self.columns)
        self.tiles = np.zeros(shape, dtype)

    def add(self, a: Array, b: Array) -> None:
        """Add a (N, Q, M, S) times b (N, Q, K, S), transposed and summed over N."""
        N, Q, _, S = a.shape
        length = _divisor(S, self.length)
        if length < min(S, self.length) // 8:
            length = S
        parts = S // length
        a = a.reshape(N, Q, -1, 1, self.rows, parts, length).transpose(0, 5, 1, 2, 3, 4, 6)
        b = b.reshape(N, Q, 1, -1, self.columns, parts, length).transpose(0, 5, 1, 2, 3, 6, 4)
        together = max(1, TOGETHER // (parts * self.tiles.size))
        for n in range(0, N, together):
            shape = (min(together, N - n), parts, *self.tiles.shape)
            products = workspace("products", shape, self.tiles.dtype)
            np.matmul(a[n : n + together], b[n : n + together], out=products)
            self.tiles += (
                products.sum((0, 1)) if products.size > self.tiles.size else products[0, 0]
            )

    def total(self) -> Array:
        """The sum so far: (Q, M, K)."""
        Q, m, k, rows, columns = self.tiles.shape
        return self.tiles.swapaxes(2, 3).reshape(Q, m * rows, k * columns)
