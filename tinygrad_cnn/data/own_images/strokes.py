"""The digit among all that is dark: its pixels, without specks, edges and squared lines."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.data.own_images.paper import Grey, Ink, Levels
from tinygrad_cnn.errors import DataError, require

Mask = NDArray[np.bool_]

EIGHT = np.ones((3, 3), bool)  # neighbours, those across a corner included
SMALLEST = 0.05  # of the main part: what is smaller is a speck
CROSSINGS = 8  # of the picture's border by one connected part: more than any digit has
NEAREST = 0.25  # of the main part's size: what is farther away does not belong to it
# What runs out of the picture is rather the edge of something else, such as another line of
# writing: it is the main part only with so much more ink, and belongs to it only if so near.
CUT_OFF, NEAREST_CUT_OFF = 3.0, 0.06


def digit_mask(ink: Ink) -> Mask:
    """The pixels of the connected part with the most ink, and of its near and large neighbours.

    A part that the border cuts off counts for less, unless the digit itself runs over it.

    Raises DataError where this part runs out of the picture on all sides: squared lines, no digit.
    """
    for levels in ink.levels:
        parts, amounts = _parts(ink.contrast, levels)
        cut_off = np.zeros(len(amounts), bool)
        cut_off[_around(parts)] = True
        main = int(np.where(cut_off, amounts / CUT_OFF, amounts).argmax())
        if _crossings(parts == main) <= CROSSINGS:
            return _with_neighbours(parts, amounts, cut_off, main)
    raise DataError(
        "no digit found: there are only lines across the picture; write with a darker or "
        "thicker pen, or crop to the digit"
    )


def _parts(contrast: Grey, levels: Levels) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(H, W), the connected part that each pixel belongs to, 0 for paper; and the ink of each."""
    ndimage = require("scipy.ndimage", "train")
    threshold = max(0.4 * levels.ink, levels.lines + 0.3 * (levels.ink - levels.lines))
    parts, count = ndimage.label(contrast >= threshold, EIGHT)
    surely_ink = contrast >= (threshold + levels.ink) / 2  # of lines and shadows, little is
    return parts, np.bincount(parts[surely_ink], minlength=count + 1)


def _with_neighbours(
    parts: NDArray[np.intp], amounts: NDArray[np.intp], cut_off: Mask, main: int
) -> Mask:
    """The main part and those that are large and near enough to belong to it."""
    ndimage = require("scipy.ndimage", "train")
    away = ndimage.distance_transform_edt(parts != main)
    size = max(np.ptp(np.nonzero(parts == main), axis=1) + 1)
    nearest = np.asarray(ndimage.minimum(away, parts, range(len(amounts)))) / size
    near = nearest <= np.where(cut_off, NEAREST_CUT_OFF, NEAREST)
    kept = near & (amounts >= SMALLEST * amounts[main])
    kept[0] = False  # 0 is paper
    mask: Mask = kept[parts]
    return mask


def _crossings(mask: Mask) -> int:
    """How often the mask reaches the border of the picture."""
    around = _around(mask)
    return int((around & ~np.roll(around, 1)).sum())


def _around(array: NDArray[Any]) -> NDArray[Any]:
    """The pixels along the border, clockwise."""
    return np.concatenate([array[0], array[1:, -1], array[-1, -2::-1], array[-2:0:-1, 0]])
