"""Strokes as MNIST has them: as wide, fitted into 20 x 20, the centre of mass in the middle."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.errors import require

Grey = NDArray[np.float32]

BOX, SIDE = 20, 28
PEN = (2.2, 3.4)  # pixels of the box; in MNIST, half of the digits lie within 1.75 and 2.75
FINEST = 4 * BOX  # pixels: a digit is enlarged to this before its outline is moved


def pen_of_mnist(mask: NDArray[np.bool_]) -> Grey:
    """The digit cut out, in 0..1 (h, w), its strokes neither thinner nor thicker than MNIST's.

    The outline is moved outwards or inwards: a pixel at the signed distance d from it (positive
    inside) becomes clip(1/2 + d + move, 0, 1), with `move` half of what the pen lacks.
    """
    ndimage = require("scipy.ndimage", "train")
    digit = _enlarged(_cut(mask))
    unit = max(digit.shape) / BOX
    width = stroke_width(digit)
    move = (np.clip(width, PEN[0] * unit, PEN[1] * unit) - width) / 2
    digit = np.pad(digit, int(PEN[0] * unit) + 2)
    inside, outside = (ndimage.distance_transform_edt(part) for part in (digit, ~digit))
    distance = np.where(digit, inside - 0.5, 0.5 - outside)
    return np.asarray(np.clip(0.5 + distance + move, 0, 1), np.float32)


def stroke_width(mask: NDArray[np.bool_]) -> float:
    """The median width of the strokes: twice the distance to the paper, along their middle."""
    ndimage = require("scipy.ndimage", "train")
    distance = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    middle = mask & (distance >= ndimage.maximum_filter(distance, 3))
    return 2 * float(np.median(distance[middle])) - 1


def centred(strokes: Grey) -> NDArray[np.uint8]:
    """Strokes (H, W) in 0..1 fitted into 20 x 20, their centre of mass in the middle of 28 x 28."""
    digit = _cut(strokes)
    scale = BOX / max(digit.shape)
    height, width = (max(round(scale * side), 1) for side in digit.shape)
    digit = _resize(digit, width, height)
    canvas = np.zeros((SIDE, SIDE), dtype=np.float32)
    top, left = (_start(digit.sum(axis=1)), _start(digit.sum(axis=0)))
    canvas[top : top + height, left : left + width] = digit
    # Strokes that cover no pixel whole are grey; MNIST's are white in their middle.
    white = np.percentile(canvas[canvas > 0], 95)
    pixels: NDArray[np.uint8] = np.rint(255 * np.clip(canvas / white, 0, 1)).astype(np.uint8)
    return pixels


def _cut(strokes: NDArray[Any]) -> NDArray[Any]:
    """The box around all that is not 0."""
    rows, columns = np.flatnonzero(strokes.any(axis=1)), np.flatnonzero(strokes.any(axis=0))
    return strokes[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _enlarged(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """At least 80 pixels large, its steps smoothed, so that the outline can move by a fraction."""
    factor = -(-FINEST // max(mask.shape))
    if factor == 1:
        return mask
    ndimage = require("scipy.ndimage", "train")
    large = np.pad(mask.repeat(factor, axis=0).repeat(factor, axis=1), factor)
    smooth = ndimage.gaussian_filter(large.astype(np.float32), factor / 2) > 0.5
    return _cut(smooth if smooth.any() else large)


def _start(mass: Grey) -> int:
    """Where a digit with that mass along an axis begins, so that its centre lies in the middle."""
    middle = float(mass @ np.arange(len(mass)) / mass.sum())
    return int(np.clip(round(SIDE / 2 - middle), 0, SIDE - len(mass)))


def _resize(strokes: Grey, width: int, height: int) -> Grey:
    Image = require("PIL.Image", "train")
    resized: Any = Image.fromarray(strokes).resize((width, height), Image.Resampling.HAMMING)
    return np.asarray(resized, dtype=np.float32)
