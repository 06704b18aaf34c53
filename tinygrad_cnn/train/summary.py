"""summary.json: what a run reached, in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cnn.data.transforms import ToFloat
from tinygrad_cnn.train import metrics, report
from tinygrad_cnn.viz.summaries import summary

if TYPE_CHECKING:
    from tinygrad_cnn.train.run import Result


def of(result: Result) -> dict[str, Any]:
    """The summary, as JSON can hold it; what is not finite is null."""
    scores, best = result.scores, result.best
    low, high = metrics.wilson_interval(scores.hits, len(scores.dataset))
    return {
        "recipe": result.recipe.name,
        "seed": result.recipe.seed,
        "data": result.config["data"],
        "test_accuracy": scores.accuracy,
        "test_hits": scores.hits,
        "test_images": len(scores.dataset),
        "test_interval": [low, high],
        "test_loss": finite(scores.loss),
        "best_epoch": best.epoch if best else None,
        "val_accuracy": best.val_accuracy if best else None,
        "epochs": len(result.history.epochs),
        "ended": report.stop_sentence(result),
        "train_seconds": result.seconds,
        "test_images_per_second": len(scores.dataset) / max(result.test_seconds, 1e-9),
        "parameters": sum(p.size for p in result.model.parameters()),
        "flop_per_image": flop(result.model, scores.dataset.images[:1]),
        "classes": list(scores.dataset.classes),
        "confusion": scores.confusion.tolist(),
        "class_scores": [s._asdict() for s in metrics.class_scores(scores.confusion)],
    }


def flop(model: Any, image: np.ndarray) -> int | None:
    """Operations of one forward pass of one image, a multiply-add counted as two."""
    return summary(model, ToFloat()(image)).flops


def finite(value: float) -> float | None:
    """The number, or None for a NaN or an infinity, which JSON does not know."""
    return value if np.isfinite(value) else None
