"""Right and wrong gradients to try the kit on. None of them is the library's own.

A Specimen has a function of arrays with a backward (or a function of Tensors), and draws its
inputs. A wrong one says which input, and which elements, its gradient is wrong at.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinygrad_cnn as tg

Rng = np.random.Generator


@dataclass(frozen=True)
class Specimen:
    name: str
    f: Callable[..., Any]
    vjp: Callable[..., Any] | None
    draw: Callable[[Rng], tuple[Any, ...]]
    wrong_input: int | None = None
    wrong_at: Callable[..., Any] | None = None
    """(*inputs) -> a mask of the elements that are wrong (some of them, at the least)"""

    def __str__(self) -> str:
        return self.name


def normal(*shapes: tuple[int, ...]) -> Callable[[Rng], tuple[Any, ...]]:
    return lambda rng: tuple(rng.standard_normal(s) for s in shapes)


def fixed(*values: Any) -> Callable[[Rng], tuple[Any, ...]]:
    return lambda _rng: values


def everywhere(x: np.ndarray) -> np.ndarray:
    return np.ones(np.shape(x), bool)


def at(*indices: tuple[int, ...]) -> Callable[..., np.ndarray]:
    def mask(x: np.ndarray, *_: Any) -> np.ndarray:
        m = np.zeros(np.shape(x), bool)
        for i in indices:
            m[i] = True
        return m

    return mask


# -- parts ----------------------------------------------------------------------------------------


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def softmax_vjp(g: np.ndarray, x: np.ndarray) -> tuple[np.ndarray]:
    y = softmax(x)
    return (y * (g - (g * y).sum(-1, keepdims=True)),)


def windows(n: int, k: int, stride: int, dilation: int = 1) -> list[np.ndarray]:
    reach = dilation * (k - 1) + 1
    return [s + dilation * np.arange(k) for s in range(0, n - reach + 1, stride)]


def conv(x: np.ndarray, w: np.ndarray, stride: int = 1, dilation: int = 1) -> np.ndarray:
    return np.array([x[i] @ w for i in windows(len(x), len(w), stride, dilation)])


def conv_vjp(
    g: np.ndarray, x: np.ndarray, w: np.ndarray, stride: int = 1, dilation: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for gi, i in zip(g, windows(len(x), len(w), stride, dilation), strict=True):
        dx[i] += gi * w
        dw += gi * x[i]
    return dx, dw


def pool(x: np.ndarray) -> np.ndarray:
    return np.array([x[i].max() for i in windows(len(x), 3, 2)])


def pool_vjp(g: np.ndarray, x: np.ndarray) -> tuple[np.ndarray]:
    dx = np.zeros_like(x)
    for gi, i in zip(g, windows(len(x), 3, 2), strict=True):
        dx[i[np.argmax(x[i])]] += gi
    return (dx,)


def normalize(x: np.ndarray) -> np.ndarray:
    d = x - x.mean(0)
    return d / np.sqrt((d * d).mean(0) + 1e-5)


def normalize_vjp(g: np.ndarray, x: np.ndarray) -> tuple[np.ndarray]:
    d = x - x.mean(0)
    r = 1 / np.sqrt((d * d).mean(0) + 1e-5)
    y = d * r
    return (r * (g - g.mean(0) - y * (g * y).mean(0)),)


def cross_entropy(x: np.ndarray, labels: np.ndarray) -> Any:
    m = x.max(-1, keepdims=True)
    log = x - m - np.log(np.exp(x - m).sum(-1, keepdims=True))
    return -log[np.arange(len(x)), labels].mean()


def cross_entropy_vjp(g: Any, x: np.ndarray, labels: np.ndarray) -> tuple[Any, None]:
    p = softmax(x)
    p[np.arange(len(x)), labels] -= 1
    return g * p / len(x), None


def in_float32(x: np.ndarray) -> np.ndarray:
    return np.sin(np.asarray(x, np.float32)).astype(np.float64)


def float32_only(x: np.ndarray) -> np.ndarray:
    if x.dtype != np.float32:
        raise TypeError(f"takes float32, got {x.dtype}")
    return x * x * x


erf = np.vectorize(math.erf, otypes=[float])


def near(x: np.ndarray, f: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Where a mask of x holds."""
    return f(x)


HILBERT = 1 / (np.arange(6)[:, None] + np.arange(6)[None, :] + 1.0)
ROOTS = np.poly1d(np.poly([1.0] * 12))


