"""`tinygrad-cnn list`."""

from __future__ import annotations

import argparse
import textwrap

from tinygrad_cnn.train import recipes
from tinygrad_cnn.train.recipe import Recipe

HELP = "show the recipes: networks, where they come from, what they reach"
DESCRIPTION = """\
Without a name, the recipes that `train` knows: parameters of the network for
digits, test accuracy on the full MNIST with seed 0, and minutes of training on
one core. With a name, all of it, and every setting, which `train` can change."""
EXAMPLES = """\
examples:
  tinygrad-cnn list
  tinygrad-cnn list digits-gap
"""
MEASURED_ON = {
    "mnist": "MNIST",
    "fashion-mnist": "Fashion-MNIST",
    "cifar10": "CIFAR-10, its images recompressed as JPEG",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("recipe", nargs="?", help="show this one and its settings")


def run(arguments: argparse.Namespace) -> None:
    """Print the table, or one recipe."""
    print(describe(recipes.get(arguments.recipe)) if arguments.recipe else table())


def table() -> str:
    """Two lines a recipe: its numbers, and below them what the network is and whose."""
    width = max(map(len, recipes.RECIPES))
    lines = [f"{'recipe':<{width}}  parameters  accuracy  minutes"]
    for r in recipes.RECIPES.values():
        reached = r.expected.get("mnist")
        share, minutes = f"{reached:.2%}" if reached else "", f"{r.minutes:.0f}" if reached else ""
        numbers = f"{parameters(r):>10,}  {share:>8}  {minutes:>7}"
        text = f"{r.summary}; after {r.source}" if r.source else r.summary
        lines.append(f"{r.name:<{width}}  {numbers}".rstrip())
        lines.append(textwrap.fill(text, 79, initial_indent="    ", subsequent_indent="    "))
    return "\n".join(lines)


def describe(recipe: Recipe) -> str:
    """Everything about one recipe."""
    reached = "; ".join(f"{p:.2%} on {MEASURED_ON[name]}" for name, p in recipe.expected.items())
    facts = [
        ("network", recipe.summary),
        ("source", recipe.source or "this package"),
        ("parameters", f"{parameters(recipe):,} for digits"),
        ("accuracy", reached or "not measured"),
        ("time", f"{recipe.minutes:.0f} min on one core" if recipe.minutes else "not measured"),
    ]
    lines = [f"{name:<11} {text}" for name, text in facts]
    wrapped = [textwrap.fill(line, 79, subsequent_indent=" " * 12) for line in lines]
    return "\n".join([recipe.name, "", *wrapped, "", "settings:", recipes.settings_table(recipe)])


def parameters(recipe: Recipe) -> int:
    """How many numbers the network learns."""
    return sum(p.size for p in recipe.build().parameters())
