"""A few real digits in a folder of IDX files, and a run that was trained on them for a moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinygrad_cnn.cli import main
from tinygrad_cnn.data import EmbeddedMNIST, write_idx


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with 200 digits to train on and 50 to test on."""
    folder = tmp_path_factory.mktemp("digits")
    for part, name, count in ((True, "train", 200), (False, "t10k", 50)):
        dataset = EmbeddedMNIST(part).subset(slice(0, count))
        write_idx(folder / f"{name}-images-idx3-ubyte.gz", dataset.images)
        write_idx(folder / f"{name}-labels-idx1-ubyte.gz", dataset.labels.astype("uint8"))
    return folder


@pytest.fixture(scope="session")
def runs(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the runs, with one in it: mnist-leaky-1."""
    out = tmp_path_factory.mktemp("project") / "runs"
    code = main(["train", "--epochs=2", "--quiet", f"--data-dir={digits}", f"--out={out}"])
    assert code == 0
    return out


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written into the repository, and no data directory of the user's is read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TINYGRAD_CNN_DATA", raising=False)
