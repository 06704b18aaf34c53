"""The study's report: conclusions first, then the numbers, then the pictures behind them."""

from __future__ import annotations

import functools
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinygrad_cnn import __version__
from tinygrad_cnn.errors import TinygradError
from tinygrad_cnn.files import write_atomic
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
    markdown,
    page,
)
from tinygrad_cnn.train.report import duration
from tinygrad_cnn.train.sources import Source
from tinygrad_cnn.train.study import figures, findings
from tinygrad_cnn.train.study.findings import DEEP, Alike, Group
from tinygrad_cnn.train.study.plan import CORE, NETWORKS, Plan, counted
from tinygrad_cnn.viz.words import count, size

PAGE, PLAIN = "study.html", "study.md"


def _family(prefix: str) -> tuple[str, ...]:
    return tuple(name for name in NETWORKS if name.startswith(prefix))


FAMILIES = {
    "The main line": (*CORE, "regularised"),
    "Kernel sizes": ("cnn", *_family("kernel-")),
    "Depth": _family("depth-"),
    "Layers of one's own": ("cnn", *_family("own-")),
    "Residual blocks": _family("block-"),
}


@dataclass
class Pictures:
    """Drawn as they are asked for; one that cannot be drawn is told of instead."""

    drawn: dict[str, bytes] = field(default_factory=dict)

    def add(self, name: str, caption: str, draw: Callable[[], bytes]) -> Picture:
        """The block that shows it."""
        try:
            self.drawn[name] = draw()
        except TinygradError as error:  # matplotlib or graphviz is not there
            return Picture(name, caption, str(error))
        return Picture(name, caption)

    def of(self, alike: Alike) -> Callable[[str, str, Callable[[], bytes]], Picture]:
        """`add` under names of their own."""
        prefix = f"{alike.dataset}-{alike.epochs}x{alike.trained_on}"
        return lambda name, caption, draw: self.add(f"{prefix}-{name}", caption, draw)


def write(
    plan: Plan, results: Sequence[dict[str, Any]], sources: dict[str, Source], out: Path, again: str
) -> Path:
    """Write study.html, study.md and the pictures of the latter; returns the first."""
    pictures = Pictures()
    document = compose(plan, results, sources, out, again, pictures)
    for name, content in pictures.drawn.items():
        write_atomic(out / name, content)
    write_atomic(out / PLAIN, markdown(document))
    write_atomic(out / PAGE, page(document, pictures.drawn))
    return out / PAGE


def compose(
    plan: Plan,
    results: Sequence[dict[str, Any]],
    sources: dict[str, Source],
    out: Path,
    again: str,
    pictures: Pictures,
) -> Document:
    """The report as data; pictures are drawn on the way."""
    groups = findings.grouped(results)
    blocks: list[Block] = [*_head(plan, results)]
    looked_into: set[str] = set()  # data sets: of several trainings of a network, the longest
    for alike, own in groups.items():
        blocks += _section(alike, own, sources[alike.dataset], pictures)
        if alike.dataset not in looked_into:
            blocks += _filters(alike, own, sources[alike.dataset], out, pictures)
            looked_into.add(alike.dataset)
    blocks += [
        Heading("The blocks"),
        *_blocks(pictures),
        Heading("How it was made"),
        Code(again),
        Points(_circumstances(plan, results)),
    ]
    done = "" if len(results) == len(plan.tasks) else f" ({len(results)} of {len(plan.tasks)} done)"
    return Document(f"Architectures compared{done}", blocks)


def _head(plan: Plan, results: Sequence[dict[str, Any]]) -> list[Block]:
    left = [f"To fit the budget: {what}." for what in plan.left_out]
    failed = [f"{r['dataset']}-{r['network']}: {r['failure']}." for r in results if "failure" in r]
    if len(results) < len(plan.tasks):
        left.insert(0, f"Not finished: {len(results)} of {len(plan.tasks)} trainings are done.")
    return [Points([*left, *failed])] if left or failed else []


def _section(
    alike: Alike, groups: dict[str, Group], source: Source, pictures: Pictures
) -> list[Block]:
    best = max(groups.values(), key=lambda g: g.accuracy)
    picture = pictures.of(alike)
    blocks: list[Block] = [
        Heading(f"{source.test.name}, {alike}: {best.network} recognises {best.accuracy:.2%}"),
        Points(findings.conclusions(groups)),
        picture(
            "accuracy.png", "Test accuracy of each network", lambda: figures.accuracies(groups)
        ),
        picture("cost.png", "Accuracy against work", lambda: figures.costs(groups)),
        _table(groups),
        Text(_intervals(groups)),
        Heading("Learning curves", 3),
    ]
    for title, names in FAMILIES.items():
        own = [groups[name] for name in names if name in groups]
        if len(own) > 1:
            name = f"curves-{title.split()[-1].lower()}.png"
            blocks.append(picture(name, title, lambda own=own: figures.curves(own)))  # type: ignore[misc]
    blocks += [
        Heading("What is taken for what", 3),
        picture("confusion.png", f"Confusions of {best.network}", lambda: figures.confusion(best)),
    ]
    if all(name in groups for name in DEEP):
        caption = "Gradients with and without residual connections, no norms in either"
        blocks += [
            Heading("Gradient flow", 3),
            picture("gradients.png", caption, lambda: figures.gradients(groups)),
        ]
    if any(g.results[0]["field"] for g in groups.values()):
        caption = (
            "How much each pixel moves the middle of the last feature maps; below each the size "
            "of the part that does"
        )
        blocks += [
            Heading("Receptive fields", 3),
            picture("fields.png", caption, lambda: figures.fields(groups)),
        ]
    return blocks


