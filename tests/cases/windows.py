"""Convolution and pooling in one, two and three dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.cases.table import case
from tests.oracle import Case, Draw, F, Sample, torch
from tinygrad_cnn import kernels, ops

ROOM = {1: 6, 2: 3, 3: 1}  # how much larger an image may be than it must


def geometry(d: Draw, n: int, pooling: bool = False) -> dict[str, Any]:
    """Kernel, stride, padding, dilation and an image size with room for one window at least.

    Pooling: PyTorch wants some images as large as the kernel; and a dilated window could straddle
    an image of size 1, and hold padding alone.
    """
    kernel, stride = d.ints(n, 1, 3), d.ints(n, 1, 3)
    dilation = d.ints(n, 1, 2)
    padding = tuple(d.int(0, k // 2 if pooling else 2) for k in kernel)
    size = tuple(
        max(e * (k - 1) + 1 - 2 * p, k if pooling else 1, 1 + pooling) + d.int(0, ROOM[n])
        for k, e, p in zip(kernel, dilation, padding, strict=True)
    )
    return {
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "size": size,
    }


def convolution(n: int) -> Any:
    def draw(d: Draw) -> Sample:
        at, groups = geometry(d, n), d.of(1, 1, 2, 3)
        N, channels, filters = d.of(1, 2, 0), groups * d.int(1, 2), groups * d.int(1, 2)
        xs = [
            d.real(N, channels, *at["size"]),
            d.real(filters, channels // groups, *at["kernel"]),
            d.real(filters),
        ]
        options = {k: at[k] for k in ("stride", "padding", "dilation")}
        if d.flag():  # one number for all axes
            options = {k: v[0] for k, v in options.items() if len(set(v)) == 1} | {
                k: v for k, v in options.items() if len(set(v)) > 1
            }
        return xs[: d.int(2, 3)], {**options, "groups": groups}

    return draw


def spelled_out(d: Draw) -> Sample:
    """As the op wants it: a number for each axis."""
    n = d.int(1, 3)
    xs, k = convolution(n)(d)
    return xs, {
        key: v if isinstance(v, tuple) or key == "groups" else (v,) * n for key, v in k.items()
    }


def named_padding(d: Draw) -> Sample:
    kernel = d.ints(2, 1, 4)
    xs = [d.real(1, 2, *(k + d.int(0, 3) for k in kernel)), d.real(2, 2, *kernel)]
    same = d.flag()
    return xs, {
        "padding": "same" if same else "valid",
        "stride": 1 if same else d.int(1, 2),
        "dilation": d.int(1, 2) if same else 1,
    }


def transposed(n: int) -> Any:
    def draw(d: Draw) -> Sample:
        groups, kernel, stride, dilation = d.of(1, 1, 2), *(d.ints(n, 1, 3) for _ in range(3))
        padding = tuple(
            d.int(0, min(2, e * (k - 1) // 2)) for k, e in zip(kernel, dilation, strict=True)
        )
        extra = tuple(d.int(0, max(s, e) - 1) for s, e in zip(stride, dilation, strict=True))
        channels = groups * d.int(1, 2)
        xs = [
            d.real(d.of(1, 2, 0), channels, *d.ints(n, 1, 3)),
            d.real(channels, d.int(1, 2), *kernel),
        ]
        if d.flag():
            xs.append(d.real(groups * xs[1].shape[1]))
        return xs, {
            "stride": stride,
            "padding": padding,
            "output_padding": extra,
            "groups": groups,
            "dilation": dilation,
        }

    return draw


def of_the_family(*names: str) -> Any:
    """Inputs and options of conv_input or conv_weight, from those of their convolution."""

    def draw(d: Draw) -> Sample:
        (x, w, *_), k = spelled_out(d)
        y = kernels.conv(x, w, **k)
        arrays = {"x": x, "w": w, "g": d.real(*y.shape)}
        size = (x if names[0] == "g" else w).shape[2:]
        return [arrays[name] for name in names], {"size": size, **k}

    return draw


def torch_conv(x: Any, *rest: Any, **k: Any) -> Any:
    return getattr(F, f"conv{x.ndim - 2}d")(x, *rest, **k)


def torch_conv_input(g: Any, w: Any, size: Any, groups: int, **k: Any) -> Any:
    shape = (g.shape[0], w.shape[1] * groups, *size)
    x = torch.zeros(shape, dtype=g.dtype, requires_grad=True)
    return _transpose(torch_conv(x, w, groups=groups, **k), x, g)


def torch_conv_weight(x: Any, g: Any, size: Any, groups: int, **k: Any) -> Any:
    shape = (g.shape[1], x.shape[1] // groups, *size)
    w = torch.zeros(shape, dtype=g.dtype, requires_grad=True)
    return _transpose(torch_conv(x, w, groups=groups, **k), w, g)


def _transpose(y: Any, x: Any, g: Any) -> Any:
    """The transpose, applied to g, of the linear map x -> y."""
    return torch.autograd.grad(y, x, g, create_graph=True)[0]


def pooled(n: int, kind: str) -> Any:
    """Images of distinct values; windows that overlap, leave a remainder, overhang."""

    def draw(d: Draw) -> Sample:
        at = geometry(d, n, pooling=True)
        x = d.distinct(d.of(1, 2), d.int(1, 2), *at["size"])
        options = {"kernel_size": at["kernel"], "stride": d.of(None, at["stride"])}
        options["ceil_mode"] = d.flag()
        if kind == "lp":  # PyTorch takes powers of x itself: even ones, or of positive numbers
            if n == 1:  # and no tuple in one dimension
                options["kernel_size"] = at["kernel"][0]
            p = d.of(1, 2, 2.5, 3, np.inf)
            return [x if p == 2 else d.laid_out(np.abs(x))], {"norm_type": p, **options}
        options["padding"] = at["padding"]
        if kind == "max":
            return [x], {"dilation": at["dilation"], **options}
        return [x], {"count_include_pad": d.flag(), **options}

    return draw


def unpooled(n: int) -> Any:
    """Values and the places that a pooling without overlaps took them from."""

    def draw(d: Draw) -> Sample:
        kernel = d.ints(n, 1, 3)
        size = tuple(k * d.int(1, 3) + d.int(0, k - 1) for k in kernel)
        whole = d.distinct(2, 2, *size)
        y, indices = getattr(ops, f"max_pool{n}d")(whole, kernel_size=kernel, return_indices=True)
        return [d.real(*y.shape)], {"indices": indices, "kernel_size": kernel, "output_size": size}

    return draw


def adaptive(n: int, distinct: bool = False) -> Any:
    def draw(d: Draw) -> Sample:
        out = d.of(
            1, 2, 5, d.of(1, 2, 3) if n == 1 else tuple(d.of(1, 2, 3, None) for _ in range(n))
        )
        shape = (d.of(1, 2, 0), 2, *d.ints(n, 1, 5))
        return [d.distinct(*shape) if distinct else d.real(*shape)], {"output_size": out}

    return draw


def of_windows(kind: str) -> Any:
    """Options of the pooling ops themselves, as the functions above hand them over."""

    def draw(d: Draw) -> Sample:
        n = d.int(1, 3)
        at = geometry(d, n, pooling=True)
        size = at.pop("size")
        x = d.distinct(1, 2, *size)
        if kind.startswith("sum_pool"):
            del at["dilation"]
            at["ceil_mode"] = d.flag()
            y = kernels.sum_pool(x, **at)
            return ([x], at) if kind == "sum_pool" else ([d.real(*y.shape)], {"size": size, **at})
        y, argmax = kernels.max_pool(x, **at, ceil_mode=False)
        if kind == "max_pool":
            return [x], {**at, "ceil_mode": False}
        if kind == "window_gather":
            return [x], {"argmax": argmax, **at}
        return [d.real(*y.shape)], {"argmax": argmax, "size": size, **at}

    return draw


def torch_max_pool(x: Any, kernel: Any, **k: Any) -> Any:
    return getattr(F, f"max_pool{len(kernel)}d")(x, kernel, **k)


def torch_sum_pool(x: Any, kernel: Any, **k: Any) -> Any:
    pool = getattr(F, f"avg_pool{len(kernel)}d")
    if len(kernel) > 1:
        return pool(x, kernel, **k, divisor_override=1)
    two = {key: (1 if key == "stride" else 0, *v) for key, v in k.items() if key != "ceil_mode"}
    y = F.avg_pool2d(
        x[:, :, None], (1, *kernel), **two, ceil_mode=k["ceil_mode"], divisor_override=1
    )
    return y[:, :, 0]


def torch_sum_pool_input(g: Any, size: Any, **k: Any) -> Any:
    x = torch.zeros((*g.shape[:2], *size), dtype=g.dtype, requires_grad=True)
    return _transpose(torch_sum_pool(x, **k), x, g)


def per_dimension(name: str, draw: Any, torch_f: Any = None, **options: Any) -> list[Case]:
    return [
        case(
            f"{name}{n}d",
            draw(n),
            None,
            torch_f(n) if torch_f else lambda *xs, n=n, **k: getattr(F, f"{name}{n}d")(*xs, **k),
            **options,
        )
        for n in (1, 2, 3)
    ]


CASES = [
    *per_dimension("conv", convolution),
    case("conv2d with named padding", named_padding, None, lambda *xs, **k: F.conv2d(*xs, **k)),
    *per_dimension("conv_transpose", transposed),
    case("conv", spelled_out, None, torch_conv),
    case("conv_input", of_the_family("g", "w"), None, torch_conv_input),
    case("conv_weight", of_the_family("x", "g"), None, torch_conv_weight),
    *per_dimension("max_pool", lambda n: pooled(n, "max")),
    *per_dimension("avg_pool", lambda n: pooled(n, "avg")),
    case(
        "avg_pool2d with its own divisor",
        lambda d: ([d.real(1, 2, 5, 4)], {"kernel_size": 2, "divisor_override": d.of(1, 3)}),
        None,
        lambda *xs, **k: F.avg_pool2d(*xs, **k),
    ),
    *per_dimension("lp_pool", lambda n: pooled(n, "lp")),
    *per_dimension("adaptive_avg_pool", adaptive),
    *per_dimension("adaptive_max_pool", lambda n: adaptive(n, distinct=True)),
    case(
        "global_avg_pool",
        lambda d: ([d.real(2, 3, *d.ints(d.int(1, 3), 1, 4))], {"keepdims": d.flag()}),
        None,
        lambda x, keepdims: x.mean(tuple(range(2, x.ndim)), keepdim=keepdims),
    ),
    case(
        "global_max_pool",
        lambda d: ([d.distinct(2, 3, *d.ints(d.int(1, 3), 1, 4))], {"keepdims": d.flag()}),
        None,
        lambda x, keepdims: x.amax(tuple(range(2, x.ndim)), keepdim=keepdims),
    ),
    *per_dimension(
        "max_unpool",
        unpooled,
        lambda n: (
            lambda x, indices, **k: getattr(F, f"max_unpool{n}d")(x, torch.as_tensor(indices), **k)
        ),
    ),
    case("max_pool", of_windows("max_pool"), None, torch_max_pool),
    case("window_gather", of_windows("window_gather"), None, None),
    case("window_scatter", of_windows("window_scatter"), None, None),
    case("sum_pool", of_windows("sum_pool"), None, torch_sum_pool),
    case("sum_pool_input", of_windows("sum_pool_input"), None, torch_sum_pool_input),
]
