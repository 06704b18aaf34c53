"""The digit among all that is dark: its pixels, without specks, edges and squared lines."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.data.own_images.centring import stroke_width
from tinygrad_cnn.data.own_images.paper import Grey, Ink, Levels
from tinygrad_cnn.errors import DataError, require

Mask = NDArray[np.bool_]
Parts = NDArray[np.intp]

EIGHT = np.ones((3, 3), bool)  # neighbours, those across a corner included
SMALLEST = 0.05  # of the main part: what is smaller is a speck
CROSSINGS = 5  # of the picture's border by one connected part: more than any digit has
LOOPS = 3  # with paper inside: more make a net
SOLID = 0.7  # of its box: only an upright 1 fills so much
FLATTEST = 3.0  # width to height: what is flatter is a line
NEAREST = 0.25  # of the main part's size: what is farther away does not belong to it
# What runs out of the picture is rather the edge of something else, such as another line of
# writing: it is the main part only with so much more ink, and belongs to it only if so near.
CUT_OFF, NEAREST_CUT_OFF = 3.0, 0.06
OUTSTANDING, CLEAR = 0.3, 0.8  # of all ink: less is one mark among others; more is all there is
BROKEN = 0.6  # of the smaller part's size: a wider gap is no break in a stroke


def digit_mask(ink: Ink) -> Mask:
    """The pixels of the connected part with the most ink, and of its near and large neighbours.

    A part that the border cuts off counts for less, unless the digit itself runs over it. Where no
    part stands out, those that lie near together are tried as one: a dashed or broken stroke.

    Raises DataError where nothing stands out so, or it runs out of the picture on all sides:
    squared lines, noise, no digit.
    """
    for levels in ink.levels:
        parts, surely_ink = _parts(ink.contrast, levels)
        mask = _standing_out(parts, surely_ink, CLEAR)
        if mask is None:
            mask = _standing_out(_joined(parts), surely_ink, CLEAR)
        if mask is None:
            mask = _standing_out(parts, surely_ink, OUTSTANDING)
        if mask is not None:
            return mask
    raise DataError(
        "no digit found: there are only lines across the picture, or many marks alike; write with "
        "a darker or thicker pen, or crop to the digit"
    )


def _standing_out(parts: Parts, surely_ink: Mask, share: float) -> Mask | None:
    """The main part and what belongs to it, if it has this share of all ink and a digit's shape."""
    amounts = np.bincount(parts[surely_ink], minlength=parts.max() + 1)
    cut_off = np.zeros(len(amounts), bool)
    cut_off[_around(parts)] = True
    weights = np.where(cut_off, amounts / CUT_OFF, amounts)
    main = int(weights.argmax())
    if _crossings(parts == main) > CROSSINGS:
        return None
    kept = _with_neighbours(parts, amounts, cut_off, main)
    mask: Mask = kept[parts]
    return mask if weights[kept].sum() >= share * weights.sum() and _may_be_digit(mask) else None


def _may_be_digit(mask: Mask) -> bool:
    """Whether it is neither a line from side to side, nor a net, nor a block."""
    ndimage = require("scipy.ndimage", "train")
    height, width = np.ptp(np.nonzero(mask), axis=1) + 1
    paper, _ = ndimage.label(np.pad(~mask, 1, constant_values=True))
    # Chalk and noise leave pinholes: no wider than the stroke, or than 1 in MNIST's box of 20.
    pinhole = max(stroke_width(mask), max(height, width) / 20) ** 2
    loops = np.count_nonzero(np.bincount(paper.ravel())[2:] > pinhole)
    solid = width > height / 2 and mask.sum() > SOLID * height * width
    return bool(width <= FLATTEST * height and loops <= LOOPS and not solid)


def _parts(contrast: Grey, levels: Levels) -> tuple[Parts, Mask]:
    """(H, W), the connected part that each pixel belongs to, 0 for paper; what is surely ink."""
    ndimage = require("scipy.ndimage", "train")
    threshold = max(0.4 * levels.ink, levels.lines + 0.3 * (levels.ink - levels.lines))
    parts, _ = ndimage.label(contrast >= threshold, EIGHT)
    return parts, contrast >= (threshold + levels.ink) / 2  # of lines and shadows, little is


def _joined(parts: Parts) -> Parts:
    """The same, parts with one number whose gap is a small share of the smaller one's size.

    Every pixel of the paper belongs to the part that is nearest; where the domains of two parts
    meet, the distances to both add up to their gap.
    """
    ndimage = require("scipy.ndimage", "train")
    sparse = require("scipy.sparse", "train")
    away, nearest = ndimage.distance_transform_edt(parts == 0, return_indices=True)
    domains = parts[tuple(nearest)]
    boxes = ndimage.find_objects(parts)
    sizes = np.array([0, *(max(s.stop - s.start for s in box) for box in boxes)])
    sizes[_around(parts)] = 0  # what the border cuts off is rather something else
    pairs = []
    for axis in (0, 1):
        n = parts.shape[axis]
        a, b = (np.take(domains, range(i, n - 1 + i), axis) for i in (0, 1))
        gap = sum(np.take(away, range(i, n - 1 + i), axis) for i in (0, 1))
        near = (a != b) & (gap <= BROKEN * np.minimum(sizes[a], sizes[b]))
        pairs.append(np.stack([a[near], b[near]]))
    a, b = np.concatenate(pairs, axis=1)
    links = sparse.coo_array((np.ones(len(a)), (a, b)), shape=(len(sizes), len(sizes)))
    groups = require("scipy.sparse.csgraph", "train").connected_components(links, directed=False)[1]
    joined: Parts = groups[parts]  # paper, number 0, has no neighbour: it stays the first group
    return joined


def _with_neighbours(
    parts: Parts, amounts: NDArray[np.intp], cut_off: Mask, main: int
) -> NDArray[np.bool_]:
    """(parts,): the main one and those that are large and near enough to belong to it."""
    ndimage = require("scipy.ndimage", "train")
    away = ndimage.distance_transform_edt(parts != main)
    size = max(np.ptp(np.nonzero(parts == main), axis=1) + 1)
    nearest = np.asarray(ndimage.minimum(away, parts, range(len(amounts)))) / size
    near = nearest <= np.where(cut_off, NEAREST_CUT_OFF, NEAREST)
    kept: NDArray[np.bool_] = near & (amounts >= SMALLEST * amounts[main])
    kept[0] = False  # 0 is paper
    return kept


def _crossings(mask: Mask) -> int:
    """How often the mask reaches the border of the picture."""
    around = _around(mask)
    return int((around & ~np.roll(around, 1)).sum())


def _around(array: NDArray[Any]) -> NDArray[Any]:
    """The pixels along the border, clockwise."""
    return np.concatenate([array[0], array[1:, -1], array[-1, -2::-1], array[-2:0:-1, 0]])
