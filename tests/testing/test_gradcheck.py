"""gradcheck catches what is wrong, where it is wrong, and accuses nothing that is right."""

from __future__ import annotations

import numpy as np
import pytest

from tests.testing.zoo import RIGHT, WRONG, Specimen
from tinygrad_cnn.testing import GradientMismatch, gradcheck


@pytest.mark.parametrize("specimen", RIGHT, ids=str)
def test_a_right_gradient_is_never_accused(specimen: Specimen) -> None:
    for seed in range(8):
        inputs = specimen.draw(np.random.default_rng(seed))
        assert gradcheck(specimen.f, *inputs, vjp=specimen.vjp, seed=seed)


@pytest.mark.parametrize("specimen", WRONG, ids=str)
def test_a_wrong_gradient_is_caught_at_the_element_where_it_is_wrong(specimen: Specimen) -> None:
    for seed in range(5):
        inputs = specimen.draw(np.random.default_rng(seed))
        with pytest.raises(GradientMismatch) as caught:
            gradcheck(specimen.f, *inputs, vjp=specimen.vjp, seed=seed)
        failure = caught.value.failure
        assert failure.input == specimen.wrong_input
        assert specimen.wrong_at is not None
        assert failure.element is not None
        wrong = np.broadcast_to(specimen.wrong_at(*inputs), np.shape(inputs[failure.input]))
        assert all(wrong[e] for e in failure.elements)
