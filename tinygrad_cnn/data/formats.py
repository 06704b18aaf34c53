"""Digits on disk: IDX, NumPy's `.npz` and label-first CSV, read strictly and written atomically.

Whatever a file holds, a reader returns arrays or raises a `DataError` that names the file, the
place and the remedy. Files packed with gzip are recognised by their first two bytes rather than
by their name, because browsers unpack `.gz` files and keep the name. Nothing is ever unpickled.
"""

from __future__ import annotations

import gzip
import itertools
import math
import os
import re
import zipfile
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from lzma import LZMAError
from tokenize import TokenError
from typing import IO, Any, NamedTuple, NoReturn, cast

import numpy as np
import numpy.typing as npt

from tinygrad_cnn.errors import DataError
from tinygrad_cnn.files import write_atomic

StrPath = str | os.PathLike[str]
Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]

CLASSES = 10
_GZIP_MAGIC = b"\x1f\x8b"
_MIB = 1 << 20


class NpzArrays(NamedTuple):
    """The four arrays of a data set that comes already divided."""

    x_train: Images
    y_train: Labels
    x_test: Images
    y_test: Labels


def _refuse(path: StrPath, place: str, problem: str, remedy: str) -> NoReturn:
    raise DataError(f"{os.fspath(path)}: {place}: {problem}; {remedy}")


@contextmanager
def _opened(path: StrPath) -> Iterator[IO[bytes]]:
    """The bytes of `path`, unpacked if it is a gzip file; failures to read become DataErrors."""
    stream: IO[bytes] | None = None
    try:
        with open(path, "rb") as file:
            stream = file
            if file.peek(2)[:2] == _GZIP_MAGIC:
                stream = cast(IO[bytes], gzip.GzipFile(fileobj=file))
            yield stream
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        place = "gzip" if stream is None else f"gzip data after {stream.tell():,} unpacked bytes"
        _refuse(path, place, f"truncated or damaged ({error})", "fetch the file again")
    except OSError as error:
        remedy = "check the path and its permissions"
        raise DataError(f"{os.fspath(path)}: cannot be read: {error.strerror}; {remedy}") from error


# ---- IDX: 0 0 type ndim, ndim big-endian uint32 sizes, then the elements in C order ------------

_UBYTE = 0x08
_IDX_TYPES = {
    0x08: "uint8",
    0x09: "int8",
    0x0B: "int16",
    0x0C: "int32",
    0x0D: "float32",
    0x0E: "float64",
}


def read_idx(path: StrPath) -> Images:
    """The array of unsigned bytes in an IDX file, plain or gzip, in the shape that it declares.

    The format is that of the MNIST files: the bytes 0, 0, element type, number of dimensions; one
    big-endian uint32 a dimension; then the elements with the last index varying fastest. Raises
    DataError for another magic number, another element type, an empty array, and for a file that
    holds fewer or more bytes than its header declares.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_idx(f"{folder}/labels.gz", np.array([5, 0, 4], np.uint8))
    ...     read_idx(f"{folder}/labels.gz")
    array([5, 0, 4], dtype=uint8)

    Source: LeCun, Cortes, Burges, "The MNIST database", section "File formats".
    """
    with _opened(path) as stream:
        shape, offset = _idx_header(stream, path)
        expected = math.prod(shape)
        elements = _read(stream, expected + 1)
    if len(elements) < expected:
        _refuse(
            path,
            f"byte {offset + len(elements):,}",
            f"the file ends, but its header declares {_times(shape)} = {expected:,} bytes of data",
            "it is truncated: fetch it again",
        )
    if len(elements) > expected:
        _refuse(
            path,
            f"byte {offset + expected:,}",
            f"more bytes follow the {_times(shape)} = {expected:,} that the header declares",
            "the header or the file is damaged: fetch it again",
        )
    return np.frombuffer(elements, np.uint8).reshape(shape)


