"""Images on disk: IDX, NumPy's `.npz`, label-first CSV and CIFAR-10's batches, read strictly.

Whatever a file holds, a reader returns arrays or raises a `DataError` that names the file, the
place and the remedy. What is written is written atomically. Nothing is ever unpickled.
"""

from __future__ import annotations

from tinygrad_cnn.data.formats.cifar import read_cifar_binary, read_cifar_python
from tinygrad_cnn.data.formats.csv import read_csv, write_csv
from tinygrad_cnn.data.formats.idx import read_idx, write_idx
from tinygrad_cnn.data.formats.npz import NpzArrays, read_npz

__all__ = [
    "NpzArrays",
    "read_cifar_binary",
    "read_cifar_python",
    "read_csv",
    "read_idx",
    "read_npz",
    "write_csv",
    "write_idx",
]
