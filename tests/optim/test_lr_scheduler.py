"""Learning rate schedules against PyTorch's sequences, and on their own."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tinygrad_cnn import nn, optim
from tinygrad_cnn.errors import ConfigError, DTypeError
from tinygrad_cnn.optim import lr_scheduler

# The rates are looked at, and nothing learns.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*no parameter has a gradient:tinygrad_cnn.errors.MissingGradientWarning"
)


def sgd(*rates: float, momentum: float = 0.9) -> optim.Optimizer:
    groups = [{"params": [nn.Parameter([1.0])], "lr": lr} for lr in rates or (0.5,)]
    return optim.SGD(groups, momentum=momentum)


def sequence(scheduler: Any, steps: int, key: str = "lr") -> list[list[float]]:
    """The option of every group, at the start and after each step."""
    optimizer = scheduler.optimizer
    values = [[g[key] for g in optimizer.param_groups]]
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        values.append([g[key] for g in optimizer.param_groups])
    return values


# (how to make it from a module of schedulers and an optimizer, steps)
SCHEDULES = {
    "StepLR": (lambda m, o: m.StepLR(o, 3, 0.5), 12),
    "MultiStepLR": (lambda m, o: m.MultiStepLR(o, [2, 5, 5], 0.3), 9),
    "ExponentialLR": (lambda m, o: m.ExponentialLR(o, 0.9), 12),
    "ConstantLR": (lambda m, o: m.ConstantLR(o, 0.25, 4), 8),
    "LinearLR": (lambda m, o: m.LinearLR(o, 0.1, 1.0, 6), 9),
    "LinearLR down": (lambda m, o: m.LinearLR(o, 1.0, 0.0, 6), 9),
    "LambdaLR": (lambda m, o: m.LambdaLR(o, lambda t: 1 / (t + 1)), 6),
    "CosineAnnealingLR": (lambda m, o: m.CosineAnnealingLR(o, 10, 0.01), 10),
    "CosineAnnealingLR on": (lambda m, o: m.CosineAnnealingLR(o, 4), 13),
    "OneCycleLR": (lambda m, o: m.OneCycleLR(o, 1.0, total_steps=20), 19),
    "OneCycleLR linear": (
        lambda m, o: m.OneCycleLR(
            o, 1.0, epochs=4, steps_per_epoch=6, anneal_strategy="linear", pct_start=0.25
        ),
        23,
    ),
    "OneCycleLR three phases": (
        lambda m, o: m.OneCycleLR(o, 2.0, total_steps=30, three_phase=True, div_factor=10.0),
        29,
    ),
    "SequentialLR": (
        lambda m, o: m.SequentialLR(
            o,
            [m.LinearLR(o, 0.1, 1.0, 4), m.CosineAnnealingLR(o, 6, 0.01), m.ConstantLR(o, 0.5, 2)],
            milestones=[4, 10],
        ),
        15,
    ),
    "SequentialLR of steps": (
        lambda m, o: m.SequentialLR(
            o, [m.ConstantLR(o, 0.1, 3), m.StepLR(o, 2, 0.5), m.ExponentialLR(o, 0.9)], [3, 8]
        ),
        12,
    ),
}


@pytest.mark.oracle
@pytest.mark.parametrize(("make", "steps"), SCHEDULES.values(), ids=list(SCHEDULES))
def test_the_rates_are_pytorchs(torch, make, steps):
    ours, theirs = sgd(0.5, 0.02), torch_sgd(torch, 0.5, 0.02)
    for key in ("lr", "momentum"):
        a = sequence(make(lr_scheduler, ours), steps, key)
        b = sequence(make(torch.optim.lr_scheduler, theirs), steps, key)
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)
        ours, theirs = sgd(0.5, 0.02), torch_sgd(torch, 0.5, 0.02)


def torch_sgd(torch: Any, *rates: float) -> Any:
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": lr} for lr in rates]
    return torch.optim.SGD(groups, momentum=0.9)


@pytest.mark.oracle
def test_two_schedules_on_one_optimizer_multiply_as_pytorchs_do(torch):
    def rates(module: Any, optimizer: Any) -> list[list[float]]:
        schedules = [
            module.ExponentialLR(optimizer, 0.9),
            module.StepLR(optimizer, 2, 0.5),
            module.LinearLR(optimizer, 0.5, 1.0, 3),
        ]
        values = []
        for _ in range(6):
            optimizer.step()
            for schedule in schedules:
                schedule.step()
            values.append([g["lr"] for g in optimizer.param_groups])
        return values

    np.testing.assert_allclose(
        rates(lr_scheduler, sgd(0.5, 0.1)),
        rates(torch.optim.lr_scheduler, torch_sgd(torch, 0.5, 0.1)),
        rtol=1e-12,
    )


@pytest.mark.oracle
@pytest.mark.parametrize(
    "options",
    [
        {"factor": 0.5, "patience": 1},
        {"factor": 0.5, "patience": 1, "cooldown": 2},
        {"factor": 0.1, "patience": 0, "min_lr": [0.2, 0.001]},
        {"mode": "max", "factor": 0.5, "patience": 2, "threshold": 0.1},
        {"mode": "max", "factor": 0.5, "patience": 1, "threshold": 0.3, "threshold_mode": "abs"},
        {"mode": "min", "factor": 0.5, "patience": 1, "threshold": 0.3, "threshold_mode": "abs"},
        {"factor": 0.5, "patience": 0, "eps": 0.1},
    ],
)
def test_plateaus_are_found_where_pytorch_finds_them(torch, options):
    ours, theirs = sgd(0.5, 0.02), torch_sgd(torch, 0.5, 0.02)
    a = lr_scheduler.ReduceLROnPlateau(ours, **options)
    b = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options)
    for metric in np.random.default_rng(0).normal(2.0, 0.5, 25):
        a.step(metric)
        b.step(metric)
        assert a.get_last_lr() == pytest.approx([g["lr"] for g in theirs.param_groups])


def test_cosine_annealing_goes_through_its_marks():
    rates = sequence(lr_scheduler.CosineAnnealingLR(sgd(1.0), T_max=4), 4)
    assert np.ravel(rates) == pytest.approx([1, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2, 0])


def test_one_cycle_peaks_where_it_should_and_moves_adams_beta():
    optimizer = optim.Adam([nn.Parameter([1.0])])
    scheduler = lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=11, pct_start=5 / 11)
    rates = np.ravel(sequence(scheduler, 10))
    assert np.argmax(rates) == 4
    assert rates[[0, 4, 10]] == pytest.approx([1 / 25, 1, 1 / 25e4])
    assert optimizer.param_groups[0]["betas"] == pytest.approx((0.95, 0.999))


def test_warm_up_then_plateau_keeps_the_reduction():
    optimizer = sgd(1.0)
    warm_up = lr_scheduler.LinearLR(optimizer, 0.5, total_iters=2)
    plateau = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=0)
    rates = []
    for metric in (1.0, 1.0, 1.0, 0.5):
        optimizer.step()
        warm_up.step()
        plateau.step(metric)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.75, 0.1, 0.01, 0.01])


def test_a_rate_set_by_hand_is_respected():
    optimizer = sgd(1.0)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.param_groups[0]["lr"] = 10.0
    assert np.ravel(sequence(scheduler, 2)).tolist() == [10.0, 5.0, 2.5]


@pytest.mark.parametrize(("make", "steps"), SCHEDULES.values(), ids=list(SCHEDULES))
def test_a_schedule_goes_on_from_its_saved_state(make, steps):
    whole = sequence(make(lr_scheduler, sgd(0.5, 0.02)), steps)
    first = make(lr_scheduler, sgd(0.5, 0.02))
    sequence(first, steps // 2)
    saved = json.loads(json.dumps(first.state_dict()))
    second = make(lr_scheduler, sgd(0.5, 0.02))
    second.load_state_dict(saved)
    rest = sequence(second, steps - steps // 2)
    assert whole[steps // 2 :] == rest


def test_a_plateau_goes_on_from_its_saved_state():
    a = lr_scheduler.ReduceLROnPlateau(sgd(), patience=1)
    a.step(1.0)
    a.step(1.0)
    b = lr_scheduler.ReduceLROnPlateau(sgd(), patience=1)
    b.load_state_dict(a.state_dict())
    b.step(1.0)
    assert b.get_last_lr() == pytest.approx([0.05])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda _: lr_scheduler.StepLR(nn.Linear(1, 1), 2), DTypeError, "takes the optimizer"),
        (lambda o: lr_scheduler.StepLR(o, 0), ConfigError, "step_size is at least 1, got 0"),
        (lambda o: lr_scheduler.LinearLR(o, 0.0), ConfigError, "0 < start_factor"),
        (lambda o: lr_scheduler.OneCycleLR(o, 1.0), ConfigError, "needs its length"),
        (lambda o: lr_scheduler.OneCycleLR(o, 1.0, 9, pct_start=2), ConfigError, "pct_start"),
        (
            lambda o: lr_scheduler.OneCycleLR(o, 1.0, 9, anneal_strategy="log"),
            ConfigError,
            "'cos' or 'linear', got 'log'",
        ),
        (lambda o: lr_scheduler.OneCycleLR(o, [1.0, 2.0], 9), ConfigError, "or 1 of them, got 2"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, "up"), ConfigError, "'min' or 'max'"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=1.0), ConfigError, "factor < 1"),
        (
            lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.ReduceLROnPlateau(o)], []),
            ConfigError,
            "got a ReduceLROnPlateau",
        ),
        (
            lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.StepLR(o, 2)], [3]),
            ConfigError,
            "one fewer than schedulers",
        ),
    ],
)
def test_mistakes_are_refused_with_advice(make, error, message):
    with pytest.raises(error, match=message):
        make(sgd())


def test_one_cycle_needs_a_momentum_to_cycle_and_ends():
    plain = optim.RMSprop([nn.Parameter([1.0])])
    del plain.defaults["momentum"]
    with pytest.raises(ConfigError, match="cycle_momentum=False"):
        lr_scheduler.OneCycleLR(plain, 1.0, 5)
    scheduler = lr_scheduler.OneCycleLR(sgd(), 1.0, 5)
    with pytest.raises(ConfigError, match="step 6 lies beyond total_steps=5"):
        sequence(scheduler, 6)


def test_a_schedule_of_ones_own_needs_lr_alone():
    class Half(lr_scheduler.LRScheduler):
        pass

    with pytest.raises(NotImplementedError, match=r"Half must define lr\(t, base\)"):
        Half(sgd())