def _idx_header(stream: IO[bytes], path: StrPath) -> tuple[tuple[int, ...], int]:
    """The declared shape, and the offset of the first element."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _IDX_TYPES:
        found = magic.hex(" ") or "nothing"
        remedy = "give one of the *-ubyte or *-ubyte.gz files of MNIST"
        _refuse(path, "byte 0", f"an IDX file starts with 00 00 08, this one with {found}", remedy)
    if magic[2] != _UBYTE:
        kind = _IDX_TYPES[magic[2]]
        _refuse(path, "byte 2", f"the elements are {kind}, not uint8", "convert them to uint8")
    ndim = magic[3]
    if not 1 <= ndim <= 4:
        rule = "labels have 1 dimension, images 3 or 4"
        _refuse(path, "byte 3", f"the header declares {ndim} dimensions", rule)
    sizes = stream.read(4 * ndim)
    if len(sizes) < 4 * ndim:
        place = f"byte {4 + len(sizes)}"
        _refuse(path, place, f"the file ends inside the {ndim} sizes", "fetch it again")
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    if 0 in shape:
        _refuse(path, "byte 4", f"the set is empty ({_times(shape)})", "give one that holds data")
    return shape, 4 + 4 * ndim


def _read(stream: IO[bytes], count: int) -> bytearray:
    """At most `count` bytes, taken by the MiB: a hostile header must not reserve what it claims."""
    data = bytearray()
    while len(data) < count and (chunk := stream.read(min(count - len(data), _MIB))):
        data += chunk
    return data


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def write_idx(path: StrPath, array: Images) -> None:
    """Write unsigned bytes as IDX, packed with gzip where the name ends in `.gz`.

    The same array gives the same bytes every time: the gzip header carries no time.
    """
    array = np.asarray(array)
    if array.dtype != np.uint8 or not 1 <= array.ndim <= 4 or array.size == 0:
        raise DataError(
            f"write_idx: takes uint8 of 1 to 4 dimensions, not empty; "
            f"got {array.dtype} {array.shape}; convert or reshape it"
        )
    header = bytes([0, 0, _UBYTE, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    write_atomic(path, _packed(path, header + array.tobytes()))


def _packed(path: StrPath, content: bytes) -> bytes:
    if not os.fspath(path).endswith(".gz"):
        return content
    return gzip.compress(content, compresslevel=9, mtime=0)


# ---- npz: a zip of .npy members named x_train, y_train, x_test, y_test -------------------------

# What zipfile, its decompressors and NumPy's header parser raise on damaged archives.
_ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
    EOFError,
    ValueError,
    OverflowError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    TypeError,
    TokenError,
)


def read_npz(path: StrPath) -> NpzArrays:
    """The arrays x_train, y_train, x_test, y_test of a Keras- or Kaggle-style `mnist.npz`.

    Pixels are whole numbers in 0..255 and come back as uint8 (N, H, W), or (N, C, H, W) where the
    archive holds colour, channels first or last; rows of H*W pixels are folded into squares.
    Labels come back as int64 (N,). Raises DataError for a file that is not a zip archive, damaged
    or missing members, object arrays (which only pickle could read), floating-point pixels,
    values outside 0..255, and counts that differ.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            missing = [key for key in NpzArrays._fields if f"{key}.npy" not in names]
            if missing:
                found = ", ".join(name.removesuffix(".npy") for name in names[:8]) or "nothing"
                problem = f"{', '.join(missing)} missing (found: {found})"
                remedy = f"save it by np.savez(path, {'=..., '.join(NpzArrays._fields)}=...)"
                _refuse(path, "archive", problem, remedy)
            arrays = {key: _npy(archive, key, path) for key in NpzArrays._fields}
    except DataError:
        raise
    except OSError as error:
        remedy = "check the path and its permissions"
        raise DataError(f"{os.fspath(path)}: cannot be read: {error.strerror}; {remedy}") from error
    except _ARCHIVE_ERRORS as error:
        remedy = "fetch it again, or save it anew by np.savez"
        raise DataError(
            f"{os.fspath(path)}: not a sound .npz archive ({error}); {remedy}"
        ) from error
    return NpzArrays(
        *_pair(arrays, "x_train", "y_train", path), *_pair(arrays, "x_test", "y_test", path)
    )


def _pair(
    arrays: dict[str, npt.NDArray[Any]], x: str, y: str, path: StrPath
) -> tuple[Images, Labels]:
    """Images and their labels, one each."""
    images, labels = arrays[x], arrays[y]
    if len(images) != len(labels):
        problem = f"{len(images):,} images but {len(labels):,} labels"
        _refuse(path, f"{x} and {y}", problem, "save as many labels as images")
    where = f"{os.fspath(path)}: {x}"
    pixels = _channels_first(as_uint8(images, where), where)
    return pixels, as_labels(labels, f"{os.fspath(path)}: {y}")


def _npy(archive: zipfile.ZipFile, key: str, path: StrPath) -> npt.NDArray[Any]:
    """One member. Read as raw numbers, so that no object can be built, whatever the file holds."""
    with archive.open(f"{key}.npy") as member:
        version = np.lib.format.read_magic(member)
        header = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = header(member)
        if dtype.hasobject:
            remedy = "it is refused because only pickle, which runs code, could read it: " + (
                "save a plain array of numbers"
            )
            _refuse(path, key, "an array of Python objects", remedy)
        if dtype.kind not in "uibf":
            _refuse(path, key, f"elements of type {dtype}", "save numbers, best as uint8")
        if not shape or 0 in shape:
            _refuse(path, key, f"empty or without a first axis (shape {shape})", "save N items")
        data = _read(member, math.prod(shape) * dtype.itemsize + 1)
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def as_uint8(array: npt.NDArray[Any], where: str) -> Images:
    """Whole numbers in 0..255 as uint8; `where` opens the message."""
    if array.dtype.kind not in "uib":
        raise DataError(
            f"{where}: pixels are whole numbers in 0..255, these are {array.dtype}; "
            f"save (255 * x).round().astype(numpy.uint8) if they lie in 0..1"
        )
    low, high = int(array.min()), int(array.max())
    if low < 0 or high > 255:
        raise DataError(f"{where}: pixels lie in 0..255, these in {low}..{high}; rescale them")
    return array.astype(np.uint8, copy=False)


