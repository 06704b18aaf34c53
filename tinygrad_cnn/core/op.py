"""Op: a function on arrays, its gradients beside it, declared once.

    @op
    def tanh(x):
        return np.tanh(x)

    tanh.vjp(lambda g, y, _x: g * (1 - y * y))

Called with arrays, an op computes and returns an array. Called with a Tensor among its inputs, it
also records a Node. The VJPs (vector-Jacobian products, `g -> J^T g`) are written with ops: the
sweep hands them plain arrays for a first derivative, and Tensors when the graph of the gradient is
wanted.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, overload

import numpy as np
from numpy import ndarray

from tinygrad_cnn.core.arguments import MISTAKES, array_argument, explain, signature
from tinygrad_cnn.core.modes import State, current_state
from tinygrad_cnn.core.node import Node, Spec
from tinygrad_cnn.core.tensor import Tensor, wrap
from tinygrad_cnn.errors import DTypeError, NotDifferentiableError, TinygradError

REGISTRY: dict[str, Op] = {}
"""Every op that was declared, by name; of one name the library's own, else the latest."""

VJP = Callable[..., Any]
_INPUT_KINDS = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
# Taken as they are: arrays, and Python's own numbers, whose dtype yields to the arrays' (NumPy 2's
# promotion).
_AS_IS = frozenset((np.ndarray, bool, int, float, complex))


