"""Every function of the library, from one table: all properties of gradients, and PyTorch's word.

    pytest tests/ops/test_derivatives.py --gradcheck-profile deep --hypothesis-seed 1 -k "conv1d"

draws 10,000 cases of an op, and a quarter as many of a function that is made of ops.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import CASES
from tests.oracle import Case, Draw, Seeded, assert_agrees_with_torch
from tinygrad_cnn.core import REGISTRY
from tinygrad_cnn.testing import op_property
from tinygrad_cnn.testing.declare import profile

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
def test_the_gradient_has_every_property_of_gradients(case: Case) -> None:
    examples = profile().examples // (1 if case.name in REGISTRY else 4)
    op_property(inputs=case.inputs, examples=examples)(case.f)()


@pytest.mark.slow
@pytest.mark.oracle
@every_case
def test_hundreds_of_samples_agree_with_pytorch(case: Case) -> None:
    pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")
    if case.torch is None:
        pytest.skip("PyTorch has no such function")
    for seed in range(300):
        assert_agrees_with_torch(case, Seeded(seed))
