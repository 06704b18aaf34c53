"""Machine code, compiled by Numba (extra `fast`): the same functions as `reference`.

What is not defined here is taken from `blocked`; so are single calls that no compiled form covers.
"""

from __future__ import annotations

from tinygrad_cnn.kernels.blocked.workers import watch_with
from tinygrad_cnn.kernels.compiled.activation import leaky_relu, leaky_relu_grad
from tinygrad_cnn.kernels.compiled.convolution import conv, conv_input, conv_weight
from tinygrad_cnn.kernels.compiled.loss import softmax_cross_entropy
from tinygrad_cnn.kernels.compiled.normalization import (
    batch_norm,
    batch_norm_grad,
    batch_stats,
    channel_sum,
)
from tinygrad_cnn.kernels.compiled.optimizer import adam_step, sgd_step
from tinygrad_cnn.kernels.compiled.pooling import (
    max_pool,
    sum_pool,
    sum_pool_input,
    window_scatter,
)
from tinygrad_cnn.kernels.compiled.resampling import resample
from tinygrad_cnn.kernels.compiled.watching import watch

__all__ = [
    "adam_step",
    "batch_norm",
    "batch_norm_grad",
    "batch_stats",
    "channel_sum",
    "conv",
    "conv_input",
    "conv_weight",
    "leaky_relu",
    "leaky_relu_grad",
    "max_pool",
    "resample",
    "sgd_step",
    "softmax_cross_entropy",
    "sum_pool",
    "sum_pool_input",
    "window_scatter",
]

watch_with(watch)
