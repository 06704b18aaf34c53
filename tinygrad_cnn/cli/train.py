"""`tinygrad-cnn train`."""

from __future__ import annotations

import argparse
import textwrap

from tinygrad_cnn.cli.options import add_data, add_runs
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.train import recipes, report, sources
from tinygrad_cnn.train.recipe import Recipe, override
from tinygrad_cnn.train.run import REPORT, Result, train

HELP = "train a network and write a report"
DESCRIPTION = """\
Train a network by a recipe, evaluate it once on the test digits, and write
weights, log, pictures and a report into a folder of its own, runs/RECIPE-N.
Ctrl-C ends the training and keeps what was reached."""
EXAMPLES = f"""\
recipes (`tinygrad-cnn list` tells more of each):
{textwrap.fill(", ".join(recipes.RECIPES), 78, initial_indent="  ", subsequent_indent="  ")}

examples:
  tinygrad-cnn train
  tinygrad-cnn train --epochs 5 --seed 1
  tinygrad-cnn train mnist-leaky --data-dir ~/mnist --target-accuracy 0.985
  tinygrad-cnn train --set momentum=0.95 --set clip_grad_norm=none

settings that --set takes, with the defaults of {recipes.DEFAULT}
(`tinygrad-cnn list RECIPE` shows those of another one):
{recipes.settings_table(recipes.get(recipes.DEFAULT))}
"""

# Options with a flag of their own; every other setting is reached by --set.
FLAGS = (
    ("--epochs", "N", "at most so many passes over the training digits"),
    ("--batch-size", "N", "digits in a batch"),
    ("--lr", "RATE", "learning rate after the warm-up"),
    ("--target-accuracy", "SHARE", "stop at this validation accuracy, such as 0.985"),
    ("--seed", "N", "of all that is random: one seed, the same weights to the bit"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "recipe", nargs="?", default=recipes.DEFAULT, help=f"default: {recipes.DEFAULT}"
    )
    group = parser.add_argument_group("training")
    for flag, metavar, text in FLAGS:
        group.add_argument(flag, metavar=metavar, help=text)
    group.add_argument(
        "--set",
        dest="changes",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change any setting of the recipe; may be given several times",
    )
    add_data(parser)
    add_runs(parser, "where the run folder is made (default: runs)")
    parser.add_argument("--quiet", action="store_true", help="no table and no progress bar")


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
        f"data: {len(source.train):,} + {len(source.test):,} digits, {source.where}\n"
    )


def _changes(arguments: argparse.Namespace) -> dict[str, str]:
    names = [flag.removeprefix("--").replace("-", "_") for flag, _, _ in FLAGS] + ["dataset"]
    values = {name: getattr(arguments, name) for name in names}
    given = {name: value for name, value in values.items() if value is not None}
    for text in arguments.changes:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--set: takes NAME=VALUE, such as lr=0.01; got {text!r}")
        given[name.strip().replace("-", "_")] = value.strip()
    return given
