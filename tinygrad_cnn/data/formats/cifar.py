"""A batch of CIFAR-10, in the binary layout and in that of the Python batches.

Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009; the layouts
are told on https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_cnn.data.formats.common import Images, Labels, StrPath, readable, refuse
from tinygrad_cnn.data.formats.literal_pickle import literal

CHANNELS, SIDE, CLASSES = 3, 32, 10
PIXELS = CHANNELS * SIDE * SIDE
RECORD = 1 + PIXELS  # a byte of label, then the red, the green and the blue plane, row by row


def read_cifar_binary(path: StrPath) -> tuple[Images, Labels]:
    """The images (N, 3, 32, 32) uint8 and labels (N,) int64 of a batch such as data_batch_1.bin.

    Raises DataError for a file that is no whole number of records, and labels outside 0..9.
    """
    with readable(path):
        content = Path(path).read_bytes()
    if not content or len(content) % RECORD:
        whole, rest = divmod(len(content), RECORD)
        problem = f"{whole:,} records of {RECORD:,} bytes and {rest:,} bytes more"
        refuse(path, f"byte {whole * RECORD:,}", problem, "it is truncated: fetch it again")
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    return _checked(records[:, 1:], records[:, 0], path)


def read_cifar_python(path: StrPath) -> tuple[Images, Labels]:
    """The same from a Python batch such as data_batch_1, of which no instruction is executed.

    Raises DataError for a file that is truncated, holds anything but numbers, texts and arrays of
    bytes, or is not a dictionary with `data` (N, 3072) and `labels`.
    """
    with readable(path):
        content = Path(path).read_bytes()
    batch = literal(content, path)
    if not isinstance(batch, dict) or not {b"data", b"labels"} <= set(batch):
        found = ", ".join(sorted(map(_shown, batch))) if isinstance(batch, dict) else "no keys"
        problem = f"`data` and `labels` are missing (found: {found or 'nothing'})"
        refuse(path, "batch", problem, "give a batch of CIFAR-10, such as data_batch_1")
    data, labels = batch[b"data"], batch[b"labels"]
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != PIXELS:
        got = data.shape if isinstance(data, np.ndarray) else type(data).__name__
        refuse(path, "data", f"an array (N, {PIXELS}) is needed, this is {got}", "fetch it again")
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        refuse(path, "labels", "a list of whole numbers is needed", "fetch it again")
    if len(data) != len(labels) or not labels:
        problem = f"{len(data):,} images but {len(labels):,} labels"
        refuse(path, "labels", problem, "a batch has one label an image: fetch it again")
    return _checked(data, np.array(labels, np.int64), path)


def _checked(pixels: Images, labels: npt.NDArray[Any], path: StrPath) -> tuple[Images, Labels]:
    """(N, 3072) -> (N, 3, 32, 32), labels in 0..9 -> int64."""
    if ((labels < 0) | (labels >= CLASSES)).any():
        at = int(np.argmax((labels < 0) | (labels >= CLASSES)))
        problem = f"the label {labels[at]} is outside 0..{CLASSES - 1}"
        refuse(path, f"record {at:,}", problem, "this is not CIFAR-10, or damaged: fetch it again")
    return pixels.reshape(-1, CHANNELS, SIDE, SIDE), labels.astype(np.int64)


def _shown(key: object) -> str:
    return key.decode("latin-1") if isinstance(key, bytes) else str(key)
