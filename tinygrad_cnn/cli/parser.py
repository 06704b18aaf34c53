"""The command line: its commands and options, and what `--help` says of them."""

from __future__ import annotations

import argparse
import re
import sys
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
from tinygrad_cnn.train.recipe import nearest

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
        sub.set_defaults(run=command.run, parser=sub)
    words = sys.argv[1:] if argv is None else argv
    name = next((word for word in words if not word.startswith("-")), None)
    if name is not None and name not in commands.choices:  # argparse would list them all
        parser.error(f"no command {name!r}; {nearest(name, commands.choices)}")
    arguments, unknown = parser.parse_known_args(words)
    if unknown:
        _refuse(unknown[0], arguments.parser)
    return arguments


def _refuse(word: str, parser: argparse.ArgumentParser) -> NoReturn:
    """Complain as the command's own parser does: its --help is the one that lists the options."""
    if not word.startswith("-"):
        parser.error(f"one argument too many: {word!r}")
    option, known = word.partition("=")[0], re.findall(r"--[a-z0-9-]+", parser.format_usage())
    parser.error(f"no option {option}; {nearest(option, known)}")
