"""What is measured: a plan of small tasks, each of which times all sides on one thing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import util
from math import inf
from typing import TypeVar

import numpy as np

from tinygrad_cnn.bench import networks, peak
from tinygrad_cnn.bench.opponents import Convolution, LeftOut, Opponent, Training
from tinygrad_cnn.bench.timing import Contestant, interleave

SUITES = {
    "networks": "a training step and a prediction of five networks",
    "convolutions": "one convolution and its two gradients",
    "overhead": "a chain of 200 multiply-adds on 4 elements, recorded and swept",
    "memory": "peak memory of a training step, above the idle model",
    "growth": "a training step as batch, depth and image grow",
    "imports": "importing the library",
}
CONVOLUTIONS = (
    Convolution((64, 1, 28, 28), 16, 3),
    Convolution((64, 4, 24, 24), 4, 5),
    Convolution((128, 64, 26, 26), 64, 3),
    Convolution((128, 16, 32, 32), 16, 3, padding=1),
    Convolution((128, 32, 16, 16), 64, 3, stride=2, padding=1),
    Convolution((128, 64, 8, 8), 64, 3, padding=1),
    Convolution((128, 64, 16, 16), 128, 1),
)
CHAIN = 200
SIZES = {"batch": (64, 128, 256, 512, 1024), "depth": (2, 4, 8, 16), "image": (16, 24, 32, 48, 64)}
CHECKED_STEPS, TOLERANCE = 5, 1e-3  # of the losses, relative
LONGEST_STEP = 5.0  # seconds
IMPORTS = 5  # of each module
IMPORTED = ("numpy", "tinygrad_cnn", "torch", "jax", "mygrad", "autograd.numpy")
IMPORT = "import time; t = time.perf_counter(); import {}; t = time.perf_counter() - t"
IMPORT += "; import os; print(f'\\n{{t}}', flush=True); os._exit(0)"  # none prints after this


T = TypeVar("T")


@dataclass(frozen=True)
class Result:
    """One side's measurements of one thing: seconds or bytes, a value for each round."""

    suite: str
    case: str
    what: str
    side: str
    values: list[float]

    @property
    def median(self) -> float:
        """Of the rounds."""
        return float(np.median(self.values))


@dataclass(frozen=True)
class LeftOutOf:
    """A side that does not appear, where, and why."""

    side: str
    case: str
    reason: str


@dataclass
class Session:
    """Who takes part, how long, and what has been found so far."""

    ours: Sequence[Opponent]
    others: Sequence[Opponent]
    threads: int
    rounds: int
    told: Callable[[str], object] = lambda _: None  # is called with what is being done
    until: float = inf  # when the task in hand should be done, by time.perf_counter
    results: list[Result] = field(default_factory=list)
    left_out: list[LeftOutOf] = field(default_factory=list)

    @property
    def sides(self) -> list[Opponent]:
        """All who take part; ours first."""
        return [*self.ours, *self.others]

    def ask(
        self, case: str, prepare: Callable[[Opponent], T], sides: Sequence[Opponent] = ()
    ) -> dict[Opponent, T]:
        """What `prepare` makes of `sides`, else of all; why some cannot is kept."""
        prepared = {}
        for side in sides or self.sides:
            self.told(f"{case}: {side.name} begins")
            try:
                with side.conditions(self.threads):
                    prepared[side] = prepare(side)
            except LeftOut as told:
                self.left_out.append(LeftOutOf(side.name, case, str(told)))
            except Exception as error:
                self._leave_out(side, case, error)
        return prepared

    def _leave_out(self, side: Opponent, case: str, error: Exception) -> None:
        """Another library's failure costs its own numbers alone; ours is raised."""
        if side in self.ours:
            raise error
        reason = f"it failed: {type(error).__name__}: {error}".splitlines()[0]
        self.left_out.append(LeftOutOf(side.name, case, reason))

    def race(
        self,
        suite: str,
        case: str,
        what: str,
        works: Mapping[Opponent, Callable[[], object]],
        left: int = 1,
    ) -> None:
        """Time the works side by side, the first of `left` races that share the task's time."""
        self.told(f"{case}: {what}")
        contestants = {
            side.name: Contestant(
                partial(_named, side, work), partial(side.conditions, self.threads)
            )
            for side, work in works.items()
        }
        seconds = max(self.until - time.perf_counter(), 0) / left
        try:
            times = interleave(contestants, self.rounds, seconds=seconds)
        except _Failure as failure:  # the others begin again without it
            self._leave_out(failure.side, case, failure.error)
            others = {side: work for side, work in works.items() if side is not failure.side}
            self.race(suite, case, what, others, left)
            return
        self.results += [Result(suite, case, what, name, t) for name, t in times.items()]


class _Failure(Exception):
    """What a side raised while it was timed."""

    def __init__(self, side: Opponent, error: Exception) -> None:
        self.side, self.error = side, error


def _named(side: Opponent, work: Callable[[], object]) -> None:
    try:
        work()
    except Exception as error:
        raise _Failure(side, error) from error


@dataclass(frozen=True)
class Task:
    """A line of the plan; it may take `weight` parts of the time that there is."""

    suite: str
    case: str
    weight: int
    run: Callable[[Session], None]

    def __str__(self) -> str:
        return f"{self.suite} {self.case}"


