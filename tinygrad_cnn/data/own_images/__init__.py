"""A user's own picture of a digit, made to look as MNIST's do.

MNIST's digits were fitted into a box of 20 x 20 pixels, keeping their proportions, and put into
28 x 28 with their centre of mass in the middle (LeCun et al. 1998). A network that was trained on
them knows nothing else, so a photo or drawing goes through the same steps, after three that MNIST's
makers had a scanner for:

    paper      uneven light and shadows are divided out, squared lines told from ink
    strokes    the digit found among specks, edges and lines
    centring   its strokes made as wide as MNIST's; box and centre of mass
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.data.formats.common import StrPath
from tinygrad_cnn.data.own_images.centring import centred, pen_of_mnist
from tinygrad_cnn.data.own_images.paper import ink_on_paper
from tinygrad_cnn.data.own_images.strokes import digit_mask
from tinygrad_cnn.data.pictures import open_picture
from tinygrad_cnn.errors import DataError

__all__ = ["find_digit", "read_digit"]

WORKING_SIDE = 400  # pixels: a pen's stroke is still several wide, a camera's noise averaged out


def read_digit(path: StrPath) -> NDArray[np.uint8]:
    """The picture in `path` as MNIST would hold it: (28, 28), strokes 255 on a ground of 0.

    Dark on light or light on dark, of any size, photographed or drawn, in uneven light, on squared
    paper; transparent parts count as paper.

    Raises:
        DataError: no image that Pillow can read, an enormous one, or one without a stroke.
    """
    picture = open_picture(path, WORKING_SIDE)
    try:
        return find_digit(picture)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def find_digit(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same for the picture itself, (H, W, 3) with a longer side of up to some 400 pixels."""
    ink = ink_on_paper(picture.astype(np.float32) / np.float32(255))
    return centred(pen_of_mnist(digit_mask(ink)))
