"""Pictures of training, drawn by matplotlib on a figure or axis of yours, or on a new one.

Nothing here touches pyplot or the backend, so drawing works without a display and leaves no figure
behind. The colours are told apart by colour-blind people (Okabe and Ito 2008), and each line also
by its stroke.

    figure = learning_curves(trainer.history.columns())
    figure.savefig("curves.png")
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.errors import ShapeError, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[Any]
Column = Sequence[float | None]

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"
COLOURS = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
SMALL = 8  # points, the size of everything that is not a title
TRAINING = {"color": ORANGE, "linestyle": "--", "label": "training"}
VALIDATION = {"color": BLUE, "linestyle": "-", "label": "validation"}


def new_figure(width: float, height: float, layout: str = "constrained") -> Figure:
    """A figure of width x height inches that belongs to nobody else (no pyplot, no backend)."""
    figure: Figure = require("matplotlib.figure", "viz").Figure(
        figsize=(width, height), layout=layout
    )
    return figure


def png(figure: Figure, dpi: int = 150) -> bytes:
    """The figure as the content of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white")
    return buffer.getvalue()


def learning_curves(history: Mapping[str, Column], figure: Figure | None = None) -> Figure:
    """Loss, accuracy and learning rate by epoch, side by side.

    `history` has the columns epoch, train_loss, train_accuracy, val_loss, val_accuracy, lr; the
    val_ columns may hold None, and any of them may be empty.
    """
    figure = figure or new_figure(10, 3.2)
    losses, accuracies, rate = figure.subplots(1, 3)
    epochs = history["epoch"]
    for style, kind in ((TRAINING, "train"), (VALIDATION, "val")):
        _line(losses, epochs, history[f"{kind}_loss"], style)
        _line(accuracies, epochs, _percent(history[f"{kind}_accuracy"]), style)
    _line(rate, epochs, history["lr"], {"color": GREY, "drawstyle": "steps-mid"})
    _mark_best(accuracies, epochs, _percent(history["val_accuracy"]))
    _zoom_past_the_start(accuracies)
    for ax, title in (
        (losses, "Loss (log scale)"),
        (accuracies, "Accuracy in %"),
        (rate, "Learning rate (log scale)"),
    ):
        _dress(ax, title, epochs)
    _log_scale(losses, [])
    _log_scale(rate, sorted({lr for lr in history["lr"] if lr}))
    if losses.lines:
        losses.legend(fontsize=SMALL, frameon=False)
    return figure


