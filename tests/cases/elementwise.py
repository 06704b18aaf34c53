"""Elementwise functions: of one input, of several that broadcast, and activations."""

from __future__ import annotations

import numpy as np

from tests.cases.table import case, one, smooth
from tests.oracle import Draw, Sample, torch
from tinygrad_cnn import ops

BOUNDED = {"low": -0.8, "high": 0.8}
POSITIVE = {"low": 0.2, "high": 3.0}
INTEGERS = tuple(float(n) for n in range(-3, 4))
HALVES = tuple(n + 0.5 for n in range(-4, 4))


def two(d: Draw) -> Sample:
    """Two inputs of shapes that broadcast."""
    a, b = d.broadcastable(2)
    return [d.real(*a), d.real(*b)], {}


def two_with_a_divisor(d: Draw) -> Sample:
    a, b = d.broadcastable(2)
    return [d.real(*a), d.away(*b, margin=0.3)], {}


def two_away_from_zero(d: Draw) -> Sample:
    a, b = d.broadcastable(2)
    return [d.away(*a), d.away(*b)], {}


def power(d: Draw) -> Sample:
    a, b = d.broadcastable(2)
    return [d.real(*a, **POSITIVE), d.real(*b)], {}


def integer_power(d: Draw) -> Sample:
    return [d.away(*d.shape(), margin=0.3)], {"n": d.of(-2, -1, 0, 1, 2, 3, 0.0, 2.0)}


def quotient(d: Draw) -> Sample:
    """x1 = x2 (k + r) with r in 0.2..0.8: no remainder near 0."""
    a, b = d.broadcastable(2)
    x2 = d.away(*b, margin=0.6)
    shape = np.broadcast_shapes(a, b)
    return [x2 * (d.rng.integers(-3, 3, shape) + d.rng.uniform(0.2, 0.8, shape)), x2], {}


def apart(d: Draw) -> Sample:
    """Two inputs whose elements differ wherever they meet."""
    a, b = d.broadcastable(2)
    x = d.distinct(2, int(np.prod(a)) + int(np.prod(b)))
    return [x[0, : int(np.prod(a))].reshape(a), x[1, : int(np.prod(b))].reshape(b)], {}


def limits(d: Draw) -> Sample:
    xs, _ = apart(d)
    return [xs[0]], {"min": d.of(None, -0.001), "max": d.of(None, 0.001 + 0.5)}


def limits_as_inputs(d: Draw) -> Sample:
    a, b, c = d.broadcastable(3)
    n, m, k = (int(np.prod(s)) for s in (a, b, c))
    x = d.distinct(n + m + k)
    return [x[:n].reshape(a), x[n : n + m].reshape(b), x[n + m :].reshape(c)], {}


def chosen(d: Draw) -> Sample:
    a, b, c = d.broadcastable(3)
    return [d.mask(*a), d.real(*b), d.real(*c)], {}


def along_an_axis(d: Draw) -> Sample:
    x = d.real(*d.shape(1, 3), high=5.0)
    return [x], {"axis": d.axis(x.ndim)}


CASES = [
    # -- one input
    case("exp", one()),
    case("expm1", one()),
    case("exp2", one()),
    case("log", one(**POSITIVE)),
    case("log1p", one(low=-0.7)),
    case("log2", one(**POSITIVE)),
    case("log10", one(**POSITIVE)),
    case("sqrt", one(**POSITIVE)),
    case("sin", one()),
    case("cos", one()),
    case("tan", one(low=-1.2, high=1.2)),
    case("asin", one(**BOUNDED)),
    case("acos", one(**BOUNDED)),
    case("atan", one()),
    case("sinh", one()),
    case("cosh", one()),
    case("tanh", one()),
    case("asinh", one()),
    case("acosh", one(low=1.2, high=3.0)),
    case("atanh", one(**BOUNDED)),
    case("square", one()),
    case("reciprocal", smooth(0, margin=0.3)),
    case("negative", one()),
    case("positive", one()),
    case("abs", smooth(0)),
    case("sign", smooth(0)),
    case("floor", smooth(*INTEGERS)),
    case("ceil", smooth(*INTEGERS)),
    case("trunc", smooth(*INTEGERS)),
    case("round", smooth(*HALVES)),
    case("zero", one(), None, lambda x: x * 0),
    case("alias", one(), None, lambda x: x * 1),
    case("copy", one(), None, lambda x: x.clone()),
    case("real", one()),
    case("imag", one(), None, lambda x: x * 0),
    case("conj", one(), None, lambda x: x * 1),
    case("astype", one(), lambda x: ops.astype(x, np.float64), lambda x: x.double()),
    # -- several
    case("add", two),
    case("subtract", two),
    case("multiply", two),
    case("divide", two_with_a_divisor),
    case("scale", two, None, lambda g, d: g * d),
    case("pow", power),
    case("pow to a constant", integer_power, lambda x, n: x**n, lambda x, n: x**n),
    case("pow of a constant", one(), lambda x: 2.5**x, lambda x: 2.5**x),
    case("remainder", quotient),
    case("floor_divide", quotient, None, lambda a, b: torch.div(a, b, rounding_mode="floor")),
    case("logaddexp", two),
    case("hypot", two_with_a_divisor),
    case("atan2", two_with_a_divisor),
    case("copysign", two_away_from_zero),
    case("nextafter", two, None, None),
    case("maximum", apart),
    case("minimum", apart),
    case("where", chosen),
    case(
        "clip",
        limits,
        lambda x, min, max: ops.clip(x, min, max),
        lambda x, min, max: x * 1 if min is max else torch.clamp(x, min, max),
    ),
    case(
        "clip to inputs",
        limits_as_inputs,
        None,
        lambda x, low, high: torch.minimum(torch.maximum(x, low), high),
    ),
    # -- activations
    case("sigmoid", one()),
    case("softplus", one()),
    case("erf", one()),
    case("silu", one()),
    case("relu", smooth(0)),
    case("relu6", smooth(0, 6, high=9.0)),
    case(
        "leaky_relu",
        lambda d: ([d.away(*d.shape())], {"negative_slope": d.of(0.01, 0.3, -0.5, 1.5)}),
    ),
    case("elu", lambda d: ([d.away(*d.shape())], {"alpha": d.of(1.0, 0.3)})),
    case("gelu", lambda d: ([d.real(*d.shape(), high=4)], {"approximate": d.of("none", "tanh")})),
    case("softmax", along_an_axis, None, lambda x, axis: torch.softmax(x, axis)),
    case("log_softmax", along_an_axis, None, lambda x, axis: torch.log_softmax(x, axis)),
    case(
        "leaky_relu_grad",
        lambda d: ([d.real(2, 3), d.away(2, 3)], {"negative_slope": 0.1}),
        None,
        lambda g, x, negative_slope: torch.where(x > 0, g, negative_slope * g),
    ),
]
