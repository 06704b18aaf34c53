"""Data sets in memory: images, labels, the names of the classes.

    ArrayDataset           any arrays, checked once, when it is made
    ├── EmbeddedMNIST      10,000 digits inside the package: no file, no network
    ├── MNIST              60,000 + 10,000 digits from IDX files, found or downloaded
    │   └── FashionMNIST   the same files with clothes in them
    ├── CIFAR10            (data/cifar.py) 50,000 + 10,000 colour photographs
    └── ImageFolder        (data/pictures.py) pictures of any kind, a folder for each class

`load_digits` opens whatever file or folder of digits a user has.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from tinygrad_cnn.data.download import IdxSource, idx_pair
from tinygrad_cnn.data.formats import read_csv, read_idx, read_npz
from tinygrad_cnn.data.formats.common import StrPath, as_labels, as_uint8
from tinygrad_cnn.errors import ConfigError, DataError

DIGITS = [str(digit) for digit in range(10)]


class ArrayDataset:
    """Images (N, H, W) or (N, C, H, W) and their class numbers (N,), held in memory.

    Whole numbers are pixels in 0..255 and kept as uint8, which a DataLoader scales to 0..1;
    floating-point images are kept as float32 and not scaled. Labels become int64. `classes` names
    the classes in order; without it they are "0", "1", ... up to the highest label. `name` says
    what the set is, in reports and at the head of error messages. Raises DataError for an empty
    set, counts that differ, values that are no pixels, and labels without a class.

    >>> dataset = ArrayDataset(np.zeros((2, 28, 28), np.uint8), [7, 3])
    >>> len(dataset), dataset.classes[7]
    (2, '7')
    >>> image, label = dataset[0]
    >>> image.shape, label
    ((28, 28), 7)
    """

    images: npt.NDArray[Any]
    labels: npt.NDArray[np.int64]
    classes: list[str]
    name: str

    def __init__(
        self,
        images: npt.ArrayLike,
        labels: npt.ArrayLike,
        classes: Sequence[str] | None = None,
        name: str = "arrays",
    ) -> None:
        self.name = name
        self.images, self.labels = _checked(np.asarray(images), np.asarray(labels), name)
        highest = int(self.labels.max())
        self.classes = list(classes) if classes else [str(i) for i in range(highest + 1)]
        if highest >= len(self.classes):
            raise DataError(
                f"{name}: label {highest} at index {self.labels.argmax():,} is outside "
                f"0..{len(self.classes) - 1}; correct the labels, or name every class in `classes`"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[npt.NDArray[Any], int]:
        return self.images[index], int(self.labels[index])

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.images.shape[1:]))
        return f"<{self.name}: {len(self):,} images {shape}, {len(self.classes)} classes>"

    def subset(self, indices: slice | npt.ArrayLike) -> ArrayDataset:
        """The chosen images in the chosen order, under the same class names.

        >>> ArrayDataset(np.zeros((5, 8, 8), np.uint8), range(5)).subset(slice(-2, None)).labels
        array([3, 4])
        """
        chosen = indices if isinstance(indices, slice) else np.asarray(indices)
        return ArrayDataset(self.images[chosen], self.labels[chosen], self.classes, self.name)


def _checked(
    images: npt.NDArray[Any], labels: npt.NDArray[Any], name: str
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Both arrays in the types that the rest of the package relies on, or a DataError."""
    if images.size == 0 or labels.size == 0:
        raise DataError(
            f"{name}: the set is empty (images {images.shape}, labels {labels.shape}); "
            f"give at least one image and its label"
        )
    if images.ndim not in (3, 4):
        raise DataError(
            f"{name}: images have the shape (N, H, W) or (N, C, H, W), these {images.shape}; "
            f"reshape them"
        )
    if len(images) != len(labels):
        raise DataError(
            f"{name}: {len(images):,} images but {len(labels):,} labels; "
            f"give one label an image, in the same order"
        )
    return _as_images(images, name), as_labels(labels, name)


