"""Loss functions as modules. `reduction` is "mean", "sum" or "none"."""

from __future__ import annotations

from numpy.typing import ArrayLike

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.nn.functional import Array, Reduction
from tinygrad_cnn.nn.module import Module


class _Loss(Module):
    def __init__(self, reduction: Reduction = "mean") -> None:
        super().__init__()
        if reduction not in ("mean", "sum", "none"):
            raise ConfigError(
                f"{type(self).__name__}: reduction must be 'mean', 'sum' or 'none', got "
                f"{reduction!r}"
            )
        self.reduction: Reduction = reduction


class CrossEntropyLoss(_Loss):
    """-log softmax(logits)[label], averaged; logits (N, C) or (N, C, ...), labels (N,) or (N, ...).

    weight (C,) weighs the classes; labels equal to `ignore_index` do not count; `label_smoothing`
    spreads that share of the target evenly over all classes (Szegedy et al. 2015, section 7).

    >>> import tinygrad_cnn as tg
    >>> loss = tg.nn.CrossEntropyLoss()(tg.Tensor([[0.0, 0.0]]), tg.Tensor([1]))
    >>> round(float(loss), 4)
    0.6931
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: ArrayLike | None = None,
        *,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction)
        if not 0.0 <= label_smoothing <= 1.0:
            raise ConfigError(
                f"CrossEntropyLoss: label_smoothing is between 0 and 1, got {label_smoothing}"
            )
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, logits: Array, labels: Array) -> Array:
        return F.cross_entropy(
            logits, labels, self.weight, self.ignore_index, self.reduction, self.label_smoothing
        )


class NLLLoss(_Loss):
    """-log_probs[label], averaged: `CrossEntropyLoss` for the output of LogSoftmax."""

    weight: Tensor | None

    def __init__(
        self,
        weight: ArrayLike | None = None,
        *,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, log_probs: Array, labels: Array) -> Array:
        return F.nll_loss(log_probs, labels, self.weight, self.ignore_index, self.reduction)


class MSELoss(_Loss):
    """mean (x - target)^2."""

    def forward(self, x: Array, target: Array) -> Array:
        return F.mse_loss(x, target, self.reduction)


class L1Loss(_Loss):
    """mean |x - target|."""

    def forward(self, x: Array, target: Array) -> Array:
        return F.l1_loss(x, target, self.reduction)


class SmoothL1Loss(_Loss):
    """d^2 / (2 beta) where d = |x - target| < beta, else d - beta/2. Girshick 2015, eq. 3."""

    def __init__(self, reduction: Reduction = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        if beta < 0:
            raise ConfigError(f"SmoothL1Loss: beta is where |d| begins, at least 0, got {beta}")
        self.beta = beta

    def forward(self, x: Array, target: Array) -> Array:
        return F.smooth_l1_loss(x, target, self.reduction, self.beta)


class BCEWithLogitsLoss(_Loss):
    """-(t log sigmoid(x) + (1 - t) log(1 - sigmoid(x))), averaged, stable for any x.

    `weight` weighs elements, `pos_weight` the first term; both broadcast.
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self,
        weight: ArrayLike | None = None,
        *,
        reduction: Reduction = "mean",
        pos_weight: ArrayLike | None = None,
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, x: Array, target: Array) -> Array:
        return F.binary_cross_entropy_with_logits(
            x, target, self.weight, self.reduction, self.pos_weight
        )
