"""`tinygrad-cnn data`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from tinygrad_cnn.cli.options import add_data
from tinygrad_cnn.data import ArrayDataset, write_csv, write_idx
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.files import write_atomic
from tinygrad_cnn.train import sources
from tinygrad_cnn.viz import plots

HELP = "describe, show or export the digits"
DESCRIPTION = """\
Say which digits `train` would use with the same options, where they lie and how
many there are of each; draw some of them, or write them in other formats."""
EXAMPLES = """\
examples:
  tinygrad-cnn data                     the digits inside the package
  tinygrad-cnn data --sheet digits.png  ... and a picture of eight of each
  tinygrad-cnn data --full              fetch the complete MNIST
  tinygrad-cnn data --csv folder        write mnist_train.csv, mnist_test.csv
  tinygrad-cnn data --idx folder        write MNIST's four files
"""
EACH = 8


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_data(parser)
    group = parser.add_argument_group("export")
    group.add_argument(
        "--sheet", type=Path, metavar="FILE", help="draw eight digits of each class (.png)"
    )
    group.add_argument("--csv", type=Path, metavar="DIR", help="write label-first CSV files")
    group.add_argument("--idx", type=Path, metavar="DIR", help="write MNIST's four IDX files")


def run(arguments: argparse.Namespace) -> None:
    """Describe, and export what was asked for."""
    if arguments.sheet and arguments.sheet.suffix.lower() != ".png":
        raise ConfigError(f"{arguments.sheet}: the sheet is a PNG; let its name end in .png")
    source = sources.load(arguments.data_dir, arguments.full, arguments.dataset or "mnist")
    print(describe(source))
    if arguments.sheet:
        write_atomic(arguments.sheet, _sheet(source.train))
        print(arguments.sheet)
    if arguments.csv:
        _export_csv(source, arguments.csv)
    if arguments.idx:
        _export_idx(source, arguments.idx)


def describe(source: sources.Source) -> str:
    """Where the digits lie, their size, and a table of counts."""
    classes = source.train.classes
    size = " x ".join(map(str, source.train.images.shape[1:]))
    width = max(len("class"), *map(len, classes))
    train, test = (
        np.bincount(d.labels, minlength=len(classes)) for d in (source.train, source.test)
    )
    rows = [
        f"{name:<{width}}  {a:>6,}  {b:>6,}"
        for name, a, b in zip(classes, train, test, strict=True)
    ]
    return "\n".join(
        [
            f"{source.where}: images of {size}\n",
            f"{'class':<{width}}   train    test",
            *rows,
            f"{'all':<{width}}  {train.sum():>6,}  {test.sum():>6,}",
        ]
    )


def _sheet(dataset: ArrayDataset) -> bytes:
    chosen = [
        i for c in range(len(dataset.classes)) for i in np.flatnonzero(dataset.labels == c)[:EACH]
    ]
    captions = [dataset.classes[dataset.labels[i]] for i in chosen]
    return plots.png(plots.contact_sheet(dataset.images[chosen], captions, dataset.name))


def _export_csv(source: sources.Source, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part, dataset in (("train", source.train), ("test", source.test)):
        path = folder / f"mnist_{part}.csv"
        write_csv(path, dataset.images, dataset.labels)
        print(path)


def _export_idx(source: sources.Source, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part, dataset in (("train", source.train), ("t10k", source.test)):
        for kind, array in (("images-idx3", dataset.images), ("labels-idx1", dataset.labels)):
            path = folder / f"{part}-{kind}-ubyte.gz"
            write_idx(path, array.astype(np.uint8))
            print(path)
