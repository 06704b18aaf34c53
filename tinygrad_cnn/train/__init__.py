"""Training: the loop, what watches it, what is measured, and the folder that a run leaves."""

from __future__ import annotations

from tinygrad_cnn.train import callbacks, checkpoint, metrics
from tinygrad_cnn.train.callbacks import Callback
from tinygrad_cnn.train.history import Epoch, History
from tinygrad_cnn.train.trainer import Evaluation, Trainer, predict

__all__ = [
    "Callback",
    "Epoch",
    "Evaluation",
    "History",
    "Trainer",
    "callbacks",
    "checkpoint",
    "metrics",
    "predict",
]
