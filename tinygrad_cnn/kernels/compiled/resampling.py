"""Images read off between their pixels: one image at a time, all of it in the nearest cache."""

from __future__ import annotations

import numpy as np

from tinygrad_cnn.kernels.blocked.memory import contiguous
from tinygrad_cnn.kernels.compiled.jit import jit
from tinygrad_cnn.kernels.geometry import Array, Ints

NOWHERE = np.zeros((1, 2, 0, 0), np.float32)  # the bend of images that are not bent


@jit
def _places(inverse: Array, bend: Array, size: Ints, corner: Array, u: Array, v: Array) -> None:
    """For each pixel (i, j) the place inverse @ (x, y, 1) + bend[:, i, j] to read the image at.

    x = j - (W-1)/2 and y = i - (H-1)/2; the place is given as the pixel up and left of it, and how
    far from that it is. In its padding the image lies from 1 on; places outside of it are moved
    onto the zeros there.
    """
    H, W = size
    right, bottom, zero = np.float32(W + 1), np.float32(H + 1), np.float32(0)
    a, b, bent = inverse[0], inverse[1], bend.size > 0
    for i in range(H):
        y = np.float32(i) - np.float32((H - 1) / 2)
        across = a[1] * y + a[2] + np.float32((W + 1) / 2) - a[0] * np.float32((W - 1) / 2)
        down = b[1] * y + b[2] + np.float32((H + 1) / 2) - b[0] * np.float32((W - 1) / 2)
        for j in range(W):
            p, q = across + a[0] * np.float32(j), down + b[0] * np.float32(j)
            if bent:
                p, q = p + bend[0, i, j], q + bend[1, i, j]
            p, q = p if p > zero else zero, q if q > zero else zero  # NaN is outside, too
            p, q = p if p < right else right, q if q < bottom else bottom
            left, top = np.int32(p), np.int32(q)
            u[i * W + j], v[i * W + j] = p - np.float32(left), q - np.float32(top)
            corner[i * W + j] = top * np.int32(W + 3) + left


@jit
def _read(flat: Array, width: int, corner: Array, u: Array, v: Array, y: Array) -> None:
    """y[j] = the flat padded image at corner[j] + (u[j], v[j]), bilinear."""
    # Of signed indices the machine would ask, for each, whether it counts from the end.
    below, one = np.uintp(width), np.uintp(1)
    for j in range(len(y)):
        k = np.uintp(corner[j])
        upper = flat[k] + u[j] * (flat[k + one] - flat[k])
        lower = flat[k + below] + u[j] * (flat[k + below + one] - flat[k + below])
        y[j] = upper + v[j] * (lower - upper)


@jit
def _resample(images: Array, inverse: Array, bend: Array, y: Array) -> None:
    N, C, H, W = images.shape
    padded = np.zeros((C, H + 3, W + 3), np.float32)
    u, v = np.empty(H * W, np.float32), np.empty(H * W, np.float32)
    corner = np.empty(H * W, np.int32)
    for n in range(N):
        _places(inverse[n], bend[n % len(bend)], (H, W), corner, u, v)
        padded[:, 1 : H + 1, 1 : W + 1] = images[n]
        for c in range(C):
            _read(padded[c].reshape(-1), W + 3, corner, u, v, y[n, c].reshape(-1))


def resample(images: Array, inverse: Array, bend: Array | None) -> Array:
    """As `reference.resample`."""
    y = np.empty(images.shape, np.float32)
    _resample(
        contiguous(images), contiguous(inverse), NOWHERE if bend is None else contiguous(bend), y
    )
    return y
