"""The plan fits the budget, and says what it leaves out."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tinygrad_cnn.data import ArrayDataset
from tinygrad_cnn.errors import ConfigError
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


def test_where_time_is_short_networks_are_left_out_rather_than_all_hardly_trained() -> None:
    useful = 20 * 2 * 60_000 * 1e-3 / plan.RESERVE  # seconds for 2 epochs of all, roughly
    short = made(0.5 * useful)
    assert {(t.epochs, t.images) for t in short.tasks} == {(2, 57_000)}
    trained = {t.network for t in short.tasks}
    assert set(plan.CORE) < trained < set(NETWORKS)
    assert short.left_out[0].startswith("only dense, cnn, residual, ")
    assert short.left_out[0].endswith(", rather than all 20 networks hardly trained")
    assert short.left_out[1] == "2 epochs of all images instead of 10 epochs of all images"


@pytest.mark.parametrize("minutes", [4, 20, 60, 300])
def test_it_is_always_known_what_a_seed_changes(minutes: float) -> None:
    seeds = {t.seed for t in made(60 * minutes).tasks if t.network == plan.REPEATED}
    assert seeds == {0, 1, 2}


def test_a_few_that_are_left_out_are_named() -> None:
    most = made(0.95 * 20 * 2 * 60_000 * 1e-3 / plan.RESERVE)
    assert re.fullmatch(r"all but .*own-activation, rather than all 20 .*", most.left_out[0])


def test_one_network_of_each_family_comes_before_the_second_of_any() -> None:
    families = [name.split("-")[0] for name in plan.ranked(NETWORKS)]
    first = ["dense", "cnn", "residual", "regularised", "kernel", "depth", "own", "block"]
    assert families[: len(first)] == first


def test_the_core_is_never_left_out_and_is_trained_less_only_where_it_does_not_fit() -> None:
    useful = 5 * 2 * 60_000 * 1e-3 / plan.RESERVE  # dense three times
    for budget, epochs, images in ((1.15 * useful, 2, 57_000), (0.7 * useful, 2, 28_500)):
        core = made(budget)
        assert {t.network for t in core.tasks} == set(plan.CORE)
        assert {(t.epochs, t.images) for t in core.tasks} == {(epochs, images)}


def test_networks_that_were_asked_for_by_name_are_trained_less_rather_than_left_out() -> None:
    short = made(120, networks=["kernel-5", "kernel-7", "own-lp-pool"])
    assert {t.network for t in short.tasks} == {"kernel-5", "kernel-7", "own-lp-pool"}
    assert {(t.epochs, t.images) for t in short.tasks} == {(2, 11_400)}


def test_where_training_would_be_too_short_to_tell_anything_networks_are_left_out() -> None:
    short = made(30)
    assert [task.network for task in short.tasks] == ["dense"]
    assert all(task.epochs * task.images >= 0.9 * plan.LEAST for task in short.tasks)
    assert short.left_out[0].startswith("only dense, rather than all 20 networks")


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


@pytest.mark.parametrize("absent", ["data", "machine"])
def test_a_plan_of_an_older_version_is_refused(tmp_path: Path, absent: str) -> None:
    path = tmp_path / "plan.json"
    plan.save(made(3600), path)
    saved = json.loads(path.read_text())
    del saved[absent]
    path.write_text(json.dumps(saved))
    with pytest.raises(ConfigError, match=f"not a plan .'{absent}'., or one of another version"):
        plan.load(path)


def test_lists_may_have_spaces_and_an_empty_one_is_the_default() -> None:
    assert plan.chosen(" dense , cnn,", NETWORKS, "network") == ("dense", "cnn")
    assert plan.chosen("", NETWORKS, "network") == NETWORKS
    assert plan.chosen(" ", ("mnist", "cifar10"), "dataset", default=["mnist"]) == ("mnist",)


def test_one_is_not_told_as_many() -> None:
    (first, *_) = plan.describe(made(30)).splitlines()
    assert first.startswith("1 training, ")
