"""Loss functions as modules. `reduction` is "mean", "sum" or "none"."""

from __future__ import annotations

from typing import Literal

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


class HuberLoss(_Loss):
    """d^2 / 2 where d = |x - target| <= delta, else delta (d - delta/2). Huber 1964."""

    def __init__(self, reduction: Reduction = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        if not delta > 0:
            raise ConfigError(f"HuberLoss: delta is where |d| begins, above 0, got {delta}")
        self.delta = delta

    def forward(self, x: Array, target: Array) -> Array:
        return F.huber_loss(x, target, self.reduction, self.delta)


class KLDivLoss(Module):
    """target (log target - x), x log-probabilities: "batchmean" is the divergence a sample."""

    def __init__(
        self,
        reduction: Literal["mean", "sum", "none", "batchmean"] = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__()
        self.reduction: Literal["mean", "sum", "none", "batchmean"] = reduction
        self.log_target = log_target

    def forward(self, x: Array, target: Array) -> Array:
        return F.kl_div(x, target, self.reduction, self.log_target)


class BCELoss(_Loss):
    """-(t log x + (1 - t) log(1 - x)), averaged, x probabilities; better: BCEWithLogitsLoss."""

    weight: Tensor | None

    def __init__(self, weight: ArrayLike | None = None, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)

    def forward(self, x: Array, target: Array) -> Array:
        return F.binary_cross_entropy(x, target, self.weight, self.reduction)


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


# -- with a margin ----------------------------------------------------------------------------


class SoftMarginLoss(_Loss):
    """log(1 + exp(-target x)), targets 1 or -1."""

    def forward(self, x: Array, target: Array) -> Array:
        return F.soft_margin_loss(x, target, self.reduction)


class _MarginLoss(_Loss):
    def __init__(self, margin: float, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin


class HingeEmbeddingLoss(_MarginLoss):
    """x where target is 1, max(0, margin - x) where it is -1."""

    def __init__(self, margin: float = 1.0, *, reduction: Reduction = "mean") -> None:
        super().__init__(margin, reduction=reduction)

    def forward(self, x: Array, target: Array) -> Array:
        return F.hinge_embedding_loss(x, target, self.margin, self.reduction)


class MarginRankingLoss(_MarginLoss):
    """max(0, margin - target (x1 - x2)), targets 1 (x1 shall be larger) or -1."""

    def __init__(self, margin: float = 0.0, *, reduction: Reduction = "mean") -> None:
        super().__init__(margin, reduction=reduction)

    def forward(self, x1: Array, x2: Array, target: Array) -> Array:
        return F.margin_ranking_loss(x1, x2, target, self.margin, self.reduction)


class CosineEmbeddingLoss(_MarginLoss):
    """1 - cos(x1, x2) where target is 1, max(0, cos(x1, x2) - margin) where it is -1."""

    def __init__(self, margin: float = 0.0, *, reduction: Reduction = "mean") -> None:
        super().__init__(margin, reduction=reduction)

    def forward(self, x1: Array, x2: Array, target: Array) -> Array:
        return F.cosine_embedding_loss(x1, x2, target, self.margin, self.reduction)


class MultiMarginLoss(_MarginLoss):
    """The hinge loss of several classes: scores (N, C), labels (N,), class weights (C,)."""

    weight: Tensor | None

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: ArrayLike | None = None,
        *,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(margin, reduction=reduction)
        self.p = p
        self.register_buffer("weight", weight)

    def forward(self, x: Array, target: Array) -> Array:
        return F.multi_margin_loss(x, target, self.p, self.margin, self.weight, self.reduction)


class MultiLabelSoftMarginLoss(_Loss):
    """Binary cross-entropy with logits, averaged over the classes (N, C)."""

    weight: Tensor | None

    def __init__(self, weight: ArrayLike | None = None, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)

    def forward(self, x: Array, target: Array) -> Array:
        return F.multilabel_soft_margin_loss(x, target, self.weight, self.reduction)


class TripletMarginLoss(_MarginLoss):
    """max(0, margin + d(anchor, positive) - d(anchor, negative)), d the p-norm."""

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        *,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(margin, reduction=reduction)
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: Array, positive: Array, negative: Array) -> Array:
        return F.triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap, self.reduction
        )
