"""What a bare vjp= returned, as one gradient for each place; or in words what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.testing.arrays import Arrays, array_of


class WrongGradientShape(Exception):
    """A bare vjp= returned something else than one gradient of its input's shape for each input."""


def as_gradients(
    returned: Any, xs: Arrays, places: Sequence[int], inputs: int, labels: Sequence[str]
) -> Arrays:
    """One gradient of the right shape for each of the arrays xs, at some places of the inputs."""
    gradients = list(returned) if isinstance(returned, tuple | list) else [returned]
    for G in gradients:
        if G is not None and array_of(G).dtype.kind not in "fciub":
            raise WrongGradientShape(
                f"vjp returned {_indefinite(G)}; return a tuple of arrays, one gradient for "
                f"each input, None where there is none"
            )
    if len(gradients) == inputs:
        gradients = [gradients[i] for i in places]
    if returned is None and len(xs) > 1:
        raise WrongGradientShape(
            "vjp returned None: a forgotten return? Return a tuple of arrays, one gradient for "
            "each input"
        )
    if len(gradients) != len(xs):
        raise WrongGradientShape(
            f"vjp returned {len(gradients)} gradients for {inputs} inputs; return one for each, "
            f"None where there is none"
        )
    return [
        _of_shape(np.zeros_like(x) if G is None else array_of(G), x.shape, label)
        for G, x, label in zip(gradients, xs, labels, strict=True)
    ]


def _of_shape(G: np.ndarray, shape: tuple[int, ...], label: str) -> np.ndarray:
    if G.shape != shape:
        raise WrongGradientShape(_about_shapes(label, G.shape, shape))
    return G


def _indefinite(returned: Any) -> str:
    kind = type(returned).__name__
    article = "an" if kind[0] in "aeiou" or kind == "ndarray" else "a"
    dtype = f" of dtype {returned.dtype}" if isinstance(returned, np.ndarray) else ""
    return f"{article} {kind}{dtype}"


def _about_shapes(label: str, got: tuple[int, ...], want: tuple[int, ...]) -> str:
    message = f"vjp returned a gradient of shape {got} for {label} of shape {want}"
    try:
        broadcasts = np.broadcast_shapes(got, want) == got
    except ValueError:
        broadcasts = False
    if broadcasts and len(want) <= len(got):
        added = tuple(range(len(got) - len(want)))
        ones = tuple(a + len(added) for a, m in enumerate(want) if m == 1 != got[a + len(added)])
        return f"{message}: {label} is broadcast, so sum over axes {added + ones}"
    return message + (": it is transposed" if got == want[::-1] else "")
