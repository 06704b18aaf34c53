"""A tier that has no form for a case says so."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tinygrad_cnn import kernels
from tinygrad_cnn.kernels import fallback


@pytest.fixture
def compiled() -> Iterator[None]:
    pytest.importorskip("numba", reason="Numba (extra `fast`) is absent")
    with kernels.use("compiled"):
        yield


@pytest.fixture(autouse=True)
def _none_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallback, "_taken", type(fallback._taken)())


def test_a_network_in_float32_needs_no_tier_but_its_own(compiled: None) -> None:
    x, w = np.ones((8, 4, 16, 16), np.float32), np.ones((4, 4, 3, 3), np.float32)
    y = kernels.conv(x, w, (1, 1), (1, 1), (1, 1), 1)
    kernels.max_pool(kernels.leaky_relu(y, 0.0), (2, 2), (2, 2), (0, 0), (1, 1), False)
    assert kernels.fallbacks() == {}


def test_each_kind_of_case_is_counted(compiled: None) -> None:
    x, w = np.ones((8, 4, 16, 16), np.float16), np.ones((4, 4, 3, 3), np.float16)
    for _ in range(3):
        kernels.conv(x, w, (1, 1), (1, 1), (1, 1), 1)
    kernels.conv(x.astype(np.complex64), w, (1, 1), (1, 1), (1, 1), 1)
    assert kernels.fallbacks() == {
        "conv of float16, 4 axes, by blocked": 3,
        "conv of complex64, 4 axes, by blocked": 1,
    }


def test_a_fallback_of_a_fallback_names_both(compiled: None) -> None:
    kernels.batch_stats(np.ones((8, 8, 100), np.complex64))
    assert [case.split()[-1] for case in kernels.fallbacks()] == ["blocked", "reference"]


def test_a_few_elements_are_not_worth_a_word() -> None:
    with kernels.use("blocked"):
        kernels.batch_stats(np.ones((2, 3, 4), np.complex64))
    assert kernels.fallbacks() == {}
