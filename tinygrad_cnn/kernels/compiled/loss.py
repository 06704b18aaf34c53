"""Softmax and its loss, row by row."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_cnn.kernels import reference
from tinygrad_cnn.kernels.blocked.memory import contiguous
from tinygrad_cnn.kernels.compiled.jit import jit, supported
from tinygrad_cnn.kernels.fallback import fall_back
from tinygrad_cnn.kernels.geometry import Array


@jit
def _cross_entropy(logits: Array, labels: Array, losses: Array, probabilities: Array) -> None:
    for n in range(len(logits)):
        row, p = logits[n], probabilities[n]
        largest = row[0]
        for k in range(1, len(row)):
            largest = max(largest, row[k])
        total = row.dtype.type(0)
        for k in range(len(row)):
            p[k] = math.exp(row[k] - largest)
            total += p[k]
        losses[n] = math.log(total) - (row[labels[n]] - largest)
        for k in range(len(row)):
            p[k] /= total


def softmax_cross_entropy(logits: Array, labels: Array) -> tuple[Array, Array]:
    """As `reference.softmax_cross_entropy`."""
    plain = logits.ndim == 2 and labels.shape == logits.shape[:1] and logits.size > 0
    inside = plain and 0 <= labels.min() <= labels.max() < logits.shape[1]
    if not (supported(logits) and inside):
        return fall_back(reference.softmax_cross_entropy, logits, labels)
    losses, probabilities = (
        np.empty(len(logits), logits.dtype),
        np.empty(logits.shape, logits.dtype),
    )
    _cross_entropy(contiguous(logits), contiguous(labels.astype(np.intp)), losses, probabilities)
    return losses, probabilities
