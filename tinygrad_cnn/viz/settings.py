"""An op's settings in a few words: `3x3, stride 2` instead of every keyword."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Op

NONE: Mapping[str, Any] = {}
LONGEST = 32
# What a reader takes for granted and therefore need not read.
USUAL: dict[str, Any] = {
    "stride": 1,
    "padding": 0,
    "dilation": 1,
    "groups": 1,
    "output_padding": 0,
    "keepdims": False,
    "ceil_mode": False,
    "dtype": None,
    "copy": None,
    "axis": None,
    "eps": 1e-5,
    "value": 0,
}
# The output's shape says these.
SEEN: Mapping[str, Callable[[str], bool]] = {
    "shape": lambda op: op in ("reshape", "broadcast_to", "sum_to"),
    "size": lambda op: op.startswith("conv"),
}


def describe(
    op: Op,
    static: Mapping[str, Any],
    scalars: Iterable[tuple[str, Any]] = (),
    shapes: Mapping[str, tuple[int, ...] | None] = NONE,
) -> str:
    """The settings worth reading, separated by commas.

    >>> from tinygrad_cnn import ops
    >>> from tinygrad_cnn.core.op import REGISTRY
    >>> describe(REGISTRY["max_pool"], {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0)})
    'kernel 2, stride 2'
    >>> describe(REGISTRY["pad"], {"pad_width": ((0, 0), (0, 16)), "mode": "constant"})
    '(0, 16) on axis 1, mode constant'
    """
    words = [f"{name}={_short(value)}" for name, value in scalars]
    if op.family == "convolution" and (weight := shapes.get("w")):
        words.append(f"kernel {_short(_one_if_equal(weight[2:]))}")
    for name, value in static.items():
        value = _one_if_equal(value)
        if isinstance(value, np.ndarray) or (name in SEEN and SEEN[name](op.name)):
            continue
        if name in USUAL and value == USUAL[name]:
            continue
        if name == "pad_width":  # a pair an axis, most of them (0, 0)
            words += [f"({a:d}, {b:d}) on axis {i}" for i, (a, b) in enumerate(value) if a or b]
            continue
        words.append(_short(value) if name == "index" else f"{name} {_short(value)}")
    return ", ".join(words)


def _one_if_equal(value: Any) -> Any:
    """(2, 2) says no more than 2."""
    equal = isinstance(value, tuple) and len(value) > 1 and all(v == value[0] for v in value[1:])
    return value[0] if equal and isinstance(value[0], int) else value


def _short(value: Any) -> str:
    if isinstance(value, slice):
        parts = ["" if v is None else str(v) for v in (value.start, value.stop, value.step)]
        return ":".join(parts if value.step is not None else parts[:2])
    if isinstance(value, tuple | list) and any(isinstance(v, slice) for v in value):
        return f"[{', '.join(_short(v) for v in value)}]"
    if value is Ellipsis:
        return "..."
    if isinstance(value, float | np.floating):
        return f"{float(value):.4g}"
    text = str(value.item() if isinstance(value, np.ndarray | np.generic) else value)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