@tg.op(name="zoo_cube")
def cube(x: Any) -> Any:
    return x**3


cube.vjp(lambda g, _y, x: g * 3 * x * x)


@tg.op(name="zoo_detached_cube")
def detached_cube(x: Any) -> Any:
    return x**3


detached_cube.vjp(lambda g, _y, x: g * (3 * np.square(x.data if isinstance(x, tg.Tensor) else x)))


@tg.op(name="zoo_scaled")
def scaled(x: Any, s: Any) -> Any:
    return x * s


scaled.vjp(lambda g, _y, _x, s: g * s, lambda g, _y, x, _s: g * x)


@tg.op(name="zoo_half_sigmoid")
def half_sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


half_sigmoid.vjp(lambda g, y, _x: g * y * (1 - y) * np.where(np.arange(y.shape[-1]) == 1, 1.001, 1))


RIGHT = [
    Specimen("sin", np.sin, lambda g, x: (g * np.cos(x),), normal((3, 4))),
    Specimen("matmul", np.matmul, lambda g, a, b: (g @ b.T, a.T @ g), normal((3, 4), (4, 2))),
    Specimen("softmax", softmax, softmax_vjp, normal((2, 5))),
    Specimen(
        "softmax, saturated", softmax, softmax_vjp, lambda r: (40 * r.standard_normal((2, 5)),)
    ),
    Specimen(
        "conv, stride 2 with a remainder",
        lambda x, w: conv(x, w, 2),
        lambda g, x, w: conv_vjp(g, x, w, 2),
        normal((8,), (3,)),
    ),
    Specimen("max pool, overlapping", pool, pool_vjp, normal((9,))),
    Specimen("max pool, all tied", pool, pool_vjp, fixed(np.zeros(9))),
    Specimen("batch norm", normalize, normalize_vjp, normal((5, 3))),
    Specimen(
        "cross entropy",
        cross_entropy,
        cross_entropy_vjp,
        lambda r: (r.standard_normal((3, 4)), r.integers(0, 4, 3)),
    ),
    Specimen(
        "cross entropy, saturated",
        cross_entropy,
        cross_entropy_vjp,
        lambda r: (300 * r.standard_normal((3, 4)), r.integers(0, 4, 3)),
    ),
    Specimen("relu", lambda x: np.maximum(x, 0), lambda g, x: (g * (x > 0),), normal((7,))),
    Specimen(
        "relu at its kink",
        lambda x: np.maximum(x, 0),
        lambda g, x: (g * (x > 0),),
        fixed(np.array([0.0, 1.0, -1.0, 0.0])),
    ),
    Specimen(
        "relu a hair from its kink",
        lambda x: np.maximum(x, 0),
        lambda g, x: (g * (x > 0),),
        lambda r: (r.choice([-1, 1], 6) * 10.0 ** r.uniform(-18, 0, 6),),
    ),
    Specimen("abs at 0", np.abs, lambda g, x: (g * np.sign(x),), fixed(np.array([0.0, 2.0]))),
    Specimen(
        "norm at 0",
        lambda x: np.sqrt((x * x).sum()),
        lambda g, x: (g * x / (np.sqrt((x * x).sum()) or 1.0),),
        fixed(np.zeros(3)),
    ),
    Specimen(
        "max with ties",
        np.max,
        lambda g, x: (g * (x == x.max()) / (x == x.max()).sum(),),
        fixed(np.array([1.0, 3.0, 3.0, 2.0, 3.0])),
    ),
    Specimen("sqrt at 0", np.sqrt, lambda g, x: (g * 0.5 / np.sqrt(x),), fixed(np.array([0.0, 1]))),
    Specimen(
        "clip at its limits",
        lambda x: np.clip(x, -1, 1),
        lambda g, x: (g * (np.abs(x) <= 1),),
        fixed(np.array([-1.0, 0.3, 1.0, 2.0])),
    ),
    Specimen("floor", np.floor, lambda g, x: (0 * g,), lambda r: (3 * r.standard_normal(5),)),
    Specimen("floor at integers", np.floor, lambda g, x: (0 * g,), fixed(np.array([1.0, 0.5]))),
    Specimen(
        "rounding to a thousandth",
        lambda x: np.round(x, 3),
        lambda g, x: (0 * g,),
        lambda r: (np.round(r.standard_normal(5), 3) + 2e-4,),
    ),
    Specimen(
        "sort",
        np.sort,
        lambda g, x: (g[np.argsort(np.argsort(x))],),
        normal((6,)),
    ),
    # -- badly conditioned
    Specimen(
        "ln(1 + x) of tiny x",
        lambda x: np.log(1 + x),
        lambda g, x: (g / (1 + x),),
        lambda r: (10.0 ** r.uniform(-18, -6, 5),),
    ),
    Specimen(
        "(1 - cos x) / x^2 near 0",
        lambda x: (1 - np.cos(x)) / x**2,
        lambda g, x: (g * (x * np.sin(x) - 2 * (1 - np.cos(x))) / x**3,),
        lambda r: (10.0 ** r.uniform(-5, -1, 4),),
    ),
    Specimen("(x + 1e8) - 1e8", lambda x: (x + 1e8) - 1e8, lambda g, x: (1.0 * g,), normal((4,))),
    Specimen(
        "the inverse of a Hilbert matrix",
        np.linalg.inv,
        lambda g, x: (-np.linalg.inv(x).T @ g @ np.linalg.inv(x).T,),
        fixed(HILBERT),
    ),
    Specimen(
        "a system of equations with a Hilbert matrix",
        np.linalg.solve,
        lambda g, a, b: (
            -np.outer(np.linalg.solve(a.T, g), np.linalg.solve(a, b)),
            np.linalg.solve(a.T, g),
        ),
        lambda r: (HILBERT, r.standard_normal(6)),
    ),
    Specimen(
        "a variance by E[x^2] - E[x]^2 of large x",
        lambda x: (x * x).mean() - x.mean() ** 2,
        lambda g, x: (g * 2 * (x - x.mean()) / x.size,),
        lambda r: (1e6 + r.standard_normal(6),),
    ),
    Specimen(
        "a polynomial expanded around its twelvefold root",
        ROOTS,
        lambda g, x: (g * ROOTS.deriv()(x),),
        lambda r: (1 + 0.1 * r.standard_normal(4),),
    ),
    Specimen(
        "a sum that cancels",
        lambda x: np.sum(np.exp(x)) - np.sum(np.exp(x[::-1])) + 1e-3 * x[0],
        lambda g, x: (g * 1e-3 * (np.arange(x.size) == 0),),
        lambda r: (5 * r.standard_normal(50),),
    ),
    Specimen(
        "x^40", lambda x: x**40, lambda g, x: (g * 40 * x**39,), lambda r: (r.uniform(0.5, 3, 4),)
    ),
    Specimen(
        "sin of 1000 x",
        lambda x: np.sin(1000 * x),
        lambda g, x: (g * 1000 * np.cos(1000 * x),),
        normal((3,)),
    ),
    Specimen(
        "sin of large x",
        np.sin,
        lambda g, x: (g * np.cos(x),),
        lambda r: (1e6 * r.standard_normal(3),),
    ),
    Specimen(
        "tan near its poles",
        np.tan,
        lambda g, x: (g / np.cos(x) ** 2,),
        lambda r: (np.pi / 2 + 10.0 ** r.uniform(-7, -1, 4),),
    ),
    Specimen(
        "1/x over twelve decades",
        lambda x: 1 / x,
        lambda g, x: (-g / x**2,),
        lambda r: (10.0 ** r.uniform(-6, 6, 6),),
    ),
    Specimen("sin within in float32", in_float32, lambda g, x: (g * np.cos(x),), normal((4,))),
    Specimen(
        "a function of float32 alone",
        float32_only,
        lambda g, x: (g * 3 * x * x,),
        lambda r: (r.standard_normal(4).astype(np.float32),),
    ),
    # -- forms of inputs and outputs
    Specimen("a number", np.exp, lambda g, x: (g * np.exp(x),), fixed(0.7)),
    Specimen("no elements", np.sin, lambda g, x: (g * np.cos(x),), fixed(np.zeros((0, 3)))),
    Specimen(
        "rows of a table",
        lambda w, i: w[i],
        lambda g, w, i: (np.stack([g[i == n].sum(0) for n in range(len(w))]), None),
        lambda r: (r.standard_normal((4, 2)), np.array([1, 3, 1])),
    ),
    Specimen(
        "two outputs",
        lambda x: (np.sin(x), x.sum()),
        lambda g, x: (g[0] * np.cos(x) + g[1],),
        normal((3,)),
    ),
    Specimen(
        "a product with zeros",
        np.prod,
        lambda g, x: (g * np.array([np.prod(np.delete(x, i)) for i in range(x.size)]),),
        fixed(np.array([0.0, 2.0, 0.0, 3.0])),
    ),
    Specimen("erf", erf, lambda g, x: (g * 2 / np.sqrt(np.pi) * np.exp(-x * x),), normal((3,))),
    Specimen(
        "a complex modulus",
        np.abs,
        lambda g, z: (g * np.conj(z) / np.abs(z),),
        lambda r: (r.standard_normal(3) + 1j * r.standard_normal(3),),
    ),
    Specimen(
        "broadcast bias",
        np.add,
        lambda g, x, b: (g, g.sum(0)),
        normal((4, 3), (3,)),
    ),
    # -- Tensors
    Specimen("an op", cube, None, normal((3, 2))),
    Specimen(
        "a composition", lambda x, w: tg.tanh(cube(x) @ w).sum(), None, normal((3, 2), (2, 2))
    ),
    Specimen("dropout", lambda x: tg.dropout(x, p=0.5, training=True), None, normal((12,))),
    Specimen("relu of Tensors, with zeros", tg.relu, None, fixed(np.array([0.0, 1.0, -2.0]))),
]


