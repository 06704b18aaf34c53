"""Losses with a margin: an answer that is right by enough costs nothing.

`hinge_loss` is the one of support vector machines; the others are PyTorch's relatives of it. A
score is pushed until it clears the margin, and then left alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import ConfigError, DTypeError, ShapeError
from tinygrad_cnn.ops.activation import logsigmoid, relu
from tinygrad_cnn.ops.elementwise import clip, minimum, softplus, where
from tinygrad_cnn.ops.indexing import getitem
from tinygrad_cnn.ops.loss import check_labels, reduce, same_shape
from tinygrad_cnn.ops.reduction import mean, sum
from tinygrad_cnn.ops.similarity import angle_cosine, pairwise_distance


def hinge_loss(x: Any, target: Any, *, margin: float = 1.0, reduction: str = "mean") -> Any:
    """max(0, margin - target x), for scores x and targets 1 or -1 (Cortes and Vapnik 1995).

    >>> import numpy as np
    >>> hinge_loss(np.array([2.0, 0.5, -1.0]), np.array([1, 1, 1]), reduction="none")
    array([0. , 0.5, 2. ])
    """
    same_shape(x, target, "hinge_loss")
    _check_signs(target, "hinge_loss")
    return reduce(clip(margin - target * x, 0.0), reduction, "hinge_loss")


def soft_margin_loss(x: Any, target: Any, *, reduction: str = "mean") -> Any:
    """ln(1 + e^(-target x)), the smooth relative of hinge_loss, targets 1 or -1."""
    same_shape(x, target, "soft_margin_loss")
    return reduce(softplus(-target * x), reduction, "soft_margin_loss")


def hinge_embedding_loss(
    x: Any, target: Any, *, margin: float = 1.0, reduction: str = "mean"
) -> Any:
    """x where target is 1, max(0, margin - x) where -1: x is a distance, of pairs like or not."""
    same_shape(x, target, "hinge_embedding_loss")
    _check_signs(target, "hinge_embedding_loss")
    losses = where(_values(target) == 1, x, clip(margin - x, 0.0))
    return reduce(losses, reduction, "hinge_embedding_loss")


def margin_ranking_loss(
    x1: Any, x2: Any, target: Any, *, margin: float = 0.0, reduction: str = "mean"
) -> Any:
    """max(0, margin - target (x1 - x2)): x1 ranks above x2 where target is 1, below where -1."""
    same_shape(x1, x2, "margin_ranking_loss")
    same_shape(x1, target, "margin_ranking_loss")
    return reduce(clip(margin - target * (x1 - x2), 0.0), reduction, "margin_ranking_loss")


def multi_margin_loss(
    x: Any,
    target: Any,
    *,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    reduction: str = "mean",
) -> Any:
    """l[n] = 1/K sum over k != y of w[y] max(0, margin - x[n,y] + x[n,k])^p, y = target[n].

    The hinge of several classes: scores x (N, K), labels (N,), class weights w (K,), p 1 or 2.
    """
    if p not in (1, 2):
        raise ConfigError(f"multi_margin_loss: p must be 1 or 2, got {p}")
    if x.ndim != 2 or x.shape[1] < 1:
        raise ShapeError(f"multi_margin_loss: needs scores of shape (N, K), got {x.shape}")
    K = x.shape[1]
    labels, _ = check_labels(x, target, K, None, "multi_margin_loss")
    own = getitem(x, (np.arange(len(labels)), labels))[:, None]  # (N, 1)
    short = relu(margin - own + x)
    short = short if p == 1 else short * short
    others = np.arange(K) != labels[:, None]
    losses = sum(where(others, short, 0.0), axis=1) * (1 / K)
    losses = losses if weight is None else losses * getitem(weight, labels)
    return reduce(losses, reduction, "multi_margin_loss")


def multilabel_soft_margin_loss(
    x: Any, target: Any, *, weight: Any = None, reduction: str = "mean"
) -> Any:
    """-target ln s(x) - (1 - target) ln s(-x), the mean over the last axis, s the sigmoid."""
    same_shape(x, target, "multilabel_soft_margin_loss")
    losses = -(target * logsigmoid(x) + (1 - target) * logsigmoid(-x))
    losses = losses if weight is None else losses * weight
    return reduce(mean(losses, axis=-1), reduction, "multilabel_soft_margin_loss")


def cosine_embedding_loss(
    x1: Any, x2: Any, target: Any, *, margin: float = 0.0, reduction: str = "mean"
) -> Any:
    """1 - cos(x1, x2) where target is 1, max(0, cos(x1, x2) - margin) where it is -1.

    x1, x2 (N, D) or (D,), target (N,) or ().
    """
    same_shape(x1, x2, "cosine_embedding_loss")
    if x1.ndim not in (1, 2) or target.shape != x1.shape[:-1]:
        raise ShapeError(
            f"cosine_embedding_loss: x1 and x2 must have shape (N, D) and target (N,), or (D,) and "
            f"(), got {x1.shape} and {target.shape}"
        )
    _check_signs(target, "cosine_embedding_loss")
    cos = angle_cosine(x1, x2, eps=1e-12)
    losses = where(_values(target) == 1, 1 - cos, clip(cos - margin, 0.0))
    return reduce(losses, reduction, "cosine_embedding_loss")


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """max(0, margin + d(anchor, positive) - d(anchor, negative)), d the p-norm of the difference.

    swap=True takes the smaller of d(anchor, negative) and d(positive, negative).
    Source: Balntas et al., Learning local feature descriptors with triplets, 2016.
    """
    same_shape(anchor, positive, "triplet_margin_loss")
    same_shape(anchor, negative, "triplet_margin_loss")
    near = pairwise_distance(anchor, positive, ord=p, eps=eps)
    far = pairwise_distance(anchor, negative, ord=p, eps=eps)
    if swap:
        far = minimum(far, pairwise_distance(positive, negative, ord=p, eps=eps))
    return reduce(clip(margin + near - far, 0.0), reduction, "triplet_margin_loss")


def _check_signs(target: Any, name: str) -> None:
    values = _values(target)
    if values.dtype.kind not in "if" or not (np.abs(values) == 1).all():
        raise DTypeError(
            f"{name}: targets are 1 or -1, got dtype {values.dtype} and others; from 0 and 1: "
            f"2 * target - 1"
        )


def _values(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x
