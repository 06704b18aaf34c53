"""Products of matrices."""

from __future__ import annotations

from tests.cases.table import case
from tests.oracle import Draw, F, Sample, torch


def matrices(d: Draw) -> Sample:
    """Vectors, matrices and stacks of them that broadcast; inner and outer lengths may be 0."""
    i, j, k = (d.of(1, 2, 3, 3, 0) for _ in range(3))
    a, b = d.broadcastable(2)
    left, right = d.of((k,), (i, k), (*a, i, k)), d.of((k,), (k, j), (*b, k, j))
    return [d.real(*left), d.real(*right)], {}


def affine(d: Draw) -> Sample:
    outer, features, out = d.shape(0, 2), d.of(1, 3, 4, 0), d.of(1, 2, 3, 0)
    xs = [d.real(*outer, features), d.real(out, features)]
    return [*xs, d.real(out)] if d.flag() else xs, {}


CASES = [
    case("matmul", matrices, None, lambda a, b: torch.matmul(a, b)),
    case("linear", affine, None, lambda x, w, b=None: F.linear(x, w, b)),
]
