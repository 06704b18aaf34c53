"""`tinygrad-cnn evaluate`."""

from __future__ import annotations

import argparse
import os
from typing import Any

from tinygrad_cnn.cli.options import add_data, add_runs
from tinygrad_cnn.data import DataLoader
from tinygrad_cnn.data.download import DATA_VARIABLE
from tinygrad_cnn.train import metrics, sources
from tinygrad_cnn.train.recipe import EVALUATION_BATCH
from tinygrad_cnn.train.run import Scores, check_fit, load, newest, score

HELP = "measure a trained network on the test digits"
DESCRIPTION = """\
Run a trained network over test digits: its accuracy, and precision, recall and
F-score of each class."""
EXAMPLES = """\
examples:
  tinygrad-cnn evaluate              the newest run, on its own test digits
  tinygrad-cnn evaluate runs/mnist-leaky-1 --data-dir ~/mnist
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "run_folder",
        nargs="?",
        metavar="RUN",
        help="a run folder or a file of weights; default: the newest run",
    )
    add_data(parser)
    add_runs(parser)


def run(arguments: argparse.Namespace) -> None:
    """Print accuracy and the table of classes."""
    path = arguments.run_folder or newest(arguments.runs)
    recipe, model, config = load(path)
    source = _source(arguments, config)
    check_fit(recipe, model, source.test)
    scores = score(model, DataLoader(source.test, EVALUATION_BATCH))
    print(f"{path} on {source.test.name}, {source.where}\n")
    print(table(scores))
    low, high = metrics.wilson_interval(scores.hits, len(source.test))
    print(
        f"\naccuracy {scores.accuracy:.2%} ({scores.hits:,} of {len(source.test):,}; "
        f"95% interval {low:.1%} to {high:.1%}), loss {scores.loss:.4f}"
    )


def _source(arguments: argparse.Namespace, config: dict[str, Any]) -> sources.Source:
    """What the options or the environment ask for, else what the run was trained with."""
    trained = config.get("data", {})
    dataset = arguments.dataset or trained.get("dataset", "mnist")
    if arguments.data_dir or arguments.full or os.environ.get(DATA_VARIABLE):
        return sources.load(arguments.data_dir, arguments.full, dataset)
    return sources.load(trained.get("data_dir", ""), trained.get("full", False), dataset)


def table(scores: Scores) -> str:
    """One line a class."""
    width = max(len("class"), *map(len, scores.dataset.classes))
    lines = [f"{'class':<{width}}  precision   recall  F-score  one-vs-all  images"]
    for name, s in zip(scores.dataset.classes, metrics.class_scores(scores.confusion), strict=True):
        lines.append(
            f"{name:<{width}}  {s.precision:9.2%}  {s.recall:7.2%}  {s.fscore:7.4f}  "
            f"{s.accuracy:10.2%}  {s.support:6,}"
        )
    return "\n".join(lines)
