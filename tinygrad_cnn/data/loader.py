"""Batches: a new order every epoch, a function of (seed, epoch) and of nothing else."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from contextvars import copy_context
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_cnn.data.datasets import ArrayDataset
from tinygrad_cnn.data.transforms import ToFloat, Transform
from tinygrad_cnn.errors import ConfigError, ShapeError

Batch = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]
_TO_FLOAT = ToFloat()


class DataLoader:
    """Iterates over a data set in batches (x float32 (B, C, H, W), y int64 (B,)).

    uint8 images are scaled to 0..1, images (N, H, W) get a channel axis, and then
    `transform(x, rng)` is applied to the whole batch. With `shuffle` every epoch has its own
    order; `drop_last` leaves out a last batch that is not full; `prefetch=k` prepares up to k
    batches ahead in one background thread.

    `epoch` is the number of the next epoch, and each iter() takes one. Order and transforms draw
    from generators seeded by (seed, epoch, batch), so a loader whose `epoch` is set to n continues
    exactly as one that has run n epochs, and `prefetch` changes no number. Raises ConfigError for
    options that cannot be honoured. An error in `transform` is raised where the loop asks for the
    batch, also from the background thread.

    >>> from tinygrad_cnn.data import EmbeddedMNIST
    >>> loader = DataLoader(EmbeddedMNIST(), batch_size=64, shuffle=True)
    >>> x, y = next(iter(loader))
    >>> x.shape, x.dtype, y.shape, len(loader)
    ((64, 1, 28, 28), dtype('float32'), (64,), 125)
    """

    def __init__(
        self,
        dataset: ArrayDataset,
        batch_size: int = 64,
        shuffle: bool = False,
        seed: int = 0,
        transform: Transform | None = None,
        drop_last: bool = False,
        prefetch: int = 0,
    ) -> None:
        for option, value, lowest in (
            ("batch_size", batch_size, 1),
            ("seed", seed, 0),
            ("prefetch", prefetch, 0),
        ):
            if not isinstance(value, int | np.integer) or value < lowest:
                raise ConfigError(
                    f"DataLoader: {option} is a whole number from {lowest} up, got {value!r}"
                )
        if drop_last and batch_size > len(dataset):
            raise ConfigError(
                f"DataLoader: drop_last leaves no batch of {batch_size} in {len(dataset):,} "
                f"images; lower batch_size or keep the last batch"
            )
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.transform = transform
        self.drop_last = drop_last
        self.prefetch = prefetch
        self.epoch = 0

    def __len__(self) -> int:
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Batch]:
        """One epoch. The number is taken now, not when the first batch is asked for."""
        epoch, self.epoch = self.epoch, self.epoch + 1
        batches = self._batches(epoch)
        return _in_background(batches, self.prefetch) if self.prefetch else batches

    def _batches(self, epoch: int) -> Iterator[Batch]:
        order = np.arange(len(self.dataset))
        if self.shuffle:
            self._rng(epoch).shuffle(order)
        for index in range(len(self)):
            chosen = order[index * self.batch_size : (index + 1) * self.batch_size]
            x = _TO_FLOAT(self.dataset.images[chosen])
            if self.transform:
                x = _checked(self.transform(x, self._rng(epoch, index)), len(chosen))
            yield x, self.dataset.labels[chosen]

    def _rng(self, *key: int) -> np.random.Generator:
        """Independent streams: (epoch,) for the order, (epoch, batch) for the transforms."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))


def _checked(x: npt.NDArray[Any], count: int) -> npt.NDArray[np.float32]:
    if not isinstance(x, np.ndarray) or x.ndim != 4 or len(x) != count:
        got = f"{x.dtype} {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__
        raise ShapeError(
            f"DataLoader: a transform returns a batch ({count}, C, H, W), this one {got}"
        )
    return x.astype(np.float32, copy=False)


def _in_background(batches: Iterator[Batch], depth: int) -> Iterator[Batch]:
    """The same batches, prepared up to `depth` ahead by a thread that ends with this generator.

    The thread knows the queue but not the generator. So whatever abandons the generator (break,
    an exception, the garbage collector) closes it, and its `finally` ends the thread.
    """
    ready: queue.Queue[Batch | BaseException | None] = queue.Queue(depth)
    stop = threading.Event()
    thread = threading.Thread(
        # in the caller's context: with the tier of kernels that is in force there
        target=copy_context().run,
        args=(_produce, batches, ready, stop),
        name="DataLoader",
        daemon=True,
    )
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        # While the interpreter shuts down, a daemon thread is frozen, perhaps with a lock in hand.
        if not sys.is_finalizing():
            stop.set()
            _drain(ready)
            if thread is not threading.current_thread():  # the collector runs in any thread
                thread.join()


def _drain(ready: queue.Queue[Any]) -> None:
    """Make room: a producer that waits for it goes on, and then sees that it should stop."""
    with suppress(queue.Empty):
        while True:
            ready.get_nowait()


def _produce(
    batches: Iterator[Batch],
    ready: queue.Queue[Batch | BaseException | None],
    stop: threading.Event,
) -> None:
    """Put every batch, then None, or the exception that ended them."""
    try:
        for batch in batches:
            ready.put(batch)
            if stop.is_set():
                return
        ready.put(None)
    except BaseException as error:  # to be raised in the thread that consumes
        ready.put(error)
