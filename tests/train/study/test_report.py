"""The report tells what was done, whatever was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_cnn.data import ArrayDataset
from tinygrad_cnn.train.document import markdown
from tinygrad_cnn.train.sources import Source
from tinygrad_cnn.train.study import report
from tinygrad_cnn.train.study.circumstances import Images, Machine
from tinygrad_cnn.train.study.plan import CORE, NETWORKS, Plan, Task

pytest.importorskip("matplotlib")


def result(task: Task, accuracy: float) -> dict[str, Any]:
    return {
        "network": task.network,
        "dataset": task.dataset,
        "seed": task.seed,
        "name": task.name,
        "epochs": task.epochs,
        "trained_on": task.images,
        "accuracy": accuracy,
        "train_accuracy": 1.0,
        "images": 1000,
        "parameters": 1000,
        "flop": 100,
        "memory": 100,
        "seconds": 1.0,
        "inference_ms": 0.1,
        "classes": list("0123456789"),
        "confusion": (100 * np.eye(10, dtype=int)).tolist(),
        "history": {"epoch": [1], "val_loss": [1.0], "val_accuracy": [0.9]},
        "gradients_at_start": {},
        "gradients_at_end": {},
        "field": [],
        "extent": [0, 0],
    }


def told(out: Path, *trained: tuple[Task, float]) -> str:
    images = Images(9000, 1000, "0123abcd", "/data")
    tasks = tuple(task for task, _ in trained)
    plan = Plan({"mnist": images}, Machine("compiled", 1), NETWORKS, None, tasks, ())
    digits = ArrayDataset(np.zeros((10, 28, 28), np.uint8), np.arange(10))
    results = [result(task, accuracy) for task, accuracy in trained]
    sources = {"mnist": Source(digits, digits)}
    return markdown(report.compose(plan, results, sources, out, "again", report.Pictures()))


def task(network: str, epochs: int = 10, images: int = 9000, seed: int = 0) -> Task:
    return Task(network, "mnist", seed, epochs, images, 1.0)


def test_every_length_of_the_plan_is_told(tmp_path: Path) -> None:
    text = told(tmp_path, (task("dense"), 0.9), (task("depth-2", 1, 100), 0.5))
    assert "10 epochs of 9,000 images, 1 epoch of 100 images" in text
    assert "- adam, cosine decay\n" in text
    assert "mnist: 9,000 + 1,000 images, checksum 0123abcd, /data" in text
    assert "compiled kernels, 1 thread" in text


def test_other_rules_of_training_are_told_with_their_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Task.recipe.fget
    by_name = lambda t: replace(plain(t), optimizer="sgd" if t.network == "cnn" else "adam")  # noqa: E731
    monkeypatch.setattr(Task, "recipe", property(by_name))
    text = told(tmp_path, (task("dense"), 0.9), (task("cnn"), 0.95))
    assert "- adam, cosine decay: mnist-dense\n- sgd, cosine decay: mnist-cnn\n" in text


def test_one_is_not_told_as_many(tmp_path: Path) -> None:
    text = told(tmp_path, (task("dense", 1), 0.9))
    assert "1 training, 1 s in all" in text
    assert "1 epoch of 9,000 images: dense recognises" in text
    assert "1 trainings" not in text
    assert "1 epochs" not in text


def test_weights_that_cannot_be_read_cost_two_pictures_and_not_the_report(tmp_path: Path) -> None:
    text = told(tmp_path, (task("cnn"), 0.9), (task("dense"), 0.8))
    assert "*No mnist-10x9000-filters.png: " in text
    assert "**cnn** recognises most" in text


def test_the_intervals_are_told_with_what_they_rest_on(tmp_path: Path) -> None:
    once = told(tmp_path, (task("dense"), 0.9), (task("depth-2"), 0.8))
    assert "by the choice of test images alone, as no training was repeated" in once
    again = told(tmp_path, (task("dense"), 0.9), (task("dense", seed=1), 0.91))
    assert "of seeds, which change" in again
    assert "known from dense, and taken to hold for all" in again


def test_the_table_tells_the_margin_that_decides(tmp_path: Path) -> None:
    text = told(tmp_path, (task("dense"), 0.9), (task("depth-2"), 0.8))
    assert "| dense | 90.00% ± 1.87% | 1 |" in text


def test_every_network_belongs_to_a_family() -> None:
    assert {name for names in report.FAMILIES.values() for name in names} == set(NETWORKS)
    assert report.FAMILIES["The main line"][:3] == CORE
    assert report.FAMILIES["Layers of one's own"][:2] == ("cnn", "own-convolution")
