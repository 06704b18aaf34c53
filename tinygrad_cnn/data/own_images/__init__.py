"""A user's own picture of a digit, made to look as MNIST's do.

MNIST's digits were fitted into a box of 20 x 20 pixels, keeping their proportions, and put into
28 x 28 with their centre of mass in the middle (LeCun et al. 1998). A network that was trained on
them knows nothing else, so a photo or drawing goes through the same steps, after four that MNIST's
makers had a scanner for:

    table      what lies around the sheet is painted over
    paper      uneven light and shadows are divided out, squared lines told from ink
    strokes    the digit found among specks, edges and lines
    centring   its strokes made as wide as MNIST's; box and centre of mass
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.data.formats.common import StrPath
from tinygrad_cnn.data.own_images.centring import centred, pen_of_mnist
from tinygrad_cnn.data.own_images.paper import ink_on_paper
from tinygrad_cnn.data.own_images.strokes import Mask, digit_mask
from tinygrad_cnn.data.own_images.table import without_table
from tinygrad_cnn.data.pictures import Part, open_picture
from tinygrad_cnn.errors import DataError

__all__ = ["find_digit", "read_digit"]

WORKING_SIDE = 400  # pixels: a pen's stroke is still several wide, a camera's noise averaged out
SMALL = 100  # pixels: of a digit that is smaller, more is to be seen from near
FAINT = 6  # of 255: what differs so much from a drawing's ground is no rounding


def read_digit(path: StrPath) -> NDArray[np.uint8]:
    """The picture in `path` as MNIST would hold it: (28, 28), strokes 255 on a ground of 0.

    Dark on light or light on dark, of any size, photographed or drawn, in uneven light, on squared
    paper, with a table around it; transparent parts count as paper. A small digit in a large
    picture is opened again, alone and at the size that it has there.

    Raises:
        DataError: no image that Pillow can read, an enormous one, or one without a stroke.
    """
    picture = open_picture(path, WORKING_SIDE)
    try:
        return find_digit(picture, partial(open_picture, path, WORKING_SIDE))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def find_digit(
    picture: NDArray[np.uint8], closer: Callable[[Part], NDArray[np.uint8]] | None = None
) -> NDArray[np.uint8]:
    """The same for the picture itself, (H, W, 3) with a longer side of up to some 400 pixels.

    `closer` gives a part of it (left, top, right, bottom, as shares) with more pixels.
    """
    if closer and (marks := _marks(picture)) is not None and _is_small(marks):
        return centred(pen_of_mnist(_strokes(closer(_share(marks, picture)))))
    mask = _strokes(picture)
    if closer and _is_small(mask):
        near = closer(_share(mask, picture))
        with suppress(DataError):  # there it was clearer from afar
            mask = _strokes(near)
    return centred(pen_of_mnist(mask))


def _strokes(picture: NDArray[np.uint8]) -> Mask:
    rgb = picture.astype(np.float32) / np.float32(255)
    return digit_mask(ink_on_paper(without_table(rgb)))


def _marks(picture: NDArray[np.uint8]) -> Mask | None:
    """All that differs from the paper, if that is of one shade and nothing crosses the border.

    A thin pen in a large drawing is too faint for anything else, once that is scaled down.
    """
    shade = picture[0, 0].astype(int)
    marks: Mask = np.abs(picture - shade).max(axis=2) > FAINT
    border = (marks[0], marks[-1], marks[:, 0], marks[:, -1])
    return None if any(side.any() for side in border) or not marks.any() else marks


def _is_small(mask: Mask) -> bool:
    (top, left), (bottom, right) = _bounds(mask)
    return bool(max(bottom - top, right - left) < SMALL)


def _share(mask: Mask, picture: NDArray[np.uint8]) -> Part:
    """Where the mask lies, with half as much around it."""
    start, stop = _bounds(mask)
    margin = max(stop - start) / 2
    size = np.array(picture.shape[:2])
    (top, left), (bottom, right) = np.clip([(start - margin) / size, (stop + margin) / size], 0, 1)
    return float(left), float(top), float(right), float(bottom)


def _bounds(mask: Mask) -> NDArray[np.intp]:
    """((top, left), (bottom, right)), the latter one beyond."""
    places = np.argwhere(mask)
    return np.array([places.min(axis=0), places.max(axis=0) + 1])
