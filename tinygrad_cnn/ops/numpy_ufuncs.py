"""NumPy's ufuncs on Tensors: np.exp(t), array * t, np.add.reduce(t, axis=1).

NumPy calls `Tensor.__array_ufunc__`, which comes here. A ufunc with an op of its own becomes that
op and records. One without a derivative rule says so, unless no gradient is wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_cnn.core.modes import is_grad_enabled
from tinygrad_cnn.core.tensor import Tensor, wrap
from tinygrad_cnn.errors import DTypeError, NotDifferentiableError
from tinygrad_cnn.ops import activation, elementwise, logic, numpy_only, products, reduction, scan
from tinygrad_cnn.ops.reduction import all, any, max, min, prod, sum
from tinygrad_cnn.ops.shape import expand_dims

# NumPy's and SciPy's names where they are not the array API's
_OTHER_NAMES = {
    "absolute": "abs",
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
    "conjugate": "conj",
    "degrees": "rad2deg",
    "expit": "sigmoid",
    "fabs": "abs",
    "invert": "bitwise_invert",
    "left_shift": "bitwise_left_shift",
    "mod": "remainder",
    "power": "pow",
    "radians": "deg2rad",
    "right_shift": "bitwise_right_shift",
    "rint": "round",
    "true_divide": "divide",
}
_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "add": sum,
    "multiply": prod,
    "maximum": max,
    "minimum": min,
    "logical_and": all,
    "logical_or": any,
    "logaddexp": reduction.logsumexp,
}


def find_op(name: str) -> Callable[..., Any] | None:
    """The op for the ufunc of this name, or None."""
    name = _OTHER_NAMES.get(name, name)
    for family in (elementwise, logic, products, activation, numpy_only):
        found = getattr(family, name, None)
        if found is not None and not name.startswith("_"):
            return found  # type: ignore[no-any-return]
    return None


def array_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], options: Any) -> Any:
    """What `ufunc.method(*inputs, **options)` means where a Tensor is among the inputs."""
    if options.pop("out", None) is not None:
        raise DTypeError(
            f"np.{ufunc.__name__}: out= would write into an array, which cannot hold the graph; "
            f"write x = np.{ufunc.__name__}(...) instead"
        )
    if method == "__call__":
        return _call(ufunc, inputs, **options)
    if method == "reduce" and ufunc.__name__ in _REDUCTIONS:
        return _reduce(ufunc, *inputs, **options)
    if method == "accumulate" and ufunc.__name__ in ("add", "multiply", "maximum", "minimum"):
        return _accumulate(ufunc, *inputs, **options)
    if method == "outer":
        a, b = inputs
        lifted = expand_dims(_tensor(a), axis=tuple(range(np.ndim(_plain(a)), _outer_ndim(a, b))))
        return _call(ufunc, (lifted, b), **options)
    return _without_rule(f"{ufunc.__name__}.{method}", getattr(ufunc, method), inputs, options)


def _call(
    ufunc: np.ufunc, inputs: tuple[Any, ...], where: Any = True, dtype: Any = None, **options: Any
) -> Any:
    function = find_op(ufunc.__name__)
    if function is None or options:
        options = {**options, **({} if dtype is None else {"dtype": dtype})}
        return _without_rule(ufunc.__name__, ufunc, inputs, options)
    if dtype is not None:
        inputs = tuple(elementwise.astype(_tensor(x), dtype) for x in inputs)
    if where is True:
        return function(*inputs)
    # Elsewhere the ufunc is not evaluated: it sees a harmless 1 there, and the result is 0.
    safe = [elementwise.where(where, x, np.ones((), _plain(x).dtype)) for x in inputs]
    y = function(*safe)
    return elementwise.where(where, y, np.zeros((), y.dtype))


def _reduce(
    ufunc: np.ufunc,
    x: Tensor,
    axis: Any = 0,
    dtype: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    """sum, prod, max ... with NumPy's options `initial` and `where`."""
    if where is not True:
        if ufunc.identity is None and initial is None:
            raise ValueError(f"np.{ufunc.__name__}.reduce: where= needs initial=, NumPy's rule")
        neutral = ufunc.identity if ufunc.identity is not None else initial
        x = elementwise.where(where, x, np.asarray(neutral, x.dtype))
    if dtype is not None:
        x = elementwise.astype(x, np.dtype(dtype))
    y = _REDUCTIONS[ufunc.__name__](x, axis=axis, keepdims=keepdims)
    if initial is None or isinstance(initial, type(np._NoValue)):
        return y
    function = find_op(ufunc.__name__)
    assert function is not None
    return function(y, initial)


def _accumulate(ufunc: np.ufunc, x: Tensor, axis: int = 0, dtype: Any = None) -> Any:
    """Running sums, products, maxima and minima."""
    names = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min"}
    if dtype is not None:
        x = elementwise.astype(x, np.dtype(dtype))
    return getattr(scan, f"cumulative_{names[ufunc.__name__]}")(x, axis=axis)


def _without_rule(name: str, function: Any, inputs: tuple[Any, ...], options: Any) -> Any:
    """NumPy's own result as Tensors, where no gradient would be lost by it."""
    refuse_lost_gradient(name, inputs)
    y = function(*(_plain(x) for x in inputs), **options)
    if isinstance(y, tuple):
        return tuple(wrap(np.asarray(part), None) for part in y)
    return y if y is None else wrap(np.asarray(y), None)


def refuse_lost_gradient(name: str, inputs: Any) -> None:
    """Raise unless a constant result is what is meant: nothing silently cuts the graph."""
    if is_grad_enabled() and _any_requires_grad(inputs):
        raise NotDifferentiableError(
            f"np.{name} has no derivative rule here, and an input requires a gradient; give it "
            f"x.detach() if the result is meant to be a constant, or declare a rule with tg.op"
        )


def _any_requires_grad(inputs: Any) -> bool:
    if isinstance(inputs, Tensor):
        return inputs.requires_grad
    if isinstance(inputs, dict):
        inputs = list(inputs.values())
    found = [_any_requires_grad(x) for x in inputs] if isinstance(inputs, tuple | list) else []
    return True in found


def _plain(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else np.asarray(x)


def _tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else wrap(np.asarray(x), None)


def _outer_ndim(a: Any, b: Any) -> int:
    return np.ndim(_plain(a)) + np.ndim(_plain(b))
