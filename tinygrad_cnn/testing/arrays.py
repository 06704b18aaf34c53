"""The arrays in what goes into a function and comes out of it; their sizes, and random ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.node import Leaf
from tinygrad_cnn.core.tensor import Tensor, wrap
from tinygrad_cnn.ops import alias
from tinygrad_cnn.transforms import flatten_tree

Arrays = list[np.ndarray]


def leaf(x: np.ndarray) -> Tensor:
    """A leaf on this very array: its memory layout matters, and Tensor() would tidy it."""
    return wrap(x, Leaf(x.shape, x.dtype))


def fresh(x: Tensor) -> Tensor:
    """A Tensor of its own with the same numbers: derived from x if that records, else a leaf."""
    return alias(x) if x.requires_grad else leaf(x.data)


def array_of(x: Any) -> np.ndarray:
    """That of a Tensor, or what NumPy makes of anything else."""
    return x.data if isinstance(x, Tensor) else np.asarray(x)


def is_float(x: np.ndarray) -> bool:
    """Real or complex."""
    return x.dtype.kind in "fc"


def holds_floats(x: Any) -> bool:
    """Arrays, Tensors and numbers that are floats, and lists of them; not None, strings, shapes."""
    if isinstance(x, Tensor | np.ndarray | np.generic | float | complex):
        return is_float(array_of(x))
    return isinstance(x, list) and bool(x) and all(map(holds_floats, x))


def float_leaves(result: Any) -> list[Any]:
    """The outputs that hold floats, in order, as f returned them."""
    return [y for y in flatten_tree(result)[0] if y is not None and is_float(array_of(y))]


def float_outputs(result: Any) -> Arrays:
    """The same as arrays."""
    return [array_of(y) for y in float_leaves(result)]


def copies_of(xs: Sequence[np.ndarray]) -> Arrays:
    """Copies, for an f or a VJP that writes into what it is given."""
    return [x.copy(order="K") for x in xs]


def flat(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """All elements in one vector, in C order."""
    return np.concatenate([np.zeros(0), *(np.ravel(a) for a in arrays)])


def size_of(x: np.ndarray) -> float:
    """A power of two near the root mean square of the finite elements; 1 for none, or zeros."""
    finite = np.abs(x[np.isfinite(x)]).astype(np.float64)
    largest = float(finite.max(initial=0.0))
    if largest == 0.0:
        return 1.0
    mean = largest * float(np.sqrt(np.mean((finite / largest) ** 2)))
    return float(2.0 ** np.clip(np.round(np.log2(mean)), -960, 960))


def spread(rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    """Gaussian numbers moved away from zero by 1/2; no two are equal, none is small."""
    z = np.asarray(rng.standard_normal(like.shape))
    z = z + np.copysign(0.5, z)
    if like.dtype.kind == "c":
        w = np.asarray(rng.standard_normal(like.shape))
        z = z + 1j * (w + np.copysign(0.5, w))
    return np.asarray(z)


def element(x: np.ndarray, i: int) -> tuple[int, ...]:
    """The index of the i-th element of x, in C order."""
    return tuple(int(j) for j in np.unravel_index(i, x.shape))
