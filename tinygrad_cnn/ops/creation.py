"""New Tensors: filled with a number, counted, or made of what others hold.

`dtype=None` means the default dtype: that of `set_default_dtype` for floats (float32 at first), the
complex one of twice its width, int64 for integers.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_cnn.core.modes import default_complex_dtype, default_dtype
from tinygrad_cnn.core.tensor import Tensor, check_device, wrap
from tinygrad_cnn.errors import ConfigError, DTypeError, ShapeError
from tinygrad_cnn.ops.elementwise import astype, copy
from tinygrad_cnn.ops.shape import broadcast_to, stack

Shape = int | Sequence[int]


def _lengths(shape: Shape, name: str) -> tuple[int, ...]:
    """A shape as a tuple of ints, none of them negative."""
    lengths = shape if isinstance(shape, Sequence) else (shape,)
    try:
        plain = tuple(operator.index(n) for n in lengths)
    except TypeError as error:
        raise DTypeError(f"{name}: a shape is made of integers, got {shape!r}") from error
    if any(n < 0 for n in plain):
        raise ShapeError(f"{name}: lengths are 0 or more, got shape {plain}")
    return plain


def _or_default(dtype: DTypeLike | None) -> np.dtype[Any]:
    return default_dtype() if dtype is None else np.dtype(dtype)


# -- from what is there -----------------------------------------------------------------------


def asarray(
    obj: Any, /, *, dtype: DTypeLike | None = None, device: Any = None, copy: bool | None = None
) -> Tensor:
    """A Tensor of what `obj` holds: a number, nested sequences, an array, or a Tensor.

    A Tensor comes back itself, or cast, and stays in the graph; so do Tensors inside of sequences.
    copy=False refuses to copy: an array then shares its memory with the Tensor.

    >>> asarray([1.0, 2.0])
    Tensor([1., 2.], dtype=float32)
    """
    check_device(device, "asarray")
    if isinstance(obj, Tensor):
        return _converted(obj, obj.dtype if dtype is None else np.dtype(dtype), copy)
    if copy is False:
        return _shared(obj, dtype)
    if _holds_tensors(obj):
        together: Tensor = stack([asarray(part, dtype=dtype) for part in obj])
        return together
    return Tensor(obj, dtype)


def _converted(x: Tensor, dtype: np.dtype[Any], copy: bool | None) -> Tensor:
    if x.dtype == dtype and not copy:
        return x
    if copy is False:
        raise ConfigError(f"asarray: copy=False, and {x.dtype} becomes {dtype} by a copy only")
    converted: Tensor = astype(x, dtype)
    return converted


def _holds_tensors(obj: Any) -> bool:
    return isinstance(obj, list | tuple) and any(
        isinstance(part, Tensor) or _holds_tensors(part) for part in obj
    )


def _shared(obj: Any, dtype: DTypeLike | None) -> Tensor:
    """A Tensor on the memory of an array, or of what gives its buffer."""
    try:
        array = np.asarray(obj, dtype=dtype, copy=False)
    except ValueError as error:
        raise ConfigError(
            f"asarray: copy=False, and {type(obj).__name__} becomes a Tensor by a copy only"
        ) from error
    return wrap(array, None)


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A Tensor of another library's array, through DLPack; shares its memory if it can.

    >>> from_dlpack(np.arange(3))
    Tensor([0, 1, 2], dtype=int64)
    """
    check_device(device, "from_dlpack")
    if not hasattr(x, "__dlpack__"):
        raise DTypeError(
            f"from_dlpack: takes an array with a __dlpack__ method, got {type(x).__name__}; "
            f"asarray takes numbers, sequences and buffers"
        )
    return wrap(np.from_dlpack(x, copy=copy), None)


# -- filled -----------------------------------------------------------------------------------


def empty(shape: Shape, *, dtype: DTypeLike | None = None, device: Any = None) -> Tensor:
    """A Tensor whose elements are whatever the memory held."""
    check_device(device, "empty")
    return wrap(np.empty(_lengths(shape, "empty"), _or_default(dtype)), None)


def zeros(shape: Shape, *, dtype: DTypeLike | None = None, device: Any = None) -> Tensor:
    """0 everywhere."""
    check_device(device, "zeros")
    return wrap(np.zeros(_lengths(shape, "zeros"), _or_default(dtype)), None)