def altered(vjp: Callable[..., Any], k: int, change: Callable[..., Any]) -> Callable[..., Any]:
    """The same backward, its k-th gradient changed."""

    def wrong(g: Any, *inputs: Any) -> tuple[Any, ...]:
        gradients = list(vjp(g, *inputs))
        gradients[k] = change(np.array(gradients[k]))
        return tuple(gradients)

    return wrong


def one_off(index: tuple[int, ...], factor: float = 1.001) -> Callable[[np.ndarray], np.ndarray]:
    def change(G: np.ndarray) -> np.ndarray:
        G[index] *= factor
        return G

    return change


def swapped(i: tuple[int, ...], j: tuple[int, ...]) -> Callable[[np.ndarray], np.ndarray]:
    def change(G: np.ndarray) -> np.ndarray:
        G[i], G[j] = G[j].copy(), G[i].copy()
        return G

    return change


def sin_vjp(g: Any, x: Any) -> tuple[Any]:
    return (g * np.cos(x),)


def matmul_vjp(g: Any, a: Any, b: Any) -> tuple[Any, Any]:
    return g @ b.T, a.T @ g


def pool_overwriting(g: np.ndarray, x: np.ndarray) -> tuple[np.ndarray]:
    dx = np.zeros_like(x)
    for gi, i in zip(g, windows(len(x), 3, 2), strict=True):
        dx[i[np.argmax(x[i])]] = gi
    return (dx,)


