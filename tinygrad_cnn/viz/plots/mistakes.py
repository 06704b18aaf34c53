"""Which classes a network takes for which, and the images that it is wrong about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cnn.errors import ShapeError, require
from tinygrad_cnn.viz.plots.style import BLUE, GREY, SMALL, Array, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def confusion_matrix(matrix: Array, classes: Sequence[str], ax: Axes | None = None) -> Axes:
    """Counts by truth (rows) and prediction (columns), with recall and precision at the margins.

    Shades of orange are for mistakes alone, scaled to the most frequent one: on a scale that had to
    hold the diagonal as well, a few mistakes among thousands of hits would be white.
    """
    if matrix.shape != (len(classes), len(classes)):
        raise ShapeError(
            f"confusion_matrix: {len(classes)} classes need a matrix of shape "
            f"{(len(classes), len(classes))}, got {matrix.shape}"
        )
    ax = ax or new_figure(6.4, 6.0).subplots()
    C = len(classes)
    wrong = np.where(np.eye(C, dtype=bool), 0, matrix)
    seen = np.ma.masked_equal(wrong, 0)  # cells without a mistake stay white
    ax.imshow(seen, cmap="Oranges", vmin=0, vmax=max(1.6 * wrong.max(), 1))
    for c in range(C):
        ax.add_patch(_cell(c, BLUE, alpha=0.18))
    for truth, prediction in np.argwhere(matrix):
        weight = "bold" if truth == prediction else "normal"
        count = f"{matrix[truth, prediction]:,}"
        ax.text(prediction, truth, count, ha="center", va="center", fontsize=SMALL, weight=weight)
    _margins(ax, matrix, classes)
    ax.set_xlabel("prediction")
    ax.set_ylabel("truth")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    hits, total = int(matrix.trace()), int(matrix.sum())
    ax.set_title(f"{total - hits:,} of {total:,} taken for another class", fontsize=11, loc="left")
    return ax


def error_gallery(
    images: Array,
    truths: Sequence[int],
    predictions: Sequence[int],
    probabilities: Sequence[float],
    classes: Sequence[str],
    figure: Figure | None = None,
) -> Figure:
    """Images (n, H, W) that were taken for something else: the truth, the prediction, how sure."""
    captions = [
        f"{classes[t]} → {classes[p]}\n{q:.1%}"
        for t, p, q in zip(truths, predictions, probabilities, strict=True)
    ]
    title = "Most confident mistakes: truth → prediction, and its probability"
    return contact_sheet(images, captions, title, figure)


def contact_sheet(
    images: Array,
    captions: Sequence[str],
    title: str = "",
    figure: Figure | None = None,
    columns: int = 8,
) -> Figure:
    """Images (n, H, W), or (n, C, H, W) in colour, in a grid, each with its caption."""
    if len(images) != len(captions):
        raise ShapeError(
            f"contact_sheet: one caption for each image, got {len(captions)} captions "
            f"for {len(images)} images"
        )
    columns = max(5, min(columns, len(images)))  # five leave room for the title
    rows = max(-(-len(images) // columns), 1)
    height = 1.06 + 0.13 * max((1 + caption.count("\n") for caption in captions), default=1)
    title_height = 0.35 if title else 0.0
    # One axis for all, in units of a cell's width: an axis an image takes seconds to lay out.
    size = 1.1 * columns, 1.1 * height * rows + title_height
    figure = figure or new_figure(*size, layout="none")
    place = {"left": 0, "right": 1, "bottom": 0, "top": 1 - title_height / size[1]}
    ax = figure.subplots(gridspec_kw=place)
    ax.axis("off")
    for i, (image, caption) in enumerate(zip(images, captions, strict=True)):
        row, column = divmod(i, columns)
        bottom = (row + 1) * height - 0.03
        extent = (column + 0.03, column + 0.97, bottom, bottom - 0.94)
        ax.imshow(_pixels(image), cmap="gray_r", interpolation="nearest", extent=extent)
        middle, top = column + 0.5, bottom - 0.98
        ax.text(middle, top, caption, ha="center", va="bottom", fontsize=SMALL)
    ax.set(xlim=(0, columns), ylim=(rows * height, 0), aspect="equal")
    if not len(images):
        ax.text(columns / 2, height / 2, "none", ha="center", color=GREY)
    if title:
        figure.text(0.01, 1 - 0.08 / size[1], title, va="top", fontsize=11)
    return figure


def _cell(c: int, color: str, alpha: float) -> Any:
    patches = require("matplotlib.patches", "viz")
    return patches.Rectangle((c - 0.5, c - 0.5), 1, 1, color=color, alpha=alpha, linewidth=0)


def _margins(ax: Axes, matrix: Array, classes: Sequence[str]) -> None:
    """The classes' names, recall to the right of each row, precision below each column."""
    C = len(matrix)
    style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": SMALL, "color": GREY}
    hits = matrix.diagonal()
    for c, (recall, precision) in enumerate(
        zip(_shares(hits, matrix.sum(axis=1)), _shares(hits, matrix.sum(axis=0)), strict=True)
    ):
        ax.text(C, c, recall, **style)
        ax.text(c, C, precision, **style)
    ax.set_xticks(range(C + 1), [*classes, "recall\nin %"])  # ticks, for which there is always room
    ax.set_yticks(range(C + 1), [*classes, "precision\nin %"])
    if max(map(len, classes)) > 4:  # side by side they would run into one another
        for label in ax.get_xticklabels()[:-1]:
            label.set(rotation=40, ha="right", rotation_mode="anchor")
    for label in (ax.get_xticklabels()[-1], ax.get_yticklabels()[-1]):
        label.set(color=GREY, fontsize=SMALL)
    ax.set_xlim(-0.5, C + 0.5)
    ax.set_ylim(C + 0.5, -0.5)


def _shares(hits: Array, totals: Array) -> list[str]:
    return [f"{100 * h / t:.1f}" if t else "-" for h, t in zip(hits, totals, strict=True)]


def _pixels(image: Array) -> Array:
    """(H, W) and (1, H, W) as (H, W); (3, H, W) as (H, W, 3)."""
    if image.ndim == 2:
        return image
    return image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
