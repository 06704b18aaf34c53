"""What every layer asks of its options, stated once."""

from __future__ import annotations

import numpy as np

from tinygrad_cnn.core.modes import default_dtype
from tinygrad_cnn.core.tensor import Parameter
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.ops import windows
from tinygrad_cnn.ops.windows import Ints, SizeLike


def empty(*shape: int) -> Parameter:
    """A parameter of the default dtype, for an initialiser to fill."""
    return Parameter(np.empty(shape, default_dtype()))


def positive(layer: object, **sizes: int) -> None:
    """Every size is an integer of at least 1."""
    for name, size in sizes.items():
        if not isinstance(size, int | np.integer) or isinstance(size, bool) or size < 1:
            raise ConfigError(
                f"{type(layer).__name__}: {name} must be an integer of at least 1, got {size!r}"
            )


def divides(layer: object, name: str, divisor: int, **sizes: int) -> None:
    """The option `name` divides every size."""
    positive(layer, **{name: divisor}, **sizes)
    for size_name, size in sizes.items():
        if size % divisor:
            fitting = [d for d in range(1, size + 1) if size % d == 0]
            raise ConfigError(
                f"{type(layer).__name__}: {name} must divide {size_name}, got {name}={divisor} and "
                f"{size_name}={size}; {size} is divisible by {', '.join(map(str, fitting))}"
            )


def probability(layer: object, p: float) -> float:
    """`p`, if it lies in [0, 1]."""
    if not 0.0 <= p <= 1.0:
        raise ConfigError(
            f"{type(layer).__name__}: p is the probability of dropping, between 0 and 1, got {p}"
        )
    return p


def per_axis(layer: object, name: str, value: SizeLike, axes: int, least: int = 1) -> Ints:
    """An option as one integer for each spatial axis: 3 -> (3, 3)."""
    return windows.per_axis(value, axes, name, type(layer).__name__, least)
