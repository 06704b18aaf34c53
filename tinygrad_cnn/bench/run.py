"""One call of the benchmark: who takes part, the plan, the report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict

from tinygrad_cnn.bench import machine, roofline
from tinygrad_cnn.bench.networks import NETWORKS
from tinygrad_cnn.bench.opponents import OTHERS, OURS, Opponent
from tinygrad_cnn.bench.report import Report
from tinygrad_cnn.bench.suites import SUITES, LeftOutOf, Session, Task, plan
from tinygrad_cnn.errors import ConfigError, MissingDependencyError, require

ROUNDS, QUICK_ROUNDS = 21, 5  # at most
MINUTES = 6.0
TIERS = ("compiled", "blocked")  # the specification races only where it is asked for


def run(
    tiers: Sequence[str] = TIERS,
    only: Sequence[str] = (),
    quick: bool = False,
    threads: int = 0,
    progress: bool = False,
    minutes: float = MINUTES,
) -> Report:
    """Measure everything, or the suites and networks in `only`, and report.

    The other sides take `threads` threads, as many as there are cores where it is 0; ours take
    theirs from the environment or the cores of the process, which the command line holds to that
    number. It takes about `minutes` at most: rounds are left out for it, measurements are not.
    `quick` takes few rounds. Ctrl-C ends it early: the report then holds the tasks that were
    finished, and names the others.
    Raises ConfigError for a tier or a suite that does not exist, and MissingDependencyError where
    none of the tiers can run.
    """
    unknown = [name for name in only if name not in {*SUITES, *NETWORKS}]
    if unknown:
        known = ", ".join((*SUITES, *NETWORKS))
        raise ConfigError(f"only: no suite and no network {unknown[0]!r}; there are: {known}")
    if not minutes > 0:
        raise ConfigError(f"minutes: a number above 0; got {minutes:g}")
    threads = threads or machine.cores()
    left_out: list[LeftOutOf] = []
    ours = _present([side for side in OURS if side.tier in _checked(tiers)], left_out)
    if not ours:
        raise MissingDependencyError("; ".join(f"{it.side}: {it.reason}" for it in left_out))
    session = Session(
        ours,
        _present(OTHERS, left_out),
        threads,
        QUICK_ROUNDS if quick else ROUNDS,
        left_out=left_out,
    )
    begun, load = time.perf_counter(), machine.load()
    ceilings = roofline.measure(threads)
    missing = _measured(session, plan(only), begun + 60 * minutes, progress)
    return Report(
        machine=machine.describe().as_dict(),
        versions={side.name: side.version() for side in session.sides},
        threads=threads,
        load=load,
        rounds=session.rounds,
        minutes=(time.perf_counter() - begun) / 60,
        ceilings=asdict(ceilings),
        results=session.results,
        left_out=left_out,
        missing=[str(task) for task in missing],
    )


def _measured(session: Session, tasks: list[Task], end: float, progress: bool) -> list[Task]:
    """Run the tasks, each in its part of the time until `end`; gives those that Ctrl-C prevented.

    What one task leaves of its part, or takes beyond it, is the others' gain or loss.
    """
    bar = require("tqdm", "train").tqdm(
        total=sum(task.weight for task in tasks),
        bar_format="{desc:<46.46} {bar} {percentage:3.0f}% {elapsed}",
        leave=False,
        dynamic_ncols=True,
        disable=None if progress else True,  # None: where stderr is a terminal
    )
    session.told = bar.set_description_str
    with bar:
        for index, task in enumerate(tasks):
            parts = sum(task.weight for task in tasks[index:])
            now, finished = time.perf_counter(), len(session.results)
            session.until = now + (end - now) * task.weight / parts
            try:
                task.run(session)
            except KeyboardInterrupt:
                del session.results[finished:]
                return tasks[index:]
            bar.update(task.weight)
    return []


def _checked(tiers: Sequence[str]) -> Sequence[str]:
    known = [side.tier for side in OURS]
    wrong = [tier for tier in tiers if tier not in known]
    if wrong or not tiers:
        raise ConfigError(f"tier: there are {', '.join(known)}; got {', '.join(wrong) or 'none'}")
    return tiers


def _present(sides: Sequence[Opponent], left_out: list[LeftOutOf]) -> list[Opponent]:
    """Those that can take part here; the others are named with their reasons."""
    absent = {side: side.why_absent() for side in sides}
    left_out += [LeftOutOf(side.name, "", why) for side, why in absent.items() if why]
    return [side for side in sides if not absent[side]]
