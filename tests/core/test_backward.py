"""The reverse sweep: what arrives at the leaves, who owns which memory, what is freed and when."""

from __future__ import annotations

import gc
import itertools
import time
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor
from tinygrad_cnn.core import Op, gradients_of, op
from tinygrad_cnn.core.modes import Observer, observe
from tinygrad_cnn.errors import DTypeError, FreedGraphError, GraphError, ShapeError


def leaf(*values: Any, dtype: Any = np.float64) -> Tensor:
    """A leaf; one argument is its data, several are its elements."""
    data = values[0] if len(values) == 1 else values
    return Tensor(np.array(data, dtype), requires_grad=True)


def grad(x: Tensor) -> Any:
    assert x.grad is not None
    return x.grad.tolist()


# -- accumulation ---------------------------------------------------------------------------------


def test_a_tensor_used_twice_by_one_op_receives_both_gradients() -> None:
    x = leaf(3.0)
    (x * x).backward()
    assert grad(x) == 6.0


def test_the_branches_of_a_diamond_add_up() -> None:
    x = leaf(2.0)
    a = x * 3.0
    (a * a + tg.exp(a) * 0.0 + a).backward()  # 9 x^2 + 3 x
    assert grad(x) == 39.0


def test_a_ladder_of_diamonds_is_swept_once_and_not_once_for_each_of_its_paths() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(200):  # 2^200 paths
        y = (y + y) * 0.5
    y.backward()
    assert grad(x) == 1.0


def test_a_second_backward_adds_to_the_gradient() -> None:
    x = leaf(1.0, 2.0)
    for _ in range(2):
        tg.sum(x * x).backward()
    assert grad(x) == [4.0, 8.0]


def test_a_leaf_is_its_own_derivative() -> None:
    x = leaf(5.0)
    x.backward()
    assert grad(x) == 1.0


def test_backward_from_several_tensors_at_once_adds_their_gradients() -> None:
    x = leaf(2.0)
    y, z = x * x, x * 3.0
    tg.core.backward([y, z, y], [np.ones(()), np.ones(()), np.ones(())])
    assert grad(x) == 4.0 + 3.0 + 4.0


def test_zero_grad_forgets() -> None:
    x = leaf(1.0)
    (x * 2.0).backward()
    x.zero_grad()
    assert x.grad is None


# -- whose memory ---------------------------------------------------------------------------------

FORMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sum of both": lambda x, y: x + y,
    "sum of one twice": lambda x, y: x + x + y,
    "difference": lambda x, y: x - y,
    "itself": lambda x, y: tg.positive(x) + tg.copy(y),
    "reshaped and back": lambda x, y: x.reshape(3, 2).reshape(2, 3) + y.T.T,
    "transposed": lambda x, y: (x.T + y.T).T,
    "reversed": lambda x, y: tg.flip(tg.flip(x) + tg.flip(y)),
    "concatenated": lambda x, y: tg.concat([x, y])[:2] + tg.concat([x, y])[2:],
    "stacked": lambda x, y: tg.sum(tg.stack([x, y]), axis=0),
    "broadcast": lambda x, y: tg.broadcast_to(x, (4, 2, 3))[0] + y,
    "chosen": lambda x, y: tg.where(np.ones((2, 3), bool), x, y),
    "product": lambda x, y: x * y,
    "quotient": lambda x, y: x / y,
    "cast": lambda x, y: x.astype(np.float64) + y,
    "assigned": lambda x, y: _assigned(x, y),
}


def _assigned(x: Tensor, y: Tensor) -> Tensor:
    z = x * 1.0
    z[0] = y[0]
    return z


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("name", FORMS)
def test_no_gradient_shares_memory_with_anything_else(name: str, times: int) -> None:
    x, y = leaf(np.arange(1.0, 7).reshape(2, 3)), leaf(np.arange(3.0, 9).reshape(2, 3))
    upstream = np.ones((2, 3))
    z = FORMS[name](x, y)
    for _ in range(times):
        z.backward(upstream, retain_graph=True)
    arrays = [x.data, y.data, z.data, upstream, x.grad.data, y.grad.data]
    for a, b in itertools.combinations(arrays, 2):
        assert not np.shares_memory(a, b) or a is z.data or b is z.data  # z may be a view of x
    assert not any(np.shares_memory(z.data, g) for g in arrays[3:])


