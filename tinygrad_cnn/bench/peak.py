"""Peak memory of a training step, each side in a process of its own.

What the system says that the process holds at most is the one measure that is fair to libraries
which allocate in different ways. The model, its batch and the code (imported, and compiled for two
images) stand before the first step and are not counted.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tinygrad_cnn.bench import networks
from tinygrad_cnn.bench.apart import ApartError, call
from tinygrad_cnn.bench.networks import Network
from tinygrad_cnn.bench.opponents import LeftOut, Opponent, Training, of_name

STEPS = 3  # momentum exists from the first step on, and reused memory from the second
STATUS, REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def measure(side: str, network: str, threads: int) -> float:
    """Bytes above the idle model; raises LeftOut with the reason where that cannot be known."""
    if not STATUS.exists():
        raise LeftOut("peak memory: read from /proc, which only Linux has")
    try:
        return float(call(__name__, side, network, threads))
    except ApartError as error:
        raise LeftOut(str(error)) from error


def main(side: str, network: str, threads: int) -> int:
    """Bytes that `STEPS` training steps add to this process, at most."""
    chosen = networks.of_name(network)
    opponent = of_name(side)
    with opponent.conditions(threads):
        _training(opponent, replace(chosen, batch=2)).step()  # imports and compiles what is used
        training = _training(opponent, chosen)
        before = _kibibytes("VmRSS")
        with suppress(OSError):
            REFERENCES.write_text("5")  # the peak starts anew here
        for _ in range(STEPS):
            training.step()
    return 1024 * (_kibibytes("VmHWM") - before)


def _training(opponent: Opponent, network: Network) -> Training:
    return opponent.training(network, networks.weights(network), *networks.digits(network))


def _kibibytes(field: str) -> int:
    lines = STATUS.read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))
