"""Optimizers: hand-worked steps, PyTorch's trajectories, state, errors."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_cnn import Tensor, nn, optim
from tinygrad_cnn.errors import CheckpointError, ConfigError, DTypeError


def walk(make: Callable[..., optim.Optimizer], start: float, gradients: list[float]) -> list[float]:
    """The values of one parameter after each step, given its gradient before each."""
    w = nn.Parameter(np.array([start]))
    optimizer = make([w])
    values = []
    for g in gradients:
        w.grad = Tensor(np.array([g]))
        optimizer.step()
        values.append(w.item())
    return values


# Two steps from p = 1 with the gradients 0.5 and -0.25, worked by hand.
BY_HAND = {
    "sgd": (
        lambda p: optim.SGD(p, lr=0.1),
        [1 - 0.1 * 0.5, 0.95 + 0.1 * 0.25],
    ),
    "sgd, momentum": (  # v = 0.5, then 0.9 * 0.5 - 0.25 = 0.2
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
        [0.95, 0.95 - 0.1 * 0.2],
    ),
    "sgd, dampening": (  # v = 0.5, then 0.9 * 0.5 - 0.75 * 0.25 = 0.2625
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.25),
        [0.95, 0.95 - 0.1 * 0.2625],
    ),
    "sgd, nesterov": (  # g + 0.9 v = 0.95, then -0.25 + 0.9 * 0.2 = -0.07
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
        [1 - 0.095, 1 - 0.095 + 0.007],
    ),
    "sgd, weight decay": (  # g = 0.5 + 0.2 * 1 = 0.7, then -0.25 + 0.2 * 0.93 = -0.064
        lambda p: optim.SGD(p, lr=0.1, weight_decay=0.2),
        [0.93, 0.93 + 0.0064],
    ),
    "sgd, maximize": (
        lambda p: optim.SGD(p, lr=0.1, maximize=True),
        [1.05, 1.025],
    ),
    "adam": (
        # m = 0.05, v = 0.00025; corrected 0.5 and 0.25: step 0.1 * 0.5 / 0.5
        # m = 0.9 * 0.05 - 0.1 * 0.25 = 0.02, v = 0.999 * 0.00025 + 0.001 * 0.0625 = 0.00031225;
        # corrected by 1 - 0.81 = 0.19 and 1 - 0.998001 = 0.001999
        lambda p: optim.Adam(p, lr=0.1, eps=0.0),
        [0.9, 0.9 - 0.1 * (0.02 / 0.19) / math.sqrt(0.00031225 / 0.001999)],
    ),
    "adamw": (  # first p *= 1 - 0.1 * 0.5
        lambda p: optim.AdamW(p, lr=0.1, eps=0.0, weight_decay=0.5),
        [
            0.95 - 0.1,
            0.85 * 0.95 - 0.1 * (0.02 / 0.19) / math.sqrt(0.00031225 / 0.001999),
        ],
    ),
    "adam, amsgrad": (  # b2 = 0: v = 0.25, then max(0.25, 0.0625)
        lambda p: optim.Adam(p, lr=0.1, betas=(0.0, 0.0), eps=0.0, amsgrad=True),
        [0.9, 0.9 + 0.1 * 0.25 / 0.5],
    ),
    "rmsprop": (  # v = 0.25 * 0.25, then 0.75 * 0.0625 + 0.25 * 0.0625 = 0.0625
        lambda p: optim.RMSprop(p, lr=0.1, alpha=0.75, eps=0.0),
        [1 - 0.1 * 0.5 / 0.25, 0.8 + 0.1 * 0.25 / 0.25],
    ),
    "rmsprop, momentum": (  # u = 2, then 0.5 * 2 - 1 = 0
        lambda p: optim.RMSprop(p, lr=0.1, alpha=0.75, eps=0.0, momentum=0.5),
        [0.8, 0.8],
    ),
    "rmsprop, centered": (
        # v = 0.0625, mean = 0.125: variance 0.046875
        # v = 0.0625, mean = 0.75 * 0.125 - 0.25 * 0.25 = 0.03125: 0.0625 - 0.0009765625
        lambda p: optim.RMSprop(p, lr=0.1, alpha=0.75, eps=0.0, centered=True),
        [
            1 - 0.05 / math.sqrt(0.046875),
            1 - 0.05 / math.sqrt(0.046875) + 0.025 / math.sqrt(0.0615234375),
        ],
    ),
}


@pytest.mark.parametrize(("make", "expected"), BY_HAND.values(), ids=list(BY_HAND))
def test_the_first_two_steps_are_those_worked_by_hand(make, expected):
    assert walk(make, 1.0, [0.5, -0.25]) == pytest.approx(expected, rel=1e-12)


OPTIONS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.5, "maximize": True, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"amsgrad": True, "maximize": True}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.3, "amsgrad": True}),
    ("AdamW", {"maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.9, "weight_decay": 0.1}),
    ("RMSprop", {"centered": True, "momentum": 0.5, "alpha": 0.9, "maximize": True}),
]


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "options"), OPTIONS)
@pytest.mark.filterwarnings("ignore::tinygrad_cnn.errors.MissingGradientWarning")
def test_twenty_steps_follow_pytorchs_to_1e_12(torch, name, options):
    rng = np.random.default_rng(0)
    starts = [rng.normal(size=shape) for shape in [(3, 4), (5,), ()]]
    ours = [nn.Parameter(x) for x in starts]
    theirs = [torch.nn.Parameter(torch.tensor(x)) for x in starts]
    mine = getattr(optim, name)(ours, **options)
    oracle = getattr(torch.optim, name)(theirs, **options)
    for step in range(20):
        for p, q in zip(ours, theirs, strict=True):
            g = rng.normal(size=p.shape)
            p.grad = None if step == 3 else Tensor(g)  # a step without gradients is no step
            q.grad = None if step == 3 else torch.tensor(g)
        mine.step()
        oracle.step()
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-12, atol=1e-14)
    expected = oracle.state_dict()["state"]
    for i, entry in mine.state_dict()["state"].items():
        theirs_i = {k: v for k, v in expected[i].items() if v is not None}
        assert set(entry) == set(theirs_i)
        for key, value in entry.items():
            np.testing.assert_allclose(value, theirs_i[key].numpy(), rtol=1e-11, atol=1e-14)


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_defaults_are_pytorchs(torch, name):
    ours = getattr(optim, name)([nn.Parameter([1.0])]).defaults
    theirs = getattr(torch.optim, name)([torch.nn.Parameter(torch.ones(1))]).defaults
    assert ours == {key: theirs[key] for key in ours}


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_a_step_writes_in_place_and_leaves_the_gradient_alone(name, options):
    w = nn.Parameter(np.ones((4, 3)))
    optimizer = getattr(optim, name)([w], **options)
    array, g = w.data, np.random.default_rng(0).normal(size=(4, 3))
    for _ in range(3):
        w.grad = Tensor(g)
        optimizer.step()
        np.testing.assert_array_equal(w.grad.data, g)
    assert w.data is array
    assert w.is_leaf


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_float32_stays_float32(name, options):
    w = nn.Parameter(np.ones(3, np.float32))
    optimizer = getattr(optim, name)([w], **options)
    for _ in range(2):
        w.grad = Tensor(np.ones(3, np.float32))
        optimizer.step()
    arrays = [v for v in optimizer.state[w].values() if isinstance(v, np.ndarray)]
    assert {a.dtype for a in [w.data, *arrays]} == {np.dtype(np.float32)}


def test_the_scratch_memory_serves_parameters_of_any_size_and_dtype():
    params = [nn.Parameter(np.ones(n, t)) for n in (2, 5, 3) for t in (np.float32, np.float64)]
    optimizer = optim.Adam(params, lr=0.5)
    for p in params:
        p.grad = Tensor(np.ones_like(p.data))
    optimizer.step()
    for p in params:
        np.testing.assert_allclose(p.data, 0.5, rtol=1e-6)


def test_groups_have_options_of_their_own():
    a, b, c = (nn.Parameter([1.0]) for _ in range(3))
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.1)
    optimizer.add_param_group({"params": [c], "weight_decay": 1.0})
    for p in (a, b, c):
        p.grad = Tensor([1.0])
    optimizer.step()
    assert [p.item() for p in (a, b, c)] == pytest.approx([0.9, 0.5, 0.8])
    optimizer.param_groups[0]["lr"] = 0.0
    optimizer.step()
    assert a.item() == pytest.approx(0.9)


def test_zero_grad_forgets_the_gradients():
    w = nn.Parameter([1.0])
    w.grad = Tensor([1.0])
    optim.SGD([w]).zero_grad()
    assert w.grad is None


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_a_run_that_is_saved_and_resumed_goes_on_to_the_bit(name, options):
    def steps(optimizer: optim.Optimizer, params: list[Any], seeds: range) -> None:
        for seed in seeds:
            rng = np.random.default_rng(seed)
            for p in params:
                p.grad = Tensor(rng.normal(size=p.shape))
            optimizer.step()

    def start() -> tuple[list[Any], optim.Optimizer]:
        params = [nn.Parameter(np.ones(3)), nn.Parameter(np.ones((2, 2)))]
        return params, getattr(optim, name)(params, **options)

    params, optimizer = start()
    steps(optimizer, params, range(3))
    weights, state = [p.numpy() for p in params], optimizer.state_dict()
    steps(optimizer, params, range(3, 6))
    again, resumed = start()
    for p, w in zip(again, weights, strict=True):
        p.data[...] = w
    resumed.load_state_dict(state)
    steps(resumed, again, range(3, 6))
    for p, q in zip(params, again, strict=True):
        np.testing.assert_array_equal(p.data, q.data)


def test_the_state_is_arrays_and_numbers_and_a_copy():
    w = nn.Parameter([1.0])
    optimizer = optim.Adam([w])
    w.grad = Tensor([1.0])
    optimizer.step()
    state = optimizer.state_dict()
    json.dumps(state, default=lambda a: a.tolist())
    assert state["param_groups"][0]["params"] == [0]
    state["state"][0]["exp_avg"][...] = 9
    assert optimizer.state[w]["exp_avg"].tolist() != [9.0]


def test_a_state_of_other_parameters_is_refused_before_anything_changes():
    def made(*shapes: int) -> optim.Optimizer:
        params = [nn.Parameter(np.ones(n)) for n in shapes]
        optimizer = optim.Adam(params, lr=len(shapes))
        for p in params:
            p.grad = Tensor(np.ones(p.shape))
        optimizer.step()
        return optimizer

    optimizer = made(2, 3)
    with pytest.raises(CheckpointError, match=r"groups of \[2\] parameters, the saved state \[1\]"):
        optimizer.load_state_dict(made(2).state_dict())
    with pytest.raises(CheckpointError, match=r"exp_avg of parameter 1 has shape \(4,\)"):
        optimizer.load_state_dict(made(2, 4).state_dict())
    assert optimizer.param_groups[0]["lr"] == 2


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda p: optim.SGD(p, lr=-1), ConfigError, "SGD: lr is at least 0, got -1"),
        (lambda p: optim.SGD(p, lr=math.nan), ConfigError, "lr is at least 0, got nan"),
        (lambda p: optim.SGD(p, momentum=-0.1), ConfigError, "momentum"),
        (lambda p: optim.SGD(p, nesterov=True), ConfigError, "nesterov needs a momentum"),
        (
            lambda p: optim.Adam(p, betas=(0.9, 1.0)),
            ConfigError,
            r"betas are two numbers in \[0, 1\)",
        ),
        (lambda p: optim.Adam(p, eps=-1), ConfigError, "eps"),
        (lambda p: optim.AdamW(p, weight_decay=-1), ConfigError, "AdamW: weight_decay"),
        (lambda p: optim.RMSprop(p, alpha=2), ConfigError, "alpha lies between"),
        (lambda _: optim.SGD([]), ConfigError, "SGD: got no parameters"),
        (lambda p: optim.SGD(p * 2), ConfigError, "appears twice"),
        (lambda p: optim.SGD(p[0]), DTypeError, r"pass model.parameters\(\) or \[tensor\]"),
        (lambda _: optim.SGD(nn.Linear(1, 1)), DTypeError, "got a Linear"),
        (lambda _: optim.SGD([np.ones(2)]), DTypeError, "optimizes Tensors, got a ndarray"),
        (lambda p: optim.SGD([p[0] * 2]), DTypeError, "computed from others"),
        (lambda _: optim.SGD([Tensor([1])]), DTypeError, "float dtype, got a int64"),
        (lambda p: optim.SGD([*p, {"params": p}]), DTypeError, "either Tensors or such dicts"),
        (lambda p: optim.SGD([{"params": p, "mometum": 1}]), ConfigError, "no option 'mometum'"),
    ],
)
def test_mistakes_are_refused_with_advice(make, error, message):
    with pytest.raises(error, match=message):
        make([nn.Parameter([1.0])])


def test_the_repr_tells_the_options_of_every_group():
    text = repr(optim.SGD([nn.Parameter([1.0])], lr=0.5))
    assert text.startswith("SGD(\n  group 0: 1 parameters, lr=0.5, momentum=0.0")
