"""The loop: what it computes, what it tells, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_cnn import nn, optim
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import DataError
from tinygrad_cnn.train import Callback, Trainer

Make = Callable[..., Trainer]
Batches = list[tuple[Any, Any]]


class Recorder(Callback):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("on_"):
            return lambda *_: self.events.append(name)
        return super().__getattribute__(name)


def test_training_lowers_the_loss(make_trainer: Make, batches: Batches) -> None:
    rows = make_trainer().fit(batches, epochs=30).epochs
    assert rows[-1].train_loss < 0.3 * rows[0].train_loss
    assert rows[-1].train_accuracy > 0.9


def test_events_come_in_order(make_trainer: Make, batches: Batches) -> None:
    recorder = Recorder()
    make_trainer(recorder).fit(batches[:2], epochs=1)
    batch = ["on_batch_begin", "on_gradients", "on_batch_end"]
    assert recorder.events == [
        "on_fit_begin",
        "on_epoch_begin",
        *batch,
        *batch,
        "on_epoch_end",
        "on_fit_end",
    ]


def test_fit_end_is_told_when_an_error_ends_the_training(make_trainer: Make) -> None:
    recorder = Recorder()
    misshapen = [(np.zeros((1, 3), np.float32), np.zeros(1, np.int64))]
    with pytest.raises(ValueError, match="linear"):
        make_trainer(recorder).fit(misshapen, epochs=1)
    assert recorder.events[-1] == "on_fit_end"


def test_one_step_is_the_gradient_step_written_by_hand() -> None:
    x, y = np.array([[1.0, -2.0]], dtype=np.float64), np.array([0])
    model = nn.Linear(2, 2).to(np.float64)
    w, b = model.weight.data.copy(), model.bias.data.copy()
    Trainer(model, optim.SGD(model.parameters(), lr=0.1)).fit([(x, y)], epochs=1)
    z = x @ w.T + b
    p = np.exp(z) / np.exp(z).sum()
    g = p - [[1, 0]]  # d cross_entropy / dz
    np.testing.assert_allclose(model.weight.data, w - 0.1 * g.T @ x)
    np.testing.assert_allclose(model.bias.data, b - 0.1 * g[0])


def test_clipping_bounds_the_length_of_a_step(make_trainer: Make, batches: Batches) -> None:
    trainer = make_trainer(lr=1.0, clip_grad_norm=1e-3)
    before = trainer.model.state_dict()
    trainer.fit(batches[:1], epochs=1)
    after = trainer.model.state_dict()
    moved = np.sqrt(sum(((after[k] - before[k]) ** 2).sum() for k in before))
    assert moved == pytest.approx(1e-3, rel=1e-3)


def test_epoch_means_weigh_images_and_not_batches(make_trainer: Make, batches: Batches) -> None:
    (x, y), *_ = batches
    uneven = [(x[:6], y[:6]), (x[6:], y[6:])]
    trainer = make_trainer(lr=1e-30)  # so small that the weights stay
    row = trainer.fit(uneven, [(x, y)], epochs=1).epochs[0]
    assert row.train_loss == pytest.approx(row.val_loss, rel=1e-5)
    assert row.train_accuracy == pytest.approx(row.val_accuracy)


def test_evaluation_runs_in_evaluation_mode_and_training_in_training_mode() -> None:
    modes = []

    class Watched(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            modes.append(self.training)
            return super().forward(x)

    model = Watched(2, 2)
    loader = [(np.zeros((1, 2), np.float32), np.zeros(1, np.int64))]
    Trainer(model, optim.SGD(model.parameters(), lr=0.1)).fit(loader, loader, epochs=2)
    assert modes == [True, False, True, False]


def test_prediction_keeps_the_order_of_the_loader(make_trainer: Make, batches: Batches) -> None:
    trainer = make_trainer()
    logits, labels = trainer.predict(batches)
    np.testing.assert_array_equal(labels, np.concatenate([y for _, y in batches]))
    np.testing.assert_array_equal(logits[8:16], trainer.predict(batches[1:2])[0])


def test_without_validation_its_columns_are_empty(make_trainer: Make, batches: Batches) -> None:
    row = make_trainer().fit(batches, epochs=1).epochs[0]
    assert row.val_loss is None
    assert row.val_accuracy is None


def test_fitting_again_goes_on(make_trainer: Make, batches: Batches) -> None:
    trainer = make_trainer()
    trainer.fit(batches, epochs=2)
    trainer.fit(batches, epochs=1)
    assert [row.epoch for row in trainer.history.epochs] == [1, 2, 3]
    assert trainer.steps == 9


def test_an_empty_loader_is_refused(make_trainer: Make) -> None:
    with pytest.raises(DataError, match="fit: the loader has no batch"):
        make_trainer().fit([], epochs=1)
    with pytest.raises(DataError, match="predict: the loader has no batch"):
        make_trainer().predict([])


def test_two_trainings_with_one_seed_give_the_same_bits(
    make_trainer: Make, batches: Batches
) -> None:
    first, second = (make_trainer(), make_trainer())
    for trainer in (first, second):
        trainer.fit(batches, epochs=3)
    for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert a.data.tobytes() == b.data.tobytes()
