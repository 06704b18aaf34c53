"""The command line: its commands and options, and what `--help` says of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from tinygrad_cnn import __version__
from tinygrad_cnn.cli import (
    bench,
    compare,
    data,
    doctor,
    evaluate,
    graph,
    list,
    predict,
    study,
    train,
)
from tinygrad_cnn.errors import ConfigError

COMMANDS = (train, list, evaluate, compare, study, predict, graph, data, doctor, bench)

DESCRIPTION = "Train small convolutional networks on handwritten digits, and look at them."
EXAMPLES = """\
examples:
  tinygrad-cnn train                 train the default network
  tinygrad-cnn predict my-seven.png  ask it about a picture of your own
  tinygrad-cnn COMMAND --help        all options of a command
"""


class Parser(argparse.ArgumentParser):
    """Complains as the rest of the package does: an exception, which `main` tells in one line."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and exiting."""
        raise ConfigError(f"{message} (see `{self.prog} --help`)")


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments of a command, with the command itself as `.run`."""
    parser = Parser(
        prog="tinygrad-cnn",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"tinygrad-cnn {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        sub = commands.add_parser(
            command.__name__.rpartition(".")[2],
            help=command.HELP,
            description=command.DESCRIPTION,
            epilog=command.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.add_options(sub)
        sub.set_defaults(run=command.run, refuse=sub.error)
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:  # said by the command's own parser: its --help is the one that lists the options
        arguments.refuse(f"unrecognized arguments: {' '.join(unknown)}")
    return arguments
