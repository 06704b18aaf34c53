"""Tests of gradients: of the library's ops, and of yours.

from tinygrad_cnn.testing import gradcheck, gradgradcheck, check_all

gradcheck(f, *inputs)                    against the slopes of f
gradcheck(f, *inputs, vjp=backward)      of any NumPy function with a backward of its own
check_all(f, *inputs)                    every property that gradients have, see PROPERTIES
"""

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
]
