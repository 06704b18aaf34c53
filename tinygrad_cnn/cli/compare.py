"""`tinygrad-cnn compare`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.files import write_atomic
from tinygrad_cnn.train import comparing
from tinygrad_cnn.train.document import (
    Block,
    Document,
    Heading,
    Picture,
    Points,
    Table,
    Text,
    markdown,
    page,
)
from tinygrad_cnn.viz import plots
from tinygrad_cnn.viz.words import aligned

HELP = "put several runs side by side: curves and numbers"
DESCRIPTION = """\
Print a table of what runs reached and of the settings in which they differ, the
best first, and draw their validation curves over each other. The ending of the
file says the format:
  .html  one page with table and picture
  .md    the same as Markdown, its picture beside it
  .png   the picture alone"""
EXAMPLES = """\
examples:
  tinygrad-cnn compare runs/mnist-leaky-1 runs/mnist-leaky-2
  tinygrad-cnn compare runs/* -o curves.png
"""
NUMBERS = ("accuracy", "95% interval", "parameters", "epochs", "time")
SUFFIXES = (".html", ".md", ".png")
WIDE = 100  # characters of a table that the terminal shows


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run folder")
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        default=Path("compare.html"),
        metavar="FILE",
        help="default: compare.html",
    )


def run(arguments: argparse.Namespace) -> None:
    """Print the table, and write the picture."""
    if len(arguments.runs) < 2:
        raise ConfigError("compare: takes two runs or more; got one")
    _check_different(arguments.runs)
    if arguments.out.suffix not in SUFFIXES:
        raise ConfigError(f"{arguments.out}: the ending is one of {' '.join(SUFFIXES)}")
    runs = _named_apart([comparing.read(folder) for folder in arguments.runs], arguments.runs)
    rows = comparing.rows(runs)
    print(table(rows))
    print(f"\n{comparing.verdict(runs)}")
    for path in _write(arguments.out, runs, rows):
        print(path)


def table(rows: Sequence[comparing.Row]) -> str:
    """The rows as columns of words; settings that would make it too wide are left to the page."""
    names = list(rows[0])
    while True:
        cells = [names, *([row[name] for name in names] for row in rows)]
        lines = aligned(cells, right=[i for i, name in enumerate(names) if name in NUMBERS])
        if max(map(len, lines)) <= WIDE or names[-1] in NUMBERS:
            return "\n".join(lines)
        names = names[:-1]


def _check_different(folders: Sequence[Path]) -> None:
    """Raise ConfigError where one folder is given twice, under whatever names."""
    first: dict[Path, Path] = {}
    for folder in folders:
        before = first.setdefault(folder.resolve(), folder)
        if before is not folder:
            raise ConfigError(f"{folder}: the same run as {before}; name each run once")


def _named_apart(runs: list[comparing.Run], folders: list[Path]) -> list[comparing.Run]:
    """Runs of the same name, from different places, by their whole paths."""
    names = [run.name for run in runs]
    return [
        run
        if names.count(run.name) == 1
        else comparing.Run(str(folder), run.summary, run.config, run.history)
        for run, folder in zip(runs, folders, strict=True)
    ]


def _write(out: Path, runs: list[comparing.Run], rows: list[comparing.Row]) -> list[Path]:
    picture = plots.png(plots.overlaid_curves({run.name: run.history for run in runs}))
    image = out.with_suffix(".png")
    if out.suffix == ".png":
        write_atomic(out, picture)
        return [out]
    head = ["run", *NUMBERS]
    settings = [name for name in rows[0] if name not in head]
    told = [f"**{row['run']}** {', '.join(f'{k}={row[k]}' for k in settings)}" for row in rows]
    blocks: list[Block] = [
        Text(comparing.verdict(runs)),
        Table(head, [[row[name] for name in head] for row in rows], right=NUMBERS),
        Picture(image.name, "Validation loss and accuracy by epoch"),
    ]
    if settings:
        blocks += [Heading("Settings in which they differ"), Points(told)]
    document = Document(f"{len(runs)} runs compared", blocks)
    if out.suffix == ".md":
        write_atomic(image, picture)
        write_atomic(out, markdown(document))
        return [out, image]
    write_atomic(out, page(document, {image.name: picture}))
    return [out]
