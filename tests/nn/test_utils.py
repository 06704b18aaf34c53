"""Gradient clipping, and parameters as a vector."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tinygrad_cnn import Tensor, nn
from tinygrad_cnn.errors import AnomalyError, ConfigError, ShapeError
from tinygrad_cnn.nn.utils import (
    clip_grad_norm_,
    clip_grad_value_,
    parameters_to_vector,
    vector_to_parameters,
)


def with_gradients(*gradients: object) -> list[nn.Parameter]:
    params = [nn.Parameter(np.zeros(np.shape(g))) for g in gradients]
    for p, g in zip(params, gradients, strict=True):
        p.grad = Tensor(np.asarray(g, float))
    return params


def test_the_norm_is_over_all_gradients_and_scaling_keeps_their_direction():
    a, b = with_gradients([3.0, 0.0], [[4.0]])
    assert clip_grad_norm_([a, b], 0.5) == 5.0
    np.testing.assert_allclose(a.grad.data, [0.3, 0], rtol=1e-6)
    np.testing.assert_allclose(b.grad.data, [[0.4]], rtol=1e-6)


def test_gradients_within_the_bound_are_left_alone_to_the_bit():
    (a,) = with_gradients([0.1, 0.7])
    assert clip_grad_norm_(a, 10.0) == pytest.approx(math.hypot(0.1, 0.7))
    assert a.grad.tolist() == [0.1, 0.7]


def test_parameters_without_a_gradient_do_not_count():
    (a,) = with_gradients([3.0])
    assert clip_grad_norm_([a, nn.Parameter([1.0])], 1.0) == 3.0
    assert clip_grad_norm_([nn.Parameter([1.0])], 1.0) == 0.0


@pytest.mark.parametrize(("order", "norm"), [(1.0, 7.0), (2.0, 5.0), (math.inf, 4.0)])
def test_other_norms(order, norm):
    params = with_gradients([-3.0], [4.0])
    assert clip_grad_norm_(params, 100.0, order) == pytest.approx(norm)


def test_a_norm_that_is_not_finite_is_told_or_raised():
    params = with_gradients([1.0], [math.nan])
    with pytest.raises(AnomalyError, match="the norm of the gradients is nan"):
        clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    assert params[0].grad.tolist() == [1.0]
    assert math.isnan(clip_grad_norm_(params, 1.0))
    assert all(np.isnan(p.grad.data).all() for p in params)


def test_a_gradient_that_a_graph_reads_is_not_written_to():
    w = nn.Parameter([2.0])
    (w**3).sum().backward(create_graph=True)
    kept = w.grad
    clip_grad_norm_([w], 1.0)
    assert kept.tolist() == [12.0]
    np.testing.assert_allclose(w.grad.data, [1.0], rtol=1e-6)


def test_values_are_clipped_one_by_one():
    (a,) = with_gradients([-3.0, 0.2, 5.0])
    clip_grad_value_([a], 1.0)
    assert a.grad.tolist() == [-1.0, 0.2, 1.0]


def test_negative_bounds_are_refused():
    with pytest.raises(ConfigError, match="max_norm >= 0"):
        clip_grad_norm_([], -1.0)
    with pytest.raises(ConfigError, match="clip_value is at least 0"):
        clip_grad_value_([], -1.0)


def test_parameters_survive_the_way_through_a_vector():
    net = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    before = net.state_dict()
    vec = parameters_to_vector(net.parameters())
    assert vec.shape == (11,)
    vector_to_parameters(2 * vec, net.parameters())
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, 2 * before[name])
    with pytest.raises(ShapeError, match=r"hold 11 values, so the vector is \(11,\); got \(10,\)"):
        vector_to_parameters(vec[:10], net.parameters())


@pytest.mark.oracle
@pytest.mark.parametrize("order", [1.0, 2.0, 3.0, math.inf])
@pytest.mark.parametrize("max_norm", [0.1, 1e3])
def test_clipping_agrees_with_pytorch(torch, order, max_norm):
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=shape) for shape in [(3, 4), (5,), ()]]
    ours = with_gradients(*gradients)
    theirs = [torch.nn.Parameter(torch.zeros(g.shape, dtype=torch.float64)) for g in gradients]
    for p, g in zip(theirs, gradients, strict=True):
        p.grad = torch.tensor(g)
    norm = clip_grad_norm_(ours, max_norm, order)
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, order)
    assert norm == pytest.approx(expected.item(), rel=1e-12)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.grad.data, b.grad.numpy(), rtol=1e-12)
