"""What the readers share: opening, refusing, and the rules for pixels and labels."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, NoReturn, cast

import numpy as np
import numpy.typing as npt

from tinygrad_cnn.errors import DataError

StrPath = str | os.PathLike[str]
Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]

_GZIP_MAGIC = b"\x1f\x8b"
_MIB = 1 << 20


def refuse(path: StrPath, place: str, problem: str, remedy: str) -> NoReturn:
    """Raise the DataError that every reader raises: the file, the place, the rule, the remedy."""
    raise DataError(f"{os.fspath(path)}: {place}: {problem}; {remedy}")


@contextmanager
def readable(path: StrPath) -> Iterator[None]:
    """What the operating system says about `path` becomes a DataError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        remedy = "check the path and its permissions"
        raise DataError(f"{os.fspath(path)}: cannot be read: {reason}; {remedy}") from error


@contextmanager
def opened(path: StrPath) -> Iterator[IO[bytes]]:
    """The bytes of `path`, unpacked if it is a gzip file, whatever fails turned into DataErrors.

    The first two bytes tell gzip, not the name: browsers unpack `.gz` files and keep the name.
    """
    with readable(path), open(path, "rb") as file:
        if file.peek(2)[:2] != _GZIP_MAGIC:
            yield file
            return
        stream = cast(IO[bytes], gzip.GzipFile(fileobj=file))
        try:
            yield stream
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            place = f"gzip data after {stream.tell():,} unpacked bytes"
            refuse(path, place, f"truncated or damaged ({error})", "fetch the file again")


def read_up_to(stream: IO[bytes], count: int) -> bytearray:
    """At most `count` bytes, taken by the MiB: a hostile header must not reserve what it claims."""
    data = bytearray()
    while len(data) < count and (chunk := stream.read(min(count - len(data), _MIB))):
        data += chunk
    return data


def packed(path: StrPath, content: bytes) -> bytes:
    """Gzip for a name that ends in `.gz`, without the clock time that would change every file."""
    if not os.fspath(path).endswith(".gz"):
        return content
    return gzip.compress(content, compresslevel=9, mtime=0)


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


def square_side(pixels: int, where: str) -> int:
    """S for rows of S*S pixels, which is all that tells the shape of a flattened image."""
    side = math.isqrt(pixels)
    if pixels == 0 or side * side != pixels:
        hint = ": is the label missing?" if math.isqrt(pixels + 1) ** 2 == pixels + 1 else ""
        raise DataError(
            f"{where}: {pixels:,} pixels a row make no square image{hint}; "
            f"give a label and then S*S pixels (28 x 28 = 784 for MNIST)"
        )
    return side
