"""What users hand to a function: turned into arrays, or blamed by name.

A mistake in an argument may come to light anywhere: in a check of ours, or deep inside NumPy. It
leaves as one of our errors, which names the function, the fault, what arrived and what it takes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygrad_cnn.core.modes import default_complex_dtype, default_dtype
from tinygrad_cnn.errors import AxisError, DTypeError, IndexingError, ShapeError, TinygradError

MISTAKES = (ValueError, TypeError, LookupError, AttributeError)
"""What Python and NumPy raise over an argument."""


def as_array(value: Any) -> Any:
    """`value` as an array: numbers and lists take the default dtypes, arrays keep theirs.

    Raises DTypeError for what holds no numbers, ShapeError for lists of different lengths.
    """
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value)
    try:
        array = np.asarray(value)
    except ValueError:
        raise ShapeError(f"nested lists must have equal lengths, got {describe(value)}") from None
    if array.dtype.kind in "fc":
        real = array.dtype.kind == "f"
        array = array.astype(default_dtype() if real else default_complex_dtype())
    if array.dtype.kind not in "biufc":
        raise DTypeError(f"an array of numbers is needed, got {describe(value)}")
    return array


def array_argument(function: Callable[..., Any], name: str, parameter: str, value: Any) -> Any:
    """`as_array`, and what is none is blamed on the parameter."""
    try:
        return as_array(value)
    except DTypeError:
        raise DTypeError(
            f"{name}: {parameter} must be an array of numbers, or a Tensor, got {describe(value)}; "
            f"it takes {signature(function, name)}"
        ) from None
    except ShapeError as error:
        raise ShapeError(f"{name}: {parameter}: {error}") from None


def explain(
    function: Callable[..., Any], name: str, error: Exception, arguments: Mapping[str, Any]
) -> TinygradError:
    """The error of ours that stands for one of Python's or NumPy's."""
    arrived = ", ".join(f"{key} {describe(value)}" for key, value in arguments.items())
    text = str(error)
    if "could not be broadcast" in text or "shape mismatch: objects cannot" in text:
        text = "shapes must be equal, counted from the right, or 1 where they differ"
    kind = _our_kind(error)
    takes = "" if kind is not DTypeError else f"; it takes {signature(function, name)}"
    return kind(f"{name}: {text} (got {arrived}){takes}")


def signature(function: Callable[..., Any], name: str) -> str:
    """The call as a user would write it: name(parameters), without their types."""
    parameters = inspect.signature(function).parameters.values()
    plain = [p.replace(annotation=p.empty) for p in parameters]
    return f"{name}{inspect.Signature(plain)}"


def describe(value: Any) -> str:
    """An array by its shape and dtype, anything else as it is written."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        number = f" {value.item()}" if value.shape == () and hasattr(value, "item") else ""
        return f"{tuple(value.shape)} {value.dtype}{number}"
    if isinstance(value, list | tuple) and any(hasattr(v, "shape") for v in value):
        return f"[{', '.join(map(describe, value[:4]))}{', ...' * (len(value) > 4)}]"
    text = repr(value) if len(repr(value)) < 80 else f"{value!r:.70}..."
    return text if value is None else f"{type(value).__name__} {text}"


def _our_kind(error: Exception) -> type[TinygradError]:
    if isinstance(error, np.exceptions.AxisError):
        return AxisError
    if isinstance(error, IndexError):
        return IndexingError
    return DTypeError if isinstance(error, TypeError | AttributeError | KeyError) else ShapeError
