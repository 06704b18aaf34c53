"""Elementwise functions that only NumPy names, called as NumPy's."""

from __future__ import annotations

import numpy as np

from tests.cases.elementwise import POSITIVE, apart, quotient, two
from tests.cases.table import case, one
from tinygrad_cnn.ops import numpy_only

CASES = [
    case("cbrt", one(**POSITIVE), np.cbrt, None),
    case("fmod", quotient, np.fmod),
    case("deg2rad", one(), np.deg2rad),
    case("rad2deg", one(), np.degrees),
    case("logaddexp2", two, numpy_only.logaddexp2),
    case("fmax", apart, np.fmax),
    case("fmin", apart, np.fmin),
    case("heaviside at 0", one(), lambda x2: np.heaviside(0.0, x2) * x2, lambda x2: x2 * x2),
]
