"""What stride, padding and kernel sizes may be: one set of rules for convolution and pooling."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from tinygrad_cnn.errors import ConfigError, ShapeError
from tinygrad_cnn.ops.elementwise import astype

F = TypeVar("F", bound=Callable[..., Any])
Ints = tuple[int, ...]
SizeLike = int | Sequence[int]


def per_axis(value: Any, n: int, name: str, op: str, least: int = 1) -> Ints:
    """One integer for each of n spatial axes; a single number stands for all of them."""
    try:
        values = (
            tuple(operator.index(v) for v in value)
            if isinstance(value, Sequence) or np.ndim(value)
            else (operator.index(value),) * n
        )
    except TypeError:
        values = ()
    if len(values) != n or any(v < least for v in values):
        raise ConfigError(
            f"{op}: {name} must be an integer >= {least}, or {n} of them, got {value!r}"
        )
    return values


def check_images(x: Any, n: int, op: str) -> None:
    """x is a batch of images with channels: (N, C) and n spatial axes."""
    if len(x.shape) != n + 2:
        axes = ("L", "H, W", "D, H, W")[n - 1]
        hint = (
            f"; add a batch axis: x[None] has shape {(1, *x.shape)}"
            if len(x.shape) == n + 1
            else ""
        )
        raise ShapeError(f"{op}: x must have shape (N, C, {axes}), got {x.shape}{hint}")


def check_fits(size: Ints, kernel: Ints, padding: Ints, dilation: Ints, op: str, x: Ints) -> None:
    """The (dilated) window fits into the padded image at least once."""
    extent = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    if any(n + 2 * p < e for n, p, e in zip(size, padding, extent, strict=True)):
        raise ShapeError(
            f"{op}: the kernel, {extent} with its dilation, is larger than the image {size} with "
            f"padding {padding} (x {x}); pad more, or use a smaller kernel"
        )


def floating(x: Any) -> Any:
    """Integers (pixels) as float64, since their averages are no integers."""
    return x if x.dtype.kind in "fc" else astype(x, np.float64)


def options_of(implementation: Callable[..., Any]) -> Callable[[F], F]:
    """Show users of a function for n axes, f(x, **options), what options those are."""
    options = [
        p
        for p in inspect.signature(implementation).parameters.values()
        if p.kind is p.KEYWORD_ONLY and p.name != "n"
    ]

    def show(function: F) -> F:
        arrays = list(inspect.signature(function).parameters.values())[:-1]
        function.__signature__ = inspect.Signature([*arrays, *options])  # type: ignore[attr-defined]
        return function

    return show
