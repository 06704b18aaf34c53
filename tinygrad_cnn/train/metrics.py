"""What a classifier got right and wrong, counted. Arrays in, numbers out.

Rows of a confusion matrix are the truth, columns the prediction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class ClassScore(NamedTuple):
    """How well one class was recognised."""

    precision: float
    recall: float
    fscore: float
    support: int
    accuracy: float


@dataclass(frozen=True)
class Mistake:
    """One image that the model took for something else."""

    index: int
    truth: int
    prediction: int
    probability: float


@dataclass(frozen=True)
class Confusion:
    """How often one class was taken for another."""

    truth: int
    prediction: int
    times: int


def accuracy(logits: Array, labels: Array) -> float:
    """Share of rows of `logits` (N, C) whose largest entry stands at the label (N,).

    >>> accuracy(np.array([[2.0, 1.0], [0.0, 3.0]]), np.array([0, 0]))
    0.5
    """
    return float(np.mean(logits.argmax(axis=-1) == labels))


def probabilities(logits: Array) -> Array:
    """p[n,c] = exp(z[n,c]) / sum_k exp(z[n,k]), in float64, safe for large logits."""
    z = logits.astype(np.float64)
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def confusion_matrix(labels: Array, predictions: Array, classes: int) -> NDArray[np.int64]:
    """M[t,p] = number of examples of class t that were taken for class p.

    >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 1, 0]), classes=2)
    array([[1, 0],
           [1, 1]])
    """
    cells = np.bincount(labels * classes + predictions, minlength=classes * classes)
    return cells.reshape(classes, classes)


def class_scores(matrix: Array) -> list[ClassScore]:
    """Precision, recall, F-score, support and one-vs-all accuracy of every class of a matrix.

        precision = hits / predicted                recall = hits / support
        F = 2 hits / (predicted + support)          accuracy = (hits + true negatives) / all

    A class that never occurs, or is never predicted, scores 0 there: 0 / 0 counts as 0.

    >>> class_scores(np.array([[1, 0], [1, 1]]))[0]
    ClassScore(precision=0.5, recall=1.0, fscore=0.666..., support=1, accuracy=0.666...)
    """
    hits, predicted, support = matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1)
    columns = (
        _ratio(hits, predicted),
        _ratio(hits, support),
        _ratio(2 * hits, predicted + support),
        support.tolist(),
        _ratio(matrix.sum() - predicted - support + 2 * hits, np.full(len(hits), matrix.sum())),
    )
    return [ClassScore(*row) for row in zip(*columns, strict=True)]


def top_mistakes(p: Array, labels: Array, count: int) -> list[Mistake]:
    """The wrong predictions that the model was surest of, surest first; `p` (N, C), labels (N,)."""
    predictions, sureness = p.argmax(axis=-1), p.max(axis=-1)
    wrong = np.flatnonzero(predictions != labels)
    worst = wrong[np.argsort(-sureness[wrong], kind="stable")][:count]
    return [Mistake(int(i), int(labels[i]), int(predictions[i]), float(sureness[i])) for i in worst]


def top_confusions(matrix: Array, count: int) -> list[Confusion]:
    """The cells off the diagonal with the most examples, fullest first (no empty ones)."""
    wrong = matrix * ~np.eye(len(matrix), dtype=bool)
    truths, predictions = np.nonzero(wrong)
    counts = wrong[truths, predictions]
    fullest = np.argsort(-counts, kind="stable")[:count]
    return [Confusion(int(truths[i]), int(predictions[i]), int(counts[i])) for i in fullest]


def wilson_interval(hits: int, total: int) -> tuple[float, float]:
    """The 95 % confidence interval of a proportion, after Wilson (1927), JASA 22, 209-212.

    Unlike p +- 1.96 sqrt(p (1 - p) / n) it stays inside [0, 1] and is honest near 1, where the
    accuracies of this project live.

    >>> [round(bound, 3) for bound in wilson_interval(1960, 2000)]
    [0.973, 0.985]
    """
    z, n = 1.959964, total
    p = hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)))
    return middle - half, middle + half


def _ratio(top: Array, bottom: Array) -> list[float]:
    ratio = np.divide(top, bottom, out=np.zeros(len(top)), where=bottom > 0)
    return [float(value) for value in ratio]
