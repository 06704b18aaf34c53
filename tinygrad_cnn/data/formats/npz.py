"""A zip of `.npy` members x_train, y_train, x_test, y_test, as Keras and Kaggle give MNIST."""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from lzma import LZMAError
from tokenize import TokenError
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tinygrad_cnn.data.formats.common import (
    Images,
    Labels,
    StrPath,
    as_labels,
    as_uint8,
    read_up_to,
    readable,
    refuse,
    square_side,
)
from tinygrad_cnn.errors import DataError


class NpzArrays(NamedTuple):
    """The four arrays of a data set that comes already divided."""

    x_train: Images
    y_train: Labels
    x_test: Images
    y_test: Labels


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
        with readable(path), zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            missing = [key for key in NpzArrays._fields if f"{key}.npy" not in names]
            if missing:
                found = ", ".join(name.removesuffix(".npy") for name in names[:8]) or "nothing"
                problem = f"{', '.join(missing)} missing (found: {found})"
                remedy = f"save it by np.savez(path, {'=..., '.join(NpzArrays._fields)}=...)"
                refuse(path, "archive", problem, remedy)
            arrays = {key: _npy(archive, key, path) for key in NpzArrays._fields}
    except DataError:
        raise
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
        refuse(path, f"{x} and {y}", problem, "save as many labels as images")
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
            problem = "Python objects, which only pickle could read, and pickle runs code"
            refuse(path, key, problem, "save a plain array of numbers")
        if dtype.kind not in "uibf":
            refuse(path, key, f"elements of type {dtype}", "save numbers, best as uint8")
        if not shape or 0 in shape:
            refuse(path, key, f"empty or without a first axis (shape {shape})", "save N items")
        data = read_up_to(member, math.prod(shape) * dtype.itemsize + 1)
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _channels_first(pixels: Images, where: str) -> Images:
    """(N, H, W) or (N, C, H, W) from any layout that archives of images are saved in."""
    if pixels.ndim == 2:
        side = square_side(pixels.shape[1], where)
        return pixels.reshape(-1, side, side)  # (N, S*S) -> (N, S, S)
    if pixels.ndim == 4 and pixels.shape[3] in (1, 3) and pixels.shape[1] not in (1, 3):
        return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))  # (N, H, W, C) -> (N, C, H, W)
    if pixels.ndim in (3, 4):
        return pixels
    raise DataError(
        f"{where}: images have the shape (N, H, W), (N, C, H, W), (N, H, W, C) or (N, H*W), "
        f"these {pixels.shape}; reshape them"
    )
