"""What lies around the sheet: a table is as dark as ink, and much wider than a stroke."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.data.own_images.paper import LARGE, is_drawing
from tinygrad_cnn.errors import require

Array = NDArray[np.float32]

CELLS = 64  # along the longer side: enough to tell a table's edge
STROKE = 0.2  # of the longer side: a median over so much shows the ground without its strokes
STEP = 0.3  # in logarithms of light, from one cell to the next but one: an edge
SHADOW = 0.42  # of the light beside it is left in a shadow; less, or another colour, is a table
COLOUR = 0.1  # summed over the shares that red, green and blue have in a ground's light
SHEET = 0.3  # of the shorter side, across: what is lighter and so wide is a sheet, no stroke
ALONG = 0.2  # of the picture's border: a table lies along it


def without_table(rgb: Array) -> Array:
    """The picture (H, W, 3) in 0..1, a table beside the sheet painted over with paper.

    Without its strokes, the ground falls into regions at its edges. One that lies along the border
    is a table if it is darker than the ground beside it, and by more than a shadow makes it, or of
    another colour.
    """
    ndimage = require("scipy.ndimage", "train")
    if max(rgb.shape) <= LARGE or is_drawing(rgb.mean(axis=2)):  # a thick stroke along the border
        return rgb
    step = max(1, max(rgb.shape) // CELLS)
    ground = _ground(rgb, step)
    regions, count = _regions(ground)
    border = np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
    table = np.zeros(regions.shape, bool)
    for i in range(1, count + 1):
        if np.mean(border == i) >= ALONG and _is_table(ground, regions == i):
            table |= regions == i
    if not table.any() or _width(~table) < SHEET * min(table.shape):
        return rgb
    table = ndimage.binary_dilation(table, iterations=2)  # the edge itself is blurred
    nearest = ndimage.distance_transform_edt(table, return_distances=False, return_indices=True)
    paper = ground[tuple(nearest)]
    row, column = (np.arange(n) // step for n in rgb.shape[:2])
    row, column = np.minimum(row, len(table) - 1), np.minimum(column, table.shape[1] - 1)
    where = np.ix_(row, column)
    return np.where(table[where][:, :, None], paper[where], rgb)


def _ground(rgb: Array, step: int) -> Array:
    """(h, w, 3), a cell for step x step pixels: the median colour around."""
    ndimage = require("scipy.ndimage", "train")
    small = ndimage.uniform_filter(rgb, (step, step, 1))[step // 2 :: step, step // 2 :: step]
    window = int(STROKE * max(small.shape)) // 2 * 2 + 1
    ground: Array = ndimage.median_filter(small, (window, window, 1), mode="nearest")
    return np.maximum(ground, np.float32(0.02))


def _regions(ground: Array) -> tuple[NDArray[np.intp], int]:
    """(h, w), numbers from 1 of what the edges part, with the nearest edges; their count."""
    ndimage = require("scipy.ndimage", "train")
    light = np.log(ground.mean(axis=2))
    edge = ndimage.maximum_filter(light, 3) - ndimage.minimum_filter(light, 3) > STEP
    regions, count = ndimage.label(~edge)
    nearest = ndimage.distance_transform_edt(
        regions == 0, return_distances=False, return_indices=True
    )
    return regions[tuple(nearest)], count


def _is_table(ground: Array, region: NDArray[np.bool_]) -> bool:
    """Whether it is no shadow, by what lies beside it, a few cells to either side of its edge."""
    ndimage = require("scipy.ndimage", "train")
    near = ndimage.binary_dilation(region, iterations=4) & ~ndimage.binary_dilation(region)
    inner = region & ndimage.binary_dilation(~region, iterations=4)
    if not near.any() or not inner.any():
        return False
    here, beside = (np.median(ground[part], axis=0) for part in (inner, near))
    darker = float(here.mean() / beside.mean())
    shares = np.abs(here / here.sum() - beside / beside.sum()).sum()
    return darker < SHADOW or (darker < 1 / (1 + STEP) and bool(shares > COLOUR))


def _width(mask: NDArray[np.bool_]) -> Any:
    """The diameter of the largest disc in it; what reaches the border goes on there."""
    ndimage = require("scipy.ndimage", "train")
    return 2 * ndimage.distance_transform_edt(np.pad(mask, 1, mode="edge")).max()
