"""The learning rate: up from almost zero at the start, down when nothing improves any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cnn.optim import lr_scheduler
from tinygrad_cnn.train.callbacks.base import Callback, Mode, monitored, natural_mode
from tinygrad_cnn.train.history import Batch, Epoch

if TYPE_CHECKING:
    from tinygrad_cnn.train.trainer import Trainer


class WarmUp(Callback):
    """lr = base * (s + 1) / S in step s of the first S, linear, then left alone.

    S is `steps`, or as many as `epochs` have. When somebody else (ReduceLROnPlateau) changes the
    rate meanwhile, the base changes by the same factor, so that nothing of it is lost.
    """

    def __init__(self, steps: int = 0, *, epochs: float = 0.0) -> None:
        self.steps, self.epochs = steps, epochs

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Note the rates to arrive at."""
        self.length = self.steps or round(self.epochs * trainer.steps_per_epoch)
        self.step = 0
        self.base = [group["lr"] for group in trainer.optimizer.param_groups]
        self.last = list(self.base)

    def on_batch_begin(self, trainer: Trainer, batch: Batch) -> None:
        """Set the rate for the coming step."""
        if self.step >= self.length:
            return
        self.step += 1
        for i, group in enumerate(trainer.optimizer.param_groups):
            self.base[i] *= group["lr"] / self.last[i]  # exactly 1 where nobody else has touched it
            self.last[i] = group["lr"] = self.base[i] * self.step / self.length


class ReduceLROnPlateau(Callback):
    """Multiplies the learning rate by `factor` when `monitor` has not improved for a while.

    The rule and its names are those of optim.lr_scheduler.ReduceLROnPlateau.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        mode: Mode | None = None,
        **options: Any,
    ) -> None:
        self.monitor = monitor
        self.options = {
            "factor": factor,
            "patience": patience,
            "mode": mode or natural_mode(monitor),
            **options,
        }

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Begin to watch the trainer's optimizer."""
        self.scheduler = lr_scheduler.ReduceLROnPlateau(trainer.optimizer, **self.options)

    def on_epoch_end(self, trainer: Trainer, row: Epoch) -> None:
        """Reduce the rate, if it is time to."""
        self.scheduler.step(monitored(row, self.monitor))
