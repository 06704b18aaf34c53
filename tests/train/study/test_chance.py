"""Chance makes as many differences as are promised, and no more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tinygrad_cnn.train.study import chance


def false_alarms(p: float, deviation: float, seeds: Sequence[int], images: int = 10_000) -> float:
    """How often the last two of equal networks, of so many seeds each, are called different."""
    rng, alarms, times = np.random.default_rng(0), 0, 1000
    for _ in range(times):
        means = rng.binomial(images, p, len(seeds)) / images
        networks = [m + rng.normal(0, deviation, k) for m, k in zip(means, seeds, strict=True)]
        known = chance.pooled([list(a) for a in networks], images)
        a, b = (chance.spread(x.mean(), images, len(x), known) for x in networks[-2:])
        alarms += abs(networks[-1].mean() - networks[-2].mean()) > a.plus(b).margin
    return alarms / times


@pytest.mark.parametrize("deviation", [0.0, 0.001, 0.003])
@pytest.mark.parametrize("seeds", [(3, 1, 1), (3, 3, 3, 1, 1), (3,) * 10])
def test_equal_networks_are_called_different_in_five_of_a_hundred_cases_at_most(
    deviation: float, seeds: Sequence[int]
) -> None:
    assert 0.015 < false_alarms(0.97, deviation, seeds) < 0.065


def test_many_seeds_waste_nothing() -> None:
    assert false_alarms(0.97, 0.003, (3,) * 10) == pytest.approx(0.05, abs=0.015)


def test_without_repeated_seeds_the_images_alone_are_counted() -> None:
    assert chance.pooled([[0.9], [0.8]], 100) == chance.Seeds()
    assert false_alarms(0.97, 0.003, (1, 1)) > 0.2  # why the words then speak of images alone


def test_networks_with_many_mistakes_vary_more() -> None:
    seeds = chance.Seeds(2.0, 10)
    assert chance.spread(0.9, 1000, 1, seeds).error > 2 * chance.spread(0.99, 1000, 1, seeds).error


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_no_mistake_is_no_certainty(p: float) -> None:
    assert 0.01 < chance.spread(p, 100, 1, chance.Seeds()).margin < 0.05


def test_students_quantile_has_the_degrees_of_freedom_that_there_are() -> None:
    assert chance.Spread(0.0, 1.0, 2).margin == pytest.approx(4.303, abs=1e-3)
    assert chance.Spread(1.0, 0.0, 2).margin == pytest.approx(1.960, abs=1e-3)
