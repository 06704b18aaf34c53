"""Losses: how far a prediction is from the truth, as one number."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn import kernels
from tinygrad_cnn.core.op import op
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import (
    ConfigError,
    DTypeError,
    ShapeError,
    SoftmaxBeforeCrossEntropyWarning,
    warn,
)
from tinygrad_cnn.ops.activation import log_softmax, softmax
from tinygrad_cnn.ops.elementwise import abs, astype, exp, log, maximum, softplus, where
from tinygrad_cnn.ops.indexing import getitem
from tinygrad_cnn.ops.reduction import mean, sum
from tinygrad_cnn.ops.shape import moveaxis, reshape


def reduce(losses: Any, reduction: str, name: str) -> Any:
    """The mean, the sum, or all of them ("none")."""
    if reduction not in ("mean", "sum", "none"):
        raise ConfigError(f'{name}: reduction must be "mean", "sum" or "none", got {reduction!r}')
    return losses if reduction == "none" else (mean if reduction == "mean" else sum)(losses)


def _negative_log_softmax(logits: Any, labels: Any, /) -> Any:
    return -getitem(log_softmax(logits), (np.arange(len(labels)), labels))


@op(reference=_negative_log_softmax, residuals=("probabilities",))
def softmax_cross_entropy(logits, labels, /):
    """l[n] = ln sum_k e^logits[n,k] - logits[n, labels[n]], stable; (N, K), (N,) -> (N,)"""
    return kernels.softmax_cross_entropy(logits, labels)


def _softmax_minus_one_hot(
    g: Any, _y: Any, _logits: Any, labels: Any, *, probabilities: Any
) -> Any:
    """dl[n]/dlogits[n,k] = softmax(logits)[n,k] - (k = labels[n])"""
    slope = probabilities * g[:, None]
    slope[np.arange(len(labels)), labels] -= g
    return slope, None


softmax_cross_entropy.vjp_joint(_softmax_minus_one_hot)


def cross_entropy(
    logits: Any,
    target: Any,
    *,
    weight: Any = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Any:
    """l[n] = -ln softmax(logits[n])[target[n]], averaged over the batch.

    logits (N, K) or (N, K, *S), unnormalised; target (N,) or (N, *S), integers in 0..K-1, or
    probabilities of the logits' shape. weight (K,) multiplies each class's losses, and the mean
    divides by the sum of the weights; targets equal to ignore_index count for nothing;
    label_smoothing=e replaces the one-hot truth by (1-e) one-hot + e/K.

    >>> import numpy as np
    >>> float(cross_entropy(np.zeros((1, 4)), np.array([2])))  # ln 4
    1.3862943611198906
    """
    K = _check_logits(logits, weight, "cross_entropy")
    _warn_of_softmax(logits)
    if not 0 <= label_smoothing <= 1:
        raise ConfigError(f"cross_entropy: label_smoothing must be in 0..1, got {label_smoothing}")
    target = np.asarray(target) if isinstance(target, list | tuple) else target
    target = target.data if isinstance(target, Tensor) and target.dtype.kind in "biu" else target
    if target.dtype.kind == "f":
        return _soft_cross_entropy(logits, target, weight, label_smoothing, reduction)
    labels, counted = check_labels(logits, target, K, ignore_index, "cross_entropy")
    rows = _class_last(logits, counted)  # (M, K)
    losses = softmax_cross_entropy(rows, labels)
    losses = losses if weight is None else losses * getitem(weight, labels)
    if label_smoothing:
        logp = log_softmax(rows)
        every = sum(logp if weight is None else logp * weight, axis=-1)
        losses = (1 - label_smoothing) * losses - (label_smoothing / K) * every
    return _reduce_labelled(losses, target, labels, counted, weight, reduction, "cross_entropy")


def _warn_of_softmax(logits: Any) -> None:
    node = logits._node if isinstance(logits, Tensor) else None
    if node is not None and node.op is softmax:
        warn(
            "cross_entropy applies softmax itself, and was given a softmax: gradients are small "
            "and training is slow; give it the logits",
            SoftmaxBeforeCrossEntropyWarning,
        )


def _soft_cross_entropy(
    logits: Any, target: Any, weight: Any, label_smoothing: float, reduction: str
) -> Any:
    """l[n] = -sum_k target[n,k] ln softmax(logits[n])[k]"""
    if target.shape != logits.shape:
        raise ShapeError(
            f"cross_entropy: target probabilities must have the logits' shape {logits.shape}, got "
            f"{target.shape}; class labels must be integers"
        )
    target = (1 - label_smoothing) * target + label_smoothing / logits.shape[1]
    terms = target * log_softmax(logits, axis=1)
    if weight is not None:
        terms = terms * reshape(weight, (-1,) + (1,) * (logits.ndim - 2))
    return reduce(-sum(terms, axis=1), reduction, "cross_entropy")


def nll_loss(
    log_probabilities: Any,
    target: Any,
    *,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Any:
    """l[n] = -log_probabilities[n, target[n]]: cross_entropy after log_softmax."""
    K = _check_logits(log_probabilities, weight, "nll_loss")
    labels, counted = check_labels(log_probabilities, target, K, ignore_index, "nll_loss")
    rows = _class_last(log_probabilities, counted)
    losses = -getitem(rows, (np.arange(len(labels)), labels))
    losses = losses if weight is None else losses * getitem(weight, labels)
    return _reduce_labelled(losses, target, labels, counted, weight, reduction, "nll_loss")


def _check_logits(logits: Any, weight: Any, name: str) -> int:
    """The number of classes, K."""
    if logits.ndim < 2 or logits.shape[1] < 1:
        raise ShapeError(f"{name}: needs scores of shape (N, K, ...), got {logits.shape}")
    if logits.dtype.kind != "f":
        raise DTypeError(f"{name}: needs scores of a float dtype, got {logits.dtype}")
    K = int(logits.shape[1])
    if weight is not None and weight.shape != (K,):
        raise ShapeError(
            f"{name}: weight must have one entry for each of the {K} classes, got {weight.shape}"
        )
    return K


def check_labels(
    logits: Any, target: Any, K: int, ignore_index: int | None, name: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """(labels (M,) safe to index with, which of them count or None for all)."""
    labels = np.asarray(target.data if isinstance(target, Tensor) else target)
    if labels.dtype.kind not in "iu":
        raise DTypeError(f"{name}: labels must be integers, got dtype {labels.dtype}")
    expected = (logits.shape[0], *logits.shape[2:])
    if labels.shape != expected:
        raise ShapeError(
            f"{name}: one label for each prediction: logits {logits.shape} need labels of shape "
            f"{expected}, got {labels.shape}"
        )
    labels = labels.reshape(-1)
    counted = np.ones(len(labels), bool) if ignore_index is None else labels != ignore_index
    kept = labels[counted]
    if kept.size and (kept.min() < 0 or kept.max() >= K):
        bad = kept[(kept < 0) | (kept >= K)][0]
        raise ShapeError(f"{name}: labels must be in 0..{K - 1} for {K} classes, got {bad}")
    return (labels, None) if counted.all() else (np.where(counted, labels, 0), counted)


def _reduce_labelled(
    losses: Any, target: Any, labels: Any, counted: Any, weight: Any, reduction: str, name: str
) -> Any:
    """As `reduce`, less the ignored ones; the mean divides by the sum of the weights that count.

    Where none counts, the mean is 0/0 = NaN and has no gradient.
    """
    if counted is not None:
        losses = where(counted, losses, 0.0)
    if reduction != "mean" or (weight is None and counted is None):
        return reduce(_to_batch(losses, target), reduction, name)
    if weight is None:
        total: Any = np.asarray(np.count_nonzero(counted), losses.dtype)
    else:
        weights = getitem(weight, labels)
        total = sum(weights if counted is None else where(counted, weights, 0.0))
    with np.errstate(invalid="ignore"):
        return sum(losses) / total


def _class_last(logits: Any, counted: Any) -> Any:
    """(N, K, *S) -> (N * S, K); rows that do not count are 0, for they may hold anything."""
    rows = logits if logits.ndim == 2 else moveaxis(logits, 1, -1)
    rows = reshape(rows, (-1, logits.shape[1])) if logits.ndim > 2 else rows
    return rows if counted is None else where(counted[:, None], rows, 0.0)


def _to_batch(losses: Any, target: Any) -> Any:
    return losses if losses.shape == target.shape else reshape(losses, target.shape)


def same_shape(x: Any, target: Any, name: str) -> None:
    """Refuse a target of another shape than the prediction's."""
    if x.shape != target.shape:
        raise ShapeError(
            f"{name}: input and target must have one shape (broadcasting here is a common "
            f"mistake), got {x.shape} and {target.shape}"
        )


