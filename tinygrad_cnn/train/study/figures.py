"""The pictures of the study: name -> content."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_cnn import viz
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.data.transforms import ToFloat
from tinygrad_cnn.errors import require
from tinygrad_cnn.models import BasicBlock, Bottleneck, WideBlock
from tinygrad_cnn.nn import Module
from tinygrad_cnn.train import run
from tinygrad_cnn.train.sources import Source
from tinygrad_cnn.train.study import insights
from tinygrad_cnn.train.study.findings import DEEP, Group
from tinygrad_cnn.train.study.plan import CORE
from tinygrad_cnn.viz import plots


def accuracies(groups: dict[str, Group]) -> bytes:
    """A dot a network with its 95 % interval, the best on top."""
    ranked = sorted(groups.values(), key=lambda g: g.accuracy)
    figure = plots.new_figure(7.5, 0.9 + 0.28 * len(ranked))
    ax = figure.subplots()
    for i, group in enumerate(ranked):
        low, high = (100 * bound for bound in group.interval)
        ax.plot([low, high], [i, i], color=plots.BLUE, linewidth=2, alpha=0.5)
        ax.plot(100 * group.accuracy, i, "o", color=plots.BLUE, markersize=5)
    ax.set_yticks(range(len(ranked)), [g.network for g in ranked], fontsize=plots.SMALL)
    ax.set_ylim(-0.6, len(ranked) - 0.4)
    ax.set_title("Test accuracy in %, with 95 % intervals", fontsize=10, loc="left")
    return _finished(figure, ax)


def costs(groups: dict[str, Group]) -> bytes:
    """Accuracy against operations, a point a network, its area the number of parameters.

    Named are the central networks, and those to which no cheaper one is equal.
    """
    figure = plots.new_figure(7.5, 4.2)
    ax = figure.subplots()
    for group in groups.values():
        x, y = group.mean("flop") / 1e6, 100 * group.accuracy
        ax.scatter(x, y, s=group.mean("parameters") / 2500, color=plots.BLUE, alpha=0.45)
        if _leads(group, groups):
            ax.annotate(
                group.network,
                (x, y),
                fontsize=plots.SMALL,
                xytext=(5, -10),
                textcoords="offset points",
            )
    ax.set_xscale("log")
    ticker = require("matplotlib.ticker", "viz")
    ax.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:.3g}"))
    ax.set_xlabel("million operations an image (log scale)", fontsize=plots.SMALL)
    ax.set_title("Test accuracy in %; areas are parameters", fontsize=10, loc="left")
    ax.margins(x=0.15)
    return _finished(figure, ax)


def curves(groups: Sequence[Group]) -> bytes:
    """Validation curves of the first seed of each network."""
    histories = {g.network: g.results[0]["history"] for g in groups}
    return plots.png(plots.overlaid_curves(histories))


def confusion(group: Group) -> bytes:
    """All seeds together."""
    matrix = np.sum([r["confusion"] for r in group.results], axis=0)
    figure = plots.new_figure(6.4, 6.0)
    plots.confusion_matrix(matrix, group.results[0]["classes"], figure.subplots())
    return plots.png(figure)


def gradients(groups: dict[str, Group]) -> bytes:
    """Gradient of each layer of the deep networks, at the start and at the end of the training."""
    figure = plots.new_figure(8.5, 3.2)
    both = figure.subplots(1, 2, sharey=True)
    for ax, when in zip(both, ("start", "end"), strict=True):
        for name, colour in zip(DEEP, (plots.ORANGE, plots.BLUE), strict=True):
            flow = groups[name].results[0][f"gradients_at_{when}"]
            ax.plot(range(1, len(flow) + 1), list(flow.values()), "o-", color=colour, label=name)
        ax.set_yscale("log")
        ax.set_xlabel("layer, from the input", fontsize=plots.SMALL)
        ax.set_title(f"Gradient of the weights (RMS), at the {when}", fontsize=10, loc="left")
        ax.grid(color="0.9", linewidth=0.8)
        ax.tick_params(labelsize=plots.SMALL)
        ax.spines[["top", "right"]].set_visible(False)
    both[0].legend(fontsize=plots.SMALL, frameon=False)
    return plots.png(figure)


def fields(groups: dict[str, Group]) -> bytes:
    """What the middle of the last maps looks at, network by network."""
    seen = [g for g in groups.values() if np.size(g.results[0]["field"])]
    images = np.array([g.results[0]["field"] for g in seen]) ** 0.5  # faint parts visible, too
    sizes = [" x ".join(map(str, g.results[0]["extent"])) for g in seen]
    captions = ["\n".join([*_broken(g.network), size]) for g, size in zip(seen, sizes, strict=True)]
    return plots.png(plots.contact_sheet(images, captions, columns=5))


def filters(model: Module) -> bytes:
    """The filters of the first layer of a trained network."""
    figure = plots.new_figure(7.5, 4.2)
    plots.filters(insights.first_filters(model), figure.subplots())
    return plots.png(figure)


def maps(model: Module, source: Source) -> bytes:
    """What the first layer makes of a test image."""
    _, seen = insights.feature_maps(model, ToFloat()(source.test.images[:1]))
    figure = plots.new_figure(7.5, 4.2)
    plots.feature_maps(seen, figure.subplots())
    return plots.png(figure)


def trained(group: Group, out: Path) -> Module:
    """The network of the group's first seed."""
    return run.load(out / group.results[0]["name"])[1]


def blocks() -> dict[str, bytes]:
    """The computation graphs of the three kinds of residual blocks, name -> SVG."""
    kinds: dict[str, Module] = {
        "basic": BasicBlock(16, 16),
        "bottleneck": Bottleneck(64, 16),
        "wide": WideBlock(32, 32),
    }
    channels = {"basic": 16, "bottleneck": 64, "wide": 32}
    drawn = {}
    for name, block in kinds.items():
        x = Tensor(np.zeros((1, channels[name], 8, 8), np.float32), requires_grad=True)
        drawn[name] = viz.graph(block.eval()(x), block, inputs={"x": x}).to_svg().encode()
    return drawn


def _broken(name: str) -> list[str]:
    """A long name in two lines, as wide as a picture of the contact sheet."""
    first, dash, rest = name.partition("-")
    return [first + dash, rest] if len(name) > 14 else [name]


def _leads(group: Group, groups: dict[str, Group]) -> bool:
    cheaper = [g for g in groups.values() if g.mean("flop") < group.mean("flop")]
    return group.network in CORE or all(g.accuracy < group.accuracy for g in cheaper)


def _finished(figure: Any, ax: Any) -> bytes:
    ax.grid(color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=plots.SMALL)
    ax.spines[["top", "right"]].set_visible(False)
    return plots.png(figure)