@pytest.mark.parametrize("name", FORMS)
def test_writing_into_one_gradient_changes_no_other(name: str) -> None:
    x, y = leaf(np.ones((2, 3))), leaf(np.full((2, 3), 2.0))
    FORMS[name](x, y).backward(np.ones((2, 3)))
    before = y.grad.data.copy()
    x.grad.data[...] = 99.0
    assert np.array_equal(y.grad.data, before)


@pytest.mark.parametrize("name", FORMS)
def test_the_upstream_gradient_is_not_written_to(name: str) -> None:
    x, y = leaf(np.ones((2, 3))), leaf(np.full((2, 3), 2.0))
    upstream = np.arange(6.0).reshape(2, 3)
    kept = upstream.copy()
    z = FORMS[name](x, y)
    (z + z + z).backward(upstream)
    assert np.array_equal(upstream, kept)


def test_a_read_only_upstream_gradient_is_enough() -> None:
    x = leaf(np.ones(3))
    upstream = np.broadcast_to(np.float64(2.0), (3,))
    (x + x + x).backward(upstream)
    assert grad(x) == [6.0, 6.0, 6.0]


def test_a_constant_that_a_rule_returns_is_not_added_to() -> None:
    slope = np.ones(3)
    total = Op(lambda x: np.sum(x), name="total")
    total.vjp(lambda _g, _y, _x: slope)
    x = leaf(1.0, 2.0, 3.0)
    (total(x) + total(x) + total(x)).backward()
    assert slope.tolist() == [1.0, 1.0, 1.0]
    assert grad(x) == [3.0, 3.0, 3.0]
    assert not np.shares_memory(x.grad.data, slope)


def test_a_static_array_that_a_rule_returns_is_not_added_to() -> None:
    weights = np.array([1.0, 2.0, 3.0])
    weigh = Op(lambda x, /, *, w: np.sum(x * w), name="weigh")
    weigh.vjp(lambda _g, _y, _x, w: w)
    x = leaf(1.0, 1.0, 1.0)
    (weigh(x, w=weights) + weigh(x, w=weights)).backward()
    assert weights.tolist() == [1.0, 2.0, 3.0]
    assert grad(x) == [2.0, 4.0, 6.0]


def test_the_data_of_a_leaf_that_is_its_own_slope_is_not_written_to() -> None:
    half_square = Op(lambda x: 0.5 * np.sum(x * x), name="half_square")
    half_square.vjp(lambda _g, _y, x: x)
    x = leaf(1.0, 2.0)
    (half_square(x) + half_square(x)).backward()
    assert x.tolist() == [1.0, 2.0]
    assert grad(x) == [2.0, 4.0]


def test_a_retained_gradient_is_nobody_elses_array() -> None:
    x = leaf(1.0, 2.0)
    y, upstream = x + 0.0, np.ones(2)
    y.retain_grad()
    y.backward(upstream)
    assert not np.shares_memory(y.grad.data, upstream)
    assert not np.shares_memory(y.grad.data, x.grad.data)


def test_gradients_with_a_graph_are_tensors_of_their_own() -> None:
    x, y, upstream = leaf(1.0, 2.0), leaf(3.0, 4.0), Tensor(np.ones(2))
    (x + y).backward(upstream, create_graph=True)
    x.grad *= 5.0
    assert upstream.tolist() == [1.0, 1.0]
    assert grad(y) == [1.0, 1.0]
    x.grad.data[...] = 7.0
    assert grad(y) == upstream.tolist() == [1.0, 1.0]


# -- the upstream gradient ------------------------------------------------------------------------


def test_a_gradient_to_start_from_is_needed_unless_the_tensor_is_one_number() -> None:
    with pytest.raises(GraphError, match=r"shape \(2,\).*\.sum\(\)"):
        leaf(1.0, 2.0).backward()
    x = leaf([[3.0]])
    (x * 2.0).backward()
    assert grad(x) == [[2.0]]


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 1)])
def test_the_gradient_to_start_from_has_the_shape_of_the_tensor(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"\(2,\)"):
        (leaf(1.0, 2.0) * 1.0).backward(np.ones(shape))


