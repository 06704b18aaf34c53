"""Transforms: from a function to its derivatives.

    grad(f)              x -> df/dx                      f returns a number
    value_and_grad(f)    x -> f(x), df/dx
    vjp(f, *xs)          y, and u -> u^T J               J = dy/dx, one row at a time
    jvp(f, xs, vs)       y, J v                          one column at a time
    jacobian(f)          x -> J                          of shape y.shape + x.shape
    hessian(f)           x -> d^2 f/dx^2                 of shape x.shape + x.shape
    hvp(f, xs, vs)       H v                             without H
    checkpoint(f, *xs)   f(*xs), computed again for the gradient instead of saved

Arguments and results may be numbers, arrays, Tensors, and nested lists, tuples and dicts of them.
Given arrays, the derivatives are arrays. Given Tensors, or inside another transform, they are
Tensors that can be differentiated again, so that transforms nest: grad(grad(f)), jvp(grad(f), ...).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from numbers import Number
from operator import index
from typing import Any, SupportsIndex

import numpy as np

from tinygrad_cnn.core.arguments import as_array, describe
from tinygrad_cnn.core.backward import gradients_of
from tinygrad_cnn.core.modes import enable_grad, rng
from tinygrad_cnn.core.node import Leaf
from tinygrad_cnn.core.op import Op
from tinygrad_cnn.core.tensor import Tensor, wrap
from tinygrad_cnn.errors import ConfigError, DTypeError, GraphError, ShapeError
from tinygrad_cnn.ops import alias, sum

_depth: ContextVar[int] = ContextVar("tinygrad_cnn_transform_depth", default=0)

# -- nested structures --------------------------------------------------------------------------


def flatten_tree(tree: Any) -> tuple[list[Any], Callable[[Sequence[Any]], Any]]:
    """(the leaves in order, a function that puts others in their places)."""
    leaves: list[Any] = []
    shape = _take_apart(tree, leaves)
    return leaves, lambda new: _put_together(shape, iter(new))


def _take_apart(tree: Any, leaves: list[Any]) -> Any:
    if isinstance(tree, dict):
        return {key: _take_apart(value, leaves) for key, value in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):  # a named tuple
        return type(tree)(*(_take_apart(value, leaves) for value in tree))
    if isinstance(tree, tuple | list):
        return type(tree)(_take_apart(value, leaves) for value in tree)
    leaves.append(tree)
    return None


def _put_together(shape: Any, leaves: Iterator[Any]) -> Any:
    if isinstance(shape, dict):
        return {key: _put_together(value, leaves) for key, value in shape.items()}
    if isinstance(shape, tuple) and hasattr(shape, "_fields"):
        return type(shape)(*(_put_together(value, leaves) for value in shape))
    if isinstance(shape, tuple | list):
        return type(shape)(_put_together(value, leaves) for value in shape)
    return next(leaves)


# -- running a function with leaves of its own --------------------------------------------------


class _Traced:
    """f run on fresh leaves in place of the chosen arguments.

    `higher`: the derivatives must be differentiable themselves, since a Tensor came in or another
    transform is running around this one.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        args: Sequence[Any],
        kwargs: dict[str, Any] | None = None,
        argnums: Sequence[int] | None = None,
    ) -> None:
        argnums = range(len(args)) if argnums is None else argnums
        flat, self.rebuild = flatten_tree([args[i] for i in argnums])
        self.higher = _depth.get() > 0 or any(isinstance(x, Tensor) for x in flat)
        with enable_grad(), _nested():
            self.leaves = [_fresh(x) for x in flat]
            full = list(args)
            for i, value in zip(argnums, self.rebuild(self.leaves), strict=True):
                full[i] = value
            self.result = f(*full, **(kwargs or {}))

    def pull(self, ys: Sequence[Any], cotangents: Sequence[Any], again: bool = False) -> list[Any]:
        """d<cotangents, ys>/d(leaves), zero where there is no dependence."""
        live = [(y, u) for y, u in zip(ys, cotangents, strict=True) if isinstance(y, Tensor)]
        found = gradients_of(
            [y for y, _ in live],
            [u for _, u in live],
            self.leaves,
            create_graph=self.higher,
            retain_graph=again,
        )
        return [
            wrap(np.zeros(x.shape, x.dtype), None) if g is None else g
            for x, g in zip(self.leaves, found, strict=True)
        ]

    def hand_out(self, tensor: Any) -> Any:
        """A result as the caller should see it: a Tensor in the graph, or a plain array."""
        return tensor if self.higher or not isinstance(tensor, Tensor) else tensor.data


