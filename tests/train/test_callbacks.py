"""Each callback does its one thing."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_cnn import nn, optim
from tinygrad_cnn.errors import AnomalyError, ConfigError
from tinygrad_cnn.train import Callback, Trainer, callbacks, checkpoint
from tinygrad_cnn.train.callbacks import anomaly

Make = Callable[..., Trainer]
Batches = list[tuple[Any, Any]]
Scripted = Any


def lr_of(trainer: Trainer) -> float:
    return float(trainer.optimizer.param_groups[0]["lr"])


class Rates(Callback):
    """Notes the learning rate of every step."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    def on_gradients(self, trainer: Trainer, batch: Any) -> None:
        self.rates.append(lr_of(trainer))


class TestEarlyStopping:
    def test_stops_after_patience_epochs_without_a_better_value(
        self, make_trainer: Make, batches: Batches, script: Scripted
    ) -> None:
        trainer = make_trainer(
            script(val_loss=[3, 2, 2, 2.5, 1]), callbacks.EarlyStopping("val_loss", patience=2)
        )
        history = trainer.fit(batches, epochs=5)
        assert len(history.epochs) == 4
        assert "val_loss has not improved for 2 epochs (best in epoch 2)" in history.stop_reason

    def test_an_improvement_below_min_delta_does_not_count(
        self, make_trainer: Make, batches: Batches, script: Scripted
    ) -> None:
        stopping = callbacks.EarlyStopping("val_loss", patience=1, min_delta=0.5)
        trainer = make_trainer(script(val_loss=[3, 2.6, 2.2, 1]), stopping)
        assert len(trainer.fit(batches, epochs=4).epochs) == 2

    def test_accuracy_is_better_when_it_rises(
        self, make_trainer: Make, batches: Batches, script: Scripted
    ) -> None:
        stopping = callbacks.EarlyStopping("val_accuracy", patience=1)
        trainer = make_trainer(script(val_accuracy=[0.5, 0.6, 0.6, 0.7]), stopping)
        assert len(trainer.fit(batches, epochs=4).epochs) == 3

    def test_the_weights_of_the_best_epoch_come_back(
        self, make_trainer: Make, batches: Batches, script: Scripted
    ) -> None:
        stopping = callbacks.EarlyStopping("val_loss", 9, restore_best_weights=True)
        trainer = make_trainer(script(val_loss=[3, 1, 2, 2]), stopping)
        trainer.fit(batches, epochs=4)
        two_epochs = make_trainer()
        two_epochs.fit(batches, epochs=2)
        for name, array in two_epochs.model.state_dict().items():
            np.testing.assert_array_equal(trainer.model.state_dict()[name], array)

    def test_they_come_back_after_ctrl_c_too(
        self, make_trainer: Make, batches: Batches, script: Scripted
    ) -> None:
        class CtrlC(Callback):
            def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
                if epoch == 3:
                    raise KeyboardInterrupt

        stopping = callbacks.EarlyStopping("val_loss", 9, restore_best_weights=True)
        trainer = make_trainer(script(val_loss=[1, 2]), stopping, CtrlC())
        with pytest.raises(KeyboardInterrupt):
            trainer.fit(batches, epochs=4)
        one_epoch = make_trainer()
        one_epoch.fit(batches, epochs=1)
        for name, array in one_epoch.model.state_dict().items():
            np.testing.assert_array_equal(trainer.model.state_dict()[name], array)

    def test_a_column_that_does_not_exist_is_named_with_those_that_do(
        self, make_trainer: Make, batches: Batches
    ) -> None:
        trainer = make_trainer(callbacks.EarlyStopping("val_loss"))
        with pytest.raises(
            ConfigError, match=r"no 'val_loss'; it has epoch, train_loss.*val_loader"
        ):
            trainer.fit(batches, epochs=1)

    def test_nan_is_no_improvement(
        self, make_trainer: Make, batches: Batches, script: Scripted
    ) -> None:
        stopping = callbacks.EarlyStopping("val_loss", patience=1)
        trainer = make_trainer(script(val_loss=[float("nan"), 1.0, 1.0, 1.0]), stopping)
        assert len(trainer.fit(batches, epochs=4).epochs) < 4


