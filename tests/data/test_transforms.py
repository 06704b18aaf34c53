import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_cnn.data import (
    Compose,
    Cutout,
    EmbeddedMNIST,
    Normalize,
    RandomAffine,
    RandomCrop,
    RandomFlip,
    RandomLight,
    RandomNoise,
    RandomShift,
    RandomThickness,
    ToFloat,
    resample,
)
from tinygrad_cnn.errors import ConfigError, ShapeError

IDENTITY = np.eye(2, 3)[None]


def rng(seed=0):
    return np.random.default_rng(seed)


def images(*shape, seed=0):
    return rng(seed).random(shape, dtype=np.float32)


def resample_pixel_by_pixel(x, inverse, bend):
    """The definition: one output pixel after the other, its four neighbours weighted by area."""
    H, W = x.shape[2:]
    y = np.zeros(x.shape)
    for n, c, i, j in np.ndindex(*x.shape):
        u, v = inverse[n] @ [j - (W - 1) / 2, i - (H - 1) / 2, 1] + [(W - 1) / 2, (H - 1) / 2]
        u, v = (u, v) + bend[n, :, i, j]
        for row in (int(np.floor(v)), int(np.floor(v)) + 1):
            for column in (int(np.floor(u)), int(np.floor(u)) + 1):
                if 0 <= row < H and 0 <= column < W:
                    weight = (1 - abs(v - row)) * (1 - abs(u - column))
                    y[n, c, i, j] += weight * x[n, c, row, column]
    return y


# ---- resample


@settings(deadline=None, max_examples=50)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 7), st.integers(1, 7)),
    st.integers(0, 2**32),
)
def test_resampling_agrees_with_its_definition(shape, seed):
    x, inverse = images(*shape, seed=seed), rng(seed).normal(size=(shape[0], 2, 3))
    bend = rng(seed + 1).normal(size=(shape[0], 2, *shape[2:])).astype(np.float32)
    expected = resample_pixel_by_pixel(x, inverse, bend)
    np.testing.assert_allclose(resample(x, inverse, bend), expected, atol=2e-5)
    expected = resample_pixel_by_pixel(x, inverse, 0 * bend)
    np.testing.assert_allclose(resample(x, inverse), expected, atol=2e-5)


def test_resampling_agrees_with_scipy():
    ndimage = pytest.importorskip("scipy.ndimage", reason="compares with SciPy, which is absent")
    x = images(8, 1, 20, 28)
    maps = RandomAffine(30, 4, (0.7, 1.4), 20).inverses(8, rng())
    centre = np.array([19, 27]) / 2
    for image, inverse, y in zip(x[:, 0], maps, resample(x, maps)[:, 0], strict=True):
        swapped = inverse[::-1, [1, 0, 2]]  # SciPy's coordinates are (row, column)
        linear, offset = swapped[:, :2], swapped[:, 2]
        expected = ndimage.affine_transform(
            image, linear, offset + centre - linear @ centre, order=1, mode="grid-constant"
        )
        np.testing.assert_allclose(y, expected, atol=2e-5)


def test_the_identity_changes_nothing_at_all():
    x = images(3, 2, 5, 8)
    np.testing.assert_array_equal(resample(x, IDENTITY.repeat(3, axis=0)), x)


def test_a_map_by_whole_pixels_moves_the_image_and_brings_in_zeros():
    x = np.array([[[[1, 2, 3], [4, 5, 6]]]])
    one_right = IDENTITY + [[0, 0, -1], [0, 0, 0]]  # the output at x shows the input at x - 1
    np.testing.assert_array_equal(resample(x, one_right)[0, 0], [[0, 1, 2], [0, 4, 5]])
    one_up = IDENTITY + [[0, 0, 0], [0, 0, 1]]
    np.testing.assert_array_equal(resample(x, one_up)[0, 0], [[4, 5, 6], [0, 0, 0]])


