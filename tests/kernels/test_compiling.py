"""That machine code is being compiled is told to who asks, and to nobody else."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tinygrad_cnn import cli
from tinygrad_cnn.kernels import compiling


def test_what_is_compiled_is_announced_and_what_is_cached_is_not() -> None:
    jit = pytest.importorskip("tinygrad_cnn.kernels.compiled.jit")
    folders: list[str] = []

    def double(x: np.ndarray) -> None:
        for i in range(len(x)):
            x[i] *= 2

    double.__module__ = jit.__package__ + ".of_this_test"
    compiled = jit.njit(double)
    with compiling.announced(folders.append):
        compiled(np.ones(2))
        compiled(np.ones(3))
    assert folders == [""]  # once; there is no cache
    compiled(np.ones(2, np.float32))
    assert folders == [""]


def test_the_command_line_says_so_once_and_on_a_terminal_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cli._CompilingTold()("/somewhere")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    told = cli._CompilingTold()
    told("/somewhere")
    told("/somewhere")
    err = capsys.readouterr().err
    assert err.count("compiling kernels (once; they are cached in /somewhere)") == 1
