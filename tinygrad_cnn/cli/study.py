"""`tinygrad-cnn study`."""

from __future__ import annotations

import argparse
import functools
import shlex
from collections.abc import Callable
from pathlib import Path

from tinygrad_cnn.cli.options import RUNS
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.train import sources
from tinygrad_cnn.train.interrupts import patience
from tinygrad_cnn.train.study import circumstances, report, steps, work
from tinygrad_cnn.train.study import plan as planning
from tinygrad_cnn.train.study.plan import NETWORKS, Plan, counted
from tinygrad_cnn.train.study.progress import Progress

HELP = "train many networks within a time budget, and compare them in a report"
DESCRIPTION = """\
Compare architectures: dense, convolutional and residual networks, kernel
sizes, depths, layers of one's own, kinds of residual blocks. A step of each
network is measured, and as many networks, epochs and seeds are planned as fit
the budget, rather fewer networks than all of them hardly trained; what is left
out is said. Ctrl-C keeps what is finished, and writes
the report of it; the same command goes on from there. The report is
study.html, one file."""
EXAMPLES = """\
examples:
  tinygrad-cnn study --budget 30m
  tinygrad-cnn study --dataset mnist,cifar10 --budget 2h --data-dir ~/data
  tinygrad-cnn study --networks cnn,residual --budget full --out runs/two
"""
PLAN, STEPS = "plan.json", "steps.json"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--dataset",
        default="mnist",
        metavar="A,B",
        help=f"any of {', '.join(sources.DATASETS)}; default: mnist",
    )
    parser.add_argument(
        "--budget", default="30m", metavar="TIME", help="such as 30m or 2h, or full; default: 30m"
    )
    parser.add_argument(
        "--networks", default="", metavar="A,B", help=f"any of {', '.join(NETWORKS)}; default: all"
    )
    parser.add_argument(
        "--data-dir",
        default="",
        metavar="PATH",
        help="folder of the data; default: the one that TINYGRAD_CNN_DATA names, else the digits "
        "inside the package, and other sets are downloaded",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=RUNS / "study",
        metavar="DIR",
        help="folder of the study; default: runs/study",
    )
    parser.add_argument("--quiet", action="store_true", help="no lines and no progress bar")


def run(arguments: argparse.Namespace) -> None:
    """Plan, or go on with the plan that is there; train; report."""
    names = planning.chosen(arguments.dataset, sources.DATASETS, "dataset", default=["mnist"])
    networks = planning.chosen(arguments.networks, NETWORKS, "network")
    budget = planning.parse_budget(arguments.budget)
    out, tell = arguments.out, _teller(arguments.quiet)
    begun = _begun(out, (set(names), set(networks), budget))
    data = {name: sources.load(arguments.data_dir, dataset=name) for name in names}
    if begun:
        plan = begun
        _check_images(plan, data, out)
        _tell_machine(plan, tell)
    else:
        out.mkdir(parents=True, exist_ok=True)
        tell(f"measuring a step of {counted(len(networks), 'network')} on {', '.join(data)}")
        step = steps.measured(data, networks, out / STEPS, arguments.quiet)
        plan = planning.fit(data, networks, budget, step)
        planning.save(plan, out / PLAN)
    tell(planning.describe(plan))
    results, interrupted = _work(plan, data, arguments)
    with patience():
        if results:
            print(report.write(plan, results, data, out, _again(arguments)))
    if interrupted:
        raise interrupted


def _begun(out: Path, asked: tuple[set[str], set[str], float | None]) -> Plan | None:
    """The plan in the folder, if there is one; ConfigError unless it is for what is asked."""
    if not (out / PLAN).exists():
        return None
    plan = planning.load(out / PLAN)
    if asked != plan.asked:
        raise ConfigError(
            f"{out}: holds a study with other options; go on with it by "
            f"`{planning.options(plan)}`, or begin another one in a folder of its own by --out"
        )
    return plan


def _teller(quiet: bool) -> Callable[[str], None]:
    return (lambda line: None) if quiet else functools.partial(print, flush=True)


def _check_images(plan: Plan, data: dict[str, sources.Source], out: Path) -> None:
    """Raise ConfigError unless these are the images that the plan is for."""
    for name, source in data.items():
        now, begun = circumstances.images(source), plan.data[name]
        if not now.same_as(begun):
            raise ConfigError(
                f"{out}: was begun on other images of {name}: {begun}; now got {now}; "
                "go on with the former by --data-dir, or begin another study by --out"
            )


def _tell_machine(plan: Plan, tell: Callable[[str], None]) -> None:
    now = circumstances.machine()
    if now != plan.machine:
        tell(f"begun with {plan.machine}, goes on with {now}: the last digits may differ")


def _work(
    plan: Plan, data: dict[str, sources.Source], arguments: argparse.Namespace
) -> tuple[list[work.Result], KeyboardInterrupt | None]:
    """The results of all tasks, or of those that were done when Ctrl-C came."""
    progress, results = Progress(plan, arguments.quiet), []
    try:
        for task in plan.tasks:
            result = work.result_of(task, arguments.out, progress.tell)
            if result is None:
                progress.begin(task)
                result = work.do(task, data[task.dataset], arguments.out, [progress])
                progress.end(result["accuracy"], result.get("failure", ""))
            else:
                progress.skip(task)
            results.append(result)
    except KeyboardInterrupt as interrupt:
        print("\ninterrupted; the same command goes on from here", flush=True)
        return results, interrupt
    finally:
        progress.close()
    return results, None


def _again(arguments: argparse.Namespace) -> str:
    words = ["tinygrad-cnn", "study", "--dataset", arguments.dataset, "--budget", arguments.budget]
    words += ["--networks", arguments.networks] if arguments.networks else []
    words += ["--data-dir", arguments.data_dir] if arguments.data_dir else []
    return " ".join(map(shlex.quote, [*words, "--out", str(arguments.out)]))
