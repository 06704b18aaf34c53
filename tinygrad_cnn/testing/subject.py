"""Subject: a function with its inputs, and how it is run under test.

Its float inputs are the places at which derivatives are checked; all else is held constant. The
outputs are flattened into one vector y, so that one number for each of its elements, the upstream
gradient g, asks for J^T g.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, TypeVar
from zlib import crc32

import numpy as np

from tinygrad_cnn.core.backward import gradients_of
from tinygrad_cnn.core.modes import enable_grad, manual_seed, no_grad, observe, rng
from tinygrad_cnn.core.tensor import Tensor, wrap
from tinygrad_cnn.errors import ConfigError, TinygradError
from tinygrad_cnn.testing.arrays import (
    Arrays,
    array_of,
    copies_of,
    flat,
    float_leaves,
    float_outputs,
    fresh,
    holds_floats,
    is_float,
    leaf,
    size_of,
    spread,
)
from tinygrad_cnn.testing.kinks import Witness
from tinygrad_cnn.testing.returned import as_gradients
from tinygrad_cnn.transforms import flatten_tree

__tracebackhide__ = True  # in pytest: a failure shows the functions of users, not the kit's

T = TypeVar("T")
REFUSALS = (
    ArithmeticError,
    AssertionError,
    LookupError,
    NotImplementedError,
    TypeError,
    ValueError,
    TinygradError,
)
"""What functions raise at inputs outside their domain, or of a kind that they do not take."""

Pull = Callable[[Any], Arrays]
"""The upstream gradient, as one vector or an array for each output -> a gradient for each place."""


class Value(NamedTuple):
    """f at a point: its float outputs as one vector, and the branches that were taken."""

    y: np.ndarray
    branches: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Subject:
    """What is tested: f at its inputs, and what a property may want to know besides.

    f           takes Tensors; or arrays, where `vjp` is given
    inputs      arrays, Tensors, numbers; those that hold floats are checked (see `wrt`)
    vjp         (g, *inputs) -> a tuple of gradients, for an f that records nothing
    reference   another function that must give the same
    order       2 to check the second derivative, too
    directions  how many random directions are tried
    at          "smooth", or "kink": judge by one-sided derivatives
    batched     False: do not expect the first axis to be a batch; a tuple: which inputs have one
    seed        of everything random here, and of the library's generator at each run of f
    wrt         the inputs to check: an index or several; None for all that hold floats
    parent      the subject whose derivative this is
    """

    f: Callable[..., Any]
    inputs: tuple[Any, ...]
    vjp: Callable[..., Any] | None = None
    reference: Callable[..., Any] | None = None
    order: int = 2
    directions: int = 3
    at: str = "smooth"
    batched: bool | tuple[int, ...] | None = None
    seed: int = 0
    wrt: int | Sequence[int] | None = None
    parent: Subject | None = None

    def __post_init__(self) -> None:
        if self.at not in ("smooth", "kink"):
            raise ConfigError(f'at must be "smooth" or "kink", got {self.at!r}')
        least = {"order": 1, "directions": 1, "seed": 0}
        for name, low in least.items():
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or value < low:
                raise ConfigError(f"{name} must be a whole number from {low} on, got {value!r}")
        for name in ("f", "vjp", "reference"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise ConfigError(f"{name} must be a function, got {value!r:.60}")

    def must_have_a_gradient(self) -> None:
        """ConfigError where there is nothing to differentiate, or nothing that depends on it."""
        if not self.places:
            raise ConfigError(
                "no input holds floats, so that there is no gradient to check; pass floats: "
                "np.array([1.0, 2.0])"
            )
        result = self.run(copies_of(self.xs))
        if not float_leaves(result):
            kinds = {type(y).__name__ for y in flatten_tree(result)[0]} or {type(result).__name__}
            raise ConfigError(
                f"f returned nothing that holds floats, but {', '.join(sorted(kinds))}: return "
                f"what its gradient is the gradient of"
            )

    @property
    def root(self) -> Subject:
        """The subject that the user gave; this one may be its derivative."""
        return self if self.parent is None else self.parent.root

    @property
    def generation(self) -> int:
        """0 for the user's subject, 1 for its derivative, ..."""
        return 0 if self.parent is None else self.parent.generation + 1

    # -- inputs -----------------------------------------------------------------------------------

    @cached_property
    def places(self) -> tuple[int, ...]:
        """The positions of the inputs that are checked."""
        floats = [i for i, x in enumerate(self.inputs) if holds_floats(x)]
        if self.wrt is None:
            return tuple(floats)
        chosen = [self.wrt] if isinstance(self.wrt, int) else list(self.wrt)
        n = len(self.inputs)
        wrong = [i for i in chosen if not -n <= i < n or i % n not in floats]
        if wrong:
            raise ConfigError(f"wrt: input {wrong[0]} holds no floats; those that do: {floats}")
        return tuple(i % n for i in chosen)

    @cached_property
    def originals(self) -> Arrays:
        """The inputs that are checked, as arrays of their own dtype."""
        return [array_of(self.inputs[i]) for i in self.places]

    @cached_property
    def xs(self) -> Arrays:
        """The inputs that are checked, as copies in double precision (if f can run on them)."""
        return self._working[0]

    @property
    def precision(self) -> str:
        """What kept the check from double precision, or ""."""
        return self._working[1]

    @cached_property
    def _working(self) -> tuple[Arrays, str]:
        doubles = [x.astype(np.result_type(x, np.float64)) for x in self.originals]
        if all(x.dtype == d.dtype for x, d in zip(self.originals, doubles, strict=True)):
            return doubles, ""
        try:
            self.run(doubles)
        except REFUSALS as error:
            copies = [x.copy(order="K") for x in self.originals]
            kinds = ", ".join(sorted({str(x.dtype) for x in copies}))
            return copies, f"double precision: f runs on {kinds} alone ({error})"
        return doubles, ""

    def arguments(self, values: Sequence[Any]) -> list[Any]:
        """All inputs, with `values` at the places that are checked."""
        args = list(self.inputs)
        if self.vjp is not None:
            args = [x.data if isinstance(x, Tensor) else x for x in args]
        for i, value in zip(self.places, values, strict=True):
            args[i] = value
        return args

    def label(self, k: int) -> str:
        """What the k-th place is called in a report."""
        extra = self.places[k] - len(self.root.inputs)
        return f"input {self.places[k]}" if extra < 0 else f"upstream gradient {extra}"

    # -- running ----------------------------------------------------------------------------------

    def isolated(self, run: Callable[[], T]) -> T:
        """run() with the library's generator seeded, in a context that keeps its modes inside."""

        def seeded() -> T:
            if self.draws:
                manual_seed(self.seed)
            with np.errstate(all="ignore"):  # a stencil may leave the domain of f
                return run()

        return copy_context().run(seeded)

    @cached_property
    def draws(self) -> bool:
        """Whether f draws random numbers: where it does not, there is nothing to seed."""

        def changed() -> bool:
            before = repr(manual_seed(self.seed).bit_generator.state)
            values = self.originals if self.vjp is not None else map(leaf, self.originals)
            with enable_grad(), np.errstate(all="ignore"):
                self.f(*self.arguments(list(values)))
            return repr(rng().bit_generator.state) != before

        return copy_context().run(changed)

    def run(self, xs: Sequence[np.ndarray]) -> Any:
        """What f returns at xs, with nothing recorded."""
        values = xs if self.vjp is not None else [wrap(x, None) for x in xs]
        args = self.arguments(values)
        with no_grad():
            return self.isolated(lambda: self.f(*args))

    def value(self, xs: Sequence[np.ndarray]) -> Value:
        """f at xs, flattened, with its branches; no numbers where it raises."""
        witness = Witness()
        _ = self.draws  # found out before anybody watches
        try:
            with observe(witness):
                ys = float_outputs(self.run(copies_of(xs)))
        except REFUSALS as error:
            if xs is self.xs:
                raise
            return Value(np.zeros(0), ("outside its domain", type(error)))
        y = flat(ys)
        shapes = tuple(a.shape for a in ys)
        branches = (shapes, np.isfinite(y).tobytes(), *witness.branches)
        if y.shape == self.finite.shape and not self.finite.all():
            y = np.where(self.finite, y, 0.0)
        return Value(y, branches)

    @cached_property
    def finite(self) -> np.ndarray:
        """Which outputs are finite at the inputs; the others have no slope, and count as 0."""
        return np.asarray(np.isfinite(flat(self.outputs)))

    @cached_property
    def base(self) -> Value:
        """f at its inputs."""
        return self.value(self.xs)

    @cached_property
    def outputs(self) -> Arrays:
        """The float outputs at the inputs."""
        return float_outputs(self.run(copies_of(self.xs)))

    def _parts(self, g: Any) -> Arrays:
        return g if isinstance(g, list) else self.split(g)

    @cached_property
    def eps_out(self) -> float:
        """The rounding of the outputs, relative to their size: of the coarsest among them."""
        return max((float(np.finfo(y.dtype).eps) for y in self.outputs), default=0.0)

    @cached_property
    def eps_in(self) -> float:
        """The same of the inputs."""
        return max((float(np.finfo(x.dtype).eps) for x in self.xs), default=0.0)

    def split(self, g: np.ndarray) -> Arrays:
        """The vector g in the shapes and dtypes of the outputs."""
        parts, start = [], 0
        for y in self.outputs:
            part = g[start : start + y.size].reshape(y.shape)
            parts.append((part if y.dtype.kind == "c" else part.real).astype(y.dtype))
            start += y.size
        return parts

    # -- gradients --------------------------------------------------------------------------------

    def gradient(self, xs: Sequence[np.ndarray], g: np.ndarray) -> Arrays:
        """J(xs)^T g, an array for each place."""
        return self.pullback(copies_of(xs))(g)

    def pullback(self, xs: Sequence[np.ndarray]) -> Pull:
        """g -> J(xs)^T g, from one run of f on these very arrays."""
        return self._pull_bare(xs) if self.vjp is not None else self._pull_recorded(xs)

    def _pull_recorded(self, xs: Sequence[np.ndarray]) -> Pull:
        leaves, ys = self.record(xs)

        def pull(g: Any) -> Arrays:
            return self.isolated(lambda: self.sweep(leaves, ys, self._parts(g)))

        return pull

    def record(self, xs: Sequence[np.ndarray]) -> tuple[list[Tensor], list[Any]]:
        """(fresh leaves on the arrays xs, the float outputs computed from them)."""
        leaves = [leaf(x) for x in xs]
        args = self.arguments(leaves)
        with enable_grad():
            ys = float_leaves(self.isolated(lambda: self.f(*args)))
        if ys and not any(isinstance(y, Tensor) for y in ys):
            raise ConfigError(
                "f was given Tensors and returned arrays: nothing was recorded; compute with "
                "Tensors, or pass f's gradient as vjp=(lambda g, *inputs: (...))"
            )
        return leaves, ys

    def sweep(
        self, leaves: list[Tensor], ys: list[Any], gs: Arrays, create_graph: bool = False
    ) -> Arrays:
        """dL/d(leaves), given dL/d(ys)."""
        live = [(y, g) for y, g in zip(ys, gs, strict=True) if isinstance(y, Tensor)]
        found = gradients_of(
            [y for y, _ in live],
            [g for _, g in live],
            leaves,
            retain_graph=True,
            create_graph=create_graph,
        )
        return [
            np.zeros(x.shape, x.dtype) if G is None else G.data
            for G, x in zip(found, leaves, strict=True)
        ]

    def _pull_bare(self, xs: Sequence[np.ndarray]) -> Pull:
        vjp = self.vjp
        assert vjp is not None

        args = self.arguments(xs)

        def pull(g: Any) -> Arrays:
            upstream = self._as_returned(self._parts(g))
            returned = self.isolated(lambda: vjp(upstream, *args))
            labels = [self.label(k) for k in range(len(xs))]
            return as_gradients(returned, list(xs), self.places, len(self.inputs), labels)

        return pull

    @cached_property
    def _structure(self) -> tuple[list[Any], Callable[[list[Any]], Any]]:
        """What f returns, as a list, and what makes such a structure of another list."""
        return flatten_tree(self.run(copies_of(self.xs)))

    def _as_returned(self, gs: Arrays) -> Any:
        """The gradients in the structure that f returns; zeros for outputs that hold no floats."""
        leaves, rebuild = self._structure
        left = iter(gs)
        full = [next(left) if is_float(array_of(y)) else np.zeros(np.shape(y)) for y in leaves]
        return rebuild(full)

    # -- random numbers ---------------------------------------------------------------------------

    def rng(self, purpose: str) -> np.random.Generator:
        """A generator for one purpose: what one property draws does not move another's numbers."""
        return np.random.default_rng([self.seed, crc32(purpose.encode())])

    def upstream(self, rng: np.random.Generator) -> np.ndarray:
        """A random g, its size for each output the inverse of the output's; 0 if not finite."""
        parts = [
            np.where(np.isfinite(y), spread(rng, y) / size, 0.0)
            for y, size in zip(self.outputs, self._output_sizes, strict=True)
        ]
        return flat(self.split(flat(parts)))

    def direction(self, rng: np.random.Generator) -> Arrays:
        """A random direction in all places, as large as the input; infinite elements stay."""
        return [
            np.where(np.isfinite(x), spread(rng, x) * size, 0.0)
            for x, size in zip(self.xs, self._input_sizes, strict=True)
        ]

    @cached_property
    def _input_sizes(self) -> list[float]:
        return [size_of(x) for x in self.xs]

    @cached_property
    def _output_sizes(self) -> list[float]:
        return [size_of(y) for y in self.outputs]

    # -- derivatives ------------------------------------------------------------------------------

    @cached_property
    def derivative(self) -> Subject:
        """The gradient itself as a function to be tested: (inputs, g) -> J^T g."""
        gs = self.split(self.upstream(self.rng("derivative")))
        n = len(self.inputs)
        return replace(
            self,
            f=self._differentiated,
            inputs=(*self.arguments(self.xs), *gs),
            wrt=(*self.places, *range(n, n + len(gs))),
            reference=None,
            parent=self,
        )

    def _differentiated(self, *args: Any) -> tuple[Any, ...]:
        """J^T g as a function of Tensors, itself recorded where one of them requires it."""
        n = len(self.inputs)
        recording = any(isinstance(a, Tensor) and a.requires_grad for a in args)
        with enable_grad():
            leaves = [fresh(args[i]) for i in self.places]
            ys = float_leaves(self.f(*self.arguments(leaves)))
            live = [(y, g) for y, g in zip(ys, args[n:], strict=True) if isinstance(y, Tensor)]
            gs = [g if recording else g.data for _, g in live]
            found = gradients_of([y for y, _ in live], gs, leaves, create_graph=recording)
        return tuple(
            wrap(np.zeros(x.shape, x.dtype), None) if G is None else G
            for G, x in zip(found, leaves, strict=True)
        )
