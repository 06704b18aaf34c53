"""The digit among all that is dark: its pixels, without specks, edges and squared lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.data.own_images.paper import Ink
from tinygrad_cnn.errors import require

Mask = NDArray[np.bool_]

EIGHT = np.ones((3, 3), bool)  # neighbours, those across a corner included
SMALLEST = 0.05  # of the main part: what is smaller is a speck
NEAREST = 0.25  # of the main part's size: what is farther away does not belong to it


def digit_mask(ink: Ink) -> Mask:
    """The pixels of the connected part with the most ink, and of its near and large neighbours."""
    ndimage = require("scipy.ndimage", "train")
    threshold = max(0.4 * ink.level, ink.lines + 0.3 * (ink.level - ink.lines))
    parts, count = ndimage.label(ink.contrast >= threshold, EIGHT)
    surely_ink = ink.contrast >= (threshold + ink.level) / 2  # of lines and shadows, little is
    amounts = np.bincount(parts[surely_ink], minlength=count + 1)
    main = int(amounts.argmax())
    away = ndimage.distance_transform_edt(parts != main)
    reach = NEAREST * max(np.ptp(np.nonzero(parts == main), axis=1) + 1)
    nearest = ndimage.minimum(away, parts, range(count + 1))
    kept = (amounts >= SMALLEST * amounts[main]) & (nearest <= reach)
    kept[0] = False  # 0 is paper
    mask: Mask = kept[parts]
    return mask