def _as_images(images: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    if images.dtype.kind != "f":
        return as_uint8(images, name)
    if not np.isfinite(images).all():
        at = int(np.argmin(np.isfinite(images).reshape(len(images), -1).all(axis=1)))
        raise DataError(f"{name}: image {at:,} holds a NaN or an Inf; repair or remove it")
    return images.astype(np.float32, copy=False)


def split(
    dataset: ArrayDataset, held_out: float, seed: int = 0
) -> tuple[ArrayDataset, ArrayDataset]:
    """Two disjoint parts, (the rest, the held-out part), drawn at random from `seed`.

    A `held_out` below 1 is a fraction of the set; a whole number from 1 up is a count. Each part
    keeps the order of the set. Raises ConfigError where either part would be empty.

    >>> rest, validation = split(EmbeddedMNIST(), 0.1)
    >>> len(rest), len(validation)
    (7200, 800)
    """
    count = round(held_out * len(dataset)) if 0 < held_out < 1 else int(held_out)
    if not 1 <= count < len(dataset) or (held_out >= 1 and count != held_out):
        raise ConfigError(
            f"split: {dataset.name}: held_out={held_out!r} of {len(dataset):,} images leaves a "
            "part empty or is no count; give more images, or as held_out a fraction in 0..1 or a "
            f"whole number in 1..{len(dataset) - 1:,}"
        )
    order = np.random.default_rng(seed).permutation(len(dataset))
    return dataset.subset(np.sort(order[count:])), dataset.subset(np.sort(order[:count]))


class EmbeddedMNIST(ArrayDataset):
    """10,000 real MNIST digits that lie inside the package: 8,000 to train, 2,000 to test.

    They are MNIST's training images 0..9,999, shuffled; see embedded/README.md for their source.

    >>> EmbeddedMNIST(train=False)
    <embedded MNIST test: 2,000 images 28x28, 10 classes>
    """

    def __init__(self, train: bool = True) -> None:
        arrays = read_npz(Path(__file__).parent / "embedded" / "mnist10k.npz")
        images, labels = arrays[:2] if train else arrays[2:]
        super().__init__(images, labels, DIGITS, f"embedded MNIST {'train' if train else 'test'}")


class MNIST(ArrayDataset):
    """60,000 training or 10,000 test digits of 28 x 28, from the four original IDX files.

    They are looked for in `root`, else in the folder that the environment variable
    TINYGRAD_CNN_DATA names, else in the user's cache: there in mnist/, in MNIST/raw/ (where
    torchvision puts them) and in the folder itself, packed or not. What is not found is downloaded
    into mnist/ there, checked against the known MD5 sums. Raises DataError where the files are
    missing and cannot be downloaded, or are damaged. `mean` and `std` are those of the training
    set's pixels in 0..1, for Normalize.

    Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to
    document recognition", Proceedings of the IEEE 86(11), 1998.
    """

    source: ClassVar[IdxSource] = IdxSource(
        title="MNIST",
        folder="mnist",
        torchvision="MNIST",
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        md5={
            "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
        },
    )
    class_names: ClassVar[Sequence[str]] = DIGITS
    mean: ClassVar[float] = 0.1307
    std: ClassVar[float] = 0.3081

    def __init__(
        self, root: StrPath | None = None, train: bool = True, download: bool = True
    ) -> None:
        images, labels = idx_pair(self.source, root, train, download)
        # Messages open with the name: until both files are found to agree, it is theirs.
        files = f"{images} and {labels}"
        super().__init__(read_idx(images), read_idx(labels), self.class_names, files)
        self.name = f"{self.source.title} {'train' if train else 'test'}"


class FashionMNIST(MNIST):
    """60,000 training or 10,000 test images of clothes, 28 x 28: MNIST's format, harder.

    Found and downloaded as MNIST's files are, under fashion-mnist/ and FashionMNIST/raw/; the
    folder itself is searched only if its name says "fashion", since the files' names are MNIST's.

    Source: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking
    machine learning algorithms", arXiv:1708.07747, 2017.
    """

    source: ClassVar[IdxSource] = IdxSource(
        title="Fashion-MNIST",
        folder="fashion-mnist",
        torchvision="FashionMNIST",
        mirrors=(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        ),
        md5={
            "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
        },
        only_in="fashion",
    )
    class_names: ClassVar[Sequence[str]] = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
    mean: ClassVar[float] = 0.2860
    std: ClassVar[float] = 0.3530


class DigitSets(NamedTuple):
    """What a file or folder holds: `test` is None where it does not tell the two apart."""

    train: ArrayDataset
    test: ArrayDataset | None


def load_digits(path: StrPath) -> DigitSets:
    """The digits in a .npz file, a .csv or .csv.gz file, or a folder of MNIST's files.

    A folder may hold the IDX files (plain or gzip, also under mnist/ or MNIST/raw/), mnist.npz, or
    mnist_train.csv and mnist_test.csv. A single CSV file has no test part. Raises DataError with
    the path, the place and the remedy for everything that cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        return _load_folder(path)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; check the path")
    if path.suffix == ".npz":
        arrays = read_npz(path)
        return DigitSets(
            ArrayDataset(arrays.x_train, arrays.y_train, DIGITS, f"{path.name} train"),
            ArrayDataset(arrays.x_test, arrays.y_test, DIGITS, f"{path.name} test"),
        )
    if path.suffixes[-2:] == [".csv", ".gz"] or path.suffix == ".csv":
        return DigitSets(_load_csv(path), None)
    hint = "its folder, which holds the labels too" if "ubyte" in path.name else "one of these"
    raise DataError(
        f"{path}: digits come as .npz, .csv, .csv.gz or a folder of IDX files; give {hint}"
    )


def _load_folder(folder: Path) -> DigitSets:
    if MNIST.source.any_in(folder):
        return DigitSets(MNIST(folder, True, False), MNIST(folder, False, False))
    if (folder / "mnist.npz").exists():
        return load_digits(folder / "mnist.npz")
    for suffix in (".csv", ".csv.gz"):
        train, test = folder / f"mnist_train{suffix}", folder / f"mnist_test{suffix}"
        if train.exists():
            return DigitSets(_load_csv(train), _load_csv(test) if test.exists() else None)
    raise DataError(
        f"{folder}: holds no digits; put there MNIST's *-ubyte.gz files (or under mnist/), "
        f"mnist.npz, or mnist_train.csv and mnist_test.csv"
    )


def _load_csv(path: Path) -> ArrayDataset:
    return ArrayDataset(*read_csv(path), DIGITS, path.name)
