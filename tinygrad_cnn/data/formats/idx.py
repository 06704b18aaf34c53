"""IDX, the format of the MNIST files: 0, 0, type, ndim; ndim big-endian uint32 sizes; elements."""

from __future__ import annotations

import math
from typing import IO

import numpy as np

from tinygrad_cnn.data.formats.common import Images, StrPath, opened, packed, read_up_to, refuse
from tinygrad_cnn.errors import DataError
from tinygrad_cnn.files import write_atomic

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
    with opened(path) as stream:
        shape, offset = _idx_header(stream, path)
        expected = math.prod(shape)
        elements = read_up_to(stream, expected + 1)
    if len(elements) < expected:
        refuse(
            path,
            f"byte {offset + len(elements):,}",
            f"the file ends, but its header declares {_times(shape)} = {expected:,} bytes of data",
            "it is truncated: fetch it again",
        )
    if len(elements) > expected:
        refuse(
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
        refuse(path, "byte 0", f"an IDX file starts with 00 00 08, this one with {found}", remedy)
    if magic[2] != _UBYTE:
        kind = _IDX_TYPES[magic[2]]
        refuse(path, "byte 2", f"the elements are {kind}, not uint8", "convert them to uint8")
    ndim = magic[3]
    if not 1 <= ndim <= 4:
        rule = "labels have 1 dimension, images 3 or 4"
        refuse(path, "byte 3", f"the header declares {ndim} dimensions", rule)
    sizes = stream.read(4 * ndim)
    if len(sizes) < 4 * ndim:
        place = f"byte {4 + len(sizes)}"
        refuse(path, place, f"the file ends inside the {ndim} sizes", "fetch it again")
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    if 0 in shape:
        refuse(path, "byte 4", f"the set is empty ({_times(shape)})", "give one that holds data")
    return shape, 4 + 4 * ndim


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
    write_atomic(path, packed(path, header + array.tobytes()))
