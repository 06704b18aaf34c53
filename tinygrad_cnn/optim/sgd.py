"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinygrad_cnn import kernels
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.optim.optimizer import Optimizer, State


class SGD(Optimizer):
    """v <- mu v + (1 - dampening) g;  p <- p - lr v;  where g = dL/dp + weight_decay * p.

    mu is `momentum`, v starts as the first g. With `nesterov`, p <- p - lr (g + mu v).
    Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning",
    with the learning rate outside v, so that changing it acts at once.

    >>> import tinygrad_cnn as tg
    >>> w = tg.nn.Parameter([1.0])
    >>> optimizer = tg.optim.SGD([w], lr=0.25, momentum=0.5)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> w.tolist()  # 1 - 0.25 * 2 = 0.5, then v = 0.5 * 2 + 1 = 2
    [0.0]
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, options)

    def check(self, **options: Any) -> None:
        """Beside the signs: Nesterov's step needs momentum, undamped."""
        super().check(**options)
        if options["nesterov"] and (options["momentum"] == 0 or options["dampening"] != 0):
            raise ConfigError(
                "SGD: nesterov needs a momentum above 0 and dampening 0, got "
                f"momentum={options['momentum']}, dampening={options['dampening']}"
            )

    def update(
        self,
        p: np.ndarray,
        g: np.ndarray,
        state: State,
        *,
        lr: float,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
        maximize: bool,
    ) -> None:
        """One step, as in the docstring of the class."""
        g = np.negative(g) if maximize else g
        v = state.get("momentum_buffer")
        if momentum and v is None:
            v, dampening = state.setdefault("momentum_buffer", np.zeros_like(g)), 0.0  # v_1 = g_1
        v = v if momentum else None
        kernels.sgd_step(p, g, v, lr, momentum, dampening, weight_decay, nesterov)
