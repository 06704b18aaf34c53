"""Callbacks: named events, and small classes that each do one thing at them.

on_fit_begin                                   once
    on_epoch_begin                             every epoch
        on_batch_begin                         every batch
        on_gradients                           gradients are there, the step is not yet taken
        on_batch_end                           the step is taken
    on_epoch_end                               after the validation, with the epoch's row
on_fit_end                                     however it ended: done, stopped, Ctrl-C, error
"""

from tinygrad_cnn.train.callbacks.anomaly import TerminateOnNaN
from tinygrad_cnn.train.callbacks.base import Callback
from tinygrad_cnn.train.callbacks.files import CSVLogger, ModelCheckpoint
from tinygrad_cnn.train.callbacks.learning_rate import CosineDecay, ReduceLROnPlateau, WarmUp
from tinygrad_cnn.train.callbacks.progress import ProgressBar
from tinygrad_cnn.train.callbacks.stopping import EarlyStopping, TargetAccuracy

__all__ = [
    "CSVLogger",
    "Callback",
    "CosineDecay",
    "EarlyStopping",
    "ModelCheckpoint",
    "ProgressBar",
    "ReduceLROnPlateau",
    "TargetAccuracy",
    "TerminateOnNaN",
    "WarmUp",
]
