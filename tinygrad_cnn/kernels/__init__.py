"""Kernels: ndarray in, ndarray out. The arithmetic under the ops, in interchangeable tiers.

    reference   the specification: the shortest correct NumPy
    blocked     fast NumPy
    compiled    machine code, where Numba is installed (extra `fast`)

Every tier computes the same functions up to rounding. What a tier lacks, a function or a single
case of one, is taken from the tier below; `fallbacks` tells which cases were. Kernels trust their
arguments: the ops above them raise the errors a user sees.

Unless a tier is chosen by `use`, the first call of a kernel, or of `tier`, takes the fastest one
there is. Importing this package imports no Numba.

>>> with use("reference"):
...     tier()
'reference'
"""

# Each kernel takes its docstring from the specification, and finds its tier's function by name:
# ruff: noqa: D103
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import warnings
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from types import SimpleNamespace
from typing import Any, TypeVar

from tinygrad_cnn.errors import ConfigError, require
from tinygrad_cnn.kernels import reference
from tinygrad_cnn.kernels.blas import one_blas_thread
from tinygrad_cnn.kernels.fallback import fallbacks
from tinygrad_cnn.kernels.geometry import Array, Ints, conv_output_size, pad, pool_output_size
from tinygrad_cnn.kernels.special import erf

__all__ = [
    "adam_step",
    "batch_norm",
    "batch_norm_grad",
    "batch_stats",
    "channel_sum",
    "conv",
    "conv_input",
    "conv_output_size",
    "conv_weight",
    "erf",
    "fallbacks",
    "leaky_relu",
    "leaky_relu_grad",
    "log_softmax",
    "matmul",
    "max_pool",
    "one_blas_thread",
    "pad",
    "pool_output_size",
    "resample",
    "sgd_step",
    "softmax",
    "softmax_cross_entropy",
    "sum_pool",
    "sum_pool_input",
    "tier",
    "use",
    "window_gather",
    "window_scatter",
]

# Each tier's modules, the fastest first: a function comes from the first that defines it.
TIERS = {
    "reference": ("reference",),
    "blocked": ("blocked", "reference"),
    "compiled": ("compiled", "blocked", "reference"),
}

_DISPATCHED: list[str] = []
_F = TypeVar("_F", bound=Callable[..., object])


@cache
def _load(name: str) -> SimpleNamespace:
    """The functions of a tier, fallbacks filled in, so that a call costs one attribute look-up."""
    if name not in TIERS:
        raise ConfigError(f"kernels.use: the tiers are {', '.join(TIERS)}; got {name!r}")
    if name == "compiled":
        require("numba", "fast")
    modules = [import_module(f"{__name__}.{module}") for module in TIERS[name]]
    functions = {
        kernel: next(getattr(module, kernel) for module in modules if hasattr(module, kernel))
        for kernel in _DISPATCHED
    }
    return SimpleNamespace(name=name, **functions)


class _Fastest(SimpleNamespace):
    """The functions of the fastest tier, which is looked for when the first of them is called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        self.__dict__.update(_fastest().__dict__)
        return self.__dict__[name]


def _fastest() -> SimpleNamespace:
    try:
        return _load("compiled")
    except Exception as raised:  # whatever an installation that does not work may raise
        error = raised.__cause__ or raised
        if not (isinstance(error, ModuleNotFoundError) and error.name == "numba"):
            warnings.warn(
                f"Numba is installed and cannot be used ({type(error).__name__}: {error}); the "
                f"kernels are those of NumPy alone, as after tinygrad_cnn.kernels.use('blocked')",
                RuntimeWarning,
                stacklevel=2,
            )
        return _load("blocked")


def _dispatched(function: _F) -> _F:
    """Mark a kernel that every tier may define, and give it the specification's docstring."""
    _DISPATCHED.append(function.__name__)
    function.__doc__ = getattr(reference, function.__name__).__doc__
    return function


@_dispatched
def conv(
    x: Array,
    w: Array,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    groups: int,
    bias: Array | None = None,
) -> Array:
    return _active.get().conv(x, w, stride, padding, dilation, groups, bias)


