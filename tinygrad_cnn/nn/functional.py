"""The functions behind the layers, under PyTorch's names and in its order of arguments.

Each is an op of `tinygrad_cnn.ops`, where its formula and its gradient stand. Tensors give Tensors;
arrays alone give arrays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from tinygrad_cnn import ops
from tinygrad_cnn.core.tensor import Tensor, wrap
from tinygrad_cnn.errors import DTypeError, ShapeError
from tinygrad_cnn.ops.axes import normalize_axis
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
) -> Array:
    """The maximum over windows of x (N, C, L)."""
    return ops.max_pool1d(
        x,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
    )


def max_pool2d(
    x: Array,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: SizeLike = 0,
    dilation: SizeLike = 1,
    ceil_mode: bool = False,
) -> Array:
    """The maximum over windows of x (N, C, H, W)."""
    return ops.max_pool2d(
        x,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
    )


def max_pool3d(
    x: Array,
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: SizeLike = 0,
    dilation: SizeLike = 1,
    ceil_mode: bool = False,
) -> Array:
    """The maximum over windows of x (N, C, D, H, W)."""
    return ops.max_pool3d(
        x,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
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
    """(sum |x|^p)^(1/p) over windows of x (N, C, L), p = norm_type."""
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
    """(sum |x|^p)^(1/p) over windows of x (N, C, H, W), p = norm_type."""
    return ops.lp_pool2d(
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


def elu(x: Array, alpha: float = 1.0) -> Array:
    """x where x > 0, else alpha * (exp(x) - 1)."""
    return ops.elu(x, alpha=alpha)


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


def softplus(x: Array, beta: float = 1.0) -> Array:
    """log(1 + exp(beta * x)) / beta."""
    return ops.softplus(x) if beta == 1.0 else ops.softplus(x * beta) / beta


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


# -- look-up and attention --------------------------------------------------------------------


def one_hot(labels: Array, num_classes: int = -1) -> Array:
    """y[..., k] = 1 where k is the label, else 0: integers (...) -> integers (..., num_classes).

    -1 classes: as many as the largest label needs.

    >>> import numpy as np
    >>> one_hot(np.array([0, 2]))
    array([[1, 0, 0],
           [0, 0, 1]])
    """
    k = _values(labels)
    if k.dtype.kind not in "iu":
        raise DTypeError(f"one_hot: labels are integers, got {k.dtype}")
    size = int(k.max(initial=-1)) + 1 if num_classes == -1 else num_classes
    if k.size and not (k.min() >= 0 and k.max() < size):
        raise ShapeError(
            f"one_hot: labels lie in 0..num_classes-1, got {k.min()}..{k.max()} with "
            f"num_classes={size}"
        )
    y = (k[..., None] == np.arange(size)).astype(np.int64)
    return wrap(y, None) if isinstance(labels, Tensor) else y


def embedding(indices: Array, weight: Array, padding_idx: int | None = None) -> Array:
    """The rows weight[indices]; the row `padding_idx` gets no gradient."""
    rows = ops.embedding(indices, weight)
    if padding_idx is None or not isinstance(rows, Tensor):
        return rows
    padding = _values(indices) == padding_idx % weight.shape[0]
    return ops.where(padding[..., None], rows.detach(), rows)


def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Array:
    """softmax(Q K^T / sqrt(E)) V; Q (..., L, E), K (..., S, E), V (..., S, D) -> (..., L, D).

    attn_mask (..., L, S): boolean, True where a query may look at a key; or numbers to be added
    before the softmax. A query that may look nowhere gets 0. `is_causal`: only at keys j <= i.
    Vaswani et al. 2017, "Attention Is All You Need", eq. 1.

    >>> import numpy as np
    >>> q = k = np.zeros((1, 2, 4))
    >>> v = np.array([[[0.0], [1.0]]])
    >>> scaled_dot_product_attention(q, k, v, is_causal=True).ravel()
    array([0. , 0.5])
    """
    weights = attention_weights(query, key, attn_mask, is_causal, scale)
    return ops.matmul(ops.dropout(weights, p=dropout_p), value)


def attention_weights(
    query: Array,
    key: Array,
    attn_mask: Array | None = None,
    is_causal: bool = False,
    scale: float | None = None,
) -> Array:
    """softmax(Q K^T / sqrt(E)), (..., L, S): how much each query looks at each key."""
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = ops.matmul(query * factor, ops.matrix_transpose(key))  # (..., L, S)
    allowed = None if attn_mask is None else _values(attn_mask)
    if allowed is not None and allowed.dtype != bool:
        scores, allowed = scores + attn_mask, None
    if is_causal:
        causal = np.tri(*scores.shape[-2:]).astype(bool)
        allowed = causal if allowed is None else allowed & causal
    if allowed is None:
        return ops.softmax(scores)
    # Not -inf: a row of them alone would be inf - inf. The second `where` makes such a row 0.
    low = np.finfo(scores.dtype).min / 2
    return ops.where(allowed, ops.softmax(ops.where(allowed, scores, low)), 0.0)


# -- shape ------------------------------------------------------------------------------------


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


def pad(x: Array, pad: Sequence[int], value: float = 0.0) -> Array:
    """Add `value` around x: pad = (before, after) of the last axis, then of the one before, ...

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
    return ops.pad(x, (*untouched, *widths[::-1]), value=value)


def _values(x: Array | None) -> Any:
    return x.data if isinstance(x, Tensor) else x