def test_half_a_pixel_is_the_mean_of_two():
    half = IDENTITY + [[0, 0, -0.5], [0, 0, 0]]
    np.testing.assert_array_equal(resample(np.array([[[[2, 4, 8]]]]), half)[0, 0], [[1, 3, 6]])


def test_a_quarter_turn_moves_every_pixel_to_its_place():
    x = np.array([[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]])
    # The output at (x, y) shows the input at R(-90) (x, y) = (y, -x): the image turned clockwise.
    clockwise = np.array([[[0, 1, 0], [-1, 0, 0]]])
    np.testing.assert_array_equal(resample(x, clockwise)[0, 0], [[7, 4, 1], [8, 5, 2], [9, 6, 3]])


def test_places_far_outside_are_zero():
    far = IDENTITY.repeat(2, axis=0) + [[0, 0, 1e6], [0, 0, -1e6]]
    assert not resample(np.ones((2, 1, 4, 4)), far).any()


def test_a_large_batch_equals_its_images_one_by_one():
    x, maps = images(200, 2, 28, 28), RandomAffine(20, 3).inverses(200, rng())
    one_by_one = [resample(x[n : n + 1], maps[n : n + 1]) for n in range(0, 200, 37)]
    np.testing.assert_array_equal(resample(x, maps)[::37], np.concatenate(one_by_one))


def test_an_image_too_large_for_exact_indices_is_refused():
    huge = np.broadcast_to(np.uint8(0), (1, 1, 5000, 5000))
    with pytest.raises(ShapeError, match="up to 4,093 x 4,093 pixels, got 5,000 x 5,000"):
        resample(huge, IDENTITY)


# ---- RandomAffine


def forward_matrix(a, k, s):
    """s R(a) S(k), as the docstring prints it, angles in degrees."""
    a, k = np.radians([a, k])
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return s * turn @ np.array([[1, np.tan(k)], [0, 1]])


class Fixed:
    """A generator whose every draw is at its upper limit."""

    def uniform(self, low, high, size):
        return np.full(size, float(high))


def test_the_inverse_undoes_the_map_of_the_docstring():
    affine = RandomAffine(degrees=25, translate=3, scale=(0.5, 1.5), shear=10)
    (inverse,) = affine.inverses(1, Fixed())
    forward = forward_matrix(25, 10, 1.5)
    np.testing.assert_allclose(inverse[:, :2] @ forward, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(forward @ -inverse[:, 2], [3, 3], atol=1e-12)


def test_each_amount_stays_within_its_limits_and_fills_them():
    maps = RandomAffine(degrees=30, translate=2, scale=(0.8, 1.2)).inverses(4000, rng())
    s = np.linalg.det(maps[:, :, :2]) ** -0.5
    angle = np.degrees(np.arctan2(maps[:, 0, 1], maps[:, 0, 0]))
    shift = -np.linalg.solve(maps[:, :, :2], maps[:, :, 2:])[:, :, 0]
    for values, low, high in ((s, 0.8, 1.2), (angle, -30, 30), (shift, -2, 2)):
        assert low <= values.min() < low + 0.02 * (high - low)
        assert high >= values.max() > high - 0.02 * (high - low)
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.02 * (high - low))


def test_positive_angles_turn_clockwise_and_translation_moves_right_and_down():
    x = np.zeros((1, 1, 9, 9), np.float32)
    x[0, 0, 0, 4] = 1  # the middle of the upper edge
    turned = RandomAffine(degrees=90)(x, Fixed())
    assert np.unravel_index(turned[0, 0].argmax(), (9, 9)) == (4, 8)  # the middle of the right one
    moved = RandomAffine(translate=3)(x, Fixed())
    assert np.unravel_index(moved[0, 0].argmax(), (9, 9)) == (3, 7)


RANDOM = [
    RandomAffine(15, 2, (0.9, 1.1), 5, 1),
    RandomShift(2),
    RandomCrop(8, padding=2),
    RandomFlip(),
    Cutout(4),
    RandomThickness(),
    RandomLight((0.7, 1), 0.2),
    RandomNoise(),
]


