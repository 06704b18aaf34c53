"""Hooks on modules: PyTorch's calls, order and effect, and no trace once they are taken off."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from tinygrad_cnn import Tensor, manual_seed, nn
from tinygrad_cnn.core import gradients_of
from tinygrad_cnn.errors import DTypeError, ShapeError


class Product(nn.Module):
    """a * b + c, so that each argument has a gradient of its own."""

    def forward(self, a: Any, b: Any, c: Any = 0.0) -> Any:
        return a * b + c


class Pair(NamedTuple):
    first: Any
    second: Any


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


# -- forward --


def test_a_forward_hook_sees_the_arguments_and_may_replace_the_output():
    layer, seen = nn.ReLU(), []
    layer.register_forward_hook(lambda module, args, y: seen.append((module, args, y)))
    layer.register_forward_hook(lambda module, args, y: y + 1)
    x = Tensor([-1.0, 2.0])
    assert layer(x).tolist() == [1.0, 3.0]
    (call,) = seen
    assert call[0] is layer
    assert call[1] == (x,)
    assert call[2].tolist() == [0.0, 2.0]


def test_a_forward_pre_hook_may_replace_the_arguments():
    layer = Product()
    layer.register_forward_pre_hook(lambda module, args: (args[0], args[1] * 10))
    assert layer(Tensor([2.0]), Tensor([3.0])).tolist() == [60.0]
    single = nn.ReLU()
    single.register_forward_pre_hook(lambda module, args: -args[0])
    assert single(Tensor([-2.0])).tolist() == [2.0]


def test_hooks_with_kwargs_see_and_replace_keywords():
    layer, seen = Product(), []
    layer.register_forward_pre_hook(
        lambda module, args, kwargs: (args, {"c": kwargs["c"] + 1}), with_kwargs=True
    )
    layer.register_forward_hook(
        lambda module, args, kwargs, y: seen.append(kwargs), with_kwargs=True
    )
    assert layer(Tensor([2.0]), Tensor([3.0]), c=1.0).tolist() == [8.0]
    assert seen == [{"c": 2.0}]


def test_hooks_run_in_the_order_of_registration_and_prepended_ones_first():
    layer, order = nn.Identity(), []
    for name, prepend in (("a", False), ("b", False), ("c", True)):
        layer.register_forward_hook(
            lambda m, args, y, name=name: order.append(name), prepend=prepend
        )
    layer(Tensor([1.0]))
    assert order == ["c", "a", "b"]


def test_a_removed_hook_leaves_the_module_as_it_was():
    layer, calls = nn.ReLU(), []
    before = dict(vars(layer))
    handles = [
        layer.register_forward_pre_hook(lambda *a: calls.append("pre")),
        layer.register_forward_hook(lambda *a: calls.append("post")),
        layer.register_full_backward_hook(lambda *a: calls.append("back")),
    ]
    for handle in handles:
        handle.remove()
        handle.remove()
    layer(leaf(1.0)).sum().backward()
    assert calls == []
    assert vars(layer) == before


def test_a_handle_is_a_with_block():
    layer, calls = nn.ReLU(), []
    with layer.register_forward_hook(lambda *a: calls.append(1)):
        layer(Tensor([1.0]))
    layer(Tensor([1.0]))
    assert calls == [1]


def test_a_hook_may_take_itself_off():
    layer, calls = nn.ReLU(), []

    def once(module: nn.Module, args: Any, y: Any) -> None:
        calls.append(1)
        handle.remove()

    handle = layer.register_forward_hook(once)
    layer.register_forward_hook(lambda *a: calls.append(2))
    layer(Tensor([1.0]))
    layer(Tensor([1.0]))
    assert calls == [1, 2, 2]


def test_an_always_called_hook_runs_where_the_forward_fails():
    layer, calls = nn.Linear(2, 2), []
    layer.register_forward_hook(lambda module, args, y: calls.append(y), always_call=True)
    layer.register_forward_hook(lambda module, args, y: calls.append("no"))
    with pytest.raises(ShapeError):
        layer(Tensor([1.0, 2.0, 3.0]))
    assert calls == [None]


def test_what_is_no_function_is_no_hook():
    with pytest.raises(DTypeError, match="a hook is a function, got a str"):
        nn.ReLU().register_forward_hook("print")
    layer = nn.ReLU()
    layer.register_forward_pre_hook(lambda module, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(DTypeError, match=r"returns None or \(args, kwargs\), got a int"):
        layer(Tensor([1.0]))


# -- backward --


def test_a_backward_hook_gets_the_gradients_on_both_sides():
    layer, seen = Product(), []
    layer.register_full_backward_hook(lambda module, gin, gout: seen.append((gin, gout)))
    a, b = leaf(2.0, 3.0), leaf(5.0, 7.0)
    layer(a, b).backward([1.0, 10.0])
    ((gin, gout),) = seen
    assert [g.tolist() for g in gin] == [[5.0, 70.0], [2.0, 30.0]]
    assert [g.tolist() for g in gout] == [[1.0, 10.0]]
    assert a.grad.tolist() == [5.0, 70.0]
    assert b.grad.tolist() == [2.0, 30.0]


def test_arguments_without_a_gradient_have_none():
    layer, seen = Product(), []
    layer.register_full_backward_hook(lambda module, gin, gout: seen.append(gin))
    layer(leaf(2.0), Tensor([5.0]), 1.0).sum().backward()
    layer(Tensor([2.0]), leaf(5.0)).sum().backward()
    (first, second) = seen
    assert (first[0].tolist(), first[1:]) == ([5.0], (None, None))
    assert (second[0], second[1].tolist()) == (None, [2.0])


def test_a_module_whose_parameters_alone_learn_runs_its_hook_all_the_same():
    layer, seen = nn.Linear(2, 3), []
    layer.register_full_backward_hook(lambda module, gin, gout: seen.append((gin, gout)))
    layer(Tensor(np.ones((1, 2), np.float32))).sum().backward()
    ((gin, gout),) = seen
    assert gin == (None,)
    assert gout[0].tolist() == [[1.0, 1.0, 1.0]]


def test_what_a_backward_hook_returns_flows_on():
    layer = Product()
    layer.register_full_backward_hook(lambda module, gin, gout: (gin[0] * 100, None, None))
    a = leaf(2.0)
    layer(a, Tensor([5.0]), 1.0).sum().backward()
    assert a.grad.tolist() == [500.0]


def test_a_none_among_the_gradients_that_a_hook_returns_stops_that_one():
    layer, kept = Product(), np.array([7.0])
    layer.register_full_backward_hook(lambda module, gin, gout: (None, Tensor(kept)))
    a, b = leaf(2.0), leaf(5.0)
    y = layer(a, b)
    (y + a + b).sum().backward()
    assert a.grad.tolist() == [1.0]
    assert b.grad.tolist() == [8.0]
    assert kept.tolist() == [7.0]


def test_a_backward_pre_hook_replaces_the_incoming_gradient():
    layer, seen = nn.ReLU(), []
    layer.register_full_backward_pre_hook(lambda module, gout: (gout[0] * 3,))
    layer.register_full_backward_hook(lambda module, gin, gout: seen.append(gout[0].tolist()))
    x = leaf(1.0, -1.0)
    layer(x).sum().backward()
    assert x.grad.tolist() == [3.0, 0.0]
    assert seen == [[3.0, 3.0]]


@pytest.mark.parametrize(
    "form", [list, tuple, lambda ts: Pair(*ts), lambda ts: dict(zip("ab", ts, strict=True))]
)
def test_the_form_of_the_output_stays_and_each_tensor_in_it_has_its_gradient(form: Any):
    class Both(nn.Module):
        def forward(self, x: Any) -> Any:
            return form([x * 2, x * 3])

    layer, seen = Both(), []
    layer.register_full_backward_hook(lambda module, gin, gout: seen.append(gout))
    x = leaf(1.0)
    y = layer(x)
    first, second = y.values() if isinstance(y, dict) else y
    assert type(y) is type(form([x, x]))
    (first + 10 * second).sum().backward()
    assert x.grad.tolist() == [32.0]
    assert [g.tolist() for g in seen[0]] == [[1.0], [10.0]]


def test_each_call_of_a_shared_module_has_gradients_of_its_own():
    layer, seen = nn.ReLU(), []
    layer.register_full_backward_hook(lambda module, gin, gout: seen.append(gout[0].tolist()))
    x = leaf(1.0)
    (layer(x) * 2 + layer(x) * 3).sum().backward()
    assert sorted(seen) == [[2.0], [3.0]]
    assert x.grad.tolist() == [5.0]


def test_a_backward_hook_is_differentiated_through():
    layer, seen = nn.Tanh(), []
    layer.register_full_backward_hook(lambda module, gin, gout: seen.append(gin[0].requires_grad))
    x = leaf(0.5)
    (g,) = gradients_of([layer(x).sum()], [np.ones(())], [x], create_graph=True)
    (gg,) = gradients_of([g.sum()], [np.ones(())], [x])
    t = np.tanh(0.5)
    np.testing.assert_allclose(gg.data, [-2 * t * (1 - t * t)])
    assert seen[0]


def test_the_gradient_that_a_leaf_keeps_is_its_own_array():
    layer = Product()
    layer.register_full_backward_hook(lambda module, gin, gout: None)
    a, b, g = leaf(2.0), leaf(5.0), np.ones(1)
    y = layer(a, b) + 0.0
    y.backward(g)
    layer(a, b).backward(g)
    assert g.tolist() == [1.0]
    assert a.grad.tolist() == [10.0]


def test_gradients_of_other_numbers_or_shapes_are_refused():
    layer = Product()
    handle = layer.register_full_backward_hook(lambda module, gin, gout: gin[:1])
    with pytest.raises(ShapeError, match="each of the 2 positional arguments, got 1"):
        layer(leaf(2.0), leaf(5.0)).sum().backward()
    handle.remove()
    layer.register_full_backward_hook(lambda module, gin, gout: (np.ones(2), gin[1]))
    with pytest.raises(ShapeError, match=r"shapes that it was given, \[\(1,\), \(1,\)\], got"):
        layer(leaf(2.0), leaf(5.0)).sum().backward()


@pytest.mark.oracle
def test_hooks_see_what_pytorchs_see(torch: Any):
    manual_seed(0)
    ours = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).to(np.float64)
    theirs = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)
    ).double()
    theirs.load_state_dict({k: torch.tensor(v) for k, v in ours.state_dict().items()})
    logs: list[list[Any]] = [[], []]
    for log, model in zip(logs, (ours, theirs), strict=True):
        for i, module in enumerate(model):
            module.register_forward_hook(
                lambda m, args, y, i=i, log=log: log.append((i, args[0], y))
            )
            module.register_full_backward_hook(
                lambda m, gin, gout, i=i, log=log: log.append((i, gin[0], gout[0]))
            )
    x = np.random.default_rng(0).normal(size=(5, 3))
    ours(Tensor(x, requires_grad=True)).sum().backward()
    theirs(torch.tensor(x, requires_grad=True)).sum().backward()
    assert [row[0] for row in logs[0]] == [row[0] for row in logs[1]] == [0, 1, 2, 2, 1, 0]
    for mine, other in zip(*logs, strict=True):
        for a, b in zip(mine[1:], other[1:], strict=True):
            np.testing.assert_allclose(a.data, b.detach().numpy(), rtol=1e-12, atol=1e-14)
