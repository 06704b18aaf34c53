"""Calls that a tier has no form for, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")

FEW = 4096  # elements, below which the plainest form is the fast one

_taken: Counter[str] = Counter()


def fall_back(kernel: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """kernel(*args), of a tier below; `fallbacks` tells."""
    arrays = [a for a in args if isinstance(a, np.ndarray)]
    if sum(a.size for a in arrays) >= FEW:
        dtypes = " and ".join(dict.fromkeys(str(a.dtype) for a in arrays))
        tier = kernel.__module__.split(".")[2]
        _taken[f"{kernel.__name__} of {dtypes}, {arrays[0].ndim} axes, by {tier}"] += 1
    return kernel(*args, **kwargs)


def fallbacks() -> dict[str, int]:
    """How often a tier had no form for a case and took that of one below, for each kind of case.

    Since the process began, in the order of their first calls, but for calls on a few thousand
    elements at most, which nobody waits for. Functions that a tier leaves to another altogether,
    since it could do no better (softmax, say), are no such cases.

    >>> import numpy as np
    >>> from tinygrad_cnn import kernels
    >>> before = kernels.fallbacks()
    >>> with kernels.use("blocked"):
    ...     _ = kernels.batch_stats(np.ones((20, 30, 40), np.complex64))
    >>> [case for case in kernels.fallbacks() if case not in before]
    ['batch_stats of complex64, 3 axes, by reference']
    """
    return dict(_taken)