def _channels_first(pixels: Images, where: str) -> Images:
    """(N, H, W) or (N, C, H, W) from any layout that archives of images are saved in."""
    if pixels.ndim == 2:
        side = _side(pixels.shape[1], where)
        return pixels.reshape(-1, side, side)  # (N, S*S) -> (N, S, S)
    if pixels.ndim == 4 and pixels.shape[3] in (1, 3) and pixels.shape[1] not in (1, 3):
        return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))  # (N, H, W, C) -> (N, C, H, W)
    if pixels.ndim in (3, 4):
        return pixels
    raise DataError(
        f"{where}: images have the shape (N, H, W), (N, C, H, W), (N, H, W, C) or (N, H*W), "
        f"these {pixels.shape}; reshape them"
    )


def as_labels(array: npt.NDArray[Any], where: str) -> Labels:
    """Whole numbers from 0 up, one an image, as int64 (N,); `where` opens the message."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]  # (N, 1) -> (N,), the layout of Keras's CIFAR-10
    if array.ndim != 1 or array.dtype.kind not in "ui":
        raise DataError(
            f"{where}: labels are whole numbers of shape (N,), these are {array.dtype} "
            f"{array.shape}; save class numbers (argmax of one-hot rows)"
        )
    if array.min() < 0:
        at = int(array.argmin())
        raise DataError(f"{where}: label {array[at]} at index {at:,}; labels start at 0")
    return array.astype(np.int64)


def _side(pixels: int, where: str) -> int:
    side = math.isqrt(pixels)
    if pixels == 0 or side * side != pixels:
        hint = ": is the label missing?" if math.isqrt(pixels + 1) ** 2 == pixels + 1 else ""
        raise DataError(
            f"{where}: {pixels:,} pixels a row make no square image{hint}; "
            f"give a label and then S*S pixels (28 x 28 = 784 for MNIST)"
        )
    return side


# ---- CSV: a label, then S*S pixels, one image a line -------------------------------------------

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
    with _opened(path) as stream:
        lines = _numbered_lines(stream)
        first = next(lines, None)
        if first and _is_header(first[1]):
            first = next(lines, None)
        if first is None:
            _refuse(path, "line 1", "the file holds no rows", "give lines of label,pixel,...,pixel")
        if "," not in first[1]:
            remedy = "give lines of label,pixel,...,pixel"
            _refuse(path, f"line {first[0]:,}", "no comma in the first row", remedy)
        columns = len(_fields(first[1]))
        side = _side(columns - 1, f"{os.fspath(path)}: line {first[0]:,}")
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
    if table.shape != (len(block), columns) or (table[:, 0] >= CLASSES).any():
        return _parse_carefully(block, columns, path)
    return table


def _parse_carefully(block: list[Line], columns: int, path: StrPath) -> Images:
    """The same, field by field: about 20 times slower, takes quoted numbers, names the place."""
    table = np.empty((len(block), columns), np.uint8)
    for row, (number, text) in zip(table, block, strict=True):
        fields = _fields(text)
        if len(fields) != columns:
            problem = f"{len(fields):,} fields where the first row has {columns:,}"
            _refuse(path, f"line {number:,}", problem, "complete or remove the row")
        row[:] = [
            _value(field, index, f"line {number:,}, column {index + 1:,}", path)
            for index, field in enumerate(fields)
        ]
    return table


def _value(field: str, index: int, place: str, path: StrPath) -> int:
    what, highest = ("pixel", 255) if index else ("label", CLASSES - 1)
    match = _NUMBER.fullmatch(field)
    if not match and not re.fullmatch(r"-[0-9]+", field):
        shown = field if len(field) <= 20 else field[:20] + "..."
        remedy = f"write a whole number in 0..{highest}"
        _refuse(path, place, f"the {what} {shown!r} is not a whole number", remedy)
    # Longer than any number in range can be; int() itself refuses more than 4,300 digits.
    if not match or len(match[1]) > 20 or int(match[1]) > highest:
        remedy = f"a {what} lies in 0..{highest}"
        _refuse(path, place, f"the {what} is {field[:20]}", remedy)
    return int(match[1])


def write_csv(path: StrPath, images: Images, labels: npt.ArrayLike, header: bool = True) -> None:
    """Write images (N, S, S) and labels (N,) as `read_csv` reads them, gzip if named `.gz`."""
    pixels = np.asarray(images).reshape(len(images), -1)  # (N, S, S) -> (N, S*S)
    table = np.column_stack([np.asarray(labels, np.int64), pixels])
    names = ",".join(["label", *(f"pixel{i}" for i in range(pixels.shape[1]))]) + "\n"
    rows = "".join(",".join(map(str, row)) + "\n" for row in table.tolist())
    content = (names if header else "") + rows
    write_atomic(path, _packed(path, content.encode("ascii")))
