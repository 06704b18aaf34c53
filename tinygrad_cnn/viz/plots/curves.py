"""Loss, accuracy and learning rate by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cnn.errors import require
from tinygrad_cnn.viz.plots.style import (
    BLUE,
    COLOURS,
    GREY,
    ORANGE,
    SMALL,
    Column,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAINING = {"color": ORANGE, "linestyle": "--", "label": "training"}
VALIDATION = {"color": BLUE, "linestyle": "-", "label": "validation"}


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