@contextmanager
def _nested() -> Iterator[None]:
    token = _depth.set(_depth.get() + 1)
    try:
        yield
    finally:
        _depth.reset(token)


def _fresh(x: Any) -> Tensor:
    """A Tensor with a node of its own, which a Tensor's gradient flows on through."""
    if isinstance(x, Tensor) and x.requires_grad:
        return alias(x)  # type: ignore[no-any-return]
    array = x.data if isinstance(x, Tensor) else as_array(x)
    if array.dtype.kind not in "fc":
        raise DTypeError(
            f"only float arguments can be differentiated, got dtype {array.dtype}; convert the "
            f"argument, or leave it out of argnums"
        )
    return wrap(array, Leaf(array.shape, array.dtype))


def _argnums(argnums: SupportsIndex | Sequence[int], n: int) -> list[int]:
    try:
        chosen = [index(i) for i in ([argnums] if isinstance(argnums, SupportsIndex) else argnums)]
    except TypeError:
        raise ConfigError(f"argnums must be an integer, or several, got {argnums!r}") from None
    for i in chosen:
        if not -n <= i < n:
            raise IndexError(f"argnums={i}: the function was called with {n} positional arguments")
    places = [i % n for i in chosen]
    if len(set(places)) < len(places):
        raise ConfigError(f"argnums={argnums!r} names an argument twice")
    return places


# -- the transforms -----------------------------------------------------------------------------


