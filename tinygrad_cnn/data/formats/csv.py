"""CSV: a label, then S*S pixels, one image a line, as Kaggle gives MNIST."""

from __future__ import annotations

import itertools
import os
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from typing import IO

import numpy as np
import numpy.typing as npt

from tinygrad_cnn.data.formats.common import (
    Images,
    Labels,
    StrPath,
    opened,
    packed,
    refuse,
    square_side,
)
from tinygrad_cnn.files import write_atomic

_CLASSES = 10
_NUMBER = re.compile(r"\s*\+?([0-9]+)\s*")
_LINES_A_BLOCK = 1000

Line = tuple[int, str]  # its number, counted from 1, and its text


def read_csv(path: StrPath) -> tuple[Images, Labels]:
    r"""Square images uint8 (N, S, S) and labels int64 (N,) from lines of label,pixel,...,pixel.

    Plain or gzip, with or without a header: the first line is one if its first field is not a
    number and no field occurs twice (784 pixels of 256 values always repeat, column names never).
    Raises DataError with file, line and column for a ragged row, a field that is not a whole
    number, a pixel outside 0..255, a label outside 0..9, a row that is no square, an empty file.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "two.csv").write_text("label,a,b,c,d\n7,0,255,0,255\n1,9,0,9,0\n")
    ...     images, labels = read_csv(f"{folder}/two.csv")
    >>> images[0].tolist(), labels.tolist()
    ([[0, 255], [0, 255]], [7, 1])
    """
    with opened(path) as stream:
        lines = _numbered_lines(stream)
        first = next(lines, None)
        if first and _is_header(first[1]):
            first = next(lines, None)
        if first is None:
            refuse(path, "line 1", "the file holds no rows", "give lines of label,pixel,...,pixel")
        if "," not in first[1]:
            remedy = "give lines of label,pixel,...,pixel"
            refuse(path, f"line {first[0]:,}", "no comma in the first row", remedy)
        columns = len(_fields(first[1]))
        side = square_side(columns - 1, f"{os.fspath(path)}: line {first[0]:,}")
        rows = itertools.chain([first], lines)
        blocks = []
        while block := list(itertools.islice(rows, _LINES_A_BLOCK)):
            blocks.append(_parse(block, columns, path))
    table = np.concatenate(blocks)  # (N, 1 + S*S)
    return table[:, 1:].reshape(-1, side, side), table[:, 0].astype(np.int64)


def _numbered_lines(stream: IO[bytes]) -> Iterator[Line]:
    """Lines that hold anything, with the numbers that an editor shows; no byte-order mark."""
    for number, line in enumerate(stream, start=1):
        if number == 1:
            line = line.removeprefix(BOM_UTF8)
        if line.strip():
            # Latin-1 has a character for every byte: only the numbers decide what is refused.
            yield number, line.decode("latin-1")


def _fields(line: str) -> list[str]:
    return [field.strip().strip('"') for field in line.split(",")]


def _is_header(line: str) -> bool:
    fields = _fields(line)
    return len(fields) > 1 and not _NUMBER.fullmatch(fields[0]) and len(set(fields)) == len(fields)


def _parse(block: list[Line], columns: int, path: StrPath) -> Images:
    """Rows as uint8 (len(block), columns): by NumPy's C parser, else by the one that explains."""
    try:
        table = np.loadtxt(
            [text for _, text in block], np.uint8, comments=None, delimiter=",", ndmin=2
        )
    except ValueError:
        return _parse_carefully(block, columns, path)
    if table.shape != (len(block), columns) or (table[:, 0] >= _CLASSES).any():
        return _parse_carefully(block, columns, path)
    return table


def _parse_carefully(block: list[Line], columns: int, path: StrPath) -> Images:
    """The same, field by field: about 20 times slower, takes quoted numbers, names the place."""
    table = np.empty((len(block), columns), np.uint8)
    for row, (number, text) in zip(table, block, strict=True):
        fields = _fields(text)
        if len(fields) != columns:
            problem = f"{len(fields):,} fields where the first row has {columns:,}"
            refuse(path, f"line {number:,}", problem, "complete or remove the row")
        row[:] = [
            _value(field, index, f"line {number:,}, column {index + 1:,}", path)
            for index, field in enumerate(fields)
        ]
    return table


def _value(field: str, index: int, place: str, path: StrPath) -> int:
    what, highest = ("pixel", 255) if index else ("label", _CLASSES - 1)
    match = _NUMBER.fullmatch(field)
    if not match and not re.fullmatch(r"-[0-9]+", field):
        shown = field if len(field) <= 20 else field[:20] + "..."
        remedy = f"write a whole number in 0..{highest}"
        refuse(path, place, f"the {what} {shown!r} is not a whole number", remedy)
    # Longer than any number in range can be; int() itself refuses more than 4,300 digits.
    if not match or len(match[1]) > 20 or int(match[1]) > highest:
        remedy = f"a {what} lies in 0..{highest}"
        refuse(path, place, f"the {what} is {field[:20]}", remedy)
    return int(match[1])


def write_csv(path: StrPath, images: Images, labels: npt.ArrayLike, header: bool = True) -> None:
    """Write images (N, S, S) and labels (N,) as `read_csv` reads them, gzip if named `.gz`."""
    pixels = np.asarray(images).reshape(len(images), -1)  # (N, S, S) -> (N, S*S)
    table = np.column_stack([np.asarray(labels, np.int64), pixels])
    names = ",".join(["label", *(f"pixel{i}" for i in range(pixels.shape[1]))]) + "\n"
    rows = "".join(",".join(map(str, row)) + "\n" for row in table.tolist())
    content = (names if header else "") + rows
    write_atomic(path, packed(path, content.encode("ascii")))