@pytest.mark.parametrize("transform", RANDOM, ids=repr)
@pytest.mark.parametrize("shape", [(5, 8, 8), (5, 1, 8, 8), (5, 3, 8, 8)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_random_transforms_keep_shape_and_kind_and_leave_their_input_alone(transform, shape, dtype):
    x = (255 * images(*shape)).astype(dtype)
    before = x.copy()
    y = transform(x, rng())
    assert (y.shape, y.dtype) == (shape, dtype)
    np.testing.assert_array_equal(x, before)
    assert not np.array_equal(y, x)


@pytest.mark.parametrize("transform", RANDOM, ids=repr)
def test_a_random_transform_is_a_function_of_the_seed(transform):
    x = images(30, 1, 8, 8)
    first, again, other = (transform(x, rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_every_image_of_a_batch_gets_its_own_map():
    same = np.repeat(images(1, 1, 28, 28), 8, axis=0)
    assert len({y.tobytes() for y in RandomAffine(10, 2)(same, rng())}) == 8


def test_bytes_are_rounded_not_truncated():
    half = RandomAffine(translate=0.5)
    x = np.full((1, 5, 5), 255, np.uint8)
    np.testing.assert_array_equal(np.unique(half(x, Fixed())), [64, 128, 255])  # 63.75, 127.5


def test_augmented_digits_keep_their_ink():
    digits = EmbeddedMNIST(train=False).images[:500]
    ink = RandomAffine(10, 2)(digits, rng()).sum() / digits.sum()
    assert ink == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    "options",
    [
        {"degrees": -1},
        {"translate": -1},
        {"shear": 90},
        {"bend": -1},
        {"scale": (0, 1)},
        {"scale": (1.1, 0.9)},
        {"degrees": float("nan")},
        {"translate": float("inf")},
        {"scale": (1, float("inf"))},
    ],
)
def test_an_affine_map_that_cannot_be_is_refused(options):
    with pytest.raises(ConfigError, match="RandomAffine"):
        RandomAffine(**options)


# ---- bending


def test_a_bend_is_smooth_and_as_strong_as_asked():
    d = RandomAffine(bend=1.5).bends((2000, 1, 28, 28), rng())
    assert d.shape == (2000, 2, 28, 28)
    assert d.std() == pytest.approx(1.5, rel=0.05)
    assert abs(d.mean()) < 0.05
    slopes = np.abs(np.diff(d, axis=3))
    assert slopes.mean() < 0.2 * 1.5  # neighbours move together: a stroke is bent, not torn


def test_a_bend_moves_ink_and_makes_none():
    digits = EmbeddedMNIST(train=False).images[:500]
    bent = RandomAffine(bend=1)(digits, rng())
    assert bent.sum() / digits.sum() == pytest.approx(1, abs=0.02)
    assert np.abs(bent.astype(float) - digits).mean() > 5


# ---- crops, flips, squares


def test_crops_take_every_place_of_the_padded_image():
    x = np.arange(1, 13, dtype=np.uint8).reshape(1, 3, 4).repeat(3000, axis=0)
    padded = np.pad(x[0], 1)
    windows = {padded[i : i + 2, j : j + 2].tobytes() for i in range(4) for j in range(5)}
    assert {y.tobytes() for y in RandomCrop(2, padding=1)(x, rng())} == windows


def test_a_crop_keeps_the_channels_of_a_pixel_together():
    x = np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4) + np.uint8([[[[0]], [[100]], [[200]]]])
    y = RandomCrop(2)(x.repeat(50, axis=0), rng())
    np.testing.assert_array_equal(y[:, 1] - y[:, 0], 100)
    np.testing.assert_array_equal(y[:, 2] - y[:, 1], 100)


@pytest.mark.parametrize("options", [{"size": 0}, {"size": 2.5}, {"size": 3, "padding": -1}])
def test_a_window_that_cannot_be_is_refused(options):
    with pytest.raises(ConfigError, match="RandomCrop: size is a whole number"):
        RandomCrop(**options)


def test_a_window_larger_than_the_padded_image_is_refused():
    with pytest.raises(ShapeError, match="a window of 11 does not fit into 10, the images of 8"):
        RandomCrop(11, padding=1)(images(2, 8, 9), rng())


def test_a_flip_mirrors_left_and_right_in_the_share_asked_for():
    x = images(4000, 3, 2, 5)
    y = RandomFlip(0.3)(x, rng())
    flipped = (y == x[..., ::-1]).all(axis=(1, 2, 3))
    assert (flipped | (y == x).all(axis=(1, 2, 3))).all()
    assert flipped.mean() == pytest.approx(0.3, abs=0.02)


def test_a_flip_never_or_always_happens_if_told_so():
    x = images(9, 4, 4)
    np.testing.assert_array_equal(RandomFlip(0)(x, rng()), x)
    np.testing.assert_array_equal(RandomFlip(1)(x, rng()), x[:, :, ::-1])
    with pytest.raises(ConfigError, match="p is a probability"):
        RandomFlip(1.5)


@pytest.mark.parametrize("size", [1, 4, 5])
def test_a_square_is_cut_out_of_every_channel_with_its_centre_anywhere(size):
    covered = Cutout(size)(np.ones((4000, 2, 8, 10), np.uint8), rng()) == 0
    np.testing.assert_array_equal(covered[:, 0], covered[:, 1])
    corners = set()
    for hole in covered[:, 0]:
        rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
        assert hole[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert len(rows) <= size
        assert len(columns) <= size
        corners.add((rows[0], rows[-1], columns[0], columns[-1]))
    assert len(corners) == 80  # one for each pixel of 8 x 10 that the centre can be
    with pytest.raises(ConfigError, match="Cutout: size"):
        Cutout(0)


# ---- pens and light


class Drawn:
    """A generator that gives the numbers it was made with, one for each image."""

    def __init__(self, *values):
        self.values = iter(values)

    def uniform(self, low, high, size):
        value = next(self.values)
        assert low <= value <= high
        return np.full(size, float(value))


def test_thicker_and_thinner_strokes_are_dilated_and_eroded_by_a_cross():
    x = np.zeros((1, 5, 5), np.float32)
    x[0, 1:4, 2] = 1
    thick = x.copy()
    thick[0, 1:4, 1:4] = 1
    thick[0, 0, 2] = thick[0, 4, 2] = 1
    np.testing.assert_array_equal(RandomThickness()(x, Drawn(1)), thick)
    np.testing.assert_array_equal(RandomThickness()(thick, Drawn(-1)), x)
    np.testing.assert_array_equal(RandomThickness()(x, Drawn(0.25)), x + 0.25 * (thick - x))


def test_half_a_thickness_changes_the_ink_both_ways():
    digits = EmbeddedMNIST(train=False).images[:200].astype(float)
    ratio = RandomThickness(0.5)(digits, rng()).sum(axis=(1, 2)) / digits.sum(axis=(1, 2))
    assert ratio.min() < 0.8
    assert ratio.max() > 1.2
    with pytest.raises(ConfigError, match="twice for more"):
        RandomThickness(1.5)


def test_light_falls_off_along_its_direction():
    x = np.full((1, 3, 5), 0.5, np.float32)
    y = RandomLight((0.5, 0.8), 0.4)(x, Drawn(0.8, 0, 0.4))[0]  # from the left to the right
    np.testing.assert_allclose(y[1], 0.5 * (0.8 + 0.4 * np.linspace(-1, 1, 5)), rtol=1e-6)
    np.testing.assert_array_equal(y[0], y[2])
    y = RandomLight((0.5, 0.8), 0.4)(x, Drawn(0.8, np.pi / 2, 0.4))[0]  # downwards
    np.testing.assert_allclose(y[:, 2], [0.2, 0.4, 0.6], rtol=1e-6)


def test_bytes_that_are_lit_too_brightly_stay_white():
    assert (RandomLight((2, 2))(np.full((1, 2, 2), 200, np.uint8), rng()) == 255).all()
    for options in ({"gain": (1, 0.5)}, {"slope": -1}):
        with pytest.raises(ConfigError, match="RandomLight"):
            RandomLight(**options)


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.float32, 1)])
def test_noise_is_of_the_strength_drawn_in_every_image(dtype, white):
    x = np.full((2000, 1, 8, 8), white / 2, dtype)
    stds = (RandomNoise(0.1)(x, rng()).astype(float) / white).std(axis=(1, 2, 3))
    assert stds.max() == pytest.approx(0.1, rel=0.3)
    assert stds.mean() == pytest.approx(0.05, rel=0.1)
    with pytest.raises(ConfigError, match="RandomNoise: std"):
        RandomNoise(-1)


