"""How far the accuracy of a network would be another one with other test images and other seeds.

One formula serves intervals, comparisons, charts and tables:

    V = p (1 - p) / n (1 + f / k)        p of n images, the mean over k seeds

The first part is binomial. f says how many times as much as by the images the accuracies of one
network vary by its seeds. It is pooled from all networks that are compared and have several seeds,
s^2 / (p (1 - p) / n) of each, as no network alone has enough of them; relative to p (1 - p) / n,
as networks that leave fewer mistakes vary less, too.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from tinygrad_cnn.errors import require

NORMAL = 1.959964  # the two-sided 95 % quantile
Accuracies = Sequence[float]  # of one network, a number a seed


class Seeds(NamedTuple):
    """What is known of how accuracies vary by seeds: f, and the degrees of freedom behind it."""

    factor: float = 0.0
    freedom: int = 0

    @property
    def chance(self) -> str:
        """What it is that a difference must exceed: "more than" this."""
        return f"the choice of test images{' and seeds' if self.freedom else ''} explains"


def pooled(networks: Sequence[Accuracies], n: int) -> Seeds:
    """f from all networks with several seeds, each counting by its seeds but one."""
    several = [accuracies for accuracies in networks if len(accuracies) > 1]
    freedom = sum(len(accuracies) - 1 for accuracies in several)
    if not freedom:
        return Seeds()
    squares = (
        (len(a) - 1) * statistics.variance(a) / binomial(statistics.fmean(a), n) for a in several
    )
    return Seeds(sum(squares) / freedom, freedom)


def binomial(p: float, n: int) -> float:
    """q (1 - q) / m with q = (n p + z^2 / 2) / m, m = n + z^2: not 0 where p is 0 or 1.

    Agresti and Coull 1998, "Approximate is better than exact".
    """
    m = n + NORMAL**2
    q = (n * p + NORMAL**2 / 2) / m
    return q * (1 - q) / m


class Spread(NamedTuple):
    """The variance of a mean accuracy by the images, by the seeds, and what the latter rests on."""

    images: float
    seeds: float
    freedom: int

    @property
    def error(self) -> float:
        """The standard error."""
        return math.sqrt(self.images + self.seeds)

    @property
    def margin(self) -> float:
        """What chance exceeds in 5 % of cases at most: sqrt(z^2 V_images + t^2 V_seeds).

        Each part has the quantile of what it rests on. Satterthwaite's degrees of freedom for both
        together are exceeded too often, in 7 of 100 cases with three seeds of one network.
        """
        return math.sqrt(NORMAL**2 * self.images + self._t**2 * self.seeds)

    @property
    def _t(self) -> float:
        if not self.freedom:
            return NORMAL
        return float(require("scipy.special", "train").stdtrit(self.freedom, 0.975))

    def plus(self, other: Spread) -> Spread:
        """Of a difference, where both rest on the same f."""
        return Spread(self.images + other.images, self.seeds + other.seeds, self.freedom)


def spread(p: float, n: int, k: int, seeds: Seeds) -> Spread:
    """Of the accuracy p on n images, the mean over k seeds."""
    images = binomial(p, n)
    return Spread(images, images * seeds.factor / k, seeds.freedom)