class TestReduceLROnPlateau:
    def test_the_rate_falls_when_the_loss_has_not_for_longer_than_patience(
        self, make_trainer: Make, batches: Batches, script: Scripted
    ) -> None:
        plateau = callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1)
        trainer = make_trainer(script(val_loss=[3, 2, 2, 2, 1]), plateau, lr=0.1)
        history = trainer.fit(batches, epochs=5)
        assert [row.lr for row in history.epochs] == [0.1, 0.1, 0.1, 0.1, 0.05]


class TestWarmUp:
    def test_the_rate_rises_linearly_and_then_stays(
        self, make_trainer: Make, batches: Batches
    ) -> None:
        rates = Rates()
        make_trainer(callbacks.WarmUp(4), rates, lr=0.4).fit(batches, epochs=2)
        np.testing.assert_allclose(rates.rates, [0.1, 0.2, 0.3, 0.4, 0.4, 0.4])

    def test_it_can_be_given_in_epochs(self, make_trainer: Make, batches: Batches) -> None:
        rates = Rates()
        make_trainer(callbacks.WarmUp(epochs=2), rates, lr=0.6).fit(batches, epochs=3)
        np.testing.assert_allclose(rates.rates[:7], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.6])

    def test_a_reduction_during_the_warm_up_is_kept(
        self, make_trainer: Make, batches: Batches, script: Scripted
    ) -> None:
        rates = Rates()
        plateau = callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=0)
        losses = script(val_loss=[1, 1, 0.5])  # a plateau after two of the three epochs of warm-up
        make_trainer(callbacks.WarmUp(epochs=3), losses, plateau, rates, lr=0.9).fit(
            batches, epochs=3
        )
        np.testing.assert_allclose(rates.rates[5:], [0.6, 0.35, 0.4, 0.45])

    def test_no_warm_up_leaves_the_rate_alone(self, make_trainer: Make, batches: Batches) -> None:
        rates = Rates()
        make_trainer(callbacks.WarmUp(), rates, lr=0.4).fit(batches, epochs=1)
        assert rates.rates == [0.4] * 3


class TestTargetAccuracy:
    def test_stops_when_it_is_reached(
        self, make_trainer: Make, batches: Batches, script: Scripted
    ) -> None:
        trainer = make_trainer(script(val_accuracy=[0.5, 0.9, 1.0]), callbacks.TargetAccuracy(0.9))
        history = trainer.fit(batches, epochs=3)
        assert len(history.epochs) == 2
        assert history.stop_reason == "val_accuracy has reached the target of 90.00%"

    @pytest.mark.parametrize("target", [0.0, 98.5, -1.0])
    def test_a_target_in_percent_is_refused(self, target: float) -> None:
        with pytest.raises(ConfigError, match=r"a share above 0 and up to 1, such as 0\.985"):
            callbacks.TargetAccuracy(target)


