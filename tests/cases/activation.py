"""Activations beyond those among the elementwise functions, each away from its kinks."""

from __future__ import annotations

import numpy as np

from tests.cases.table import case, one, smooth
from tests.oracle import Draw, F, Sample
from tinygrad_cnn import ops


def with_alpha(d: Draw) -> Sample:
    # Powers of 2: PyTorch takes 1 / alpha in single precision.
    return [d.away(*d.shape())], {"alpha": d.of(1.0, 0.5, -2.0)}


def limited(d: Draw) -> Sample:
    low, high = d.of((-1.0, 1.0), (0.0, 0.7), (-0.4, 2.0))
    return [d.away(*d.shape(), kinks=(low, high))], {"min_val": low, "max_val": high}


def sloped(d: Draw) -> Sample:
    """x, and one slope, or one for each channel."""
    x = d.away(*d.shape(1, 3, empty=False))
    C = x.shape[1] if x.ndim > 1 else 1
    return [x, d.real(d.of(1, C))], {}


def halves(d: Draw) -> Sample:
    shape = list(d.shape(1, 3))
    axis = d.axis(len(shape))
    shape[axis] *= 2
    return [d.real(*shape)], {"axis": axis}


def along_an_axis(d: Draw) -> Sample:
    x = d.real(*d.shape(1, 3), high=5.0)
    return [x], {"axis": d.axis(x.ndim)}


CASES = [
    case("celu", with_alpha),
    case("selu", smooth(0)),
    case("mish", one(high=4.0)),
    case("softsign", smooth(0)),
    case("logsigmoid", one(high=9.0)),
    case("tanhshrink", one()),
    case("hardtanh", limited),
    # PyTorch's gradient holds 1/6 in single precision: the differences judge it.
    case("hardsigmoid", smooth(-3, 3, high=5.0), None, None),
    case("hardswish", smooth(-3, 3, high=5.0)),
    case("hardshrink", lambda d: ([d.away(*d.shape(), kinks=(-0.5, 0.5))], {"lambd": 0.5})),
    case("softshrink", lambda d: ([d.away(*d.shape(), kinks=(-0.7, 0.7))], {"lambd": 0.7})),
    case(
        "threshold",
        lambda d: ([d.away(*d.shape(), kinks=(0.4,))], {"value": d.of(-1.5, 0.0)}),
        lambda x, value: ops.threshold(x, 0.4, value),
        lambda x, value: F.threshold(x, 0.4, value),
    ),
    case("prelu", sloped),
    case("glu", halves, None, lambda x, axis: F.glu(x, axis)),
    case("softmin", along_an_axis, None, lambda x, axis: F.softmin(x, axis)),
    case("rrelu", smooth(0)),
    case(
        "rrelu in training",
        lambda d: ([d.away(3, 4)], {"training": True}),
        lambda x, training: ops.rrelu(x, lower=0.3, upper=0.3, training=training),
        lambda x, training: F.leaky_relu(x, 0.3),
    ),
    case("rrelu of random slopes", lambda d: ([d.away(3, 4)], {"training": True}), None, None),
    case("alpha_dropout", lambda d: ([d.real(3, 4)], {"p": d.of(0.0, 0.3, 1.0)}), None, None),
    case(
        "leaky_relu_grad of a negative slope",
        lambda d: ([np.abs(d.away(2, 3)), d.away(2, 3)], {"negative_slope": -0.1}),
        None,
        None,
    ),
]
