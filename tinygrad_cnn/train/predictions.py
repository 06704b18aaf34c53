"""What trained networks say about people's own pictures, and why: tables of answers, sheets.

A network of digits gets a picture as MNIST would hold it; others get the square in its middle.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.core.modes import no_grad
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.data import CIFAR10, MNIST, FashionMNIST
from tinygrad_cnn.data.own_images import WORKING_SIDE, find_digit
from tinygrad_cnn.data.pictures import label_of, open_picture, square, thumbnail
from tinygrad_cnn.data.transforms import ToFloat
from tinygrad_cnn.errors import ConfigError, DataError, require
from tinygrad_cnn.nn import Conv2d, Module
from tinygrad_cnn.train import metrics
from tinygrad_cnn.train.recipe import Recipe
from tinygrad_cnn.train.run import load
from tinygrad_cnn.viz import plots
from tinygrad_cnn.viz.plots.style import GREY, ORANGE, SMALL

Array = NDArray[Any]

CLASSES: dict[str, Sequence[str]] = {
    "mnist": MNIST.class_names,
    "fashion-mnist": FashionMNIST.class_names,
    "cifar10": CIFAR10.class_names,
}
TITLE = "tinygrad-cnn predict"  # of every picture drawn here: it is none to be asked about
THUMBNAIL = 112  # pixels of a picture on a sheet
SHOWN = 200  # pictures on a sheet


class Judge(NamedTuple):
    """A trained network and what it is called."""

    name: str
    recipe: Recipe
    model: Module


class Picture(NamedTuple):
    """A picture as it is, small, and as the networks get it, uint8 (C, H, W)."""

    path: Path
    seen: Array
    image: Array
    label: int | None


@dataclass(frozen=True)
class Answers:
    """The probabilities (models, pictures, classes) of what each picture shows."""

    judges: Sequence[Judge]
    pictures: Sequence[Picture]
    classes: Sequence[str]
    probabilities: Array

    @property
    def labelled(self) -> list[int]:
        """The places of the pictures whose names tell what they show."""
        return [i for i, picture in enumerate(self.pictures) if picture.label is not None]

    def hits(self, judge: int) -> int:
        """How many of these that network recognises."""
        best = self.probabilities[judge].argmax(axis=1)
        return sum(int(best[i] == self.pictures[i].label) for i in self.labelled)


def judges(paths: Sequence[str | os.PathLike[str]]) -> list[Judge]:
    """The networks of those runs, which must be for the same kind of images and classes."""
    loaded = [Judge(str(path), *load(path)[:2]) for path in paths]
    first = loaded[0]
    for other in loaded[1:]:
        if _kind(other.recipe) != _kind(first.recipe):
            raise ConfigError(
                f"{other.name} is for {_in_words(other.recipe)}, {first.name} for "
                f"{_in_words(first.recipe)}; compare networks of one data set"
            )
    return loaded


def read(path: Path, recipe: Recipe) -> Picture:
    """The picture for a network of that recipe.

    Raises:
        DataError: it cannot be read, or there is no digit where one is looked for.
    """
    kind = recipe.images
    picture = open_picture(path, WORKING_SIDE)
    if recipe.dataset == "mnist":
        try:
            closer = partial(open_picture, path, WORKING_SIDE)
            image = find_digit(picture, closer)[None]  # (H, W) -> (1, H, W)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
    else:
        image = square(picture, kind.size)
        if kind.channels == 1:
            image = _light_on_dark(image)
    return Picture(path, picture, image, label_of(path, CLASSES[recipe.dataset]))


def ask(judges: Sequence[Judge], pictures: Sequence[Picture]) -> Answers:
    """Every network about every picture."""
    images = np.stack([picture.image for picture in pictures])
    p = np.stack([probabilities(judge, images) for judge in judges])
    return Answers(judges, pictures, CLASSES[judges[0].recipe.dataset], p)


def probabilities(judge: Judge, images: Array) -> Array:
    """What the network makes of images (N, C, H, W), uint8: (N, classes).

    A digit that was found and centred lies a pixel off as often as not, and a long flag or foot
    makes the rest of it smaller than MNIST's: the answer is the mean over the nine places that are
    at most one pixel away, and over two sizes.
    """
    x = ToFloat()(images)
    digits = judge.recipe.dataset == "mnist"
    sizes = [x, _smaller(x)] if digits else [x]
    moves = (-1, 0, 1) if digits else (0,)
    places = [np.roll(y, (i, j), axis=(2, 3)) for y in sizes for i in moves for j in moves]
    with no_grad():
        logits = [judge.model.eval()(Tensor(place)).data for place in places]
    return np.asarray(np.mean([metrics.probabilities(z) for z in logits], axis=0))


def _smaller(x: Array, scale: float = 0.9) -> Array:
    """Images (N, C, H, W) scaled about their middle."""
    ndimage = require("scipy.ndimage", "train")
    middle = (np.array(x.shape) - 1) / 2
    matrix = np.array([1, 1, 1 / scale, 1 / scale])
    y: Array = ndimage.affine_transform(x, matrix, middle - matrix * middle, order=1)
    return y


def sheet(answers: Answers, columns: int = 5) -> bytes:
    """A PNG: each picture, what the networks got of it, and their answers, wrong ones marked.

    A sheet holds the first 200.
    """
    shown = answers.pictures[:SHOWN]
    lines = len(answers.judges)
    columns = min(columns, max(len(shown), 2))
    rows = -(-len(shown) // columns)
    cell = 1.06 + 0.17 * (lines + 1)  # the height of a cell whose two images are 1 x 1 each
    heading = _heading(answers)
    head = 0.3 + 0.2 * heading.count("\n")
    width, height = 1.9 * columns, 0.95 * cell * rows + head
    figure = plots.new_figure(width, height, layout="none")
    place = {"left": 0, "right": 1, "bottom": 0, "top": 1 - head / height}
    ax = figure.subplots(gridspec_kw=place)
    ax.axis("off")
    for i, picture in enumerate(shown):
        top, left = cell * (i // columns), 2 * (i % columns)
        seen = np.moveaxis(picture.image, 0, -1)  # (C, H, W) -> (H, W, C)
        for k, pixels in enumerate((thumbnail(picture.seen, THUMBNAIL), seen)):
            extent = (left + k + 0.04, left + k + 0.96, top + 0.98, top + 0.06)
            ax.imshow(pixels, cmap="gray", vmin=0, vmax=255, extent=extent)
            ax.plot(*_outline(extent), color="0.8", linewidth=0.8)  # white paper needs an edge
        _captions(ax, answers, i, left, top + 1.02)
    ax.set(xlim=(0, 2 * columns), ylim=(cell * rows, 0), aspect="auto")
    figure.text(0.01, 1 - 0.08 / height, heading, va="top", fontsize=SMALL + 1)
    return plots.png(figure, dpi=120, title=TITLE)


def explanation(judge: Judge, picture: Picture) -> bytes:
    """A PNG: the picture, what the network got, where a change would matter, its feature maps."""
    x = Tensor(ToFloat()(picture.image[None]), requires_grad=True)
    maps = _feature_maps(judge.model, x)
    p = probabilities(judge, picture.image[None])[0]
    best = int(p.argmax())
    judge.model.eval()(x)[0, best].backward()
    assert x.grad is not None  # the logit depends on the image
    saliency = x.grad.data[0].sum(axis=0)  # (C, H, W) -> (H, W)
    classes = CLASSES[judge.recipe.dataset]
    figure = plots.new_figure(9, 2.7 + 2.6 * len(maps))
    grid = figure.add_gridspec(1 + len(maps), 4, height_ratios=[2.7] + [2.6] * len(maps))
    first = [figure.add_subplot(grid[0, k]) for k in range(4)]
    titles = (picture.path.name, "as the network gets it", f"gradient of “{classes[best]}”")
    for ax, title in zip(first, titles, strict=False):
        ax.set_title(_short(title, 26), fontsize=SMALL + 1)
        ax.axis("off")
    first[0].imshow(picture.seen)
    first[1].imshow(np.moveaxis(picture.image, 0, -1), cmap="gray")
    limit = max(float(np.abs(saliency).max()), 1e-30)
    first[2].imshow(saliency, cmap="PuOr_r", vmin=-limit, vmax=limit)
    _bars(first[3], p, classes)
    for row, (name, values) in enumerate(maps.items(), start=1):
        ax = plots.feature_maps(values, figure.add_subplot(grid[row, :]))
        ax.set_title(f"{name}: {ax.get_title(loc='left')}", fontsize=SMALL + 1, loc="left")
        width, height = np.ptp(ax.dataLim.get_points(), axis=0)
        share = min((1.95 * width / height + 0.7) / 9, 0.99)  # of the page's width, in inches
        cells = grid[row, :].subgridspec(1, 2, width_ratios=[share, 1 - share])
        ax.set_subplotspec(cells[0])  # its colour bar stands beside it
        ax.set_anchor("W")
    figure.suptitle(f"asked: {judge.name}", x=0.01, ha="left", fontsize=SMALL + 1, color=GREY)
    return plots.png(figure, dpi=110, title=TITLE)


def _feature_maps(model: Module, x: Tensor, most: int = 4) -> dict[str, Array]:
    """What the first convolutions give for one image: name -> (C, H, W)."""
    convolutions = [(n, m) for n, m in model.named_modules() if isinstance(m, Conv2d)][:most]
    maps: dict[str, Array] = {}

    def keep(name: str) -> Any:
        return lambda _module, _inputs, y: maps.__setitem__(name, y.data[0])

    handles = [module.register_forward_hook(keep(name)) for name, module in convolutions]
    try:
        with no_grad():
            model.eval()(x)
    finally:
        for handle in handles:
            handle.remove()
    return maps


def _bars(ax: Any, p: Array, classes: Sequence[str]) -> None:
    """The probability of each class."""
    best = np.sort(np.argsort(p)[-10:])
    ax.barh(range(len(best)), p[best], color=[ORANGE if i == p.argmax() else GREY for i in best])
    ax.set_yticks(range(len(best)), [classes[i] for i in best], fontsize=SMALL)
    ax.set(xlim=(0, 1), ylim=(len(best) - 0.5, -0.5))
    ax.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"], fontsize=SMALL)
    ax.set_title("probability", fontsize=SMALL + 1)


def _outline(extent: tuple[float, ...]) -> tuple[list[float], list[float]]:
    left, right, bottom, top = extent
    return [left, right, right, left, left], [bottom, bottom, top, top, bottom]


def _heading(answers: Answers) -> str:
    """The networks by their letters, and what they recognise of the labelled pictures."""
    lines = []
    for k, judge in enumerate(answers.judges):
        letter = f"{letters(answers)[k]}  " if len(answers.judges) > 1 else ""
        n = len(answers.labelled)
        score = f": {answers.hits(k)} of {n} recognised" if n else ""
        lines.append(f"{letter}{judge.name}{score}")
    if len(answers.pictures) > SHOWN:
        lines.append(f"the first {SHOWN} of {len(answers.pictures):,} pictures")
    return "\n".join(lines)


def letters(answers: Answers) -> list[str]:
    """A short name for each network."""
    return [chr(ord("A") + k) if k < 26 else str(k) for k in range(len(answers.judges))]


def _captions(ax: Any, answers: Answers, i: int, left: float, top: float) -> None:
    """The name of the picture, and below it each network's answer; orange where it is wrong."""
    picture = answers.pictures[i]
    style = {"ha": "left", "va": "top", "fontsize": SMALL}
    ax.text(left + 0.05, top, _short(picture.path.name, 28), color=GREY, **style)
    for k in range(len(answers.judges)):
        p = answers.probabilities[k, i]
        best = int(p.argmax())
        wrong = picture.label is not None and picture.label != best
        letter = f"{letters(answers)[k]}  " if len(answers.judges) > 1 else ""
        text = f"{letter}{answers.classes[best]}  {p[best]:.1%}"
        if wrong:
            text += f"  (is {answers.classes[picture.label or 0]})"
        colour = ORANGE if wrong else "black"
        ax.text(left + 0.05, top + 0.17 * (k + 1), text, color=colour, **style)


def _light_on_dark(image: Array) -> Array:
    """(3, H, W) -> (1, H, W) on a dark ground, as the grey data sets are."""
    grey = np.asarray(
        require("PIL.Image", "train").fromarray(image.transpose(1, 2, 0)).convert("L")
    )
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return (255 - grey if np.median(border) > 127 else grey)[None]


def _kind(recipe: Recipe) -> tuple[Any, ...]:
    return recipe.dataset, recipe.images.channels, recipe.images.size


def _in_words(recipe: Recipe) -> str:
    dataset, channels, size = _kind(recipe)
    return f"{dataset} ({channels} x {size} x {size})"


def _short(text: str, length: int) -> str:
    """The end of a text that is too long: what differs between names stands there."""
    return text if len(text) <= length else f"…{text[1 - length :]}"
