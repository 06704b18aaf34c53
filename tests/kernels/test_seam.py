"""The choice of a tier, and what it costs."""

from __future__ import annotations

import sys
import threading
import timeit
from contextvars import copy_context
from importlib.util import find_spec
from subprocess import run

import numpy as np
import pytest

from tinygrad_cnn import kernels
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.kernels import blocked, reference

FASTEST = "compiled" if find_spec("numba") else "blocked"


def in_a_fresh_interpreter(code):
    program = f"import sys\n{code}"
    done = run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_fastest_tier_that_is_installed_is_the_default():
    assert kernels.tier() == FASTEST


def test_numba_is_not_imported_before_a_kernel_is_called():
    told = in_a_fresh_interpreter(
        "from tinygrad_cnn import kernels, relu\n"
        "import numpy as np\n"
        "print('numba' in sys.modules)\n"
        "relu(np.ones(3))\n"
        "print('numba' in sys.modules, kernels.tier())\n"
    )
    assert told == ["False", str(FASTEST == "compiled"), FASTEST]


def test_the_blocked_tier_can_be_used_with_numba_never_imported():
    told = in_a_fresh_interpreter(
        "from tinygrad_cnn import kernels, relu\n"
        "import numpy as np\n"
        "kernels.use('blocked')\n"
        "relu(np.ones(3))\n"
        "print('numba' in sys.modules, kernels.tier())\n"
    )
    assert told == ["False", "blocked"]


def test_without_numba_the_default_is_blocked_and_compiled_names_the_extra():
    told = in_a_fresh_interpreter(
        "sys.modules['numba'] = None  # an import fails\n"
        "import tinygrad_cnn.kernels as kernels\n"
        "from tinygrad_cnn.errors import MissingDependencyError\n"
        "print(kernels.tier())\n"
        "try:\n"
        "    kernels.use('compiled')\n"
        "except MissingDependencyError as error:\n"
        "    print('tinygrad-cnn[fast]' in str(error))\n"
    )
    assert told == ["blocked", "True"]


def test_a_numba_that_cannot_be_used_is_told_and_blocked_takes_its_place():
    told = in_a_fresh_interpreter(
        "import types, warnings\n"
        "broken = types.ModuleType('numba')\n"
        "sys.modules['numba'] = broken  # it has no njit\n"
        "from tinygrad_cnn import kernels\n"
        "with warnings.catch_warnings(record=True) as told:\n"
        "    warnings.simplefilter('always')\n"
        "    print(kernels.tier(), kernels.tier())\n"
        "print(len(told), 'Numba' in str(told[0].message))\n"
    )
    assert told == ["blocked", "blocked", "1", "True"]


def test_a_with_statement_chooses_a_tier_for_its_body_even_if_it_raises():
    def fail():
        with kernels.use("reference"):
            assert kernels.tier() == "reference"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert kernels.tier() == FASTEST


def test_a_plain_call_chooses_a_tier_from_now_on():
    context = copy_context()
    context.run(kernels.use, "reference")
    assert context.run(kernels.tier) == "reference"


def test_the_choice_does_not_leak_into_another_thread():
    seen = []
    with kernels.use("reference"):
        thread = threading.Thread(target=lambda: seen.append(kernels.tier()))
        thread.start()
        thread.join()
    assert seen == [FASTEST]


def test_an_unknown_tier_is_refused_and_the_tiers_are_listed():
    with pytest.raises(ConfigError, match=r"reference, blocked, compiled.*'fast'"):
        kernels.use("fast")
    assert kernels.tier() == FASTEST


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