def test_the_gradient_to_start_from_is_numeric() -> None:
    with pytest.raises(DTypeError, match="numeric"):
        (leaf(1.0, 2.0) * 1.0).backward(np.array(["a", "b"]))


@pytest.mark.parametrize("upstream", [[1, 2], np.array([1, 2], np.int8), Tensor([1.0, 2.0])])
def test_the_gradient_to_start_from_is_cast_to_the_dtype_of_the_tensor(upstream: Any) -> None:
    x = leaf(1.0, 1.0)
    (x * 1.0).backward(upstream)
    assert x.grad.dtype == np.float64
    assert grad(x) == [1.0, 2.0]


def test_backward_of_a_tensor_outside_the_graph_says_so() -> None:
    with pytest.raises(GraphError, match="does not require a gradient"):
        Tensor(1.0).backward()


# -- dtypes of gradients --------------------------------------------------------------------------


@pytest.mark.parametrize("other", [np.float16, np.float32, np.float64, np.int64])
@pytest.mark.parametrize("mine", [np.float16, np.float32, np.float64])
def test_a_gradient_has_the_dtype_of_its_tensor(mine: Any, other: Any) -> None:
    x = leaf(1.0, 2.0, dtype=mine)
    tg.sum(x * np.array([2, 3], other) + np.array([[1], [1]], other)).backward()
    assert x.grad.dtype == mine
    assert grad(x) == [4.0, 6.0]


def test_a_real_leaf_gets_a_real_gradient_from_a_complex_loss_path() -> None:
    x = leaf(1.0, 2.0)
    tg.sum(tg.real(x * np.array([1 + 2j, 3j]))).backward()
    assert x.grad.dtype == np.float64
    assert grad(x) == [1.0, 0.0]


def test_a_gradient_is_summed_back_over_broadcast_axes() -> None:
    x = leaf([[1.0], [2.0]])
    tg.sum(x * np.ones((3, 2, 4))).backward()
    assert grad(x) == [[12.0], [12.0]]


# -- freeing --------------------------------------------------------------------------------------


def test_a_second_backward_over_a_freed_graph_names_retain_graph() -> None:
    y = tg.exp(leaf(1.0)) * 2.0
    y.backward()
    with pytest.raises(FreedGraphError, match="retain_graph=True"):
        y.backward()


def test_a_freed_graph_is_noticed_from_another_tensor_that_stands_on_it() -> None:
    a = tg.exp(leaf(1.0))
    y, z = a * 2.0, a * 3.0
    y.backward()
    with pytest.raises(FreedGraphError, match="exp"):
        z.backward()


def test_retain_graph_lets_backward_run_again() -> None:
    x = leaf(1.0)
    y = tg.exp(x)
    y.backward(retain_graph=True)
    y.backward()
    assert grad(x) == pytest.approx(2 * np.e)


def test_saved_arrays_are_released_while_the_sweep_runs() -> None:
    alive_at: dict[str, bool] = {}

    class Watch(Observer):
        def before_backward(self, node: Any, gradient: Any) -> None:
            alive_at[node.op.name] = saved() is not None

    x = leaf(np.ones(4))
    a = tg.sin(x)
    b = tg.exp(a)
    saved = weakref.ref(b.data)  # exp keeps its output
    loss = tg.sum(b)
    del b
    with observe(Watch()):
        loss.backward()
    assert alive_at == {"sum": True, "exp": True, "sin": False}


