"""`tinygrad-cnn doctor`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

from tinygrad_cnn.bench import machine, probe, remedies
from tinygrad_cnn.bench.machine import Machine
from tinygrad_cnn.bench.probe import SIDE
from tinygrad_cnn.bench.remedies import Outcome, Verdict
from tinygrad_cnn.bench.report import grid
from tinygrad_cnn.errors import ConfigError, require
from tinygrad_cnn.kernels.blocked.workers import MOST

HELP = "say what runs here, and what would be faster"
DESCRIPTION = """\
Say which kernels, which BLAS and how many threads do the arithmetic on this
machine, and try the settings that may make it faster: each one in processes of
its own, in turn with the settings as they are. What is recommended has been
measured here."""
EXAMPLES = """\
examples:
  tinygrad-cnn doctor             a minute or two
  tinygrad-cnn doctor --no-try    only what runs
  tinygrad-cnn doctor --json      for programs
"""
GOOD, BAD = "✓", "!"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--no-try", action="store_true", help="measure nothing")
    parser.add_argument(
        "--rounds",
        type=int,
        default=remedies.ROUNDS,
        metavar="N",
        help=f"how often each setting is tried (default: {remedies.ROUNDS})",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> None:
    """Describe; try; recommend."""
    here = machine.of_a_program()
    if not arguments.json:
        print("\n".join(_checks(here)), flush=True)
    verdict = None if arguments.no_try else _tried(arguments.rounds)
    if arguments.json:
        print(json.dumps(_as_dict(here, verdict), indent=2))
    elif verdict:
        print("\n" + "\n".join(_told(verdict)))


def _checks(here: Machine) -> Iterator[str]:
    """A line each: a tick or a remark, what it is about, how it stands."""
    yield f"tinygrad_cnn {here.tinygrad_cnn}, NumPy {here.numpy}, Python {here.python}\n"
    checks = (_processor(here), _cores(here), _load(here), _kernels(here), *_blas(here))
    for good, name, text in checks:
        yield f"{GOOD if good else BAD} {name:<10} {text}"
    for name, value in here.variables.items():
        yield f"  {'set':<10} {name}={value}"


def _processor(here: Machine) -> tuple[bool, str, str]:
    vectors = f", {here.vectors}" if here.vectors else ""
    return True, "processor", f"{here.processor}{vectors}"


def _cores(here: Machine) -> tuple[bool, str, str]:
    used = f"{here.cores} to use, {here.threads} threads of our own"
    if here.limit is not None and here.limit < here.threads:
        count = max(1, int(here.limit))
        return (
            False,
            "cores",
            (f"{used}, but this container grants {here.limit:g}: set TINYGRAD_CNN_THREADS={count}"),
        )
    if here.threads < min(here.cores, MOST):
        return False, "cores", f"{used}: a variable below says so"
    return True, "cores", used


def _load(here: Machine) -> tuple[bool, str, str]:
    load = machine.load()
    if machine.is_busy(load, here.cores):
        return False, "load", f"{load:.1f}: other work runs, and disturbs what is measured here"
    return True, "load", f"{load:.1f}"


def _kernels(here: Machine) -> tuple[bool, str, str]:
    numba = machine.version_of("numba")
    if numba:
        return True, "kernels", f"{here.tier}, Numba {numba}"
    missing = "Numba is not installed: pip install 'tinygrad-cnn[fast]'"
    return False, "kernels", f"{here.tier}, NumPy alone; {missing}"


def _blas(here: Machine) -> Iterator[tuple[bool, str, str]]:
    if not here.blas:
        missing = "threadpoolctl is not installed: pip install 'tinygrad-cnn[fast]'"
        yield False, "BLAS", f"not known; {missing}"
    for blas in here.blas:
        kernels = f", kernels for {blas.core_type}" if blas.core_type else ""
        threads = f"{blas.threads} thread{'s' * (blas.threads > 1)}"
        yield True, "BLAS", f"{blas.library} {blas.version}{kernels}, {threads}"


def _tried(rounds: int) -> Verdict:
    if rounds < 1:
        raise ConfigError(f"rounds: a whole number from 1 up; got {rounds}")
    candidates = remedies.candidates()
    probe.prepare()
    bar = require("tqdm", "train").tqdm(
        total=rounds * (len(candidates) + 1),
        bar_format="trying {bar} {n_fmt}/{total_fmt} {elapsed}",
        leave=False,
        dynamic_ncols=True,
        disable=None,  # where stderr is no terminal
    )
    with bar:
        return remedies.judge(candidates, rounds, bar.update)


def _told(verdict: Verdict) -> Iterator[str]:
    """The table of what was tried, and the line to paste."""
    now = verdict.present
    gflops = 2 * SIDE**3 / now["product"] / 1e9
    rows = [
        ["measured here", *remedies.WORKS.values()],
        ["as it is", f"{gflops:,.0f} GFLOP/s", *(f"{1e3 * now[w]:.1f} ms" for w in remedies.STEPS)],
        *(
            [outcome.remedy.what, *(f"x {outcome.factor(work):.2f}" for work in remedies.WORKS)]
            for outcome in verdict.tried
        ),
    ]
    yield grid(rows)
    yield "\nx: how many times as fast; the columns on the right are training steps.\n"
    if not verdict.recommended:
        yield f"{GOOD} Nothing that was tried is faster: leave the environment as it is."
        return
    yield f"{BAD} Training would be {verdict.recommended.gain:.2f} times as fast with\n"
    yield f"    export {verdict.recommended.remedy}\n"
    yield "in the shell that starts Python."


def _as_dict(here: Machine, verdict: Verdict | None) -> dict[str, Any]:
    found: dict[str, Any] = {"machine": here.as_dict()}
    if verdict:
        best = verdict.recommended
        found["seconds"] = dict(verdict.present)
        found["tried"] = [_outcome(outcome) for outcome in verdict.tried]
        found["recommended"] = dict(best.remedy.variables) if best else {}
    return found


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "variables": dict(outcome.remedy.variables),
        "factors": {work: outcome.factor(work) for work in outcome.factors},
        "pays": outcome.pays,
    }
