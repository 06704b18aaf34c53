"""Attention: over the positions of a sequence, and over the channels of an image."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_cnn import ops
from tinygrad_cnn.errors import ShapeError
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.nn import init
from tinygrad_cnn.nn._options import divides, empty, probability
from tinygrad_cnn.nn.activation import ReLU, Sigmoid
from tinygrad_cnn.nn.convolution import Conv2d
from tinygrad_cnn.nn.functional import Array
from tinygrad_cnn.nn.linear import Linear
from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.nn.pooling import AdaptiveAvgPool2d


class MultiheadAttention(Module):
    """y = concat_h(softmax(Q_h K_h^T / sqrt(D)) V_h) W_o, where Q_h = query W_q_h and so on.

    D = E / heads; query (L, N, E), key (S, N, E) and value (S, N, E), or with the batch first,
    (N, L, E), if `batch_first`, or (L, E) without a batch. Returns (y, weights), y shaped as query,
    weights (N, L, S) averaged over the heads, or (N, heads, L, S), or None unless `need_weights`.

    Masks are those of PyTorch: `key_padding_mask` (N, S), True for keys to be left out;
    `attn_mask` (L, S) or (N * heads, L, S), True for pairs to be left out, or numbers to be added
    to the scores. A query that may look at no key gets the output projection of 0.
    Vaswani et al. 2017, "Attention Is All You Need", section 3.2.2.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> attention = tg.nn.MultiheadAttention(8, num_heads=2, batch_first=True)
    >>> x = tg.Tensor(np.zeros((3, 5, 8), np.float32))
    >>> y, weights = attention(x, x, x)
    >>> y.shape, weights.shape
    ((3, 5, 8), (3, 5, 5))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
    ) -> None:
        super().__init__()
        divides(self, "num_heads", num_heads, embed_dim=embed_dim)
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.dropout = probability(self, dropout)
        self.batch_first = batch_first
        sizes = (embed_dim, kdim or embed_dim, vdim or embed_dim)
        one_size = sizes == (embed_dim,) * 3
        self.in_proj_weight = empty(3 * embed_dim, embed_dim) if one_size else None
        self.q_proj_weight, self.k_proj_weight, self.v_proj_weight = (
            None if one_size else empty(embed_dim, size) for size in sizes
        )
        self.in_proj_bias = empty(3 * embed_dim) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Input projections by xavier_uniform_, biases 0, output projection as Linear's."""
        for name, weight in self.named_parameters(recurse=False):
            if name.endswith("weight"):
                init.xavier_uniform_(weight)
        self.out_proj.reset_parameters()
        if self.in_proj_bias is not None and self.out_proj.bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)

    def forward(
        self,
        query: Array,
        key: Array,
        value: Array,
        key_padding_mask: Array | None = None,
        need_weights: bool = True,
        attn_mask: Array | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Array, Array | None]:
        batched = query.ndim == 3
        q, k, v = (
            self._split_heads(F.linear(self._batch_first(x), weight, bias))
            for x, weight, bias in zip((query, key, value), *self._projections(), strict=True)
        )  # (N, heads, L or S, D)
        mask = _combine(attn_mask, key_padding_mask, q.shape)
        weights = ops.attention_weights(q, k, mask, is_causal=is_causal)  # (N, heads, L, S)
        y = ops.matmul(F.dropout(weights, self.dropout, self.training), v)  # (N, heads, L, D)
        y = ops.permute_dims(y, (0, 2, 1, 3))  # (N, L, heads, D)
        y = self.out_proj(ops.reshape(y, (*y.shape[:2], self.embed_dim)))
        y = y if self.batch_first else ops.permute_dims(y, (1, 0, 2))
        if average_attn_weights:
            weights = ops.mean(weights, axis=1)
        if not batched:
            y, weights = ops.reshape(y, query.shape), weights[0]
        return y, weights if need_weights else None

    def _acts_by_mode(self) -> bool:
        return self.dropout > 0

    def _projections(self) -> tuple[list[Array], list[Array]]:
        """The three weights (E, features) and the three biases (E,)."""
        parts = [slice(i * self.embed_dim, (i + 1) * self.embed_dim) for i in range(3)]
        whole, bias = self.in_proj_weight, self.in_proj_bias
        weights: list[Array] = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        if whole is not None:
            weights = [whole[part] for part in parts]
        return weights, [None if bias is None else bias[part] for part in parts]

    def _batch_first(self, x: Array) -> Array:
        """(L, N, E), (N, L, E) or (L, E) -> (N, L, E)."""
        if x.ndim not in (2, 3):
            raise ShapeError(
                "MultiheadAttention: takes query, key and value of two axes (length, features) or "
                f"three with a batch, got {x.shape}"
            )
        if x.ndim == 2:
            return ops.expand_dims(x, axis=0)
        return x if self.batch_first else ops.permute_dims(x, (1, 0, 2))

    def _split_heads(self, x: Array) -> Array:
        """(N, L, E) -> (N, heads, L, D)."""
        N, L, E = x.shape
        return ops.permute_dims(
            ops.reshape(x, (N, L, self.num_heads, E // self.num_heads)), (0, 2, 1, 3)
        )


def _combine(attn_mask: Array | None, padding: Array | None, q_shape: tuple[int, ...]) -> Any:
    """Both masks as one for the scores (N, heads, L, S): numbers to add, or True to look."""
    N, heads = q_shape[:2]
    masks = []
    if attn_mask is not None:
        pairs = attn_mask.shape[-2:]
        shape = pairs if attn_mask.ndim == 2 else (N, heads, *pairs)  # (N * heads, L, S) -> ...
        masks.append(ops.reshape(attn_mask, shape))
    if padding is not None:
        masks.append(ops.reshape(padding, (N, 1, 1, padding.shape[-1])))  # (N, S) -> (N, 1, 1, S)
    if not masks:
        return None
    if all(mask.dtype == bool for mask in masks):
        return ~functools.reduce(operator.or_, masks)
    added = [ops.where(mask, -np.inf, 0.0) if mask.dtype == bool else mask for mask in masks]
    return functools.reduce(operator.add, added)


class SqueezeExcitation(Module):
    """y = x * s, s[n,c] = sigmoid(W2 relu(W1 mean over positions of x[n] + b1) + b2).

    Each channel of x (N, C, H, W) is scaled by a number in 0..1 that all channels together decide,
    through a layer of `squeeze_channels`. Hu et al. 2018, "Squeeze-and-Excitation Networks",
    equations 2 to 4.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> tg.nn.SqueezeExcitation(8, squeeze_channels=2)(tg.Tensor(np.ones((4, 8, 5, 5)))).shape
    (4, 8, 5, 5)
    """

    def __init__(
        self,
        input_channels: int,
        squeeze_channels: int,
        activation: Callable[[], Module] = ReLU,
        scale_activation: Callable[[], Module] = Sigmoid,
    ) -> None:
        super().__init__()
        self.avgpool = AdaptiveAvgPool2d(1)
        self.fc1 = Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def forward(self, x: Array) -> Array:
        squeezed = self.activation(self.fc1(self.avgpool(x)))  # (N, squeeze_channels, 1, 1)
        return x * self.scale_activation(self.fc2(squeezed))
