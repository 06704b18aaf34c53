"""tinygrad_cnn: automatic differentiation on NumPy, small enough to read, fast enough to use.

>>> import tinygrad_cnn as tg
>>> w = tg.Tensor([2.0, -1.0], requires_grad=True)
>>> loss = tg.sum(tg.relu(w * 3.0))
>>> loss.backward()
>>> w.grad
Tensor([3., 0.], dtype=float32)
"""

from tinygrad_cnn import errors, fft, kernels, linalg, models, nn, optim
from tinygrad_cnn.core.anomaly import detect_anomaly
from tinygrad_cnn.core.modes import (
    enable_grad,
    is_grad_enabled,
    manual_seed,
    no_grad,
    set_default_dtype,
)
from tinygrad_cnn.core.op import op
from tinygrad_cnn.core.tensor import Parameter, Tensor
from tinygrad_cnn.errors import TinygradError
from tinygrad_cnn.ops import *  # noqa: F403
from tinygrad_cnn.ops import __all__ as _ops
from tinygrad_cnn.ops.inspection import __array_namespace_info__
from tinygrad_cnn.transforms import (
    checkpoint,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)

__version__ = "0.1.0"
__array_api_version__ = "2024.12"
__all__ = [
    "__array_api_version__",
    "__array_namespace_info__",
    "Parameter",
    "Tensor",
    "TinygradError",
    "checkpoint",
    "detect_anomaly",
    "enable_grad",
    "errors",
    "fft",
    "grad",
    "hessian",
    "hvp",
    "is_grad_enabled",
    "jacobian",
    "jvp",
    "kernels",
    "linalg",
    "manual_seed",
    "models",
    "nn",
    "no_grad",
    "op",
    "optim",
    "set_default_dtype",
    "value_and_grad",
    "vjp",
    *_ops,
]