def ones(shape: Shape, *, dtype: DTypeLike | None = None, device: Any = None) -> Tensor:
    """1 everywhere."""
    check_device(device, "ones")
    return wrap(np.ones(_lengths(shape, "ones"), _or_default(dtype)), None)


def full(
    shape: Shape, fill_value: Any, *, dtype: DTypeLike | None = None, device: Any = None
) -> Tensor:
    """`fill_value` everywhere; where it is a Tensor, its gradient is the sum over the elements.

    >>> full((2,), 7)
    Tensor([7, 7], dtype=int64)
    """
    value = asarray(fill_value, dtype=dtype, device=device)
    filled: Tensor = copy(broadcast_to(value, _lengths(shape, "full")))
    return filled


def empty_like(x: Any, /, *, dtype: DTypeLike | None = None, device: Any = None) -> Tensor:
    """`empty` in the shape and dtype of x."""
    return empty(x.shape, dtype=x.dtype if dtype is None else dtype, device=device)


def zeros_like(x: Any, /, *, dtype: DTypeLike | None = None, device: Any = None) -> Tensor:
    """`zeros` in the shape and dtype of x."""
    return zeros(x.shape, dtype=x.dtype if dtype is None else dtype, device=device)


def ones_like(x: Any, /, *, dtype: DTypeLike | None = None, device: Any = None) -> Tensor:
    """`ones` in the shape and dtype of x."""
    return ones(x.shape, dtype=x.dtype if dtype is None else dtype, device=device)


def full_like(
    x: Any, /, fill_value: Any, *, dtype: DTypeLike | None = None, device: Any = None
) -> Tensor:
    """`full` in the shape and dtype of x."""
    return full(x.shape, fill_value, dtype=x.dtype if dtype is None else dtype, device=device)


def eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: DTypeLike | None = None,
    device: Any = None,
) -> Tensor:
    """y[i, i + k] = 1, and 0 elsewhere.

    >>> eye(2)
    Tensor([[1., 0.],
            [0., 1.]], dtype=float32)
    """
    check_device(device, "eye")
    rows, cols = _lengths((n_rows, n_rows if n_cols is None else n_cols), "eye")
    return wrap(np.eye(rows, cols, k, _or_default(dtype)), None)


# -- counted ----------------------------------------------------------------------------------


def arange(
    start: float,
    /,
    stop: float | None = None,
    step: float = 1,
    *,
    dtype: DTypeLike | None = None,
    device: Any = None,
) -> Tensor:
    """start, start + step, ... below stop; one number alone is `stop`, and the start 0.

    Each element is start + i step, rounded once.

    >>> arange(3)
    Tensor([0, 1, 2], dtype=int64)
    >>> arange(0, 1, 0.25)
    Tensor([0.  , 0.25, 0.5 , 0.75], dtype=float32)
    """
    check_device(device, "arange")
    if stop is None:
        start, stop = 0, start
    if step == 0:
        raise ConfigError("arange: step must not be 0")
    whole = all(isinstance(x, int | np.integer) for x in (start, stop, step))
    if dtype is None:
        dtype = np.dtype(np.int64) if whole else default_dtype()
    # Of integers the quotient is exact, and the sum taken in the dtype, which may exceed int64.
    n = max(-((start - stop) // step) if whole else math.ceil((stop - start) / step), 0)
    if whole:
        steps = (np.arange(n) * step).astype(dtype)
        return wrap(steps + np.asarray(start).astype(dtype), None)
    return wrap((start + np.arange(n) * step).astype(dtype), None)


def linspace(
    start: complex,
    stop: complex,
    /,
    num: int,
    *,
    dtype: DTypeLike | None = None,
    device: Any = None,
    endpoint: bool = True,
) -> Tensor:
    """`num` numbers at equal distances from start to stop, stop included unless endpoint=False.

    >>> linspace(0, 1, 5)
    Tensor([0.  , 0.25, 0.5 , 0.75, 1.  ], dtype=float32)
    """
    check_device(device, "linspace")
    if num < 0:
        raise ConfigError(f"linspace: num, how many numbers, is 0 or more, got {num}")
    if dtype is None:
        dtype = default_complex_dtype() if np.iscomplexobj((start, stop)) else default_dtype()
    return wrap(np.linspace(start, stop, num, endpoint=endpoint, dtype=dtype), None)