class TestTerminateOnNaN:
    def deep(self) -> tuple[nn.Module, optim.Optimizer]:
        model = nn.Sequential(
            nn.Linear(2, 4), nn.Sequential(nn.Linear(4, 4), nn.ReLU()), nn.Linear(4, 2)
        )
        return model, optim.SGD(model.parameters(), lr=0.1)

    def test_names_step_and_first_layer_and_keeps_the_weights(self, batches: Batches) -> None:
        model, optimizer = self.deep()

        class Break(Callback):
            def on_batch_begin(self, trainer: Trainer, batch: Any) -> None:
                if trainer.steps == 4:
                    model[1][0].weight.data[...] = 3e38  # finite, and its product is not

        trainer = Trainer(model, optimizer, callbacks=[Break(), callbacks.TerminateOnNaN()])
        with pytest.raises(AnomalyError) as caught:
            trainer.fit(batches, epochs=2)
        message = str(caught.value)
        assert "step 5 (epoch 2, batch 2)" in message
        assert "it began in layer 1.0, in the output of linear" in message
        assert all(np.isfinite(array).all() for array in model.state_dict().values())
        assert model[1][0].weight.data.max() < 1  # those of the end of epoch 1

    def test_finite_weights_that_give_nan_are_not_kept(self, batches: Batches) -> None:
        model, _ = self.deep()
        start = model.state_dict()
        trainer = Trainer(
            model, optim.SGD(model.parameters(), lr=1e30), callbacks=[callbacks.TerminateOnNaN()]
        )
        with pytest.raises(AnomalyError, match="the weights kept are from before this epoch"):
            trainer.fit(batches, epochs=1)
        for name, array in model.state_dict().items():
            np.testing.assert_array_equal(array, start[name])

    def test_weights_that_the_last_step_spoils_are_noticed(
        self, make_trainer: Make, batches: Batches
    ) -> None:
        trainer = make_trainer(callbacks.TerminateOnNaN(), lr=1e38)
        start = trainer.model.state_dict()
        with pytest.raises(AnomalyError, match=r"step 1 \(the last of epoch 1\): it left NaN or"):
            trainer.fit([(100 * x, y) for x, y in batches[:1]], epochs=1)
        assert trainer.history.epochs == []
        for name, array in trainer.model.state_dict().items():
            np.testing.assert_array_equal(array, start[name])

    def test_a_validation_loss_that_is_not_finite_is_noticed(
        self, make_trainer: Make, batches: Batches
    ) -> None:
        bad = [(np.full_like(x, np.inf), y) for x, y in batches]
        with pytest.raises(AnomalyError, match="and give a validation loss of"):
            make_trainer(callbacks.TerminateOnNaN()).fit(batches, bad, epochs=1)

    def test_tells_images_that_hold_nan(self, make_trainer: Make, batches: Batches) -> None:
        batches[1][0][0, 0] = np.nan
        with pytest.raises(AnomalyError, match=r"step 2 .*the images of the batch hold NaN"):
            make_trainer(callbacks.TerminateOnNaN()).fit(batches, epochs=1)

    def test_tells_parameters_that_were_bad_before(
        self, make_trainer: Make, batches: Batches
    ) -> None:
        trainer = make_trainer(callbacks.TerminateOnNaN())
        trainer.model[2].bias.data[0] = np.inf
        with pytest.raises(
            AnomalyError, match=r"the parameter 2\.bias holds NaN or infinite values"
        ):
            trainer.fit(batches, epochs=1)

    def test_a_gradient_alone_is_caught(self, batches: Batches) -> None:
        model = nn.Linear(2, 2)

        def loss(logits: Any, _: Any) -> Any:
            return ((logits * 0.0) ** 0.5).sum()  # 0, with the slope of a root at 0

        trainer = Trainer(
            model, optim.SGD(model.parameters(), lr=0.1), loss, [callbacks.TerminateOnNaN()]
        )
        with pytest.raises(AnomalyError, match=r"a gradient is not finite.*in the gradient of pow"):
            trainer.fit(batches, epochs=1)

    def test_large_finite_gradients_are_let_through(self) -> None:
        assert anomaly._is_finite(np.full(10, 3e38, dtype=np.float32))


class TestCSVLogger:
    def test_has_a_row_an_epoch(self, make_trainer: Make, batches: Batches, tmp_path: Path) -> None:
        trainer = make_trainer(callbacks.CSVLogger(tmp_path / "log.csv"))
        trainer.fit(batches, batches, epochs=3)
        with open(tmp_path / "log.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert list(rows[0]) == [
            "epoch",
            "train_loss",
            "train_accuracy",
            "val_loss",
            "val_accuracy",
            "lr",
            "seconds",
        ]
        assert [row["epoch"] for row in rows] == ["1", "2", "3"]
        assert float(rows[2]["val_loss"]) == pytest.approx(trainer.history.epochs[2].val_loss, 1e-5)

    def test_without_validation_the_cells_are_empty(
        self, make_trainer: Make, batches: Batches, tmp_path: Path
    ) -> None:
        make_trainer(callbacks.CSVLogger(tmp_path / "log.csv")).fit(batches, epochs=1)
        assert ",,," in (tmp_path / "log.csv").read_text().splitlines()[1]

    def test_exists_with_its_head_before_the_first_epoch_ends(
        self, make_trainer: Make, batches: Batches, tmp_path: Path
    ) -> None:
        class CtrlC(Callback):
            def on_batch_end(self, trainer: Trainer, batch: Any) -> None:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            make_trainer(callbacks.CSVLogger(tmp_path / "log.csv"), CtrlC()).fit(batches, epochs=1)
        assert (tmp_path / "log.csv").read_text().startswith("epoch,train_loss")


