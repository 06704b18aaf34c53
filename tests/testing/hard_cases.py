"""Right gradients that are easily taken for wrong ones, and wrong ones that hide well.

Kinks near the inputs but not at them, numbers that are rounded on the way, saturation, wide ranges;
each of the wrong ones is wrong at one element, at one side, in one case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_cnn as tg
from tests.testing.zoo import Specimen, altered, at, fixed, normal, one_off, softmax, swapped

Rng = np.random.Generator
Draw = Callable[[Rng], tuple[Any, ...]]


def everywhere(x: Any, *_: Any) -> np.ndarray:
    return np.ones(np.shape(x), bool)


def expit(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -x))


def decades(low: float, high: float, n: int, offset: float = 0.0) -> Draw:
    """offset plus or minus numbers of all sizes."""
    return lambda r: (offset + r.choice([-1, 1], n) * 10.0 ** r.uniform(low, high, n),)


def uniform(low: float, high: float, n: int) -> Draw:
    return lambda r: (r.uniform(low, high, n),)


def right(name: str, f: Any, vjp: Any, draw: Draw) -> Specimen:
    return Specimen(name, f, vjp, draw)


def logsumexp(x: np.ndarray) -> Any:
    m = x.max(-1, keepdims=True)
    return (m + np.log(np.exp(x - m).sum(-1, keepdims=True)))[..., 0]


def stable_cross_entropy(x: np.ndarray, labels: np.ndarray) -> Any:
    return (logsumexp(x) - x[np.arange(len(x)), labels]).sum()


def stable_cross_entropy_vjp(g: Any, x: np.ndarray, labels: np.ndarray) -> tuple[Any, None]:
    p = softmax(x)
    p[np.arange(len(x)), labels] -= 1
    return g * p, None


def dead_zone(width: float, center: float = 0.0) -> tuple[Any, Any]:
    """x beyond `width` of the centre, and 0 within."""

    def f(x: np.ndarray) -> np.ndarray:
        return np.where(np.abs(x - center) < width, 0.0, x - center)

    return f, lambda g, x: (g * (np.abs(x - center) >= width),)


def fixed_point(x: np.ndarray) -> np.ndarray:
    """y = x cos(y) / 2, iterated until it stays."""
    y = np.zeros_like(x)
    for _ in range(200):
        y, before = np.cos(y) * x / 2, y
        if np.abs(y - before).max() < 1e-13:
            break
    return y


def fixed_point_vjp(g: np.ndarray, x: np.ndarray) -> tuple[np.ndarray]:
    y = fixed_point(x)
    return (g * np.cos(y) / 2 / (1 + x * np.sin(y) / 2),)


def in_float16(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float16).astype(float) ** 2


def doubles_in_place(x: np.ndarray) -> np.ndarray:
    x *= 2
    return x * x


def entropy(p: np.ndarray) -> np.ndarray:
    if (p < 0).any() or (p > 1).any():
        raise ValueError("takes probabilities")
    return -p * np.log(p)


def reciprocal_norm(x: np.ndarray) -> Any:
    return np.sqrt((x * x).sum() + 1e-24)


def huber(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) <= 1, x * x / 2, np.abs(x) - 0.5)


def huber_open_vjp(g: Any, x: np.ndarray) -> tuple[np.ndarray]:
    """The two pieces alone, and nothing where they meet."""
    return (g * np.where(np.abs(x) < 1, x, np.where(np.abs(x) > 1, np.sign(x), 0)),)


def unless_equal_vjp(g: Any, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """That of logaddexp, lost where both are equal."""
    return g * (a != b) * expit(a - b), g * (a != b) * expit(b - a)


def x_ln_x(x: np.ndarray) -> np.ndarray:
    return x * np.log(np.abs(np.where(x == 0, 1, x)))


HARD_RIGHT = [
    # -- kinks, near and far
    right(
        "a kink at 1, and x a hair from it",
        lambda x: np.maximum(x - 1, 0),
        lambda g, x: (g * (x > 1),),
        decades(-17, -3, 6, 1.0),
    ),
    right("a narrow dead zone", *dead_zone(1e-10), decades(-14, -1, 6)),
    right("a narrow dead zone at 0", *dead_zone(1e-10), fixed(np.array([0.0, 1.0, 2.0]))),
    right("a dead zone far beneath rounding", *dead_zone(1e-20), fixed(np.array([0.0, 1.0, 2.0]))),
    right("a dead zone at the rounding of 1", *dead_zone(1e-13, 1.0), decades(-16, -3, 6, 1.0)),
    right(
        "a tiny step aside",
        lambda x: np.where(x > 0.5, x, x + 1e-6),
        lambda g, x: (1.0 * g,),
        decades(-16, -3, 6, 0.5),
    ),
    right(
        "a step aside",
        lambda x: np.where(x > 0.5, 1.0, 0.0),
        lambda g, x: (0.0 * g,),
        decades(-16, -3, 6, 0.5),
    ),
    right(
        "a second derivative that jumps",
        huber,
        lambda g, x: (g * np.clip(x, -1, 1),),
        fixed(np.array([1.0, -1.0, 0.3, 5.0])),
    ),
    right(
        "|x|^1.5 at 0",
        lambda x: np.abs(x) ** 1.5,
        lambda g, x: (g * 1.5 * np.sign(x) * np.sqrt(np.abs(x)),),
        fixed(np.array([0.0, 1.0, -2.0, 1e-5])),
    ),
    right(
        "the cube root near 0", np.cbrt, lambda g, x: (g / 3 / np.cbrt(x) ** 2,), decades(-20, 0, 5)
    ),
    right(
        "the cube root at 0",
        np.cbrt,
        lambda g, x: (g / 3 / np.cbrt(x) ** 2,),
        fixed(np.array([0.0, 1.0])),
    ),
    right(
        "x ln x at 0, where its slope is infinite",
        x_ln_x,
        lambda g, x: (g * (np.log(np.abs(x)) + 1),),
        fixed(np.array([0.0, 0.625])),
    ),
    right(
        "x ln x at 0, with 0 by convention",
        x_ln_x,
        lambda g, x: (g * np.where(x == 0, 0, np.log(np.abs(x)) + 1),),
        fixed(np.array([0.625, 0.0, 3.0])),
    ),
    right(
        "the median of three equals",
        np.median,
        lambda g, x: (g * (np.arange(5) == 1),),
        fixed(np.array([1.0, 1.0, 1.0, 5.0, 0.0])),
    ),
    right(
        "relu of a product, some of it 0",
        lambda x, w: np.maximum(x @ w, 0),
        lambda g, x, w: ((g * (x @ w > 0)) @ w.T, x.T @ (g * (x @ w > 0))),
        fixed(np.array([[1.0, -1], [2, 1]]), np.array([[1.0, 2, 3], [1, 1, -6]])),
    ),
    right("a steep staircase", lambda x: np.floor(1000 * x), lambda g, x: (0 * g,), normal((5,))),
    right("the remainder", lambda x: np.mod(x, 0.3), lambda g, x: (1.0 * g,), normal((6,))),
    # -- saturated
    right(
        "softplus, with 1 - sigmoid(-x)",
        lambda x: np.logaddexp(0, x),
        lambda g, x: (g * (1 - expit(-x)),),
        uniform(-60, 60, 6),
    ),
    right(
        "log sigmoid, with 1 - sigmoid",
        lambda x: -np.logaddexp(0, -x),
        lambda g, x: (g * (1 - expit(x)),),
        uniform(-60, 60, 6),
    ),
    right(
        "tanh, saturated", np.tanh, lambda g, x: (g * (1 - np.tanh(x) ** 2),), uniform(-22, 22, 6)
    ),
    right(
        "cross entropy by logsumexp, saturated",
        stable_cross_entropy,
        stable_cross_entropy_vjp,
        lambda r: (100 * r.standard_normal((3, 4)), r.integers(0, 4, 3)),
    ),
    # -- rounded on the way
    right("(x + 1e12) - 1e12", lambda x: (x + 1e12) - 1e12, lambda g, x: (1.0 * g,), normal((3,))),
    right(
        "a large sigmoid less its limit",
        lambda x: 1e10 * expit(x) - 1e10,
        lambda g, x: (g * 1e10 * expit(x) * expit(-x),),
        uniform(10, 45, 4),
    ),
    right(
        "a variance of huge numbers",
        np.var,
        lambda g, x: (g * 2 * (x - x.mean()) / x.size,),
        lambda r: (1e8 + r.standard_normal(5),),
    ),
    right("in float16 within", in_float16, lambda g, x: (g * 2 * x,), normal((4,))),
    right("a fixed point", fixed_point, fixed_point_vjp, uniform(-1.2, 1.2, 3)),
    right(
        "arccos near 1",
        np.arccos,
        lambda g, x: (-g / np.sqrt(1 - x * x),),
        lambda r: (r.choice([-1, 1], 4) * (1 - 10.0 ** r.uniform(-15, -1, 4)),),
    ),
    # -- ranges
    right(
        "sin of 10 000 x",
        lambda x: np.sin(1e4 * x),
        lambda g, x: (g * 1e4 * np.cos(1e4 * x),),
        normal((3,)),
    ),
    right(
        "exp of 50 x",
        lambda x: np.exp(50 * x),
        lambda g, x: (g * 50 * np.exp(50 * x),),
        normal((4,)),
    ),
    right("ln near 0", np.log, lambda g, x: (g / x,), lambda r: (10.0 ** r.uniform(-300, 0, 5),)),
    right(
        "squares over 16 decades",
        np.square,
        lambda g, x: (g * 2 * x,),
        lambda r: (10.0 ** np.arange(-8, 9, 2.0) * r.uniform(0.5, 1, 9),),
    ),
    right(
        "inputs of 1e200",
        lambda x: 3 * x,
        lambda g, x: (3 * g,),
        lambda r: (1e200 * r.standard_normal(4),),
    ),
    right(
        "subnormal inputs",
        lambda x: 3 * x,
        lambda g, x: (3 * g,),
        lambda r: (1e-310 * r.standard_normal(4),),
    ),
    right(
        "a norm kept from 0",
        reciprocal_norm,
        lambda g, x: (g * x / reciprocal_norm(x),),
        lambda r: (10.0 ** r.uniform(-15, -9) * r.standard_normal(3),),
    ),
    # -- domains
    right(
        "raises outside its domain, and x near its ends",
        entropy,
        lambda g, p: (-g * (np.log(p) + 1),),
        fixed(np.array([1e-9, 0.5, 1 - 1e-12])),
    ),
    right(
        "raises outside its domain, and x at an end",
        entropy,
        lambda g, p: (-g * (np.log(p) + 1),),
        fixed(np.array([0.25, 1.0])),
    ),
    # -- forms
    right("a list of gradients", np.multiply, lambda g, a, b: [g * b, g * a], normal((3,), (3,))),
    right("a gradient by itself", np.sin, lambda g, x: g * np.cos(x), normal((3,))),
    right(
        "a dict of outputs",
        lambda x: {"sine": np.sin(x), "count": 3, "sum": x.sum()},
        lambda g, x: (g["sine"] * np.cos(x) + g["sum"],),
        normal((3,)),
    ),
    right(
        "a function that writes into its input",
        doubles_in_place,
        lambda g, x: (8 * g * x,),
        normal((3,)),
    ),
    right(
        "holomorphic",
        np.exp,
        lambda g, z: (g * np.exp(z),),
        lambda r: (r.standard_normal(3) + 1j * r.standard_normal(3),),
    ),
    right(
        "Tensors: sqrt of x^2 at 0",
        lambda x: tg.sqrt(x * x),
        None,
        fixed(np.array([0.0, 1.0, -2.0])),
    ),
    right(
        "Tensors: sort with ties",
        lambda x: tg.sort(x) * tg.Tensor(np.arange(4.0)),
        None,
        fixed(np.array([1.0, 1.0, 2.0, 2.0])),
    ),
    right(
        "Tensors: a ReLU and its mirror image",
        lambda x: tg.relu(x) - tg.relu(-x),
        None,
        fixed(np.array([0.0, 1.0, -2.0])),
    ),
]


def one_of_many(G: np.ndarray) -> np.ndarray:
    G[17, 11] *= 1.001
    return G


def rounded_with_one(r: Rng) -> tuple[np.ndarray]:
    x = np.round(r.standard_normal((40, 30)), 1)
    x[17, 11] = 1.3
    return (x,)


def strided(x: np.ndarray, w: np.ndarray, stride: int) -> np.ndarray:
    return np.array([x[i : i + len(w)] @ w for i in range(0, len(x) - len(w) + 1, stride)])


def strided_vjp(wrong: float = 1.0, shift: int = 0) -> Any:
    """The right one; or the sixth element off; or the windows of dL/dw shifted where stride > 1."""

    def vjp(g: np.ndarray, x: np.ndarray, w: np.ndarray, stride: int) -> tuple[Any, ...]:
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for gi, i in zip(g, range(0, len(x) - len(w) + 1, stride), strict=True):
            j = max(i - shift * (stride - 1), 0)
            dx[i : i + len(w)] += gi * w
            dw += gi * x[j : j + len(w)]
        dx[6] *= wrong
        return dx, dw, None

    return vjp


def columns(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(0)) / x.std(0)


def columns_vjp(g: np.ndarray, x: np.ndarray) -> tuple[np.ndarray]:
    y = columns(x)
    return ((g - g.mean(0) - y * (g * y).mean(0) * np.array([1, 0.99, 1])) / x.std(0),)


def all_but_the_last_label(g: Any, x: np.ndarray, labels: np.ndarray) -> tuple[Any, None]:
    p = softmax(x)
    p[np.arange(len(x) - 1), labels[:-1]] -= 1
    return g * p, None


@tg.op(name="hard_cases_product")
def product(a: Any, b: Any, c: Any) -> Any:
    return a * b * c


product.vjp(
    lambda g, _y, a, b, c: g * b * c,
    lambda g, _y, a, b, c: g * a * c * 1.001,
    lambda g, _y, a, b, c: g * a * b,
)


def sin_vjp(g: Any, x: Any) -> tuple[Any]:
    return (g * np.cos(x),)


def square_vjp(g: Any, x: Any) -> tuple[Any]:
    return (g * 2 * x,)


DECADES: Draw = lambda r: (10.0 ** np.arange(-8, 9, 2.0) * r.uniform(0.5, 1, 9),)  # noqa: E731

HARD_WRONG = [
    Specimen(
        "the smallest of 16 decades",
        np.square,
        altered(square_vjp, 0, one_off((0,))),
        DECADES,
        0,
        at((0,)),
    ),
    Specimen(
        "the largest of 16 decades",
        np.square,
        altered(square_vjp, 0, one_off((8,))),
        DECADES,
        0,
        at((8,)),
    ),
    Specimen(
        "1e6 and a little, one entry",
        np.sin,
        altered(sin_vjp, 0, one_off((1,))),
        lambda r: (1e6 + r.standard_normal(5),),
        0,
        at((1,)),
    ),
    Specimen(
        "a variance by n - 1 of 1e6 and a little",
        np.var,
        lambda g, x: (g * 2 * (x - x.mean()) / (x.size - 1),),
        lambda r: (1e6 + r.standard_normal(5),),
        0,
        everywhere,
    ),
    Specimen(
        "inputs of 1e-30, one entry",
        np.sin,
        altered(sin_vjp, 0, one_off((2,))),
        lambda r: (1e-30 * r.standard_normal(4),),
        0,
        at((2,)),
    ),
    Specimen(
        "inputs of 1e200",
        lambda x: 3 * x,
        lambda g, x: (2 * g,),
        lambda r: (1e200 * r.standard_normal(4),),
        0,
        everywhere,
    ),
    Specimen(
        "outputs of 1e-12",
        lambda x: 1e-12 * np.exp(x),
        lambda g, x: (2e-12 * g * np.exp(x),),
        normal((4,)),
        0,
        everywhere,
    ),
    Specimen(
        "floor, straight through",
        np.floor,
        lambda g, x: (1.0 * g,),
        lambda r: (3 * r.standard_normal(5),),
        0,
        everywhere,
    ),
    Specimen(
        "sign, straight through", np.sign, lambda g, x: (1.0 * g,), normal((5,)), 0, everywhere
    ),
    Specimen(
        "one entry of 1200 with zeros under a ReLU",
        lambda x: np.maximum(x, 0),
        altered(lambda g, x: (g * (x > 0),), 0, one_of_many),
        rounded_with_one,
        0,
        at((17, 11)),
    ),
    Specimen(
        "two of 6000 exchanged",
        np.tanh,
        altered(lambda g, x: (g * (1 - np.tanh(x) ** 2),), 0, swapped((3, 7), (150, 2))),
        normal((200, 30)),
        0,
        at((3, 7), (150, 2)),
    ),
    Specimen(
        "the second largest is paid, too",
        np.max,
        lambda g, x: (g * (x >= np.sort(x)[-2]),),
        normal((5,)),
        0,
        lambda x: x == np.sort(x)[-2],
    ),
    Specimen(
        "wrong for a stride of 2 alone",
        strided,
        strided_vjp(shift=1),
        lambda r: (r.standard_normal(8), r.standard_normal(3), 2),
        1,
        lambda x, w, s: everywhere(w),
    ),
    Specimen(
        "the last window, 0.1 %",
        strided,
        strided_vjp(wrong=1.001),
        lambda r: (r.standard_normal(9), r.standard_normal(3), 2),
        0,
        lambda x, w, s: at((6,))(x),
    ),
    Specimen(
        "one column of a normalization",
        columns,
        columns_vjp,
        normal((5, 3)),
        0,
        lambda x: np.broadcast_to([False, True, False], (5, 3)),
    ),
    Specimen(
        "the last label forgotten",
        stable_cross_entropy,
        all_but_the_last_label,
        lambda r: (r.standard_normal((3, 4)), np.array([0, 2, 1])),
        0,
        lambda x, labels: at((2, 1))(x),
    ),
    Specimen(
        "log for ln",
        np.power,
        lambda g, x, y: (g * y * x ** (y - 1), g * x**y * np.log2(x)),
        lambda r: (r.uniform(0.2, 5, 4), r.standard_normal(4)),
        1,
        lambda x, y: everywhere(y),
    ),
    Specimen(
        "infinite at one element",
        lambda x: 2 * x,
        altered(lambda g, x: (2 * g,), 0, one_off((1,), np.inf)),
        normal((3,)),
        0,
        at((1,)),
    ),
    Specimen(
        "cut to integers",
        lambda x: 2.5 * x,
        lambda g, x: ((2.5 * g).astype(int),),
        normal((3,)),
        0,
        everywhere,
    ),
    Specimen(
        "the conjugate",
        np.exp,
        lambda g, z: (g * np.conj(np.exp(z)),),
        lambda r: (r.standard_normal(3) + 1j * r.standard_normal(3),),
        0,
        everywhere,
    ),
    Specimen(
        "the second input of a product of Tensors",
        lambda a, b, c: tg.tanh(product(a, b, c)),
        None,
        normal((3,), (3,), (3,)),
        1,
        lambda a, b, c: everywhere(b),
    ),
    Specimen(
        "a square, at 1 alone",
        np.square,
        lambda g, x: (g * np.where(x == 1, 1, 2 * x),),
        fixed(np.array([0.5, 1.0, -2.0])),
        0,
        at((1,)),
    ),
    Specimen(
        "|x|, at 1 alone",
        np.abs,
        lambda g, x: (g * np.where(x == 1, 2, np.sign(x)),),
        fixed(np.array([0.0, 1.0, -2.0])),
        0,
        at((1,)),
    ),
    Specimen(
        "a sine, at 1/2 alone, by a thousandth",
        np.sin,
        lambda g, x: (g * np.cos(x) * (1 + 1e-3 * (x == 0.5)),),
        fixed(np.array([0.5, 1.0, 0.25])),
        0,
        at((0,)),
    ),
    Specimen(
        "Huber's two pieces, where they meet",
        huber,
        huber_open_vjp,
        fixed(np.array([0.5, 1.0, -1.0, 2.0])),
        0,
        lambda x: np.abs(x) == 1,
    ),
    Specimen(
        "logaddexp of equals",
        np.logaddexp,
        unless_equal_vjp,
        fixed(np.array([0.5, 1.0, 2.0]), np.array([0.5, 2.0, 3.0])),
        0,
        lambda a, b: a == b,
    ),
    Specimen(
        "x ln x, kept from infinity, with 0 at 0",
        lambda x: x * np.log(np.abs(x) + 1e-6),
        lambda g, x: (g * (x != 0) * (np.log(np.abs(x) + 1e-6) + np.abs(x) / (np.abs(x) + 1e-6)),),
        fixed(np.array([0.0, 1.0])),
        0,
        at((0,)),
    ),
    Specimen(
        "an element taken out of the graph",
        lambda x: tg.sum(x * float(x.data[0])),
        None,
        normal((4,)),
        0,
        at((0,)),
    ),
]
