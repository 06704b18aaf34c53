"""Data sets, the formats they come in, batches and the transforms applied to them."""

from __future__ import annotations

from tinygrad_cnn.data.datasets import (
    MNIST,
    ArrayDataset,
    EmbeddedMNIST,
    FashionMNIST,
    TrainAndTest,
    load_digits,
    split,
)
from tinygrad_cnn.data.formats import (
    TrainTest,
    read_csv,
    read_idx,
    read_npz,
    write_csv,
    write_idx,
)
from tinygrad_cnn.data.loader import DataLoader

__all__ = [
    "MNIST",
    "ArrayDataset",
    "DataLoader",
    "EmbeddedMNIST",
    "FashionMNIST",
    "TrainAndTest",
    "TrainTest",
    "load_digits",
    "read_csv",
    "read_idx",
    "read_npz",
    "split",
    "write_csv",
    "write_idx",
]