def _difference(x: Any, target: Any, name: str) -> Any:
    """x - target, of one shape; arrays of integers as floats, or pixels could wrap."""
    same_shape(x, target, name)
    whole = x.dtype.kind not in "fc" and target.dtype.kind not in "fc"
    return (astype(x, np.float64) if whole else x) - target


def mse_loss(x: Any, target: Any, *, reduction: str = "mean") -> Any:
    """(x - target)^2"""
    d = _difference(x, target, "mse_loss")
    return reduce(d * d, reduction, "mse_loss")


def l1_loss(x: Any, target: Any, *, reduction: str = "mean") -> Any:
    """|x - target|"""
    return reduce(abs(_difference(x, target, "l1_loss")), reduction, "l1_loss")


def smooth_l1_loss(x: Any, target: Any, *, beta: float = 1.0, reduction: str = "mean") -> Any:
    """d^2 / (2 beta) where |d| < beta, |d| - beta/2 elsewhere, d = x - target (Girshick 2015)."""
    if beta < 0:
        raise ConfigError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    if beta == 0:
        return l1_loss(x, target, reduction=reduction)
    d = _difference(x, target, "smooth_l1_loss")
    losses = where(abs(d) < beta, d * d * (0.5 / beta), abs(d) - 0.5 * beta)
    return reduce(losses, reduction, "smooth_l1_loss")


