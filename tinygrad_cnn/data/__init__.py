"""Data sets, the formats they come in, batches and the transforms applied to them."""

from __future__ import annotations

from tinygrad_cnn.data.cifar import CIFAR10
from tinygrad_cnn.data.datasets import (
    MNIST,
    ArrayDataset,
    DigitSets,
    EmbeddedMNIST,
    FashionMNIST,
    load_digits,
    split,
)
from tinygrad_cnn.data.formats import (
    NpzArrays,
    read_cifar_binary,
    read_cifar_python,
    read_csv,
    read_idx,
    read_npz,
    write_csv,
    write_idx,
)
from tinygrad_cnn.data.loader import DataLoader
from tinygrad_cnn.data.pictures import ImageFolder
from tinygrad_cnn.data.transforms import (
    Compose,
    Cutout,
    Normalize,
    RandomAffine,
    RandomCrop,
    RandomFlip,
    RandomLight,
    RandomNoise,
    RandomShift,
    RandomThickness,
    RandomUpstroke,
    ToFloat,
    resample,
)

__all__ = [
    "CIFAR10",
    "MNIST",
    "ArrayDataset",
    "Compose",
    "Cutout",
    "DataLoader",
    "DigitSets",
    "EmbeddedMNIST",
    "FashionMNIST",
    "ImageFolder",
    "Normalize",
    "NpzArrays",
    "RandomAffine",
    "RandomCrop",
    "RandomFlip",
    "RandomLight",
    "RandomNoise",
    "RandomShift",
    "RandomThickness",
    "RandomUpstroke",
    "ToFloat",
    "load_digits",
    "read_cifar_binary",
    "read_cifar_python",
    "read_csv",
    "read_idx",
    "read_npz",
    "resample",
    "split",
    "write_csv",
    "write_idx",
]
