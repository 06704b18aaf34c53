"""SciPy's and scikit-learn's functions take Tensors and are differentiated through."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.array_api import users

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def report() -> Any:
    """What the functions did, in a process of their own: SciPy reads the variable when imported."""
    pytest.importorskip("sklearn", reason="scikit-learn (extra `train`), and SciPy, are absent")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.array_api.users"],
        cwd=ROOT,
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", users.SCIPY)
def test_a_function_of_scipy_runs_on_tensors_with_gradients(report: Any, name: str) -> None:
    assert report["scipy"][name] is None


@pytest.mark.parametrize("name", users.SKLEARN)
def test_a_function_of_sklearn_runs_on_tensors_with_gradients(report: Any, name: str) -> None:
    assert report["sklearn"][name] is None
