"""Run folders: numbered without gaps in time, found again, and honest about what is missing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tinygrad_cnn.data import EmbeddedMNIST
from tinygrad_cnn.errors import ConfigError, MissingDependencyError
from tinygrad_cnn.train import recipes, run
from tinygrad_cnn.train.callbacks import Callback
from tinygrad_cnn.train.recipe import Recipe, override, settings
from tinygrad_cnn.train.sources import Source
from tinygrad_cnn.train.trainer import Trainer

pytest.importorskip("safetensors")

RECIPE = override(recipes.get("mnist-leaky"), {"epochs": "1"})
Maker = Callable[..., run.Result]


@pytest.fixture
def train(tmp_path: Path) -> Maker:
    def make(recipe: Recipe = RECIPE) -> run.Result:
        train, test = (EmbeddedMNIST(part).subset(slice(0, 60)) for part in (True, False))
        return run.train(recipe, Source(train, test), tmp_path / "runs", progress=False)

    return make


def test_the_next_number_is_one_above_the_highest(tmp_path: Path) -> None:
    for name in ("a-1", "a-7", "a-b-9", "a-x", "b-30"):
        (tmp_path / name).mkdir()
    assert run.create_folder(tmp_path, "a").name == "a-8"


def test_folders_made_at_once_are_different(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: run.create_folder(tmp_path, "a"), range(24)))
    assert sorted(int(folder.name[2:]) for folder in folders) == list(range(1, 25))


def test_the_newest_run_is_the_one_whose_weights_are_newest(tmp_path: Path) -> None:
    for age, name in enumerate(("c-1", "a-2", "b-3")):
        weights = tmp_path / name / run.WEIGHTS
        weights.parent.mkdir()
        weights.touch()
        os.utime(weights, (1000 - age, 1000 - age))
    assert run.newest(tmp_path).name == "c-1"


def test_a_run_comes_back_with_recipe_and_weights(train: Maker) -> None:
    result = train()
    recipe, model, config = run.load(result.folder)
    assert settings(recipe) == settings(result.recipe)
    assert config == result.config
    for name, array in result.model.state_dict().items():
        assert model.state_dict()[name].tobytes() == array.tobytes()


def test_without_matplotlib_the_report_says_so(
    train: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = train()
    report = (result.folder / "report.md").read_text()
    assert "*No curves.png: matplotlib is needed for this" in report
    assert "](curves.png)" not in report


@pytest.mark.parametrize("library", ["tqdm.auto", "safetensors"])
def test_a_missing_library_is_named_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    train, test = (EmbeddedMNIST(part).subset(slice(0, 60)) for part in (True, False))
    with pytest.raises(MissingDependencyError, match=r"tinygrad-cnn\[train\]"):
        run.train(RECIPE, Source(train, test), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_training_that_is_interrupted_at_once_still_leaves_a_whole_folder(
    train: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CtrlC(Callback):
        def on_batch_end(self, trainer: Trainer, batch: object) -> None:
            raise KeyboardInterrupt

    original = Recipe.callbacks
    monkeypatch.setattr(Recipe, "callbacks", lambda self: [*original(self), CtrlC()])
    result = train()
    assert isinstance(result.stopped, KeyboardInterrupt)
    assert result.best is None
    assert {file.name for file in result.folder.iterdir()} >= {
        "config.json",
        "log.csv",
        "best.safetensors",
        "report.html",
        "report.md",
        "summary.json",
    }
    assert "none: no epoch was finished" in (result.folder / "report.md").read_text()


def test_nothing_is_made_where_the_digits_cannot_be_divided(tmp_path: Path) -> None:
    one = EmbeddedMNIST().subset(slice(0, 1))
    with pytest.raises(ConfigError):
        run.train(RECIPE, Source(one, one), tmp_path / "runs", progress=False)
    assert not (tmp_path / "runs").exists()
