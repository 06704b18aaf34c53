"""When enough is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.train.callbacks.base import Best, Callback, Mode, monitored
from tinygrad_cnn.train.history import Epoch

if TYPE_CHECKING:
    from tinygrad_cnn.train.trainer import Trainer


class EarlyStopping(Callback):
    """Stops when `monitor` has not improved by more than `min_delta` for `patience` epochs.

    With `restore_best_weights` the model ends with the weights of its best epoch, however the
    training ended.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 0,
        min_delta: float = 0.0,
        mode: Mode | None = None,
        restore_best_weights: bool = False,
    ) -> None:
        self.patience = patience
        self.restore_best_weights = restore_best_weights
        self.best = Best(monitor, mode, min_delta)
        self.best_epoch = 0
        self.best_weights: dict[str, Any] | None = None

    def on_epoch_end(self, trainer: Trainer, row: Epoch) -> None:
        """Remember the weights of the best epoch; stop when it lies too far back."""
        if self.best.improved(row):
            self.best_epoch = row.epoch
            if self.restore_best_weights:
                self.best_weights = trainer.model.state_dict()
        elif row.epoch - self.best_epoch >= self.patience:
            trainer.stop(
                f"{self.best.monitor} has not improved for {self.patience} epochs "
                f"(best in epoch {self.best_epoch})"
            )

    def on_fit_end(self, trainer: Trainer) -> None:
        """Restore the weights of the best epoch."""
        if self.best_weights is not None:
            trainer.model.load_state_dict(self.best_weights)


class TargetAccuracy(Callback):
    """Stops as soon as the validation accuracy reaches `target`, a share between 0 and 1."""

    def __init__(self, target: float) -> None:
        if not 0 < target <= 1:
            raise ConfigError(
                f"target accuracy: a share above 0 and up to 1, such as 0.985; got {target:g}"
            )
        self.target = target

    def on_epoch_end(self, trainer: Trainer, row: Epoch) -> None:
        """Stop, if it is reached."""
        if monitored(row, "val_accuracy") >= self.target:
            trainer.stop(f"val_accuracy has reached the target of {self.target:.2%}")
