"""A step of each network is measured once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tinygrad_cnn.data import ArrayDataset
from tinygrad_cnn.train.sources import Source
from tinygrad_cnn.train.study import steps


def source(shade: int = 0) -> Source:
    data = ArrayDataset(np.full((20, 8, 8), shade, np.uint8), np.arange(20) % 10)
    return Source(data, data)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The networks that are measured, in this order; the third one is broken off."""
    names: list[str] = []

    def measure(network: str, source: Source) -> float:
        names.append(network)
        if len(names) == 3:
            raise KeyboardInterrupt
        return float(len(names))

    monkeypatch.setattr(steps, "seconds_per_image", measure)
    return names


def test_a_step_is_measured() -> None:
    assert 0 < steps.seconds_per_image("dense", source()) < 1


def test_what_was_measured_before_an_interruption_is_kept(tmp_path: Path, asked: list[str]) -> None:
    path, networks = tmp_path / "steps.json", ["dense", "cnn", "residual"]
    with pytest.raises(KeyboardInterrupt):
        steps.measured({"mnist": source()}, networks, path)
    found = steps.measured({"mnist": source()}, networks, path)
    assert found == {("mnist", "dense"): 1.0, ("mnist", "cnn"): 2.0, ("mnist", "residual"): 4.0}
    assert asked == ["dense", "cnn", "residual", "residual"]


def test_on_other_images_it_is_measured_again(tmp_path: Path, asked: list[str]) -> None:
    path = tmp_path / "steps.json"
    assert steps.measured({"mnist": source(0)}, ["dense"], path) == {("mnist", "dense"): 1.0}
    assert steps.measured({"mnist": source(9)}, ["dense"], path) == {("mnist", "dense"): 2.0}
    assert steps.measured({"mnist": source(0)}, ["dense"], path) == {("mnist", "dense"): 1.0}


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', '{"a": {"dense": "x"}}'])
def test_a_damaged_file_is_measured_again(tmp_path: Path, asked: list[str], content: str) -> None:
    path = tmp_path / "steps.json"
    path.write_text(content)
    assert steps.measured({"mnist": source()}, ["dense"], path) == {("mnist", "dense"): 1.0}
    ((measured,),) = (own.values() for own in json.loads(path.read_text()).values())
    assert measured == 1.0
