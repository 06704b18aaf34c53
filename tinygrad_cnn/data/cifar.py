"""CIFAR-10: 60,000 small colour photographs of ten kinds of things."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from tinygrad_cnn.data.datasets import ArrayDataset
from tinygrad_cnn.data.download import DATA_VARIABLE, data_home, retrieve, unpack
from tinygrad_cnn.data.formats import read_cifar_binary, read_cifar_python
from tinygrad_cnn.data.formats.common import Images, Labels, StrPath, refuse
from tinygrad_cnn.errors import DataError


class Layout(NamedTuple):
    """One of the two forms in which the batches are given out."""

    folder: str
    suffix: str
    read: Callable[[StrPath], tuple[Images, Labels]]


BINARY = Layout("cifar-10-batches-bin", ".bin", read_cifar_binary)
PYTHON = Layout("cifar-10-batches-py", "", read_cifar_python)


class CIFAR10(ArrayDataset):
    """50,000 training or 10,000 test images (3, 32, 32) in ten classes, from the official batches.

    They are looked for in `root`, else in the folder that the environment variable
    TINYGRAD_CNN_DATA names, else in the user's cache: there in cifar-10-batches-bin/ and in
    cifar-10-batches-py/, also below cifar10/, or in the folder itself if that is its name. What is
    not found is downloaded as the official archive (160 MB), checked against its known MD5 sum.
    Raises DataError where batches are missing and cannot be downloaded, or are damaged.

    `mean` and `std` are those of the channels of the training set, for Normalize.

    Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
    """

    mean: ClassVar[tuple[float, ...]] = (0.4914, 0.4822, 0.4465)
    std: ClassVar[tuple[float, ...]] = (0.2470, 0.2435, 0.2616)
    class_names: ClassVar[Sequence[str]] = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )
    urls: ClassVar[Sequence[str]] = ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",)
    md5: ClassVar[str] = "c32a1d4ab5d03f1284b67883e8d87530"
    batch: ClassVar[int] = 10_000  # images in each file

    def __init__(
        self, root: StrPath | None = None, train: bool = True, download: bool = True
    ) -> None:
        names = [f"data_batch_{i}" for i in range(1, 6)] if train else ["test_batch"]
        home = data_home(root)
        folder, layout = _find(home, names) or self._download(home, names, download)
        paths = [folder / f"{name}{layout.suffix}" for name in names]
        images, labels = zip(*map(self._read, paths, [layout] * len(paths)), strict=True)
        part = "train" if train else "test"
        super().__init__(
            np.concatenate(images), np.concatenate(labels), self.class_names, f"CIFAR-10 {part}"
        )

    def _read(self, path: Path, layout: Layout) -> tuple[Images, Labels]:
        images, labels = layout.read(path)
        if len(images) != self.batch:
            problem = f"{len(images):,} images, and a batch has {self.batch:,}"
            refuse(path, "batch", problem, "it is truncated or another file: fetch it again")
        return images, labels

    def _download(self, home: Path, names: list[str], download: bool) -> tuple[Path, Layout]:
        """Fetch the archive, unpack all of it that the class reads, and remove it."""
        why = "not downloaded, since download=False"
        if download:
            try:
                archive = retrieve(self.urls, self.md5, home / "cifar-10-binary.tar.gz")
            except DataError as error:
                why = str(error)
            else:
                every = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
                unpack(archive, every, home / BINARY.folder)
                archive.unlink()
        found = _find(home, names)
        if found is None:
            looked = ", ".join(str(folder) for folder, _ in _folders(home))
            raise DataError(
                f"CIFAR-10: {_absent(home, names)} not in {looked}, and {why}; put the batches "
                f"there, or name their folder by --data-dir or {DATA_VARIABLE}"
            )
        return found


def _folders(home: Path) -> Iterator[tuple[Path, Layout]]:
    """Where the batches may lie, the surest first."""
    for layout in (BINARY, PYTHON):
        for parent in (home, home / "cifar10"):
            yield parent / layout.folder, layout
        if home.name == layout.folder:
            yield home, layout


def _missing_in(folder: Path, layout: Layout, names: list[str]) -> list[str]:
    files = [f"{name}{layout.suffix}" for name in names]
    return [file for file in files if not (folder / file).is_file()]


def _find(home: Path, names: list[str]) -> tuple[Path, Layout] | None:
    """The first folder that holds all of the batches."""
    return next((place for place in _folders(home) if not _missing_in(*place, names)), None)


def _absent(home: Path, names: list[str]) -> str:
    """The batches that the fullest folder lacks, with a verb."""
    missing = min((_missing_in(*place, names) for place in _folders(home)), key=len)
    return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'}"
