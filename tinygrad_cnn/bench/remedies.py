"""What would make it faster on this machine: settings of the environment, each one tried.

Nothing is recommended that has not been measured here, in processes of their own, in turn with the
settings as they are.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tinygrad_cnn.bench import machine
from tinygrad_cnn.bench.apart import call
from tinygrad_cnn.bench.probe import SIDE

WORKS = {"product": f"product of {SIDE}²", "default": "default net", "resnet20": "ResNet-20"}
STEPS = ("default", "resnet20")
WORTH = 1.05  # a factor below is not worth a line in anybody's shell
ROUNDS = 5
KEPT = 1 << 30  # bytes: what the allocator keeps instead of giving it back and faulting it in again

# OpenBLAS's kernels, by what the processor must have.
CORE_TYPES = {
    "Haswell": {"avx2", "fma"},
    "Zen": {"avx2", "fma"},
    "SkylakeX": {"avx512f", "avx512bw", "avx512dq", "avx512vl"},
    "Cooperlake": {"avx512f", "avx512_bf16"},
    "SapphireRapids": {"avx512f", "avx512_bf16", "amx_tile"},
}


@dataclass(frozen=True)
class Remedy:
    """Variables to set, and what they change."""

    variables: Mapping[str, str]
    what: str

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.variables.items())


@dataclass(frozen=True)
class Outcome:
    """A remedy's measurements: for each work the rounds' factors, above 1 where it was faster."""

    remedy: Remedy
    factors: Mapping[str, Sequence[float]]

    def factor(self, work: str) -> float:
        """The median of the rounds."""
        return float(np.median(self.factors[work]))

    @property
    def gain(self) -> float:
        """Of the training steps, together."""
        return float(np.exp(np.mean([np.log(self.factor(work)) for work in STEPS])))

    @property
    def pays(self) -> bool:
        """Whether it is worth while, and was in three rounds of four."""
        rounds = np.exp(np.mean([np.log(self.factors[work]) for work in STEPS], axis=0))
        return self.gain >= WORTH and bool(np.quantile(rounds, 0.25) > 1)


@dataclass(frozen=True)
class Verdict:
    """All that was tried, and what is to be recommended: none where nothing pays."""

    present: Mapping[str, float]
    tried: Sequence[Outcome]
    recommended: Outcome | None


def candidates() -> list[Remedy]:
    """The settings that make sense on this machine and are not in force."""
    found = [Remedy({"OPENBLAS_CORETYPE": name}, f"OpenBLAS for {name}") for name in _core_types()]
    count = str(min(machine.cores(), 8))
    one = {"OPENBLAS_NUM_THREADS": "1", "TINYGRAD_CNN_THREADS": count}
    if machine.cores() > 1 and not one.items() <= os.environ.items():
        found.append(Remedy(one, f"BLAS 1 thread, ours {count}"))
    kept = {"MALLOC_MMAP_THRESHOLD_": str(KEPT), "MALLOC_TRIM_THRESHOLD_": str(KEPT)}
    if platform.libc_ver()[0] == "glibc" and not kept.items() <= os.environ.items():
        found.append(Remedy(kept, "malloc keeps memory"))
    return found


def _core_types() -> list[str]:
    """Of OpenBLAS, those that this processor can run, without the one in use."""
    in_use = {blas.core_type for blas in machine.blas() if blas.library == "openblas"}
    if not in_use:
        return []
    able = [name for name, flags in CORE_TYPES.items() if flags <= machine.cpu_flags()]
    return [name for name in able if name not in in_use]


def judge(
    remedies: Sequence[Remedy], rounds: int = ROUNDS, tick: Callable[[], object] = lambda: None
) -> Verdict:
    """Try each remedy, then those that pay together."""
    present, outcomes = _try(remedies, rounds, tick)
    paying = sorted((o for o in outcomes if o.pays), key=lambda o: o.gain)
    if len(paying) < 2:
        return Verdict(present, outcomes, paying[0] if paying else None)
    together = {name: value for o in paying for name, value in o.remedy.variables.items()}
    _, (both,) = _try([Remedy(together, "together")], rounds, tick)
    best = max((both, *paying), key=lambda o: o.gain)
    return Verdict(present, [*outcomes, both], best if best.pays else None)


def _try(
    remedies: Sequence[Remedy], rounds: int, tick: Callable[[], object]
) -> tuple[dict[str, float], list[Outcome]]:
    """(medians as it is, the outcome of each remedy); processes in turn."""
    everyone: list[Mapping[str, str]] = [{}, *(remedy.variables for remedy in remedies)]
    measured: list[list[dict[str, float]]] = [[] for _ in everyone]
    for _ in range(rounds):
        for variables, found in zip(everyone, measured, strict=True):
            found.append(_probe(variables))
            tick()
    base, *others = measured
    outcomes = [
        Outcome(remedy, {w: [b[w] / o[w] for b, o in zip(base, found, strict=True)] for w in WORKS})
        for remedy, found in zip(remedies, others, strict=True)
    ]
    return {work: float(np.median([b[work] for b in base])) for work in WORKS}, outcomes


def _probe(variables: Mapping[str, str]) -> dict[str, float]:
    found: dict[str, float] = call("tinygrad_cnn.bench.probe", variables=variables)
    return found
