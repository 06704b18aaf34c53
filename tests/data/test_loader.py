import gc
import subprocess
import sys
import threading
import time
import traceback

import numpy as np
import pytest

from tinygrad_cnn import kernels
from tinygrad_cnn.data import ArrayDataset, DataLoader, EmbeddedMNIST, RandomAffine
from tinygrad_cnn.errors import ConfigError, ShapeError

# Image n holds the number n in every pixel and has the label n % 10.
NUMBERED = ArrayDataset(
    np.arange(50, dtype=np.uint8).repeat(16).reshape(50, 4, 4), np.arange(50) % 10
)


def order(loader):
    """The numbers of the images, epoch after epoch as the loader gives them."""
    return [n for x, _ in loader for n in np.rint(x[:, 0, 0, 0] * 255).astype(int).tolist()]


def jitter(x, rng):
    return x + rng.normal(size=x.shape)


def epochs(count, **options):
    """All batches of some epochs, as bytes."""
    loader = DataLoader(NUMBERED, batch_size=8, **options)
    return [x.tobytes() + y.tobytes() for _ in range(count) for x, y in loader]


def loader_threads():
    return [thread for thread in threading.enumerate() if thread.name == "DataLoader"]


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    assert not loader_threads()
    yield
    gc.collect()
    assert not loader_threads()


# ---- what a batch is


def test_batches_are_float32_with_channels_scaled_to_one_and_int64_labels():
    x, y = next(iter(DataLoader(NUMBERED, batch_size=8)))
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((8, 1, 4, 4), np.float32, (8,), np.int64)
    np.testing.assert_array_equal(x[5], np.float32(5 / 255))


def test_colour_keeps_its_channels_and_floats_their_scale():
    dataset = ArrayDataset(np.full((3, 3, 4, 4), 2.0, np.float32), [0, 1, 2])
    x, _ = next(iter(DataLoader(dataset)))
    assert x.shape == (3, 3, 4, 4)
    assert (x == 2).all()


@pytest.mark.parametrize(
    ("batch_size", "drop_last", "sizes"),
    [(20, False, [20, 20, 10]), (20, True, [20, 20]), (25, True, [25, 25]), (99, False, [50])],
)
def test_len_counts_the_batches_that_come(batch_size, drop_last, sizes):
    loader = DataLoader(NUMBERED, batch_size=batch_size, drop_last=drop_last)
    assert [len(y) for _, y in loader] == sizes
    assert len(loader) == len(sizes)


def test_writing_into_a_batch_does_not_reach_the_dataset():
    before = NUMBERED.images.copy()
    for x, y in DataLoader(NUMBERED):
        x[...] = 0
        y[...] = 0
    np.testing.assert_array_equal(NUMBERED.images, before)
    assert NUMBERED.labels[7] == 7


def test_a_transform_gets_the_whole_batch_and_its_result_is_float32():
    shapes = []

    def double(x, rng):
        shapes.append(x.shape)
        return 2 * x.astype(np.float64)

    (x, _), *_ = DataLoader(NUMBERED, batch_size=25, transform=double)
    assert shapes == [(25, 1, 4, 4)] * 2
    assert x.dtype == np.float32
    np.testing.assert_allclose(x[3], 6 / 255, rtol=1e-6)


@pytest.mark.parametrize(
    ("transform", "got"),
    [
        (lambda x, rng: x[:-1], r"float32 \(49, 1, 4, 4\)"),
        (lambda x, rng: x[:, 0], r"float32 \(50, 4, 4\)"),
        (lambda x, rng: None, "NoneType"),
    ],
)
def test_a_transform_that_returns_no_batch_is_refused(transform, got):
    with pytest.raises(ShapeError, match=rf"returns a batch \(50, C, H, W\), this one {got}"):
        next(iter(DataLoader(NUMBERED, transform=transform)))


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 0},
        {"batch_size": 2.5},
        {"batch_size": 51, "drop_last": True},
        {"prefetch": -1},
        {"seed": -1},
        {"seed": None},
    ],
)
def test_options_that_cannot_be_honoured_are_refused(options):
    with pytest.raises(ConfigError, match=f"DataLoader: .*{next(iter(options))}|drop_last"):
        DataLoader(NUMBERED, **options)


# ---- order


def test_without_shuffle_the_order_is_that_of_the_dataset_in_every_epoch():
    loader = DataLoader(NUMBERED, batch_size=7)
    assert order(loader) == order(loader) == list(range(50))


def test_with_shuffle_every_epoch_is_another_order_of_all_images():
    loader = DataLoader(NUMBERED, batch_size=7, shuffle=True)
    first, second = order(loader), order(loader)
    assert sorted(first) == sorted(second) == list(range(50))
    assert len({tuple(first), tuple(second), tuple(range(50))}) == 3


def test_labels_follow_their_images():
    for x, y in DataLoader(NUMBERED, shuffle=True):
        np.testing.assert_array_equal(np.rint(x[:, 0, 0, 0] * 255) % 10, y)


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_one_seed_gives_identical_batches_whatever_the_prefetch(prefetch):
    expected = epochs(3, shuffle=True, transform=jitter, seed=5)
    assert epochs(3, shuffle=True, transform=jitter, seed=5, prefetch=prefetch) == expected
    assert epochs(3, shuffle=True, transform=jitter, seed=6, prefetch=prefetch) != expected


