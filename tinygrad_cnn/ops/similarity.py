"""How far apart vectors are, and how far they point the same way."""

from __future__ import annotations

from typing import Any

from tinygrad_cnn.ops.elementwise import maximum, sqrt
from tinygrad_cnn.ops.norms import vector_norm
from tinygrad_cnn.ops.reduction import sum


def normalize(x: Any, /, *, ord: float = 2.0, axis: int = 1, eps: float = 1e-12) -> Any:
    """x / max(|x|, eps): vectors along `axis`, made of length 1."""
    return x / maximum(vector_norm(x, axis=axis, keepdims=True, ord=ord), eps)


def cosine_similarity(x1: Any, x2: Any, /, *, axis: int = 1, eps: float = 1e-8) -> Any:
    """x1 . x2 / (max(|x1|, eps) max(|x2|, eps)), the cosine of the angle between vectors.

    The vectors lie along `axis`; the other axes broadcast.

    >>> import numpy as np
    >>> cosine_similarity(np.array([[1.0, 0.0]]), np.array([[1.0, 1.0]]))
    array([0.70710678])
    """
    return sum(normalize(x1, axis=axis, eps=eps) * normalize(x2, axis=axis, eps=eps), axis=axis)


def pairwise_distance(
    x1: Any, x2: Any, /, *, ord: float = 2.0, eps: float = 1e-6, keepdims: bool = False
) -> Any:
    """|x1 - x2 + eps| along the last axis; eps keeps the slope of a distance 0 finite."""
    return vector_norm(x1 - x2 + eps, axis=-1, keepdims=keepdims, ord=ord)


def angle_cosine(x1: Any, x2: Any, eps: float) -> Any:
    """x1 . x2 / sqrt((|x1|^2 + eps) (|x2|^2 + eps)) along the last axis: smooth at 0, too."""
    squares = (sum(x1 * x1, axis=-1) + eps) * (sum(x2 * x2, axis=-1) + eps)
    return sum(x1 * x2, axis=-1) / sqrt(squares)
