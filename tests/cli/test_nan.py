"""A loss that becomes NaN ends the training, and not the run."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tinygrad_cnn.cli import main
from tinygrad_cnn.train import checkpoint, run

DIVERGE = ["--lr=1e30", "--set", "clip_grad_norm=none", "--set", "warmup=0"]


def test_stops_with_step_and_layer_and_keeps_finite_weights(
    digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--quiet", f"--data-dir={digits}", *DIVERGE]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("tinygrad-cnn: step 2 (epoch 1, batch 2): the loss is nan; it began in ")
    assert err.count("\n") == 1
    assert "Broken off after 0 epochs" in out
    folder = Path("runs/mnist-leaky-1")
    weights = checkpoint.load(folder / "best.safetensors").weights
    assert all(np.isfinite(array).all() for array in weights.values())
    assert main(["evaluate", "runs/mnist-leaky-1"]) == 0
    assert "nan" not in capsys.readouterr().out
    assert "step 2 (epoch 1, batch 2)" in (folder / "report.md").read_text()
    assert (folder / "log.csv").read_text().startswith("epoch,")


def test_weights_that_hold_nan_are_not_evaluated(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(runs / "mnist-leaky-1", tmp_path / "copy"))
    _, model, config = run.load(copy)
    next(iter(model.parameters())).data[...] = np.nan
    checkpoint.save(copy / run.WEIGHTS, model, config, {})
    assert main(["evaluate", str(copy)]) == 2
    err = capsys.readouterr().err
    assert "conv.weight holds NaN or infinite values; take another run, or train again" in err
