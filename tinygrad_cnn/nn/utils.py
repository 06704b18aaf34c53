"""Helpers over lists of parameters: gradient clipping, and parameters as one vector."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import AnomalyError, ConfigError, ShapeError


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> float:
    """g <- g * min(1, max_norm / |g|), |g| the norm over all gradients together; returns |g|.

    Pascanu et al. 2013, "On the difficulty of training recurrent neural networks", algorithm 1.

    Raises:
        AnomalyError: the norm is NaN or infinite and `error_if_nonfinite` is set.

    >>> import tinygrad_cnn as tg
    >>> w = tg.nn.Parameter([3.0, 4.0])
    >>> w.grad = tg.Tensor([3.0, 4.0])
    >>> clip_grad_norm_([w], max_norm=1.0)
    5.0
    >>> w.grad.tolist()  # doctest: +ELLIPSIS
    [0.599999..., 0.799999...]
    """
    if max_norm < 0 or norm_type <= 0:
        raise ConfigError(
            f"clip_grad_norm_: needs max_norm >= 0 and norm_type > 0, got {max_norm}, {norm_type}"
        )
    grads = list(_gradients(parameters))
    total = _norm(np.array([_norm(g, norm_type) for g in grads]), norm_type)
    if error_if_nonfinite and not math.isfinite(total):
        raise AnomalyError(
            f"clip_grad_norm_: the norm of the gradients is {total}; look for the first op that "
            "makes it so with detect_anomaly(), or lower the learning rate"
        )
    if not total <= max_norm:  # so that a NaN norm makes every gradient NaN, not some of them
        for g in grads:
            g *= max_norm / (total + 1e-6)
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """g <- min(max(g, -clip_value), clip_value), elementwise."""
    if clip_value < 0:
        raise ConfigError(f"clip_grad_value_: clip_value is at least 0, got {clip_value}")
    for g in _gradients(parameters):
        np.clip(g, -clip_value, clip_value, out=g)


def parameters_to_vector(parameters: Iterable[Tensor]) -> np.ndarray:
    """All values, one after another, in an array of their own; (sum of sizes,)."""
    return np.concatenate([p.data.ravel() for p in parameters])


def vector_to_parameters(vec: np.ndarray, parameters: Iterable[Tensor]) -> None:
    """Write the values of a vector into the parameters: undoes `parameters_to_vector`."""
    targets = list(parameters)
    size = sum(p.size for p in targets)
    if vec.shape != (size,):
        raise ShapeError(
            f"vector_to_parameters: the parameters hold {size} values, so the vector is ({size},); "
            f"got {vec.shape}"
        )
    parts = np.split(vec, np.cumsum([p.size for p in targets])[:-1])
    for p, part in zip(targets, parts, strict=True):
        p.data[...] = part.reshape(p.shape)


def _gradients(parameters: Tensor | Iterable[Tensor]) -> Iterator[np.ndarray]:
    """The arrays of the gradients, which may be written to."""
    for p in [parameters] if isinstance(parameters, Tensor) else parameters:
        if p.grad is None:
            continue
        if p.grad.requires_grad:  # made with create_graph=True: a graph reads that array
            p.grad = Tensor(p.grad)
        yield p.grad.data


def _norm(x: np.ndarray, order: float) -> float:
    """(sum |x|^order)^(1/order)."""
    if order == math.inf:
        return float(np.max(np.abs(x), initial=0.0))
    if order == 2:
        flat = x.ravel()
        return math.sqrt(float(np.vdot(flat, flat).real))
    return math.pow(float(np.sum(np.abs(x) ** order)), 1 / order)
