"""A finished training is one whose result can be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tinygrad_cnn.train.study import work
from tinygrad_cnn.train.study.plan import Task

TASK = Task("dense", "mnist", 0, epochs=10, images=190, seconds=1.0)
EXAMPLES = {str: "dense", int: 1, work.NUMBER: 0.5, list: [], dict: {}}
WHOLE: dict[str, Any] = {
    **{key: EXAMPLES[kind] for key, kind in work.KINDS.items()},
    "name": TASK.name,
    "history": {"epoch": [1], "val_loss": [1.0], "val_accuracy": [0.5]},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the task, finished."""
    folder = tmp_path / TASK.name
    folder.mkdir()
    (folder / work.RESULT).write_text(json.dumps(WHOLE))
    (folder / work.WEIGHTS).write_bytes(b"")
    return folder


def read(folder: Path) -> tuple[Any, str]:
    """The result, and what was told."""
    told: list[str] = []
    return work.result_of(TASK, folder.parent, told.append), "".join(told)


def test_a_whole_result_is_taken_without_a_word(folder: Path) -> None:
    assert read(folder) == (WHOLE, "")


def test_a_training_without_a_result_is_begun_without_a_word(tmp_path: Path) -> None:
    assert read(tmp_path / TASK.name) == (None, "")


def _without(key: str) -> Callable[[], str]:
    return lambda: json.dumps({k: v for k, v in WHOLE.items() if k != key})


def _with(**other: object) -> Callable[[], str]:
    return lambda: json.dumps(WHOLE | other)


@pytest.mark.parametrize(
    ("damaged", "said"),
    [
        (lambda: "{", "Expecting"),
        (lambda: "[]", "not an object"),
        *((_without(key), f"holds no {key}") for key in work.KINDS),
        (_with(accuracy="x"), "accuracy is 'x'"),
        (_with(history={"epoch": [1], "val_loss": []}), "history holds no val_accuracy"),
        (_with(name="another"), "is that of another"),
    ],
)
def test_a_damaged_result_is_told_and_counts_as_none(
    folder: Path, damaged: Callable[[], str], said: str
) -> None:
    (folder / work.RESULT).write_text(damaged())
    result, told = read(folder)
    assert result is None
    assert f"{folder / work.RESULT}: damaged ({said}" in told
    assert told.endswith("it is trained again")


def test_a_result_without_its_weights_counts_as_none(folder: Path) -> None:
    (folder / work.WEIGHTS).unlink()
    result, told = read(folder)
    assert result is None
    assert "without its best.safetensors" in told