@pytest.mark.parametrize("kind", ["vjp", "vjp_each", "vjp_joint"])
def test_nor_does_the_sweep_itself_hold_the_arrays_of_a_node_that_it_has_passed(kind: str) -> None:
    alive: list[bool] = []

    def slope(g: np.ndarray) -> np.ndarray:
        alive.append(saved() is not None)
        return g * 2.0

    rules: dict[str, Callable[..., Any]] = {
        "vjp": lambda g, _y, _x: slope(g),
        "vjp_each": lambda _i, g, _y, _x: slope(g),
        "vjp_joint": lambda g, _y, _x: (slope(g),),
    }
    double = Op(lambda x, /: x * 2.0, name="double")
    getattr(double, kind)(rules[kind])
    b = tg.exp(double(leaf(np.ones(4))))
    saved = weakref.ref(b.data)  # exp keeps its output
    loss = tg.sum(b)
    del b
    loss.backward()
    assert alive == [False]


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


GRAPHS: dict[str, Callable[[Tensor], Tensor]] = {
    "elementwise": lambda x: tg.sum(tg.exp(x) * x / (1.0 + x * x)),
    "getitem and setitem": lambda x: tg.sum(_assigned(x, x)[:, ::2]),
    "several outputs": lambda x: tg.sum(tg.linalg.svd(x, full_matrices=False).S),
    "in place": lambda x: _in_place(x),
    "fused": lambda x: tg.cross_entropy(x, np.array([0, 1])),
    "under hooks": lambda x: _hooked(x),
}


def _in_place(x: Tensor) -> Tensor:
    y = x * 1.0
    for _ in range(3):
        y += x
        y[0] = y[1]
    return tg.sum(y)


def _hooked(x: Tensor) -> Tensor:
    y = x * 2.0
    y.retain_grad()
    y.register_hook(lambda g: g * 2.0)
    return tg.sum(y)


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("swept", ["not swept", "swept", "retained", "second order"])
@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_dies_by_reference_count(name: str, swept: str) -> None:
    x = leaf(np.arange(6.0).reshape(2, 3) ** 2)
    x.data = x.data + np.eye(2, 3)
    loss = GRAPHS[name](x)
    nodes = [weakref.ref(a) for a in _arrays_below(loss) if a is not x.data]
    if swept == "second order":
        (g,) = gradients_of([loss], [1.0], [x], create_graph=True)
        assert g is not None
        nodes += [weakref.ref(a) for a in _arrays_below(g) if a is not x.data]
        if g.requires_grad:
            gradients_of([g], [np.ones_like(g.data)], [x])
        del g
    elif swept != "not swept":
        loss.backward(retain_graph=swept == "retained")
    x.zero_grad()
    del loss
    assert not [r for r in nodes if r() is not None]


def _arrays_below(tensor: Tensor) -> list[np.ndarray]:
    """The arrays that the graph below a Tensor holds, and its own value."""
    found, stack, seen = [tensor.data], [tensor._node], set()
    while stack:
        node = stack.pop()
        if node is None or node.seq in seen:
            continue
        seen.add(node.seq)
        held = list(node.args or ())
        held += list(node.output) if isinstance(node.output, tuple) else [node.output]
        found += [a for a in held if isinstance(a, np.ndarray)]
        stack.extend(node.parents)
    return found


@pytest.mark.usefixtures("no_collector")
def test_memory_returns_to_where_it_started_without_the_collector() -> None:
    x = leaf(np.ones(10_000))

    def step() -> None:
        y = x
        for _ in range(20):
            y = tg.tanh(y * 1.01) + x
        tg.sum(y).backward()
        x.zero_grad()

    step()
    tracemalloc.start()
    try:
        step()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(10):
            step()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < x.nbytes


def test_the_peak_of_a_long_sweep_is_that_of_the_forward_pass() -> None:
    x = leaf(np.ones(10_000))
    tracemalloc.start()
    try:
        y = x
        for _ in range(50):
            y = tg.exp(y * 0.0)
        loss = tg.sum(y)
        del y
        forward, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        loss.backward()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < forward + 6 * x.nbytes


# -- length ---------------------------------------------------------------------------------------


def _chain_time(n: int) -> float:
    start = time.process_time()
    x = leaf(1.0)
    y = x
    for _ in range(n):
        y = -y
    y.backward()
    assert grad(x) == (-1.0) ** n
    del y
    return time.process_time() - start


def test_a_chain_of_a_million_ops_runs_backward_and_is_dropped_without_recursion() -> None:
    _chain_time(1_000_000)


