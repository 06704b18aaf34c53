"""The functions behind the layers, under PyTorch's names and in its order of arguments.

Each is an op of `tinygrad_cnn.ops`, where its formula and its gradient stand. Tensors give Tensors;
arrays alone give arrays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from tinygrad_cnn import ops
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import ShapeError
from tinygrad_cnn.ops.axes import normalize_axis
from tinygrad_cnn.ops.face import face
from tinygrad_cnn.ops.rearrange import pad_sides
from tinygrad_cnn.ops.windows import SizeLike

Array: TypeAlias = Any
"""A Tensor or an ndarray; where one goes in, the same comes out."""
Reduction = Literal["mean", "sum", "none"]

# -- linear and convolution -------------------------------------------------------------------


def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """x W^T + b; x (..., I), W (O, I), b (O,)."""
    return ops.linear(x, weight, bias)


def conv1d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: SizeLike = 1,
    padding: SizeLike | str = 0,
    dilation: SizeLike = 1,
    groups: int = 1,
) -> Array:
    """Convolve x (N, C, L) with weight (F, C/groups, K)."""
    return ops.conv1d(
        x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups
    )


def conv2d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: SizeLike = 1,
    padding: SizeLike | str = 0,
    dilation: SizeLike = 1,
    groups: int = 1,
) -> Array:
    """Convolve x (N, C, H, W) with weight (F, C/groups, KH, KW)."""
    return ops.conv2d(
        x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups
    )


def conv3d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: SizeLike = 1,
    padding: SizeLike | str = 0,
    dilation: SizeLike = 1,
    groups: int = 1,
) -> Array:
    """Convolve x (N, C, D, H, W) with weight (F, C/groups, KD, KH, KW)."""
    return ops.conv3d(
        x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups
    )


def conv_transpose1d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: SizeLike = 1,
    padding: SizeLike = 0,
    output_padding: SizeLike = 0,
    groups: int = 1,
    dilation: SizeLike = 1,
) -> Array:
    """The adjoint of conv1d; x (N, C, L), weight (C, F/groups, K)."""
    return ops.conv_transpose1d(
        x,
        weight,
        bias,
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        groups=groups,
        dilation=dilation,
    )


def conv_transpose2d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: SizeLike = 1,
    padding: SizeLike = 0,
    output_padding: SizeLike = 0,
    groups: int = 1,
    dilation: SizeLike = 1,
) -> Array:
    """The adjoint of conv2d; x (N, C, H, W), weight (C, F/groups, KH, KW)."""
    return ops.conv_transpose2d(
        x,
        weight,
        bias,
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        groups=groups,
        dilation=dilation,
    )


def conv_transpose3d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: SizeLike = 1,
    padding: SizeLike = 0,
    output_padding: SizeLike = 0,
    groups: int = 1,
    dilation: SizeLike = 1,
) -> Array:
    """The adjoint of conv3d; x (N, C, D, H, W), weight (C, F/groups, KD, KH, KW)."""
    return ops.conv_transpose3d(
        x,
        weight,
        bias,
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        groups=groups,
        dilation=dilation,
    )


# -- pooling ----------------------------------------------------------------------------------


def max_pool1d(
    x: Array,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: SizeLike = 0,
    dilation: SizeLike = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array:
    """The maximum over windows of x (N, C, L), with its places if `return_indices`."""
    return ops.max_pool1d(
        x,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
        return_indices=return_indices,
    )


def max_pool2d(
    x: Array,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: SizeLike = 0,
    dilation: SizeLike = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array:
    """The maximum over windows of x (N, C, H, W), with its places if `return_indices`."""
    return ops.max_pool2d(
        x,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
        return_indices=return_indices,
    )


def max_pool3d(
    x: Array,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: SizeLike = 0,
    dilation: SizeLike = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array:
    """The maximum over windows of x (N, C, D, H, W), with its places if `return_indices`."""
    return ops.max_pool3d(
        x,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
        return_indices=return_indices,
    )


def max_unpool1d(
    x: Array,
    indices: Array,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: SizeLike = 0,
    output_size: SizeLike | None = None,
) -> Array:
    """x (N, C, L) back at the places that a max pooling took it from, 0 elsewhere."""
    return ops.max_unpool1d(
        x,
        indices,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        output_size=output_size,
    )


def max_unpool2d(
    x: Array,
    indices: Array,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: SizeLike = 0,
    output_size: SizeLike | None = None,
) -> Array:
    """x (N, C, H, W) back at the places that a max pooling took it from, 0 elsewhere."""
    return ops.max_unpool2d(
        x,
        indices,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        output_size=output_size,
    )


def max_unpool3d(
    x: Array,
    indices: Array,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: SizeLike = 0,
    output_size: SizeLike | None = None,
) -> Array:
    """x (N, C, D, H, W) back at the places that a max pooling took it from, 0 elsewhere."""
    return ops.max_unpool3d(
        x,
        indices,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        output_size=output_size,
    )


def avg_pool1d(
    x: Array,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: SizeLike = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """The mean over windows of x (N, C, L)."""
    return ops.avg_pool1d(
        x,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
    )


def avg_pool2d(
    x: Array,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: SizeLike = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """The mean over windows of x (N, C, H, W)."""
    return ops.avg_pool2d(
        x,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        divisor_override=divisor_override,
    )


def avg_pool3d(
    x: Array,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: SizeLike = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """The mean over windows of x (N, C, D, H, W)."""
    return ops.avg_pool3d(
        x,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        divisor_override=divisor_override,
    )


def lp_pool1d(
    x: Array,
    norm_type: float,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    ceil_mode: bool = False,
) -> Array:
    """(sum x^p)^(1/p) over windows of x (N, C, L), p = norm_type."""
    return ops.lp_pool1d(
        x, norm_type=norm_type, kernel_size=kernel_size, stride=stride, ceil_mode=ceil_mode
    )


def lp_pool2d(
    x: Array,
    norm_type: float,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    ceil_mode: bool = False,
) -> Array:
    """(sum x^p)^(1/p) over windows of x (N, C, H, W), p = norm_type."""
    return ops.lp_pool2d(
        x, norm_type=norm_type, kernel_size=kernel_size, stride=stride, ceil_mode=ceil_mode
    )


def lp_pool3d(
    x: Array,
    norm_type: float,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    ceil_mode: bool = False,
) -> Array:
    """(sum x^p)^(1/p) over windows of x (N, C, D, H, W), p = norm_type."""
    return ops.lp_pool3d(
        x, norm_type=norm_type, kernel_size=kernel_size, stride=stride, ceil_mode=ceil_mode
    )


def adaptive_avg_pool1d(x: Array, output_size: SizeLike) -> Array:
    """Means over windows that cover x (N, C, L) evenly."""
    return ops.adaptive_avg_pool1d(x, output_size=output_size)


def adaptive_avg_pool2d(x: Array, output_size: SizeLike) -> Array:
    """Means over windows that cover x (N, C, H, W) evenly."""
    return ops.adaptive_avg_pool2d(x, output_size=output_size)


def adaptive_avg_pool3d(x: Array, output_size: SizeLike) -> Array:
    """Means over windows that cover x (N, C, D, H, W) evenly."""
    return ops.adaptive_avg_pool3d(x, output_size=output_size)


def adaptive_max_pool1d(x: Array, output_size: SizeLike, return_indices: bool = False) -> Array:
    """Maxima over windows that cover x (N, C, L) evenly."""
    return ops.adaptive_max_pool1d(x, output_size=output_size, return_indices=return_indices)


def adaptive_max_pool2d(x: Array, output_size: SizeLike, return_indices: bool = False) -> Array:
    """Maxima over windows that cover x (N, C, H, W) evenly."""
    return ops.adaptive_max_pool2d(x, output_size=output_size, return_indices=return_indices)


def adaptive_max_pool3d(x: Array, output_size: SizeLike, return_indices: bool = False) -> Array:
    """Maxima over windows that cover x (N, C, D, H, W) evenly."""
    return ops.adaptive_max_pool3d(x, output_size=output_size, return_indices=return_indices)


# -- activations ------------------------------------------------------------------------------


def relu(x: Array) -> Array:
    """max(x, 0)."""
    return ops.relu(x)


def relu6(x: Array) -> Array:
    """min(max(x, 0), 6)."""
    return ops.relu6(x)


def leaky_relu(x: Array, negative_slope: float = 0.01) -> Array:
    """x where x > 0, else negative_slope * x."""
    return ops.leaky_relu(x, negative_slope=negative_slope)


def prelu(x: Array, weight: Array) -> Array:
    """x where x > 0, else weight * x: one weight, or one a channel."""
    return ops.prelu(x, weight)


def rrelu(x: Array, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False) -> Array:
    """x where x > 0, else r * x, r drawn from lower..upper; the mean of them outside training."""
    return ops.rrelu(x, lower=lower, upper=upper, training=training)


def hardtanh(x: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """x limited to [min_val, max_val]."""
    return ops.hardtanh(x, min_val=min_val, max_val=max_val)


def hardsigmoid(x: Array) -> Array:
    """relu6(x + 3) / 6."""
    return ops.hardsigmoid(x)


def hardswish(x: Array) -> Array:
    """x * relu6(x + 3) / 6."""
    return ops.hardswish(x)


def hardshrink(x: Array, lambd: float = 0.5) -> Array:
    """x where |x| > lambd, else 0."""
    return ops.hardshrink(x, lambd=lambd)


def softshrink(x: Array, lambd: float = 0.5) -> Array:
    """x moved towards 0 by lambd, and 0 where it would pass it."""
    return ops.softshrink(x, lambd=lambd)


def tanhshrink(x: Array) -> Array:
    """x - tanh(x)."""
    return ops.tanhshrink(x)


def threshold(x: Array, threshold: float, value: float) -> Array:
    """x where x > threshold, else value."""
    return ops.threshold(x, threshold, value)


def elu(x: Array, alpha: float = 1.0) -> Array:
    """x where x > 0, else alpha * (exp(x) - 1)."""
    return ops.elu(x, alpha=alpha)


def celu(x: Array, alpha: float = 1.0) -> Array:
    """x where x > 0, else alpha * (exp(x / alpha) - 1)."""
    return ops.celu(x, alpha=alpha)


def selu(x: Array) -> Array:
    """1.0507 * elu(x, 1.6733): keeps mean 0 and variance 1."""
    return ops.selu(x)


def gelu(x: Array, approximate: Literal["none", "tanh"] = "none") -> Array:
    """x * Phi(x), Phi the normal distribution function."""
    return ops.gelu(x, approximate=approximate)


def silu(x: Array) -> Array:
    """x * sigmoid(x)."""
    return ops.silu(x)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return ops.sigmoid(x)


def tanh(x: Array) -> Array:
    """(exp(2x) - 1) / (exp(2x) + 1)."""
    return ops.tanh(x)


@face
def softplus(x: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """log(1 + exp(beta * x)) / beta, and x itself where beta * x > threshold."""
    return ops.where(x * beta > threshold, x, ops.softplus(x * beta) * (1 / beta))


def logsigmoid(x: Array) -> Array:
    """log(1 / (1 + exp(-x)))."""
    return ops.logsigmoid(x)


def softsign(x: Array) -> Array:
    """x / (1 + |x|)."""
    return ops.softsign(x)


def mish(x: Array) -> Array:
    """x * tanh(softplus(x))."""
    return ops.mish(x)


def glu(x: Array, dim: int = -1) -> Array:
    """a * sigmoid(b), a and b the halves of x along the axis `dim`."""
    return ops.glu(x, axis=dim)


def softmin(x: Array, dim: int = -1) -> Array:
    """softmax(-x) along the axis `dim`."""
    return ops.softmin(x, axis=dim)


def softmax(x: Array, dim: int = -1) -> Array:
    """exp(x) / sum exp(x) along the axis `dim`."""
    return ops.softmax(x, axis=dim)


def log_softmax(x: Array, dim: int = -1) -> Array:
    """x - log sum exp(x) along the axis `dim`."""
    return ops.log_softmax(x, axis=dim)


# -- normalisation and dropout ----------------------------------------------------------------


def batch_norm(
    x: Array,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Array | None = None,
    bias: Array | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:
    """Normalise every channel of x (N, C, ...); in training mode the running statistics follow."""
    return ops.batch_norm(
        x,
        _values(running_mean),
        _values(running_var),
        weight,
        bias,
        training=training,
        momentum=momentum,
        eps=eps,
    )


def layer_norm(
    x: Array,
    normalized_shape: Sequence[int],
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Array:
    """Normalise x over its last axes, those of `normalized_shape`."""
    return ops.layer_norm(x, tuple(normalized_shape), weight, bias, eps=eps)


def group_norm(
    x: Array,
    num_groups: int,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Array:
    """Normalise each sample of x (N, C, ...) over groups of channels."""
    return ops.group_norm(x, num_groups, weight, bias, eps=eps)


def instance_norm(
    x: Array,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    weight: Array | None = None,
    bias: Array | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:
    """Normalise every channel of each sample of x (N, C, ...); running statistics follow."""
    return ops.instance_norm(
        x,
        weight,
        bias,
        running_mean=_values(running_mean),
        running_var=_values(running_var),
        use_input_stats=use_input_stats,
        momentum=momentum,
        eps=eps,
    )


def normalize(x: Array, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Array:
    """x / max(|x|, eps), |x| the p-norm along the axis `dim`."""
    return ops.normalize(x, ord=p, axis=dim, eps=eps)


def dropout(x: Array, p: float = 0.5, training: bool = True) -> Array:
    """Each element 0 with probability p, else x / (1 - p); x itself outside training."""
    return ops.dropout(x, p=p, training=training)


def dropout1d(x: Array, p: float = 0.5, training: bool = True) -> Array:
    """Dropout of whole channels of x (N, C, L)."""
    return ops.dropout2d(x, p=p, training=training)


def dropout2d(x: Array, p: float = 0.5, training: bool = True) -> Array:
    """Dropout of whole channels of x (N, C, H, W)."""
    return ops.dropout2d(x, p=p, training=training)


def dropout3d(x: Array, p: float = 0.5, training: bool = True) -> Array:
    """Dropout of whole channels of x (N, C, D, H, W)."""
    return ops.dropout2d(x, p=p, training=training)


def alpha_dropout(x: Array, p: float = 0.5, training: bool = False) -> Array:
    """Dropout that keeps mean 0 and variance 1, for `selu`."""
    return ops.alpha_dropout(x, p=p, training=training)


# -- losses -----------------------------------------------------------------------------------


def cross_entropy(
    logits: Array,
    labels: Array,
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """-log softmax(logits)[label]; logits (N, C, ...), labels (N, ...).

    Labels are integers, or probabilities of the logits' shape.

    >>> import tinygrad_cnn as tg
    >>> loss = cross_entropy(tg.Tensor([[0.0, 0.0], [0.0, 0.0]]), tg.Tensor([0, 1]))
    >>> round(float(loss), 4)
    0.6931
    """
    return ops.cross_entropy(
        logits,
        labels,
        weight=weight,
        ignore_index=ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


def nll_loss(
    log_probs: Array,
    labels: Array,
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
) -> Array:
    """-log_probs[label]: cross_entropy after log_softmax."""
    return ops.nll_loss(
        log_probs, labels, weight=weight, ignore_index=ignore_index, reduction=reduction
    )


def mse_loss(x: Array, target: Array, reduction: Reduction = "mean") -> Array:
    """(x - target)^2."""
    return ops.mse_loss(x, target, reduction=reduction)


def l1_loss(x: Array, target: Array, reduction: Reduction = "mean") -> Array:
    """|x - target|."""
    return ops.l1_loss(x, target, reduction=reduction)


def smooth_l1_loss(
    x: Array, target: Array, reduction: Reduction = "mean", beta: float = 1.0
) -> Array:
    """d^2 / (2 beta) where d = |x - target| < beta, else d - beta/2."""
    return ops.smooth_l1_loss(x, target, reduction=reduction, beta=beta)


def binary_cross_entropy_with_logits(
    x: Array,
    target: Array,
    weight: Array | None = None,
    reduction: Reduction = "mean",
    pos_weight: Array | None = None,
) -> Array:
    """-(target log sigmoid(x) + (1 - target) log(1 - sigmoid(x)))."""
    return ops.binary_cross_entropy_with_logits(
        x, target, weight=weight, reduction=reduction, pos_weight=pos_weight
    )


def binary_cross_entropy(
    x: Array, target: Array, weight: Array | None = None, reduction: Reduction = "mean"
) -> Array:
    """-(target log x + (1 - target) log(1 - x)), x probabilities."""
    return ops.binary_cross_entropy(x, target, weight=weight, reduction=reduction)


def kl_div(
    x: Array,
    target: Array,
    reduction: Literal["mean", "sum", "none", "batchmean"] = "mean",
    log_target: bool = False,
) -> Array:
    """target (log target - x), x log-probabilities; "batchmean" is the divergence a sample."""
    return ops.kl_div(x, target, reduction=reduction, log_target=log_target)


def huber_loss(x: Array, target: Array, reduction: Reduction = "mean", delta: float = 1.0) -> Array:
    """d^2 / 2 where d = |x - target| <= delta, else delta (d - delta/2)."""
    return ops.huber_loss(x, target, reduction=reduction, delta=delta)


def soft_margin_loss(x: Array, target: Array, reduction: Reduction = "mean") -> Array:
    """log(1 + exp(-target x)), targets 1 or -1."""
    return ops.soft_margin_loss(x, target, reduction=reduction)


def hinge_embedding_loss(
    x: Array, target: Array, margin: float = 1.0, reduction: Reduction = "mean"
) -> Array:
    """x where target is 1, max(0, margin - x) where it is -1."""
    return ops.hinge_embedding_loss(x, target, margin=margin, reduction=reduction)


def margin_ranking_loss(
    x1: Array, x2: Array, target: Array, margin: float = 0.0, reduction: Reduction = "mean"
) -> Array:
    """max(0, margin - target (x1 - x2)), targets 1 or -1."""
    return ops.margin_ranking_loss(x1, x2, target, margin=margin, reduction=reduction)


def multi_margin_loss(
    x: Array,
    target: Array,
    p: int = 1,
    margin: float = 1.0,
    weight: Array | None = None,
    reduction: Reduction = "mean",
) -> Array:
    """The hinge loss of several classes: scores x (N, C), labels (N,)."""
    return ops.multi_margin_loss(x, target, p=p, margin=margin, weight=weight, reduction=reduction)


def multilabel_soft_margin_loss(
    x: Array, target: Array, weight: Array | None = None, reduction: Reduction = "mean"
) -> Array:
    """Binary cross-entropy with logits, averaged over the classes (N, C)."""
    return ops.multilabel_soft_margin_loss(x, target, weight=weight, reduction=reduction)


def cosine_embedding_loss(
    x1: Array, x2: Array, target: Array, margin: float = 0.0, reduction: Reduction = "mean"
) -> Array:
    """1 - cos(x1, x2) where target is 1, max(0, cos(x1, x2) - margin) where it is -1."""
    return ops.cosine_embedding_loss(x1, x2, target, margin=margin, reduction=reduction)


def triplet_margin_loss(
    anchor: Array,
    positive: Array,
    negative: Array,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Array:
    """max(0, margin + d(anchor, positive) - d(anchor, negative))."""
    return ops.triplet_margin_loss(
        anchor, positive, negative, margin=margin, p=p, eps=eps, swap=swap, reduction=reduction
    )


def cosine_similarity(x1: Array, x2: Array, dim: int = 1, eps: float = 1e-8) -> Array:
    """The cosine of the angle between vectors along the axis `dim`."""
    return ops.cosine_similarity(x1, x2, axis=dim, eps=eps)


def pairwise_distance(
    x1: Array, x2: Array, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Array:
    """The p-norm of x1 - x2 along the last axis."""
    return ops.pairwise_distance(x1, x2, ord=p, eps=eps, keepdims=keepdim)


# -- look-up and attention --------------------------------------------------------------------


def one_hot(labels: Array, num_classes: int = -1) -> Array:
    """y[..., k] = 1 where k is the label, else 0: integers (...) -> integers (..., num_classes).

    -1 classes: as many as the largest label needs.
    """
    return ops.one_hot(labels, num_classes=num_classes)


def embedding(
    indices: Array,
    weight: Array,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
) -> Array:
    """The rows weight[indices]; the row `padding_idx` gets no gradient.

    Rows longer than `max_norm` are first cut to that length, in the table itself.
    """
    return ops.embedding(
        indices, weight, padding_idx=padding_idx, max_norm=max_norm, norm_type=norm_type
    )


def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Array:
    """softmax(Q K^T / sqrt(E)) V; Q (..., L, E), K (..., S, E), V (..., S, D) -> (..., L, D).

    attn_mask (..., L, S): boolean, True where a query may look at a key; or numbers to be added
    before the softmax. A query that may look nowhere gets 0. `is_causal`: only at keys j <= i.
    """
    return ops.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask,
        dropout_p=dropout_p,
        is_causal=is_causal,
        scale=scale,
        enable_gqa=enable_gqa,
    )


# -- shape ------------------------------------------------------------------------------------


@face
def flatten(x: Array, start_dim: int = 0, end_dim: int = -1) -> Array:
    """The axes start_dim..end_dim become one."""
    if not x.shape:
        return ops.reshape(x, (1,))
    first = normalize_axis(start_dim, len(x.shape), "flatten")
    last = normalize_axis(end_dim, len(x.shape), "flatten")
    if first > last:
        raise ShapeError(
            f"flatten: start_dim must not come after end_dim, got {start_dim} and {end_dim} for a "
            f"shape of {x.shape}"
        )
    merged = math.prod(x.shape[first : last + 1])
    return ops.reshape(x, (*x.shape[:first], merged, *x.shape[last + 1 :]))


@face
def unflatten(x: Array, dim: int, sizes: Sequence[int]) -> Array:
    """The axis `dim` becomes several, of the lengths `sizes` (one may be -1)."""
    axis = normalize_axis(dim, len(x.shape), "unflatten")
    full = list(sizes)
    if -1 in full:
        full[full.index(-1)] = -(x.shape[axis] // math.prod(full)) if math.prod(full) else 0
    if math.prod(full) != x.shape[axis]:
        raise ShapeError(
            f"unflatten: the sizes must multiply to the length of axis {dim}, got {tuple(sizes)} "
            f"for a shape of {x.shape}"
        )
    return ops.reshape(x, (*x.shape[:axis], *full, *x.shape[axis + 1 :]))


@face
def pad(
    x: Array,
    pad: Sequence[int],
    mode: Literal["constant", "reflect", "replicate", "circular"] = "constant",
    value: float | None = None,
) -> Array:
    """More at the ends of x: pad = (before, after) of the last axis, then of the one before, ...

    Negative numbers take away. `value` is what "constant" fills with, 0 unless given.

    >>> import numpy as np
    >>> pad(np.ones((1, 2)), (1, 0))
    array([[0., 1., 1.]])
    """
    if len(pad) % 2 or len(pad) > 2 * len(x.shape):
        raise ShapeError(
            f"pad: needs two numbers an axis, last axis first, got {tuple(pad)} for a shape of "
            f"{x.shape}"
        )
    widths = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    untouched = [(0, 0)] * (len(x.shape) - len(widths))
    return pad_sides(x, [*untouched, *widths[::-1]], mode=mode, value=value or 0.0)


def interpolate(
    x: Array,
    size: SizeLike | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Array:
    """x (N, C, ...) in another size: "nearest", "linear", "bilinear", "bicubic", "area", ..."""
    factor = tuple(scale_factor) if isinstance(scale_factor, Sequence) else scale_factor
    return ops.interpolate(
        x, size=size, scale_factor=factor, mode=mode, align_corners=bool(align_corners)
    )


def pixel_shuffle(x: Array, upscale_factor: int) -> Array:
    """(N, C r^2, H, W) -> (N, C, H r, W r), r = upscale_factor."""
    return ops.pixel_shuffle(x, upscale_factor=upscale_factor)


def pixel_unshuffle(x: Array, downscale_factor: int) -> Array:
    """(N, C, H r, W r) -> (N, C r^2, H, W), r = downscale_factor."""
    return ops.pixel_unshuffle(x, downscale_factor=downscale_factor)


def channel_shuffle(x: Array, groups: int) -> Array:
    """The channels of the groups dealt out in turn."""
    return ops.channel_shuffle(x, groups=groups)


def unfold(
    x: Array,
    kernel_size: SizeLike,
    dilation: SizeLike = 1,
    padding: SizeLike = 0,
    stride: SizeLike = 1,
) -> Array:
    """The windows of x as columns: (N, C, H, W) -> (N, C KH KW, L)."""
    return ops.unfold(x, kernel_size=kernel_size, dilation=dilation, padding=padding, stride=stride)


def fold(
    x: Array,
    output_size: SizeLike,
    kernel_size: SizeLike,
    dilation: SizeLike = 1,
    padding: SizeLike = 0,
    stride: SizeLike = 1,
) -> Array:
    """Columns back into windows, overlaps added: (N, C KH KW, L) -> (N, C, *output_size)."""
    return ops.fold(
        x,
        output_size=output_size,
        kernel_size=kernel_size,
        dilation=dilation,
        padding=padding,
        stride=stride,
    )


def _values(x: Array | None) -> Any:
    return x.data if isinstance(x, Tensor) else x
