"""No op of the library is ever accused: a long sweep, by as many examples as the profile says.

    pytest tests/testing/test_campaign.py -m slow --gradcheck-profile deep

A gradient that PyTorch confirms is right, so whatever is raised here is a false alarm. Examples are
drawn as the table of cases draws them, and, to meet kinks, ties, zeros and large numbers, with the
values rounded or magnified.
"""

from __future__ import annotations

import zlib
from functools import partial
from typing import Any

import numpy as np
import pytest

from tests.cases import CASES
from tests.oracle import Case, Seeded, differentiable
from tinygrad_cnn.errors import TinygradError
from tinygrad_cnn.testing import GradientMismatch, check_all
from tinygrad_cnn.testing.declare import profile

SEEDS = (1, 2, 3)


def rounded(x: Any) -> Any:
    return np.round(4 * x) / 4 if differentiable(x) else x


def magnified(x: Any) -> Any:
    return 100 * x if differentiable(x) else x


def as_drawn(x: Any) -> Any:
    return x


VARIANTS = (as_drawn, as_drawn, rounded, magnified)


def false_alarms(case: Case, examples: int) -> list[str]:
    """Every accusation: which variant, which seed, and the first line of what is said."""
    found = []
    for seed in SEEDS:
        for i in range(examples):
            number = zlib.crc32(f"{seed} {i}".encode())
            xs, static = case.draw(Seeded(number))
            variant = VARIANTS[i % len(VARIANTS)]
            try:
                check_all(partial(case.f, **static), *map(variant, xs), seed=seed)
            except GradientMismatch as error:
                found.append(f"{variant.__name__} {number}: {str(error).splitlines()[0]}")
            except (TinygradError, ValueError, np.linalg.LinAlgError):
                if variant is as_drawn:  # other values may be none that the op takes
                    raise
    return found


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_op_is_accused(case: Case) -> None:
    assert false_alarms(case, profile().examples) == []