class TestModelCheckpoint:
    def test_keeps_the_weights_of_the_best_epoch(
        self, make_trainer: Make, batches: Batches, script: Scripted, tmp_path: Path
    ) -> None:
        path = tmp_path / "best.safetensors"
        saver = callbacks.ModelCheckpoint(path, "val_accuracy", config={"a": 1})
        trainer = make_trainer(script(val_accuracy=[0.5, 0.9, 0.7]), saver)
        trainer.fit(batches, batches, epochs=3)
        saved = checkpoint.load(path)
        assert saved.config == {"a": 1}
        assert saved.metrics["epoch"] == 2
        two_epochs = make_trainer()
        two_epochs.fit(batches, epochs=2)
        for name, array in two_epochs.model.state_dict().items():
            np.testing.assert_array_equal(saved.weights[name], array)


class TestProgressBar:
    def test_piped_it_is_a_table_without_control_characters(
        self, make_trainer: Make, batches: Batches, capsys: pytest.CaptureFixture[str]
    ) -> None:
        make_trainer(callbacks.ProgressBar()).fit(batches, batches, epochs=3)
        out, err = capsys.readouterr()
        assert err == ""
        assert out.isascii()
        assert not set(out) & set("\r\x1b\b")
        head, *rows = out.splitlines()
        assert head.split()[:2] == ["epoch", "loss"]
        assert [row.split()[0] for row in rows] == ["1/3", "2/3", "3/3"]
        assert (
            len({len(line) for line in (head, *rows)}) == 1
        )  # the columns stand under their names
        assert len(head) <= 79

    def test_huge_losses_and_tiny_rates_keep_the_columns(
        self,
        make_trainer: Make,
        batches: Batches,
        script: Scripted,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        losses = [3e38, 1e3, float("nan"), 0.1]
        wild = script(train_loss=losses, val_loss=losses, lr=[1e30, 1e-12, 10.0, 1e-5])
        make_trainer(wild, callbacks.ProgressBar()).fit(batches, batches, epochs=4)
        lines = capsys.readouterr().out.splitlines()
        assert len({len(line) for line in lines}) == 1

    def test_in_a_terminal_a_bar_shows_loss_accuracy_and_speed(
        self, make_trainer: Make, batches: Batches, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        class Slow(Callback):
            def on_batch_begin(self, trainer: Trainer, batch: Any) -> None:
                time.sleep(0.11)  # tqdm draws ten times a second at most

        terminal = Terminal()
        monkeypatch.setattr("sys.stderr", terminal)
        monkeypatch.setattr("sys.stdout", terminal)
        make_trainer(callbacks.ProgressBar(), Slow()).fit(batches, epochs=1)
        shown = terminal.getvalue()
        assert "\r" in shown
        for part in ("1/1", "2/3", "loss", "accuracy", "images/s"):
            assert part in shown

    def test_without_validation_its_columns_hold_a_dash(
        self, make_trainer: Make, batches: Batches, capsys: pytest.CaptureFixture[str]
    ) -> None:
        make_trainer(callbacks.ProgressBar()).fit(batches, epochs=1)
        assert capsys.readouterr().out.splitlines()[1].split().count("-") == 2


class TestCosineDecay:
    def test_the_rate_falls_from_the_end_of_the_warm_up_to_the_end_of_the_training(
        self, make_trainer: Make, batches: Batches
    ) -> None:
        rates = Rates()
        steering = callbacks.WarmUp(epochs=1), callbacks.CosineDecay(1), rates
        make_trainer(*steering, lr=0.4).fit(batches, epochs=3)
        s = np.arange(6)
        expected = [0.4 / 3, 0.8 / 3, 0.4, *(0.2 * (1 + np.cos(np.pi * s / 6)))]
        np.testing.assert_allclose(rates.rates, expected)
