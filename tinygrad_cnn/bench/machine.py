"""What computer this is: processor, cores that may be used, BLAS, thread settings, versions."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata, util
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_cnn import __version__, kernels
from tinygrad_cnn.bench.apart import call
from tinygrad_cnn.errors import MissingDependencyError, require
from tinygrad_cnn.kernels.blocked import workers

VARIABLES = (  # that change how fast it is
    "TINYGRAD_CNN_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "GLIBC_TUNABLES",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_TRIM_THRESHOLD_",
)
BUSY = 0.5  # of the cores


@dataclass(frozen=True)
class Blas:
    """A BLAS that this process has loaded, as threadpoolctl sees it."""

    library: str
    version: str
    core_type: str
    threads: int


@dataclass(frozen=True)
class Machine:
    """Everything that a number of the benchmark depends on."""

    processor: str
    vectors: str
    cores: int
    threads: int  # of the kernels
    limit: float | None  # of the container, in cores
    memory_gib: float
    system: str
    python: str
    numpy: str
    tinygrad_cnn: str
    tier: str
    blas: tuple[Blas, ...]
    variables: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def describe() -> Machine:
    """This machine."""
    return Machine(
        processor=_cpu_info().get("model name") or platform.processor() or platform.machine(),
        vectors=vectors(),
        cores=cores(),
        threads=workers.threads(),
        limit=container_limit(),
        memory_gib=_memory_gib(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        numpy=np.__version__,
        tinygrad_cnn=__version__,
        tier=kernels.tier(),
        blas=blas(),
        variables={name: os.environ[name] for name in VARIABLES if name in os.environ},
    )


def of_a_program() -> Machine:
    """The same as a program of a user's finds it: in a fresh process, under no limits of ours."""
    found = call(__name__)
    return Machine(**{**found, "blas": tuple(Blas(**blas) for blas in found["blas"])})


def load() -> float:
    """How many processes wanted a core in the last minute, on average; 0 where nobody counts."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def is_busy(load: float, cores: int) -> bool:
    """Whether so much other work disturbs what is measured."""
    return load > BUSY * cores


def cores() -> int:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def container_limit(root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """How many cores' worth of time the control group grants; None where it sets no limit."""
    try:
        if (root / "cpu.max").exists():  # version 2
            quota, period = (root / "cpu.max").read_text().split()
        else:
            quota = (root / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (root / "cpu" / "cpu.cfs_period_us").read_text()
    except OSError:
        return None
    return None if quota in ("max", "-1") else int(quota) / int(period)


def blas() -> tuple[Blas, ...]:
    """The BLAS libraries in this process; none where threadpoolctl is absent."""
    try:
        infos = require("threadpoolctl", "fast").threadpool_info()
    except MissingDependencyError:
        return ()
    return tuple(
        Blas(
            info["internal_api"],
            str(info.get("version")),
            str(info.get("architecture", "")),
            info["num_threads"],
        )
        for info in infos
        if info["user_api"] == "blas"
    )


def blas_threads(count: int) -> AbstractContextManager[object]:
    """BLAS held to `count` threads, where threadpoolctl is installed."""
    try:
        threadpoolctl = require("threadpoolctl", "fast")
    except MissingDependencyError:
        return nullcontext()
    limits: AbstractContextManager[object] = threadpoolctl.threadpool_limits(count, user_api="blas")
    return limits


def version_of(package: str) -> str:
    """The version of an installed package; empty if it is none."""
    return metadata.version(package) if util.find_spec(package) else ""


def vectors() -> str:
    """The widest vector instructions of an x86 processor; empty for others."""
    flags = _cpu_info().get("flags", "").split()
    wanted = {"AVX-512": "avx512f", "AVX2": "avx2", "AVX": "avx", "SSE2": "sse2"}
    return next((name for name, flag in wanted.items() if flag in flags), "")


def cpu_flags() -> frozenset[str]:
    """The processor's features by Linux's names; empty elsewhere."""
    return frozenset(_cpu_info().get("flags", "").split())


@cache
def _cpu_info() -> Mapping[str, str]:
    """The first processor of /proc/cpuinfo."""
    if not sys.platform.startswith("linux"):
        return {}
    first = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _memory_gib() -> float:
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return 0.0
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30


def main() -> dict[str, Any]:
    """`describe`, for another process."""
    return describe().as_dict()
