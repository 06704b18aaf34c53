"""Digits on disk: IDX, NumPy's `.npz` and label-first CSV, read strictly and written atomically.

Whatever a file holds, a reader returns arrays or raises a `DataError` that names the file, the
place and the remedy. Nothing is ever unpickled.
"""

from __future__ import annotations

from tinygrad_cnn.data.formats.csv import read_csv, write_csv
from tinygrad_cnn.data.formats.idx import read_idx, write_idx
from tinygrad_cnn.data.formats.npz import NpzArrays, read_npz

__all__ = ["NpzArrays", "read_csv", "read_idx", "read_npz", "write_csv", "write_idx"]
