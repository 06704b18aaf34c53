"""Inverses, determinants and decompositions of well-conditioned matrices, in stacks, any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.table import case
from tests.oracle import Draw, Sample, torch
from tinygrad_cnn import linalg, ops


def stack(d: Draw) -> tuple[int, ...]:
    return d.of((), (), (2,), (2, 1), (0,))


def spectral(d: Draw, m: int, n: int, *batch: int) -> np.ndarray:
    """(*batch, m, n) with singular values 0.2 to 0.6 apart, the smallest 0.5 at least."""
    k = min(m, n)
    u = np.linalg.qr(d.rng.normal(size=(*batch, m, k)))[0] if m else np.zeros((*batch, m, k))
    v = np.linalg.qr(d.rng.normal(size=(*batch, n, k)))[0] if n else np.zeros((*batch, n, k))
    s = 0.3 + np.cumsum(d.rng.uniform(0.2, 0.6, (*batch, k)), axis=-1)
    return d.laid_out((u * s[..., None, :]) @ np.swapaxes(v, -1, -2))


def square(d: Draw) -> Sample:
    n = d.of(1, 2, 3, 4, 0)
    return [spectral(d, n, n, *stack(d))], {}


def rectangular(d: Draw) -> Sample:
    return [spectral(d, d.of(1, 2, 3, 4, 0), d.of(1, 2, 3, 4, 0), *stack(d))], {}


def symmetric(d: Draw) -> Sample:
    """Eigenvalues of either sign, apart."""
    n = d.of(1, 2, 3, 4, 0)
    batch = stack(d)
    v = np.linalg.qr(d.rng.normal(size=(*batch, n, n)))[0] if n else np.zeros((*batch, n, n))
    w = np.cumsum(d.rng.uniform(0.3, 0.8, (*batch, n)), axis=-1) - 1
    return [(v * w[..., None, :]) @ np.swapaxes(v, -1, -2)], {}


def definite(d: Draw) -> Sample:
    (x,), _ = square(d)
    x = x @ np.swapaxes(x, -1, -2)
    return [(x + np.swapaxes(x, -1, -2)) / 2], {}


def power(d: Draw) -> Sample:
    return square(d)[0], {"n": d.int(-3, 5)}


def system(d: Draw) -> Sample:
    n = d.of(1, 2, 3, 0)
    a, b = d.of(((), ()), ((2,), ()), ((), (2,)), ((2, 1), (3,)))
    x2 = d.real(n) if d.int(0, 3) == 3 else d.real(*b, n, d.int(0, 3))
    return [spectral(d, n, n, *a), x2], {}


def torch_solve(a: Any, b: Any) -> Any:
    """Matrices b with all of a's axes, lest PyTorch take them for stacks of vectors."""
    if b.ndim == 1:
        return torch.linalg.solve(a, b[:, None])[..., 0]
    return torch.linalg.solve(a, b[(None,) * (a.ndim - b.ndim)])


def offset(d: Draw) -> Sample:
    return [d.real(*d.shape(2, 4))], {"offset": d.int(-3, 3)}


def torch_trace(x: Any, offset: int) -> Any:
    if not -x.shape[-2] <= offset <= x.shape[-1]:
        return torch.zeros(x.shape[:-2], dtype=x.dtype)
    return torch.diagonal(x, offset, -2, -1).sum(-1)


def of_hermitian(f: Callable[..., Any]) -> Callable[..., Any]:
    """PyTorch's function of the Hermitian part, which is what ours is a function of."""
    return lambda x, **k: f((x + x.mH) / 2, **k)


def part(i: int, f: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    return lambda x: f(x, **options)[i]


def signed_columns(i: int, f: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Factor i, its columns with a positive first element: libraries differ in the signs."""

    def factor(x: Any) -> Any:
        y = f(x, **options)[i]
        first = np.asarray(y.detach() if hasattr(y, "detach") else y)[..., :1, :]
        sign = np.where(first < 0, -1.0, 1.0)
        return y * (torch.tensor(sign) if type(y).__module__ == "torch" else sign)

    return factor


def svd_at_once(svd: Callable[..., Any]) -> Callable[..., Any]:
    """Something of all three factors, free of signs."""

    def f(x: Any) -> Any:
        u, s, vh = svd(x, full_matrices=False)
        return (u * u) @ (s[..., :, None] * vh * vh)

    return f


SVD = {"full_matrices": False}


def theirs(name: str, wrap: Callable[..., Any] = lambda f: f) -> Callable[..., Any]:
    return lambda *xs, **k: wrap(getattr(torch.linalg, name))(*xs, **k)


CASES = [
    case("inv", square, linalg.inv, theirs("inv")),
    case("solve", system, linalg.solve, torch_solve),
    case("pinv", rectangular, linalg.pinv, theirs("pinv")),
    case("matrix_power", power, lambda x, n: linalg.matrix_power(x, n), theirs("matrix_power")),
    case("trace", offset, linalg.trace, torch_trace),
    case("det", square, linalg.det, theirs("det")),
    case("regular_det", square, None, theirs("det")),
    case("slogdet", square, part(1, linalg.slogdet), lambda x: torch.linalg.slogdet(x)[1]),
    case("cholesky", definite, linalg.cholesky, theirs("cholesky", of_hermitian)),
    case(
        "cholesky upper",
        definite,
        lambda x: linalg.cholesky(x, upper=True),
        lambda x: torch.linalg.cholesky((x + x.mH) / 2, upper=True),
    ),
    case("qr Q", rectangular, part(0, linalg.qr), lambda x: torch.linalg.qr(x)[0]),
    case("qr R", rectangular, part(1, linalg.qr), lambda x: torch.linalg.qr(x)[1]),
    case("eigvalsh", symmetric, linalg.eigvalsh, theirs("eigvalsh", of_hermitian)),
    case("eigh values", symmetric, part(0, linalg.eigh), theirs("eigvalsh", of_hermitian)),
    case(
        "eigh vectors",
        symmetric,
        signed_columns(1, linalg.eigh),
        lambda x: signed_columns(1, torch.linalg.eigh)((x + x.mH) / 2),
    ),
    case("svdvals", rectangular, linalg.svdvals, theirs("svdvals")),
    case("svd S", rectangular, part(1, linalg.svd), theirs("svdvals")),
    case(
        "svd U",
        rectangular,
        signed_columns(0, linalg.svd, **SVD),
        lambda x: signed_columns(0, torch.linalg.svd, **SVD)(x),
    ),
    case(
        "svd V",
        rectangular,
        lambda x: signed_columns(0, lambda x: [ops.matrix_transpose(linalg.svd(x, **SVD)[2])])(x),
        lambda x: signed_columns(0, lambda x: [torch.linalg.svd(x, **SVD)[2].mT])(x),
    ),
    case(
        "svd of all factors",
        rectangular,
        svd_at_once(linalg.svd),
        lambda x: svd_at_once(torch.linalg.svd)(x),
    ),
]
