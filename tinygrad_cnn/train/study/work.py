"""One training of the study: result.json holds what it gave, and is written last.

So a folder with a result is a finished training, and one without is begun anew.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_cnn.data import DataLoader
from tinygrad_cnn.data.transforms import ToFloat
from tinygrad_cnn.errors import AnomalyError, ConfigError
from tinygrad_cnn.files import write_atomic
from tinygrad_cnn.nn import Module
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.train import checkpoint, summary
from tinygrad_cnn.train.callbacks import Callback
from tinygrad_cnn.train.recipe import Recipe, settings
from tinygrad_cnn.train.run import WEIGHTS, Scores, score
from tinygrad_cnn.train.sources import Source
from tinygrad_cnn.train.study import insights
from tinygrad_cnn.train.study.plan import Task
from tinygrad_cnn.train.trainer import Trainer

RESULT = "result.json"
PROBE = 128  # images in the batch that gradients and memory are measured with

Result = dict[str, Any]


def result_of(task: Task, out: Path) -> Result | None:
    """What the task gave, if it is done.

    Raises:
        ConfigError: the file is damaged.
    """
    path = out / task.name / RESULT
    if not path.exists():
        return None
    try:
        result: Result = json.loads(path.read_text())
    except ValueError as error:
        raise ConfigError(f"{path}: damaged ({error}); delete it to repeat this one") from error
    return result


@np.errstate(all="ignore")  # TerminateOnNaN says where a NaN began
def do(task: Task, source: Source, out: Path, watching: Sequence[Callback] = ()) -> Result:
    """Train, test, measure, and write the result; KeyboardInterrupt leaves none."""
    data = task.recipe.divide(source.train, source.test)
    data = data._replace(train=data.train.subset(slice(0, task.images)))
    recipe = task.recipe.fitted_to(data.train)
    model, loaders = recipe.model(), recipe.loaders(data)
    x, y = _probe(data.test)
    result: Result = {
        "network": task.network,
        "dataset": task.dataset,
        "seed": task.seed,
        "name": task.name,
        "epochs": task.epochs,
        "trained_on": task.images,
        "parameters": sum(p.size for p in model.parameters()),
        "flop": summary.flop(model, data.test.images[:1]),
        "classes": list(data.test.classes),
        "gradients_at_start": insights.gradient_flow(model, x, y),
    }
    trainer = Trainer(
        model,
        recipe.optimized(model),
        functools.partial(F.cross_entropy, label_smoothing=recipe.label_smoothing),
        callbacks=[*recipe.callbacks(), *watching],
        clip_grad_norm=recipe.clip_grad_norm,
    )
    started = time.perf_counter()
    try:
        trainer.fit(loaders.train, loaders.validation, epochs=recipe.epochs)
    except AnomalyError as error:
        result["failure"] = str(error)
    result["seconds"] = time.perf_counter() - started
    result["history"] = trainer.history.columns()
    result |= _tested(model, loaders.test) | _looked_into(model, x, y)
    folder = out / task.name
    folder.mkdir(parents=True, exist_ok=True)
    config = _config(recipe, source)
    checkpoint.save(folder / WEIGHTS, model, config, {"test_accuracy": result["accuracy"]})
    write_atomic(folder / RESULT, json.dumps(result) + "\n")
    return result


def _probe(dataset: Any) -> tuple[Any, Any]:
    part = dataset.subset(slice(0, PROBE))
    return ToFloat()(part.images), part.labels


def _tested(model: Module, loader: DataLoader) -> Result:
    started = time.perf_counter()
    scores: Scores = score(model, loader)
    seconds = time.perf_counter() - started
    return {
        "accuracy": scores.accuracy,
        "hits": scores.hits,
        "images": len(scores.dataset),
        "loss": summary.finite(scores.loss),
        "confusion": scores.confusion.tolist(),
        "inference_ms": 1000 * seconds / len(scores.dataset),
    }


def _looked_into(model: Module, x: Any, y: Any) -> Result:
    field = insights.field_of_view(model, x)
    return {
        "gradients_at_end": insights.gradient_flow(model, x, y),
        "memory": insights.step_memory(model, x, y),
        "field": np.round(field, 4).tolist(),
        "extent": insights.extent(field),
    }


def _config(recipe: Recipe, source: Source) -> dict[str, Any]:
    """What `evaluate` and `predict` need to use the weights."""
    where = {"data_dir": source.data_dir, "full": source.full, "where": source.where}
    return {"recipe": settings(recipe), "data": {"dataset": source.dataset, **where}}
