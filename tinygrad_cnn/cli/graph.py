"""`tinygrad-cnn graph`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from tinygrad_cnn.data import ArrayDataset, EmbeddedMNIST
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.nn import Module
from tinygrad_cnn.train import recipes
from tinygrad_cnn.train.pictures import draw_graph
from tinygrad_cnn.train.recipe import Recipe
from tinygrad_cnn.train.run import load
from tinygrad_cnn.viz.drawing import ENGINES
from tinygrad_cnn.viz.graphs import FOLDS, VIEWS
from tinygrad_cnn.viz.notes import ANNOTATIONS, KINDS, OVERLAYS

HELP = "draw the computation graph of a network"
DESCRIPTION = """\
Draw what a network computes, from a batch of digits to the loss. The ending of
the file says the format:
  .html  a page to explore: zoom, search, every depth, step by step
  .svg  .png   a picture
  .pdf   a picture, where Graphviz's program dot is installed
  .dot  .gv    for Graphviz
  .json  the graph as data
  .txt   a table"""
EXAMPLES = """\
examples:
  tinygrad-cnn graph mnist-leaky -o net.svg
  tinygrad-cnn graph runs/mnist-leaky-1 -o net.html --depth 2 --view both
  tinygrad-cnn graph mnist-leaky --color time --annotate shape,time,saved
  tinygrad-cnn graph mnist-leaky --focus conv --hops 1 --engine dot
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options; those of the picture carry the names that viz.graph gives them."""
    parser.add_argument(
        "network",
        metavar="RECIPE_OR_CHECKPOINT",
        help="a recipe's name, a run folder, or a file of weights that a run wrote",
    )
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("net.svg"), metavar="FILE", help="default: net.svg"
    )
    group = parser.add_argument_group("picture")
    group.add_argument(
        "--depth", type=int, metavar="N", help="close the modules at this depth; default: every op"
    )
    group.add_argument("--view", choices=VIEWS, default="forward", help="default: forward")
    group.add_argument(
        "--fold", choices=FOLDS, default="auto", help="whether equal blocks in a row are one"
    )
    group.add_argument("--focus", default="", metavar="PATH", help="only this, and what is near it")
    group.add_argument(
        "--hops", type=int, default=2, metavar="N", help="... within so many arrows (default: 2)"
    )
    group.add_argument(
        "--annotate",
        type=lambda text: tuple(filter(None, text.split(","))),
        default=("shape",),
        metavar="A,B,...",
        help=f"write beside the boxes: {', '.join(ANNOTATIONS)}; default: shape",
    )
    group.add_argument(
        "--color",
        choices=OVERLAYS,
        default="",
        metavar="WHAT",
        help=f"let the fills tell how much of it: {', '.join(OVERLAYS)}",
    )
    group.add_argument(
        "--engine", choices=("auto", *ENGINES), default="auto", help="what draws; default: auto"
    )


def run(arguments: argparse.Namespace) -> None:
    """Draw and say where."""
    recipe, model = _network(arguments.network)
    names = ("depth", "view", "fold", "focus", "hops", "annotate", "color", "engine")
    options = {name: getattr(arguments, name) for name in names}
    draw_graph(
        model,
        _batch(recipe),
        recipe.batch_size,
        arguments.out,
        measure=_asks_for_measurements(arguments),
        **options,
    )
    print(arguments.out)


def _batch(recipe: Recipe) -> ArrayDataset:
    """Real digits; noise for a network of other images, whose graph is the same."""
    facts = recipe.images
    if (facts.channels, facts.size) == (1, 28):
        return EmbeddedMNIST(train=False)
    shape = (recipe.batch_size, facts.channels, facts.size, facts.size)
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return ArrayDataset(noise, np.arange(len(noise)) % facts.classes, name="noise")


def _asks_for_measurements(arguments: argparse.Namespace) -> bool:
    """Whether times or gradients are to be seen; a page can show them all at a click."""
    wanted = {*arguments.annotate, arguments.color} & KINDS.keys()
    return arguments.out.suffix.lower() == ".html" or any(KINDS[name].needs for name in wanted)


def _network(name: str) -> tuple[Recipe, Module]:
    if Path(name).exists():
        recipe, model, _ = load(name)
        return recipe, model
    if os.sep in name:
        raise ConfigError(f"{name}: no such run; `tinygrad-cnn train` makes one below runs/")
    recipe = recipes.get(name)
    return recipe, recipe.model()
