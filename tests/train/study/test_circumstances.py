"""Other images are seen to be others."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cnn.data import ArrayDataset
from tinygrad_cnn.train.sources import Source
from tinygrad_cnn.train.study import circumstances
from tinygrad_cnn.train.study.circumstances import Machine

IMAGES, LABELS = np.zeros((30, 4, 4), np.uint8), np.arange(30) % 10


def source(change: str = "") -> Source:
    images, labels = IMAGES.copy(), LABELS.copy()
    if change == "a pixel of the last image":
        images[-1, 3, 3] = 1
    if change == "a label":
        labels[0] = 5
    test = slice(0, 9) if change == "an image less" else slice(0, 10)
    whole = ArrayDataset(images, labels)
    where = "/elsewhere" if change == "the place" else "/here"
    return Source(whole, whole.subset(test), where)


def test_the_same_images_are_the_same_wherever_they_lie() -> None:
    here, there = circumstances.images(source()), circumstances.images(source("the place"))
    assert here.same_as(there)
    assert here != there


@pytest.mark.parametrize("change", ["a pixel of the last image", "a label", "an image less"])
def test_the_smallest_change_makes_them_others(change: str) -> None:
    assert not circumstances.images(source()).same_as(circumstances.images(source(change)))


def test_the_machine_is_told_in_words() -> None:
    assert str(Machine("compiled", 1)) == "compiled kernels, 1 thread"
    assert str(Machine("blocked", 2)) == "blocked kernels, 2 threads"