def binary_cross_entropy_with_logits(
    x: Any, target: Any, *, weight: Any = None, pos_weight: Any = None, reduction: str = "mean"
) -> Any:
    """-target ln s(x) - (1 - target) ln(1 - s(x)), s the sigmoid, stable for large |x|.

    pos_weight multiplies the first term, weight every loss.
    """
    same_shape(x, target, "binary_cross_entropy_with_logits")
    # -ln s(x) = softplus(-x). The shorter softplus(x) - x target would cancel where s(x) is near 1.
    positive = target * softplus(-x)
    positive = positive if pos_weight is None else positive * pos_weight
    losses = positive + (1 - target) * softplus(x)
    losses = losses if weight is None else losses * weight
    return reduce(losses, reduction, "binary_cross_entropy_with_logits")


def binary_cross_entropy(
    x: Any, target: Any, *, weight: Any = None, reduction: str = "mean"
) -> Any:
    """-target ln x - (1 - target) ln(1 - x), x probabilities; logarithms end at -100.

    `binary_cross_entropy_with_logits` of what goes into the sigmoid is exact where this is not.
    """
    same_shape(x, target, "binary_cross_entropy")
    values = x.data if isinstance(x, Tensor) else x
    if not ((values >= 0) & (values <= 1)).all():
        raise ConfigError(
            "binary_cross_entropy: takes probabilities, in 0..1, and some of these are not; apply "
            "sigmoid, or use binary_cross_entropy_with_logits"
        )
    losses = -(target * clipped_log(x) + (1 - target) * clipped_log(1 - x))
    losses = losses if weight is None else losses * weight
    return reduce(losses, reduction, "binary_cross_entropy")


@op
def clipped_log(x, /):
    """max(ln x, -100), finite at 0."""
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(x), -100)


clipped_log.vjp(lambda g, _y, x: g / maximum(x, 1e-12))


def kl_div(x: Any, target: Any, *, reduction: str = "mean", log_target: bool = False) -> Any:
    """target (ln target - x), x = ln q: the divergence KL(target || q), summand by summand.

    log_target=True takes ln target in place of target. reduction="batchmean", the sum divided by
    the length of the first axis, gives the divergence of distributions that lie along the others;
    "mean" divides by the number of all summands.
    """
    same_shape(x, target, "kl_div")
    if log_target:
        losses = exp(target) * (target - x)
    else:
        losses = target * (log(where(target > 0, target, 1.0)) - x)  # 0 ln 0 = 0
    if reduction == "batchmean":
        return sum(losses) * (1 / max(x.shape[0], 1) if x.ndim else 1.0)
    return reduce(losses, reduction, "kl_div")


def huber_loss(x: Any, target: Any, *, delta: float = 1.0, reduction: str = "mean") -> Any:
    """d^2 / 2 where |d| <= delta, delta (|d| - delta/2) elsewhere, d = x - target (Huber 1964)."""
    if not delta > 0:
        raise ConfigError(f"huber_loss: delta must be positive, got {delta}")
    d = _difference(x, target, "huber_loss")
    losses = where(abs(d) <= delta, 0.5 * d * d, delta * (abs(d) - 0.5 * delta))
    return reduce(losses, reduction, "huber_loss")
