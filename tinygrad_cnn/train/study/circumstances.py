"""What the numbers of a study depend on besides its seeds: the images, and what computes.

Both are written into its plan, so that a study is never finished on other images than it began on.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from tinygrad_cnn import kernels
from tinygrad_cnn.kernels.blocked import workers
from tinygrad_cnn.train.sources import Source


@dataclass(frozen=True)
class Images:
    """Of a data set: how many there are, what tells them from others, and where they lie."""

    train: int
    test: int
    checksum: str
    where: str

    def __str__(self) -> str:
        return f"{self.train:,} + {self.test:,} images, checksum {self.checksum}, {self.where}"

    def same_as(self, other: Images) -> bool:
        """Whether they are the same images, wherever they lie."""
        mine, theirs = ((i.train, i.test, i.checksum) for i in (self, other))
        return mine == theirs


@dataclass(frozen=True)
class Machine:
    """What computes: sums are rounded in another order by other kernels and thread counts."""

    kernels: str
    threads: int

    def __str__(self) -> str:
        return f"{self.kernels} kernels, {self.threads} thread{'s' * (self.threads != 1)}"


def images(source: Source) -> Images:
    """Of a source; the checksum covers every pixel and label (CRC-32: a fifth of a second)."""
    checksum = 0
    for part in (source.train, source.test):
        for array in (part.images, part.labels):
            checksum = zlib.crc32(np.ascontiguousarray(array).data, checksum)
    return Images(len(source.train), len(source.test), f"{checksum:08x}", source.where)


def machine() -> Machine:
    """This one, as it is set up now."""
    return Machine(kernels.tier(), workers.threads())
