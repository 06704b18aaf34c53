"""The ops that models.custom writes out as examples of one's own."""

from __future__ import annotations

from tests.cases.table import case
from tests.oracle import Draw, F, Sample, torch
from tinygrad_cnn.models import custom


def images_and_filters(d: Draw) -> Sample:
    C, K, padding = d.int(1, 2), d.int(1, 3), d.int(0, 1)
    x = d.real(d.int(1, 2), C, *(K + d.int(0, 2) for _ in range(2)))
    return [x, d.real(d.int(1, 3), C, K, K)], {"padding": padding}


def images_and_a_bottleneck(d: Draw) -> Sample:
    N, C, R = d.int(1, 3), d.int(1, 4), d.int(1, 3)
    return [d.real(N, C, *d.ints(2, 1, 3)), d.real(R, C), d.real(C, R)], {}


def queries_keys_values(d: Draw) -> Sample:
    N, D, E, L = d.ints(4, 1, 3)
    return [d.real(N, D, L), d.real(N, D, L), d.real(N, E, L)], {}


def halved(d: Draw) -> tuple[int, ...]:
    """The shape of images of 2 pixels a side at least, perhaps an odd number."""
    return *d.ints(2, 1, 2), *d.ints(2, 2, 5)


def torch_attend(q, k, v):
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    p = torch.softmax(q @ k.transpose(1, 2) / q.shape[2] ** 0.5, -1)
    return (p @ v).transpose(1, 2)


def torch_squeeze_excite(x, a, b):
    s = torch.sigmoid(torch.relu(x.mean((2, 3)) @ a.T) @ b.T)
    return x * s[:, :, None, None]


CASES = [
    case(
        "conv_by_columns",
        images_and_filters,
        custom.conv_by_columns,
        lambda x, w, padding: F.conv2d(x, w, padding=padding),
    ),
    case("squeeze_excite", images_and_a_bottleneck, custom.squeeze_excite, torch_squeeze_excite),
    case("attend", queries_keys_values, custom.attend, torch_attend),
    case(
        "lp_mean",
        lambda d: ([d.distinct(*halved(d))], {"p": d.of(1.0, 2.0, 3.0)}),
        custom.lp_mean,
        lambda x, p: F.avg_pool2d(x.abs() ** p, 2) ** (1 / p),
    ),
    case(
        "mixed_pool",
        lambda d: ([d.distinct(*halved(d)), d.real(1)], {}),
        custom.mixed_pool,
        lambda x, m: m * F.max_pool2d(x, 2) + (1 - m) * F.avg_pool2d(x, 2),
    ),
    case(
        "gated",
        lambda d: ([d.real(2, n := d.int(1, 3), *d.ints(2, 1, 3)), d.real(n, 1, 1)], {}),
        custom.gated,
        lambda x, b: x * torch.sigmoid(b * x),
    ),
]
