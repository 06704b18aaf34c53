"""How long a training step takes: measured once for each network, and kept in a file.

All times of a plan follow from these and from counts.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tinygrad_cnn.data import DataLoader
from tinygrad_cnn.errors import require
from tinygrad_cnn.files import write_atomic
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.ops import asarray
from tinygrad_cnn.train import recipes
from tinygrad_cnn.train.sources import Source
from tinygrad_cnn.train.study import circumstances
from tinygrad_cnn.train.study.plan import PREFIX, Steps


def measured(
    sources: Mapping[str, Source], networks: Sequence[str], path: Path, quiet: bool = False
) -> Steps:
    """Seconds by image of a step, for each data set and network; `path` keeps them one by one.

    So Ctrl-C loses no more than the one that is being measured. What was measured on other images,
    or by other kernels, is measured again.
    """
    known, machine = _read(path), circumstances.machine()
    bar = require("tqdm", "train").tqdm(
        total=len(sources) * len(networks),
        bar_format="{desc} {bar} {n}/{total}",
        leave=False,
        dynamic_ncols=True,
        disable=quiet or not sys.stderr.isatty(),
    )
    steps = {}
    try:
        for dataset, source in sources.items():
            images = circumstances.images(source)
            own = known.setdefault(f"{dataset}, checksum {images.checksum}, {machine}", {})
            for network in networks:
                bar.set_description_str(f"{dataset}-{network}")
                if not own.get(network):
                    own[network] = seconds_per_image(network, source)
                    write_atomic(path, json.dumps(known, indent=2) + "\n")
                steps[dataset, network] = own[network]
                bar.update()
    finally:
        bar.close()
    return steps


def seconds_per_image(network: str, source: Source) -> float:
    """Of a training step: the shorter of two, after one that pays for what is done only once."""
    recipe = recipes.get(PREFIX + network).on(source.dataset).fitted_to(source.train)
    model = recipe.model()
    optimizer = recipe.optimized(model)
    batch = source.train.subset(slice(0, recipe.batch_size))
    ((x, y),) = DataLoader(batch, len(batch), transform=recipe.augment())
    times = []
    for _ in range(3):
        started = time.perf_counter()
        optimizer.zero_grad()
        F.cross_entropy(model(asarray(x, copy=False)), y).backward()
        optimizer.step()
        times.append(time.perf_counter() - started)
    return min(times[1:]) / len(y)


def _read(path: Path) -> dict[str, dict[str, float]]:
    """What the file keeps; nothing where it is absent or damaged, as measuring mends that."""
    try:
        saved: Any = json.loads(path.read_text())
        return {
            key: {name: float(value) for name, value in own.items() if value > 0}
            for key, own in saved.items()
        }
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return {}
