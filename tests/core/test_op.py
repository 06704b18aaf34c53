"""Declaring an op: its arguments, what its node keeps, residuals, several outputs, references."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor, ops
from tinygrad_cnn.core import REGISTRY, Node, Op, Spec, gradients_of, op
from tinygrad_cnn.core.modes import Observer, observe
from tinygrad_cnn.errors import (
    AxisError,
    DTypeError,
    NotDifferentiableError,
    ShapeError,
    TinygradError,
)


def leaf(*values: Any, dtype: Any = np.float64) -> Tensor:
    data = values[0] if len(values) == 1 else values
    return Tensor(np.array(data, dtype), requires_grad=True)


@pytest.fixture
def weighted() -> Op:
    """w x1 + x2 / w, with every kind of argument."""

    @op
    def weighted(x1, x2=None, /, *, weight=2.0, name):  # type: ignore[no-untyped-def]
        y = weight * x1
        return y if x2 is None else y + x2 / weight

    return weighted.vjp(
        lambda g, _y, _x1, _x2, weight, name: g * weight,
        lambda g, _y, _x1, _x2, weight, name: g / weight,
    )


# -- arguments ------------------------------------------------------------------------------------


def test_an_op_of_arrays_returns_what_its_forward_does() -> None:
    y = tg.exp(np.array([0.0, 1.0]))
    assert type(y) is np.ndarray
    assert y.tolist() == [1.0, np.e]


def test_an_op_records_where_one_input_is_a_tensor_that_requires_a_gradient(weighted: Op) -> None:
    x, c = leaf(3.0), np.array(4.0)
    assert weighted(x, c, name="").requires_grad
    assert weighted(c, x, name="").requires_grad
    assert not weighted(Tensor(3.0), c, name="").requires_grad
    assert not isinstance(weighted(c, c, name=""), Tensor)


def test_inputs_may_be_left_out_or_named_where_the_forward_allows_it(weighted: Op) -> None:
    x = leaf(3.0)
    for y in (weighted(x, name=""), weighted(x, None, name=""), weighted(x1=x, name="")):
        y.backward()
        assert y.item() == 6.0
    assert x.grad.item() == 6.0
    assert weighted(x, x2=x, name="").item() == 7.5


def test_keywords_may_follow_by_position(weighted: Op) -> None:
    assert weighted(leaf(3.0), None, 5.0, "").item() == 15.0


@pytest.mark.parametrize(
    ("arguments", "keywords", "kind", "message"),
    [
        ((1.0,), {"name": "", "wieght": 3.0}, TypeError, "no argument 'wieght'.*'weight'"),
        ((1.0,), {"name": "", "bananas": 3.0}, TypeError, "no argument 'bananas' in weighted"),
        ((), {"name": ""}, TypeError, "'x1'.*missing"),
        ((1.0, 2.0, 3.0, "", 5.0), {}, TypeError, "weighted.*got 5 arguments"),
        ((1.0,), {"name": "", "weight": Tensor(2.0)}, DTypeError, r"weight is a static.*\.data"),
    ],
)
@pytest.mark.parametrize("recorded", [True, False])
def test_a_wrong_argument_is_answered_by_name(
    weighted: Op,
    arguments: tuple[Any, ...],
    keywords: dict[str, Any],
    kind: type[Exception],
    message: str,
    recorded: bool,
) -> None:
    if recorded and arguments:
        arguments = (leaf(arguments[0]), *arguments[1:])
    with pytest.raises(kind, match=message):
        weighted(*arguments, **keywords)


@pytest.mark.parametrize(
    ("call", "kind", "parts"),
    [
        (lambda x: tg.add(x, np.ones((4, 5))), ShapeError, ("add", "(2, 3)", "(4, 5)")),
        (lambda x: tg.matmul(x, x), ShapeError, ("matmul", "(2, 3)", "3 and 2")),
        (lambda x: tg.sum(x, axis=2), AxisError, ("sum", "2 axes", "axis=2")),
        (lambda x: tg.sum(x, axis=(0, -2)), AxisError, ("sum", "once", "(0, -2)")),
        (lambda x: tg.sum(x, axis=0.5), TypeError, ("sum", "integer")),
        (lambda x: x[5], IndexError, ("getitem", "5", "(2, 3)")),
        (lambda x: x[0.5], IndexError, ("getitem", "0.5")),
        (lambda x: x[np.array([0.5])], TypeError, ("index", "float64")),
        (lambda x: x[np.ones((3, 3), bool)], IndexError, ("getitem", "(2, 3)")),
        (lambda x: x.reshape(4), ShapeError, ("reshape", "6 elements", "(4,)")),
        (lambda x: x.reshape(-1, -1), ShapeError, ("reshape", "one of them")),
        (lambda x: tg.add(x, "a"), DTypeError, ("numbers", "str")),
        (lambda x: tg.add(x, [[1], [2, 3]]), ShapeError, ("add: x2", "lists", "equal lengths")),
        (lambda x: tg.add(x, None), DTypeError, ("add",)),
        (lambda x: tg.concat([x, x.T]), ShapeError, ("concat", "(2, 3)", "(3, 2)")),
        (lambda x: tg.broadcast_to(x, (3, 2)), ShapeError, ("broadcast_to", "(2, 3)", "(3, 2)")),
        (lambda x: tg.squeeze(x, 0), ShapeError, ("squeeze", "(2, 3)", "not 1")),
        (lambda x: tg.max(x[:, :0]), ShapeError, ("max", "no elements")),
        (lambda x: tg.permute_dims(x, (0,)), ShapeError, ("permute_dims", "(0,)")),
        (lambda x: tg.stack([x, x.T]), ShapeError, ("stack", "one shape")),
    ],
)
def test_a_mistake_in_shape_dtype_or_axis_names_the_op_and_what_arrived(
    call: Any, kind: type[Exception], parts: tuple[str, ...]
) -> None:
    with pytest.raises(kind) as caught:
        call(leaf(np.ones((2, 3))))
    assert isinstance(caught.value, TinygradError)
    assert [part for part in parts if part not in str(caught.value)] == []


def test_an_error_in_the_forward_is_raised_as_it_is_if_it_is_none_of_numpys() -> None:
    with pytest.raises(ZeroDivisionError):
        Op(lambda x: 1 // 0, name="broken")(leaf(1.0))


# -- declaring ------------------------------------------------------------------------------------


def test_the_number_of_rules_is_that_of_the_inputs() -> None:
    with pytest.raises(TypeError, match=r"\('a', 'b'\), got 1.*None"):
        Op(lambda a, b: a + b, name="two").vjp(lambda g, y, a, b: g)


def test_a_rule_without_room_for_the_inputs_is_named_when_it_is_first_needed() -> None:
    two = Op(lambda a, b: a + b, name="two").vjp(lambda g, y: g, lambda g, y: g)
    with pytest.raises(TypeError, match="no place for 2"):
        two(leaf(1.0), leaf(1.0))


def test_a_function_without_a_rule_refuses_a_tensor_that_requires_a_gradient() -> None:
    plain = Op(lambda x: x + 1, name="plain")
    with pytest.raises(NotDifferentiableError, match=r"plain.*detach\(\)"):
        plain(leaf(1.0))
    assert plain(Tensor(1.0)).item() == 2.0
    with tg.no_grad():
        assert plain(leaf(1.0)).item() == 2.0


def test_a_constant_function_gives_a_tensor_outside_the_graph() -> None:
    steps = Op(lambda x: np.floor(x), name="steps", differentiable=False)
    assert not steps(leaf(1.5)).requires_grad


@pytest.mark.parametrize("result", [np.ones(2, int), np.ones(2, bool)])
def test_an_output_that_is_no_float_is_outside_the_graph(result: np.ndarray) -> None:
    whole = Op(lambda x: result, name="whole").vjp(lambda g, y, x: g)
    assert not whole(leaf(1.0, 2.0)).requires_grad


def test_none_stands_for_an_input_without_a_gradient() -> None:
    pick = Op(lambda x, i: x[i.astype(int)], name="pick_rows")
    pick.vjp(lambda g, _y, _x, i: ops.scatter_add(g, index=i.astype(int), shape=_x.shape), None)
    x, i = leaf(1.0, 2.0), leaf(1.0, 1.0)
    tg.sum(pick(x, i)).backward()
    assert x.grad.tolist() == [0.0, 2.0]
    assert i.grad is None


def test_a_rule_may_return_none_for_zero() -> None:
    dead = Op(lambda x: x * 0, name="dead").vjp(lambda g, y, x: None)
    x = leaf(1.0)
    (dead(x) + x).backward()
    assert x.grad.item() == 1.0


@pytest.mark.parametrize("number", [1, 1.0, np.float32(1.0), True])
def test_a_rule_may_return_a_plain_number_for_a_tensor_without_axes(number: Any) -> None:
    f = Op(lambda x: x * 1.0, name="f").vjp(lambda g, y, x: number)
    x = leaf(2.0)
    f(x).backward()
    assert x.grad.dtype == np.float64
    assert x.grad.item() == 1.0


def test_a_gradient_of_an_impossible_shape_is_reported_with_both_shapes() -> None:
    f = Op(lambda x: x * 1.0, name="f").vjp(lambda g, y, x: np.ones(5))
    with pytest.raises(ShapeError, match=r"f: its VJP.*\(5,\).*\(2,\)"):
        tg.sum(f(leaf(1.0, 2.0))).backward()


def test_a_rule_that_is_declared_again_replaces_the_first() -> None:
    f = Op(lambda x: x * 1.0, name="f").vjp(lambda g, _y, _x: g * 2)
    x = leaf(2.0)
    f(x)
    f.vjp(lambda g, y, x: g * x)
    f(x).backward()
    assert x.grad.item() == 2.0


def test_an_op_keeps_the_name_the_docstring_and_the_signature_of_its_function() -> None:
    assert tg.tanh.__name__ == "tanh"
    assert tg.tanh.__doc__.startswith("sinh x / cosh x")
    assert repr(tg.sum) == "<op sum(x, /, *, axis=None, dtype=None, keepdims=False)>"


def test_every_op_is_found_in_the_registry_by_its_name() -> None:
    assert all(made.name == name for name, made in REGISTRY.items())
    assert REGISTRY["tanh"] is tg.tanh


def test_an_op_of_ones_own_does_not_take_the_name_of_the_librarys() -> None:
    made = op(name="tanh")(lambda x: x)
    assert not made.of_library
    assert REGISTRY["tanh"] is tg.tanh


# -- what a node keeps ----------------------------------------------------------------------------


def kept(y: Tensor) -> tuple[list[str], bool]:
    """(what kind of thing the node keeps for each input, whether it keeps its output's array)."""
    node = y._node
    assert node is not None
    kinds = [
        "array" if isinstance(a, np.ndarray) else type(a).__name__ if a is not None else "none"
        for a in node.args
    ]
    return kinds, node.output is not None


X, C = leaf(np.ones((2, 2))), np.ones((2, 2))


@pytest.mark.parametrize(
    ("f", "inputs", "output"),
    [
        (lambda: X + C, ["Leaf", "Spec"], False),
        (lambda: X + 1.0, ["Leaf", "float"], False),
        (lambda: X * C, ["Leaf", "array"], False),  # the slope is c
        (lambda: C * X, ["array", "Leaf"], False),
        (lambda: X * X, ["array", "array"], False),
        (lambda: X * Tensor(C), ["Leaf", "array"], False),
        (lambda: tg.tanh(X), ["Leaf"], True),
        (lambda: tg.exp(X), ["Leaf"], True),
        (lambda: tg.relu(X), ["Leaf"], True),
        (lambda: tg.sin(X), ["array"], False),
        (lambda: tg.sum(X), ["Leaf"], False),
        (lambda: tg.exp(X)[0], ["Node"], False),
        (lambda: tg.matmul(X, C), ["Leaf", "array"], False),
        (lambda: tg.where(C > 0, X, C), ["array", "Leaf", "Spec"], False),
        (lambda: tg.linear(X, C, C[0]), ["Leaf", "array", "Spec"], False),
        (lambda: tg.reshape(X, 4), ["Leaf"], False),
    ],
)
def test_a_node_keeps_those_arrays_alone_that_a_needed_gradient_reads(
    f: Any, inputs: list[str], output: bool
) -> None:
    assert kept(f()) == (inputs, output)


def test_an_array_that_no_gradient_reads_dies_before_the_graph() -> None:
    constant = np.ones(1000)
    alive = weakref.ref(constant)
    y = leaf(np.ones(1000)) + constant
    del constant
    assert alive() is None
    y.backward(np.ones(1000))


def test_a_spec_tells_the_shape_of_what_it_stands_for() -> None:
    spec = Spec((2, 3), np.dtype(np.float32))
    assert (spec.ndim, spec.size) == (2, 6)
    node = (leaf(np.ones((2, 3))) * 2.0)._node
    assert isinstance(node, Node)
    assert (node.ndim, node.size, node.shape, node.dtype) == (2, 6, (2, 3), np.float64)
    assert "multiply" in repr(node)


def test_ops_of_a_varying_number_of_inputs_keep_what_each_call_needs() -> None:
    total = Op(lambda *xs: sum(x * x for x in xs), name="squares")
    total.vjp_each(lambda i, g, _y, *xs: 2 * g * xs[i])
    a, c = leaf(2.0), np.array(3.0)
    for n in (1, 3, 2, 5, 1):  # the same inputs require gradients; there are more or fewer others
        a.zero_grad()
        y = total(a, *[c] * n)
        y.backward()
        assert y.item() == 4.0 + 9.0 * n
        assert a.grad.item() == 4.0


@pytest.mark.parametrize("counts", [(2, 3), (3, 2)])
def test_concat_of_one_tensor_among_any_number_of_arrays(counts: tuple[int, int]) -> None:
    x = leaf(1.0, 2.0)
    for n in counts:
        x.zero_grad()
        y = tg.concat([x, *[np.ones(2)] * n])
        tg.sum(y * y).backward()
        assert x.grad.tolist() == [2.0, 4.0]


# -- residuals and outputs ------------------------------------------------------------------------


@pytest.fixture
def first_maximum() -> Op:
    @op(residuals=("at",))
    def first_maximum(x):  # type: ignore[no-untyped-def]
        at = np.argmax(x)
        return x[at], at

    return first_maximum.vjp(lambda g, _y, _x, at: ops.scatter_add(g, index=at, shape=_x.shape))


def test_a_residual_goes_to_the_rule_and_not_to_the_caller(first_maximum: Op) -> None:
    assert first_maximum(np.array([1.0, 3.0, 3.0])) == 3.0
    x = leaf(1.0, 3.0, 3.0)
    y = first_maximum(x)
    (y * y).backward(create_graph=True)
    assert x.grad.tolist() == [0.0, 6.0, 0.0]
    (h,) = gradients_of([x.grad], [np.ones(3)], [x])
    assert h.tolist() == [0.0, 2.0, 0.0]


@pytest.fixture
def sum_and_product() -> Op:
    @op(outputs=2)
    def sum_and_product(a, b):  # type: ignore[no-untyped-def]
        return a + b, a * b

    return sum_and_product.vjp(
        lambda g, _y, _a, b: g[0] + g[1] * b, lambda g, _y, a, _b: g[0] + g[1] * a
    )


@pytest.mark.parametrize("used", [(1, 1), (1, 0), (0, 1), (2, 3)])
def test_the_gradients_of_several_outputs_meet_in_one_rule(
    sum_and_product: Op, used: tuple[int, int]
) -> None:
    a, b = leaf(2.0), leaf(5.0)
    s, p = sum_and_product(a, b)
    y = s * 0.0
    for weight, part in zip(used, (s, p), strict=True):
        for _ in range(weight):
            y = y + part
    y.backward()
    assert a.grad.item() == used[0] + 5 * used[1]
    assert b.grad.item() == used[0] + 2 * used[1]


def test_an_output_that_no_gradient_reaches_counts_as_zero(sum_and_product: Op) -> None:
    a, b = leaf(2.0), leaf(5.0)
    _, p = sum_and_product(a, b)
    (p * p).backward(create_graph=True)
    assert a.grad.item() == 2 * 10 * 5
    (h,) = gradients_of([a.grad], [1.0], [b])
    assert h.item() == 40.0  # d(2 a b^2)/db


def test_several_outputs_are_differentiated_to_any_order(sum_and_product: Op) -> None:
    a, b = leaf(2.0), leaf(5.0)
    s, p = sum_and_product(a, b)
    y = s * p * p  # (a + b) a^2 b^2
    (g,) = gradients_of([y], [1.0], [a], create_graph=True)
    (h,) = gradients_of([g], [1.0], [a], create_graph=True)
    (k,) = gradients_of([h], [1.0], [a])
    # a^3 b^2 + a^2 b^3 with a = 2, b = 5
    assert (g.item(), h.item(), k.item()) == (800.0, 550.0, 150.0)


def test_some_outputs_may_hold_integers() -> None:
    @op(outputs=2)
    def largest(x):  # type: ignore[no-untyped-def]
        return np.max(x), np.argmax(x)

    largest.vjp(lambda g, y, _x: ops.scatter_add(g[0], index=y[1], shape=_x.shape))
    x = leaf(1.0, 3.0)
    value, at = largest(x)
    assert value.requires_grad
    assert not at.requires_grad
    value.backward()
    assert x.grad.tolist() == [0.0, 1.0]


def test_outputs_of_arrays_are_arrays(sum_and_product: Op) -> None:
    assert sum_and_product(np.float64(2.0), np.float64(5.0)) == (7.0, 10.0)
    with tg.no_grad():
        s, _ = sum_and_product(leaf(2.0), leaf(5.0))
    assert not s.requires_grad


# -- joint rules ----------------------------------------------------------------------------------


def test_a_joint_rule_gives_all_gradients_at_once() -> None:
    calls = []
    f = Op(lambda a, b: a * b, name="f")
    f.vjp_joint(lambda g, _y, a, b: (calls.append(1) or g * b, g * a))
    a, b = leaf(2.0), leaf(5.0)
    f(a, b).backward()
    assert (a.grad.item(), b.grad.item(), calls) == (5.0, 2.0, [1])


def test_a_joint_rule_that_forgets_an_input_is_reported() -> None:
    f = Op(lambda a, b: a * b, name="f").vjp_joint(lambda g, _y, a, b: (g * b,))
    with pytest.raises(TypeError, match="f: its joint VJP returned 1 gradients for 2"):
        f(leaf(2.0), leaf(5.0)).backward()


# -- references -----------------------------------------------------------------------------------


def test_an_op_with_a_reference_alone_is_differentiated_through_it() -> None:
    cube = Op(lambda x: x**3, name="cube", reference=lambda x: x * x * x)
    x = leaf(0.0, 1.0, 2.0)
    tg.sum(cube(x)).backward()
    assert x.grad.tolist() == [0.0, 3.0, 12.0]


def test_a_higher_order_goes_through_the_reference() -> None:
    seen = []

    def reference(a: Any, b: Any, *, k: float) -> Any:
        seen.append("reference")
        return a * a * b * k

    f = Op(lambda a, b, *, k: a * a * b * k, name="f", reference=reference)
    f.vjp_joint(lambda g, _y, a, b, k: (2 * g * a * b * k, g * a * a * k))
    a, b = leaf(2.0), leaf(5.0)
    f(a, b, k=3.0).backward()
    assert seen == []
    assert (a.grad.item(), b.grad.item()) == (60.0, 12.0)
    ga, gb = gradients_of([f(a, b, k=3.0)], [1.0], [a, b], create_graph=True)
    assert seen == ["reference"]
    assert (ga.item(), gb.item()) == (60.0, 12.0)
    (gab,) = gradients_of([ga], [1.0], [b])
    assert gab.item() == 12.0


def test_the_same_tensor_in_two_places_of_a_reference_receives_both_gradients() -> None:
    f = Op(lambda a, b: a * a * b, name="f", reference=lambda a, b: a * a * b)
    f.vjp_joint(lambda g, _y, a, b: (2 * g * a * b, g * a * a))
    x = leaf(2.0)
    (g,) = gradients_of([f(x, x)], [1.0], [x], create_graph=True)
    (h,) = gradients_of([g], [1.0], [x])
    assert (g.item(), h.item()) == (12.0, 12.0)


# -- observers ------------------------------------------------------------------------------------


def test_an_observer_sees_every_op_forward_and_backward_and_only_while_it_is_active() -> None:
    seen: list[str] = []

    class Watch(Observer):
        def before_forward(self, op: Op, values: list[Any], static: dict[str, Any]) -> None:
            seen.append(f"+{op.name}")

        def recorded(self, node: Node) -> None:
            seen.append(f"node {node.op.name}")

        def before_backward(self, node: Node, gradient: Any) -> None:
            seen.append(f"<{node.op.name}")

    x = leaf(1.0)
    tg.exp(x)
    with observe(Watch()):
        y = tg.sin(x)
    assert seen == ["+sin", "node sin"]
    with observe(Watch()):
        y.backward()
    assert seen[2] == "<sin"
    assert "+cos" in seen


def test_the_gradients_that_an_observer_keeps_stay_as_they_were() -> None:
    kept: list[list[Any]] = []

    class Watch(Observer):
        def after_backward(self, node: Node, gradients: list[Any]) -> None:
            kept.append(gradients)

    x, y = leaf(2.0), leaf(3.0)
    with observe(Watch()):
        (x * y).backward()
    assert kept == [[3.0, 2.0]]
