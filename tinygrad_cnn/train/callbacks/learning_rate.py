"""The learning rate: up from almost zero at the start, down when nothing improves any more."""

from __future__ import annotations

import math
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


class CosineDecay(Callback):
    """lr = base * (1 + cos(pi * s / S)) / 2 in step s of the S that follow the warm-up.

    S ends with the training, so that the last step is all but none: for a training of known length.
    """

    def __init__(self, after: float = 0.0) -> None:
        self.after = after  # epochs, those of WarmUp

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Note the rates to start from."""
        self.start = trainer.steps + round(self.after * trainer.steps_per_epoch)
        epochs = trainer.epochs - len(trainer.history.epochs)
        self.end = trainer.steps + epochs * trainer.steps_per_epoch
        self.base = [group["lr"] for group in trainer.optimizer.param_groups]

    def on_batch_begin(self, trainer: Trainer, batch: Batch) -> None:
        """Set the rate for the coming step."""
        done = (trainer.steps - self.start) / max(self.end - self.start, 1)
        if done < 0:
            return
        for base, group in zip(self.base, trainer.optimizer.param_groups, strict=True):
            group["lr"] = base * (1 + math.cos(math.pi * min(done, 1.0))) / 2


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
