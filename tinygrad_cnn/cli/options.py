"""Options that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from tinygrad_cnn.train.sources import DATASETS

RUNS = Path("runs")


def add_data(parser: argparse.ArgumentParser) -> None:
    """--data-dir and --full."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--data-dir",
        default="",
        metavar="PATH",
        help="folder of MNIST's four files, a mnist.npz, or a label-first .csv; default: the "
        "folder that TINYGRAD_CNN_DATA names, else the 10,000 digits inside the package",
    )
    group.add_argument(
        "--dataset",
        metavar="NAME",
        help=f"{', '.join(DATASETS)}; default: the recipe's or the run's, mnist",
    )
    group.add_argument(
        "--full",
        action="store_true",
        help="the complete MNIST, 60,000 + 10,000 digits, downloaded where it is not found",
    )


def add_runs(parser: argparse.ArgumentParser) -> None:
    """--runs, where commands that take the newest run look for it."""
    parser.add_argument(
        "--runs",
        type=Path,
        default=RUNS,
        metavar="DIR",
        help="where the newest run is looked for (default: runs)",
    )
