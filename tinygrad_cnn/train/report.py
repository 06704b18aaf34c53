"""report.md: what a person wants to know first, first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tinygrad_cnn.train import metrics, recipes
from tinygrad_cnn.train.recipe import as_text, changes
from tinygrad_cnn.train.sources import flags

if TYPE_CHECKING:
    from tinygrad_cnn.train.run import Result


def markdown(result: Result, missing: dict[str, str]) -> str:
    """The report; `missing` says of each picture what it would have needed ("": it is there)."""
    sections = [
        _head(result),
        _stopped(result),
        _facts(result),
        "## Learning curves",
        _picture("curves.png", "Loss, accuracy and learning rate by epoch", missing),
        "Training columns are means over the epoch on augmented digits; validation columns are "
        "taken at its end on held-out ones. The numbers are in [log.csv](log.csv).",
        "## What is taken for what",
        _confusions(result),
        _picture("confusion.png", "Confusion matrix", missing),
        _classes(result),
        "## Mistakes",
        _picture("errors.png", "The most confident mistakes", missing),
        "## Network",
        f"```\n{result.model!r}\n```",
        _picture("graph.svg", "Computation graph of the loss of one batch", missing),
        "## Do it again",
        _again(result),
        "## Settings",
        f"```json\n{json.dumps(result.config, indent=2)}\n```",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


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


def _head(result: Result) -> str:
    return f"# {result.recipe.name}: {result.scores.accuracy:.2%} of the test set recognised"


def _stopped(result: Result) -> str:
    if result.stopped is None:
        return ""
    why = f" {result.stopped}." if str(result.stopped) else ""
    return f"> **{stop_sentence(result)}.**{why} This report shows what was reached."


def _facts(result: Result) -> str:
    data, best = result.config["data"], result.best
    weights = f"[best.safetensors](best.safetensors), {_parameters(result):,} parameters"
    rows = [
        ("test accuracy", accuracy_sentence(result)),
        ("test loss", f"{result.scores.loss:.4f}"),
        (
            "validation accuracy",
            f"{best.val_accuracy:.2%} in epoch {best.epoch}, whose weights these are"
            if best
            else "none: no epoch was finished",
        ),
        ("training", f"{stop_sentence(result)}; {result.seconds:.0f} s"),
        (
            "data",
            f"{data['train']:,} to train, {data['validation']:,} to validate, "
            f"{data['test']:,} to test; {data['where']}",
        ),
        ("weights", weights),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _picture(name: str, caption: str, missing: dict[str, str]) -> str:
    return f"*No {name}: {missing[name]}.*" if missing[name] else f"![{caption}]({name})"


def _confusions(result: Result) -> str:
    classes = result.scores.dataset.classes
    found = metrics.top_confusions(result.scores.confusion, count=5)
    if not found:
        return "Nothing is taken for anything else."
    return (
        "Most often: "
        + ", ".join(
            f"{classes[c.truth]} for {classes[c.prediction]} ({_count(c.times, 'time')})"
            for c in found
        )
        + "."
    )


def _classes(result: Result) -> str:
    head = "| class | precision | recall | F-score | images |\n|---|---:|---:|---:|---:|"
    scores = metrics.class_scores(result.scores.confusion)
    rows = [
        f"| {name} | {s.precision:.2%} | {s.recall:.2%} | {s.fscore:.4f} | {s.support:,} |"
        for name, s in zip(result.scores.dataset.classes, scores, strict=True)
    ]
    return "\n".join([head, *rows])


def _again(result: Result) -> str:
    default = recipes.get(result.recipe.name)
    changed = [f"--set {k}={as_text(v)}" for k, v in changes(result.recipe, default).items()]
    data = result.config["data"]
    words = [result.recipe.name, *changed, *flags(data["data_dir"], data["full"], data["dataset"])]
    return (
        f"```\ntinygrad-cnn train {' '.join(words)}\n"
        f"tinygrad-cnn evaluate {result.folder}\n"
        f"tinygrad-cnn predict IMAGE.png --model {result.folder}\n```\n\n"
        "One seed gives the same weights, to the bit, on the same machine."
    )


def _parameters(result: Result) -> int:
    return sum(p.size for p in result.model.parameters())


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
