"""Images read off between their pixels: one image at a time, all of it in the nearest cache."""

from __future__ import annotations

import numpy as np

from tinygrad_cnn.kernels.compiled.jit import jit, ready
from tinygrad_cnn.kernels.geometry import Array, Ints

NOWHERE = np.zeros((0, 2, 0, 0), np.float32)  # the bend of images that are not bent


@jit
def _map(a: Array, size: Ints, before: np.float32, out: Array) -> None:
    """out[i*W + j] = a @ (x, y, 1) + before, x and y from the middle of the image."""
    H, W = size
    for i in range(H):
        y = np.float32(i) - np.float32((H - 1) / 2)
        start = a[1] * y + a[2] + before - a[0] * np.float32((W - 1) / 2)
        for j in range(W):
            out[i * W + j] = start + a[0] * np.float32(j)


@jit
def _places(across: Array, down: Array, size: Ints, corner: Array, u: Array, v: Array) -> None:
    """The pixel up and left of each place (across[j], down[j]), and how far from it that is.

    Places outside the image, which lies in its padding from 1 on, are moved onto the zeros there.
    """
    H, W = size
    right, bottom, zero = np.float32(W + 1), np.float32(H + 1), np.float32(0)
    for j in range(len(corner)):
        x, y = min(max(across[j], zero), right), min(max(down[j], zero), bottom)
        left, top = np.int32(x), np.int32(y)
        u[j], v[j] = x - np.float32(left), y - np.float32(top)
        corner[j] = top * np.int32(W + 3) + left


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
    across, down = np.empty(H * W, np.float32), np.empty(H * W, np.float32)
    u, v = np.empty(H * W, np.float32), np.empty(H * W, np.float32)
    corner = np.empty(H * W, np.int32)
    for n in range(N):
        _map(inverse[n, 0], (H, W), np.float32((W + 1) / 2), across)
        _map(inverse[n, 1], (H, W), np.float32((H + 1) / 2), down)
        if len(bend):
            across += bend[n, 0].reshape(-1)
            down += bend[n, 1].reshape(-1)
        _places(across, down, (H, W), corner, u, v)
        padded[:, 1 : H + 1, 1 : W + 1] = images[n]
        for c in range(C):
            _read(padded[c].reshape(-1), W + 3, corner, u, v, y[n, c].reshape(-1))


def resample(images: Array, inverse: Array, bend: Array | None) -> Array:
    """As `reference.resample`."""
    y = np.empty(images.shape, np.float32)
    _resample(ready(images), ready(inverse), NOWHERE if bend is None else ready(bend), y)
    return y
