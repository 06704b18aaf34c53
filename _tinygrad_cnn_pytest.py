"""The pytest plugin: `--gradcheck-profile` says how thoroughly gradients are tested.

pytest loads the plugins of all installed packages at each start, whatever is tested. This one lies
outside of the package, for importing the package would import NumPy and every op: a third of a
second. It hands the choice on by an environment variable, which worker processes inherit.
"""

from __future__ import annotations

import os

import pytest

VARIABLE = "GRADCHECK_PROFILE"
_before: list[str | None] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --gradcheck-profile."""
    parser.getgroup("tinygrad_cnn").addoption(
        "--gradcheck-profile",
        choices=("dev", "ci", "deep"),
        help="how thoroughly @op_property tests: dev draws 25 new cases each time, ci the same 100 "
        "every time, deep 10,000 (default: ci where the variable CI is set, else dev)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Choose the profile before any test is imported."""
    profile = config.getoption("--gradcheck-profile")
    if profile:
        _before.append(os.environ.get(VARIABLE))
        os.environ[VARIABLE] = profile


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave the environment as it was."""
    if config.getoption("--gradcheck-profile") and _before:
        before = _before.pop()
        os.environ.pop(VARIABLE)
        if before is not None:
            os.environ[VARIABLE] = before
