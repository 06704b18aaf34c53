"""What is on disk after every epoch: the log, and the best weights."""

from __future__ import annotations

import csv
import io
from os import PathLike
from typing import TYPE_CHECKING, Any

from tinygrad_cnn.errors import require
from tinygrad_cnn.files import write_atomic
from tinygrad_cnn.train import checkpoint
from tinygrad_cnn.train.callbacks.base import Best, Callback, Mode
from tinygrad_cnn.train.history import Epoch

if TYPE_CHECKING:
    from tinygrad_cnn.train.trainer import Trainer


class CSVLogger(Callback):
    """Keeps `path` as a table of the history: a row an epoch, whole at every moment."""

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = path

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Write the head, so that the file exists even if no epoch is finished."""
        self._write(trainer)

    def on_epoch_end(self, trainer: Trainer, row: Epoch) -> None:
        """Write the table with the new row."""
        self._write(trainer)

    def _write(self, trainer: Trainer) -> None:
        columns = trainer.history.columns()
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(map(_cells, zip(*columns.values(), strict=True)))
        write_atomic(self.path, text.getvalue())


def _cells(row: tuple[Any, ...]) -> list[str]:
    return ["" if v is None else f"{v:.6g}" for v in row]


class ModelCheckpoint(Callback):
    """Saves the weights to `path` whenever `monitor` is better than ever before."""

    def __init__(
        self,
        path: str | PathLike[str],
        monitor: str = "val_accuracy",
        mode: Mode | None = None,
        config: dict[str, Any] | None = None,
    ) -> None:
        require("safetensors", "train")  # now, not after the first epoch
        self.path = path
        self.config = config or {}
        self.best = Best(monitor, mode)

    def on_epoch_end(self, trainer: Trainer, row: Epoch) -> None:
        """Save, if this epoch is the best."""
        if self.best.improved(row):
            checkpoint.save(self.path, trainer.model, self.config, vars(row))
