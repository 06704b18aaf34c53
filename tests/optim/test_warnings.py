"""Steps that run and do not do what they seem to: each warned of once, none by mistake."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from tinygrad_cnn import Tensor, nn, optim
from tinygrad_cnn.errors import (
    FootgunWarning,
    GraphError,
    MissingGradientWarning,
    StaleGradientWarning,
)


def model_and_optimizer() -> tuple[nn.Sequential, optim.Optimizer]:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    return model, optim.SGD(model.parameters(), lr=0.1)


def loss_of(model: nn.Module) -> Tensor:
    return model(Tensor(np.ones((5, 3), np.float32))).sum()


def test_a_step_before_any_backward_says_so():
    _, optimizer = model_and_optimizer()
    with pytest.warns(MissingGradientWarning, match=r"SGD\.step: no parameter has a gradient"):
        optimizer.step()


def test_a_step_without_some_gradients_counts_them_and_tells_their_shapes():
    model, optimizer = model_and_optimizer()
    unused = nn.Linear(7, 5)
    optimizer.add_param_group({"params": unused.parameters()})
    loss_of(model).backward()
    with pytest.warns(MissingGradientWarning, match=r"2 of 6 .* \(5, 7\), \(5,\)"):
        optimizer.step()


def test_an_optimizer_warns_once():
    _, optimizer = model_and_optimizer()
    with pytest.warns(MissingGradientWarning):
        optimizer.step()
    optimizer.step()  # a second warning would be an error here


def test_the_warning_points_to_the_line_that_called_step():
    _, optimizer = model_and_optimizer()
    with pytest.warns(MissingGradientWarning) as caught:
        optimizer.step()
    assert caught[0].filename == __file__


def test_frozen_parameters_are_not_missed():
    model, optimizer = model_and_optimizer()
    model[0].requires_grad_(False)
    loss_of(model).backward()
    optimizer.step()


def test_a_backward_on_top_of_used_gradients_is_told_at_the_next_step():
    model, optimizer = model_and_optimizer()
    loss_of(model).backward()
    optimizer.step()
    loss_of(model).backward()
    with pytest.warns(
        StaleGradientWarning, match=r"call zero_grad\(\) between a step and the next"
    ):
        optimizer.step()
    loss_of(model).backward()
    optimizer.step()


def test_a_usual_training_loop_is_silent():
    model, optimizer = model_and_optimizer()
    for _ in range(3):
        optimizer.zero_grad()
        loss_of(model).backward()
        optimizer.step()


def test_accumulating_several_batches_before_a_step_is_silent():
    model, optimizer = model_and_optimizer()
    for _ in range(2):
        loss_of(model).backward()
        loss_of(model).backward()
        optimizer.step()
        model.zero_grad()


def test_gradients_that_another_optimizer_throws_away_are_silent():
    # As a generator's loss does to the discriminator that it flows through.
    (inner, outer), inner_sgd = model_and_optimizer()
    inner_sgd = optim.SGD(inner.parameters(), lr=0.1)
    outer_sgd = optim.SGD(outer.parameters(), lr=0.1)
    x = Tensor(np.ones((5, 3), np.float32))
    for _ in range(2):
        outer_sgd.zero_grad()
        outer(inner(x).detach()).sum().backward()
        outer_sgd.step()
        inner_sgd.zero_grad()
        outer(inner(x)).sum().backward()
        inner_sgd.step()


@pytest.mark.parametrize("fill", [None, 0.0], ids=["dropped", "zeroed"])
def test_gradients_cleared_by_hand_are_silent(fill: float | None):
    model, optimizer = model_and_optimizer()
    for _ in range(2):
        loss_of(model).backward()
        optimizer.step()
        for p in model.parameters():
            if fill is None:
                p.grad = None
            else:
                p.grad.data[...] = fill


def test_a_parameter_that_was_computed_since_is_refused():
    w = nn.Parameter([1.0])
    optimizer = optim.SGD([w], lr=0.1)
    w *= 2.0
    with pytest.raises(GraphError, match=r"of shape \(1,\) has been computed .* under no_grad"):
        optimizer.step()


@pytest.mark.parametrize("category", [MissingGradientWarning, FootgunWarning])
def test_a_warning_is_silenced_by_its_category(category: type[Warning]):
    _, optimizer = model_and_optimizer()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category)
        optimizer.step()
