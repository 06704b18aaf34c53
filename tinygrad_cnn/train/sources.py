"""Which images to train and to test on: the user's, a complete set, or those in the package."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from typing import NamedTuple

from tinygrad_cnn.data import (
    CIFAR10,
    MNIST,
    ArrayDataset,
    EmbeddedMNIST,
    FashionMNIST,
    load_digits,
    split,
)
from tinygrad_cnn.data.download import DATA_VARIABLE
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.train.recipe import nearest


class Source(NamedTuple):
    """A training set, a test set, and the choice that led to them."""

    train: ArrayDataset
    test: ArrayDataset
    data_dir: str = ""
    full: bool = False
    dataset: str = "mnist"

    @property
    def where(self) -> str:
        """Where the images lie, in words."""
        return self.data_dir or ("the user's cache" if self.full else "inside the package")


SETS: dict[str, Callable[..., ArrayDataset]] = {"fashion-mnist": FashionMNIST, "cifar10": CIFAR10}
DATASETS = ("mnist", *SETS)


def load(data_dir: str = "", full: bool = False, dataset: str = "mnist") -> Source:
    """The images in `data_dir`: for digits a folder, a .npz or a .csv file, else a folder.

    Without one, those in the folder that the environment variable TINYGRAD_CNN_DATA names; without
    that, digits are the 10,000 inside the package, and other sets are looked for in the user's
    cache and downloaded into it. `full` asks for the same of the complete MNIST. A fifth of what
    has no test part of its own is held out as one.
    """
    if dataset not in DATASETS:
        raise ConfigError(f"dataset: no {dataset!r}; {nearest(dataset, DATASETS)}")
    data_dir = data_dir or os.environ.get(DATA_VARIABLE, "")
    if full or dataset != "mnist":
        kind = SETS.get(dataset, MNIST)
        train_set, test_set = (kind(data_dir or None, train=part) for part in (True, False))
        return Source(train_set, test_set, data_dir, True, dataset)
    if not data_dir:
        return Source(EmbeddedMNIST(train=True), EmbeddedMNIST(train=False))
    train, test = load_digits(data_dir)
    if test is None:
        train, test = split(train, 0.2)
    return Source(train, test, data_dir)


def flags(data_dir: str, full: bool, dataset: str = "mnist") -> list[str]:
    """The same choice as options of the command line.

    >>> flags("my digits", full=False)
    ["--data-dir 'my digits'"]
    """
    named = [f"--data-dir {shlex.quote(data_dir)}"] if data_dir else []
    return [*named, "--full"] if full and dataset == "mnist" else named