def test_the_transform_does_not_change_the_order():
    def spend(x, rng):
        rng.random(1000)
        return x

    plain, spending = (
        [order(loader) for _ in range(3)]
        for loader in (
            DataLoader(NUMBERED, batch_size=8, shuffle=True),
            DataLoader(NUMBERED, batch_size=8, shuffle=True, transform=spend),
        )
    )
    assert plain == spending


def test_a_loader_set_to_an_epoch_goes_on_as_one_that_has_run_that_far():
    expected = epochs(3, shuffle=True, transform=jitter)
    resumed = DataLoader(NUMBERED, batch_size=8, shuffle=True, transform=jitter)
    resumed.epoch = 2
    assert [x.tobytes() + y.tobytes() for x, y in resumed] == expected[-len(resumed) :]
    assert resumed.epoch == 3


def test_an_epoch_is_taken_by_iter_even_if_nothing_is_read():
    loader = DataLoader(NUMBERED, shuffle=True)
    iter(loader)
    iter(loader)
    assert loader.epoch == 2


def test_two_iterations_at_once_do_not_disturb_each_other():
    loader = DataLoader(NUMBERED, batch_size=10, shuffle=True, prefetch=2)
    pairs = list(zip(loader, loader, strict=True))
    again = DataLoader(NUMBERED, batch_size=10, shuffle=True)
    for column in (0, 1):
        for (x, _), pair in zip(again, pairs, strict=True):
            np.testing.assert_array_equal(pair[column][0], x)


# ---- the background thread


def test_batches_are_prepared_ahead_but_no_further_than_asked():
    made = []

    def note(x, rng):
        made.append(len(x))
        return x

    batches = iter(DataLoader(NUMBERED, batch_size=1, transform=note, prefetch=3))
    next(batches)
    deadline = time.monotonic() + 5
    while len(made) < 5 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    assert len(made) == 5  # one taken, three waiting, one in the hand of the thread
    batches.close()


@pytest.mark.parametrize("prefetch", [0, 2])
def test_transforms_run_on_the_tier_that_the_caller_chose(prefetch):
    tiers = []

    def note(x, rng):
        tiers.append(kernels.tier())
        return x

    with kernels.use("reference"):
        list(DataLoader(NUMBERED, batch_size=25, transform=note, prefetch=prefetch))
    assert tiers == ["reference"] * 2


def test_the_thread_ends_with_the_epoch():
    batches = iter(DataLoader(NUMBERED, batch_size=1, prefetch=2))
    next(batches)
    assert len(loader_threads()) == 1
    assert len(list(batches)) == 49
    assert not loader_threads()


def test_break_ends_the_thread_at_once():
    for _ in DataLoader(NUMBERED, batch_size=1, prefetch=2):
        break
    assert not loader_threads()


def test_an_iteration_that_was_never_begun_starts_no_thread():
    batches = iter(DataLoader(NUMBERED, prefetch=2))
    assert not loader_threads()
    del batches


def consume_and_fail(loader):
    for _ in loader:
        raise KeyboardInterrupt


def test_an_exception_in_the_loop_ends_the_thread():
    loader = DataLoader(NUMBERED, batch_size=1, prefetch=2)
    with pytest.raises(KeyboardInterrupt):
        consume_and_fail(loader)
    gc.collect()
    assert not loader_threads()


def test_an_abandoned_iteration_in_a_reference_cycle_is_collected_with_its_thread():
    cycle = [iter(DataLoader(NUMBERED, batch_size=1, prefetch=2))]
    cycle.append(cycle)
    next(cycle[0])
    assert len(loader_threads()) == 1
    del cycle
    gc.collect()
    assert not loader_threads()


@pytest.mark.parametrize("prefetch", [0, 2])
def test_an_error_in_the_transform_reaches_the_loop_with_its_traceback(prefetch):
    calls = []

    def fails_on_the_third(x, rng):
        calls.append(x)
        if len(calls) == 3:
            raise ZeroDivisionError("in the transform")
        return x

    seen = []
    loader = DataLoader(NUMBERED, batch_size=8, transform=fails_on_the_third, prefetch=prefetch)
    with pytest.raises(ZeroDivisionError, match="in the transform") as caught:
        seen.extend(y for _, y in loader)
    assert len(seen) == 2
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert "fails_on_the_third" in {frame.name for frame in frames}
    assert not loader_threads()


def test_a_program_may_end_in_the_middle_of_an_epoch():
    program = (
        "from tinygrad_cnn.data import DataLoader, EmbeddedMNIST\n"
        "batches = iter(DataLoader(EmbeddedMNIST(), prefetch=2))\n"
        "next(batches)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_embedded_digits_pass_through_with_augmentation_in_the_background():
    loader = DataLoader(
        EmbeddedMNIST(train=False), shuffle=True, transform=RandomAffine(10, 2), prefetch=2
    )
    labels = np.concatenate([y for _, y in loader])
    np.testing.assert_array_equal(np.bincount(labels), np.bincount(loader.dataset.labels))
