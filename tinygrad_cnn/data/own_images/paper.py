"""Ink on paper: how dark each pixel is against the paper around it, whatever the light."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.errors import DataError, require

Grey = NDArray[np.float32]

FAINTEST = 0.15  # contrast of ink to paper below which there is no writing
DARKEST = 0.1  # of white: no paper that a camera could see ink on is darker
FRAME = 0.08  # of the longer side: along the edges there is paper, and hardly ever the digit
WIDEST = 0.2  # of the longer side: no stroke is wider
LARGE = 200  # pixels: a picture from which a camera's noise has to be smoothed away


class Levels(NamedTuple):
    """The contrast of ink, and of squared lines."""

    ink: float
    lines: float


class Ink(NamedTuple):
    """Contrast (H, W), 0 for paper to 1 for black, and two estimates of what it is for what.

    They read the lines from the two sides of the picture that are lightest: over the others the
    digit may run, or more writing. Over the lightest one there may be no lines, but the table.
    """

    contrast: Grey
    levels: tuple[Levels, Levels]


def ink_on_paper(rgb: Grey) -> Ink:
    """The ink of a picture (H, W, 3) in 0..1, in the colour in which it stands out most.

    Blue lines are nearly as light as paper in blue light, and so is blue ink in red light: of the
    brightness and the three colours, the one with the largest difference of ink to lines is taken.

    Raises DataError where there is no ink at all.
    """
    brightness = rgb @ np.array([0.299, 0.587, 0.114], np.float32)
    if not _is_dark(brightness):
        rgb, brightness = 1 - rgb, 1 - brightness
    greys = [brightness]
    if np.ptp(rgb, axis=2).max() > 0.02:
        greys += [rgb[:, :, c] for c in range(3)]
    best = max(map(_levels, map(evenly_lit, greys)), key=_clearness)
    level = best.levels[0].ink
    if level < FAINTEST:
        raise DataError(
            f"no digit found: the picture is of one shade (contrast {level:.0%}); "
            "write with a darker pen, or crop to the digit"
        )
    return best


def evenly_lit(grey: Grey) -> Grey:
    """(paper - grey) / paper, in 0..1, where `paper` is what the picture would be without its ink.

    Where the border is of one shade, that is the paper's. Else it is a closing: the brightest
    within any window that is wider than a stroke, which keeps the edges of shadows as they are, and
    to which a blur would give a halo of false ink.
    """
    ndimage = require("scipy.ndimage", "train")
    shade = _one_shade(grey)
    if shade is not None:
        return _contrast(grey, np.float32(shade))
    side = max(grey.shape)
    smooth = ndimage.gaussian_filter(grey, 1.5) if side > LARGE else grey
    window = int(WIDEST * side) // 2 * 2 + 1
    closed = ndimage.grey_closing(np.pad(smooth, window, mode="edge"), (window, window))
    paper = ndimage.gaussian_filter(closed[window:-window, window:-window], 0.01 * side)
    return _contrast(grey, paper)


def _contrast(grey: Grey, paper: Grey | np.float32) -> Grey:
    """(paper - grey) / paper in 0..1; what is nearly black all over has no contrast."""
    return np.asarray(np.clip((paper - grey) / np.maximum(paper, DARKEST), 0, 1), np.float32)


def _one_shade(grey: Grey) -> float | None:
    """The shade of the border, if most of it has the same: a drawing, or a scan.

    A thick digit may run along the border; a drawing then shows by having two shades alone.
    """
    border = _border(grey)
    shade = float(np.median(border))
    even = np.mean(np.abs(border - shade) < 0.05) > 0.8
    return shade if even or is_drawing(grey) else None


def is_drawing(grey: Grey) -> bool:
    """Whether nearly all of it has the shade of most of its border, or one other."""
    shade = float(np.median(_border(grey)))
    other = grey[np.abs(grey - shade) >= 0.05]
    two = np.minimum(np.abs(grey - shade), np.abs(grey - np.median(other))) if other.size else 0.0
    return bool(np.mean(two < 0.01) > 0.9)


def _border(grey: Grey) -> Grey:
    return np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])


def _is_dark(grey: Grey) -> bool:
    """Whether the ink is darker than the paper.

    In uneven light, the paper is what most pixels of a window show: of the differences to this
    median, in logarithms since a shadow divides the light, ink makes the large ones.
    """
    shade = _one_shade(grey)
    if shade is not None:
        return bool(shade - grey.min() >= grey.max() - shade)
    ndimage = require("scipy.ndimage", "train")
    step = max(1, max(grey.shape) // 64)
    small = np.log(np.maximum(ndimage.uniform_filter(grey, step)[::step, ::step], 0.02))
    window = max(small.shape) // 8 * 2 + 1
    difference = small - ndimage.median_filter(small, window, mode="nearest")
    return bool((difference**3).sum() <= 0)


def _levels(contrast: Grey) -> Ink:
    """How dark the lines are, read from the frame, and the ink, which is darker."""
    ndimage = require("scipy.ndimage", "train")
    smooth = ndimage.gaussian_filter(contrast, 0.7) if max(contrast.shape) > LARGE else contrast
    f = max(2, round(FRAME * max(contrast.shape)))
    frame: list[Any] = [smooth[:f], smooth[-f:], smooth[:, :f], smooth[:, -f:]]
    lightest, second, *_ = sorted(float(np.percentile(part, 98)) for part in frame)
    return Ink(smooth, (_of_ink(smooth, lightest), _of_ink(smooth, second)))


def _of_ink(contrast: Grey, lines: float) -> Levels:
    level = float(np.percentile(contrast, 99.9))
    for _ in range(2):  # the darkest pixels are where ink crosses a line; most of the ink is not
        level = float(np.median(contrast[contrast >= min((lines + level) / 2, level)]))
    return Levels(level, min(lines, 0.8 * level))  # a digit that fills its picture: no lines


def _clearness(ink: Ink) -> float:
    return ink.levels[0].ink - ink.levels[0].lines
