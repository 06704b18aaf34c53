"""The table of all differentiable functions, a file a family."""

from tests.cases import (
    activation,
    contraction,
    elementwise,
    indexing,
    linalg,
    loss,
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
    *activation.CASES,
    *reduction.CASES,
    *shape.CASES,
    *indexing.CASES,
    *linalg.CASES,
    *windows.CASES,
    *normalization.CASES,
    *loss.CASES,
    *parts.CASES,
    *sorting.CASES,
    *scan.CASES,
    *contraction.CASES,
    *matrices.CASES,
    *norms.CASES,
]
