"""`tinygrad-cnn bench`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from tinygrad_cnn import bench, kernels
from tinygrad_cnn.bench import machine, report
from tinygrad_cnn.bench.networks import NETWORKS
from tinygrad_cnn.bench.run import MINUTES, TIERS
from tinygrad_cnn.bench.suites import SUITES, plan
from tinygrad_cnn.errors import ConfigError, require
from tinygrad_cnn.files import write_atomic
from tinygrad_cnn.train.interrupts import patience
from tinygrad_cnn.viz import plots

HELP = "measure speed and memory against other libraries"
DESCRIPTION = """\
Train the same networks from the same weights with every library that is
installed here (PyTorch, JAX, MyGrad, autograd), in turn, with the same number
of threads. Losses are compared before time is taken. Everything is printed,
also what is not to our advantage."""
EXAMPLES = f"""\
what is measured:
{chr(10).join(f"  {name:<13} {text}" for name, text in SUITES.items())}

networks:
{chr(10).join(f"  {name:<13} {n.summary}" for name, n in NETWORKS.items())}

examples:
  tinygrad-cnn bench                             everything; about 6 minutes
  tinygrad-cnn bench --quick --only default      one network, in fewer rounds
  tinygrad-cnn bench --only networks --json numbers.json --plot ratios.png
  tinygrad-cnn bench --tier blocked              NumPy alone
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--only",
        type=lambda text: tuple(filter(None, text.split(","))),
        default=(),
        metavar="A,B,...",
        help="these suites or networks alone",
    )
    parser.add_argument(
        "--tier",
        type=lambda text: tuple(filter(None, text.split(","))),
        default=TIERS,
        metavar="A,B,...",
        help=f"tiers of our kernels that take part (default: {','.join(TIERS)})",
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds: rougher numbers")
    parser.add_argument(
        "--minutes",
        type=float,
        default=MINUTES,
        metavar="N",
        help=f"take fewer rounds rather than more time (default: {MINUTES:g})",
    )
    parser.add_argument(
        "--threads", type=int, default=0, metavar="N", help="of every side (default: the cores)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all measurements")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the ratios (.png)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(arguments: argparse.Namespace) -> None:
    """Measure, print, and write what was asked for; after Ctrl-C, what is finished."""
    _check(arguments)
    _keep_to(arguments.threads)
    found = bench.run(
        arguments.tier,
        arguments.only,
        arguments.quick,
        arguments.threads,
        not arguments.quiet,
        arguments.minutes,
    )
    with patience():
        print(report.text(found))
        for case, calls in kernels.fallbacks().items():
            print(f"a case that a tier had no form for: {case}, {calls:,} times")
        if arguments.json:
            write_atomic(arguments.json, found.to_json())
            print(f"\n{arguments.json}")
        if arguments.plot and found.of("networks"):
            write_atomic(arguments.plot, plots.png(report.plot(found)))
            print(arguments.plot)
    if found.missing:
        raise KeyboardInterrupt


def _check(arguments: argparse.Namespace) -> None:
    """Refuse what cannot be written, minutes before anything would be."""
    for path in filter(None, (arguments.json, arguments.plot)):
        if not path.parent.is_dir():
            raise ConfigError(f"{path.parent}: no such folder to write into; make it")
        if path.is_dir():
            raise ConfigError(f"{path}: a folder; name a file in it")
    if not arguments.plot:
        return
    if arguments.plot.suffix.lower() != ".png":
        raise ConfigError(f"{arguments.plot}: the plot is a PNG; let its name end in .png")
    require("matplotlib", "viz")
    if not any(task.suite == "networks" for task in plan(arguments.only)):
        raise ConfigError("--plot draws the ratios of networks, and --only names none")


def _keep_to(threads: int) -> None:
    """Hold this process to as many cores as threads: the one limit that every library obeys."""
    cores = machine.cores()
    if not 0 <= threads <= cores:
        raise ConfigError(f"threads: from 1 to the {cores} cores that are here; got {threads}")
    if threads and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
