"""The plan fits the budget, and says what it leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tinygrad_cnn.data import ArrayDataset
from tinygrad_cnn.train.sources import Source
from tinygrad_cnn.train.study import plan
from tinygrad_cnn.train.study.plan import NETWORKS, Plan


def made(
    budget: float | None,
    images: int = 60_000,
    networks: Sequence[str] = NETWORKS,
    step: float = 1e-3,
) -> Plan:
    """With a training step of `step` seconds an image for every network."""
    data = ArrayDataset(np.zeros((images, 2, 2), np.uint8), np.arange(images) % 10)
    sources = {"mnist": Source(data, data.subset(slice(0, images // 6)))}
    return plan.fit(sources, networks, budget, {("mnist", name): step for name in networks})


def test_without_a_budget_everything_is_trained() -> None:
    full = made(None)
    assert full.left_out == ()
    assert len(full.tasks) == 3 * len(NETWORKS)
    assert {(t.epochs, t.images) for t in full.tasks} == {(10, 57_000)}


@pytest.mark.parametrize("minutes", [5, 20, 60, 200, 600, 2000])
def test_what_is_planned_fits_and_more_time_never_trains_on_less(minutes: float) -> None:
    small, large = made(60 * minutes), made(120 * minutes)
    assert small.seconds <= 60 * minutes

    def seen(some: Plan) -> int:
        return sum(task.epochs * task.images for task in some.tasks)

    assert seen(large) >= seen(small)


def test_all_networks_are_tried_once_before_any_a_second_time() -> None:
    tasks = made(60 * 60 * 40).tasks
    seeds = [task.seed for task in tasks]
    assert seeds == sorted(seeds)
    assert max(seeds) > 0


def test_where_time_is_short_half_of_it_trains_the_central_networks_longer() -> None:
    core = 3 * 10 * 60_000 * 1e-3  # seconds
    split = made(1.1 * core / plan.HALF / plan.RESERVE)
    longer = [t for t in split.tasks if (t.epochs, t.images) == (10, 57_000)]
    beside = [t for t in split.tasks if t not in longer]
    assert [t.network for t in longer if t.seed == 0] == list(plan.CORE)
    assert [t.network for t in beside] == list(NETWORKS)
    assert len({(t.epochs, t.images) for t in beside}) == 1
    assert len({t.name for t in split.tasks}) == len(split.tasks)
    assert split.left_out[:2] == (
        "4 epochs of 30% of the images instead of 10 epochs of all images",
        "of the central networks (dense, cnn, residual) once more, on their own: "
        "10 epochs of all images",
    )


def test_where_training_would_be_too_short_to_tell_anything_networks_are_left_out() -> None:
    short = made(30)
    assert [task.network for task in short.tasks] == ["dense"]
    assert all(task.epochs * task.images >= 0.9 * plan.LEAST for task in short.tasks)
    assert "without the networks cnn, residual, regularised" in short.left_out[-1]


def test_spare_time_goes_to_more_seeds_of_the_central_networks() -> None:
    once = made(None).seconds / 3
    spare = made(1.3 * once / plan.RESERVE)
    counts = {n: sum(t.network == n for t in spare.tasks) for n in NETWORKS}
    assert counts["dense"] == 3
    assert counts["block-wide"] == 1
    assert "1 seed instead of 3 (3 of dense" in spare.left_out[0]


def test_a_small_set_is_used_whole() -> None:
    tiny = made(1, images=200, networks=["dense"], step=1e-4)
    assert {(t.epochs, t.images) for t in tiny.tasks} == {(10, 190)}


def test_a_plan_comes_back_from_its_file(tmp_path: Path) -> None:
    whole = made(3600)
    plan.save(whole, tmp_path / "plan.json")
    assert plan.load(tmp_path / "plan.json") == whole


def test_a_step_is_measured() -> None:
    data = ArrayDataset(np.zeros((20, 8, 8), np.uint8), np.arange(20) % 10)
    assert 0 < plan.seconds_per_image("dense", Source(data, data)) < 1
