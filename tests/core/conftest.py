"""Ops declared in a test leave the registry with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tinygrad_cnn.core.op import REGISTRY


@pytest.fixture(autouse=True)
def ops_of_a_test_end_with_it() -> Iterator[None]:
    before = dict(REGISTRY)
    yield
    REGISTRY.clear()
    REGISTRY.update(before)
