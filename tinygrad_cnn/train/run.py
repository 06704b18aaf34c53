"""One training run from the recipe to the report, in a folder of its own.

runs/mnist-leaky-1/
    config.json         recipe, data, version: what it takes to do the same again
    log.csv             a row an epoch
    best.safetensors    the best epoch's weights
    summary.json        what was reached, for programs: `compare` reads it
    curves.png  confusion.png  errors.png  graph.svg
    report.html         shows them all in one file; report.md the same, beside its pictures
"""

from __future__ import annotations

import functools
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn import __version__
from tinygrad_cnn.core.modes import no_grad
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.data import ArrayDataset, DataLoader
from tinygrad_cnn.data.transforms import ToFloat
from tinygrad_cnn.errors import (
    AnomalyError,
    CheckpointError,
    ConfigError,
    DataError,
    ShapeError,
    require,
)
from tinygrad_cnn.files import write_atomic
from tinygrad_cnn.nn import Module
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.train import (
    checkpoint,
    document,
    metrics,
    pictures,
    recipes,
    report,
    summary,
)
from tinygrad_cnn.train.callbacks import CSVLogger, ModelCheckpoint, ProgressBar
from tinygrad_cnn.train.history import Epoch, History
from tinygrad_cnn.train.interrupts import patience
from tinygrad_cnn.train.recipe import Data, Loaders, Recipe, settings
from tinygrad_cnn.train.sources import Source
from tinygrad_cnn.train.trainer import Trainer, predict

CONFIG, LOG, WEIGHTS, REPORT = "config.json", "log.csv", "best.safetensors", "report.html"
SUMMARY = "summary.json"


@dataclass(frozen=True)
class Scores:
    """What a model does on a test set."""

    dataset: ArrayDataset
    logits: NDArray[Any]
    loss: float
    confusion: NDArray[Any]

    @property
    def hits(self) -> int:
        """Number of images recognised."""
        return int(self.confusion.trace())

    @property
    def accuracy(self) -> float:
        """Share of the images recognised."""
        return self.hits / len(self.dataset)


@dataclass(frozen=True)
class Result:
    """A finished run, whether it ended by itself or not."""

    folder: Path
    recipe: Recipe
    config: dict[str, Any]
    model: Module
    history: History
    best: Epoch | None
    scores: Scores
    seconds: float
    test_seconds: float
    stopped: BaseException | None  # Ctrl-C, or the AnomalyError of a loss that became NaN


@np.errstate(all="ignore")  # TerminateOnNaN says where a NaN began; NumPy would say it did
def train(
    recipe: Recipe, source: Source, out: str | os.PathLike[str] = "runs", progress: bool = True
) -> Result:
    """Train, evaluate once on the test set, and write the run folder below `out`.

    Ctrl-C and a loss that becomes NaN end the training and not the run: what was reached is
    evaluated and written all the same, and the exception is handed back as `stopped`.
    """
    data = recipe.divide(source.train, source.test)
    recipe = recipe.fitted_to(data.train)
    loaders, model = recipe.loaders(data), recipe.model()
    check_fit(recipe, model, data.train)
    config = _config(recipe, data, source)
    bar = [ProgressBar()] if progress else []
    require("safetensors", "train")  # like all above, before there is a folder to leave behind
    folder = create_folder(out, recipe.name)
    write_atomic(folder / CONFIG, json.dumps(config, indent=2) + "\n")
    files = [
        ModelCheckpoint(folder / WEIGHTS, recipe.monitor, config=config),
        CSVLogger(folder / LOG),
    ]
    trainer = Trainer(
        model,
        recipe.optimized(model),
        functools.partial(F.cross_entropy, label_smoothing=recipe.label_smoothing),
        callbacks=[*recipe.callbacks(), *files, *bar],
        clip_grad_norm=recipe.clip_grad_norm,
    )
    started = time.perf_counter()
    stopped = _fit(trainer, loaders, recipe.epochs)
    seconds = time.perf_counter() - started
    with patience():
        started = time.perf_counter()
        scores = score(model, loaders.test)
        result = Result(
            folder,
            recipe,
            config,
            model,
            trainer.history,
            trainer.history.best(recipe.monitor),
            scores,
            seconds,
            time.perf_counter() - started,
            stopped,
        )
        _write(result)
    return result


