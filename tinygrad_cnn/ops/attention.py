"""Scaled dot-product attention: each query takes a mean of the values, weighted by the keys' fit.

    weights = softmax(Q K^T / sqrt(E))      y = weights V

Source: Vaswani et al., Attention is all you need, 2017, equation 1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import DTypeError, ShapeError
from tinygrad_cnn.ops.activation import softmax
from tinygrad_cnn.ops.elementwise import where
from tinygrad_cnn.ops.products import matmul
from tinygrad_cnn.ops.random import dropout
from tinygrad_cnn.ops.shape import matrix_transpose, repeat


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    *,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """softmax(Q K^T scale) V; Q (..., L, E), K (..., S, E), V (..., S, D) -> (..., L, D).

    attn_mask, broadcast to (..., L, S): booleans, True where a query may look at a key, or numbers
    that are added to the scores. A query that may look nowhere gets 0. is_causal: only at keys
    j <= i. scale: 1/sqrt(E) unless given. dropout_p drops weights, always: pass 0 outside training.
    enable_gqa: the heads (axis -3) of K and V each serve several heads of Q.

    >>> q = k = np.zeros((1, 2, 4))
    >>> v = np.array([[[0.0], [1.0]]])
    >>> scaled_dot_product_attention(q, k, v, is_causal=True).ravel()
    array([0. , 0.5])
    """
    if enable_gqa:
        key, value = _for_each_head(key, query, "key"), _for_each_head(value, query, "value")
    if key.shape[-2] != value.shape[-2]:
        raise ShapeError(
            f"scaled_dot_product_attention: takes a value for each key, key (..., S, E) and value "
            f"(..., S, D), got {key.shape} and {value.shape}"
        )
    weights = attention_weights(query, key, attn_mask, is_causal=is_causal, scale=scale)
    return matmul(dropout(weights, p=dropout_p), value)


def attention_weights(
    query: Any,
    key: Any,
    attn_mask: Any = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
) -> Any:
    """softmax(Q K^T scale), (..., L, S): how much each query looks at each key."""
    if min(query.ndim, key.ndim) < 2 or query.shape[-1] != key.shape[-1]:
        raise ShapeError(
            f"attention: query (..., L, E) and key (..., S, E) must have vectors of one length E, "
            f"got {query.shape} and {key.shape}"
        )
    factor = 1 / math.sqrt(max(query.shape[-1], 1)) if scale is None else scale
    scores = matmul(query * factor, matrix_transpose(key))  # (..., L, S)
    if attn_mask is None and not is_causal:
        return softmax(scores)
    if attn_mask is not None:
        scores = _masked(scores, attn_mask)
    if is_causal:
        scores = where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)
    nowhere = np.all(_values(scores) == -np.inf, axis=-1, keepdims=True)
    if not nowhere.any():
        return softmax(scores)
    return where(nowhere, 0.0, softmax(where(nowhere, 0.0, scores)))  # not inf - inf = NaN


def _masked(scores: Any, mask: Any) -> Any:
    """-inf where a boolean mask is False; the sum with a mask of numbers."""
    try:
        fits = np.broadcast_shapes(mask.shape, scores.shape) == scores.shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(
            f"attention: attn_mask must broadcast to the scores (..., L, S) = {scores.shape}, got "
            f"{mask.shape}"
        )
    if mask.dtype.kind not in "bf":
        raise DTypeError(
            f"attention: attn_mask holds booleans (True: may look) or floats (added to the "
            f"scores), got {mask.dtype}; convert it with astype(bool)"
        )
    return where(_values(mask), scores, -np.inf) if mask.dtype == bool else scores + mask


def _for_each_head(x: Any, query: Any, name: str) -> Any:
    """(..., h, S, E) -> (..., H, S, E): each head of x repeated for H/h heads of the query."""
    H, h = (a.shape[-3] if a.ndim > 2 else 0 for a in (query, x))
    if not h or H % h:
        raise ShapeError(
            f"scaled_dot_product_attention: with enable_gqa the heads (axis -3) of {name} must "
            f"divide those of query, got query {query.shape} and {name} {x.shape}"
        )
    return x if h == H else repeat(x, H // h, axis=-3)


def _values(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x
