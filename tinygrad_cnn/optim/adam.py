"""Adam, and AdamW, which decays the weights apart from the gradient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinygrad_cnn import kernels
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.optim.optimizer import Optimizer, State


class _AdaptiveMoments(Optimizer):
    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        amsgrad: bool,
        maximize: bool,
    ) -> None:
        options = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
        }
        super().__init__(params, options)

    def check(self, **options: Any) -> None:
        """Beside the signs: the betas are weights of running means."""
        super().check(**options)
        betas = options["betas"]
        if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
            raise ConfigError(
                f"{type(self).__name__}: betas are two numbers in [0, 1), got {betas}"
            )


class Adam(_AdaptiveMoments):
    """p <- p - lr m^ / (sqrt(v^) + eps), m and v the running means of g and g^2.

    m <- b1 m + (1 - b1) g,    m^ = m / (1 - b1^t)
    v <- b2 v + (1 - b2) g^2,  v^ = v / (1 - b2^t);    g = dL/dp + weight_decay * p

    Kingma and Ba 2014, "Adam", algorithm 1. `amsgrad` divides by the largest v so far (Reddi et al.
    2018, "On the Convergence of Adam and Beyond").

    >>> import tinygrad_cnn as tg
    >>> w = tg.nn.Parameter([1.0, -2.0])
    >>> (w**3).sum().backward()
    >>> tg.optim.Adam([w], lr=0.5).step()
    >>> [round(value, 6) for value in w.tolist()]  # the first step is lr * sign(g)
    [0.5, -2.5]
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize)

    def update(
        self,
        p: np.ndarray,
        g: np.ndarray,
        state: State,
        *,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        amsgrad: bool,
        maximize: bool,
    ) -> None:
        """One step, as in the docstring of the class."""
        _step(p, g, state, lr, betas, eps, weight_decay, amsgrad, maximize, decoupled=False)


class AdamW(_AdaptiveMoments):
    """p <- p - lr * weight_decay * p - lr m^ / (sqrt(v^) + eps), with m^ and v^ as in Adam.

    The decay does not pass through the running means, so that it shrinks all weights alike.
    Loshchilov and Hutter 2017, "Decoupled Weight Decay Regularization", algorithm 2.

    >>> import tinygrad_cnn as tg
    >>> w = tg.nn.Parameter([1.0])
    >>> (w * w).sum().backward()
    >>> tg.optim.AdamW([w], lr=0.25, weight_decay=1.0).step()
    >>> w.tolist()
    [0.5]
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize)

    def update(
        self,
        p: np.ndarray,
        g: np.ndarray,
        state: State,
        *,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        amsgrad: bool,
        maximize: bool,
    ) -> None:
        """One step, as in the docstring of the class."""
        _step(p, g, state, lr, betas, eps, weight_decay, amsgrad, maximize, decoupled=True)


def _step(
    p: np.ndarray,
    g: np.ndarray,
    state: State,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    amsgrad: bool,
    maximize: bool,
    decoupled: bool,
) -> None:
    """The step of `p`, and of the running means in `state`."""
    if not state:
        state.update(step=0, exp_avg=np.zeros_like(g), exp_avg_sq=np.zeros_like(g))
    state["step"] += 1
    g = np.negative(g) if maximize else g
    m, v, t = state["exp_avg"], state["exp_avg_sq"], state["step"]
    largest = state.setdefault("max_exp_avg_sq", np.zeros_like(g)) if amsgrad else None
    kernels.adam_step(p, g, m, v, largest, t, lr, betas, eps, weight_decay, decoupled)
