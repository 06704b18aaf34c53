"""Attention and look-ups."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.cases.table import case
from tests.oracle import Draw, F, Sample, torch
from tinygrad_cnn import ops


def attending(d: Draw) -> Sample:
    """Queries, keys and values in batches and heads; masks that leave some queries nothing."""
    batch, L, S = d.of((), (2,), (1, 3)), d.int(1, 3), d.int(1, 4)
    E, D = d.int(1, 4), d.int(1, 3)
    xs = [d.real(*batch, L, E, high=4.0), d.real(*batch, S, E, high=4.0), d.real(*batch, S, D)]
    options: dict[str, Any] = {"scale": d.of(None, None, 0.3)}
    kind = d.of("none", "causal", "boolean", "numbers", "infinite")
    if kind == "causal":
        options["is_causal"] = True
    if kind == "boolean":
        options["attn_mask"] = d.mask(*d.of(batch, ()), L, S)
    if kind == "numbers":
        options["attn_mask"] = d.real(L, S)
    if kind == "infinite":
        options["attn_mask"] = np.where(d.mask(L, S), 0.0, -np.inf)
    return xs, options


def with_a_learned_mask(d: Draw) -> Sample:
    return [d.real(2, 3, 4), d.real(2, 5, 4), d.real(2, 5, 2), d.real(3, 5)], {}


def grouped(d: Draw) -> Sample:
    h, times = d.int(1, 2), d.int(1, 3)
    return [d.real(2, h * times, 3, 4), d.real(2, h, 5, 4), d.real(2, h, 5, 2)], {}


def looked_up(d: Draw) -> Sample:
    """Rows other than the padding, whose gradient is not the derivative."""
    rows = d.rng.integers(0, 3, d.shape(0, 2, empty=False))
    return [rows, d.real(4, 3)], {"padding_idx": d.of(None, 3, -1)}


def as_torch(options: dict[str, Any]) -> dict[str, Any]:
    return {k: torch.tensor(v.copy()) if np.ndim(v) else v for k, v in options.items()}


def torch_attention(*xs: Any, **options: Any) -> Any:
    """By the formula: PyTorch's fast kernel has no second derivative."""
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        return F.scaled_dot_product_attention(*xs, **as_torch(options))


CASES = [
    case(
        "scaled_dot_product_attention",
        attending,
        None,
        torch_attention,
    ),
    case("scaled_dot_product_attention with a learned mask", with_a_learned_mask),
    case(
        "scaled_dot_product_attention of grouped heads",
        grouped,
        lambda *xs: ops.scaled_dot_product_attention(*xs, enable_gqa=True),
        lambda *xs: F.scaled_dot_product_attention(*xs, enable_gqa=True),
    ),
    case(
        "attention_weights",
        lambda d: ([d.real(2, 3, 4), d.real(2, 5, 4)], {}),
        None,
        lambda q, k: torch.softmax(q @ k.mT / 2, -1),
    ),
    case("embedding with padding", looked_up, None, lambda *xs, **k: F.embedding(*xs, **k)),
]
