"""Which digits to train and to test on: the user's, the complete MNIST, or those in the package."""

from __future__ import annotations

import os
import shlex
from typing import NamedTuple

from tinygrad_cnn.data import MNIST, ArrayDataset, EmbeddedMNIST, load_digits, split
from tinygrad_cnn.data.download import DATA_VARIABLE


class Source(NamedTuple):
    """A training set, a test set, and the choice that led to them."""

    train: ArrayDataset
    test: ArrayDataset
    data_dir: str = ""
    full: bool = False

    @property
    def where(self) -> str:
        """Where the digits lie, in words."""
        return self.data_dir or ("the user's cache" if self.full else "inside the package")


def load(data_dir: str = "", full: bool = False) -> Source:
    """The digits in `data_dir`: a folder, a .npz or a .csv file.

    Without one, those in the folder that the environment variable TINYGRAD_CNN_DATA names; without
    that, the 10,000 inside the package. `full` asks for the complete MNIST, downloaded where it is
    not found. A fifth of what has no test part of its own is held out as one.
    """
    data_dir = data_dir or os.environ.get(DATA_VARIABLE, "")
    if full:
        return Source(MNIST(data_dir, train=True), MNIST(data_dir, train=False), data_dir, full)
    if not data_dir:
        return Source(EmbeddedMNIST(train=True), EmbeddedMNIST(train=False))
    train, test = load_digits(data_dir)
    if test is None:
        train, test = split(train, 0.2)
    return Source(train, test, data_dir)


def flags(data_dir: str, full: bool) -> list[str]:
    """The same choice as options of the command line.

    >>> flags("my digits", full=False)
    ["--data-dir 'my digits'"]
    """
    named = [f"--data-dir {shlex.quote(data_dir)}"] if data_dir else []
    return [*named, "--full"] if full else named
