"""`tinygrad-cnn predict`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from tinygrad_cnn.cli.options import add_runs
from tinygrad_cnn.core.modes import no_grad
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.data.transforms import ToFloat
from tinygrad_cnn.train import metrics
from tinygrad_cnn.train.own_images import read_digit
from tinygrad_cnn.train.run import load, newest

HELP = "tell which digit a picture shows"
DESCRIPTION = """\
Ask a trained network about pictures of your own: PNG or JPEG, of any size, dark
on light or light on dark, one digit in each. The digit is cut out, scaled and
centred as MNIST's are."""
EXAMPLES = """\
examples:
  tinygrad-cnn predict my-seven.png  by the newest run
  tinygrad-cnn predict *.jpg --model runs/mnist-leaky-1
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="PNG or JPEG file")
    parser.add_argument(
        "--model", metavar="RUN", help="a run folder or a file of weights; default: the newest run"
    )
    add_runs(parser, "where the newest run is looked for (default: runs)")


def run(arguments: argparse.Namespace) -> None:
    """Print a line an image."""
    images = np.stack([read_digit(path) for path in arguments.images])
    _, model, _ = load(arguments.model or newest(arguments.out))
    with no_grad():
        logits = model.eval()(Tensor(ToFloat()(images))).data
    print(table(arguments.images, metrics.probabilities(logits)))


def table(paths: list[Path], p: np.ndarray) -> str:
    """Name, digit, probability and runner-up of each image; `p` (N, C)."""
    width = max(len("image"), *(len(str(path)) for path in paths))
    lines = [f"{'image':<{width}}  digit  probability  runner-up"]
    for path, row in zip(paths, p, strict=True):
        second, first = np.argsort(row)[-2:]
        lines.append(
            f"{path!s:<{width}}  {first:>5}  {row[first]:>11.1%}  {second} ({row[second]:.1%})"
        )
    return "\n".join(lines)