def value_and_grad(
    f: Callable[..., Any], argnums: SupportsIndex | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """x -> (f(x), df/dx) for a function that returns a number.

    argnums: which positional argument(s) to differentiate; several give a tuple of gradients.
    has_aux: f returns (number, anything), and the result is ((number, anything), gradient).

    >>> import numpy as np
    >>> value_and_grad(lambda x: sum(x * x))(np.array([1.0, 3.0]))
    (array(10.), array([2., 6.]))
    """

    @wraps(f)
    def both(*args: Any, **kwargs: Any) -> Any:
        run = _Traced(f, args, kwargs, _argnums(argnums, len(args)))
        y, aux = run.result if has_aux else (run.result, None)
        if not isinstance(y, Tensor | np.ndarray | Number) or getattr(y, "shape", ()) != ():
            raise GraphError(
                f"grad: the function must return a single number, got {describe(y)}; reduce it "
                f"with sum(), or use jacobian"
            )
        gradients = run.pull([y], [np.ones((), y.dtype)] if isinstance(y, Tensor) else [None])
        trees = run.rebuild([run.hand_out(g) for g in gradients])
        value = run.hand_out(y)
        derivative = trees[0] if isinstance(argnums, SupportsIndex) else tuple(trees)
        return (value, aux) if has_aux else value, derivative

    return both


def grad(
    f: Callable[..., Any], argnums: SupportsIndex | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """x -> df/dx for a function that returns a number; see value_and_grad for the options.

    >>> cube = lambda x: x * x * x
    >>> float(grad(cube)(2.0)), float(grad(grad(cube))(2.0)), float(grad(grad(grad(cube)))(2.0))
    (12.0, 12.0, 6.0)
    """
    both = value_and_grad(f, argnums, has_aux)

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, g = both(*args, **kwargs)
        return (g, value[1]) if has_aux else g

    return gradient


def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """(y, pull) where y = f(*primals) and pull(u) = u^T J, one entry for each argument.

    u has the structure and the shapes of y. pull may be called many times.

    >>> import numpy as np
    >>> y, pull = vjp(lambda x: x * x, np.array([1.0, 2.0]))
    >>> pull(np.array([1.0, 10.0]))
    (array([ 2., 40.]),)
    """
    run = _Traced(f, primals)
    ys, rebuild_y = flatten_tree(run.result)

    def pull(cotangent: Any) -> tuple[Any, ...]:
        us, _ = flatten_tree(cotangent)
        if len(us) != len(ys):
            raise ShapeError(
                f"vjp: f has {len(ys)} outputs, so pull needs {len(ys)}, got {len(us)}"
            )
        us = [u if isinstance(u, Tensor) else as_array(u) for u in us]
        return tuple(run.rebuild([run.hand_out(g) for g in run.pull(ys, us, again=True)]))

    return rebuild_y([run.hand_out(y) for y in ys]), pull


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """(y, J v) where y = f(*primals), J = dy/d(primals) and v = tangents.

    u -> u^T J is linear in u, and its own transpose is v -> J v: the vjp of a vjp.

    >>> import numpy as np
    >>> y, dy = jvp(lambda x: x * x, (np.array([1.0, 2.0]),), (np.array([1.0, 0.5]),))
    >>> dy
    array([2., 2.])
    """
    if not (isinstance(primals, tuple | list) and isinstance(tangents, tuple | list)):
        raise ShapeError(
            "jvp: primals and tangents are tuples, with an entry for each argument of f; write "
            "jvp(f, (x,), (v,))"
        )
    run = _Traced(f, tuple(primals))
    vs = _matching(tangents, run.leaves, "jvp: a tangent")
    higher, run.higher = run.higher or any(isinstance(v, Tensor) for v in vs), True
    ys, rebuild_y = flatten_tree(run.result)
    live = [y for y in ys if isinstance(y, Tensor)]
    us = [wrap(np.zeros(y.shape, y.dtype), Leaf(y.shape, y.dtype)) for y in live]
    with enable_grad():
        found = gradients_of(live, us, run.leaves, create_graph=True)
    rows = [(g, v) for g, v in zip(found, vs, strict=True) if g is not None]
    columns = gradients_of([g for g, _ in rows], [v for _, v in rows], us, create_graph=higher)
    run.higher = higher
    moved = iter(columns)
    dys = [next(moved) if isinstance(y, Tensor) else None for y in ys]
    zeros = [
        np.zeros(np.shape(y), getattr(y, "dtype", None)) for y in (run.hand_out(y) for y in ys)
    ]
    return (
        rebuild_y([run.hand_out(y) for y in ys]),
        rebuild_y(
            [z if dy is None else run.hand_out(dy) for dy, z in zip(dys, zeros, strict=True)]
        ),
    )


def jacobian(
    f: Callable[..., Any], argnums: SupportsIndex | Sequence[int] = 0
) -> Callable[..., Any]:
    """x -> dy/dx, of shape y.shape + x.shape, one row (a vjp) for each element of y.

    Where y or x is a structure, the result is y's structure of x's structures.

    >>> import numpy as np
    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    @wraps(f)
    def full(*args: Any, **kwargs: Any) -> Any:
        run = _Traced(f, args, kwargs, _argnums(argnums, len(args)))
        ys, rebuild_y = flatten_tree(run.result)
        blocks = []
        for y in ys:
            shape = np.shape(y.data) if isinstance(y, Tensor) else np.shape(y)
            rows = [run.pull([y], [u], again=True) for u in _units(y, shape)]
            trees = run.rebuild(
                [
                    run.hand_out(_stack_rows([row[k] for row in rows], shape, x))
                    for k, x in enumerate(run.leaves)
                ]
            )
            blocks.append(trees[0] if isinstance(argnums, SupportsIndex) else tuple(trees))
        return rebuild_y(blocks)

    return full


def _units(y: Any, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """The unit arrays of a shape: 1 at one place, 0 elsewhere."""
    for i in range(int(np.prod(shape, dtype=np.int64))):
        unit = np.zeros(shape, getattr(y, "dtype", None))
        unit.flat[i] = 1
        yield unit


def _stack_rows(rows: list[Tensor], shape: tuple[int, ...], x: Tensor) -> Tensor:
    from tinygrad_cnn.ops import reshape, stack

    if not rows:
        return wrap(np.zeros((*shape, *x.shape), x.dtype), None)
    return reshape(stack(rows), (*shape, *x.shape))  # type: ignore[no-any-return]


def hessian(
    f: Callable[..., Any], argnums: SupportsIndex | Sequence[int] = 0
) -> Callable[..., Any]:
    """x -> d^2 f/dx^2, of shape x.shape + x.shape, for a function that returns a number.

    >>> import numpy as np
    >>> hessian(lambda x: x[0] * x[0] * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    return jacobian(grad(f, argnums), argnums)


def hvp(f: Callable[..., Any], primals: Any, tangents: Any) -> Any:
    """H v, H the Hessian of f at `primals`: the gradient of <df/dx, v>, for the cost of a few f's.

    Tuples stand for several arguments, and the result is then a tuple.
    Source: Pearlmutter, Fast exact multiplication by the Hessian, 1994.

    >>> import numpy as np
    >>> hvp(lambda x: x[0] * x[0] * x[1], np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([4., 2.])
    """
    several = isinstance(primals, tuple)
    xs = primals if several else (primals,)
    vs, _ = flatten_tree(list(tangents) if several else [tangents])
    every = tuple(range(len(xs)))

    def slope(*args: Any) -> Any:
        gs, _ = flatten_tree(list(grad(f, every)(*args)))
        checked = _matching([vs], gs, "hvp: a tangent")
        total: Any = 0.0
        for g, v in zip(gs, checked, strict=True):
            total = total + sum(g * v)
        return total

    result = grad(slope, every)(*xs)
    return result if several else result[0]


def _matching(tangents: Any, leaves: Sequence[Any], what: str) -> list[Any]:
    """The tangents as arrays or Tensors, each of its leaf's shape and dtype."""
    vs, _ = flatten_tree(list(tangents))
    if len(vs) != len(leaves):
        raise ShapeError(f"{what} for each argument is needed: {len(leaves)}, got {len(vs)}")
    out = []
    for v, x in zip(vs, leaves, strict=True):
        v = v if isinstance(v, Tensor) else as_array(v)
        if v.shape != x.shape:
            raise ShapeError(f"{what} must have its argument's shape {x.shape}, got {v.shape}")
        if v.dtype.kind == "c" and x.dtype.kind == "f":
            raise DTypeError(f"{what} of a real argument must be real, got a complex one")
        out.append(v if isinstance(v, Tensor) else v.astype(x.dtype, copy=False))
    return out


# -- less memory ----------------------------------------------------------------------------------


def checkpoint(f: Callable[..., Any], *args: Any) -> Any:
    """f(*args), without the arrays that its gradient needs: backward() runs f again to have them.

    Memory for one f instead of all, time for one more forward. f takes arrays and Tensors, and may
    use others (a Module's parameters); it returns a Tensor or a tuple of them, and must compute the
    same the second time. Random numbers drawn by dropout are drawn again; what else f changes (the
    running averages of a batch norm) it changes twice.

    Source: Chen et al., Training deep nets with sublinear memory cost, 2016.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> sum(checkpoint(lambda x: x * x * x, x)).backward()
    >>> x.grad
    Tensor([ 3., 12.], dtype=float32)
    """
    start, random_state = Leaf((), np.dtype(float)).seq, rng().bit_generator.state
    inputs = [_stand_in(a) for a in args]
    result = f(*inputs)
    several = isinstance(result, tuple)
    ys = result if several else (result,)
    if not ys or not all(isinstance(y, Tensor | np.ndarray) for y in ys):
        raise DTypeError(
            f"checkpoint: f must return an array or a Tensor or a tuple of them, got "
            f"{describe(result)}"
        )
    outside = _reached_before(start, ys)
    arrays = [y.data if isinstance(y, Tensor) else y for y in ys]
    del result, ys  # and with them the graph

    def again(g: Any, _y: Any, *saved: Any) -> list[Any]:
        given = rng().bit_generator.state
        rng().bit_generator.state = random_state
        try:
            with enable_grad():
                fresh = [_fresh(a) if _is_float(a) else a for a in saved[: len(args)]]
                out = f(*fresh)
        finally:
            rng().bit_generator.state = given
        leaves = [a for a in fresh if isinstance(a, Tensor) and a.requires_grad]
        pairs = zip(out, g if len(out) > 1 else (g,), strict=True) if several else [(out, g)]
        live = [(y, gy) for y, gy in pairs if isinstance(y, Tensor)]
        outs, gs = [y for y, _ in live], [gy for _, gy in live]
        higher = any(isinstance(gi, Tensor) for gi in gs)
        inputs = [*leaves, *outside]
        found = iter(gradients_of(outs, gs, inputs, create_graph=higher, partial=True))
        kept = [next(found) if isinstance(a, Tensor) and a.requires_grad else None for a in fresh]
        return [t.data if t is not None and not higher else t for t in [*kept, *found]]

    def forward(*_inputs: Any) -> Any:
        return tuple(arrays) if len(arrays) > 1 else arrays[0]

    rerun = Op(forward, name="checkpoint", outputs=len(arrays)).vjp_joint(again)
    y = rerun(*args, *outside)
    return (y if len(arrays) > 1 else (y,)) if several else y


def _is_float(a: Any) -> bool:
    return isinstance(a, Tensor | np.ndarray) and a.dtype.kind in "fc"


def _stand_in(a: Any) -> Any:
    """An argument cut off from the graph behind it, whose gradient can still be recorded."""
    return wrap(a.data, Leaf(a.shape, a.dtype)) if isinstance(a, Tensor) and a.requires_grad else a


def _reached_before(start: int, ys: Sequence[Any]) -> list[Tensor]:
    """The Tensors, recorded before `start`, that f used without being given them."""
    stack = [y._node for y in ys if isinstance(y, Tensor) and y._node is not None]
    seen: set[int] = set()
    found = []
    while stack:
        node = stack.pop()
        if node.seq in seen:
            continue
        seen.add(node.seq)
        if node.seq < start:
            found.append(wrap(np.empty(0), node))
        else:
            stack.extend(p for p in node.parents if p is not None)
    return found
