"""What a person watches while it trains."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

from tinygrad_cnn.errors import require
from tinygrad_cnn.train.callbacks.base import Callback
from tinygrad_cnn.train.history import Batch, Epoch

if TYPE_CHECKING:
    from tinygrad_cnn.train.trainer import Trainer


class ProgressBar(Callback):
    """A table, a line an epoch; in terminals and notebooks also a bar for the epoch under way.

    The table goes to stdout and the bar to stderr. Where stderr is no terminal there is no bar, and
    nothing writes control characters.
    """

    def __init__(self) -> None:
        self.tqdm: Any = require("tqdm.auto", "train").tqdm
        self.bar: Any = None

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Write the table's head."""
        self._write(
            " epoch      loss  accuracy  val loss  val accuracy       lr  images/s      time"
        )

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        """Open the epoch's bar."""
        self.started, self.training_seconds = time.perf_counter(), 0.0
        self.epoch = f"{epoch:>3}/{trainer.epochs}"
        self.bar = self.tqdm(
            total=trainer.steps_per_epoch,
            desc=self.epoch,
            bar_format="{desc} {bar} {n_fmt}/{total_fmt}",  # a narrow window shortens the bar alone
            leave=False,
            dynamic_ncols=True,
            disable=not _is_interactive(sys.stderr),
        )

    def on_batch_end(self, trainer: Trainer, batch: Batch) -> None:
        """Advance the bar."""
        self.training_seconds = time.perf_counter() - self.started
        seen = trainer.running
        self.bar.set_description_str(
            f"{self.epoch}  loss {seen.loss:.4f}  accuracy {seen.accuracy:.2%}  "
            f"{self._speed(seen.images)} images/s",
            refresh=False,  # tqdm draws ten times a second, not always
        )
        self.bar.update()

    def on_epoch_end(self, trainer: Trainer, row: Epoch) -> None:
        """Replace the bar by the epoch's line."""
        self.bar.close()
        validation = f"{'-':>8}  {'-':>12}"
        if row.val_loss is not None:
            validation = f"{_loss(row.val_loss)}  {row.val_accuracy:12.2%}"
        training = f"{_loss(row.train_loss)}  {row.train_accuracy:8.2%}"
        speed = f"{self._speed(trainer.running.images):>8}  {row.seconds:6.1f} s"
        lr = f"{row.lr:7.5f}" if 1e-5 <= row.lr < 10 else f"{row.lr:7.1e}"
        self._write(f"{self.epoch:<6}  {training}  {validation}  {lr}  {speed}")

    def on_fit_end(self, trainer: Trainer) -> None:
        """Remove the bar of an epoch that was cut short."""
        if self.bar is not None:
            self.bar.close()

    def _speed(self, images: int) -> str:
        return f"{images / max(self.training_seconds, 1e-9):,.0f}"

    def _write(self, line: str) -> None:
        self.tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()  # a log that is followed shall not lag by a buffer of epochs


def _loss(value: float) -> str:
    """Eight characters, whatever the loss.

    >>> _loss(0.25), _loss(3.4e38), _loss(float("nan"))
    ('  0.2500', ' 3.4e+38', '     nan')
    """
    return f"{value:8.1e}" if 999 < value < float("inf") else f"{value:8.4f}"


def _is_interactive(stream: TextIO) -> bool:
    return stream.isatty() or "ipykernel" in sys.modules
