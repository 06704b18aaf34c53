"""A prediction with a model left in training mode is warned of, once, and nothing else is."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from tinygrad_cnn import Tensor, nn, no_grad
from tinygrad_cnn.errors import FootgunWarning, TrainingModeWarning

X = Tensor(np.ones((4, 3), np.float32))


def predict(model: nn.Module) -> Tensor:
    with no_grad():
        return model(X)


@pytest.mark.parametrize(
    "layer", [nn.Dropout(0.5), nn.BatchNorm1d(3), nn.RReLU(), nn.AlphaDropout(0.1)]
)
def test_a_prediction_in_training_mode_names_what_acts(layer: nn.Module):
    model = nn.Sequential(nn.Linear(3, 3), layer)
    with pytest.warns(TrainingModeWarning, match=r"Sequential was called .* \(1\); .* call eval"):
        predict(model)


def test_the_warning_points_to_the_line_that_called_the_model():
    with pytest.warns(TrainingModeWarning) as caught:
        predict(nn.Dropout(0.5))
    assert caught[0].filename == __file__


def test_a_model_warns_once():
    model = nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.5))
    with pytest.warns(TrainingModeWarning) as caught:
        predict(model)
    assert len(caught) == 1
    predict(model)  # a second warning would be an error here


def test_evaluation_mode_is_silent():
    predict(nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(3)).eval())


def test_training_is_silent():
    nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(3))(X)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(3, 3),
        nn.ReLU(),
        nn.Dropout(0.0),
        nn.BatchNorm1d(3, track_running_stats=False),
        nn.LayerNorm(3),
    ],
)
def test_a_model_that_computes_the_same_in_both_modes_is_silent(layer: nn.Module):
    predict(nn.Sequential(layer))


def test_a_frozen_part_in_evaluation_mode_is_silent():
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 3))
    model[0].eval()
    predict(model)


def test_a_part_that_another_module_calls_under_no_grad_is_silent():
    class Teacher(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.teacher = nn.Dropout(0.5)

        def forward(self, x: Tensor) -> Tensor:
            with no_grad():
                return self.teacher(x)

    Teacher()(X)


@pytest.mark.parametrize("category", [TrainingModeWarning, FootgunWarning])
def test_the_warning_is_silenced_by_its_category(category: type[Warning]):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category)
        predict(nn.Dropout(0.5))