def plan(only: Sequence[str] = (), quick: bool = False) -> list[Task]:
    """The tasks whose suite or case is among `only`, all of them if that is empty.

    >>> [task.case for task in plan(["default", "overhead"])]
    ['default', 'chain', 'default']
    """
    tasks = [
        *(Task("networks", name, 8, _network(name)) for name in networks.NETWORKS),
        *(Task("convolutions", str(case), 2, _convolution(case)) for case in CONVOLUTIONS),
        Task("overhead", "chain", 1, _overhead),
        *(Task("memory", name, 8, _memory(name)) for name in ("default", "resnet20")),
        *(Task("growth", family, 6, _growth(family)) for family in SIZES),
        Task("imports", "import", 6, _imports),
    ]
    return [task for task in tasks if not only or {task.suite, task.case} & {*only}]


def _network(name: str) -> Callable[[Session], None]:
    network = networks.NETWORKS[name]

    def run(session: Session) -> None:
        x, y = networks.digits(network)
        losses: list[float] = []

        def prepare(side: Opponent) -> Training:
            if side.slow:
                _try_one_image(side, network)
            training = side.training(network, networks.weights(network), x, y)
            found = _first_losses(training)
            losses[:] = losses or found  # ours come first
            if not np.allclose(found, losses, rtol=TOLERANCE, atol=0):
                raise LeftOut(f"its losses {_told(found)} are not ours, {_told(losses)}")
            return training

        sides = session.ask(name, prepare)
        steps = {side: training.step for side, training in sides.items()}
        session.race("networks", name, "training", steps, left=2)
        predictions = {side: training.predict for side, training in sides.items()}
        session.race("networks", name, "inference", predictions)

    return run


def _try_one_image(side: Opponent, network: networks.Network) -> None:
    """Raise LeftOut where a step of the whole batch would take longer than is waited for."""
    one = replace(network, batch=1)
    training = side.training(one, networks.weights(one), *networks.digits(one))
    training.step()  # this one may import
    _refuse_beyond_patience(network.batch * _seconds(training.step), "would take about")


def _refuse_beyond_patience(seconds: float, words: str = "takes") -> None:
    if seconds > LONGEST_STEP:
        raise LeftOut(f"a step {words} {seconds:.0f} s, longer than is waited for")


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _first_losses(training: Training) -> list[float]:
    """The losses of the first steps from the common weights: equal work gives equal losses."""
    losses = [training.step()]  # this one may compile
    _refuse_beyond_patience(_seconds(lambda: losses.append(training.step())))
    return losses + [training.step() for _ in range(CHECKED_STEPS - 2)]


def _told(losses: Sequence[float]) -> str:
    return ", ".join(f"{loss:.5g}" for loss in losses)


def _tried(work: Callable[[], object]) -> Callable[[], object]:
    """The same, called once: who fails does so while it is asked, and not in the race."""
    work()
    return work


def _convolution(case: Convolution) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        works = session.ask(str(case), lambda side: _tried(side.convolution(case)))
        session.race("convolutions", str(case), "forward and gradients", works)

    return run


def _overhead(session: Session) -> None:
    works = session.ask("chain", lambda side: _tried(side.chain(CHAIN)))
    session.race("overhead", "chain", "forward and backward", works)


def _memory(name: str) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        _peaks(session, "memory", name, "training", session.sides)

    return run


def _peaks(session: Session, suite: str, name: str, what: str, sides: Sequence[Opponent]) -> None:
    peaks = session.ask(name, lambda side: peak.measure(side.name, name, session.threads), sides)
    session.results += [
        Result(suite, name, what, side.name, [value]) for side, value in peaks.items()
    ]


def _growth(family: str) -> Callable[[Session], None]:
    """Ours and the first of the others: time side by side; memory of ours alone."""

    def run(session: Session) -> None:
        for index, size in enumerate(SIZES[family]):
            _size(session, f"{family}={size}", len(SIZES[family]) - index)

    return run


def _size(session: Session, name: str, left: int) -> None:
    network = networks.of_name(name)
    w, (x, y) = networks.weights(network), networks.digits(network)
    sides = [session.ours[0], *session.others[:1]]
    works = session.ask(name, lambda side: _tried(side.training(network, w, x, y).step), sides)
    session.race("growth", name, "training", works, left)
    _peaks(session, "growth", name, "memory", sides[:1])


def _imports(session: Session) -> None:
    """Each module in fresh interpreters, in turn."""
    times: dict[str, list[float]] = {module: [] for module in IMPORTED if _installed(module)}
    for _ in range(min(session.rounds, IMPORTS)):
        for module in [*times]:
            session.told(f"importing {module}")
            try:
                times[module].append(_import_seconds(module))
            except LeftOut as told:
                session.left_out.append(LeftOutOf(module, "import", str(told)))
                del times[module]
    session.results += [Result("imports", "import", "import", m, t) for m, t in times.items()]


def _import_seconds(module: str) -> float:
    """In an interpreter of its own; raises LeftOut with the last line of what went wrong."""
    command = [sys.executable, "-c", IMPORT.format(module)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        raise LeftOut(f"it failed: {last}")
    return float(done.stdout.splitlines()[-1])


def _installed(module: str) -> bool:
    return util.find_spec(module.partition(".")[0]) is not None
