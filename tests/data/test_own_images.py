"""Pictures of people's own digits come out as MNIST's are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.data import handwriting
from tinygrad_cnn.data import EmbeddedMNIST, own_images
from tinygrad_cnn.data.own_images import centring
from tinygrad_cnn.errors import DataError

Image = pytest.importorskip("PIL.Image")


def stroke(size: int = 100) -> np.ndarray:
    """A seven: a bar, and a slope from its right end down; 1 is ink."""
    ink = np.zeros((size, size), np.float32)
    ink[20:26, 30:62] = 1
    for row in range(26, 80):
        left = 56 - (row - 26) // 3
        ink[row, left : left + 6] = 1
    return ink


def save(ink: np.ndarray, path: Path, **options: object) -> Path:
    Image.fromarray((255 * (1 - ink)).astype(np.uint8)).save(path, **options)
    return path


def box(pixels: np.ndarray) -> tuple[int, int]:
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def centre_of_mass(pixels: np.ndarray) -> tuple[float, float]:
    mass, i = pixels.sum(), np.arange(28)
    return float(i @ pixels.sum(axis=1) / mass), float(i @ pixels.sum(axis=0) / mass)


def test_the_digit_fills_20_pixels_and_its_mass_is_in_the_middle(tmp_path: Path) -> None:
    pixels = own_images.read_digit(save(stroke(), tmp_path / "7.png"))
    assert pixels.shape == (28, 28)
    assert pixels.dtype == np.uint8
    assert pixels.max() == 255
    assert max(box(pixels)) == 20
    assert centre_of_mass(pixels) == pytest.approx((14, 14), abs=0.5)


def test_proportions_are_kept(tmp_path: Path) -> None:
    height, width = box(own_images.read_digit(save(stroke(), tmp_path / "7.png")))
    assert width / height == pytest.approx(32 / 60, abs=0.06)


@pytest.mark.parametrize("move", [(0, 0), (15, 30), (-19, -25)])
def test_where_the_digit_stands_does_not_matter(tmp_path: Path, move: tuple[int, int]) -> None:
    here = own_images.read_digit(save(stroke(), tmp_path / "a.png"))
    moved = np.roll(stroke(), move, axis=(0, 1))
    np.testing.assert_array_equal(own_images.read_digit(save(moved, tmp_path / "b.png")), here)


def test_light_on_dark_is_the_same_as_dark_on_light(tmp_path: Path) -> None:
    dark = own_images.read_digit(save(stroke(), tmp_path / "dark.png"))
    light = own_images.read_digit(save(1 - stroke(), tmp_path / "light.png"))
    np.testing.assert_allclose(light.astype(int), dark, atol=1)


def test_a_faint_pencil_is_as_good_as_ink(tmp_path: Path) -> None:
    dark = own_images.read_digit(save(stroke(), tmp_path / "dark.png"))
    faint = own_images.read_digit(save(0.2 + 0.3 * stroke(), tmp_path / "faint.png"))
    np.testing.assert_allclose(faint.astype(int), dark, atol=2)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16"])
def test_every_kind_of_picture_is_understood(tmp_path: Path, mode: str) -> None:
    expected = own_images.read_digit(save(stroke(), tmp_path / "grey.png"))
    grey = Image.fromarray((255 * (1 - stroke())).astype(np.uint8))
    if mode == "I;16":
        picture = Image.fromarray((65535 * (1 - stroke())).astype(np.uint16))
    else:
        picture = grey.convert(mode)
    path = tmp_path / ("picture.tiff" if mode == "CMYK" else "picture.png")
    picture.save(path)
    np.testing.assert_allclose(own_images.read_digit(path).astype(int), expected, atol=2)


@pytest.mark.parametrize("shade", [0, 255])
def test_strokes_on_a_transparent_ground_are_found(tmp_path: Path, shade: int) -> None:
    expected = own_images.read_digit(save(stroke(), tmp_path / "grey.png"))
    rgba = np.full((100, 100, 4), shade, np.uint8)
    rgba[..., 3] = 255 * stroke()
    Image.fromarray(rgba).save(tmp_path / "clear.png")
    np.testing.assert_array_equal(own_images.read_digit(tmp_path / "clear.png"), expected)


def test_a_photo_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    expected = own_images.read_digit(save(stroke(), tmp_path / "upright.png"))
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn me by 90 degrees clockwise"
    path = save(np.rot90(stroke()), tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(own_images.read_digit(path), expected)


@pytest.mark.parametrize("shape", [(40, 1), (1, 40), (1, 1)])
def test_a_thin_stroke_is_a_digit_too(shape: tuple[int, int]) -> None:
    pixels = own_images.centred(np.ones(shape, np.float32))
    assert pixels.max() == 255
    assert max(box(pixels)) == 20


@pytest.mark.parametrize("shade", [0, 3, 128, 255])
def test_noise_on_one_shade_is_no_digit(shade: int) -> None:
    noisy = np.clip(shade + np.random.default_rng(0).normal(0, 3, (300, 400)), 0, 255)
    with pytest.raises(DataError, match="no digit found"):
        own_images.find_digit(np.stack([noisy.astype(np.uint8)] * 3, axis=-1))


def test_mnist_s_own_digits_stay_almost_as_they_are() -> None:
    images = EmbeddedMNIST(train=False).images[:50]
    again = [own_images.find_digit(np.stack([i] * 3, axis=-1)) for i in images]
    difference = np.abs(np.stack(again).astype(float) - images).mean()
    assert difference < 12  # of 255; another digit of the same class is 40 away


def test_a_blank_sheet_holds_no_digit(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"blank\.png: no digit found"):
        own_images.read_digit(save(np.zeros((50, 50)), tmp_path / "blank.png"))


# ---- what else is on the paper


def found(grey: np.ndarray) -> np.ndarray:
    """The digit in a picture of shades 0..1, as floats."""
    picture = np.rint(255 * np.clip(grey, 0, 1)).astype(np.uint8)
    return own_images.find_digit(np.stack([picture] * 3, axis=-1)).astype(float)


def on_paper(ink: np.ndarray, darkness: float = 0.7) -> np.ndarray:
    return 0.9 * (1 - darkness * ink)


def test_specks_and_a_far_scribble_are_left_out() -> None:
    ink = stroke(200)
    dirty = ink.copy()
    dirty[5:8, 5:8] = dirty[60:62, 100:103] = 1
    dirty[150:170, 180:184] = 1
    np.testing.assert_allclose(found(on_paper(dirty)), found(on_paper(ink)), atol=1)


def test_a_stroke_beside_the_digit_belongs_to_it() -> None:
    bar = np.zeros((100, 100), np.float32)
    bar[30:36, 30:62] = 1  # a 7 whose bar does not touch its slope
    slope = np.where(np.arange(100)[:, None] > 40, stroke(), 0)
    assert np.abs(found(on_paper(bar + slope)) - found(on_paper(slope))).mean() > 10


@pytest.mark.parametrize("gap", [9, 40])
def test_other_writing_that_the_border_cuts_off_is_left_out(gap: int) -> None:
    alone = np.pad(stroke(200), 60)
    top = np.flatnonzero(alone.any(axis=1))[0]
    beside = alone.copy()
    beside[: top - gap, 100:106] = beside[top - gap - 6 : top - gap, 60:160] = 1
    np.testing.assert_allclose(found(on_paper(beside)), found(on_paper(alone)), atol=1)


def test_other_writing_may_have_more_ink_than_the_digit() -> None:
    alone = np.pad(stroke(200), 60)
    beside = alone.copy()
    beside[290:, 100:140:8] = beside[290:296, 100:220] = 1
    assert alone.sum() < beside[290:].sum() < 3 * alone.sum()
    np.testing.assert_allclose(found(on_paper(beside)), found(on_paper(alone)), atol=1)


@pytest.mark.parametrize("side", range(4))
def test_a_digit_at_the_very_border_is_the_digit(side: int) -> None:
    turned = np.rot90(stroke(), side)
    top = np.flatnonzero(turned.any(axis=1))[0]
    touching = turned[top:]
    touching[-4:-2, -4:-2] = 1  # a speck that does not touch it
    np.testing.assert_allclose(found(on_paper(touching)), found(on_paper(turned)), atol=1)


def test_a_thick_digit_drawn_along_the_border_keeps_its_strokes() -> None:
    ink = np.zeros((100, 100), np.float32)
    ink[:, :12] = ink[8:20, :60] = ink[44:56, :60] = ink[88:, :60] = ink[44:, 48:60] = 1  # a six
    inside = np.pad(ink, 20)
    np.testing.assert_allclose(found(1 - ink), found(1 - inside), atol=1)


@pytest.mark.parametrize("where", ["left", "corner", "band"])
def test_a_shadow_changes_nothing(where: str) -> None:
    y, x = np.mgrid[:400, :400] / 400
    edge = {"left": x - 0.45, "corner": x + y - 0.9, "band": 0.25 - np.abs(y - 0.5)}[where]
    light = 1 - 0.6 / (1 + np.exp(-edge / 0.02))
    ink = np.kron(stroke(), np.ones((4, 4)))
    lit, even = found(light * on_paper(ink)), found(on_paper(ink))
    assert np.abs(lit - even).mean() < 3


@pytest.mark.parametrize("spacing", [23, 50, 110])
@pytest.mark.parametrize("darkness", [0.1, 0.3])
def test_squared_lines_change_nothing(spacing: int, darkness: float) -> None:
    lines = np.zeros((400, 400))
    for offset in (7, 8, 9):
        lines[offset::spacing] = lines[:, offset::spacing] = darkness
    shade = 1 - 0.3 * np.arange(400) / 400  # light that falls off: no border of one shade
    ink = np.kron(stroke(), np.ones((4, 4)))
    assert np.abs(found(shade * (1 - lines) * on_paper(ink)) - found(on_paper(ink))).mean() < 3


def test_a_table_beside_squared_paper_does_not_hide_the_digit() -> None:
    lines = np.zeros((400, 400))
    for offset in (7, 8, 9):
        lines[offset::50] = lines[:, offset::50] = 0.4
    shade = 1 - 0.3 * np.arange(400) / 400
    ink = np.kron(stroke(), np.ones((4, 4)))
    photo = shade * (1 - lines) * on_paper(ink, 0.8)
    photo[:, :30] = 0.4 + 0.05 * np.sin(np.arange(400) / 4)[:, None]  # wood, lighter than the lines
    assert np.abs(found(photo) - found(on_paper(ink))).mean() < 3


@pytest.mark.parametrize("shade", [0.08, 0.2])
@pytest.mark.parametrize("sides", ["lb", "tr", "ltrb"])
@pytest.mark.parametrize("shadow", [1.0, 0.7])
def test_a_dark_table_around_the_sheet_is_no_digit(shade: float, sides: str, shadow: float) -> None:
    ink = np.kron(stroke(), np.ones((4, 4)))
    alone = on_paper(ink, 0.8) * (1 - 0.2 * np.arange(400) / 400)
    alone[:, :170] *= shadow  # right through the digit
    y, x = np.mgrid[:400, :400]
    slant = 0.08 * (y - 200)  # its edges are not those of the photo
    edges = {"l": x < 40 + slant, "r": x > 350 + slant, "t": y < 30, "b": y > 360}
    table = np.any([edges[side] for side in sides], axis=0)
    photo = np.where(table, shade * (1 + 0.1 * np.sin(x / 5)), alone)
    assert np.abs(found(photo) - found(on_paper(ink))).mean() < 3


def test_a_table_of_another_colour_need_not_be_dark() -> None:
    ink = np.kron(stroke(), np.ones((4, 4)))
    photo = np.repeat(on_paper(ink)[:, :, None], 3, axis=2)
    photo *= 1 - 0.3 * np.arange(400)[:, None, None] / 400
    photo[330:] = (0.5, 0.3, 0.15)
    pixels = own_images.find_digit(np.rint(255 * photo).astype(np.uint8)).astype(float)
    assert np.abs(pixels - found(on_paper(ink))).mean() < 3


def nothing(kind: str) -> np.ndarray:
    """A picture (300, 400, 3) without a digit."""
    rng, picture = np.random.default_rng(0), np.full((300, 400, 3), (240, 240, 235), np.uint8)
    if kind == "colours":
        return rng.integers(0, 256, picture.shape).astype(np.uint8)
    if kind == "black and white":
        return np.repeat(255 * rng.integers(0, 2, (300, 400, 1)), 3, axis=2).astype(np.uint8)
    if kind == "clouds":
        coarse = Image.fromarray(np.clip(rng.normal(128, 40, (30, 40)), 0, 255).astype(np.uint8))
        return np.asarray(coarse.resize((400, 300)).convert("RGB"))
    step = int(kind.split()[-1])
    for row in range(7, 300, step):
        picture[row + ("thick" in kind)] = picture[row] = (150, 180, 215)
    if "squares" in kind:
        for column in range(11, 400, step):
            picture[:, column + ("thick" in kind)] = picture[:, column] = (150, 180, 215)
    return picture


@pytest.mark.parametrize(
    "kind",
    [
        "squares 12",
        "squares 20",
        "squares 60",
        "squares 110",
        "thick squares 12",
        "thick squares 20",
        "thick squares 60",
        "lines 20",
    ]
    + ["lines 45", "thick lines 30", "colours", "black and white", "clouds"],
)
def test_where_nothing_stands_out_there_is_no_digit(kind: str) -> None:
    with pytest.raises(DataError, match="no digit found"):
        own_images.find_digit(nothing(kind))


def test_squares_between_lines_along_the_border_are_no_digit() -> None:
    picture = np.full((300, 400, 3), 240, np.uint8)
    picture[::20] = picture[:, ::20] = (150, 180, 215)
    with pytest.raises(DataError, match="no digit found"):
        own_images.find_digit(picture)


@pytest.mark.parametrize("spacing", [30, 70, 110])
def test_squared_paper_without_a_digit_holds_none(spacing: int) -> None:
    lines = np.zeros((400, 400))
    for offset in (7, 8, 9):
        lines[offset::spacing] = lines[:, offset::spacing] = 0.4
    with pytest.raises(DataError, match="no digit found: there are only lines across"):
        found((1 - 0.3 * np.arange(400) / 400) * (1 - lines))


@pytest.mark.parametrize("digit", range(10))
def test_a_dashed_stroke_is_one_digit(digit: int) -> None:
    whole, dashed = np.zeros((2, 400, 400))
    for line in handwriting.strokes(digit, 0, np.random.default_rng(0)):
        points = 200 + 130 * line
        length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]
        for place in np.arange(0, length[-1]):
            x, y = (round(np.interp(place, length, points[:, k])) for k in (0, 1))
            whole[y - 3 : y + 4, x - 3 : x + 4] = 1
            if place % 24 < 13:
                dashed[y - 3 : y + 4, x - 3 : x + 4] = 1
    assert box(found(1 - dashed)) == pytest.approx(box(found(1 - whole)), abs=1)


def test_a_digit_on_squared_paper_is_found_among_its_crossings() -> None:
    paper = nothing("thick squares 20").astype(float) / 255
    ink = np.pad(np.kron(stroke(), np.ones((2, 2))), ((50, 50), (100, 100)))
    digit = own_images.find_digit((255 * paper * (1 - 0.6 * ink[..., None])).astype(np.uint8))
    assert np.abs(digit - found(on_paper(ink))).mean() < 6


def test_light_on_dark_in_uneven_light_is_told_from_dark_on_light() -> None:
    chalk = np.kron(stroke(), np.ones((4, 4)))
    light = 1 - 0.5 * np.arange(400) / 400
    board = light * (0.2 + 0.6 * chalk)
    assert np.abs(found(board) - found(on_paper(chalk))).mean() < 3


@pytest.mark.parametrize("pen", [1, 3, 6, 12])
def test_a_pen_of_any_width_becomes_one_of_mnist_s(pen: int) -> None:
    drawn = handwriting.draw(3, 0, np.random.default_rng(0), pen=(pen, pen), light=False)
    pixels = own_images.find_digit(np.asarray(drawn.convert("RGB")))
    width = centring.stroke_width(pixels.repeat(8, axis=0).repeat(8, axis=1) > 127) / 8
    assert 1.5 <= width <= 4


# ---- small digits in large pictures


def large_with(ink: np.ndarray, path: Path, ground: np.ndarray) -> Path:
    """A picture with the strokes at its right."""
    photo, (h, w) = ground.copy(), ink.shape
    photo[100 : 100 + h, 800 : 800 + w] *= 1 - 0.8 * ink
    Image.fromarray(np.rint(255 * np.clip(photo, 0, 1)).astype(np.uint8)).save(path)
    return path


@pytest.mark.parametrize("size", [(900, 1200), (1800, 2400)])
def test_a_small_digit_in_a_large_drawing_is_as_good_as_a_large_one(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    for digit in range(10):
        drawn = handwriting.draw(digit, 0, np.random.default_rng(digit), side=80, pen=(3, 3))
        ink = np.asarray(drawn, float) / 255
        ink = ink if ink[0, 0] == 0 else 1 - ink
        alone = found(1 - 0.8 * ink)
        large = own_images.read_digit(large_with(ink, tmp_path / "a.png", np.ones(size)))
        assert np.abs(large - alone).mean() < 6


def test_a_small_digit_in_a_large_photo_is_looked_at_again(tmp_path: Path) -> None:
    ground = np.clip(0.8 + np.random.default_rng(0).normal(0, 0.04, (900, 1200)), 0, 1)
    ground *= 1 - 0.3 * np.arange(1200) / 1200
    ink = stroke(120)
    photo = large_with(ink, tmp_path / "a.png", ground)
    near = np.abs(own_images.read_digit(photo) - found(on_paper(ink))).mean()
    opened = own_images.open_picture(photo, own_images.WORKING_SIDE)
    afar = np.abs(own_images.find_digit(opened) - found(on_paper(ink))).mean()
    assert near < 6
    assert near < 0.7 * afar


# ---- digits as people write them: does what comes out look like MNIST's digit?


def recognised(pictures: list[tuple[int, np.ndarray]]) -> float:
    """The share that the most similar of 8,000 digits, both a little blurred, is right about."""
    known = EmbeddedMNIST()
    found = np.stack([own_images.find_digit(picture) for _, picture in pictures])
    alike = unit(found) @ unit(known.images).T  # (N, 8000)
    truths = np.array([digit for digit, _ in pictures])
    return float((known.labels[alike.argmax(axis=1)] == truths).mean())


def unit(images: np.ndarray) -> np.ndarray:
    ndimage = pytest.importorskip("scipy.ndimage")
    flat = ndimage.gaussian_filter(images.astype(np.float32), (0, 1, 1)).reshape(len(images), -1)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


def test_drawings_with_pens_of_one_to_twelve_pixels_are_recognised() -> None:
    rng = np.random.default_rng(0)
    drawings = [(i % 10, handwriting.draw(i % 10, i // 10, rng)) for i in range(100)]
    assert recognised([(d, np.asarray(p.convert("RGB"))) for d, p in drawings]) >= 0.95


def test_photos_on_squared_paper_in_uneven_light_are_recognised() -> None:
    rng = np.random.default_rng(0)
    photos = [(i % 10, handwriting.photograph(i % 10, i // 10, rng, side=240)) for i in range(30)]
    assert recognised([(d, np.asarray(p)) for d, p in photos]) >= 0.9
