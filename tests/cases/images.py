"""Images resized, shuffled, cut into windows, padded."""

from __future__ import annotations

from typing import Any

from tests.cases.table import case
from tests.oracle import Draw, F, Sample
from tinygrad_cnn import ops
from tinygrad_cnn.ops.rearrange import pad_sides

LINEAR = {1: ("linear",), 2: ("bilinear", "bicubic"), 3: ("trilinear",)}


def resized(d: Draw) -> Sample:
    n = d.int(1, 3)
    shape = d.ints(n, 1, 5)
    mode = d.of("nearest", "nearest-exact", "area", *LINEAR[n], *LINEAR[n])
    options: dict[str, Any] = {"mode": mode}
    if mode in LINEAR[n]:
        options["align_corners"] = d.flag()
    if d.flag():
        options["size"] = d.ints(n, 1, 7)
    else:
        least = 1 / min(shape)
        options["scale_factor"] = tuple(max(f, least) for f in d.of((2, 3, 2), (0.6, 2.0, 1.5)))[:n]
    return [d.real(d.int(1, 2), 2, *shape)], options


def shuffled(d: Draw) -> Sample:
    r = d.int(1, 3)
    return [d.real(2, r * r * d.int(1, 2), d.int(1, 3), 2)], {"upscale_factor": r}


def unshuffled(d: Draw) -> Sample:
    r = d.int(1, 3)
    return [d.real(2, 3, r * d.int(1, 2), r * 2)], {"downscale_factor": r}


def dealt(d: Draw) -> Sample:
    groups = d.int(1, 3)
    return [d.real(2, groups * d.int(1, 3), *d.of((3,), (2, 2)))], {"groups": groups}


def windows(d: Draw) -> dict[str, Any]:
    return {
        "kernel_size": d.ints(2, 1, 3),
        "dilation": d.ints(2, 1, 2),
        "padding": d.ints(2, 0, 2),
        "stride": d.ints(2, 1, 3),
    }


def unfolded(d: Draw) -> Sample:
    return [d.real(2, d.int(1, 2), *d.ints(2, 5, 7))], windows(d)


def folded(d: Draw) -> Sample:
    size, at = d.ints(2, 5, 7), windows(d)
    shape = ops.unfold(d.rng.normal(size=(2, 2, *size)), **at).shape
    return [d.real(*shape)], {"output_size": size, **at}


def padded(d: Draw) -> Sample:
    n = d.int(1, 2)
    shape = (2, 2, *d.ints(n, 3, 4))
    mode = d.of("constant", "reflect", "replicate", "circular")
    low = -1 if mode == "constant" else 0
    return [d.real(*shape)], {"widths": [d.ints(2, low, 2) for _ in range(n)], "mode": mode}


def pad(x: Any, widths: Any, mode: str) -> Any:
    return pad_sides(x, [(0, 0), (0, 0), *widths], mode=mode)


def torch_pad(x: Any, widths: Any, mode: str) -> Any:
    return F.pad(x, [w for pair in widths[::-1] for w in pair], mode)


CASES = [
    case("interpolate", resized),
    case(
        "pixel_shuffle",
        shuffled,
        None,
        lambda x, upscale_factor: F.pixel_shuffle(x, upscale_factor),
    ),
    case(
        "pixel_unshuffle",
        unshuffled,
        None,
        lambda x, downscale_factor: F.pixel_unshuffle(x, downscale_factor),
    ),
    case("channel_shuffle", dealt, None, lambda x, groups: F.channel_shuffle(x, groups)),
    case("unfold", unfolded, None, lambda x, **k: F.unfold(x, **k)),
    case("fold", folded, None, lambda x, **k: F.fold(x, **k)),
    case("pad to the sides", padded, pad, torch_pad),
]
