"""Image files of any size and mode are opened as they look, and folders of them are data sets."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tinygrad_cnn.data import ImageFolder, pictures
from tinygrad_cnn.errors import DataError

Image = pytest.importorskip("PIL.Image")
RAMP = np.linspace(0, 1, 64 * 48).reshape(48, 64)


def save(path: Path, image: object, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)  # type: ignore[attr-defined]
    return path


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("grey.png", (255 * RAMP).astype(np.uint8)),
        ("deep.png", (65535 * RAMP).astype(np.uint16)),
        ("deep.tiff", (65535 * RAMP).astype(np.int32)),
        ("floating.tiff", RAMP.astype(np.float32)),
        ("counts.tiff", (255 * RAMP).astype(np.float32)),
    ],
)
def test_shades_are_kept_whatever_the_depth(tmp_path: Path, name: str, values: np.ndarray) -> None:
    picture = pictures.open_picture(save(tmp_path / name, Image.fromarray(values)))
    assert (picture.shape, picture.dtype) == ((48, 64, 3), np.uint8)
    np.testing.assert_allclose(picture[:, :, 1], 255 * RAMP, atol=1)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "gif"])
def test_a_large_picture_is_scaled_down_to_the_side_asked_for(tmp_path: Path, suffix: str) -> None:
    ramp = Image.fromarray((255 * RAMP).astype(np.uint8)).resize((1600, 1200))
    path = save(tmp_path / f"large.{suffix}", ramp)
    picture = pictures.open_picture(path, 400)
    assert picture.shape == (300, 400, 3)
    assert picture.mean() == pytest.approx(127.5, abs=1.5)
    assert pictures.open_picture(path, 5000).shape == (1200, 1600, 3)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_part_has_all_the_pixels_that_it_has_in_the_file(tmp_path: Path, suffix: str) -> None:
    ramp = Image.fromarray((255 * RAMP).astype(np.uint8)).resize((1600, 1200))
    path = save(tmp_path / f"large.{suffix}", ramp)
    whole = pictures.open_picture(path)
    np.testing.assert_array_equal(
        pictures.open_picture(path, 400, (0.25, 0.5, 0.5, 0.75)), whole[600:900, 400:800]
    )
    assert pictures.open_picture(path, 400, (0, 0, 1, 1)).shape == (300, 400, 3)
    assert pictures.open_picture(path, 400, (1, 1, 1, 1)).shape == (1, 1, 3)


def test_an_animation_shows_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("L", (8, 8), shade) for shade in (10, 200)]
    path = save(tmp_path / "moving.gif", frames[0], save_all=True, append_images=frames[1:])
    assert pictures.open_picture(path).max() == 10


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_what_is_no_picture_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.png").write_bytes(content)
    with pytest.raises(DataError, match=r"odd\.png: not an image that can be read \(.*PNG or JPEG"):
        pictures.open_picture(tmp_path / "odd.png")


@pytest.mark.parametrize("suffix", ["png", "jpg", "tiff", "bmp", "webp", "gif"])
def test_a_picture_cut_short_anywhere_is_refused_or_read(tmp_path: Path, suffix: str) -> None:
    whole = save(tmp_path / f"whole.{suffix}", Image.effect_noise((60, 40), 80).convert("L"))
    content, cut = whole.read_bytes(), tmp_path / f"cut.{suffix}"
    complaints = []
    for length in range(0, len(content), max(len(content) // 40, 1)):
        cut.write_bytes(content[:length])
        try:
            assert pictures.open_picture(cut).shape == (40, 60, 3)
        except DataError as error:
            complaints.append(str(error))
    assert len(complaints) >= 20
    assert all(str(cut) in complaint for complaint in complaints)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "bomb.png", Image.new("1", (300, 300)))
    for limit in (80_000, 30_000):  # a little more than allowed, and more than twice
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(DataError, match=r"bomb\.png: too large to be unpacked safely"):
            pictures.open_picture(path)


def test_a_thumbnail_keeps_the_proportions_on_the_shade_of_the_border() -> None:
    picture = np.full((20, 40, 3), (10, 20, 30), np.uint8)
    picture[5:15, 10:30] = 255
    small = pictures.thumbnail(picture, 20)
    assert small.shape == (20, 20, 3)
    assert small[0, 0].tolist() == small[19, 19].tolist() == [10, 20, 30]
    assert (small[9:11, 8:12] == 255).all()


def test_labels_stand_at_the_beginning_of_a_name() -> None:
    digits, animals = [str(d) for d in range(10)], ["cat", "caterpillar"]
    labels = {"7-01": 7, "7_a": 7, "0 (2)": 0, "7": 7, "71-a": None, "77": None, "IMG_7": None}
    for name, label in labels.items():
        assert pictures.label_of(f"8-folder/{name}.jpg", digits) == label
    assert pictures.label_of("caterpillar-3.png", animals) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError, match=r"pipe\.png: no regular file; save the picture"):
        pictures.open_picture(tmp_path / "pipe.png")
    assert pictures.title_of(tmp_path / "pipe.png") is None


# ---- folders


def test_numbers_in_names_are_sorted_as_numbers(tmp_path: Path) -> None:
    names = ["2.png", "10.png", "a2b.png", "a10a.png", "a10b.png", "b.png"]
    for name in reversed(names):
        save(tmp_path / name, Image.new("L", (2, 2)))
    assert [path.name for path in pictures.pictures_in(tmp_path)] == names


def test_a_folder_without_pictures_names_its_sub_folders_that_hold_some(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no pictures \(.*\); give another folder or a file"):
        pictures.expand([tmp_path])
    save(tmp_path / "b" / "1.png", Image.new("L", (2, 2)))
    with pytest.raises(DataError, match=r"its sub-folders do: give \S+[/\\]b$"):
        pictures.expand([tmp_path])


def test_a_folder_of_folders_is_a_data_set_in_the_order_of_names(tmp_path: Path) -> None:
    for name, shade in (("b/2.png", 20), ("b/1.jpg", 40), ("a/x.png", 60), ("c/.hidden.png", 0)):
        save(tmp_path / name, Image.new("L", (50, 30), shade))
    (tmp_path / "a" / "notes.txt").write_text("no picture")
    dataset = ImageFolder(tmp_path, size=16)
    assert dataset.images.shape == (3, 3, 16, 16)
    assert dataset.images[:, 0, 8, 8].tolist() == [60, 40, 20]
    assert dataset.labels.tolist() == [0, 1, 1]
    assert dataset.classes == ["a", "b", "c"]


def test_a_picture_of_a_folder_is_cut_to_the_square_in_its_middle(tmp_path: Path) -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = (0, 100, 200)
    save(tmp_path / "a" / "wide.png", Image.fromarray(wide))
    image = ImageFolder(tmp_path, size=10).images[0]
    np.testing.assert_array_equal(image, wide[:, 10:20].transpose(2, 0, 1))


def test_folders_without_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent: holds no folders with pictures; make one for"):
        ImageFolder(tmp_path / "absent")
    (tmp_path / "a").mkdir()
    with pytest.raises(DataError, match="holds no folders with pictures"):
        ImageFolder(tmp_path)


def test_a_damaged_picture_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "odd.png").write_text("text")
    with pytest.raises(DataError, match=r"a/odd\.png: not an image"):
        ImageFolder(tmp_path)
