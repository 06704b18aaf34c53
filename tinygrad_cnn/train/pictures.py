"""The pictures of a run folder, each drawn whole or, where its library is missing, not at all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cnn import viz
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.data import ArrayDataset
from tinygrad_cnn.data.transforms import ToFloat
from tinygrad_cnn.errors import TinygradError
from tinygrad_cnn.files import write_atomic
from tinygrad_cnn.nn import Module
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.train import metrics
from tinygrad_cnn.viz import plots

if TYPE_CHECKING:
    from tinygrad_cnn.train.run import Result

MISTAKES_SHOWN = 24


def draw_all(result: Result) -> dict[str, str]:
    """Draw every picture; returns name -> "" or what it would have needed."""
    return {name: _draw(draw, result, result.folder / name) for name, draw in PICTURES.items()}


def draw_graph(
    model: Module,
    dataset: ArrayDataset,
    batch_size: int,
    path: Path,
    *,
    measure: bool = False,
    **options: Any,
) -> None:
    """The graph of the loss of one batch of `dataset`, in the format that the suffix names.

    `options` are those of viz.graph. `measure` goes backward, too, and records times, gradients
    and statistics; without it, one network gives one and the same file every time.
    """
    x, y = Tensor(ToFloat()(dataset.images[:batch_size])), dataset.labels[:batch_size]
    model.eval()  # in training mode the batch would change running statistics
    with viz.record() if measure else nullcontext():
        loss = F.cross_entropy(model(x), y)
        if measure:
            loss.backward(retain_graph=True)
        viz.graph(loss, model, inputs={"images": x}, **options).save(path)
    model.zero_grad()


def _draw(draw: Callable[[Result, Path], None], result: Result, path: Path) -> str:
    try:
        draw(result, path)
    except TinygradError as error:  # a report without a picture is better than none
        return str(error)
    return ""


def _curves(result: Result, path: Path) -> None:
    write_atomic(path, plots.png(plots.learning_curves(result.history.columns())))


def _confusion(result: Result, path: Path) -> None:
    figure = plots.new_figure(6.4, 6.0)
    plots.confusion_matrix(
        result.scores.confusion, result.scores.dataset.classes, figure.subplots()
    )
    write_atomic(path, plots.png(figure))


def _errors(result: Result, path: Path) -> None:
    dataset = result.scores.dataset
    p = metrics.probabilities(result.scores.logits)
    mistakes = metrics.top_mistakes(p, dataset.labels, MISTAKES_SHOWN)
    gallery = plots.error_gallery(
        dataset.images[np.array([m.index for m in mistakes], dtype=int)],
        [m.truth for m in mistakes],
        [m.prediction for m in mistakes],
        [m.probability for m in mistakes],
        dataset.classes,
    )
    write_atomic(path, plots.png(gallery))


def _graph(result: Result, path: Path) -> None:
    draw_graph(result.model, result.scores.dataset, result.recipe.batch_size, path)


PICTURES: dict[str, Callable[[Result, Path], None]] = {
    "curves.png": _curves,
    "confusion.png": _confusion,
    "errors.png": _errors,
    "graph.svg": _graph,
}
NOT_YET = dict.fromkeys(PICTURES, "it was not drawn before this report was written")
