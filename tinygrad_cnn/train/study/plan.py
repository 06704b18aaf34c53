"""What is to be trained: networks x data sets x seeds, cut down until it fits into the budget.

The time of one step of each network is known, and everything else follows from counts. The plan is
written down once, so that a study that goes on after an interruption goes on with the same one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.files import write_atomic
from tinygrad_cnn.train import recipes
from tinygrad_cnn.train.recipe import Recipe, nearest
from tinygrad_cnn.train.report import duration
from tinygrad_cnn.train.sources import Source
from tinygrad_cnn.train.study import circumstances
from tinygrad_cnn.train.study.circumstances import Images, Machine

PREFIX = "study-"
NETWORKS = tuple(name.removeprefix(PREFIX) for name in recipes.RECIPES if name.startswith(PREFIX))
CORE = ("dense", "cnn", "residual")
REPEATED = "dense"  # always with all seeds, being the cheapest: so it is known what a seed changes
Steps = Mapping[tuple[str, str], float]  # (data set, network) -> seconds by image of a step


def counted(number: int, what: str) -> str:
    """A number of things.

    >>> counted(1, "epoch"), counted(57_000, "image")
    ('1 epoch', '57,000 images')
    """
    return f"{number:,} {what}{'s' * (number != 1)}"


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
        return f"{counted(self.epochs, 'epoch')} of {images} images"


LEVELS = (
    Level(10, 1.0, 3),
    Level(10, 1.0, 1),
    Level(7, 1.0, 1),
    Level(5, 1.0, 1),
    Level(4, 1.0, 1),
    Level(3, 1.0, 1),
    Level(2, 1.0, 1),
    Level(2, 0.7, 1),
    Level(2, 0.5, 1),
    Level(2, 0.3, 1),
    Level(2, 0.2, 1),
    Level(2, 0.1, 1),
    Level(2, 0.03, 1),
    Level(1, 0.01, 1),
)
FULL = LEVELS[0]
USEFUL = FULL.length / 5  # shorter ones tell little: rather fewer networks than less of this
LEAST = 10_000  # images seen in training: with fewer all networks guess
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

    data: Mapping[str, Images]
    machine: Machine
    networks: tuple[str, ...]
    budget: float | None  # seconds; None: as long as it takes
    tasks: tuple[Task, ...]
    left_out: tuple[str, ...]

    @property
    def datasets(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self.data)

    @property
    def asked(self) -> tuple[set[str], set[str], float | None]:
        """What was asked for: data sets, networks, budget."""
        return set(self.data), set(self.networks), self.budget

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


def chosen(
    names: str, known: Sequence[str], what: str, default: Sequence[str] = ()
) -> tuple[str, ...]:
    """The names in a list with commas, each of them known; for an empty list those of `default`.

    >>> chosen("a, b", "abc", "letter"), chosen("", "abc", "letter", default="a")
    (('a', 'b'), ('a',))
    """
    given = tuple(dict.fromkeys(filter(None, map(str.strip, names.split(",")))))
    for name in given:
        if name not in known:
            raise ConfigError(f"{what}: no {name!r}; {nearest(name, known)}")
    return given or tuple(default or known)


def ranked(networks: Sequence[str]) -> list[str]:
    """The most telling first: the core, then one of each family, then the second of each, ...

    Where the budget is short, the last ones are left out.

    >>> ranked(["cnn", "kernel-5", "kernel-7", "depth-2"])
    ['cnn', 'kernel-5', 'depth-2', 'kernel-7']
    """
    ordered = [name for name in NETWORKS if name in networks]
    families = [name.split("-")[0] for name in ordered]
    places = {name: families[:i].count(families[i]) for i, name in enumerate(ordered)}
    return sorted(ordered, key=lambda name: (name not in CORE, places[name]))


def fit(
    sources: Mapping[str, Source], networks: Sequence[str], budget: float | None, step: Steps
) -> Plan:
    """The plan, given the seconds that a training step takes by image, data set and network.

    All networks are trained alike: at the first of `LEVELS` at which all of them fit. Where this
    would be below `USEFUL`, networks are left out, the least telling first, until the rest fits.
    Only where not even the core does are its trainings shorter than that. The core of a list that
    the user chose is all of it.
    """
    names = ranked(networks)
    core = [name for name in names if name in CORE or len(names) < len(NETWORKS)]
    limit = float("inf") if budget is None else RESERVE * budget

    def tasks(level: Level, some: Sequence[str]) -> list[Task]:
        repeated = REPEATED if len(some) > 1 else ""
        return [
            _task(sources[dataset], network, seed, level, step[dataset, network])
            for seed in range(FULL.seeds)
            for network in some
            if seed < level.seeds or network == repeated
            for dataset in sources
        ]

    smallest = min(len(source.train) for source in sources.values())
    enough = min(LEAST, FULL.epochs * smallest)
    levels = [a for a in LEVELS if a.length * smallest >= enough]
    useful = [a for a in levels if a.length >= USEFUL]
    choices = (
        [(level, names) for level in useful]
        + [(useful[-1], names[:n]) for n in range(len(names) - 1, len(core), -1)]
        + [(level, core) for level in levels]
        + [(levels[-1], core[:n]) for n in range(len(core) - 1, 1, -1)]
    )
    least = levels[-1], core[:1]
    level, kept = next((c for c in choices if _cost(tasks(*c)) <= limit), least)
    plan = tasks(level, kept)
    for network in (name for name in kept if name in CORE):  # the time left: seeds of these
        more = tasks(level._replace(seeds=FULL.seeds), [network])
        more = [task for task in more if task not in plan]
        plan += more if _cost(plan) + _cost(more) <= limit else []
    left_out = _left_out(level, plan, [name for name in names if name not in kept])
    networks = tuple(name for name in NETWORKS if name in names)
    facts = {name: circumstances.images(source) for name, source in sources.items()}
    return Plan(facts, circumstances.machine(), networks, budget, tuple(plan), tuple(left_out))


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
        return Plan(
            data={name: Images(**facts) for name, facts in saved["data"].items()},
            machine=Machine(**saved["machine"]),
            networks=tuple(saved["networks"]),
            budget=saved["budget"],
            tasks=tuple(Task(**task) for task in saved["tasks"]),
            left_out=tuple(saved["left_out"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(
            f"{path}: not a plan ({error}), or one of another version of this package; "
            "begin another study in a folder of its own by --out"
        ) from error


def _task(source: Source, network: str, seed: int, level: Level, step: float) -> Task:
    recipe = recipes.get(PREFIX + network).on(source.dataset)
    held_out = round(recipe.validation * len(source.train))
    images = max(round(level.share * (len(source.train) - held_out)), 1)
    recognised = level.epochs * held_out + len(source.test) + min(images, len(source.test))
    seen = level.epochs * images + INFERENCE * recognised
    return Task(network, source.dataset, seed, level.epochs, images, round(step * seen, 1))


def _cost(tasks: Sequence[Task]) -> float:
    return sum(task.seconds for task in tasks)


def _left_out(level: Level, plan: Sequence[Task], networks: Sequence[str]) -> Iterator[str]:
    """In which ways the plan is less than the full one."""
    kept = list(dict.fromkeys(task.network for task in plan))
    if networks:
        told = (
            f"only {', '.join(kept)}"
            if len(kept) < len(networks)
            else f"all but {', '.join(networks)}"
        )
        yield f"{told}, rather than all {len(kept) + len(networks)} networks hardly trained"
    if level.length < FULL.length:
        yield f"{level} instead of {FULL}"
    if level.seeds < FULL.seeds:
        more = sorted({task.network for task in plan if task.seed > 0}, key=NETWORKS.index)
        but = f" ({FULL.seeds} of {', '.join(more)})" if more else ""
        yield f"{level.seeds} seed instead of {FULL.seeds}{but}"


def describe(plan: Plan) -> str:
    """The plan in a few lines."""
    of = "" if plan.budget is None else f", of a budget of {duration(plan.budget)}"
    lines = [f"{counted(len(plan.tasks), 'training')}, about {duration(plan.seconds)}{of}"]
    return "\n".join([*lines, *(f"to fit the budget: {what}" for what in plan.left_out)])
