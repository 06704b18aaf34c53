"""What all plots share: figures that belong to nobody else, colours, sizes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from tinygrad_cnn.errors import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]
Column = Sequence[float | None]

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"
COLOURS = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
SMALL = 8  # points, the size of everything that is not a title


def new_figure(width: float, height: float, layout: str = "constrained") -> Figure:
    """A figure of width x height inches that belongs to nobody else (no pyplot, no backend)."""
    figure: Figure = require("matplotlib.figure", "viz").Figure(
        figsize=(width, height), layout=layout
    )
    return figure


def png(figure: Figure, dpi: int = 150, title: str | None = None) -> bytes:
    """The figure as the content of a PNG file, which tells its title to programs that ask."""
    buffer = io.BytesIO()
    metadata = {"Title": title} if title else {}
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white", metadata=metadata)
    return buffer.getvalue()