def test_the_time_of_a_chain_is_linear_in_its_length() -> None:
    _chain_time(1000)
    short = min(_chain_time(20_000) for _ in range(3))
    assert _chain_time(160_000) < 2.5 * 8 * short  # eight times the length; log n comes to 1.2


def test_a_graph_that_was_never_swept_is_dropped_without_recursion() -> None:
    y = leaf(1.0)
    for _ in range(200_000):
        y = y + 1.0
    del y


# -- only what is needed --------------------------------------------------------------------------


def spy(calls: list[str]) -> Op:
    """x1 x2, which notes each gradient that is computed."""

    def note(name: str, value: Any) -> Any:
        calls.append(name)
        return value

    made = Op(lambda x1, x2, /: np.multiply(x1, x2), name="spy")
    made.vjp(lambda g, _y, _x1, x2: note("x1", g * x2), lambda g, _y, x1, _x2: note("x2", g * x1))
    return made


@pytest.mark.parametrize(
    ("first", "second", "computed"),
    [(True, True, ["x1", "x2"]), (True, False, ["x1"]), (False, True, ["x2"])],
)
def test_no_gradient_is_computed_that_nobody_needs(
    first: bool, second: bool, computed: list[str]
) -> None:
    calls: list[str] = []
    a, b = Tensor(2.0, requires_grad=first), Tensor(3.0, requires_grad=second)
    spy(calls)(a, b).backward()
    assert calls == computed


def test_gradients_of_pulls_back_through_those_nodes_alone_that_lead_to_the_inputs() -> None:
    calls: list[str] = []
    f = spy(calls)
    x, y = leaf(2.0), leaf(3.0)
    z = f(f(x, x), f(y, y))  # of the outer f, x needs the first gradient alone
    (gx,) = gradients_of([z], [1.0], [x])
    assert gx is not None
    assert gx.item() == 36.0
    assert calls == ["x1", "x1", "x2"]
    assert x.grad is None
    assert y.grad is None


def test_gradients_of_finds_those_of_computed_tensors_too() -> None:
    x = leaf(2.0)
    y = x * x
    z = y * y * x
    found = gradients_of([z], [1.0], [y, x, z, leaf(1.0), Tensor(1.0)])
    assert [None if g is None else g.item() for g in found] == [16.0, 80.0, 1.0, None, None]


def test_gradients_of_an_input_that_is_named_twice_is_given_twice() -> None:
    x = leaf(2.0)
    first, second = gradients_of([x * x], [1.0], [x, x])
    assert first.item() == second.item() == 4.0


# -- hooks ----------------------------------------------------------------------------------------


def test_a_hook_sees_the_complete_gradient_once() -> None:
    seen: list[float] = []
    x = leaf(2.0)
    y = x * 1.0
    y.register_hook(lambda g: seen.append(g.item()))
    (y * y + y).backward()
    assert seen == [5.0]


def test_what_a_hook_returns_takes_the_place_of_the_gradient() -> None:
    x = leaf(2.0)
    x.register_hook(lambda g: g * 10.0)
    (x * x).backward()
    assert grad(x) == 40.0


def test_hooks_run_in_the_order_in_which_they_came() -> None:
    x = leaf(2.0)
    x.register_hook(lambda g: g + 1.0)
    x.register_hook(lambda g: g * 10.0)
    (x * 1.0).backward()
    assert grad(x) == 20.0


def test_a_removed_hook_runs_no_more_and_may_be_removed_again() -> None:
    x = leaf(2.0)
    remove = x.register_hook(lambda g: g * 10.0)
    remove()
    remove()
    (x * 1.0).backward()
    assert grad(x) == 1.0


def test_a_hook_that_was_registered_twice_is_removed_once() -> None:
    x = leaf(1.0)
    double = lambda g: g * 2.0  # noqa: E731
    remove = x.register_hook(double)
    x.register_hook(double)
    remove()
    remove()
    (x * 1.0).backward()
    assert grad(x) == 2.0


def test_a_hook_must_return_the_shape_of_the_gradient() -> None:
    x = leaf(1.0, 2.0)
    x.register_hook(lambda g: tg.sum(g))
    with pytest.raises(ShapeError, match=r"\(2,\)"):
        tg.sum(x).backward()


