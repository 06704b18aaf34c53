"""Tests of gradients: of the library's ops, and of yours.

from tinygrad_cnn.testing import gradcheck, gradgradcheck, check_all

gradcheck(f, *inputs)                    against the slopes of f
gradcheck(f, *inputs, vjp=backward)      of any NumPy function with a backward of its own
check_all(f, *inputs)                    every property that gradients have, see PROPERTIES

and, where hypothesis is installed, tests that draw their inputs (strategies), declared in one line
(op_property), and wrong gradients for them to find (mutants):

from tinygrad_cnn.testing import op_property, strategies as st, mutants
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tinygrad_cnn.testing.gradcheck import gradcheck, gradgradcheck
from tinygrad_cnn.testing.properties import PROPERTIES, check_all
from tinygrad_cnn.testing.report import (
    Failure,
    GradientMismatch,
    GradientReport,
    Outcome,
    PropertyReport,
)
from tinygrad_cnn.testing.subject import Subject

if TYPE_CHECKING:
    from tinygrad_cnn.testing.declare import op_property

__all__ = [
    "PROPERTIES",
    "Failure",
    "GradientMismatch",
    "GradientReport",
    "Outcome",
    "PropertyReport",
    "Subject",
    "check_all",
    "gradcheck",
    "gradgradcheck",
    "op_property",
]


def __getattr__(name: str) -> Any:
    """What needs hypothesis is imported when asked for: the rest of the kit does without."""
    if name == "op_property":
        from tinygrad_cnn.testing.declare import op_property

        return op_property
    if name in ("mutants", "strategies"):
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What is meant to be used, also before it is imported."""
    return [*__all__, "mutants", "strategies"]