def conv_short(g: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Forgets the last window where the stride leaves a remainder."""
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for gi, i in list(zip(g, windows(len(x), len(w), 2), strict=True))[:-1]:
        dx[i] += gi * w
        dw += gi * x[i]
    return dx, dw


WRONG = [
    Specimen(
        "one entry off by 0.1 %",
        np.sin,
        altered(sin_vjp, 0, one_off((1, 2))),
        normal((3, 4)),
        0,
        at((1, 2)),
    ),
    Specimen(
        "one entry of the second gradient off by 0.1 %",
        np.matmul,
        altered(matmul_vjp, 1, one_off((3, 0))),
        normal((3, 4), (4, 2)),
        1,
        lambda a, b: at((3, 0))(b),
    ),
    Specimen(
        "one entry of 6000 off by 0.1 %",
        np.sin,
        altered(sin_vjp, 0, one_off((37, 11))),
        normal((60, 100)),
        0,
        at((37, 11)),
    ),
    Specimen(
        "one entry off by a millionth",
        np.exp,
        altered(lambda g, x: (g * np.exp(x),), 0, one_off((2,), 1 + 1e-6)),
        normal((4,)),
        0,
        at((2,)),
    ),
    Specimen(
        "two entries swapped",
        np.sin,
        altered(sin_vjp, 0, swapped((0, 1), (2, 3))),
        normal((3, 4)),
        0,
        at((0, 1), (2, 3)),
    ),
    Specimen("the sign", np.cos, lambda g, x: (g * np.sin(x),), normal((3,)), 0, everywhere),
    Specimen("a factor 2", np.square, lambda g, x: (g * 4 * x,), normal((3,)), 0, everywhere),
    Specimen(
        "a mean for a sum",
        np.sum,
        lambda g, x: (g * np.ones_like(x) / x.size,),
        normal((3, 4)),
        0,
        everywhere,
    ),
    Specimen(
        "transposed",
        lambda a: a @ np.diag([1.0, 2.0, 3.0]),
        lambda g, a: ((g @ np.diag([1.0, 2.0, 3.0])).T,),
        normal((3, 3)),
        0,
        lambda a: ~np.eye(3, dtype=bool),
    ),
    Specimen(
        "the first row for the sum over a broadcast axis",
        np.add,
        lambda g, x, b: (g, g[0]),
        normal((4, 3), (3,)),
        1,
        lambda x, b: everywhere(b),
    ),
    Specimen(
        "the sum over the wrong axis",
        np.add,
        lambda g, x, b: (g, g.sum(1)),
        normal((3, 3), (3,)),
        1,
        lambda x, b: everywhere(b),
    ),
    Specimen("upstream dropped", np.sin, lambda g, x: (np.cos(x),), normal((3,)), 0, everywhere),
    Specimen("zero", np.sin, lambda g, x: (np.zeros_like(x),), normal((3,)), 0, everywhere),
    Specimen(
        "the last window of a stride forgotten",
        lambda x, w: conv(x, w, 2),
        conv_short,
        normal((8,), (3,)),
        0,
        lambda x, w: np.arange(8) >= 4,
    ),
    Specimen(
        "the kernel not flipped",
        conv,
        lambda g, x, w: (np.convolve(g, w[::-1]), conv_vjp(g, x, w)[1]),
        normal((7,), (3,)),
        0,
        lambda x, w: everywhere(x),
    ),
    Specimen(
        "padding off by one",
        conv,
        lambda g, x, w: (np.roll(conv_vjp(g, x, w)[0], 1), conv_vjp(g, x, w)[1]),
        normal((7,), (3,)),
        0,
        lambda x, w: everywhere(x),
    ),
    Specimen(
        "dilation ignored",
        lambda x, w: conv(x, w, 1, 2),
        lambda g, x, w: (
            conv_vjp(g, x, w, 1, 2)[0],
            np.array([g @ x[k : k + len(g)] for k in range(len(w))]),
        ),
        normal((8,), (3,)),
        1,
        lambda x, w: np.arange(3) > 0,
    ),
    Specimen(
        "= for += in overlapping windows",
        pool,
        pool_overwriting,
        fixed(np.array([1.0, 2.0, 9.0, 3.0, 4.0, 8.0, 5.0, 6.0, 7.0])),
        0,
        at((2,)),
    ),
    Specimen(
        "softmax without the sum",
        softmax,
        lambda g, x: (g * softmax(x) * (1 - softmax(x)),),
        normal((2, 4)),
        0,
        everywhere,
    ),
    Specimen(
        "cross entropy without the labels",
        cross_entropy,
        lambda g, x, labels: (g * softmax(x) / len(x), None),
        lambda r: (r.standard_normal((3, 4)), np.array([0, 2, 1])),
        0,
        lambda x, labels: np.arange(4) == labels[:, None],
    ),
    Specimen(
        "cross entropy without 1/N",
        cross_entropy,
        lambda g, x, labels: (cross_entropy_vjp(g, x, labels)[0] * len(x), None),
        lambda r: (r.standard_normal((3, 4)), np.array([0, 2, 1])),
        0,
        lambda x, labels: everywhere(x),
    ),
    Specimen(
        "batch norm that forgets the mean",
        normalize,
        lambda g, x: (normalize_vjp(g, x)[0] + g.mean(0) / np.sqrt(x.var(0) + 1e-5),),
        normal((5, 3)),
        0,
        everywhere,
    ),
    Specimen(
        "batch norm with n - 1",
        normalize,
        lambda g, x: (normalize_vjp(g, x)[0] * np.sqrt(4 / 5),),
        normal((5, 3)),
        0,
        everywhere,
    ),
    Specimen(
        "rows of a table, overwritten",
        lambda w, i: w[i],
        lambda g, w, i: (np.stack([g[i == n][-1:].sum(0) for n in range(len(w))]), None),
        lambda r: (r.standard_normal((4, 2)), np.array([1, 3, 1])),
        0,
        lambda w, i: (np.arange(4) == 1)[:, None] & np.ones((4, 2), bool),
    ),
    Specimen(
        "relu that passes negatives",
        lambda x: np.maximum(x, 0),
        lambda g, x: (g * np.where(x > 0, 1, 0.01),),
        fixed(np.array([1.0, -2.0, 3.0, -0.5])),
        0,
        at((1,), (3,)),
    ),
    Specimen(
        "clip that passes everything",
        lambda x: np.clip(x, -1, 1),
        lambda g, x: (1.0 * g,),
        fixed(np.array([0.5, -2.0, 0.1, 3.0])),
        0,
        at((1,), (3,)),
    ),
    Specimen(
        "wrong beside a kink",
        np.abs,
        lambda g, x: (g * np.sign(x) * np.array([1, 1, 1.001]),),
        fixed(np.array([0.0, 1.5, -0.7])),
        0,
        at((2,)),
    ),
    Specimen(
        "wrong for negative x alone",
        np.tanh,
        lambda g, x: (g * (1 - np.tanh(x) ** 2) * np.where(x < 0, -1, 1),),
        fixed(np.array([0.3, -0.2, 0.5])),
        0,
        at((1,)),
    ),
    Specimen(
        "the gradients of two inputs exchanged",
        np.multiply,
        lambda g, a, b: (g * a, g * b),
        normal((3,), (3,)),
        0,
        lambda a, b: everywhere(a),
    ),
    Specimen(
        "the second output forgotten",
        lambda x: (np.sin(x), (x * x).sum()),
        lambda g, x: (g[0] * np.cos(x),),
        normal((3,)),
        0,
        everywhere,
    ),
    Specimen(
        "computed in float32",
        np.sin,
        lambda g, x: ((g * np.cos(x)).astype(np.float32).astype(float),),
        normal((5,)),
        0,
        everywhere,
    ),
    Specimen(
        "NaN where f is smooth",
        lambda x: x * x,
        lambda g, x: (g * 2 * x * x / x,),
        fixed(np.array([0.0, 1.0])),
        0,
        at((0,)),
    ),
    Specimen(
        "badly conditioned, and twice too large",
        np.linalg.inv,
        lambda g, x: (-2 * np.linalg.inv(x).T @ g @ np.linalg.inv(x).T,),
        fixed(HILBERT[:5, :5]),
        0,
        everywhere,
    ),
    Specimen(
        "within in float32, and 1 % off",
        in_float32,
        lambda g, x: (g * np.cos(x) * np.array([1, 1.01, 1]),),
        normal((3,)),
        0,
        at((1,)),
    ),
    Specimen(
        "a function of float32 alone, 1 % off",
        float32_only,
        lambda g, x: (g * (3 * x * x * np.array([1, 1, 1.01], np.float32)),),
        lambda r: (r.uniform(0.5, 1.5, 3).astype(np.float32),),
        0,
        at((2,)),
    ),
    Specimen(
        "tiny inputs",
        lambda x: np.sin(1e12 * x),
        lambda g, x: (g * 1e12 * np.cos(1e12 * x) * np.array([1, 1.001]),),
        lambda r: (1e-12 * r.uniform(0.2, 1.2, 2),),
        0,
        at((1,)),
    ),
    Specimen(
        "large inputs",
        lambda x: x * x,
        lambda g, x: (g * 2 * x * np.array([1.001, 1]),),
        lambda r: (1e9 * r.uniform(0.5, 1.5, 2),),
        0,
        at((0,)),
    ),
    Specimen(
        "a tiny gradient beside large ones",
        lambda x: np.array([1e6, 1.0, 1e-6]) * np.sin(x),
        lambda g, x: (g * np.array([1e6, 1.0, 1e-6]) * np.cos(x) * np.array([1, 1, 1.01]),),
        lambda r: (r.uniform(0.1, 1.2, 3),),
        0,
        at((2,)),
    ),
    Specimen("an op of Tensors", half_sigmoid, None, normal((2, 3)), 0, at((0, 1), (1, 1))),
    Specimen(
        "an op within a composition",
        lambda x: tg.sum(tg.exp(half_sigmoid(x) * 2.0)),
        None,
        normal((2, 3)),
        0,
        at((0, 1), (1, 1)),
    ),
    Specimen(
        "a value taken out of the graph",
        lambda x: tg.sin(x) * tg.Tensor(x.data),
        None,
        normal((4,)),
        0,
        everywhere,
    ),
    Specimen(
        "detached altogether",
        lambda x: tg.sin(x).detach(),
        None,
        normal((4,)),
        0,
        everywhere,
    ),
]
