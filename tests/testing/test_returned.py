"""What a bare vjp= returned, where it is no gradient at all."""

import numpy as np
import pytest

from tinygrad_cnn.testing import GradientMismatch, gradcheck


def test_of_several_inputs_a_forgotten_return_is_named() -> None:
    with pytest.raises(GradientMismatch, match=r"vjp returned None: a forgotten return\?"):
        gradcheck(np.multiply, np.ones(2), np.ones(2), vjp=lambda g, x, y: None)