# ---- the others


def test_shifts_take_every_place_and_move_whole_images():
    x = np.zeros((3000, 5, 7), np.uint8)
    x[:, 2, 3] = 9
    places = np.argwhere(RandomShift(2)(x, rng()))[:, 1:]
    assert len(places) == 3000
    expected = {(i, j) for i in range(5) for j in range(1, 6)}
    assert set(map(tuple, places.tolist())) == expected


def test_zeros_move_in_where_an_image_was_shifted_away():
    y = RandomShift(1)(np.ones((200, 1, 3, 3), np.float32), rng())
    assert set(y.sum(axis=(1, 2, 3)).tolist()) == {4.0, 6.0, 9.0}


@pytest.mark.parametrize("pixels", [-1, 1.5])
def test_a_shift_by_part_of_a_pixel_is_refused(pixels):
    with pytest.raises(ConfigError, match=r"RandomShift: .*RandomAffine\(translate"):
        RandomShift(pixels)


def test_to_float_divides_bytes_by_255_exactly():
    y = ToFloat()(np.arange(256, dtype=np.uint8).reshape(1, 16, 16))
    assert (y.shape, y.dtype) == ((1, 1, 16, 16), np.float32)
    np.testing.assert_array_equal(y.ravel(), (np.arange(256) / 255).astype(np.float32))


