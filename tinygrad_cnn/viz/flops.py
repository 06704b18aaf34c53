"""How much arithmetic an op does, from the shapes that it meets.

One addition, multiplication, comparison or elementary function is one operation; a multiply-add is
two. So a convolution has 2 N F OH OW (C/G) KH KW of them, plus N F OH OW for a bias. Moving data
(reshape, getitem) costs none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from tinygrad_cnn.core.op import Op

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]


def flops(op: Op, shapes: Shapes, out: Shape, static: Mapping[str, Any]) -> int | None:
    """The operations of one run of `op`; None for an op that this table does not know.

    >>> from tinygrad_cnn.core.op import REGISTRY
    >>> flops(REGISTRY["linear"], {"x": (5, 3), "w": (4, 3), "b": (4,)}, (5, 4), {})
    140
    """
    if op.name in _BY_NAME:
        return _BY_NAME[op.name](shapes, math.prod(out), static)
    if op.family in _PER_OUTPUT:
        return math.prod(out)
    if op.family in _PER_INPUT:
        return sum(math.prod(shape) for shape in shapes.values())
    return 0 if op.family in _NONE else None


_PER_OUTPUT = ("elementwise", "activation", "random", "logic")
_PER_INPUT = ("reduction", "scan")
_NONE = ("shape", "indexing")


def _with_bias(products: int, shapes: Shapes, size: int) -> int:
    return 2 * products + (size if "b" in shapes else 0)


def _attention(size: int, D: int, L: int, E: int) -> int:
    return size // E * L * (2 * D + 5 + 2 * E)


_BY_NAME: dict[str, Callable[[Shapes, int, Mapping[str, Any]], int]] = {
    "conv": lambda s, size, _: _with_bias(size * math.prod(s["w"][1:]), s, size),
    "conv_input": lambda s, size, _: 2 * math.prod(s["g"]) * math.prod(s["w"][1:]),
    # every (sample, filter, position) of g meets one filter's worth of weights: size / F
    "conv_weight": lambda s, size, _: 2 * math.prod(s["g"]) * (size // s["g"][1]),
    "linear": lambda s, size, _: _with_bias(size * s["w"][1], s, size),
    "matmul": lambda s, size, _: 2 * size * s["x1"][-1],
    "max_pool": lambda s, size, k: size * math.prod(k["kernel"]),
    "sum_pool": lambda s, size, k: size * math.prod(k["kernel"]),
    # subtract the maximum, exp, sum, divide (or log and subtract), and find the maximum
    "softmax": lambda s, size, _: 5 * size,
    "log_softmax": lambda s, size, _: 5 * size,
    "softmax_cross_entropy": lambda s, size, _: 5 * math.prod(s["logits"]),
    "batch_norm_train": lambda s, size, _: 4 * size,  # (x - mean) rstd weight + bias
    "scale_shift": lambda s, size, _: 2 * size,
    # those of models.custom
    "conv_by_columns": lambda s, size, _: 2 * size * math.prod(s["w"][1:]),
    "squeeze_excite": lambda s, size, _: 2 * size + 4 * s["x"][0] * math.prod(s["a"]),
    # q . k, its softmax, and the average of v: N L L times 2 D, 5 and 2 E
    "attend": lambda s, size, _: _attention(size, s["q"][1], s["q"][2], s["v"][1]),
    "lp_mean": lambda s, size, _: 3 * math.prod(s["x"]) + size,
    "mixed_pool": lambda s, size, _: 2 * math.prod(s["x"]) + 3 * size,
    "gated": lambda s, size, _: 4 * size,
}
