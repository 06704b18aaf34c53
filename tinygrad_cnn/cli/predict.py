"""`tinygrad-cnn predict`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinygrad_cnn.cli.options import add_runs
from tinygrad_cnn.data.pictures import expand, title_of
from tinygrad_cnn.errors import ConfigError, DataError, require
from tinygrad_cnn.files import write_atomic
from tinygrad_cnn.train.predictions import (
    TITLE,
    Answers,
    Judge,
    Picture,
    ask,
    explanation,
    judges,
    letters,
    read,
    sheet,
)
from tinygrad_cnn.train.run import newest

HELP = "tell what pictures of your own show"
DESCRIPTION = """\
Ask trained networks about pictures of your own: photos and drawings of any
size, dark on light or light on dark, on plain or squared paper, one digit in
each. The digit is found, scaled and centred as MNIST's are; the sheet shows
what came of it. Where file names are or begin with what they show, as 7.png and
7-01.jpg, the answers are counted. A network of another data set gets the
square in a picture's middle."""
EXAMPLES = """\
examples:
  tinygrad-cnn predict my-seven.png  by the newest run
  tinygrad-cnn predict photos/ --model runs/mnist-leaky-1
  tinygrad-cnn predict photos/ --model runs/a --model runs/b
  tinygrad-cnn predict 7-01.jpg --explain why
"""
LONGEST = 34  # characters of a picture's name in the table


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "images", nargs="+", type=_named, metavar="PICTURE", help="a picture, or a folder of some"
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="RUN",
        help="a run folder or a file of weights; several are compared; default: the newest run",
    )
    parser.add_argument(
        "--sheet",
        type=Path,
        default=Path("predictions.png"),
        metavar="FILE",
        help="the pictures with their answers (default: predictions.png)",
    )
    parser.add_argument(
        "--explain",
        type=Path,
        metavar="DIR",
        help="write for each picture what the network got, its feature maps and the gradient",
    )
    add_runs(parser)


def _named(text: str) -> Path:
    """A path; an empty one, as an unset variable leaves it, would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("an empty name; give a picture or a folder")
    return Path(text)


def run(arguments: argparse.Namespace) -> None:
    """Print a line a picture, and draw the sheet."""
    paths = expand(arguments.images, but=TITLE)
    _check_sheet(arguments.sheet, paths)
    asked = judges(arguments.model or [newest(arguments.runs)])
    pictures = _read_all(paths, asked[0])
    answers = ask(asked, pictures)
    if not arguments.model:
        print(f"{asked[0].name} answers, the newest run; --model RUN asks another\n")
    print(table(answers))
    write_atomic(arguments.sheet, sheet(answers))
    print(f"\n{arguments.sheet}")
    if arguments.explain:
        _explain(answers, arguments.explain)


def _check_sheet(sheet: Path, asked: Sequence[Path]) -> None:
    """A sheet is a PNG, and not written over a picture that it shows."""
    if sheet.suffix.lower() != ".png":
        raise ConfigError(f"--sheet {sheet}: the sheet is a PNG; call it {sheet.stem or 'a'}.png")
    if sheet.exists() and any(path.exists() and sheet.samefile(path) for path in asked):
        raise ConfigError(f"--sheet {sheet}: that is a picture of yours; give another name")


def _read_all(paths: Sequence[Path], judge: Judge) -> list[Picture]:
    """The pictures that can be read. Of others, the reason is told; if there are no others, it
    is the command's own error.
    """
    pictures: list[Picture] = []
    failures: list[DataError | OSError] = []
    bar = require("tqdm", "train").tqdm(
        paths, "reading", disable=len(paths) < 10 or None, leave=False
    )
    for path in bar:
        try:
            pictures.append(read(path, judge.recipe))
        except (DataError, OSError) as error:
            failures.append(error)
    if not pictures:
        more = f" (and {len(failures) - 1} more, none readable)" if len(failures) > 1 else ""
        if more and isinstance(failures[0], DataError):
            raise DataError(f"{failures[0]}{more}")
        raise failures[0]
    for failure in failures:
        print(f"tinygrad-cnn: left out: {failure}", file=sys.stderr)
    return pictures


def table(answers: Answers) -> str:
    """One network: its answer, how sure it is, its second choice. Several: their answers."""
    names = [str(picture.path) for picture in answers.pictures]
    names = [name if len(name) <= LONGEST else f"…{name[1 - LONGEST :]}" for name in names]
    rows = [["image", *_head(answers)]]
    rows += [[name, *_row(answers, i)] for i, name in enumerate(names)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    several = len(answers.judges) > 1
    key = [f"{a}  {j.name}" for a, j in zip(letters(answers), answers.judges, strict=True)]
    return "\n".join([*(key + [""] if several else []), *lines, *_scores(answers)])


def _head(answers: Answers) -> list[str]:
    what = "digit" if answers.judges[0].recipe.dataset == "mnist" else "class"
    truth = ["is"] if answers.labelled else []
    if len(answers.judges) > 1:
        return truth + letters(answers)
    return [*truth, what, "probability", "runner-up"]


def _row(answers: Answers, i: int) -> list[str]:
    names, label = answers.classes, answers.pictures[i].label
    truth = [names[label] if label is not None else "?"] if answers.labelled else []
    cells = []
    for p in answers.probabilities[:, i]:
        second, first = np.argsort(p)[-2:]
        if len(answers.judges) > 1:
            cells.append(f"{names[first]} {p[first]:6.1%}")
        else:
            cells += [names[first], f"{p[first]:.1%}", f"{names[second]} ({p[second]:.1%})"]
    return truth + cells


def _scores(answers: Answers) -> list[str]:
    """How many of the labelled pictures each network recognises."""
    n = len(answers.labelled)
    if not n:
        return []
    several = len(answers.judges) > 1
    return [
        "",
        *(
            f"{letter + '  ' if several else ''}{answers.hits(k)} of {n} labelled pictures "
            f"recognised ({answers.hits(k) / n:.1%})"
            for k, letter in enumerate(letters(answers))
        ),
    ]


def _explain(answers: Answers, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    used: set[Path] = set()
    for picture in answers.pictures:
        for letter, judge in zip(letters(answers), answers.judges, strict=True):
            suffix = f"-{letter}" if len(answers.judges) > 1 else ""
            path = _unused(folder / f"{picture.path.stem}{suffix}.png", used)
            write_atomic(path, explanation(judge, picture))
            print(path)


def _unused(path: Path, used: set[Path]) -> Path:
    """`path`, with a number where a picture of the user's or one of this run has it already."""
    number = 2
    unique = path
    while unique in used or (unique.exists() and title_of(unique) != TITLE):
        unique, number = path.with_stem(f"{path.stem}-{number}"), number + 1
    used.add(unique)
    return unique
