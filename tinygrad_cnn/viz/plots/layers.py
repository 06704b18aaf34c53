"""What goes on inside of a network: its filters, what they make of an image, how gradients flow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cnn.errors import ShapeError, require
from tinygrad_cnn.viz.plots.style import BLUE, GREY, ORANGE, SMALL, Array, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDEST = 16  # images side by side
BINS = 80
RED = "#C00000"


def filters(weight: Array, ax: Axes | None = None, most: int = 128) -> Axes:
    """The weights (F, C, KH, KW) of a convolution as images: orange above zero, violet below.

    One image a filter where the input has one channel; of three channels, the filter in their
    colours, grey for zero; of more, a row a filter and a column a channel. At most so many images
    are drawn, and the title says so.

        plots.filters(model.conv.weight.numpy())
    """
    weight = np.asarray(weight)
    if weight.ndim != 4:
        raise ShapeError(
            f"filters: a convolution's weight has the shape (F, C, KH, KW), got {weight.shape}"
        )
    F, C, KH, KW = weight.shape
    largest = _largest(weight)
    kind = f"{KH} x {KW}, {C} channel{'s' if C > 1 else ''}"
    if C == 3:
        coloured = 0.5 + np.moveaxis(weight, 1, -1) / (2 * largest)  # (F, KH, KW, 3), 0 to 1
        return _mosaic(ax, coloured[:most], _columns(F), f"{F} filters{_only(F, most)}, {kind}", {})
    columns = _columns(F) if C == 1 else min(C, WIDEST)
    rows = most if C == 1 else max(1, most // columns)  # of more channels, whole rows
    title = f"{F} filters{_only(F, rows)}, {kind}{_only(C, WIDEST)}"
    shown = weight[:rows, :WIDEST].reshape(-1, KH, KW)
    scale = {"cmap": "PuOr_r", "vmin": -largest, "vmax": largest}
    return _mosaic(ax, shown, columns, title, scale, "weight")


def feature_maps(maps: Array, ax: Axes | None = None, most: int = 128) -> Axes:
    """What a layer makes of one image: its output (C, H, W), an image a channel, on one scale.

    y = model.conv(x)  # (N, C, H, W)
    plots.feature_maps(y.numpy()[0])
    """
    maps = np.asarray(maps)
    if maps.ndim != 3:
        raise ShapeError(
            f"feature_maps: one image's maps have the shape (C, H, W), got {maps.shape}"
        )
    C, H, W = maps.shape
    dead = int((maps == 0).all(axis=(1, 2)).sum())
    title = f"{C} feature maps, {H} x {W}{_only(C, most)}" + (f", {dead} all zero" if dead else "")
    return _mosaic(ax, maps[:most], _columns(C), title, {"cmap": "viridis"}, "activation")


def gradient_flow(norms: Mapping[str, Sequence[float]], ax: Axes | None = None) -> Axes:
    """How large each layer's gradient was, step by step: a row a layer, colour on a log scale.

    Layers where it vanishes are dark and where it explodes are bright; grey stands for a gradient
    of zero and red for NaN or Inf. The newest norm is printed at the end of each row.

        norms = {name: [] for name, _ in model.named_parameters()}
        for x, y in loader:  # a training loop; after loss.backward():
            for name, p in model.named_parameters():
                norms[name].append(np.linalg.norm(p.grad.numpy()))
        plots.gradient_flow(norms)
    """
    steps = max(map(len, norms.values()), default=0)
    table = np.zeros((len(norms), steps))
    for line, values in zip(table, norms.values(), strict=True):
        line[steps - len(values) :] = values  # a layer that came later starts later
    ax = ax or new_figure(8, 1.2 + 0.24 * max(len(norms), 3)).subplots()
    ax.set_title("Norm of the gradient by layer (log scale)", fontsize=10, loc="left")
    if not table.size:
        return _nothing(ax, "no gradient so far")
    colors = require("matplotlib.colors", "viz")
    known = np.isfinite(table) & (table > 0)
    low, high = (table[known].min(), table[known].max()) if known.any() else (1.0, 10.0)
    image = ax.imshow(
        np.ma.masked_array(table, ~known),
        aspect="auto",
        interpolation="nearest",
        cmap="viridis",
        norm=colors.LogNorm(low, max(high, 1.01 * low)),
    )
    ax.set_facecolor("0.85")
    bad = np.ma.masked_array(np.ones_like(table), np.isfinite(table))
    ax.imshow(bad, aspect="auto", interpolation="nearest", cmap=colors.ListedColormap([RED]))
    ax.set_yticks(range(len(norms)), list(norms), fontsize=SMALL)
    for row, value in enumerate(table[:, -1]):
        color = GREY if math.isfinite(value) else RED
        ax.text(steps - 0.4, row, f" {value:.2g}", va="center", fontsize=SMALL, color=color)
    ax.set_xlabel("step", fontsize=SMALL)
    ax.tick_params(labelsize=SMALL, length=0)
    ax.spines[:].set_visible(False)
    _colour_bar(ax, image, pad=0.09)
    return ax


def activation_histograms(activations: Mapping[str, Array], ax: Axes | None = None) -> Axes:
    """The values that each layer gives, a histogram a layer, above one another on one axis.

    Each is as high as any other. Beside it stands how much of the layer is exactly zero, as after a
    ReLU, and, in red, how many values are NaN or Inf. The axis leaves out the farthest thousandth.

        kept = {}
        for name, module in model.named_modules():
            module.register_forward_hook(lambda m, x, y, name=name: kept.update({name: y.numpy()}))
        model(x)
        plots.activation_histograms(kept)
    """
    ax = ax or new_figure(8, 1.0 + 0.5 * max(len(activations), 2)).subplots()
    ax.set_title("Activations by layer", fontsize=10, loc="left")
    flat = {name: np.asarray(values, dtype=float).ravel() for name, values in activations.items()}
    finite = {name: values[np.isfinite(values)] for name, values in flat.items()}
    everything = np.concatenate([np.zeros(0), *finite.values()])
    if not everything.size:
        return _nothing(ax, "no activations so far")
    low, high = np.quantile(everything, (0.0005, 0.9995))
    margin = 0.02 * (high - low) or 1.0
    edges = np.linspace(low - margin, high + margin, BINS + 1)
    for row, (name, values) in enumerate(finite.items()):
        base = len(finite) - 1 - row
        counts, _ = np.histogram(values, edges)
        heights = base + 0.85 * counts / max(1, counts.max())
        ax.stairs(heights, edges, baseline=base, fill=True, color=BLUE, alpha=0.35)
        ax.stairs(heights, edges, baseline=base, color=BLUE, linewidth=0.8)
        zero = f" zero {np.mean(flat[name] == 0):.0%}" if flat[name].size else " empty"
        ax.text(edges[-1], base + 0.1, zero, fontsize=SMALL, color=GREY)
        if bad := flat[name].size - values.size:
            ax.text(edges[-1], base + 0.5, f" {bad:,} NaN or Inf", fontsize=SMALL, color=RED)
    ax.axvline(0, color=ORANGE, linewidth=0.8, linestyle=":")
    ax.set_yticks(range(len(finite)), list(finite)[::-1], fontsize=SMALL, va="bottom")
    ax.set(xlim=(edges[0], edges[-1]), ylim=(0, len(finite)))
    ax.tick_params(labelsize=SMALL, length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    return ax


def _mosaic(
    ax: Axes | None,
    images: Array,
    columns: int,
    title: str,
    scale: Mapping[str, Any],
    meaning: str = "",
) -> Axes:
    """Images (n, H, W) or (n, H, W, 3) in a grid, as one array with a gap around each."""
    n, H, W = images.shape[:3]
    rows = -(-n // columns)
    gap = 1 + W // 12
    sheet = np.full((rows * (H + gap), columns * (W + gap), *images.shape[3:]), np.nan)
    for i, image in enumerate(images):
        row, column = divmod(i, columns)
        top, left = row * (H + gap), column * (W + gap)
        sheet[top : top + H, left : left + W] = image
    sheet = sheet[:-gap, :-gap]
    if ax is None:
        high = 7.5 * sheet.shape[0] / max(1, sheet.shape[1])
        ax = new_figure(8, min(12.0, max(1.5, 0.8 + high))).subplots()
    ax.set_title(title, fontsize=10, loc="left")
    ax.axis("off")
    if not sheet.size:
        return _nothing(ax, "none")
    shown = np.where(np.isnan(sheet), 1.0, sheet) if sheet.ndim == 3 else sheet
    image = ax.imshow(shown, interpolation="nearest", **scale)
    if meaning:
        _colour_bar(ax, image, label=meaning)
    return ax


def _columns(images: int) -> int:
    """About twice as wide as high."""
    return max(1, min(WIDEST, math.ceil(math.sqrt(2 * images))))


def _only(all_: int, shown: int) -> str:
    return f" (the first {shown})" if shown < all_ else ""


def _largest(array: Array) -> float:
    finite = np.abs(array[np.isfinite(array)])
    return float(finite.max(initial=0.0)) or 1.0


def _nothing(ax: Axes, words: str) -> Axes:
    ax.axis("off")
    ax.text(0.5, 0.5, words, ha="center", transform=ax.transAxes, color=GREY)
    return ax


def _colour_bar(ax: Axes, image: Any, label: str = "", pad: float = 0.02) -> None:
    bar = ax.figure.colorbar(image, ax=ax, fraction=0.03, pad=pad)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=SMALL, length=0)
    bar.set_label(label, fontsize=SMALL)
