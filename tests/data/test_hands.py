"""Upstrokes lead up to where a digit begins, and change nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cnn.data import RandomUpstroke
from tinygrad_cnn.errors import ConfigError

STEM = np.zeros((1, 28, 28), np.uint8)
STEM[0, 4:24, 14:16] = 255  # a 1 as MNIST has it


def drawn(batch: np.ndarray, seed: int = 0, **options: object) -> np.ndarray:
    transform = RandomUpstroke(1.0, **options)  # type: ignore[arg-type]
    return transform(batch, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(10))
def test_a_stem_gets_a_flag_down_to_the_left_of_its_top(seed: int) -> None:
    y = drawn(STEM, seed, length=(6, 6))
    new = np.argwhere((y > STEM)[0])  # (row, column)
    assert len(new) > 6
    assert new[:, 1].max() <= 16  # nothing to the right of the stem
    assert new[:, 1].min() <= 14 - 6 * np.cos(np.radians(65)) + 1
    assert new[:, 0].max() <= 4 + 6 * np.sin(np.radians(65)) + 2.5
    assert not (y < STEM).any()


def test_a_longer_upstroke_has_more_ink() -> None:
    short, long = (drawn(STEM, length=(n, n)).sum(dtype=int) for n in (3, 9))
    assert long > short > STEM.sum(dtype=int)


def test_the_share_of_the_images_gets_one() -> None:
    batch = np.repeat(STEM, 1000, axis=0)
    y = RandomUpstroke(0.3)(batch, np.random.default_rng(0))
    changed = (y != batch).any(axis=(1, 2))
    assert 0.25 < changed.mean() < 0.35


def test_a_blank_image_and_a_share_of_nothing_change_nothing() -> None:
    assert not drawn(np.zeros_like(STEM)).any()
    none = RandomUpstroke(0.0)(STEM, np.random.default_rng(0))
    np.testing.assert_array_equal(none, STEM)


@pytest.mark.parametrize("shape", [(3, 28, 28), (3, 1, 28, 28), (3, 2, 20, 30), (0, 28, 28)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_shape_and_kind_stay(shape: tuple[int, ...], dtype: type) -> None:
    batch = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    batch = batch if dtype is np.uint8 else batch / np.float32(255)
    before = batch.copy()
    y = drawn(batch)
    assert (y.shape, y.dtype) == (batch.shape, batch.dtype)
    assert y.size == 0 or y.max() <= batch.max()
    np.testing.assert_array_equal(batch, before)


@pytest.mark.parametrize("options", [{"share": 1.5}, {"length": (0, 3)}, {"length": (5, 3)}])
def test_what_cannot_be_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"share is in 0\.\.1, length is \(low, high\), positive"):
        RandomUpstroke(**options)  # type: ignore[arg-type]
