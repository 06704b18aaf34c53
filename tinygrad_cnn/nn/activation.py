"""Activation functions as layers."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tinygrad_cnn.core.modes import default_dtype
from tinygrad_cnn.core.tensor import Parameter
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.nn._options import positive
from tinygrad_cnn.nn.functional import Array
from tinygrad_cnn.nn.module import Module


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x: Array) -> Array:
        return F.relu(x)


class LeakyReLU(Module):
    """x where x > 0, else negative_slope * x. Maas et al. 2013."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, x: Array) -> Array:
        return F.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class PReLU(Module):
    """x where x > 0, else weight * x, the slope being learned. He et al. 2015.

    weight (num_parameters,): one for all channels, or one for each.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        super().__init__()
        positive(self, num_parameters=num_parameters)
        if not isinstance(init, int | float):
            raise ConfigError(f"PReLU: init is the slope to start from, a number, got {init!r}")
        self.num_parameters = num_parameters
        self.weight = Parameter(np.full(num_parameters, init, default_dtype()))

    def forward(self, x: Array) -> Array:
        return F.prelu(x, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    """x where x > 0, else r * x, r drawn from lower..upper; their mean in inference mode.

    Xu et al. 2015, "Empirical Evaluation of Rectified Activations".
    """

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper

    def forward(self, x: Array) -> Array:
        return F.rrelu(x, self.lower, self.upper, self.training)

    def _acts_by_mode(self) -> bool:
        return self.lower < self.upper

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}"


class ReLU6(Module):
    """min(max(x, 0), 6)."""

    def forward(self, x: Array) -> Array:
        return F.relu6(x)


class Hardtanh(Module):
    """x limited to [min_val, max_val]."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        super().__init__()
        self.min_val = min_val
        self.max_val = max_val

    def forward(self, x: Array) -> Array:
        return F.hardtanh(x, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"


class Hardsigmoid(Module):
    """relu6(x + 3) / 6. Howard et al. 2019."""

    def forward(self, x: Array) -> Array:
        return F.hardsigmoid(x)


class Hardswish(Module):
    """x * relu6(x + 3) / 6. Howard et al. 2019."""

    def forward(self, x: Array) -> Array:
        return F.hardswish(x)


class Hardshrink(Module):
    """x where |x| > lambd, else 0."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, x: Array) -> Array:
        return F.hardshrink(x, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


class Softshrink(Module):
    """x moved towards 0 by lambd, and 0 where it would pass it."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, x: Array) -> Array:
        return F.softshrink(x, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


class Tanhshrink(Module):
    """x - tanh(x)."""

    def forward(self, x: Array) -> Array:
        return F.tanhshrink(x)


class Threshold(Module):
    """x where x > threshold, else value."""

    def __init__(self, threshold: float, value: float) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value

    def forward(self, x: Array) -> Array:
        return F.threshold(x, self.threshold, self.value)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}"


class ELU(Module):
    """x where x > 0, else alpha * (exp(x) - 1). Clevert et al. 2015."""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Array) -> Array:
        return F.elu(x, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class CELU(Module):
    """x where x > 0, else alpha * (exp(x / alpha) - 1). Barron 2017."""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Array) -> Array:
        return F.celu(x, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class SELU(Module):
    """1.0507 * elu(x, 1.6733), which keeps mean 0 and variance 1. Klambauer et al. 2017."""

    def forward(self, x: Array) -> Array:
        return F.selu(x)


class GELU(Module):
    """x * Phi(x), Phi the normal distribution function, or its tanh approximation.

    Hendrycks and Gimpel 2016.
    """

    def __init__(self, approximate: Literal["none", "tanh"] = "none") -> None:
        super().__init__()
        self.approximate: Literal["none", "tanh"] = approximate

    def forward(self, x: Array) -> Array:
        return F.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """x * sigmoid(x). Elfwing et al. 2017."""

    def forward(self, x: Array) -> Array:
        return F.silu(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def forward(self, x: Array) -> Array:
        return F.sigmoid(x)


class Tanh(Module):
    """tanh(x)."""

    def forward(self, x: Array) -> Array:
        return F.tanh(x)


class LogSigmoid(Module):
    """log(1 / (1 + exp(-x)))."""

    def forward(self, x: Array) -> Array:
        return F.logsigmoid(x)


class Softsign(Module):
    """x / (1 + |x|)."""

    def forward(self, x: Array) -> Array:
        return F.softsign(x)


class Mish(Module):
    """x * tanh(softplus(x)). Misra 2019."""

    def forward(self, x: Array) -> Array:
        return F.mish(x)


class Softplus(Module):
    """log(1 + exp(beta * x)) / beta, and x itself where beta * x > threshold."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, x: Array) -> Array:
        return F.softplus(x, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class GLU(Module):
    """a * sigmoid(b), a and b the halves of x along the axis `dim`. Dauphin et al. 2016."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Array) -> Array:
        return F.glu(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(Module):
    """exp(x) / sum exp(x) along the axis `dim`.

    Not before `CrossEntropyLoss`, which takes the logits themselves.
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Array) -> Array:
        return F.softmax(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmin(Module):
    """softmax(-x) along the axis `dim`."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Array) -> Array:
        return F.softmin(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """x - log sum exp(x) along the axis `dim`."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Array) -> Array:
        return F.log_softmax(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
