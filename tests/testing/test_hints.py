"""Each hint is given for the mistake that it names, and comes before all that merely fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from tinygrad_cnn.testing import GradientMismatch, gradcheck

RNG = np.random.default_rng(0)
ROW, ROWS = RNG.normal(size=5), RNG.normal(size=(4, 5))
SQUARE, OTHER = RNG.normal(size=(3, 3)), RNG.normal(size=(3, 3))


@dataclass(frozen=True)
class Mistake:
    """A wrong vjp of f, and how the first hint begins ("" for none)."""

    name: str
    f: Callable[..., Any]
    inputs: tuple[np.ndarray, ...]
    vjp: Callable[..., Any]
    hint: str

    def __str__(self) -> str:
        return self.name


def hints(f: Any, *inputs: np.ndarray, vjp: Any) -> tuple[str, ...]:
    with pytest.raises(GradientMismatch) as caught:
        gradcheck(f, *inputs, vjp=vjp)
    found: tuple[str, ...] = caught.value.hints
    return found


def but(G: np.ndarray, index: Any, factor: float) -> tuple[np.ndarray]:
    """G, some of it multiplied."""
    G = G.copy()
    G[index] *= factor
    return (G,)


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max())
    return e / e.sum()


def two_exchanged(g: Any, x: Any) -> tuple[Any]:
    G = 2 * g * x
    G[[1, 3]] = G[[3, 1]]
    return (G,)


STRIDE, WINDOW = 3, 3


def windows(x: Any) -> Any:
    starts = range(0, x.shape[-1] - WINDOW + 1, STRIDE)
    return np.stack([np.sin(x[..., i : i + WINDOW]).sum(-1) for i in starts], -1)


def windows_without_the_last(g: Any, x: Any) -> tuple[Any]:
    G = np.zeros_like(x)
    for n in range(g.shape[-1] - 1):
        at = np.s_[..., n * STRIDE : n * STRIDE + WINDOW]
        G[at] += g[..., n : n + 1] * np.cos(x[at])
    return (G,)


def in_float32(g: Any, x: Any) -> tuple[Any]:
    return ((g * np.cos(x)).astype(np.float32).astype(float),)


def convolve(x: Any, w: Any) -> Any:
    return np.convolve(x, w, "valid")


def convolve_kernel_not_flipped(g: Any, x: Any, w: Any) -> tuple[Any, Any]:
    return np.convolve(g, w), np.convolve(x[::-1], g, "valid")


MISTAKES = [
    Mistake("sign", np.sin, (ROW,), lambda g, x: (-g * np.cos(x),), "the sign is wrong"),
    Mistake("twice", np.sin, (ROW,), lambda g, x: (2 * g * np.cos(x),), "a factor 2"),
    Mistake(
        "mean for sum",
        np.sum,
        (ROW,),
        lambda g, x: (g * np.full(5, 0.2),),
        "a factor 1/5: a mean in place of a sum; 5 is axis 0 of the input",
    ),
    Mistake(
        "sum for mean",
        np.mean,
        (ROW,),
        lambda g, x: (g * np.ones(5),),
        "a factor 5: a sum in place of a mean",
    ),
    Mistake(
        "some factor",
        np.sin,
        (ROW,),
        lambda g, x: (1.01 * g * np.cos(x),),
        "every element is 1.01 times",
    ),
    Mistake(
        "factor, where most elements are rounding",
        softmax,
        (np.array([1.0, 2.0, 30.0]),),
        lambda g, x: (1.5 * softmax(x) * (g - (g * softmax(x)).sum()),),
        "every element is 1.5 times",
    ),
    Mistake(
        "first of three",
        np.sin,
        (ROW[:3],),
        lambda g, x: but(g * np.cos(x), 0, 1.1),
        "one element alone is wrong",
    ),
    Mistake(
        "last of four",
        np.sin,
        (ROW[:4],),
        lambda g, x: but(g * np.cos(x), -1, 1.1),
        "one element alone is wrong",
    ),
    Mistake(
        "no return",
        np.sin,
        (ROW,),
        lambda g, x: None,
        "the vjp returned None: a forgotten return?",
    ),
    Mistake(
        "None for one",
        np.multiply,
        (ROW, ROW),
        lambda g, x, y: (g * y, None),
        "the vjp returned None for input 1",
    ),
    Mistake(
        "power",
        lambda x: x**3,
        (ROW,),
        lambda g, x: (3 * g * x,),
        "every element is 1/x times what it should be",
    ),
    Mistake(
        "power and factor",
        lambda x: x**3,
        (ROW,),
        lambda g, x: (6 * g * x**3,),
        "every element is 2 x times what it should be",
    ),
    Mistake("one number", np.exp, (np.array(2.0),), lambda g, x: (8 * g * np.exp(x),), ""),
    Mistake("nothing", np.sin, (ROW,), lambda g, x: (0 * x,), "it is zero"),
    Mistake(
        "upstream dropped",
        np.sin,
        (ROW,),
        lambda g, x: (np.cos(x),),
        "it does not depend on the upstream gradient",
    ),
    Mistake("not finite", np.sqrt, (ROW**2,), lambda g, x: (g * np.inf,), "it is not finite"),
    Mistake("transposed", np.sin, (SQUARE,), lambda g, x: ((g * np.cos(x)).T,), "it is transposed"),
    Mistake(
        "another transposed",
        np.matmul,
        (SQUARE, OTHER),
        lambda g, a, b: (g @ b, a.T @ g),
        "it would be right if input 1 were transposed",
    ),
    Mistake(
        "kernel not flipped",
        convolve,
        (ROW, ROW[:3]),
        convolve_kernel_not_flipped,
        "it would be right if input 1 were reversed along its last axis",
    ),
    Mistake(
        "flipped",
        np.sin,
        (ROW,),
        lambda g, x: ((g * np.cos(x))[::-1],),
        "it is flipped along axes (0,)",
    ),
    Mistake(
        "shifted",
        np.sin,
        (ROW,),
        lambda g, x: (np.roll(g * np.cos(x), 1),),
        "it is shifted by 1 along axis 0",
    ),
    Mistake(
        "two factors exchanged",
        lambda x: x * np.arange(1, 6),
        (ROW,),
        lambda g, x: (g * np.array([1, 3, 2, 4, 5]),),
        "the factors of the elements [1] and [2] are exchanged",
    ),
    Mistake("two exchanged", np.square, (ROW,), two_exchanged, "the elements [1] and [3] are"),
    Mistake(
        "broadcast",
        lambda x: np.broadcast_to(x, (4, 1)) * ROWS,
        (ROW[:1],),
        lambda g, x: ((g * ROWS)[0, :1],),
        "the input is broadcast to (4, 5): is its gradient summed over axes (0, 1)?",
    ),
    Mistake(
        "last row",
        np.sin,
        (ROWS,),
        lambda g, x: but(g * np.cos(x), -1, 0.0),
        "only the last line along axis 0: the remainder of a stride",
    ),
    Mistake(
        "first rows",
        np.sin,
        (ROWS,),
        lambda g, x: but(g * np.cos(x), np.s_[:2], 3.0),
        "only the first 2 lines along axis 0: padding",
    ),
    Mistake(
        "last window",
        windows,
        (RNG.normal(size=(2, 3, 11)),),
        windows_without_the_last,
        "only the last 3 lines along axis 2 that f reads: the remainder of a stride",
    ),
    Mistake(
        "negative numbers",
        lambda x: np.where(x < 0, np.sin(x), np.tanh(x)),
        (ROWS,),
        lambda g, x: (g * np.where(x < 0, -np.cos(x), 1 / np.cosh(x) ** 2),),
        "wrong up to -0.129 and right from 0.0413 on: another branch of f",
    ),
    Mistake(
        "large numbers",
        np.sin,
        (ROWS,),
        lambda g, x: (g * np.where(x > 0.9, 1, np.cos(x)),),
        "right up to 0.412 and wrong from 0.903 on: another branch of f",
    ),
    Mistake(
        "the last element",
        np.sin,
        (ROWS,),
        lambda g, x: but(g * np.cos(x), (-1, -1), 1.001),
        "one element alone is wrong",
    ),
    Mistake(
        "one element",
        np.sin,
        (ROWS,),
        lambda g, x: but(g * np.cos(x), (1, 2), 1.001),
        "one element alone is wrong",
    ),
    Mistake(
        "one element, a little",
        np.sin,
        (ROWS,),
        lambda g, x: but(g * np.cos(x), (1, 2), 1 + 1e-6),
        "one element alone is wrong",
    ),
    Mistake(
        "float32",
        np.sin,
        (ROWS,),
        in_float32,
        "the difference is that of float32's rounding",
    ),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_the_first_hint_names_the_mistake(mistake: Mistake) -> None:
    found = hints(mistake.f, *mistake.inputs, vjp=mistake.vjp)
    assert (found or ("",))[0].startswith(mistake.hint)
    assert bool(found) == bool(mistake.hint)
