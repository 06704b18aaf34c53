"""Normalisation: subtract a mean, divide by a standard deviation, scale and shift.

They differ in what the mean and the variance are taken over, for x of shape (N, C, *S):

    batch_norm     N and S, for each channel           (Ioffe and Szegedy 2015, algorithm 1)
    layer_norm     the trailing axes, for each sample  (Ba, Kiros and Hinton 2016)
    group_norm     S and the channels of a group       (Wu and He 2018)
    instance_norm  S, for each sample and channel      (Ulyanov et al. 2016)

One fused op serves them all: it normalises the channels of (N, C, *S), and a layer, a group or an
instance is a channel of the same numbers in another shape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_cnn import kernels
from tinygrad_cnn.core.op import op
from tinygrad_cnn.core.tensor import Tensor, another_name
from tinygrad_cnn.errors import ConfigError, ShapeError
from tinygrad_cnn.ops.elementwise import sqrt
from tinygrad_cnn.ops.reduction import channel_sum, mean
from tinygrad_cnn.ops.shape import reshape, tile
from tinygrad_cnn.ops.windows import floating


def normalize(x: Any, axes: tuple[int, ...], eps: float) -> Any:
    """(x - mean) / sqrt(var + eps), mean and (biased) variance taken over `axes`."""
    d = x - mean(x, axis=axes, keepdims=True)
    return d / sqrt(mean(d * d, axis=axes, keepdims=True) + eps)


def _per_channel(p: Any, ndim: int) -> Any:
    return reshape(p, (-1,) + (1,) * (ndim - 2))  # (C,) -> (C, 1, 1)


def _check_per_channel(x: Any, op_name: str, **arrays: Any) -> None:
    channels = x.shape[1]
    for name, p in arrays.items():
        if p is not None and p.shape != (channels,):
            raise ShapeError(
                f"{op_name}: {name} must have one entry for each of the {channels} channels of "
                f"x {x.shape}, got shape {p.shape}"
            )


def _batch_norm_in_primitives(
    x: Any, weight: Any, bias: Any, /, *, mean: Any, rstd: Any, eps: float
) -> Any:
    """The definition; `mean` and `rstd` are computed again, so that gradients flow through them."""
    axes = (0, *range(2, x.ndim))
    y = normalize(x, axes, eps)
    return y * _per_channel(weight, x.ndim) + _per_channel(bias, x.ndim)


@op(reference=_batch_norm_in_primitives)
def batch_norm_train(x, weight, bias, /, *, mean, rstd, eps):
    """y = (x - mean) rstd weight + bias, where mean and rstd = 1/sqrt(var + eps) are x's own.

    They are handed over, having been computed for the running averages already.
    """
    return kernels.batch_norm(x, mean, rstd, weight, bias)


batch_norm_train.vjp_joint(
    # with z = (x - mean) rstd:  dx = weight rstd (g - mean(g) - z mean(g z)),
    # dweight = sum(g z), dbias = sum(g)
    lambda g, _y, x, weight, _bias, mean, rstd, eps: kernels.batch_norm_grad(
        g, x, mean, rstd, weight
    )
)


@op
def scale_shift(x, slope, shift, /):
    """y[n,c,...] = x[n,c,...] slope[c] + shift[c]"""
    zeros, ones = np.zeros(x.shape[1], x.dtype), np.ones(x.shape[1], x.dtype)
    return kernels.batch_norm(x, zeros, slope, ones, shift)


scale_shift.vjp(
    lambda g, _y, _x, slope, _shift: g * _per_channel(slope, g.ndim),
    lambda g, _y, x, _slope, _shift: channel_sum(g * x),
    lambda g, _y, _x, _slope, _shift: channel_sum(g),
)


def batch_norm(
    x: Any,
    running_mean: np.ndarray | None,
    running_var: np.ndarray | None,
    weight: Any = None,
    bias: Any = None,
    *,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """y[n,c,...] = (x[n,c,...] - mean[c]) / sqrt(var[c] + eps) * weight[c] + bias[c]

    training=True takes the mean and the biased variance of this batch, over all axes but the
    second, and moves the running arrays (written in place) a step `momentum` towards the batch's
    mean and *unbiased* variance; otherwise the running ones are used. x (N, C) or (N, C, *S), the
    others (C,).

    Source: Ioffe and Szegedy, Batch normalization, 2015, algorithms 1 and 2.
    """
    if x.ndim < 2:
        raise ShapeError(f"batch_norm: x must have shape (N, C, ...), got {x.shape}")
    channels = x.shape[1]
    _check_per_channel(
        x,
        "batch_norm",
        weight=weight,
        bias=bias,
        running_mean=running_mean,
        running_var=running_var,
    )
    x = floating(x)
    weight = np.ones(channels, x.dtype) if weight is None else weight
    bias = np.zeros(channels, x.dtype) if bias is None else bias
    if not training:
        if running_mean is None or running_var is None:
            raise ConfigError(
                "batch_norm: with training=False it needs running_mean and running_var"
            )
        rstd = 1 / np.sqrt(running_var + eps)
        slope = weight * rstd.astype(x.dtype)
        shift = slope * -running_mean.astype(x.dtype) + bias  # bias last: it may be an array
        return scale_shift(x, slope, shift)
    n = x.size // channels if channels else 0
    if n <= 1:
        raise ShapeError(
            f"batch_norm: in training mode needs more than one value a channel, got x {x.shape}; "
            f"use a larger batch, or eval()"
        )
    mean_, var_ = kernels.batch_stats(x.data if isinstance(x, Tensor) else x)
    if running_mean is not None and running_var is not None:
        running_mean += momentum * (mean_ - running_mean)
        running_var += momentum * (var_ * (n / (n - 1)) - running_var)
    return batch_norm_train(x, weight, bias, mean=mean_, rstd=1 / np.sqrt(var_ + eps), eps=eps)


def layer_norm(
    x: Any,
    normalized_shape: int | Sequence[int],
    weight: Any = None,
    bias: Any = None,
    *,
    eps: float = 1e-5,
) -> Any:
    """Normalised over the trailing axes, of shape `normalized_shape`, times weight plus bias.

    weight and bias have that shape, too.
    """
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ShapeError(
            f"layer_norm: x must end in the axes normalized_shape={shape}, got {x.shape}"
        )
    for name, p in (("weight", weight), ("bias", bias)):
        if p is not None and p.shape != shape:
            raise ShapeError(
                f"layer_norm: {name} must have shape normalized_shape={shape}, got {p.shape}"
            )
    M, D = math.prod(x.shape[: x.ndim - len(shape)]), math.prod(shape)
    y = reshape(_standardize(reshape(x, (M, D)), eps), x.shape)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def group_norm(
    x: Any, num_groups: int, weight: Any = None, bias: Any = None, *, eps: float = 1e-5
) -> Any:
    """Normalised over each of `num_groups` groups of channels, sample by sample; x (N, C, *S).

    weight and bias (C,).
    """
    if x.ndim < 2:
        raise ShapeError(f"group_norm: x must have shape (N, C, ...), got {x.shape}")
    N, C, *S = x.shape
    if not isinstance(num_groups, int) or num_groups < 1 or C % num_groups:
        raise ConfigError(
            f"group_norm: num_groups must divide the {C} channels of x {x.shape}, got {num_groups}"
        )
    _check_per_channel(x, "group_norm", weight=weight, bias=bias)
    G, D = N * num_groups, C // num_groups * math.prod(S)
    y = reshape(_standardize(reshape(x, (G, D)), eps), x.shape)  # (N, C, *S) -> (N G, C/G S)
    y = y if weight is None else y * _per_channel(weight, x.ndim)
    return y if bias is None else y + _per_channel(bias, x.ndim)


def _standardize(x: Any, eps: float) -> Any:
    """(x - mean) / sqrt(var + eps) along each row of x (M, D)."""
    M, D = x.shape
    if x.size == 0:
        return another_name(x)
    channels = reshape(floating(x), (1, M, D))
    mean_, var_ = kernels.batch_stats(channels.data if isinstance(x, Tensor) else channels)
    ones, zeros = np.ones(M, channels.dtype), np.zeros(M, channels.dtype)
    rstd = 1 / np.sqrt(var_ + eps)
    return reshape(batch_norm_train(channels, ones, zeros, mean=mean_, rstd=rstd, eps=eps), (M, D))


def instance_norm(
    x: Any,
    weight: Any = None,
    bias: Any = None,
    *,
    running_mean: np.ndarray | None = None,
    running_var: np.ndarray | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Normalised over the spatial axes, for each sample and channel; x (N, C, *S), the others (C,).

    Running arrays, where given, move (written in place) a step `momentum` towards the mean over the
    samples of each one's mean and unbiased variance; use_input_stats=False normalises by them.
    """
    arrays = {
        "weight": weight,
        "bias": bias,
        "running_mean": running_mean,
        "running_var": running_var,
    }
    if x.ndim < 3:
        raise ShapeError(f"instance_norm: x must have shape (N, C, *S), got {x.shape}")
    _check_per_channel(x, "instance_norm", **arrays)
    if not use_input_stats:
        return batch_norm(x, running_mean, running_var, weight, bias, eps=eps)
    N, C, *S = x.shape
    if math.prod(S) == 1:
        raise ShapeError(
            f"instance_norm: needs more than one position a channel, got x {x.shape}; a single one "
            f"would always become 0"
        )
    if x.size == 0:
        return another_name(x)
    # Each sample's channel is a channel of its own: (N, C, *S) -> (1, N C, *S).
    many: dict[str, Any] = {k: None if p is None else tile(p, (N,)) for k, p in arrays.items()}
    y = batch_norm(reshape(x, (1, N * C, *S)), **many, training=True, momentum=momentum, eps=eps)
    if running_mean is not None and running_var is not None:
        running_mean[...] = many["running_mean"].reshape(N, C).mean(0)
        running_var[...] = many["running_var"].reshape(N, C).mean(0)
    return reshape(y, x.shape)
