"""How wide text is in Helvetica, in thousandths of its size (Adobe's font metrics for ASCII).

Graphviz lays a picture out for these widths. A browser without Helvetica shows another font; told
the width, it fits the letters to the box instead of letting them run over its edge.
"""

from __future__ import annotations

REGULAR = (
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
)  # fmt: skip
BOLD = (
    278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611,
    975, 722, 722, 722, 722, 667, 611, 778, 722, 278, 556, 722, 611, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 333, 278, 333, 584, 556,
    333, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556, 278, 889, 611, 611,
    611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584,
)  # fmt: skip
# The signs that the pictures use beside ASCII; anything else is left to the browser.
SIGNS = {"\u00d7": 584, "\u00f7": 584, "\u2212": 584, "\u2202": 494, "\u00b5": 576, "\u00a0": 278}


def width(text: str, size: float, bold: bool) -> float | None:
    """The width of `text` in points; None if it holds a character that is not in the table.

    >>> width("conv", 10.0, bold=False)
    21.12
    """
    table = BOLD if bold else REGULAR
    total = 0
    for character in text:
        if " " <= character <= "~":
            total += table[ord(character) - ord(" ")]
        elif character in SIGNS:
            total += SIGNS[character]
        else:
            return None
    return total * size / 1000
