"""Stop before a NaN reaches the weights, and say where it came from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from tinygrad_cnn.core.modes import STATE, Observer, observe
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import AnomalyError
from tinygrad_cnn.train.callbacks.base import Callback
from tinygrad_cnn.train.history import Batch, Epoch

if TYPE_CHECKING:
    from tinygrad_cnn.core.node import Node
    from tinygrad_cnn.core.op import Op
    from tinygrad_cnn.train.trainer import Trainer


class TerminateOnNaN(Callback):
    """Raises AnomalyError as soon as a loss or a gradient is NaN or infinite.

    The weights that gave it may well be finite themselves, and still be what it comes from. So the
    model gets back those from the end of the last good epoch, or from the start. The message gives
    the step and the first layer whose numbers went bad: the batch is run again, and each op's
    output looked at.
    """

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Remember the weights."""
        self.good = trainer.model.state_dict()

    def on_epoch_end(self, trainer: Trainer, row: Epoch) -> None:
        """Remember the weights, if the last step has not spoilt them.

        Only here does its result show: every other step is judged by the loss of the next one.
        """
        complaint = _spoilt(trainer, row)
        if not complaint:
            self.good = trainer.model.state_dict()
            return
        trainer.history.epochs.remove(row)
        self._give_up(trainer, f"step {trainer.steps} (the last of epoch {row.epoch})", complaint)

    def on_gradients(self, trainer: Trainer, batch: Batch) -> None:
        """Look at the loss, and at the gradients."""
        if math.isfinite(batch.loss) and all(
            _is_finite(p.grad.data) for p in trainer.model.parameters() if p.grad is not None
        ):
            return
        epoch = len(trainer.history.epochs) + 1
        place = f"step {trainer.steps + 1} (epoch {epoch}, batch {batch.index + 1})"
        self._give_up(trainer, place, _complaint(trainer, batch))

    def _give_up(self, trainer: Trainer, place: str, complaint: str) -> NoReturn:
        trainer.model.load_state_dict(self.good)
        raise AnomalyError(
            f"{place}: {complaint}; the weights kept are from before this epoch; lower the "
            f"learning rate ({trainer.lr:g}), warm up longer, or clip gradients to a smaller norm"
        )


def _spoilt(trainer: Trainer, row: Epoch) -> str:
    """What is wrong with the weights after an epoch, if anything is."""
    for name, array in trainer.model.state_dict().items():
        if not _is_finite(array):
            return f"it left NaN or infinite values in {name}"
    if row.val_loss is not None and not math.isfinite(row.val_loss):
        return f"its weights are finite, and give a validation loss of {row.val_loss:g}"
    return ""


def _complaint(trainer: Trainer, batch: Batch) -> str:
    what = (
        f"the loss is {batch.loss:g}"
        if not math.isfinite(batch.loss)
        else "a gradient is not finite"
    )
    if not _is_finite(batch.x):
        return f"{what}; the images of the batch hold NaN or infinite values already"
    for name, parameter in trainer.model.named_parameters():
        if not _is_finite(parameter.data):
            return f"{what}; the parameter {name} holds NaN or infinite values already"
    culprit = FirstNonFinite()
    with observe(culprit):
        trainer.loss(trainer.model(Tensor(batch.x)), batch.y).backward()
    return f"{what}; {culprit.found or 'a second run of the batch does not show it (dropout?)'}"


class FirstNonFinite(Observer):
    """Says where a NaN or an infinity first appeared, among the ops that ran while observing."""

    found = ""
    forward = True

    def after_forward(self, op: Op, values: list[Any], static: dict[str, Any], out: Any) -> None:
        """Look at an op's output."""
        if self.forward and not self.found and not _are_finite(out):
            self.found = f"it began in {_place(STATE.get().scope)}, in the output of {op.name}"

    def before_backward(self, node: Node, gradient: Any) -> None:
        """From here on ops run inside gradients; `after_backward` looks at those as a whole."""
        self.forward = False

    def after_backward(self, node: Node, gradients: list[Any]) -> None:
        """Look at the gradients of an op's inputs."""
        if not self.found and not _are_finite(gradients):
            name = node.op.name if node.op else "a leaf"
            self.found = f"it began in {_place(node.scope)}, in the gradient of {name}"


def _place(scope: object) -> str:
    return f"layer {scope}" if scope else "the loss"


def _are_finite(arrays: Any) -> bool:
    several = arrays if isinstance(arrays, (tuple, list)) else [arrays]
    return all(_is_finite(np.asarray(a)) for a in several if a is not None)


def _is_finite(array: np.ndarray) -> bool:
    """Whether all is finite; looks at each element only where the sum of squares is not."""
    if array.dtype.kind not in "fc":
        return True
    flat = array.ravel()
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.dot(flat, flat)) or np.isfinite(flat).all())
