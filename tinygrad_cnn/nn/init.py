"""Initial values for parameters, written in place; the only source of randomness is `modes.rng()`.

Numbers are drawn in float64 and rounded to the parameter's dtype, so that a seed gives the same
weights in every dtype, up to rounding.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_cnn.core.modes import rng
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import ConfigError, ShapeError

_GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


def calculate_gain(nonlinearity: str, param: float = 0.01) -> float:
    """The factor on a weight's standard deviation that keeps the variance behind a nonlinearity.

    sqrt(2 / (1 + a^2)) for a leaky ReLU of slope a (`param`), so sqrt(2) for ReLU; 5/3 for tanh.
    He et al. 2015, "Delving Deep into Rectifiers", eq. 15.

    >>> calculate_gain("leaky_relu", 1.0)
    1.0
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + param**2))
    if nonlinearity not in _GAINS:
        known = ", ".join(sorted([*_GAINS, "leaky_relu"]))
        raise ConfigError(f"calculate_gain: no gain for {nonlinearity!r}; known are {known}")
    return _GAINS[nonlinearity]


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (out, in, *kernel): numbers feeding, and fed by, one unit.

    >>> fans((16, 3, 5, 5))
    (75, 400)
    """
    if len(shape) < 2:
        raise ShapeError(
            f"fan-in and fan-out need a weight of two axes or more (out, in, ...), got {shape}; "
            "use uniform_, normal_ or zeros_ for vectors"
        )
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Draw from U(a, b)."""
    return _write(tensor, rng().uniform(a, b, tensor.shape))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Draw from N(mean, std^2)."""
    return _write(tensor, rng().normal(mean, std, tensor.shape))


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0
) -> Tensor:
    """Draw from N(mean, std^2) restricted to [a, b]: what falls outside is drawn again."""
    if not (a < b and std > 0 and a - 4 * std <= mean <= b + 4 * std):
        raise ConfigError(
            f"trunc_normal_: needs a < b, std > 0 and a mean within 4 std of [a, b], got "
            f"mean={mean}, std={std}, a={a}, b={b}"
        )
    x = rng().normal(mean, std, tensor.shape)
    while (outside := (x < a) | (x > b)).any():
        x[outside] = rng().normal(mean, std, int(outside.sum()))
    return _write(tensor, x)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one number."""
    return _write(tensor, val)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return _write(tensor, 0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return _write(tensor, 1)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """U(-b, b), b = gain * sqrt(6 / (fan_in + fan_out)). Glorot and Bengio 2010, eq. 16."""
    bound = gain * math.sqrt(6 / sum(fans(tensor.shape)))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """N(0, std^2), std = gain * sqrt(2 / (fan_in + fan_out)). Glorot and Bengio 2010, eq. 12."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(fans(tensor.shape))))


FanMode = Literal["fan_in", "fan_out"]


def kaiming_uniform_(
    tensor: Tensor, a: float = 0.0, mode: FanMode = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """U(-b, b), b = gain * sqrt(3 / fan): the variance of `kaiming_normal_`."""
    bound = math.sqrt(3) * _he_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(
    tensor: Tensor, a: float = 0.0, mode: FanMode = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """N(0, std^2), std = gain / sqrt(fan), where `a` is the slope of a leaky ReLU.

    He et al. 2015, "Delving Deep into Rectifiers", eq. 10 and 15.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> _ = tg.manual_seed(0)
    >>> w = tg.nn.init.kaiming_normal_(tg.nn.Parameter(np.empty((64, 50))))
    >>> abs(float(w.data.std()) - (2 / 50) ** 0.5) < 0.01
    True
    """
    return normal_(tensor, 0.0, _he_std(tensor, a, mode, nonlinearity))


def _he_std(tensor: Tensor, a: float, mode: FanMode, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ConfigError(f"kaiming: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    fan_in, fan_out = fans(tensor.shape)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan_in if mode == "fan_in" else fan_out)


def orthogonal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """gain * Q, Q the orthonormal rows (or columns) of a random matrix (out, in * kernel).

    Saxe et al. 2013, "Exact solutions to the nonlinear dynamics of learning". The signs of R's
    diagonal go into Q; without them, Q would not be uniformly distributed (Mezzadri 2007).
    """
    rows = tensor.shape[0] if tensor.ndim >= 2 else 0
    cols = fans(tensor.shape)[0]
    q, r = np.linalg.qr(rng().normal(size=(max(rows, cols), min(rows, cols))))
    q = q * np.sign(np.diag(r))  # (long, short)
    return _write(tensor, gain * (q if rows >= cols else q.T).reshape(tensor.shape))


def _write(tensor: Tensor, values: ArrayLike) -> Tensor:
    tensor.data[...] = values
    return tensor
