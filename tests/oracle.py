"""Cases, and PyTorch as a judge of them: another library, where it is installed.

It looks at a function f through three results, for an upstream gradient g and directions v:

    values        y = f(x)
    gradients     G = J(x)^T g                   one for each float input
    seconds       d<G, v>/dx and d<G, v>/dg      the second of these is J v

A `Case` is a row of a table: a function, PyTorch's word for it, and how to draw its inputs.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_cnn import Tensor
from tinygrad_cnn.core import gradients_of
from tinygrad_cnn.core.modes import manual_seed

Arrays = list[np.ndarray]
Sample = tuple[Arrays, dict[str, Any]]


class _Lazy:
    """A module that is imported when it is first used, so that a table can name it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


torch = _Lazy("torch")
F = _Lazy("torch.nn.functional")


@dataclass(frozen=True)
class Case:
    """One row: what is differentiated, its counterpart in PyTorch, and a draw of (inputs, options).

    The label's first word is the name of the function. Inputs of float dtypes are differentiated;
    with `twice=False` PyTorch has no second derivative, and tinygrad_cnn.testing judges alone.
    """

    label: str
    f: Callable[..., Any]
    torch: Callable[..., Any] | None
    draw: Callable[[Draw], Sample]
    twice: bool = True

    def __str__(self) -> str:
        return self.label

    @property
    def name(self) -> str:
        return self.label.split()[0]

    @property
    def inputs(self) -> st.SearchStrategy[tuple[tuple[Any, ...], dict[str, Any]]]:
        """What op_property draws: (inputs, options)."""

        @st.composite
        def cases(draw: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
            xs, options = self.draw(Draw(draw))
            return tuple(xs), options

        return cases()

    def sample(self, draw: Draw) -> tuple[Callable[..., Any], Arrays, Callable[..., Any]]:
        """(the function, its inputs, PyTorch's function), options bound."""
        xs, options = self.draw(draw)
        return (
            lambda *xs: self.f(*xs, **options),
            xs,
            lambda *xs: self.torch(*xs, **options) if self.torch else None,
        )


class Draw:
    """Draws inputs: sizes by hypothesis, which shrinks them, values by a generator."""

    def __init__(self, draw: Callable[..., Any]) -> None:
        self._draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 2**31)))

    def int(self, low: int, high: int) -> int:
        return int(self._draw(st.integers(low, high)))

    def ints(self, n: int, low: int, high: int) -> tuple[int, ...]:
        return tuple(self.int(low, high) for _ in range(n))

    def flag(self) -> bool:
        return self.int(0, 1) == 1

    def of(self, *choices: Any) -> Any:
        return choices[self.int(0, len(choices) - 1)]

    def shape(self, low: int = 0, high: int = 3, empty: bool = True) -> tuple[int, ...]:
        """A shape of `low` to `high` axes; one time in eight, some axis has length 0."""
        shape = list(self.ints(self.int(low, high), 1, 4))
        if empty and shape and self.int(0, 7) == 7:
            shape[self.int(0, len(shape) - 1)] = 0
        return tuple(shape)

    def broadcastable(self, n: int) -> list[tuple[int, ...]]:
        """n shapes that broadcast together."""
        whole = self.shape()
        shapes = []
        for _ in range(n):
            tail = whole[self.int(0, len(whole)) if self.flag() else 0 :]
            shapes.append(tuple(1 if self.int(0, 3) == 3 else m for m in tail))
        return shapes

    def axis(self, ndim: int) -> Any:
        """An axis, counted from either end."""
        return self.int(-ndim, ndim - 1)

    def axes(self, ndim: int) -> Any:
        """None, an axis, or a tuple of them, counted from either end."""
        kind = self.of("none", "one", "tuple") if ndim else self.of("none", "tuple")
        if kind == "none":
            return None
        if kind == "one":
            return self.axis(ndim)
        chosen = [a for a in range(ndim) if self.flag()]
        return tuple(a - ndim if self.flag() else a for a in chosen)

    # -- values -----------------------------------------------------------------------------------

    def real(self, *shape: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
        return self.laid_out(self.rng.uniform(low, high, shape))

    def away(
        self,
        *shape: int,
        kinks: Sequence[float] = (0.0,),
        high: float = 2.0,
        margin: float = 0.1,
    ) -> np.ndarray:
        """Values that differ from every kink by `margin` at least; kinks lie 3 margins apart."""
        x = self.rng.uniform(-high, high, shape)
        for kink in kinks:
            near = np.abs(x - kink) < margin
            x = np.where(near, kink + np.where(x < kink, -1.5, 1.5) * margin, x)
        return self.laid_out(x)

    def distinct(self, *shape: int) -> np.ndarray:
        """Values any two of which differ by 0.1 at least, none of them near 0."""
        n = int(np.prod(shape))
        steps = self.rng.permutation(n) - n // 2
        return self.laid_out((0.12 * steps + 0.06 + self.rng.uniform(0, 0.01, n)).reshape(shape))

    def mask(self, *shape: int) -> np.ndarray:
        return self.rng.random(shape) < 0.6

    def laid_out(self, x: np.ndarray) -> np.ndarray:
        """The same values in one of the layouts that memory can have."""
        x = np.asarray(x)
        layout = self.of("C", "Fortran", "reversed", "stepped", "read-only")
        if layout == "Fortran":
            x = np.asarray(x, order="F")
        elif layout == "reversed" and x.ndim:
            x = np.ascontiguousarray(x[..., ::-1])[..., ::-1]
        elif layout == "stepped" and x.ndim:
            x = np.repeat(x, 2, axis=-1)[..., ::2]
        elif layout == "read-only":
            x.flags.writeable = False
        return x


class Seeded(Draw):
    """The same without hypothesis: everything by a seed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def int(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))


# -- what the library computes --------------------------------------------------------------------


@dataclass
class Derivatives:
    y: np.ndarray
    gradients: Arrays
    seconds: Arrays


def differentiable(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind in "fc"


def leaf(x: np.ndarray) -> Tensor:
    """A leaf on this very array: its layout matters, and Tensor() would tidy it."""
    tensor = Tensor(x, requires_grad=True)
    tensor.data = x
    return tensor


def ours(f: Callable[..., Any], xs: Arrays, g: np.ndarray, vs: Arrays) -> Derivatives:
    """What the library says."""
    manual_seed(0)
    places = [leaf(x) if differentiable(x) else x for x in xs]
    leaves = [p for p in places if isinstance(p, Tensor)]
    upstream = leaf(g)
    y = f(*places)
    inputs = [*leaves, upstream]
    gradients = gradients_of([y], [upstream], leaves, create_graph=True)
    live = [(G, v) for G, v in zip(gradients, vs, strict=True) if G is not None]
    seconds = gradients_of([G for G, _ in live], [v for _, v in live], inputs)
    return Derivatives(y.data, _filled(gradients, leaves), _filled(seconds, inputs))


def _filled(gradients: Sequence[Tensor | None], inputs: Sequence[Tensor]) -> Arrays:
    return [
        np.zeros(x.shape, x.dtype) if G is None else G.data
        for G, x in zip(gradients, inputs, strict=True)
    ]


def upstream_and_directions(
    f: Callable[..., Any], xs: Arrays, rng: np.random.Generator
) -> tuple[np.ndarray, Arrays]:
    """(g in the shape of f(x), v in the shapes of x), entries in 0.5..1.5 of either sign."""
    manual_seed(0)
    shapes = [np.shape(f(*xs)), *(x.shape for x in xs if differentiable(x))]
    g, *vs = (
        np.asarray(rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape))
        for shape in shapes
    )
    return g, vs


# -- PyTorch --------------------------------------------------------------------------------------


def theirs(
    f: Callable[..., Any], xs: Arrays, g: np.ndarray, vs: Arrays, twice: bool
) -> Derivatives:
    """What PyTorch says."""
    places = [torch.tensor(x.copy(order="C")) for x in xs]
    leaves = [p.requires_grad_() for p, x in zip(places, xs, strict=True) if differentiable(x)]
    upstream = torch.tensor(g, requires_grad=True)
    y = f(*places)
    inputs = [*leaves, upstream]
    gradients = _torch_grad([y], inputs[:-1], [upstream], create_graph=True)
    seconds: list[Any] = []
    if twice:
        total = sum((G * torch.tensor(v)).sum() for G, v in zip(gradients, vs, strict=True))
        seconds = _torch_grad([total], inputs, None)
    return Derivatives(
        y.numpy(force=True),
        [G.numpy(force=True) for G in gradients],
        [H.numpy(force=True) for H in seconds],
    )


def _torch_grad(ys: list[Any], xs: list[Any], gs: Any, create_graph: bool = False) -> list[Any]:
    if not xs or not isinstance(ys[0], torch.Tensor) or not ys[0].requires_grad:
        return [torch.zeros_like(x) for x in xs]
    found = torch.autograd.grad(ys, xs, gs, create_graph=create_graph, allow_unused=True)
    return [torch.zeros_like(x) if G is None else G for G, x in zip(found, xs, strict=True)]


def assert_agrees_with_torch(case: Case, draw: Draw) -> None:
    """Values to 1e-12, first and second derivatives to 1e-10, relative to the largest entry."""
    f, xs, f_torch = case.sample(draw)
    before = [x.tobytes() for x in xs]
    g, vs = upstream_and_directions(f, xs, np.random.default_rng(0))
    mine = ours(f, xs, g, vs)
    with warnings.catch_warnings(action="ignore"):
        other = theirs(f_torch, xs, g, vs, case.twice)
    close(mine.y, other.y, 1e-12, "value")
    for i, (a, b) in enumerate(zip(mine.gradients, other.gradients, strict=True)):
        close(a, b, 1e-10, f"gradient of float input {i}")
    for i, (a, b) in enumerate(zip(mine.seconds, other.seconds, strict=case.twice)):
        close(a, b, 1e-10, f"second derivative by {'g' if i == len(vs) else f'float input {i}'}")
    assert before == [x.tobytes() for x in xs], "an input was written to"


def close(actual: np.ndarray, expected: np.ndarray, tolerance: float, what: str) -> None:
    """Equal shapes, and entries equal up to `tolerance` times the largest expected one."""
    assert actual.shape == expected.shape, (
        f"{what}: shape {actual.shape}, expected {expected.shape}"
    )
    finite = expected[np.isfinite(expected)]
    largest = float(np.abs(finite).max()) if finite.size else 0.0
    # Terms of size 1 to 10 that cancel leave up to 1e-12 behind where the truth is 0.
    np.testing.assert_allclose(
        actual, expected, rtol=tolerance, atol=tolerance * largest + 1e-12, err_msg=what
    )
