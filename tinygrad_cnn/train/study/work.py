"""One training of the study: result.json holds what it gave, and is written last.

So a folder with a result is a finished training, and one without is begun anew.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_cnn.data import DataLoader
from tinygrad_cnn.data.transforms import ToFloat
from tinygrad_cnn.errors import AnomalyError
from tinygrad_cnn.files import write_atomic
from tinygrad_cnn.nn import Module
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.train import checkpoint, summary
from tinygrad_cnn.train.callbacks import Callback
from tinygrad_cnn.train.recipe import EVALUATION_BATCH, Data, Recipe, settings
from tinygrad_cnn.train.run import WEIGHTS, Scores, score
from tinygrad_cnn.train.sources import Source
from tinygrad_cnn.train.study import insights
from tinygrad_cnn.train.study.plan import Task
from tinygrad_cnn.train.trainer import Trainer

RESULT = "result.json"
PROBE = 128  # images in the batch that gradients and memory are measured with

Result = dict[str, Any]
NUMBER = int | float
# What a result holds: the report reads all of it.
KINDS: dict[str, Any] = {
    "network": str,
    "dataset": str,
    "seed": int,
    "name": str,
    "epochs": int,
    "trained_on": int,
    "parameters": int,
    "flop": NUMBER,
    "classes": list,
    "gradients_at_start": dict,
    "seconds": NUMBER,
    "history": dict,
    "accuracy": NUMBER,
    "train_accuracy": NUMBER,
    "images": int,
    "confusion": list,
    "inference_ms": NUMBER,
    "gradients_at_end": dict,
    "memory": int,
    "field": list,
    "extent": list,
}


def result_of(task: Task, out: Path, tell: Callable[[str], None]) -> Result | None:
    """What the task gave, if it is done; a damaged result is told, and counts as none."""
    path = out / task.name / RESULT
    if not path.exists():
        return None
    try:
        result = json.loads(path.read_text())
        _check(result, task)
        if not path.with_name(WEIGHTS).exists():
            raise ValueError(f"without its {WEIGHTS}")
    except ValueError as error:
        tell(f"{path}: damaged ({error}); it is trained again")
        return None
    return dict(result)


def _check(result: Any, task: Task) -> None:
    """Raise ValueError unless this is what `do` writes for the task."""
    if not isinstance(result, dict):
        raise ValueError("not an object")
    for key, kind in KINDS.items():
        if key not in result:
            raise ValueError(f"holds no {key}")
        if not isinstance(result[key], kind):
            raise ValueError(f"{key} is {result[key]!r:.40}")
    if result["name"] != task.name:
        raise ValueError(f"is that of {result['name']}")
    absent = {"epoch", "val_loss", "val_accuracy"} - result["history"].keys()
    if absent:
        raise ValueError(f"history holds no {min(absent)}")


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
        "trained_on": len(data.train),
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
    result["train_accuracy"] = _seen(model, data)
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


def _seen(model: Module, data: Data) -> float:
    """The accuracy on training images as they are, of which as many are taken as there are tests.

    That of the log is another number: over an epoch in which the weights change, on augmented ones.
    """
    part = data.train.subset(slice(0, len(data.test)))
    return score(model, DataLoader(part, EVALUATION_BATCH)).accuracy


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