def _filters(
    alike: Alike, groups: dict[str, Group], source: Source, out: Path, pictures: Pictures
) -> list[Block]:
    group = groups.get("cnn") or groups.get("residual")
    if group is None:
        return []
    model = functools.cache(lambda: figures.trained(group, out))
    picture = pictures.of(alike)
    return [
        Heading("Filters and feature maps", 3),
        picture(
            "filters.png",
            f"The filters of the first layer of {group.network}",
            lambda: figures.filters(model()),
        ),
        picture(
            "maps.png",
            "What each of these filters makes of a test image",
            lambda: figures.maps(model(), source),
        ),
    ]


def _table(groups: dict[str, Group]) -> Table:
    head = [
        "network",
        "accuracy",
        "seeds",
        "parameters",
        "FLOP",
        "training",
        "image",
        "memory",
    ]
    ranked = sorted(groups.values(), key=lambda g: -g.accuracy)
    rows = [
        [
            g.network,
            f"{g.accuracy:.2%} ± {g.spread.margin:.2%}",
            str(len(g.results)),
            count(g.mean("parameters")),
            count(g.mean("flop")),
            duration(g.mean("seconds")),
            f"{g.mean('inference_ms'):.2g} ms",
            size(g.mean("memory")),
        ]
        for g in ranked
    ]
    return Table(head, rows, right=head[1:])


def _intervals(groups: dict[str, Group]) -> str:
    group = next(iter(groups.values()))
    several = [g.network for g in groups.values() if len(g.results) > 1]
    seeds = (
        f"and of seeds, which change {group.seeds.factor**0.5:.2g} times as much as the images do; "
        f"this is known from {', '.join(several)}, and taken to hold for all"
        if several
        else "alone, as no training was repeated with another seed: another seed may change more"
    )
    return (
        f"± and the lines of the picture are 95 % intervals, by the choice of test images {seeds}. "
        "FLOP are those of one image forward, a multiply-add counted as two; training and "
        "image are times of the whole training and of one test image; memory is what a training "
        "step of 128 images keeps for the gradient."
    )


def _blocks(pictures: Pictures) -> list[Block]:
    try:
        drawn = figures.blocks()
    except TinygradError as error:
        return [Text(f"*No graphs: {error}.*")]
    return [
        Folded(
            f"The {name} block",
            [pictures.add(f"block-{name}.svg", f"The {name} block", lambda svg=svg: svg)],  # type: ignore[misc]
        )
        for name, svg in drawn.items()
    ]


def _circumstances(plan: Plan, results: Sequence[dict[str, Any]]) -> list[str]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    lengths = {(task.epochs, task.images): None for task in plan.tasks}
    told = ", ".join(f"{counted(n, 'epoch')} of {counted(m, 'image')}" for n, m in lengths)
    seconds = sum(r["seconds"] for r in results)
    return [
        f"{counted(len(results), 'training')}, {duration(seconds)} in all; "
        f"planned were {len(plan.tasks)} in {duration(plan.seconds)}",
        told,
        *_rules(plan),
        *(f"{name}: {images}" for name, images in plan.data.items()),
        f"{counted(cores or 1, 'core')} ({platform.machine()}){_memory()}, {plan.machine}, "
        f"tinygrad_cnn {__version__}, Python {platform.python_version()}",
        "One seed gives the same accuracies, to the bit, on the same machine with the same kernels "
        "and threads; times vary.",
    ]


def _rules(plan: Plan) -> list[str]:
    """By which rules the weights were changed, and where in the plan by each."""
    rules: dict[str, dict[str, None]] = {}
    for task in plan.tasks:
        rule = f"{task.recipe.optimizer}, {task.recipe.schedule} decay"
        rules.setdefault(rule, {})[f"{task.dataset}-{task.network}"] = None
    if len(rules) == 1:
        return list(rules)
    return [f"{rule}: {', '.join(names)}" for rule, names in rules.items()]


def _memory() -> str:
    """How much the machine has, where the system tells."""
    if not {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= set(getattr(os, "sysconf_names", ())):
        return ""
    return f", {size(os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE'))} of memory"
