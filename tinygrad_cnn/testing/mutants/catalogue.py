"""The mutants of the library's own ops: each a mistake, in an op, under a test.

The kit is as good as the mutants that it kills. `kill_matrix` runs it on all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

import tinygrad_cnn.ops as ops
from tinygrad_cnn.core.modes import enable_grad
from tinygrad_cnn.core.op import REGISTRY, Op
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import require
from tinygrad_cnn.testing import strategies as st
from tinygrad_cnn.testing.mutants import mistakes
from tinygrad_cnn.testing.mutants.mutations import MUTATIONS, Mutation
from tinygrad_cnn.testing.mutants.swapping import (
    Trace,
    mutate,
    named,
    patched,
    spoil_bare,
    swapped,
)

if TYPE_CHECKING:
    from hypothesis import strategies as hs
    from hypothesis.strategies import SearchStrategy
else:
    hs = require("hypothesis.strategies", "testing")


@dataclass(frozen=True)
class Work:
    """What a mutant is tested by: a function, its cases, and the options of check_all."""

    f: Callable[..., Any]
    cases: SearchStrategy[Any]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Mutant:
    """A mistake in one place. `active()` puts it there; `work` is what should find it.

    Exactly one of these says what the mistake is:
    mutation   a Mutation of the VJP of the op's input; `op` is an Op, or a name in the registry
    rule       another VJP in its place
    body       a wrong function in place of work.f
    sweep      functions in the place of those of core.backward, by name
    vjp        a right vjp(g, *inputs), for the mutation to spoil
    """

    name: str
    work: Work
    op: Op | str = ""
    input: int = 0
    mutation: Mutation | None = None
    rule: Callable[..., Any] | None = None
    body: Callable[..., Any] | None = None
    sweep: dict[str, Callable[..., Any]] | None = None
    vjp: Callable[..., Any] | None = None

    @contextmanager
    def active(self) -> Iterator[tuple[Callable[..., Any], dict[str, Any], Trace]]:
        """(the function, the options of check_all, whether there was an effect)."""
        f, options, trace = self.body or self.work.f, self.work.options, Trace(True)
        if self.vjp is not None and self.mutation is not None:
            wrong = spoil_bare(self.vjp, self.mutation, self.input, trace)
            yield f, {**options, "vjp": wrong}, trace
        elif self.mutation is not None:
            with mutate(self.op, self.mutation, self.input) as trace:
                yield f, options, trace
        elif self.rule is not None:
            op = named(self.op, REGISTRY, "op")
            vjps = [self.rule if i == self.input else v for i, v in enumerate(op.vjps)]
            with swapped(op, op.vjp_kind, vjps):
                yield f, options, trace
        elif self.sweep is not None:
            with patched(import_module("tinygrad_cnn.core.backward"), self.sweep):
                yield f, options, trace
        else:
            yield f, options, trace


# -- what they are tested by ----------------------------------------------------------------------


def conv(x: Any, w: Any, b: Any = None, **static: Any) -> Any:
    """conv1d, conv2d or conv3d, as many axes as w has."""
    return (ops.conv1d, ops.conv2d, ops.conv3d)[len(w.shape) - 3](x, w, b, **static)


def max_pool(x: Any, **static: Any) -> Any:
    """max_pool1d, 2d or 3d."""
    pools = ops.max_pool1d, ops.max_pool2d, ops.max_pool3d
    return pools[len(x.shape) - 3](x, **static)


def average_pool(x: Any, **static: Any) -> Any:
    """avg_pool1d, 2d or 3d."""
    pools = ops.avg_pool1d, ops.avg_pool2d, ops.avg_pool3d
    return pools[len(x.shape) - 3](x, **static)


def _naive_cross_entropy(logits: Any, labels: Any) -> Any:
    rows = np.arange(len(labels))
    losses = ops.logsumexp(logits, axis=1) - ops.getitem(logits, (rows, labels))
    return ops.sum(losses) / len(labels)


def _windows_of(x: Any, kernel_size: Any, stride: Any, padding: Any, outside: float) -> Any:
    """The elements of each window along a new last axis, one slice of the padded image a tap."""
    x = ops.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)], value=outside)
    count = [(m - k) // s + 1 for m, k, s in zip(x.shape[2:], kernel_size, stride, strict=True)]
    taps = []
    for tap in np.ndindex(*kernel_size):
        cut = (slice(a, a + s * (c - 1) + 1, s) for a, s, c in zip(tap, stride, count, strict=True))
        taps.append(ops.getitem(x, (slice(None), slice(None), *cut)))
    return ops.stack(taps, axis=-1)


def _naive_max_pool(x: Any, kernel_size: Any, stride: Any, padding: Any) -> Any:
    windows = _windows_of(x, kernel_size, stride, padding, -1e9)
    first = np.argmax(windows.data if isinstance(windows, Tensor) else windows, axis=-1)
    return ops.getitem(windows, (*np.indices(first.shape), first))


def _naive_average_pool(x: Any, kernel_size: Any, stride: Any, padding: Any) -> Any:
    return ops.mean(_windows_of(x, kernel_size, stride, padding, 0.0), axis=-1)


def _naive_softmax(x: Any) -> Any:
    shifted = ops.exp(x - ops.max(x, axis=-1, keepdims=True))
    return shifted / ops.sum(shifted, axis=-1, keepdims=True)


def _naive_max(x: Any, axis: Any, keepdims: bool) -> Any:
    values = x.data if isinstance(x, Tensor) else x
    ties = np.asarray(values == np.max(values, axis=axis, keepdims=True), np.float64)
    return ops.sum(x * (ties / ties.sum(axis=axis, keepdims=True)), axis=axis, keepdims=keepdims)


def _naive_relu(x: Any) -> Any:
    return ops.where((x.data if isinstance(x, Tensor) else x) > 0, x, 0.0)


PRODUCT = Work(ops.multiply, st.broadcastable(2))
SUM = Work(ops.add, st.broadcastable(2))
MATMUL = Work(ops.matmul, st.matmul_cases())
QUOTIENT = Work(ops.divide, st.broadcastable(2, low=0.5))
TANH = Work(ops.tanh, st.arrays())
EXP = Work(ops.exp, st.arrays())
CONV = Work(conv, st.conv_cases(bias=True, dilated=True, groups=True))
POOL = Work(max_pool, st.pool_cases(ties=False), {"reference": _naive_max_pool})
AVERAGE = Work(average_pool, st.pool_cases(ties=False), {"reference": _naive_average_pool})
TIES = Work(max_pool, st.pool_cases(1, ties=True), {"at": "kink", "reference": _naive_max_pool})
MAX = Work(
    ops.max,
    st.reduction_cases(low=-0.25, high=0.25, shape=st.shapes(1, 2, 3, empty=False)),
    {"at": "kink", "reference": _naive_max},
)
LOSS = Work(
    ops.cross_entropy, st.logits_with_labels(saturated=False), {"reference": _naive_cross_entropy}
)
SOFTMAX = Work(ops.softmax, st.arrays(st.shapes(1, 3)), {"reference": _naive_softmax})
RELU = Work(ops.relu, st.arrays(), {"reference": _naive_relu})
INDEX = Work(lambda x, *, index: ops.getitem(x, index), st.index_cases())
PROGRAM = Work(lambda x, w, *, program: program(x, w), st.residual_dags())
DIFFERENCE = Work(ops.subtract, st.tuples_of_one_shape(2))
ROWS = Work(ops.tanh, st.arrays((3, 2)))
JOINED_ROWS = Work(ops.logaddexp, hs.tuples(st.arrays((3, 2)), st.arrays((2,))))
ROUGH_EXP = Work(lambda x: _in_float32(ops.exp, x), st.arrays())
ROUGH_PRODUCT = Work(lambda a, b: _in_float32(ops.multiply, a, b), st.tuples_of_one_shape(2))
FIRST_ORDER_SUM = Work(ops.add, st.broadcastable(2), {"order": 1})
BARE = Work(np.multiply, st.tuples_of_one_shape(2))
BARE_SINGLE = Work(np.multiply, BARE.cases.map(lambda xs: tuple(x.astype(np.float32) for x in xs)))


def _bare(g: Any, a: Any, b: Any) -> tuple[Any, Any]:
    return g * b, g * a


def _in_float32(f: Callable[..., Any], *xs: Any) -> Any:
    """So coarse that slopes of slopes tell little; what needs no step tells as much as ever."""
    return ops.astype(f(*(ops.astype(x, np.dtype(np.float32)) for x in xs)), np.dtype(np.float64))


def _sums_for_the_mean(logits: Any, labels: Any) -> Any:
    return ops.cross_entropy(logits, labels, reduction="sum")


def _by_identity(call: Any) -> Any:
    same = call.args[0] is call.args[1]
    return call.right * 0.0 if same else call.right


def _twice_for_one(call: Any) -> Any:
    return 2 * call.right if call.shape[:1] == (1,) else call.right


def _twice_where_whole(call: Any) -> Any:
    return 2 * call.right if call.shape == call.g.shape else call.right


def _records_under_no_grad(x: Any) -> Any:
    with enable_grad():
        return ops.tanh(x)


_KEPT: list[Any] = []


def _keeps_its_graph(x: Any) -> Any:
    _KEPT[:] = [ops.tanh(x)]
    return _KEPT[0]


def _writes_into_its_input(x: Any) -> Any:
    y = ops.tanh(x)
    if x.data.flags.writeable:
        x.data[...] = 0
    return y


def _normalised_by_the_batch(call: Any) -> Any:
    G = call.right
    return G - ops.mean(G, axis=0, keepdims=True) if G.ndim else G


def _double_precision(call: Any) -> Any:
    return np.asarray(call.right, np.float64)


# -- the mutants ----------------------------------------------------------------------------------


def _of(op: str, work: Work, *names: str, input: int = 0) -> list[Mutant]:
    where = f" of input {input}" if input else ""
    return [Mutant(f"{op}{where}: {n}", work, op, input, mutation=MUTATIONS[n]) for n in names]


def _own(op: str, work: Work, spoil: Callable[..., Any], name: str, input: int = 0) -> Mutant:
    return Mutant(f"{op}: {name}", work, op, input, mutation=Mutation(name, spoil))


def _rule(op: str, work: Work, rule: Callable[..., Any], name: str) -> Mutant:
    return Mutant(f"{op}: {name}", work, op, rule=rule)


MUTANTS: tuple[Mutant, ...] = (
    *_of(
        "multiply",
        PRODUCT,
        "sign",
        "factor 2",
        "one entry off by 1e-3",
        "two entries swapped",
        "last row lost",
        "upstream dropped",
        "upstream clipped to -1..1",
        "NaN for an upstream of zero",
        "constant added",
        "broadcast: first copy for the sum",
        "broadcast: mean for the sum",
        "broadcast: sum over the wrong axis",
        "reference cycle",
        "one buffer for every gradient",
        "writes into the upstream gradient",
    ),
    *_of("divide", QUOTIENT, "sign", "factor 2", "two entries swapped", input=1),
    *_of("divide", QUOTIENT, "computed in float32", "upstream detached"),
    *_of("add", SUM, "broadcast: first copy for the sum", "broadcast: sum over the wrong axis"),
    *_of("matmul", MATMUL, "transposed", "second derivative detached", input=1),
    *_of("matmul", MATMUL, "sign", "two entries swapped", "upstream dropped", "upstream detached"),
    *_of(
        "tanh",
        TANH,
        "computed in float32",
        "second derivative detached",
        "saved values detached",
        "another rounding every time",
        "memory order taken for granted",
        "writes into a saved array",
    ),
    *_of("tanh", PROGRAM, "factor 2"),
    Mutant(
        "exp within float32: upstream detached",
        ROUGH_EXP,
        "exp",
        mutation=MUTATIONS["upstream detached"],
    ),
    Mutant(
        "multiply within float32: saved values detached",
        ROUGH_PRODUCT,
        "multiply",
        mutation=MUTATIONS["saved values detached"],
    ),
    *_of("sigmoid", PROGRAM, "sign", "constant added"),
    *_of("exp", EXP, "factor 2", "computed in float32", "upstream dropped"),
    _own("exp", EXP, _normalised_by_the_batch, "mean over the batch subtracted"),
    *_of("conv", CONV, "sign", "one entry off by 1e-3", "transposed", "computed in float32"),
    *_of("conv", CONV, "last row lost", "upstream dropped", "second derivative detached", input=1),
    _own("conv", CONV, mistakes.padding_off_by_one, "padding off by one"),
    _own("conv", CONV, mistakes.kernel_not_flipped, "kernel not flipped"),
    _own("conv", CONV, mistakes.remainder_forgotten, "stride remainder forgotten (x)"),
    _own("conv", CONV, mistakes.remainder_forgotten, "stride remainder forgotten (w)", 1),
    _own("conv", CONV, mistakes.dilation_ignored, "dilation ignored", 1),
    _own("conv", CONV, mistakes.groups_ignored, "groups ignored", 1),
    *_of("max_pool", POOL, "overwrites a residual", "second derivative detached"),
    _own("max_pool", POOL, mistakes.last_window_for_all, "= for += where windows overlap"),
    _rule("max_pool", TIES, mistakes.pooling_ties_all_paid, "ties all paid"),
    _rule("max", MAX, mistakes.ties_all_paid, "ties all paid"),
    *_of("sum_pool", AVERAGE, "last row lost", "factor 2", "one entry off by 1e-3"),
    _rule("softmax_cross_entropy", LOSS, mistakes.without_one_hot, "without one-hot"),
    _own("mean", LOSS, mistakes.not_divided, "without 1/N"),
    *_of("softmax", SOFTMAX, "sign", "one entry off by 1e-3"),
    _rule("softmax", SOFTMAX, mistakes.diagonal_alone, "diagonal of the Jacobian alone"),
    _rule("relu", RELU, mistakes.mask_forgotten, "mask forgotten"),
    _rule("getitem", INDEX, mistakes.assigned, "= for += where an index repeats"),
    _own("subtract", DIFFERENCE, _by_identity, "lost where the inputs are one array", 1),
    _own("tanh", ROWS, _twice_for_one, "factor 2 for a batch of one"),
    _own("logaddexp", JOINED_ROWS, _twice_where_whole, "factor 2 where nothing is broadcast", 1),
    Mutant("the sweep: = for += where paths meet", PROGRAM, sweep={"_add": mistakes.overwrites}),
    Mutant("the sweep: adds into any array", PROGRAM, sweep={"_add": mistakes.adds_into_any}),
    Mutant("the sweep: hands on memory", FIRST_ORDER_SUM, sweep={"_alone": mistakes.always}),
    *_of("getitem", INDEX, "upstream dropped", "two entries swapped"),
    Mutant("a body: sums for the mean", LOSS, body=_sums_for_the_mean),
    Mutant("a body: records under no_grad", TANH, body=_records_under_no_grad),
    Mutant("a body: keeps its graph", TANH, body=_keeps_its_graph),
    Mutant("a body: writes into its input", TANH, body=_writes_into_its_input),
    *(
        Mutant(f"vjp=: {n}", BARE, mutation=MUTATIONS[n], vjp=_bare)
        for n in (
            "sign",
            "one buffer for every gradient",
            "another rounding every time",
            "writes into a saved array",
            "writes into the upstream gradient",
        )
    ),
    Mutant(
        "vjp=: float64",
        BARE_SINGLE,
        mutation=Mutation("float64", _double_precision),
        vjp=_bare,
    ),
)
"""Every one of them is killed within 100 cases, whatever the seed."""
