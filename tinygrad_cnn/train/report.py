"""What a run reached, as a report: what a person wants to know first, first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tinygrad_cnn.train import metrics, recipes
from tinygrad_cnn.train.document import (
    Block,
    Code,
    Document,
    Folded,
    Heading,
    Picture,
    Points,
    Table,
    Text,
)
from tinygrad_cnn.train.recipe import as_option, changes
from tinygrad_cnn.train.sources import flags

if TYPE_CHECKING:
    from tinygrad_cnn.train.run import Result

CAPTIONS = {
    "curves.png": "Loss, accuracy and learning rate by epoch",
    "confusion.png": "Confusion matrix: truth by rows, prediction by columns",
    "errors.png": "The most confident mistakes",
    "graph.svg": "Computation graph of the loss of one batch",
}


def document(result: Result, missing: dict[str, str]) -> Document:
    """The report; `missing` says of each picture what it would have needed ("": it is there)."""
    curves, confusion, errors, graph = (
        Picture(name, caption, missing[name]) for name, caption in CAPTIONS.items()
    )
    blocks: list[Block] = [
        Text(_stopped(result)),
        Points(_first(result)),
        Heading("What is taken for what"),
        confusion,
        _classes(result),
        Heading("Mistakes"),
        errors,
        Heading("Learning"),
        curves,
        Text(
            "Training curves are means over the epoch on augmented images; validation curves are "
            "taken at its end on held-out ones. The numbers are in [log.csv](log.csv)."
        ),
        Heading("Do it again"),
        Code(_again(result)),
        Text("One seed gives the same weights, to the bit, on the same machine."),
        Heading("Network and settings"),
        Folded("The layers", [Code(repr(result.model))]),
        Folded("The graph", [graph]),
        Folded("All settings", [Code(json.dumps(result.config, indent=2), "json")]),
    ]
    return Document(_title(result), blocks)


def stop_sentence(result: Result) -> str:
    """Why and when the training ended."""
    done = len(result.history.epochs)
    if isinstance(result.stopped, KeyboardInterrupt):
        return f"Interrupted after {_count(done, 'epoch')}"
    if result.stopped:
        return f"Broken off after {_count(done, 'epoch')}"
    why = result.history.stop_reason
    return (
        f"Stopped after {_count(done, 'epoch')}: {why}" if why else f"Ran {_count(done, 'epoch')}"
    )


def accuracy_sentence(result: Result) -> str:
    """The test accuracy, with what it is made of and how sure it is."""
    hits, total = result.scores.hits, len(result.scores.dataset)
    low, high = metrics.wilson_interval(hits, total)
    share = f"{result.scores.accuracy:.2%}"
    return f"{share} ({hits:,} of {total:,}; 95% interval {low:.1%} to {high:.1%})"


def confusions_sentence(result: Result, count: int = 5) -> str:
    """What is most often taken for what."""
    classes = result.scores.dataset.classes
    found = metrics.top_confusions(result.scores.confusion, count)
    pairs = [f"{classes[c.truth]} for {classes[c.prediction]} ({c.times})" for c in found]
    return ", ".join(pairs) if pairs else "nothing is taken for anything else"


def _title(result: Result) -> str:
    return f"{result.recipe.name}: {result.scores.accuracy:.2%} of the test set recognised"


def _stopped(result: Result) -> str:
    if result.stopped is None:
        return ""
    why = f" {result.stopped}." if str(result.stopped) else ""
    return f"**{stop_sentence(result)}.**{why} This report shows what was reached."


def _first(result: Result) -> list[str]:
    data, best = result.config["data"], result.best
    parameters = sum(p.size for p in result.model.parameters())
    validation = (
        f"{best.val_accuracy:.2%} in epoch {best.epoch}, whose weights these are"
        if best
        else "none: no epoch was finished"
    )
    speed = len(result.scores.dataset) / max(result.test_seconds, 1e-9)
    return [
        f"**test accuracy** {accuracy_sentence(result)}, loss {result.scores.loss:.4g}",
        f"**most often taken for another** {confusions_sentence(result)}",
        f"**time** {duration(result.seconds)} of training; {speed:,.0f} test images a second",
        f"**training** {stop_sentence(result)}; validation accuracy {validation}",
        f"**data** {data['train']:,} to train, {data['validation']:,} to validate, "
        f"{data['test']:,} to test; {data['where']}",
        f"**weights** [best.safetensors](best.safetensors), {parameters:,} parameters",
    ]


def duration(seconds: float) -> str:
    """A time as people say it.

    >>> duration(42.3), duration(312), duration(5400)
    ('42 s', '5 min 12 s', '1 h 30 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _classes(result: Result) -> Table:
    scores = metrics.class_scores(result.scores.confusion)
    names = result.scores.dataset.classes
    head = ["class", "precision", "recall", "F-score", "one-vs-all", "images"]
    rows = [
        [
            name,
            f"{s.precision:.2%}",
            f"{s.recall:.2%}",
            f"{s.fscore:.4f}",
            f"{s.accuracy:.2%}",
            f"{s.support:,}",
        ]
        for name, s in zip(names, scores, strict=True)
    ]
    return Table(head, rows, right=head[1:])


def _again(result: Result) -> str:
    default = recipes.get(result.recipe.name)
    changed = [as_option(k, v) for k, v in changes(result.recipe, default).items()]
    data = result.config["data"]
    words = [result.recipe.name, *changed, *flags(data["data_dir"], data["full"], data["dataset"])]
    return (
        f"tinygrad-cnn train {' '.join(words)}\n"
        f"tinygrad-cnn evaluate {result.folder}\n"
        f"tinygrad-cnn predict IMAGE.png --model {result.folder}"
    )


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
