"""Fast NumPy: the same functions as `reference`, arranged so that the work stays in the cache.

What is not defined here is taken from `reference`; so are single calls that a fast form does not
cover (each says so in its first lines).
"""

from __future__ import annotations

from tinygrad_cnn.kernels.blocked.activation import leaky_relu, leaky_relu_grad
from tinygrad_cnn.kernels.blocked.convolution import conv, conv_input, conv_weight
from tinygrad_cnn.kernels.blocked.matrix import matmul
from tinygrad_cnn.kernels.blocked.normalization import batch_norm, batch_norm_grad, batch_stats
from tinygrad_cnn.kernels.blocked.optimizer import adam_step, sgd_step
from tinygrad_cnn.kernels.blocked.pooling import (
    max_pool,
    sum_pool,
    sum_pool_input,
    window_gather,
    window_scatter,
)
from tinygrad_cnn.kernels.blocked.resampling import resample

__all__ = [
    "adam_step",
    "batch_norm",
    "batch_norm_grad",
    "batch_stats",
    "conv",
    "conv_input",
    "conv_weight",
    "leaky_relu",
    "leaky_relu_grad",
    "matmul",
    "max_pool",
    "resample",
    "sgd_step",
    "sum_pool",
    "sum_pool_input",
    "window_gather",
    "window_scatter",
]
