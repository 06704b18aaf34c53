from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cnn import Tensor, nn, viz
from tinygrad_cnn.bench import networks
from tinygrad_cnn.bench.opponents.modules import build
from tinygrad_cnn.nn import functional as F

PARAMETERS = {"default": 347_690, "5x5": 4_518, "3x3": 13_610, "gap": 276_810, "resnet20": 269_722}


def model_of(name: str) -> nn.Module:
    model: nn.Module = build(nn, F, networks.NETWORKS[name].layers)
    return model


@pytest.mark.parametrize(("name", "count"), PARAMETERS.items())
def test_the_network_has_as_many_parameters_as_the_one_it_stands_for(name: str, count: int) -> None:
    assert sum(p.size for p in model_of(name).parameters()) == count


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_the_weights_are_those_that_the_modules_ask_for(name: str) -> None:
    drawn = networks.weights(networks.NETWORKS[name])
    state = {k: v for k, v in model_of(name).state_dict().items() if "num_batches" not in k}
    assert {k: v.shape for k, v in drawn.items()} == {k: v.shape for k, v in state.items()}


@pytest.mark.parametrize("name", ["default", "5x5", "resnet20"])
def test_the_products_are_those_that_the_graph_counts(name: str) -> None:
    network = networks.NETWORKS[name]
    x = Tensor(np.zeros((2, *network.image), np.float32))
    graph = viz.graph(model_of(name)(x), fold="none")
    ops = [node for node in graph.picture.nodes if node.op in ("conv", "linear")]
    biased = [node for node in ops if network.name != "resnet20" or node.op == "linear"]
    outputs = sum(np.prod(node.shape) for node in biased)
    assert ops
    flops = 2 * 2 * networks.products(network)[0] // network.batch
    assert sum(node.notes["flops"] for node in ops) == flops + outputs


def test_a_step_has_three_times_the_products_but_for_the_gradient_of_the_images() -> None:
    forward, step = networks.products(networks.NETWORKS["3x3"])
    images = 64 * 26 * 26 * 8 * 9
    assert step == 3 * forward - images


@pytest.mark.parametrize("family", networks.FAMILIES)
def test_a_network_of_a_family_grows_with_its_number(family: str) -> None:
    small, large = (networks.products(networks.of_name(f"{family}={n}"))[0] for n in (16, 32))
    assert large > 1.9 * small


def test_one_seed_gives_the_same_weights_and_digits() -> None:
    network = networks.NETWORKS["3x3"]
    for a, b in zip(networks.digits(network), networks.digits(network), strict=True):
        np.testing.assert_array_equal(a, b)
    a, b = networks.weights(network), networks.weights(network)
    assert all(np.array_equal(a[name], b[name]) for name in a)
