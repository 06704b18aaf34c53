"""What is to be trained: networks x data sets x seeds, cut down until it fits into the budget.

One step of each network is measured, and everything else follows from counts. The plan is written
down once, so that a study that goes on after an interruption goes on with the same one.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

from tinygrad_cnn.data import DataLoader
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.files import write_atomic
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.ops import asarray
from tinygrad_cnn.train import recipes
from tinygrad_cnn.train.recipe import Recipe, nearest
from tinygrad_cnn.train.report import duration
from tinygrad_cnn.train.sources import Source

PREFIX = "study-"
# The most telling ones first: where the budget is short, the last ones are left out.
NETWORKS = tuple(name.removeprefix(PREFIX) for name in recipes.RECIPES if name.startswith(PREFIX))
CORE = ("dense", "cnn", "residual")


class Level(NamedTuple):
    """How much training: the first of `LEVELS` that fits is taken."""

    epochs: int
    share: float  # of the training images
    seeds: int

    @property
    def length(self) -> float:
        """In epochs of all images."""
        return self.epochs * self.share

    def __str__(self) -> str:
        images = "all" if self.share == 1 else f"{self.share:.0%} of the"
        return f"{self.epochs} {'epoch' if self.epochs == 1 else 'epochs'} of {images} images"


LEVELS = (
    Level(10, 1.0, 3),
    Level(10, 1.0, 1),
    Level(7, 1.0, 1),
    Level(5, 1.0, 1),
    Level(5, 0.7, 1),
    Level(5, 0.4, 1),
    Level(4, 0.3, 1),
    Level(3, 0.2, 1),
    Level(2, 0.2, 1),
    Level(2, 0.1, 1),
    Level(2, 0.03, 1),
    Level(1, 0.01, 1),
)
FULL = LEVELS[0]
LEAST = 10_000  # images seen in training: with fewer all networks guess, so rather train fewer
HALF = 0.5  # of the budget at most makes the trainings of CORE longer than those of all networks
RESERVE = 0.85  # of the budget is planned: a busy machine, pictures and the report take the rest
INFERENCE = 0.4  # of a training step's time an image needs that is only recognised: an upper bound


@dataclass(frozen=True)
class Task:
    """One training."""

    network: str
    dataset: str
    seed: int
    epochs: int
    images: int
    seconds: float  # as estimated

    @property
    def name(self) -> str:
        """The name of its folder: mnist-cnn-10x57000-0 is 10 epochs of 57,000 images, seed 0."""
        return f"{self.dataset}-{self.network}-{self.epochs}x{self.images}-{self.seed}"

    @property
    def recipe(self) -> Recipe:
        """What it trains, not yet fitted to the data."""
        recipe = recipes.get(PREFIX + self.network).on(self.dataset)
        return replace(recipe, epochs=self.epochs, seed=self.seed)


@dataclass(frozen=True)
class Plan:
    """All trainings, in the order in which they are done, and what was left out to fit them in."""

    datasets: tuple[str, ...]
    networks: tuple[str, ...]
    budget: float | None  # seconds; None: as long as it takes
    tasks: tuple[Task, ...]
    left_out: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """How long it will take, as estimated."""
        return sum(task.seconds for task in self.tasks)


def parse_budget(text: str) -> float | None:
    """Seconds; None for "full".

    >>> parse_budget("30m"), parse_budget("1.5h"), parse_budget("full")
    (1800.0, 5400.0, None)
    """
    if text == "full":
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if not found or not float(found[1]):
        raise ConfigError(f"budget: a time such as 30m, 2h or 90s, or full; got {text!r}")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


def chosen(names: str, known: Sequence[str], what: str) -> tuple[str, ...]:
    """The names in a list with commas, each of them known; all for ""."""
    given = tuple(dict.fromkeys(filter(None, names.split(",")))) or tuple(known)
    for name in given:
        if name not in known:
            raise ConfigError(f"{what}: no {name!r}; {nearest(name, known)}")
    return given


def make(
    sources: Mapping[str, Source],
    networks: Sequence[str],
    budget: float | None,
    tell: Callable[[str], None] = lambda line: None,
) -> Plan:
    """Measure a step of each network on each data set, and fit as much as possible in."""
    step = {}
    for dataset, source in sources.items():
        tell(f"measuring a step of each network on {dataset}")
        for network in networks:
            step[dataset, network] = seconds_per_image(network, source)
    return fit(sources, networks, budget, step)


def fit(
    sources: Mapping[str, Source],
    networks: Sequence[str],
    budget: float | None,
    step: Mapping[tuple[str, str], float],
) -> Plan:
    """The plan, given the seconds that a training step takes by image, network and data set.

    All networks are trained alike, as long as fits. Where this is short, half of the budget goes to
    the central ones, trained longer: what they reach in the end is asked of them first.
    """
    networks = [name for name in NETWORKS if name in networks]
    core = [name for name in networks if name in CORE]

    def tasks(level: Level, some: Sequence[str]) -> list[Task]:
        return [
            _task(sources[dataset], network, seed, level, step[dataset, network])
            for seed in range(level.seeds)
            for network in some
            for dataset in sources
        ]

    smallest = min(len(source.train) for source in sources.values())
    enough = min(LEAST, FULL.epochs * smallest)
    levels = [a for a in LEVELS if a.epochs * a.share * smallest >= enough]

    def longest(some: Sequence[str], limit: float) -> Level | None:
        return next((a for a in levels if _cost(tasks(a, some)) <= limit), None)

    limit = float("inf") if budget is None else RESERVE * budget
    level, main = longest(networks, limit) or levels[-1], longest(core, HALF * limit)
    ahead: list[Task] = []
    if main and main.length > level.length and len(core) < len(networks):
        first = tasks(main._replace(seeds=1), core)
        beside = longest(networks, limit - _cost(first))
        ahead, level = (first, beside) if beside else ([], level)
    kept = list(networks)
    while len(kept) > 1 and _cost(tasks(level, kept)) > limit:
        kept.pop()
    plan = ahead + tasks(level, kept)
    top = main if ahead and main else level
    for network in (name for name in core if name in kept):  # the time left: seeds of these
        known = {task.name for task in plan}
        more = tasks(top._replace(seeds=FULL.seeds), [network])
        more = [task for task in more if task.name not in known]
        plan += more if _cost(plan) + _cost(more) <= limit else []
    left_out = _left_out(level, top, plan, [n for n in networks if n not in kept])
    return Plan(tuple(sources), tuple(networks), budget, tuple(plan), tuple(left_out))


def seconds_per_image(network: str, source: Source) -> float:
    """Of a training step: the shorter of two, after one that pays for what is done only once."""
    recipe = recipes.get(PREFIX + network).on(source.dataset).fitted_to(source.train)
    model = recipe.model()
    optimizer = recipe.optimized(model)
    batch = source.train.subset(slice(0, recipe.batch_size))
    ((x, y),) = DataLoader(batch, len(batch), transform=recipe.augment())
    times = []
    for _ in range(3):
        started = time.perf_counter()
        optimizer.zero_grad()
        F.cross_entropy(model(asarray(x, copy=False)), y).backward()
        optimizer.step()
        times.append(time.perf_counter() - started)
    return min(times[1:]) / len(y)


def options(plan: Plan) -> str:
    """What the command line was asked for: data sets, budget, and networks that are not all."""
    budget = "full" if plan.budget is None else f"{plan.budget:g}s"
    some = "" if plan.networks == NETWORKS else f" --networks {','.join(plan.networks)}"
    return f"--dataset {','.join(plan.datasets)} --budget {budget}{some}"


def save(plan: Plan, path: Path) -> None:
    """Write the plan as JSON."""
    write_atomic(path, json.dumps(asdict(plan), indent=2) + "\n")


def load(path: Path) -> Plan:
    """The plan that `save` wrote.

    Raises:
        ConfigError: the file is none.
    """
    try:
        saved = json.loads(path.read_text())
        tasks = tuple(Task(**task) for task in saved.pop("tasks"))
        datasets, networks = tuple(saved["datasets"]), tuple(saved["networks"])
        return Plan(datasets, networks, saved["budget"], tasks, tuple(saved["left_out"]))
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{path}: not a plan ({error}); give another folder by --out") from error


def _task(source: Source, network: str, seed: int, level: Level, step: float) -> Task:
    recipe = recipes.get(PREFIX + network)
    held_out = round(recipe.validation * len(source.train))
    images = max(round(level.share * (len(source.train) - held_out)), 1)
    seen = level.epochs * (images + INFERENCE * held_out) + INFERENCE * len(source.test)
    return Task(network, source.dataset, seed, level.epochs, images, round(step * seen, 1))


def _cost(tasks: Sequence[Task]) -> float:
    return sum(task.seconds for task in tasks)


def _left_out(
    level: Level, top: Level, plan: Sequence[Task], networks: Sequence[str]
) -> Iterator[str]:
    """In which ways the plan is less than the full one."""
    core = ", ".join(dict.fromkeys(task.network for task in plan if task.network in CORE))
    if level.length < FULL.length:
        yield f"{level} instead of {FULL}"
    if top is not level:
        yield f"of the central networks ({core}) once more, on their own: {top}"
    if level.seeds < FULL.seeds:
        more = sorted({task.network for task in plan if task.seed > 0}, key=NETWORKS.index)
        but = f" ({FULL.seeds} of {', '.join(more)})" if more else ""
        yield f"{level.seeds} seed instead of {FULL.seeds}{but}"
    if networks:
        yield f"without the networks {', '.join(networks)}"


def describe(plan: Plan) -> str:
    """The plan in a few lines."""
    of = "" if plan.budget is None else f", of a budget of {duration(plan.budget)}"
    lines = [f"{len(plan.tasks)} trainings, about {duration(plan.seconds)}{of}"]
    return "\n".join([*lines, *(f"to fit the budget: {what}" for what in plan.left_out)])
