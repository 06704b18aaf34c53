"""Several runs side by side: their curves in one picture, their numbers in one table."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.train.recipe import SETTINGS, as_text
from tinygrad_cnn.train.report import duration
from tinygrad_cnn.train.run import CONFIG, LOG, SUMMARY

Row = dict[str, str]


@dataclass(frozen=True)
class Run:
    """What a run folder says of itself."""

    name: str
    summary: dict[str, Any]
    config: dict[str, Any]
    history: dict[str, list[float | None]]

    @property
    def settings(self) -> dict[str, Any]:
        """Settings and options of the network, in one."""
        recipe = self.config["recipe"]
        own = {name: recipe[name] for name in SETTINGS if name in recipe}
        return {"recipe": recipe["name"], **own, **recipe.get("options", {})}


def read(folder: str | Path) -> Run:
    """The run in `folder`.

    Raises:
        ConfigError: no run folder, or one without a summary.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such run folder; `train` makes one below runs/")
    absent = [name for name in (SUMMARY, CONFIG, LOG) if not (folder / name).is_file()]
    if absent:
        raise ConfigError(
            f"{folder}: holds no {absent[0]}; give the folder of a run that has ended"
        )
    try:
        summary, config = (json.loads((folder / name).read_text()) for name in (SUMMARY, CONFIG))
        return Run(folder.name, summary, config, _history(folder / LOG))
    except (ValueError, KeyError) as error:
        raise ConfigError(
            f"{folder}: {SUMMARY}, {CONFIG} or {LOG} is damaged ({error}); train again"
        ) from error


def rows(runs: list[Run]) -> list[Row]:
    """A row a run, the best first: what it reached, and its settings where they differ."""
    differing = _differing(runs)
    best_first = sorted(runs, key=lambda run: -run.summary["test_accuracy"])
    return [{**_reached(run), **{k: _setting(run, k) for k in differing}} for run in best_first]


def _reached(run: Run) -> Row:
    s = run.summary
    low, high = s["test_interval"]
    return {
        "run": run.name,
        "accuracy": f"{s['test_accuracy']:.2%}",
        "95% interval": f"{low:.1%} to {high:.1%}",
        "parameters": f"{s['parameters']:,}",
        "epochs": str(s["epochs"]),
        "time": duration(s["train_seconds"]),
    }


def _setting(run: Run, name: str) -> str:
    return as_text(run.settings[name]) if name in run.settings else "-"


def _differing(runs: list[Run]) -> list[str]:
    names = dict.fromkeys(name for run in runs for name in run.settings)
    return [name for name in names if len({_setting(run, name) for run in runs}) > 1]


def verdict(runs: list[Run]) -> str:
    """Whether the best is better than the second best by more than chance would explain."""
    if len({(r.summary["test_images"], r.config["data"]["where"]) for r in runs}) > 1:
        return "They were tested on different images: their accuracies do not compare."
    first, second = sorted(runs, key=lambda run: -run.summary["test_accuracy"])[:2]
    ahead = first.summary["test_accuracy"] - second.summary["test_accuracy"]
    if not ahead:
        return f"{first.name} and {second.name} recognise equally many of the images."
    z = standard_errors(first.summary, second.summary)
    sure = "more than" if z > 1.96 else "no more than"
    return (
        f"{first.name} is ahead of {second.name} by {ahead:.2%} of the images: "
        f"{sure} the choice of test images alone explains ({z:.1f} standard errors)."
    )


def standard_errors(a: dict[str, Any], b: dict[str, Any]) -> float:
    """z = (p - q) / sqrt(p (1 - p) / n + q (1 - q) / m): the difference of two proportions."""
    p, q, n, m = (s[k] for k in ("test_accuracy", "test_images") for s in (a, b))
    variance = p * (1 - p) / n + q * (1 - q) / m
    return float(abs(p - q) / math.sqrt(variance)) if variance else 0.0


def _history(path: Path) -> dict[str, list[float | None]]:
    with open(path, newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        names = reader.fieldnames or ()
    columns = {name: [float(row[name]) if row[name] else None for row in rows] for name in names}
    if not {"epoch", "val_loss", "val_accuracy"} <= columns.keys():
        raise KeyError("columns are missing")
    return columns