def test_a_hook_keeps_the_dtype_of_the_gradient() -> None:
    x = leaf(1.0, 2.0, dtype=np.float32)
    y = x * 1.0
    y.register_hook(lambda g: np.array([1.0, 2.0]))  # float64
    tg.sum(y).backward()
    assert x.grad.dtype == np.float32


def test_a_hook_that_stores_and_changes_its_gradient_spoils_no_other() -> None:
    stored = []
    x, z = leaf(1.0, 2.0), leaf(1.0, 2.0)
    y = x + z
    y.register_hook(lambda g: stored.append(g))
    tg.sum(y * np.ones(2)).backward()
    stored[0].data *= 100
    assert grad(x) == grad(z) == [1.0, 1.0]


def test_what_a_hook_does_in_place_and_does_not_return_changes_nothing() -> None:
    for create_graph in (False, True):
        x, z = leaf(1.0, 2.0), leaf(1.0, 2.0)
        y = x + 0.0
        y.register_hook(_scale)
        (y + z).backward(np.ones(2), create_graph=create_graph)
        assert grad(x) == grad(z) == [1.0, 1.0]


def _scale(g: Tensor) -> None:
    g *= 10.0


def test_a_hook_can_be_differentiated_through() -> None:
    x = leaf(2.0)
    y = x * 1.0
    y.register_hook(lambda g: g * g)
    (g,) = gradients_of([y * y], [1.0], [x], create_graph=True)
    assert g.item() == 16.0  # (2 y)^2
    (h,) = gradients_of([g], [1.0], [x])
    assert h.item() == 16.0**2  # 8 y, seen by the hook in its turn


def test_a_hook_on_a_tensor_outside_the_graph_is_refused() -> None:
    with pytest.raises(GraphError, match="register_hook"):
        Tensor(1.0).register_hook(lambda g: None)
    with pytest.raises(GraphError, match="retain_grad"):
        Tensor(1.0).retain_grad()


def test_retain_grad_keeps_the_gradient_of_a_computed_tensor() -> None:
    x = leaf(3.0)
    y = x * x
    y.retain_grad()
    y.retain_grad()
    z = y * 2.0
    z.backward(retain_graph=True)
    z.backward()
    assert grad(y) == 4.0


def test_reading_the_gradient_of_a_computed_tensor_warns_and_gives_none() -> None:
    y = leaf(3.0) * 2.0
    with pytest.warns(UserWarning, match="retain_grad"):
        assert y.grad is None


# -- higher orders --------------------------------------------------------------------------------


def test_the_third_derivative_by_backward_alone() -> None:
    x = leaf(2.0)
    y = x**4
    y.backward(create_graph=True)
    first, x.grad = x.grad, None
    first.backward(create_graph=True)
    second, x.grad = x.grad, None
    second.backward()
    assert (first.item(), second.item(), grad(x)) == (32.0, 48.0, 48.0)


def test_create_graph_keeps_the_graph() -> None:
    x = leaf(2.0)
    y = tg.exp(x)
    y.backward(create_graph=True)
    y.backward()
    assert grad(x) == pytest.approx(2 * np.exp(2))


@pytest.mark.parametrize("f", [tg.sin, tg.tanh, tg.exp, tg.log, tg.sqrt, tg.sigmoid, tg.erf])
def test_the_third_derivative_is_the_slope_of_the_second(f: Any) -> None:
    def derivative(order: int, at: float) -> float:
        x = leaf(at)
        y = f(x)
        for _ in range(order):
            (y,) = gradients_of([y], [np.ones(())], [x], create_graph=True)
        return float(y)

    h = 1e-4
    slope = (derivative(2, 0.7 + h) - derivative(2, 0.7 - h)) / (2 * h)
    assert derivative(3, 0.7) == pytest.approx(slope, rel=1e-6)


def test_a_gradient_with_a_graph_depends_on_the_upstream_gradient_too() -> None:
    x, g = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (dx,) = gradients_of([x * x], [g], [x], create_graph=True)
    (dg,) = gradients_of([dx], [np.ones(2)], [g])
    assert dg.tolist() == [2.0, 4.0]