def overlaid_curves(
    histories: Mapping[str, Mapping[str, Column]], figure: Figure | None = None
) -> Figure:
    """Validation loss and accuracy by epoch of several trainings, name -> history, in one picture.

    Eight colours that colour-blind readers tell apart; where they are used up, dashes follow.
    """
    rows = -(-len(histories) // 3)  # of the legend
    figure = figure or new_figure(9, 3.4 + 0.2 * rows)
    losses, accuracies = figure.subplots(1, 2)
    for i, (name, history) in enumerate(histories.items()):
        dashes = ("-", "--", ":", "-.")[i // len(COLOURS) % 4]
        style = {"color": COLOURS[i % len(COLOURS)], "linestyle": dashes, "label": name}
        _line(losses, history["epoch"], history["val_loss"], style)
        _line(accuracies, history["epoch"], _percent(history["val_accuracy"]), style)
    _zoom_past_the_start(accuracies)
    longest = max((h["epoch"] for h in histories.values()), key=len, default=())
    _dress(losses, "Validation loss (log scale)", longest)
    _dress(accuracies, "Validation accuracy in %", longest)
    _log_scale(losses, [])
    handles, labels = losses.get_legend_handles_labels()
    if handles:
        figure.legend(
            handles, labels, loc="outside lower center", ncols=3, fontsize=SMALL, frameon=False
        )
    return figure


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
    _margins(ax, matrix)
    ax.set_xticks(range(C), classes)
    ax.set_yticks(range(C), classes)
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


def _line(ax: Axes, x: Column, y: Column, style: Mapping[str, Any]) -> None:
    known = [(a, b) for a, b in zip(x, y, strict=True) if b is not None]
    if known:
        marker = "o" if len(known) < 3 else None  # a line through one point is invisible
        ax.plot(*zip(*known, strict=True), linewidth=1.6, marker=marker, markersize=4, **style)


def _percent(shares: Column) -> list[float | None]:
    return [None if share is None else 100 * share for share in shares]


def _mark_best(ax: Axes, epochs: Column, percents: Column) -> None:
    known = [(p, e) for p, e in zip(percents, epochs, strict=True) if p is not None and e]
    if not known:
        return
    percent, epoch = max(known, key=lambda pair: pair[0])
    ax.plot(epoch, percent, "o", color=BLUE, markersize=5)
    text = f"best {percent:.2f} %\nin epoch {epoch}"  # a rising curve leaves that corner free
    ax.text(0.97, 0.05, text, transform=ax.transAxes, ha="right", fontsize=SMALL, color=BLUE)


def _dress(ax: Axes, title: str, epochs: Column) -> None:
    ax.set_title(title, fontsize=10, loc="left")
    ax.set_xlabel("epoch", fontsize=SMALL)
    ax.tick_params(labelsize=SMALL)
    ax.grid(color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.xaxis.set_major_locator(
        require("matplotlib.ticker", "viz").MaxNLocator("auto", integer=True, min_n_ticks=1)
    )
    if not epochs:
        ax.set_yticks([])
        ax.set_xticks([])
        ax.text(0.5, 0.5, "no finished epoch", ha="center", transform=ax.transAxes, color=GREY)


def _log_scale(ax: Axes, values: Sequence[float]) -> None:
    """Ticks at the values themselves where they are few, else at 1, 2, 5, 10; plain digits."""
    ticker = require("matplotlib.ticker", "viz")
    ax.set_yscale("log")
    few = 0 < len(values) < 7
    ax.yaxis.set_major_locator(
        ticker.FixedLocator(values) if few else ticker.LogLocator(subs=(1, 2, 5))
    )
    ax.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:.3g}"))
    ax.yaxis.set_minor_locator(ticker.NullLocator())


def _zoom_past_the_start(ax: Axes) -> None:
    """Let the bottom of the axis be the worst value after the first sixth of the training.

    From an untrained network's 10 % up, the last percents, which matter, would be one line.
    """
    lines = [np.asarray(line.get_ydata(), dtype=float) for line in ax.lines]
    if lines:
        low = min(y[len(y) // 6 :].min() for y in lines)
        high = max(y.max() for y in lines)
        margin = 0.08 * (high - low) or 1.0
        ax.set_ylim(low - margin, high + margin)


def _cell(c: int, color: str, alpha: float) -> Any:
    patches = require("matplotlib.patches", "viz")
    return patches.Rectangle((c - 0.5, c - 0.5), 1, 1, color=color, alpha=alpha, linewidth=0)


def _margins(ax: Axes, matrix: Array) -> None:
    """Recall to the right of each row, precision below each column."""
    C = len(matrix)
    style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": SMALL, "color": GREY}
    hits = matrix.diagonal()
    for c, (recall, precision) in enumerate(
        zip(_shares(hits, matrix.sum(axis=1)), _shares(hits, matrix.sum(axis=0)), strict=True)
    ):
        ax.text(C, c, recall, **style)
        ax.text(c, C, precision, **style)
    ax.text(C, -0.8, "recall\nin %", **style)
    ax.text(-1, C, "precision in %", **(style | {"ha": "right"}))
    ax.set_xlim(-0.5, C + 0.5)
    ax.set_ylim(C + 0.5, -0.5)


def _shares(hits: Array, totals: Array) -> list[str]:
    return [f"{100 * h / t:.1f}" if t else "-" for h, t in zip(hits, totals, strict=True)]


def _pixels(image: Array) -> Array:
    """(H, W) and (1, H, W) as (H, W); (3, H, W) as (H, W, 3)."""
    if image.ndim == 2:
        return image
    return image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
