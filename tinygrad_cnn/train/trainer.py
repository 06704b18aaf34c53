"""The training loop. It knows batches, a loss and an optimizer, and nothing of the model."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tinygrad_cnn.core.modes import no_grad
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import DataError
from tinygrad_cnn.nn import Module
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.nn.utils import clip_grad_norm_
from tinygrad_cnn.ops import asarray
from tinygrad_cnn.optim import Optimizer
from tinygrad_cnn.train.callbacks import Callback
from tinygrad_cnn.train.history import Array, Batch, Epoch, History, Loader, Running
from tinygrad_cnn.train.metrics import accuracy

Loss = Callable[[Tensor, Array], Tensor]


@dataclass(frozen=True)
class Evaluation:
    """Mean loss and accuracy over a whole loader."""

    loss: float
    accuracy: float


class Trainer:
    """Fits `model` to the batches of a loader by the gradient of `loss`.

    model            any Module: a batch in, one row of logits an image out
    optimizer        holds the model's parameters and the learning rate
    loss             loss(logits, labels) -> Tensor of one element
    callbacks        see tinygrad_cnn.train.callbacks; told of each event in the order given
    clip_grad_norm   where given, gradients are scaled down to at most this norm, all together

    >>> import tinygrad_cnn as tg
    >>> x, y = np.eye(2, dtype=np.float32), np.array([0, 1])
    >>> model = tg.nn.Linear(2, 2)
    >>> trainer = Trainer(model, tg.optim.SGD(model.parameters(), lr=1.0))
    >>> trainer.fit([(x, y)], epochs=20).epochs[-1].train_accuracy
    1.0
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        loss: Loss = F.cross_entropy,
        callbacks: Sequence[Callback] = (),
        clip_grad_norm: float | None = None,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.loss = loss
        self.callbacks = callbacks
        self.clip_grad_norm = clip_grad_norm
        self.history = History()
        self.running = Running()  # of the epoch under way
        self.steps = 0  # taken since the trainer was made
        self.steps_per_epoch = 0
        self.epochs = 0

    def fit(
        self, train_loader: Loader, val_loader: Loader | None = None, *, epochs: int
    ) -> History:
        """Train for at most `epochs` epochs; callbacks may end it sooner.

        `on_fit_end` is told however the training ends, Ctrl-C and errors included, so what a
        callback promises there (the best weights restored) holds in every case.
        """
        done = len(self.history.epochs)  # a second fit goes on counting
        self.steps_per_epoch, self.epochs = _length(train_loader, "fit"), done + epochs
        self.history.stop_reason = ""
        self._tell("on_fit_begin")
        try:
            for epoch in range(done + 1, self.epochs + 1):
                row = self._epoch(epoch, train_loader, val_loader)
                self.history.epochs.append(row)
                self._tell("on_epoch_end", row)
                if self.history.stop_reason:
                    break
        finally:
            self._tell("on_fit_end")
        return self.history

    def stop(self, reason: str) -> None:
        """End the training after this epoch; for callbacks."""
        self.history.stop_reason = reason

    def evaluate(self, loader: Loader) -> Evaluation:
        """Mean loss and accuracy over the loader, in evaluation mode, without a graph."""
        logits, labels = self.predict(loader)
        with no_grad():
            loss = self.loss(_tensor(logits), labels).item()
        return Evaluation(loss, accuracy(logits, labels))

    def predict(self, loader: Loader) -> tuple[Array, Array]:
        """The logits (N, C) of all images of the loader, and their labels (N,)."""
        return predict(self.model, loader)

    @property
    def lr(self) -> float:
        """The learning rate of the optimizer's first group of parameters."""
        return float(self.optimizer.param_groups[0]["lr"])

    def _epoch(self, epoch: int, train_loader: Loader, val_loader: Loader | None) -> Epoch:
        started = time.perf_counter()
        self._tell("on_epoch_begin", epoch)
        self.model.train()
        self.running = Running()
        for index, (x, y) in enumerate(train_loader):
            batch = Batch(index, x, y)
            self._tell("on_batch_begin", batch)
            self._step(batch)
            self.running.add(batch)
            self._tell("on_batch_end", batch)
        validation = None if val_loader is None else self.evaluate(val_loader)
        return Epoch(
            epoch=epoch,
            train_loss=self.running.loss,
            train_accuracy=self.running.accuracy,
            val_loss=validation.loss if validation else None,
            val_accuracy=validation.accuracy if validation else None,
            lr=self.lr,
            seconds=time.perf_counter() - started,
        )

    def _step(self, batch: Batch) -> None:
        logits = self.model(_tensor(batch.x))
        loss = self.loss(logits, batch.y)
        batch.loss, batch.hits = loss.item(), int((logits.data.argmax(-1) == batch.y).sum())
        self.optimizer.zero_grad()
        loss.backward()
        self._tell("on_gradients", batch)
        if self.clip_grad_norm is not None:
            clip_grad_norm_(self.model.parameters(), self.clip_grad_norm)
        self.optimizer.step()
        self.steps += 1

    def _tell(self, event: str, *details: object) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self, *details)


def predict(model: Module, loader: Loader) -> tuple[Array, Array]:
    """The logits (N, C) that `model` gives in evaluation mode, and the labels (N,) beside them."""
    _length(loader, "predict")
    model.eval()
    with no_grad():
        pairs = [(model(_tensor(x)).data, y) for x, y in loader]
    logits, labels = zip(*pairs, strict=True)
    return np.concatenate(logits), np.concatenate(labels)


def _tensor(x: Array) -> Tensor:
    """A batch as a Tensor, without a copy: a loader makes its arrays anew, or leaves them alone."""
    return asarray(x, copy=False if isinstance(x, np.ndarray) else None)


def _length(loader: Loader, caller: str) -> int:
    if not len(loader):
        raise DataError(f"{caller}: the loader has no batch; give it at least one image")
    return len(loader)
