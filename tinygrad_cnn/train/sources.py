"""Which digits to train and to test on: the user's, the complete MNIST, or those in the package."""

from __future__ import annotations

import os
import shlex
from typing import NamedTuple

from tinygrad_cnn.data import MNIST, ArrayDataset, EmbeddedMNIST, load_digits, split
from tinygrad_cnn.data.download import DATA_VARIABLE


class Source(NamedTuple):
    """A training set, a test set, where they come from, and the options that chose them."""

    train: ArrayDataset
    test: ArrayDataset
    where: str
    options: str


def load(data_dir: str | os.PathLike[str] | None = None, full: bool = False) -> Source:
    """The digits in `data_dir`: a folder, a .npz or a .csv file.

    Without one, those in the folder that the environment variable TINYGRAD_CNN_DATA names; without
    that, the 10,000 inside the package. `full` asks for the complete MNIST, downloaded where it is
    not found. A fifth of what has no test part of its own is held out as one.

    >>> load("").where
    'inside the package'
    """
    where = os.fspath(data_dir or os.environ.get(DATA_VARIABLE, ""))
    options = f"--data-dir {shlex.quote(where)}" if where else ""
    if full:
        parts = MNIST(where or None, train=True), MNIST(where or None, train=False)
        return Source(*parts, where or "the user's cache", f"--full {options}".rstrip())
    if not where:
        return Source(EmbeddedMNIST(True), EmbeddedMNIST(False), "inside the package", "")
    train, test = load_digits(where)
    if test is None:
        train, test = split(train, 0.2)
    return Source(train, test, where, options)
