"""The choice of a tier, and what it costs."""

from __future__ import annotations

import threading
import timeit

import numpy as np
import pytest

from tinygrad_cnn import kernels
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.kernels import blocked, reference


def test_blocked_is_the_default():
    assert kernels.tier() == "blocked"


def test_a_with_statement_chooses_a_tier_for_its_body_even_if_it_raises():
    def fail():
        with kernels.use("reference"):
            assert kernels.tier() == "reference"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert kernels.tier() == "blocked"


def test_a_plain_call_chooses_a_tier_from_now_on():
    try:
        kernels.use("reference")
        assert kernels.tier() == "reference"
    finally:
        kernels.use("blocked")


def test_the_choice_does_not_leak_into_another_thread():
    seen = []
    with kernels.use("reference"):
        thread = threading.Thread(target=lambda: seen.append(kernels.tier()))
        thread.start()
        thread.join()
    assert seen == ["blocked"]


def test_an_unknown_tier_is_refused_and_the_tiers_are_listed():
    with pytest.raises(ConfigError, match=r"reference, blocked.*'fast'"):
        kernels.use("fast")
    assert kernels.tier() == "blocked"


def test_a_tier_calls_its_own_function_and_falls_back_to_the_one_below(monkeypatch):
    monkeypatch.setattr(reference, "relu_of_the_test", lambda: "reference", raising=False)
    monkeypatch.setattr(kernels, "_DISPATCHED", ["conv", "relu_of_the_test"])
    tier = kernels._load.__wrapped__("blocked")
    assert tier.conv is blocked.conv
    assert tier.relu_of_the_test() == "reference"


def test_every_dispatched_kernel_is_public_and_has_a_formula():
    for name in kernels._DISPATCHED:
        assert name in kernels.__all__
        assert "=" in getattr(kernels, name).__doc__ or "softmax" in name


def test_the_seam_costs_well_under_a_microsecond():
    x = np.zeros(1)
    with kernels.use("reference"):
        tier = kernels._active.get()
        saved, tier.leaky_relu = tier.leaky_relu, lambda x, slope: x
        try:
            cost = (
                min(timeit.repeat(lambda: kernels.leaky_relu(x, 0.1), number=2000, repeat=20))
                / 2000
            )
        finally:
            tier.leaky_relu = saved
    assert cost < 1e-6
