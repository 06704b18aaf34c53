"""What a training run is made of, as data: batches, running means, epochs, the history."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from numpy.typing import NDArray

Array = NDArray[Any]


class Loader(Protocol):
    """Anything of known length that yields its batches (x, y) each time that it is iterated."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[tuple[Array, Array]]: ...


@dataclass
class Batch:
    """One batch on its way through the trainer; `loss` and `hits` are known after the forward."""

    index: int
    x: Array
    y: Array
    loss: float = float("nan")
    hits: int = 0


@dataclass
class Running:
    """Means over the images of an epoch so far."""

    images: int = 0
    hits: int = 0
    total_loss: float = 0.0

    def add(self, batch: Batch) -> None:
        """Count a finished batch; every image weighs the same, in a short last batch too."""
        self.images += len(batch.y)
        self.hits += batch.hits
        self.total_loss += batch.loss * len(batch.y)

    @property
    def loss(self) -> float:
        """Mean loss of an image."""
        return self.total_loss / max(self.images, 1)

    @property
    def accuracy(self) -> float:
        """Share of the images that were recognised."""
        return self.hits / max(self.images, 1)


@dataclass(frozen=True)
class Epoch:
    """One row of the history.

    The training columns are means over the epoch, taken on augmented images while the weights
    moved; the validation columns are taken at its end. So training may well look worse.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    lr: float
    seconds: float


COLUMNS = tuple(column.name for column in fields(Epoch))


@dataclass
class History:
    """What happened, a row an epoch, and why it ended early ("" where it did not)."""

    epochs: list[Epoch] = field(default_factory=list)
    stop_reason: str = ""

    def columns(self) -> dict[str, list[Any]]:
        """The history by column: name -> one value an epoch.

        >>> History([Epoch(1, 0.5, 0.8, None, None, 0.1, 2.0)]).columns()["train_loss"]
        [0.5]
        """
        return {name: [getattr(row, name) for row in self.epochs] for name in COLUMNS}

    def best(self, monitor: str) -> Epoch | None:
        """The first epoch with the best value of the column `monitor`; None before any.

        An accuracy is best when high, a loss when low; a NaN is never best.
        """
        sign = 1 if monitor.endswith("accuracy") else -1
        known = [row for row in self.epochs if math.isfinite(getattr(row, monitor))]
        return max(known, key=lambda row: sign * getattr(row, monitor), default=None)
