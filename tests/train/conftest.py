"""A tiny classification problem, learnt in milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tinygrad_cnn import nn, optim
from tinygrad_cnn.core.modes import manual_seed
from tinygrad_cnn.train import Callback, Trainer

Batches = list[tuple[Any, Any]]


@pytest.fixture
def batches() -> Batches:
    """Three batches of points in the plane; the class says on which side of the diagonal."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, 2)).astype(np.float32)
    return [(part, (part[:, 0] > part[:, 1]).astype(np.int64)) for part in np.split(x, 3)]


@pytest.fixture
def make_trainer() -> Callable[..., Trainer]:
    """A trainer of a fresh two-layer network, with the callbacks and options given."""

    def make(*callbacks: Callback, lr: float = 0.5, **options: Any) -> Trainer:
        manual_seed(0)
        model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
        optimizer = optim.SGD(model.parameters(), lr=lr)
        return Trainer(model, optimizer, callbacks=callbacks, **options)

    return make


class Script(Callback):
    """Replaces the validation columns by a script, so that callbacks after it see chosen values."""

    def __init__(self, **columns: list[float]) -> None:
        self.columns = columns

    def on_epoch_end(self, trainer: Trainer, row: Any) -> None:
        for name, values in self.columns.items():
            object.__setattr__(row, name, values[row.epoch - 1])


@pytest.fixture
def script() -> type[Script]:
    return Script


@pytest.fixture(autouse=True)
def _no_warnings_of_numpy() -> Iterator[None]:
    with np.errstate(all="ignore"):
        yield
