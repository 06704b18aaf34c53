"""`tinygrad-cnn graph`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from tinygrad_cnn.data import EmbeddedMNIST
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.nn import Module
from tinygrad_cnn.train import recipes
from tinygrad_cnn.train.pictures import draw_graph
from tinygrad_cnn.train.run import load

HELP = "draw the computation graph of a network"
DESCRIPTION = """\
Draw what a network computes, from a batch of digits to the loss. The ending of
the file says the format: .svg .png .dot .json .txt, and .pdf where the dot
program is installed."""
EXAMPLES = """\
examples:
  tinygrad-cnn graph mnist-leaky -o net.svg
  tinygrad-cnn graph runs/mnist-leaky-1 -o net.svg
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("network", metavar="RECIPE_OR_RUN", help="a recipe's name, or a run folder")
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("net.svg"), metavar="FILE", help="default: net.svg"
    )


def run(arguments: argparse.Namespace) -> None:
    """Draw and say where."""
    recipe, model = _network(arguments.network)
    draw_graph(model, EmbeddedMNIST(train=False), recipe.batch_size, arguments.out)
    print(arguments.out)


def _network(name: str) -> tuple[recipes.Recipe, Module]:
    if Path(name).exists():
        recipe, model, _ = load(name)
        return recipe, model
    if os.sep in name:
        raise ConfigError(f"{name}: no such run; `tinygrad-cnn train` makes one below runs/")
    recipe = recipes.get(name)
    return recipe, recipe.model()