def check_fit(recipe: Recipe, model: Module, dataset: ArrayDataset) -> None:
    """Raise DataError unless the network takes such images at all; one of them is tried."""
    try:
        with no_grad():
            model.eval()(Tensor(ToFloat()(dataset.images[:1])))
    except ShapeError as error:
        size = " x ".join(map(str, dataset.images.shape[1:]))
        raise DataError(
            f"{dataset.name}: images of {size} do not fit the network of {recipe.name} ({error}); "
            "resize the images, or take another recipe"
        ) from error


def _fit(trainer: Trainer, loaders: Loaders, epochs: int) -> BaseException | None:
    """Train; hands back what broke it off, if what was reached by then is still good."""
    try:
        trainer.fit(loaders.train, loaders.validation, epochs=epochs)
    except (KeyboardInterrupt, AnomalyError) as error:
        return error
    return None


def score(model: Module, loader: DataLoader) -> Scores:
    """Run `model` over a test set and count."""
    dataset = loader.dataset
    logits, labels = predict(model, loader)
    confusion = metrics.confusion_matrix(labels, logits.argmax(axis=-1), len(dataset.classes))
    return Scores(dataset, logits, float(F.cross_entropy(logits, labels)), confusion)


def load(path: str | os.PathLike[str]) -> tuple[Recipe, Module, dict[str, Any]]:
    """(recipe, model, config) of a run folder, or of a file of weights that a run wrote.

    Raises:
        CheckpointError: the weights are damaged, or are not those of the network that they name.
        ConfigError: neither a run folder nor a file.
    """
    path = Path(path)
    if path.is_dir() and not (path / WEIGHTS).exists():
        raise ConfigError(f"{path}: holds no {WEIGHTS}; give a folder that `train` wrote")
    if not path.exists():
        raise ConfigError(f"{path}: no such run; `train` writes one below runs/")
    file = path / WEIGHTS if path.is_dir() else path
    saved = checkpoint.load(file)
    try:
        recipe = recipes.from_settings(saved.config["recipe"])
    except (KeyError, TypeError, ConfigError) as error:
        raise CheckpointError(
            f"{file}: its configuration names no recipe known here ({error}); "
            "use the version of tinygrad_cnn that wrote it"
        ) from error
    model = recipe.build()
    checkpoint.restore(file, model)
    return recipe, model, saved.config


def newest(out: str | os.PathLike[str] = "runs") -> Path:
    """The run folder below `out` whose weights were written last."""
    found = sorted(Path(out).glob(f"*/{WEIGHTS}"), key=lambda file: file.stat().st_mtime)
    if not found:
        raise ConfigError(f"{out}: holds no run yet; `tinygrad-cnn train` makes one")
    return found[-1].parent


def create_folder(out: str | os.PathLike[str], name: str) -> Path:
    """Make `<out>/<name>-<n>` with the next free n; two runs at once never get the same."""
    parent = Path(out)
    parent.mkdir(parents=True, exist_ok=True)
    taken = [folder.name.removeprefix(f"{name}-") for folder in parent.glob(f"{name}-*")]
    n = max((int(end) for end in taken if end.isdecimal()), default=0)
    while True:
        n += 1
        try:
            (parent / f"{name}-{n}").mkdir()
        except FileExistsError:
            continue
        return parent / f"{name}-{n}"


def _config(recipe: Recipe, data: Data, source: Source) -> dict[str, Any]:
    return {
        "recipe": settings(recipe),
        "data": {
            "dataset": source.dataset,
            "where": source.where,
            "data_dir": source.data_dir,
            "full": source.full,
            "train": len(data.train),
            "validation": len(data.validation),
            "test": len(data.test),
        },
        "version": __version__,
    }


def _write(result: Result) -> None:
    """What was reached: weights, summary and report at once, and the report again with pictures."""
    reached = {"test_accuracy": result.scores.accuracy, "test_loss": result.scores.loss}
    epoch = vars(result.best) if result.best else {}
    checkpoint.save(result.folder / WEIGHTS, result.model, result.config, {**epoch, **reached})
    write_atomic(result.folder / SUMMARY, json.dumps(summary.of(result), indent=2) + "\n")
    _report(result, pictures.NOT_YET)
    _report(result, pictures.draw_all(result))


def _report(result: Result, missing: dict[str, str]) -> None:
    told = report.document(result, missing)
    write_atomic((result.folder / REPORT).with_suffix(".md"), document.markdown(told))
    drawn = {name: (result.folder / name).read_bytes() for name in missing if not missing[name]}
    write_atomic(result.folder / REPORT, document.page(told, drawn))
