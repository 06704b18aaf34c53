"""One call of the benchmark: who takes part, the plan, the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from tinygrad_cnn.bench import machine, roofline
from tinygrad_cnn.bench.networks import NETWORKS
from tinygrad_cnn.bench.opponents import OTHERS, OURS, Opponent
from tinygrad_cnn.bench.report import Report
from tinygrad_cnn.bench.suites import SUITES, LeftOutOf, Session, plan
from tinygrad_cnn.errors import ConfigError, require

ROUNDS, QUICK_ROUNDS = 15, 5
TIERS = ("compiled", "blocked")  # the specification races only where it is asked for


def run(
    tiers: Sequence[str] = TIERS,
    only: Sequence[str] = (),
    quick: bool = False,
    threads: int = 0,
    progress: bool = False,
) -> Report:
    """Measure everything, or the suites and networks in `only`, and report.

    All sides take `threads` threads, as many as there are cores where it is 0. `quick` takes fewer
    rounds. Raises ConfigError for a tier or a suite that does not exist.
    """
    unknown = [name for name in only if name not in {*SUITES, *NETWORKS}]
    if unknown:
        known = ", ".join((*SUITES, *NETWORKS))
        raise ConfigError(f"only: no suite and no network {unknown[0]!r}; there are: {known}")
    threads = threads or machine.cores()
    left_out: list[LeftOutOf] = []
    session = Session(
        _present([side for side in OURS if side.tier in _checked(tiers)], left_out),
        _present(OTHERS, left_out),
        threads,
        QUICK_ROUNDS if quick else ROUNDS,
        left_out=left_out,
    )
    ceilings = roofline.measure(threads)
    tasks = plan(only)
    bar = require("tqdm", "train").tqdm(
        total=len(tasks),
        bar_format="{desc:<42.42} {bar} {n_fmt}/{total_fmt} {elapsed}",
        leave=False,
        dynamic_ncols=True,
        disable=None if progress else True,  # None: where stderr is a terminal
    )
    with bar:
        for task in tasks:
            bar.set_description_str(f"{task.suite} {task.case}")
            task.run(session)
            bar.update()
    return Report(
        machine=machine.describe().as_dict(),
        versions={side.name: side.version() for side in session.sides},
        threads=threads,
        rounds=session.rounds,
        ceilings=asdict(ceilings),
        results=session.results,
        left_out=left_out,
    )


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
