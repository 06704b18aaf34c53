"""Images read off between their pixels: a block of images at a time, its places in the cache."""

from __future__ import annotations

import numpy as np

from tinygrad_cnn.kernels.geometry import Array

# Each work array of a block then takes 256 KiB: a few of them stay in a core's second-level cache.
BLOCK_PIXELS = 1 << 16


def resample(images: Array, inverse: Array, bend: Array | None) -> Array:
    """As `reference.resample`."""
    N, C, H, W = images.shape
    y = np.empty(images.shape, np.float32)
    block = max(1, min(N, BLOCK_PIXELS // max(H * W, 1)))
    # Work arrays are made once: fresh ones for every step cost more in page faults than the step.
    work = np.empty((6, block, H, W), np.float32)
    corner = np.empty((block, H, W), np.intp)
    padded = np.zeros((block, H + 3, W + 3), np.float32)
    for start in range(0, N, block):
        part = slice(start, start + block)
        n = len(images[part])
        u, v, *rest = work[:, :n]
        d = None if bend is None else bend[part]
        _locate(inverse[part], d, u, v, rest[0], rest[1], corner[:n])
        for c in range(C):
            padded[:n, 1 : H + 1, 1 : W + 1] = images[part, c]
            _interpolate(padded, corner[:n], u, v, rest, y[part, c])
    return y


def _locate(
    inverse: Array,
    bend: Array | None,
    u: Array,
    v: Array,
    left: Array,
    top: Array,
    corner: Array,
) -> None:
    """Where each output pixel samples: the index of the upper left of the four pixels around the
    place, in the flat padded block, and into u, v the place's distance from it, in 0..1.

    The image lies in its padding (H+3, W+3) from (1, 1) on. Places outside are clipped onto the
    zeros of the border, whose width lets the neighbour on the right and below exist too.
    """
    n, H, W = u.shape
    x = np.arange(W, dtype=np.float32) - np.float32((W - 1) / 2)
    y = np.arange(H, dtype=np.float32)[:, None] - np.float32((H - 1) / 2)
    a = inverse[:, :, :, None, None]  # (n, 2, 3, 1, 1)
    # Two terms of the sum hold one axis each, so that one pass over (n, H, W) makes it.
    np.add(a[:, 0, 0] * x, a[:, 0, 1] * y + (a[:, 0, 2] + np.float32((W + 1) / 2)), out=u)
    np.add(a[:, 1, 0] * x, a[:, 1, 1] * y + (a[:, 1, 2] + np.float32((H + 1) / 2)), out=v)
    if bend is not None:
        u += bend[:, 0]
        v += bend[:, 1]
    for place, size in ((u, W), (v, H)):  # fmax, unlike clip, takes NaN for less than 0
        np.minimum(np.fmax(place, 0, out=place), size + 1, out=place)
    u -= np.floor(u, out=left)
    v -= np.floor(v, out=top)
    top *= W + 3
    top += left
    top += (np.arange(n, dtype=np.float32) * ((H + 3) * (W + 3)))[:, None, None]
    corner[...] = top  # whole numbers below 2**24: float32 holds them exactly


def _interpolate(
    padded: Array, corner: Array, u: Array, v: Array, work: list[Array], out: Array
) -> None:
    """out = (1-v) ((1-u) p00 + u p01) + v ((1-u) p10 + u p11), p00 the pixel at `corner`."""
    flat, row = padded.ravel(), padded.shape[2]
    p00, p01, p10, p11 = work
    for neighbour, offset in ((p00, 0), (p01, 1), (p10, row), (p11, row + 1)):
        # Every index is in range; with "clip" NumPy fills `out` without a buffer.
        np.take(flat[offset:], corner, out=neighbour, mode="clip")
    p01 -= p00
    p01 *= u
    p00 += p01  # the upper edge at u
    p11 -= p10
    p11 *= u
    p10 += p11  # the lower edge at u
    p10 -= p00
    p10 *= v
    np.add(p00, p10, out=out)
