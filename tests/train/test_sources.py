"""Where images come from, by what was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tinygrad_cnn.data import ArrayDataset, EmbeddedMNIST
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.train import sources


@pytest.fixture(autouse=True)
def _no_data_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TINYGRAD_CNN_DATA", raising=False)


def test_without_a_word_they_are_the_digits_inside_the_package() -> None:
    source = sources.load()
    assert source.where == "inside the package"
    np.testing.assert_array_equal(source.test.images, EmbeddedMNIST(train=False).images)


def test_an_unknown_set_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="dataset: no 'cifar100'; did you mean cifar10"):
        sources.load(dataset="cifar100")


@pytest.mark.parametrize("folder", ["", "there"])
def test_another_set_is_asked_of_its_own_loader(
    folder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = []

    def loader(root: str | None, train: bool) -> ArrayDataset:
        asked.append((root, train))
        return ArrayDataset(np.zeros((5, 3, 4, 4), np.uint8), np.arange(5))

    monkeypatch.setitem(sources.SETS, "cifar10", loader)
    source = sources.load(folder, dataset="cifar10")
    assert asked == [(folder or None, True), (folder or None, False)]
    assert source.dataset == "cifar10"
    assert source.where == (folder or "the user's cache")


def test_the_same_choice_comes_back_as_options() -> None:
    assert sources.flags("", full=True) == ["--full"]
    assert sources.flags("a b", full=True, dataset="cifar10") == ["--data-dir 'a b'"]
