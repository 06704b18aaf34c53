"""Numbers, shapes and names as text, and text as Graphviz, XML and HTML take it."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence

# Characters that XML has no way to write, not even escaped (XML 1.0, section 2.2).
UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
LONGEST_NAME = 48
# The bracket, because `dot` calls a syntax error where `<B>` holds nothing else.
ENTITIES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("]", "&#93;"))


def one_line(text: str, longest: int = LONGEST_NAME) -> str:
    r"""`text` fit for a label: on one line, not too long, without control characters.

    >>> one_line("a\nb\x00")
    'a b\ufffd'
    """
    text = " ".join(UNPRINTABLE.sub("\ufffd", text).split())
    return text if len(text) <= longest else text[: longest - 3] + "..."


def html(text: str, longest: int = LONGEST_NAME) -> str:
    """For a Graphviz label of the HTML kind, and for HTML itself; never empty.

    >>> html("a<b>&")
    'a&lt;b&gt;&amp;'
    """
    text = one_line(text, longest)
    for character, entity in ENTITIES:
        text = text.replace(character, entity)
    return text or "&#160;"


def plain(text: str) -> str:
    """For an ordinary attribute of DOT, where entities and backslashes are read as escapes."""
    text = UNPRINTABLE.sub("\ufffd", text).replace("&", "&amp;").replace("\\", "\\\\")
    return text.replace("\r", " ").replace("\n", "\\n")


def shape_text(shape: tuple[int, ...] | None) -> str:
    """A shape as Python writes it; "(?)" where nobody remembers it."""
    return "(?)" if shape is None else str(shape)


def count(n: float) -> str:
    """A count that can be read: 1,234, 12.3 k, 4.57 M.

    >>> count(999), count(12345), count(4.567e6)
    ('999', '12.3 k', '4.57 M')
    """
    if n < 10_000:
        return f"{n:,.0f}"
    power = min(int(math.log10(n) / 3), 4)
    power += f"{n / 1000**power:.3g}" == "1e+03" and power < 4
    return f"{n / 1000**power:.3g} {'kMGT'[power - 1]}"


def size(n: float) -> str:
    """Bytes: 512 B, 1.5 kB, 3.2 MB (powers of 1000).

    >>> size(512), size(1500)
    ('512 B', '1.5 kB')
    """
    text = f"{n:.0f} " if n < 1000 else count(n) if n >= 10_000 else f"{n / 1000:.3g} k"
    return f"{text}B"


def seconds(t: float) -> str:
    """A duration with three digits: 12.3 µs, 4.5 ms.

    >>> seconds(0.0045)
    '4.5 ms'
    """
    scale, unit = next((s, u) for s, u in _TIMES if t >= s or u == "\u00b5s")
    return f"{t / scale:.3g} {unit}"


_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "\u00b5s"))


def number(value: float | str) -> str:
    """Three significant digits; what is no number ("nan", "inf") as it is."""
    return value if isinstance(value, str) else f"{value:.3g}"


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Rows of cells as lines with straight columns; those in `right` end together.

    >>> aligned([("a", "1"), ("bcd", "23")], right=[1])
    ['a     1', 'bcd  23']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
