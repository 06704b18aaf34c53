"""Images read off between their pixels: a row of the output at a time."""

from __future__ import annotations

import numpy as np

from tinygrad_cnn.kernels.compiled.jit import jit, ready
from tinygrad_cnn.kernels.geometry import Array

NOWHERE = np.zeros((0, 2, 0, 0), np.float32)  # the bend of images that are not bent


@jit
def _places(slope: float, start: float, bend: Array, size: int, at: Array, rest: Array) -> None:
    """start + slope * j + bend[j] as a whole number and the rest of it.

    Outside the image, which lies in its padding from 1 on, it is moved onto the zeros around.
    """
    for j in range(len(at)):
        place = start + slope * np.float32(j)
        if len(bend):
            place += bend[j]
        place = min(max(place, np.float32(0)), np.float32(size + 1))
        at[j] = np.int32(place)
        rest[j] = place - np.float32(at[j])


@jit
def _read(flat: Array, width: int, left: Array, top: Array, u: Array, v: Array, y: Array) -> None:
    """y[j] = the flat padded image at (left + u, top + v), bilinear."""
    # Of signed indices the machine would ask, for each, whether it counts from the end.
    below, one = np.uintp(width), np.uintp(1)
    for j in range(len(y)):
        k = np.uintp(top[j] * np.int32(width) + left[j])
        upper = flat[k] + u[j] * (flat[k + one] - flat[k])
        lower = flat[k + below] + u[j] * (flat[k + below + one] - flat[k + below])
        y[j] = upper + v[j] * (lower - upper)


@jit
def _resample(images: Array, inverse: Array, bend: Array, y: Array) -> None:
    N, C, H, W = images.shape
    padded = np.zeros((C, H + 3, W + 3), np.float32)
    left, top = np.empty(W, np.int32), np.empty(W, np.int32)
    u, v = np.empty(W, np.float32), np.empty(W, np.float32)
    bent = len(bend) > 0
    for n in range(N):
        padded[:, 1 : H + 1, 1 : W + 1] = images[n]
        a = inverse[n]
        for i in range(H):
            x0, y0 = -np.float32((W - 1) / 2), np.float32(i) - np.float32((H - 1) / 2)
            across = a[0, 0] * x0 + a[0, 1] * y0 + a[0, 2] + np.float32((W + 1) / 2)
            down = a[1, 0] * x0 + a[1, 1] * y0 + a[1, 2] + np.float32((H + 1) / 2)
            _places(a[0, 0], across, bend[n, 0, i] if bent else u[:0], W, left, u)
            _places(a[1, 0], down, bend[n, 1, i] if bent else u[:0], H, top, v)
            for c in range(C):
                _read(padded[c].reshape(-1), W + 3, left, top, u, v, y[n, c, i])


def resample(images: Array, inverse: Array, bend: Array | None) -> Array:
    """As `reference.resample`."""
    y = np.empty(images.shape, np.float32)
    _resample(ready(images), ready(inverse), NOWHERE if bend is None else ready(bend), y)
    return y
