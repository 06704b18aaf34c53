"""Every function of the library, from one table, against PyTorch and difference quotients."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import CASES
from tests.oracle import (
    Case,
    Draw,
    Seeded,
    assert_agrees_with_torch,
    difference_quotients,
)

every_case = pytest.mark.parametrize("case", CASES, ids=str)


@pytest.mark.oracle
@every_case
@settings(max_examples=12, derandomize=True)
@given(data=st.data())
def test_the_function_and_its_two_derivatives_are_pytorchs(case: Case, data: Any) -> None:
    pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")
    if case.torch is None:
        pytest.skip("PyTorch has no such function")
    assert_agrees_with_torch(case, Draw(data.draw))


@every_case
def test_the_two_derivatives_are_the_limits_of_difference_quotients(case: Case) -> None:
    seen = [difference_quotients(case, Seeded(seed)) for seed in range(5)]
    for pair in seen:
        for comparison in pair:
            comparison.check()
    for comparisons in zip(*seen, strict=True):
        assert any(c.sharp or c.claimed == 0 for c in comparisons), "these would notice nothing"


@pytest.mark.slow
@pytest.mark.oracle
@every_case
def test_hundreds_of_samples_agree_with_pytorch_and_with_difference_quotients(case: Case) -> None:
    pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")
    for seed in range(300):
        if case.torch is not None:
            assert_agrees_with_torch(case, Seeded(seed))
        if seed % 5 == 0:
            for comparison in difference_quotients(case, Seeded(seed)):
                comparison.check()
