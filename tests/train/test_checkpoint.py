"""Weights on disk come back as they were, or with a message that says why they cannot."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_cnn import nn
from tinygrad_cnn.errors import CheckpointError
from tinygrad_cnn.train import checkpoint

safetensors_numpy = pytest.importorskip("safetensors.numpy")


def model(hidden: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, hidden, 3), nn.BatchNorm2d(hidden), nn.Linear(4, 2))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "best.safetensors"


def test_weights_configuration_and_metrics_come_back(path: Path) -> None:
    saved = model()
    checkpoint.save(path, saved, {"lr": 0.1}, {"val_accuracy": 0.5})
    fresh = model()
    loaded = checkpoint.restore(path, fresh)
    assert (loaded.config, loaded.metrics) == ({"lr": 0.1}, {"val_accuracy": 0.5})
    for name, array in saved.state_dict().items():
        np.testing.assert_array_equal(fresh.state_dict()[name], array)
        assert fresh.state_dict()[name].dtype == array.dtype


def test_any_reader_of_safetensors_reads_it(path: Path) -> None:
    saved = model()
    checkpoint.save(path, saved, {}, {})
    assert set(safetensors_numpy.load_file(path)) == set(saved.state_dict())


def test_arrays_in_fortran_order_are_saved_as_they_look(path: Path) -> None:
    class Transposed(nn.Module):
        def state_dict(self) -> dict[str, Any]:
            return {"w": np.asfortranarray([[1.0, 2.0], [3.0, 4.0]])}

    checkpoint.save(path, Transposed(), {}, {})
    np.testing.assert_array_equal(checkpoint.load(path).weights["w"], [[1, 2], [3, 4]])


def test_another_architecture_names_the_first_parameter_and_both_shapes(path: Path) -> None:
    checkpoint.save(path, model(3), {}, {})
    with pytest.raises(CheckpointError) as caught:
        checkpoint.restore(path, model(5))
    for part in (str(path), "0.weight", "(3, 1, 3, 3)", "(5, 1, 3, 3)"):
        assert part in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused_by_name(path: Path, value: float) -> None:
    spoilt = model()
    next(iter(spoilt.parameters())).data[0] = value
    checkpoint.save(path, spoilt, {}, {})
    with pytest.raises(CheckpointError, match=r"0\.weight holds NaN or infinite values"):
        checkpoint.restore(path, model())


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ([4, 3], "holds 1.bias, which the network has not"),
        ([4, 3, 3, 3], "holds no 2.weight"),
        ([4, 3, 2], r"1.weight has the shape (3, 3) here and (2, 3) in the network"),
    ],
)
def test_a_complaint_speaks_of_files_and_networks_and_of_no_python(
    path: Path, sizes: list[int], said: str
) -> None:
    def network(*sizes: int) -> nn.Sequential:
        return nn.Sequential(*(nn.Linear(n, m) for n, m in pairwise(sizes)))

    checkpoint.save(path, network(4, 3, 3), {}, {})
    with pytest.raises(CheckpointError) as caught:
        checkpoint.restore(path, network(*sizes))
    message = str(caught.value)
    assert said in message
    assert "so these are the weights of another network" in message
    assert "state_dict" not in message


def test_a_model_that_was_refused_weights_keeps_its_own(path: Path) -> None:
    checkpoint.save(path, nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3)), {}, {})
    other = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    before = other.state_dict()
    with pytest.raises(CheckpointError):
        checkpoint.restore(path, other)
    for name, array in before.items():
        np.testing.assert_array_equal(other.state_dict()[name], array)


@pytest.mark.parametrize("damage", ["truncated", "header", "empty", "text"])
def test_a_damaged_file_is_told_from_a_whole_one(path: Path, damage: str) -> None:
    checkpoint.save(path, model(), {}, {})
    whole = path.read_bytes()
    path.write_bytes(
        {
            "truncated": whole[:-10],
            "header": b"\xff" * 8 + whole[8:],
            "empty": b"",
            "text": b"not weights at all",
        }[damage]
    )
    with pytest.raises(CheckpointError, match=r"best\.safetensors: not a whole safetensors file"):
        checkpoint.load(path)


def test_weights_of_another_program_lack_a_configuration(path: Path) -> None:
    safetensors_numpy.save_file(model().state_dict(), path)
    with pytest.raises(CheckpointError, match="its metadata hold no 'config'"):
        checkpoint.load(path)


@pytest.mark.parametrize("text", ["[1, 2]", "{not json", "3"])
def test_a_configuration_that_is_no_json_object_is_refused(path: Path, text: str) -> None:
    safetensors_numpy.save_file(model().state_dict(), path, metadata={"config": text})
    with pytest.raises(CheckpointError, match="'config'"):
        checkpoint.load(path)


def test_a_missing_file_is_an_os_error_that_names_it(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"best\.safetensors"):
        checkpoint.load(path)


def test_a_full_disk_leaves_the_old_weights_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save(path, model(), {"old": True}, {})

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(path, model(), {"old": False}, {})
    assert checkpoint.load(path).config == {"old": True}
    assert [file.name for file in path.parent.iterdir()] == [path.name]
