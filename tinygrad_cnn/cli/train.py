"""`tinygrad-cnn train`."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

from tinygrad_cnn.cli.options import RUNS, add_data
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.train import recipes, report, sources
from tinygrad_cnn.train.recipe import SETTINGS, Recipe, help_of, override, placeholder
from tinygrad_cnn.train.run import REPORT, Result, train

HELP = "train a network and write a report"
indented = textwrap.TextWrapper(
    78, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
).fill
DESCRIPTION = """\
Train a network by a recipe, evaluate it once on the test digits, and write
weights, log, pictures and a report into a folder of its own, runs/RECIPE-N.
Ctrl-C ends the training and keeps what was reached."""
EXAMPLES = f"""\
recipes (`tinygrad-cnn list` tells more of each):
{indented(", ".join(recipes.RECIPES))}

examples:
  tinygrad-cnn train
  tinygrad-cnn train --epochs 5 --seed 1
  tinygrad-cnn train mnist-leaky --data-dir ~/mnist --target-accuracy 0.985
  tinygrad-cnn train digits-gap --full --shift 0 --rotate 0
  tinygrad-cnn train study-cnn --dataset cifar10 --set kernels=5,3

Each recipe has settings of its own: `tinygrad-cnn list RECIPE` shows them.
"""
FLAGS = {f"--{name.replace('_', '-')}": name for name in SETTINGS if name != "dataset"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "recipe", nargs="?", default=recipes.DEFAULT, help=f"default: {recipes.DEFAULT}"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=RUNS,
        metavar="DIR",
        help="where the run folder is made (default: runs)",
    )
    parser.add_argument("--quiet", action="store_true", help="no table and no progress bar")
    add_data(parser)
    group = parser.add_argument_group("settings, instead of the recipe's")
    for flag, name in FLAGS.items():
        group.add_argument(flag, metavar=placeholder(name), help=help_of(name))
    group.add_argument(
        "--set",
        dest="changes",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any of these, or an option of the network; may be given several times",
    )


def run(arguments: argparse.Namespace) -> None:
    """Train and print the summary."""
    recipe = override(recipes.get(arguments.recipe), _changes(arguments))
    source = sources.load(arguments.data_dir, arguments.full, recipe.dataset)
    if not arguments.quiet:
        print(_opening(recipe, source), flush=True)
    result = train(recipe, source, arguments.out, progress=not arguments.quiet)
    print(summary(result))
    if result.stopped:
        raise result.stopped


def summary(result: Result) -> str:
    """What the terminal ends with."""
    folder = result.folder
    return f"""
{report.stop_sentence(result)}.
Test accuracy   {report.accuracy_sentence(result)}, trained in {result.seconds:.0f} s
Report          {folder / REPORT}
Your own digit  tinygrad-cnn predict IMAGE.png --model {folder}"""


def _opening(recipe: Recipe, source: sources.Source) -> str:
    return (
        f"{recipe.name}: {recipe.summary}\n"
        f"data: {len(source.train):,} + {len(source.test):,} images, {source.where}\n"
    )


def _changes(arguments: argparse.Namespace) -> dict[str, str]:
    values = {name: getattr(arguments, name) for name in SETTINGS}
    given = {name: value for name, value in values.items() if value is not None}
    for text in arguments.changes:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--set: takes NAME=VALUE, such as lr=0.01; got {text!r}")
        given[name.strip().replace("-", "_")] = value.strip()
    return given
