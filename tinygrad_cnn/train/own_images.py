"""A user's own picture of a digit, made to look as MNIST's do.

MNIST's digits were fitted into a box of 20 x 20 pixels, keeping their proportions, and put into
28 x 28 with their centre of mass in the middle (LeCun et al. 1998). A network that was trained on
them knows nothing else, so a photo or drawing goes through the same steps.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.errors import DataError, require

Grey = NDArray[np.float32]

BOX, SIDE = 20, 28
FAINTEST = 0.15  # contrast below which there is no writing, as a share of black to white
INK = 0.3  # what is fainter, as a share of the darkest stroke, is paper


def read_digit(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """The picture in `path` as MNIST would hold it: (28, 28), strokes 255 on a ground of 0.

    Dark on light or light on dark, of any size; transparent parts count as paper.

    Raises:
        DataError: no image that Pillow can read, an enormous one, or one without a stroke.
    """
    grey = _open(path)
    try:
        return centre(ink(grey))
    except DataError as error:
        raise DataError(f"{os.fspath(path)}: {error}") from error


def ink(grey: Grey) -> Grey:
    """How much stroke each pixel is, 0 to 1: its distance from the paper, found at the border."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    distance = np.abs(grey - np.median(border))
    darkest = distance.max()
    if darkest < FAINTEST:
        raise DataError(
            f"no digit found: the picture is of one shade (contrast {darkest:.0%}); "
            "write with a darker pen, or crop to the digit"
        )
    return np.asarray(np.where(distance < INK * darkest, 0, distance / darkest), dtype=np.float32)


def centre(strokes: Grey) -> NDArray[np.uint8]:
    """Strokes (H, W) in 0..1 fitted into 20 x 20, their centre of mass in the middle of 28 x 28."""
    rows, columns = np.flatnonzero(strokes.any(axis=1)), np.flatnonzero(strokes.any(axis=0))
    digit = strokes[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = BOX / max(digit.shape)
    height, width = (max(round(scale * side), 1) for side in digit.shape)
    digit = _resize(digit, width, height)
    canvas = np.zeros((SIDE, SIDE), dtype=np.float32)
    top, left = (_start(digit.sum(axis=1)), _start(digit.sum(axis=0)))
    canvas[top : top + height, left : left + width] = digit
    pixels: NDArray[np.uint8] = np.rint(255 * canvas / canvas.max()).astype(np.uint8)
    return pixels


def _start(mass: Grey) -> int:
    """Where a digit with that mass along an axis begins, so that its centre lies in the middle."""
    middle = float(mass @ np.arange(len(mass)) / mass.sum())
    return int(np.clip(round(SIDE / 2 - middle), 0, SIDE - len(mass)))


def _open(path: str | os.PathLike[str]) -> Grey:
    """The picture's brightness, 0 to 1; transparent parts are white, or black beneath white ink."""
    Image = require("PIL.Image", "train")
    turn = require("PIL.ImageOps", "train").exif_transpose
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                colour = turn(image).convert("RGBA")
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(
            f"{os.fspath(path)}: not an image that can be read ({error}); give a PNG or JPEG file"
        ) from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise DataError(
            f"{os.fspath(path)}: too large to be unpacked safely ({error}); scale it down first"
        ) from error
    for shade in ("white", "black"):
        paper = Image.new("RGBA", colour.size, shade)
        whole = Image.alpha_composite(paper, colour).convert("L")
        grey: Grey = np.asarray(whole, dtype=np.float32) / np.float32(255)
        if np.ptp(grey) >= FAINTEST:
            break
    return grey


def _resize(strokes: Grey, width: int, height: int) -> Grey:
    Image = require("PIL.Image", "train")
    resized: Any = Image.fromarray(strokes).resize((width, height), Image.Resampling.HAMMING)
    return np.asarray(resized, dtype=np.float32)
