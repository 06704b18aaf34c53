"""What holds for every test, the doctests of the package included (so it lies at the root)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

from tinygrad_cnn.core import modes

# A slow machine is no failure: no deadlines. CI draws the same examples every time, so that a red run
# can be repeated; at one's desk they are new every time, and those that fail are remembered.
hypothesis.settings.register_profile("desk", deadline=None)
hypothesis.settings.register_profile(
    "ci", deadline=None, derandomize=True, database=None, print_blob=True
)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "desk")


def _global_state() -> dict[str, Any]:
    pyplot = sys.modules.get("matplotlib.pyplot")
    return {
        "modes (no_grad, scope, observers)": modes.STATE.get(),
        "the default dtype": modes.default_dtype(),
        "NumPy's error state": np.geterr(),
        "the working directory": Path.cwd(),
        "matplotlib's open figures": pyplot.get_fignums() if pyplot else [],
    }


def _restore(state: dict[str, Any]) -> None:
    modes.STATE.set(state["modes (no_grad, scope, observers)"])
    modes.set_default_dtype(state["the default dtype"])
    np.seterr(**state["NumPy's error state"])
    os.chdir(state["the working directory"])
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(autouse=True)
def every_test_leaves_the_global_state_as_it_found_it() -> Iterator[None]:
    """Each test starts from one seed, and none changes what the next one meets."""
    before = _global_state()
    modes.manual_seed(0)
    yield
    after = _global_state()
    leaked = [
        f"{name}: {before[name]} became {after[name]}"
        for name in before
        if before[name] != after[name]
    ]
    if leaked:
        _restore(before)  # so that only the culprit fails
        pytest.fail("this test leaks global state: " + "; ".join(leaked))