class Op:
    """A differentiable function. Made by the decorator `op`; see there."""

    def __init__(
        self,
        forward: Callable[..., Any],
        *,
        name: str | None = None,
        residuals: Sequence[str] = (),
        outputs: int = 1,
        reference: Callable[..., Any] | None = None,
        differentiable: bool = True,
    ) -> None:
        self.forward = forward
        self.name = name or forward.__name__
        self.family = forward.__module__.rpartition(".")[2]
        self.of_library = forward.__module__.partition(".")[0] == __name__.partition(".")[0]
        self.residuals = tuple(residuals)
        self.outputs = outputs
        self.reference = reference
        self.differentiable = differentiable
        self.__doc__ = forward.__doc__
        self.__name__ = self.__qualname__ = self.name
        self.__module__ = forward.__module__
        self.__wrapped__ = forward
        parameters = _Parameters(forward)
        self.inputs, self.input_defaults = parameters.inputs, parameters.input_defaults
        self.variadic, self.arity = parameters.variadic, len(parameters.inputs)
        self.keywords, self.defaults = parameters.keywords, parameters.defaults
        self.vjps: tuple[VJP | None, ...] = ()
        self.vjp_kind = ""  # "per input", "each", "joint" or "" where there is none
        self.one_by_one = False  # whether each of the VJPs takes one gradient to one input
        self._unread: dict[int, tuple[tuple[int, ...], bool]] = {}

    # -- declaring gradients ------------------------------------------------------------------

    def vjp(self, *vjps: VJP | None) -> Op:
        """One function for each input: `(g, y, *inputs, **static, **residuals) -> dL/d(input)`.

        `g` is dL/dy and `y` the output. None stands for an input that has no gradient (indices).
        A parameter whose name starts with an underscore is one whose *values* are not read: the
        graph then keeps its shape and dtype only. A gradient in the broadcast shape is summed back
        to its input's shape, and cast to its dtype, by the sweep.
        """
        if len(vjps) != self.arity:
            raise TypeError(
                f"{self.name}: one VJP for each of its inputs {self.inputs}, got {len(vjps)}; "
                f"write None for an input without a gradient"
            )
        return self._declare("per input", vjps)

    def vjp_each(self, vjp: VJP) -> Op:
        """For an op of any number of inputs: `(i, g, y, *inputs, **static)` -> dL/d(input i)."""
        return self._declare("each", (vjp,))

    def vjp_joint(self, vjp: VJP) -> Op:
        """`(g, y, *inputs, **static, **residuals)` -> tuple of the gradients of all inputs."""
        return self._declare("joint", (vjp,))

    def _declare(self, kind: str, vjps: tuple[VJP | None, ...]) -> Op:
        self.vjp_kind = kind
        self.vjps = vjps
        self.one_by_one = kind == "per input" and self.outputs == 1
        self._unread.clear()
        return self

    # -- running ------------------------------------------------------------------------------

    def __call__(self, *args: Any, **static: Any) -> Any:
        """The output: a Tensor where an input is one, otherwise an array."""
        if static or len(args) != self.arity:
            return self.apply(*self._bind(args, static))
        return self.apply(args)

    def apply(self, args: tuple[Any, ...], static: dict[str, Any] | None = None) -> Any:
        """The op of inputs in their places, with complete keywords: run it, and record it.

        The operators come in here. Of a small op this is most of the cost, so it is one stretch
        that calls nothing it can do without.
        """
        if static is None:
            static = self.defaults
        values: list[Any] = []
        parents: list[Node | None] = []
        key = 1  # and behind this 1 a bit for each input: whether it requires a gradient
        needed, tensors, arrays = False, False, True
        for a in args:
            parent, kind = None, type(a)
            if kind is Tensor or (kind is not ndarray and isinstance(a, Tensor)):
                tensors, parent = True, a._node
                values.append(a._data)
            elif kind is ndarray:
                values.append(a)
            else:
                arrays = False
                values.append(a if kind in _AS_IS else self._as_array(a, len(values)))
            parents.append(parent)
            key += key
            if parent is not None:
                key += 1
                needed = True
        if not tensors and not arrays:
            values = self._as_arrays(args)

        state = current_state()
        try:
            if state.observers:
                y = self._run_observed(list(values), static, state)
            else:
                y = self.forward(*values, **static) if static else self.forward(*values)
        except TinygradError:
            raise
        except MISTAKES as error:
            raise self._explained(error, values, static) from error
        residual = None
        if self.residuals:
            y, residual = self._split(y)
        if not tensors:
            return y

        if self.outputs > 1:
            y = tuple(np.asarray(part) for part in y)
            shape, dtype = tuple(part.shape for part in y), tuple(part.dtype for part in y)
        else:
            if type(y) is not ndarray:
                y = np.asarray(y)  # NumPy returns scalars for zero dimensions
            shape, dtype = y.shape, y.dtype
            if dtype.kind not in "fc":
                needed = False
        node = None
        if needed and state.grad and self.differentiable:
            unread, output_read = self._unread.get(key) or self._find_unread(key)
            for i in unread:
                values[i] = parents[i] or _spec(values[i])
            kept = y if output_read else None
            node = Node().of(
                self, parents, values, static, kept, residual, shape, dtype, state.scope
            )
            if state.observers:
                for observer in state.observers:
                    observer.recorded(node)
        return wrap(y, node) if self.outputs == 1 else _each_output(y, node)

    def _explained(
        self, error: Exception, values: Sequence[Any], static: dict[str, Any]
    ) -> TinygradError:
        arguments = {self._input_name(i): v for i, v in enumerate(values)}
        usual = self.defaults
        arguments |= {k: v for k, v in static.items() if usual.get(k, ...) is not v}
        return explain(self.forward, self.name, error, arguments)

    def _run_observed(self, values: list[Any], static: dict[str, Any], state: State) -> Any:
        for observer in state.observers:
            observer.before_forward(self, values, static)
        y = self.forward(*values, **static)
        for observer in reversed(state.observers):
            observer.after_forward(self, values, static, y)
        return y

    def _split(self, y: tuple[Any, ...]) -> tuple[Any, dict[str, Any]]:
        """(outputs, residuals by name) of what the forward returned."""
        outputs, residuals = y[: self.outputs], y[self.outputs :]
        return (
            outputs[0] if self.outputs == 1 else outputs,
            dict(zip(self.residuals, residuals, strict=True)),
        )

    # -- the gradient -------------------------------------------------------------------------

    def pull(
        self, g: Any, y: Any, args: Sequence[Any], parents: Sequence[Any], static: dict[str, Any]
    ) -> list[Any]:
        """The gradients of the inputs, None for each that has no parent."""
        call = (g, y, *args)
        if self.vjp_kind == "per input":
            return [
                None if parent is None or vjp is None else vjp(*call, **static)
                for parent, vjp in zip(parents, self.vjps, strict=True)
            ]
        (vjp,) = self.vjps
        assert vjp is not None
        if self.vjp_kind == "joint":
            gradients = list(vjp(*call, **static))
            if len(gradients) != len(parents):
                raise TypeError(
                    f"{self.name}: its joint VJP returned {len(gradients)} gradients for "
                    f"{len(parents)} inputs; return one for each, None where there is none"
                )
            return gradients
        return [
            None if parent is None else vjp(i, *call, **static) for i, parent in enumerate(parents)
        ]

    def _find_unread(self, key: int) -> tuple[tuple[int, ...], bool]:
        """(the inputs that no needed gradient reads, whether one reads the output), remembered.

        The bits of the key, behind its first, tell which inputs need a gradient.
        """
        n = key.bit_length() - 1
        needs = [key >> (n - 1 - i) & 1 for i in range(n)]
        reads = self._reads_of(needs)
        unread = tuple(i for i in range(n) if not any(inputs[i] for inputs, _ in reads))
        self._unread[key] = unread, any(output for _, output in reads)
        return self._unread[key]

    def _reads_of(self, needs: list[int]) -> list[tuple[list[bool], bool]]:
        n = len(needs)
        # A higher order runs the reference again: on every input, and with an output of its own.
        reference = [] if self.reference is None else [([True] * n, False)]
        if self.vjp_kind == "per input":
            own = [_reads(v, n) for v, need in zip(self.vjps, needs, strict=True) if v and need]
        elif self.vjp_kind:
            (vjp,) = self.vjps
            assert vjp is not None
            own = [_reads(vjp, n, skip=1 if self.vjp_kind == "each" else 0)]
        elif reference:
            own = []
        else:
            raise NotDifferentiableError(
                f"{self.name}: has no derivative rule, and an input requires a gradient; detach() "
                f"the input, or declare {self.name}.vjp(...)"
            )
        return own + reference

    # -- arguments ----------------------------------------------------------------------------

    def _bind(
        self, args: tuple[Any, ...], static: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Inputs in their places, static keywords complete with their defaults."""
        if not self.variadic and len(args) != self.arity:
            if len(args) > self.arity:
                extra = args[self.arity :]
                if len(extra) > len(self.keywords):
                    raise TypeError(
                        f"{self.name}: takes {self.signature}, got {len(args)} arguments"
                    )
                static = {**dict(zip(self.keywords, extra, strict=False)), **static}
                args = args[: self.arity]
            else:
                args, static = self._fill_inputs(args, static)
        for key, value in static.items():
            if key not in self.keywords:
                near = get_close_matches(key, (*self.inputs, *self.keywords), 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise TypeError(f"{self.name}: no argument {key!r} in {self.signature}{hint}")
            if isinstance(value, Tensor):
                raise DTypeError(
                    f"{self.name}: {key} is a static keyword, through which no gradient flows; "
                    f"got a Tensor; pass its .data"
                )
        return args, {**self.defaults, **static}

    def _fill_inputs(
        self, args: tuple[Any, ...], static: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Inputs that were given by keyword, or left to their default None."""
        static = dict(static)
        filled = list(args)
        for name in self.inputs[len(args) :]:
            if name not in static and name not in self.input_defaults:
                raise TypeError(f"{self.name}: input {name!r} of {self.signature} is missing")
            filled.append(static.pop(name, self.input_defaults.get(name)))
        return tuple(filled), static

    def _as_arrays(self, args: tuple[Any, ...]) -> list[Any]:
        """Lists as arrays, and numbers, too, where there are only Python's own."""
        alone = not any(isinstance(a, np.ndarray | np.generic) for a in args)
        return [
            np.asarray(a)
            if alone and isinstance(a, int | float | complex)
            else (a if type(a) in _AS_IS else self._as_array(a, i))
            for i, a in enumerate(args)
        ]

    def _as_array(self, value: Any, i: int) -> Any:
        if value is None and self._input_name(i) in self.input_defaults:
            return None
        return array_argument(self.forward, self.name, self._input_name(i), value)

    def _input_name(self, i: int) -> str:
        return self.inputs[i] if i < self.arity else f"input {i}"

    @property
    def signature(self) -> str:
        """As the user would write it: name(parameters)."""
        return signature(self.forward, self.name)

    def __repr__(self) -> str:
        return f"<op {self.signature}>"


_tuple: Any = tuple.__new__


def _spec(value: Any) -> Any:
    # By way of tuple, past the __new__ of the named one, which is written in Python.
    return _tuple(Spec, (value.shape, value.dtype)) if isinstance(value, ndarray) else value


class _Parameters:
    """What an op's forward takes.

    The inputs are the positional-only parameters where the signature has a `/`, as the array API
    standard writes them; otherwise all positional ones. Everything else is static.
    """

    def __init__(self, forward: Callable[..., Any]) -> None:
        parameters = list(inspect.signature(forward).parameters.values())
        has_slash = any(p.kind is p.POSITIONAL_ONLY for p in parameters)
        kinds = _INPUT_KINDS[:1] if has_slash else _INPUT_KINDS
        inputs = [p for p in parameters if p.kind in kinds]
        rest = [p for p in parameters if p.kind not in (*kinds, p.VAR_POSITIONAL)]
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        self.inputs = tuple(p.name for p in inputs)
        self.input_defaults = {p.name: p.default for p in inputs if p.default is not p.empty}
        self.keywords = tuple(p.name for p in rest)
        self.defaults = {p.name: p.default for p in rest if p.default is not p.empty}


def _reads(vjp: VJP, n: int, skip: int = 0) -> tuple[list[bool], bool]:
    """(for each of n inputs whether the VJP reads its values, whether it reads the output's)."""
    parameters = list(inspect.signature(vjp).parameters.values())[skip:]
    positional = [p for p in parameters if p.kind in _INPUT_KINDS]
    rest = [p for p in parameters if p.kind is p.VAR_POSITIONAL]
    reads = [not p.name.startswith("_") for p in positional[1 : n + 2]]
    if rest:
        reads += [not rest[0].name.startswith("_")] * (n + 1 - len(reads))
    if len(reads) < n + 1:
        raise TypeError(
            f"a VJP takes (g, y, *inputs, **static): {inspect.signature(vjp)} has no place for "
            f"{n} input(s)"
        )
    return reads[1:], reads[0]


@overload
def op(forward: Callable[..., Any], /) -> Op: ...
@overload
def op(
    *,
    name: str | None = None,
    residuals: Sequence[str] = (),
    outputs: int = 1,
    reference: Callable[..., Any] | None = None,
    differentiable: bool = True,
) -> Callable[[Callable[..., Any]], Op]: ...
def op(forward: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Declare a differentiable function of arrays.

    The positional-only parameters are the inputs (all positional ones, where there is no `/`);
    keywords are static. Options:

    residuals       names of the integer or boolean arrays that the forward returns after its
                    output, for its VJPs, which receive them as keywords
    outputs         how many arrays the forward returns, if several; `g` and `y` are then tuples
    reference       the same function in primitives: the kernel serves the forward and the first
                    VJP, any higher order goes through the reference (residuals may then be floats)
    differentiable  False for a function that is constant almost everywhere

    >>> import numpy as np, tinygrad_cnn as tg
    >>> @tg.op
    ... def cube(x):
    ...     return x**3
    >>> cube.vjp(lambda g, _y, x: g * 3 * x**2)
    <op cube(x)>
    >>> cube(np.array([1.0, 2.0]))
    array([1., 8.])
    >>> x = tg.Tensor(2.0, requires_grad=True)
    >>> cube(x).backward()
    >>> x.grad
    Tensor(12., dtype=float32)
    """

    def declare(function: Callable[..., Any]) -> Op:
        made = Op(function, **options)
        known = REGISTRY.get(made.name)
        if known is None or made.of_library or not known.of_library:
            REGISTRY[made.name] = made
        return made

    return declare if forward is None else declare(forward)


PICK = Op(lambda ys, /, *, index: ys[index], name="pick")
"""The op of a node that stands for one output of several; the sweep gathers their gradients."""


def pick(node: Node, index: int, y: Any) -> Node:
    """The node of output `index`, the array `y`, of an op with several."""
    scope = node.scope
    return Node().of(PICK, [node], [node], {"index": index}, None, None, y.shape, y.dtype, scope)


def _each_output(ys: Sequence[Any], node: Node | None) -> tuple[Tensor, ...]:
    """Tensors of an op's outputs: those that can have a gradient pick it from the op's node."""
    return tuple(
        wrap(y, pick(node, i, y) if node is not None and y.dtype.kind in "fc" else None)
        for i, y in enumerate(ys)
    )
