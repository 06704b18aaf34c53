"""RMSprop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.optim.optimizer import Optimizer, State, penalized


class RMSprop(Optimizer):
    """v <- alpha v + (1 - alpha) g^2;  p <- p - lr g / (sqrt(v) + eps).

    g = dL/dp + weight_decay * p. `centered` divides by the standard deviation instead,
    sqrt(v - mean(g)^2); `momentum` mu sums the quotients q up before they move p:
    u <- mu u + q, p <- p - lr u.
    Tieleman and Hinton 2012, lecture 6.5; centered and with momentum: Graves 2013, "Generating
    Sequences With Recurrent Neural Networks", eq. 38-45.

    >>> import tinygrad_cnn as tg
    >>> w = tg.nn.Parameter([1.0])
    >>> (w * 2).sum().backward()
    >>> tg.optim.RMSprop([w], lr=0.5, alpha=0.75).step()  # v = 1/4 * 2^2, and 2 / sqrt(v) = 2
    >>> round(w.item(), 6)
    0.0
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
        }
        super().__init__(params, options)

    def check(self, **options: Any) -> None:
        """Beside the signs: alpha is the weight of a running mean."""
        super().check(**options)
        if options["alpha"] > 1:
            raise ConfigError(f"RMSprop: alpha lies between 0 and 1, got {options['alpha']}")

    def update(
        self,
        p: np.ndarray,
        g: np.ndarray,
        state: State,
        *,
        lr: float,
        alpha: float,
        eps: float,
        weight_decay: float,
        momentum: float,
        centered: bool,
        maximize: bool,
    ) -> None:
        """One step, as in the docstring of the class."""
        a, b = self.scratch(p)
        g = penalized(g, p, weight_decay, maximize, out=a)
        state["step"] = state.get("step", 0) + 1
        v = _running_mean(state, "square_avg", np.square(g, out=b), alpha, b)
        if centered:
            mean = _running_mean(state, "grad_avg", g, alpha, b)
            v = np.subtract(v, np.square(mean, out=b), out=b)
        root = np.sqrt(v, out=b)
        root += eps
        q = np.divide(g, root, out=b)
        if momentum:
            u = state.setdefault("momentum_buffer", np.zeros_like(p))
            u *= momentum
            u += q
            q = u
        p -= np.multiply(q, lr, out=b)


def _running_mean(
    state: State, name: str, x: np.ndarray, weight: float, out: np.ndarray
) -> np.ndarray:
    """mean <- weight * mean + (1 - weight) * x, in place, from 0; `out` is for the product."""
    mean: np.ndarray = state.setdefault(name, np.zeros_like(x))
    mean *= weight
    mean += np.multiply(x, 1 - weight, out=out)
    return mean
