"""The oracle, where it is installed."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="session")
def torch() -> Any:
    return pytest.importorskip(
        "torch", reason="PyTorch is not installed: no oracle to compare with"
    )