def test_without_create_graph_gradients_record_nothing() -> None:
    recorded = []

    class Watch(Observer):
        def recorded(self, node: Any) -> None:
            recorded.append(node)

    x = leaf(1.0, 2.0)
    y = tg.sum(tg.logsumexp(x * x) * tg.prod(x))
    with observe(Watch()):
        y.backward()
    assert recorded == []
    assert not x.grad.requires_grad


def test_backward_works_and_records_nothing_under_no_grad() -> None:
    x = leaf(3.0)
    y = x * x
    with tg.no_grad():
        y.backward()
    assert grad(x) == 6.0


def test_backward_leaves_the_mode_as_it_was_when_a_rule_raises() -> None:
    @op
    def broken(x):
        return x * 1.0

    broken.vjp(lambda g, y, x: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        broken(leaf(1.0)).backward()
    assert tg.is_grad_enabled()
    assert (leaf(1.0) * 2.0).requires_grad


def test_an_overflow_in_a_gradient_is_data_and_no_warning() -> None:
    x = leaf(0.0, 1.0)
    tg.sum(tg.sqrt(x)).backward()
    assert grad(x) == [np.inf, 0.5]


def test_a_gradient_to_start_from_of_another_dtype_stays_in_the_graph() -> None:
    x, u = leaf(1.0, 2.0), Tensor(np.ones(2, np.float32), requires_grad=True)
    (x * x).backward(u, create_graph=True)
    tg.sum(x.grad).backward()
    assert u.grad is not None
    assert u.grad.tolist() == [2.0, 4.0]


def test_a_complex_gradient_to_start_from_is_refused_by_a_real_tensor() -> None:
    with pytest.raises(DTypeError, match="must be real"):
        (leaf(1.0, 2.0) * 2.0).backward(np.array([1j, 2.0]))


def test_a_hook_that_returns_another_dtype_changes_no_leafs_dtype() -> None:
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    x.register_hook(lambda g: Tensor(g.data.astype(np.float64)))
    tg.sum(x * 2.0).backward()
    assert x.grad is not None
    assert x.grad.dtype == np.float32


@pytest.mark.parametrize("shaped", [False, True], ids=["as lent", "a view of it"])
@pytest.mark.parametrize("lend", [memoryview, bytearray], ids=["by a view", "by an object"])
def test_memory_that_another_object_lends_is_never_added_to(lend: Any, shaped: bool) -> None:
    owner = np.arange(1, 5, dtype=np.float32)
    lent = lend(owner.data.cast("B"))
    slope = Op(lambda x: x.sum(), name="slope_lent_by_another")

    def borrowed(g: Any, _y: Any, _x: Any) -> Any:
        array = np.frombuffer(lent, np.float32)
        return array.reshape(2, 2).reshape(4) if shaped else array

    slope.vjp(borrowed)
    x = Tensor(np.ones(4, np.float32), requires_grad=True)
    for _ in range(2):
        x.grad = None
        ((x * 10).sum() + slope(x)).backward()
        assert x.grad is not None
        assert x.grad.data.tolist() == [11, 12, 13, 14]
        assert not np.shares_memory(x.grad.data, np.frombuffer(lent, np.float32))
    assert np.frombuffer(lent, np.float32).tolist() == [1, 2, 3, 4]


def test_what_an_op_kept_is_gone_when_the_sweep_is_past_it() -> None:
    kept: list[weakref.ref[Any]] = []
    alive: list[bool] = []

    def forward(x: Any) -> Any:
        mask = np.ones(x.shape, bool)
        kept.append(weakref.ref(mask))
        return x * 2, mask

    keeps = Op(forward, name="keeps_a_mask", residuals=("mask",))
    keeps.vjp(lambda g, _y, _x, mask: g * 2 * mask)
    x = Tensor(np.ones(3), requires_grad=True)
    before = x * 1
    before.register_hook(lambda g: alive.append(kept[0]() is not None))
    keeps(before).sum().backward()
    assert alive == [False]
