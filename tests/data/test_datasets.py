import os
import shutil

import numpy as np
import pytest

from tinygrad_cnn.data import (
    MNIST,
    ArrayDataset,
    FashionMNIST,
    load_digits,
    split,
    write_csv,
    write_idx,
)
from tinygrad_cnn.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (20, 6, 6)).astype(np.uint8)
LABELS = np.arange(20) % 10


def write_mnist(folder, suffix=".gz", dot="-"):
    """MNIST's four files, small: 16 images to train, 4 to test."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, chosen in (("train", slice(16)), ("t10k", slice(16, None))):
        write_idx(folder / f"{part}-images{dot}idx3-ubyte{suffix}", IMAGES[chosen])
        labels = LABELS[chosen].astype(np.uint8)
        write_idx(folder / f"{part}-labels{dot}idx1-ubyte{suffix}", labels)
    return folder


# ---- ArrayDataset


def test_arrays_become_a_dataset_of_the_documented_types():
    dataset = ArrayDataset(IMAGES.astype(np.int32), LABELS.tolist())
    assert (dataset.images.dtype, dataset.labels.dtype) == (np.uint8, np.int64)
    assert dataset.classes == [str(i) for i in range(10)]
    image, label = dataset[-1]
    np.testing.assert_array_equal(image, IMAGES[-1])
    assert (label, type(label), len(dataset)) == (9, int, 20)
    assert repr(dataset) == "<arrays: 20 images 6x6, 10 classes>"


def test_floating_images_are_kept_as_float32_unscaled():
    dataset = ArrayDataset(np.full((1, 3, 2, 2), 2.5), [0])
    assert dataset.images.dtype == np.float32
    assert dataset.images.max() == 2.5


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES, LABELS[:-1], "20 images but 19 labels; give one label an image"),
        (IMAGES[:0], LABELS[:0], r"the set is empty \(images \(0, 6, 6\), labels \(0,\)\)"),
        (IMAGES, [], "the set is empty"),
        (IMAGES[0], LABELS[:6], r"\(N, H, W\) or \(N, C, H, W\), these \(6, 6\)"),
        (IMAGES, LABELS - 1, "label -1 at index 0; labels start at 0"),
        (IMAGES, LABELS + 5, r"label 14 at index 9 is outside 0\.\.9; correct the labels"),
        (IMAGES, LABELS + 0.5, r"labels are whole numbers of shape \(N,\), these are float64"),
        (IMAGES.astype(int) + 1, LABELS, r"pixels lie in 0\.\.255, these in 1\.\.256"),
        (IMAGES.astype(complex), LABELS, "pixels are whole numbers"),
        (np.where(np.arange(20) == 7, np.nan, IMAGES.T).T, LABELS, "image 7 holds a NaN"),
    ],
)
def test_arrays_that_are_no_dataset_are_refused_under_its_name(images, labels, message):
    with pytest.raises(DataError, match=f"mine: .*{message}"):
        ArrayDataset(images, labels, [str(i) for i in range(10)], name="mine")


def test_a_subset_keeps_the_classes_even_if_it_lacks_some():
    part = ArrayDataset(IMAGES, LABELS).subset([3, 1])
    assert part.labels.tolist() == [3, 1]
    assert len(part.classes) == 10
    np.testing.assert_array_equal(part.images, IMAGES[[3, 1]])


def test_a_subset_that_is_empty_is_refused():
    with pytest.raises(DataError, match="empty"):
        ArrayDataset(IMAGES, LABELS).subset(slice(5, 5))


# ---- split


@pytest.mark.parametrize(("held_out", "count"), [(0.25, 5), (7, 7), (0.01, None), (19, 19)])
def test_a_split_is_disjoint_complete_and_of_the_size_asked_for(held_out, count):
    numbered = ArrayDataset(np.arange(20, dtype=np.uint8).repeat(4).reshape(20, 2, 2), LABELS)
    if count is None:
        with pytest.raises(ConfigError, match=r"leaves a part empty .* fraction in 0\.\.1"):
            split(numbered, held_out)
        return
    parts = split(numbered, held_out, seed=1)
    seen = [set(part.images[:, 0, 0].tolist()) for part in parts]
    assert [len(part) for part in parts] == [20 - count, count]
    assert not seen[0] & seen[1]
    assert seen[0] | seen[1] == set(range(20))


@pytest.mark.parametrize("held_out", [0, 20, 21, -1, 2.5, 0.999])
def test_a_split_with_an_empty_part_or_half_an_image_is_refused(held_out):
    with pytest.raises(ConfigError, match=r"split: arrays: held_out=.* in 1\.\.19"):
        split(ArrayDataset(IMAGES, LABELS), held_out)


def test_a_split_depends_on_the_seed_and_on_nothing_else():
    dataset = ArrayDataset(IMAGES, np.arange(20))
    first, again, other = (split(dataset, 5, seed)[1].labels.tolist() for seed in (1, 1, 2))
    assert first == again == sorted(first)
    assert first != other


# ---- MNIST from files


@pytest.mark.parametrize("place", ["mnist", "MNIST/raw", "."])
@pytest.mark.parametrize(("suffix", "dot"), [(".gz", "-"), ("", "-"), ("", ".")])
def test_mnist_is_found_wherever_it_usually_lies(tmp_path, place, suffix, dot):
    write_mnist(tmp_path / place, suffix, dot)
    train, test = (MNIST(tmp_path, train=part, download=False) for part in (True, False))
    np.testing.assert_array_equal(train.images, IMAGES[:16])
    np.testing.assert_array_equal(test.labels, LABELS[16:])
    assert repr(train) == "<MNIST train: 16 images 6x6, 10 classes>"


def test_the_environment_names_the_folder_unless_the_caller_does(tmp_path, monkeypatch):
    write_mnist(tmp_path / "a" / "mnist")
    monkeypatch.setenv("TINYGRAD_CNN_DATA", str(tmp_path / "a"))
    assert len(MNIST()) == 16
    (tmp_path / "b").mkdir()
    with pytest.raises(DataError, match="not downloaded"):
        MNIST(tmp_path / "b", download=False)


def test_fashion_mnist_never_takes_mnist_files_for_its_own(tmp_path):
    home = write_mnist(tmp_path / "data")
    write_mnist(home / "mnist")
    with pytest.raises(DataError, match=r"Fashion-MNIST: train-images-idx3-ubyte\.gz is not in"):
        FashionMNIST(home, download=False)


@pytest.mark.parametrize("place", ["fashion-mnist", "FashionMNIST/raw"])
def test_fashion_mnist_is_found_in_its_own_folders(tmp_path, place):
    folder = write_mnist(tmp_path / place)
    assert FashionMNIST(tmp_path, download=False).classes[9] == "Ankle boot"
    if place == "fashion-mnist":
        assert len(FashionMNIST(folder, train=False, download=False)) == 4


def test_mnist_with_other_counts_of_images_and_labels_names_both_files(tmp_path):
    folder = write_mnist(tmp_path / "mnist")
    write_idx(folder / "train-labels-idx1-ubyte.gz", np.zeros(15, np.uint8))
    with pytest.raises(DataError, match=r"train-images.* and .*train-labels.*16 images but 15"):
        MNIST(tmp_path, download=False)


def test_mnist_with_images_and_labels_exchanged_is_refused(tmp_path):
    folder = write_mnist(tmp_path / "mnist")
    shutil.copy(folder / "train-labels-idx1-ubyte.gz", folder / "train-images-idx3-ubyte.gz")
    with pytest.raises(DataError, match=r"these \(16,\)"):
        MNIST(tmp_path, download=False)


def test_a_data_folder_that_does_not_exist_is_refused(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"absent: no such folder for data \(from root\)"):
        MNIST(tmp_path / "absent")
    monkeypatch.setenv("TINYGRAD_CNN_DATA", str(tmp_path / "absent"))
    with pytest.raises(DataError, match=r"from TINYGRAD_CNN_DATA\); correct the path"):
        MNIST()


# ---- load_digits


def save_npz(path):
    np.savez(path, x_train=IMAGES[:16], y_train=LABELS[:16], x_test=IMAGES[16:], y_test=LABELS[16:])


def save_csv(path, chosen=slice(None)):
    write_csv(path, IMAGES[chosen], LABELS[chosen])


@pytest.mark.parametrize(
    ("make", "opened", "counts"),
    [
        (lambda folder: save_npz(folder / "any.npz"), "any.npz", (16, 4)),
        (lambda folder: save_csv(folder / "any.csv"), "any.csv", (20, None)),
        (lambda folder: save_csv(folder / "any.csv.gz"), "any.csv.gz", (20, None)),
        (lambda folder: write_mnist(folder), ".", (16, 4)),
        (lambda folder: write_mnist(folder / "MNIST/raw"), ".", (16, 4)),
        (lambda folder: save_npz(folder / "mnist.npz"), ".", (16, 4)),
        (lambda folder: save_csv(folder / "mnist_train.csv"), ".", (20, None)),
        (
            lambda folder: [
                save_csv(folder / "mnist_train.csv.gz", slice(16)),
                save_csv(folder / "mnist_test.csv.gz", slice(16, None)),
            ],
            ".",
            (16, 4),
        ),
    ],
)
def test_load_digits_opens_every_kind_of_file_and_folder(tmp_path, make, opened, counts):
    make(tmp_path)
    train, test = load_digits(tmp_path / opened)
    assert (len(train), len(test) if test else None) == counts
    np.testing.assert_array_equal(train[3][0], IMAGES[3])
    assert train.labels[3] == 3
    assert train.classes == [str(i) for i in range(10)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.csv", "absent.csv: no such file or folder"),
        (
            "empty",
            r"empty: holds no digits; put there .*ubyte\.gz.* mnist\.npz, or mnist_train\.csv",
        ),
        ("notes.txt", r"digits come as \.npz, \.csv, \.csv\.gz or a folder of IDX files"),
        ("train-images-idx3-ubyte.gz", "give its folder, which holds the labels too"),
    ],
)
def test_load_digits_says_what_it_can_open(tmp_path, name, message):
    (tmp_path / "empty").mkdir()
    write_mnist(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match=message):
        load_digits(tmp_path / name)


def test_load_digits_refuses_a_label_that_is_no_digit(tmp_path):
    np.savez(tmp_path / "m.npz", x_train=IMAGES, y_train=LABELS + 1, x_test=IMAGES, y_test=LABELS)
    with pytest.raises(DataError, match=r"m\.npz train: label 10 at index 9 is outside 0\.\.9"):
        load_digits(tmp_path / "m.npz")


# ---- the real thing

full_mnist = pytest.mark.skipif(
    not os.environ.get("TINYGRAD_CNN_DATA"),
    reason="needs the full MNIST: set TINYGRAD_CNN_DATA to the folder that holds it",
)


@full_mnist
def test_the_official_mnist_has_its_known_counts_and_first_labels():
    train, test = MNIST(train=True, download=False), MNIST(train=False, download=False)
    assert train.images.shape == (60_000, 28, 28)
    assert test.images.shape == (10_000, 28, 28)
    assert np.bincount(train.labels).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    # The means that everybody normalises MNIST with.
    assert train.images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert train.images.std() / 255 == pytest.approx(0.3081, abs=5e-5)