def test_to_float_leaves_floats_unscaled():
    y = ToFloat()(np.full((1, 3, 2, 2), 7.0))
    assert y.dtype == np.float32
    assert (y == 7).all()


def test_normalize_centres_each_channel():
    x = images(4, 3, 5, 5)
    y = Normalize((0.1, 0.2, 0.3), (1.0, 2.0, 4.0))(x)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y[:, 2], (x[:, 2] - 0.3) / 4, atol=1e-6)
    np.testing.assert_allclose(Normalize(0.5, 0.25)(x), (x - 0.5) / 0.25, atol=1e-6)


def test_a_standard_deviation_of_zero_is_refused():
    with pytest.raises(ConfigError, match="std must be positive"):
        Normalize((0.0, 0.0), (1.0, 0.0))


def test_compose_applies_in_order_with_one_generator():
    x = images(4, 1, 9, 9)
    affine, shift = RandomAffine(20), RandomShift(1)
    one = rng()
    expected = shift(affine(x, one), one)
    np.testing.assert_array_equal(Compose(affine, shift)(x, rng()), expected)
    assert repr(Compose(RandomShift(1))) == "Compose(RandomShift(pixels=1))"


@pytest.mark.parametrize("transform", [*RANDOM, ToFloat()], ids=repr)
def test_a_single_image_is_refused_with_the_shape_that_is_taken(transform):
    with pytest.raises(ShapeError, match=r"\(N, H, W\) or \(N, C, H, W\), got \(28, 28\)"):
        transform(np.zeros((28, 28), np.uint8), rng())
