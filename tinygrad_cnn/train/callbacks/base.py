"""The events of a training, and what callbacks share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.train.history import Batch, Epoch

if TYPE_CHECKING:
    from tinygrad_cnn.train.trainer import Trainer

Mode = Literal["min", "max"]


class Callback:
    """Does nothing at every event; a subclass overrides the events that it cares for.

    >>> class Cheer(Callback):
    ...     def on_epoch_end(self, trainer, row):
    ...         print(f"epoch {row.epoch} is done")
    """

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Training is about to begin; `trainer.epochs` and `.steps_per_epoch` are known."""

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        """Epoch number `epoch` (from 1) begins."""

    def on_batch_begin(self, trainer: Trainer, batch: Batch) -> None:
        """A batch is about to go forward."""

    def on_gradients(self, trainer: Trainer, batch: Batch) -> None:
        """Loss and gradients of the batch are known; the weights are still those that made them."""

    def on_batch_end(self, trainer: Trainer, batch: Batch) -> None:
        """The optimizer has taken its step."""

    def on_epoch_end(self, trainer: Trainer, row: Epoch) -> None:
        """The epoch, validation included, is over; `row` is the last of `trainer.history`."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """Training is over, for whatever reason."""


class Best:
    """The best value so far of one column of the history.

    Accuracies are best when large, everything else when small, unless `mode` says otherwise.
    """

    def __init__(self, monitor: str, mode: Mode | None = None, min_delta: float = 0.0) -> None:
        self.monitor = monitor
        self.sign = -1.0 if (mode or natural_mode(monitor)) == "max" else 1.0
        self.min_delta = min_delta
        self.value = math.inf  # of sign * column, so that less is always better

    def improved(self, row: Epoch) -> bool:
        """Whether `row` beats the best so far by more than `min_delta`; then it is the best."""
        value = self.sign * monitored(row, self.monitor)
        if not value < self.value - self.min_delta:  # a NaN never improves on anything
            return False
        self.value = value
        return True


def natural_mode(monitor: str) -> Mode:
    """'max' for an accuracy, 'min' for a loss."""
    return "max" if monitor.endswith("accuracy") else "min"


def monitored(row: Epoch, monitor: str) -> float:
    """The value of the column `monitor` in `row`."""
    value = getattr(row, monitor, None)
    if value is None:
        known = [name for name in vars(row) if getattr(row, name) is not None]
        raise ConfigError(
            f"monitor: this training has no {monitor!r}; it has {', '.join(known)} "
            "(the val_ columns need a val_loader)"
        )
    return float(value)