@_dispatched
def conv_input(
    g: Array, w: Array, size: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Array:
    return _active.get().conv_input(g, w, size, stride, padding, dilation, groups)


@_dispatched
def conv_weight(
    x: Array, g: Array, size: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Array:
    return _active.get().conv_weight(x, g, size, stride, padding, dilation, groups)


@_dispatched
def max_pool(
    x: Array, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> tuple[Array, Array]:
    return _active.get().max_pool(x, kernel, stride, padding, dilation, ceil_mode)


@_dispatched
def window_gather(
    x: Array, argmax: Array, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> Array:
    return _active.get().window_gather(x, argmax, kernel, stride, padding, dilation)


@_dispatched
def window_scatter(
    g: Array, argmax: Array, size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> Array:
    return _active.get().window_scatter(g, argmax, size, kernel, stride, padding, dilation)


@_dispatched
def sum_pool(x: Array, kernel: Ints, stride: Ints, padding: Ints, ceil_mode: bool) -> Array:
    return _active.get().sum_pool(x, kernel, stride, padding, ceil_mode)


@_dispatched
def sum_pool_input(g: Array, size: Ints, kernel: Ints, stride: Ints, padding: Ints) -> Array:
    return _active.get().sum_pool_input(g, size, kernel, stride, padding)


@_dispatched
def channel_sum(x: Array) -> Array:
    return _active.get().channel_sum(x)


@_dispatched
def batch_stats(x: Array) -> tuple[Array, Array]:
    return _active.get().batch_stats(x)


@_dispatched
def batch_norm(x: Array, mean: Array, rstd: Array, weight: Array, bias: Array) -> Array:
    return _active.get().batch_norm(x, mean, rstd, weight, bias)


@_dispatched
def batch_norm_grad(
    g: Array, x: Array, mean: Array, rstd: Array, weight: Array
) -> tuple[Array, Array, Array]:
    return _active.get().batch_norm_grad(g, x, mean, rstd, weight)


@_dispatched
def matmul(a: Array, b: Array) -> Array:
    return _active.get().matmul(a, b)


@_dispatched
def leaky_relu(x: Array, slope: float) -> Array:
    return _active.get().leaky_relu(x, slope)


@_dispatched
def leaky_relu_grad(g: Array, y: Array, slope: float) -> Array:
    return _active.get().leaky_relu_grad(g, y, slope)


@_dispatched
def sgd_step(
    p: Array,
    g: Array,
    v: Array | None,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
) -> None:
    _active.get().sgd_step(p, g, v, lr, momentum, dampening, weight_decay, nesterov)


@_dispatched
def adam_step(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    largest: Array | None,
    t: int,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    decoupled: bool,
) -> None:
    _active.get().adam_step(p, g, m, v, largest, t, lr, betas, eps, weight_decay, decoupled)


@_dispatched
def softmax(x: Array) -> Array:
    return _active.get().softmax(x)


@_dispatched
def log_softmax(x: Array) -> Array:
    return _active.get().log_softmax(x)


@_dispatched
def softmax_cross_entropy(logits: Array, labels: Array) -> tuple[Array, Array]:
    return _active.get().softmax_cross_entropy(logits, labels)


@_dispatched
def resample(images: Array, inverse: Array, bend: Array | None) -> Array:
    return _active.get().resample(images, inverse, bend)


_active: ContextVar[SimpleNamespace] = ContextVar(
    "tinygrad_cnn_kernels",
    default=_Fastest(),  # noqa: B039 (filled once, then only read)
)


class use:
    """Choose the tier: `use("reference")` from now on, `with use("reference"):` for a while.

    The choice is a context variable: it survives exceptions and does not leak into other threads.
    An unknown name raises ConfigError, "compiled" without Numba MissingDependencyError.
    """

    def __init__(self, name: str) -> None:
        self._token = _active.set(_load(name))

    def __enter__(self) -> use:
        return self

    def __exit__(self, *_: object) -> None:
        _active.reset(self._token)


def tier() -> str:
    """The name of the tier in use."""
    return str(_active.get().name)
