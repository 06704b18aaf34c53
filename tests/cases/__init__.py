"""The table of all differentiable functions, a file a family."""

from tests.cases import (
    contraction,
    elementwise,
    indexing,
    linalg,
    matrices,
    normalization,
    norms,
    parts,
    reduction,
    scan,
    shape,
    sorting,
    windows,
)

CASES = [
    *elementwise.CASES,
    *reduction.CASES,
    *shape.CASES,
    *indexing.CASES,
    *linalg.CASES,
    *windows.CASES,
    *normalization.CASES,
    *parts.CASES,
    *sorting.CASES,
    *scan.CASES,
    *contraction.CASES,
    *matrices.CASES,
    *norms.CASES,
]
