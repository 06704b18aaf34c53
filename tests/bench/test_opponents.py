"""Every library that is installed does the same work."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from tinygrad_cnn.bench import networks
from tinygrad_cnn.bench.networks import Network
from tinygrad_cnn.bench.opponents import OTHERS, OURS, Convolution, LeftOut, Opponent

HERE = [side for side in (*OURS, *OTHERS) if not side.why_absent()]
NO_NORM = ("MyGrad", "autograd")
SMALL = Network(
    "small",
    "every layer there is",
    (
        networks.Conv(1, 4, 3, padding=1, bias=False),
        networks.Norm(4),
        networks.Activation(),
        networks.Residual((networks.Conv(4, 6, 3, 2, 1, False), networks.Norm(6)), 2, 2),
        networks.Pool(),
        networks.Average(),
        networks.Dense(6, 10),
    ),
    (1, 12, 12),
    8,
)
WITHOUT_NORM = Network(
    "no norm",
    "for those that have none",
    (
        networks.Conv(1, 3, 3),
        networks.Activation(0.1),
        networks.Pool(),
        networks.Flatten(),
        networks.Dense(48, 10),
    ),
    (1, 10, 10),
    8,
)


def trained(side: Opponent, network: Network) -> tuple[list[float], np.ndarray]:
    with side.conditions(1):
        weights, batch = networks.weights(network), networks.digits(network)
        training = side.training(network, weights, *batch)
        return [training.step() for _ in range(3)], training.predict()


@pytest.mark.parametrize(
    ("side", "network"),
    [
        (s, n)
        for s in HERE
        for n in (SMALL, WITHOUT_NORM)
        if not n.has_norm or s.name not in NO_NORM
    ],
    ids=lambda given: given.name,
)
def test_all_have_the_same_losses_and_predictions(side: Opponent, network: Network) -> None:
    losses, logits = trained(side, network)
    expected, expected_logits = trained(OURS[-1], network)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    np.testing.assert_allclose(logits, expected_logits, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("side", [s for s in HERE if s.name in NO_NORM], ids=lambda s: s.name)
def test_a_library_without_batch_norm_says_so(side: Opponent) -> None:
    with pytest.raises(LeftOut, match="batch normalization"):
        trained(side, SMALL)


@pytest.mark.parametrize("side", [s for s in HERE if s.name != "autograd"], ids=lambda s: s.name)
def test_a_convolution_alone_runs(side: Opponent) -> None:
    with side.conditions(1):
        side.convolution(Convolution((2, 3, 6, 6), 4, 3, 1, 1))()


@pytest.mark.parametrize("side", [s for s in HERE if s.name != "JAX jit"], ids=lambda s: s.name)
def test_a_chain_of_small_ops_runs(side: Opponent) -> None:
    with side.conditions(1):
        side.chain(3)()


def test_the_compiled_tier_without_numba_says_how_to_get_it(monkeypatch) -> None:
    compiled = next(side for side in OURS if side.tier == "compiled")
    assert bool(compiled.why_absent()) == (find_spec("numba") is None)
    monkeypatch.setattr("tinygrad_cnn.bench.opponents.ours.util.find_spec", lambda name: None)
    assert "pip install 'tinygrad-cnn[fast]'" in compiled.why_absent()
