"""Conclusions follow the numbers, whichever way these fall."""

from __future__ import annotations

from typing import Any

import pytest

from tinygrad_cnn.train.study import findings


def result(network: str, accuracy: float, seed: int = 0, flop: int = 100) -> dict[str, Any]:
    return {
        "network": network,
        "dataset": "mnist",
        "epochs": 10,
        "trained_on": 57_000,
        "seed": seed,
        "accuracy": accuracy,
        "hits": round(accuracy * 10_000),
        "images": 10_000,
        "parameters": 1000,
        "flop": flop,
        "gradients_at_start": {"convolutions.0.weight": 0.5, "convolutions.1.weight": 1.0},
        "train_accuracy": 0.999,
    }


def told(*results: dict[str, Any]) -> str:
    return " ".join(findings.conclusions(next(iter(findings.grouped(results).values()))))


def test_a_clear_lead_is_a_lead() -> None:
    text = told(result("dense", 0.95), result("cnn", 0.99, flop=400))
    assert "**cnn** recognises most, 99.00%" in text
    assert "ahead of every other network by more than the choice of test images explains" in text
    assert "cnn against dense: +4.00%, more than the choice of test images explains" in text
    assert "for 4 times the work and the same number of parameters" in text


def test_a_lead_the_other_way_is_told_the_other_way() -> None:
    text = told(result("dense", 0.99), result("cnn", 0.95))
    assert "**dense** recognises most" in text
    assert "cnn against dense: -4.00%" in text


def test_what_chance_explains_is_no_difference() -> None:
    text = told(result("dense", 0.990, flop=10), result("cnn", 0.991))
    assert "; the choice of test images explains its lead over dense" in text
    assert "cnn against dense: +0.10%, no more than the choice of test images explains" in text
    assert "dense computes least, 10.0 times less than the first" in text


@pytest.mark.parametrize(("residual", "word"), [(0.99, "+1.00%"), (0.97, "-1.00%")])
def test_residual_connections_are_judged_by_their_own_numbers(residual: float, word: str) -> None:
    text = told(result("depth-6", 0.98), result("depth-6-residual", residual))
    assert f"depth-6-residual against depth-6: {word}" in text
    assert "0.5 without and 0.5 with residual connections, no evener" in text


def test_layers_of_ones_own_are_sorted_into_better_and_worse() -> None:
    text = told(result("cnn", 0.98), result("own-attention", 0.99), result("own-lp-pool", 0.9))
    assert "attention (+1.00%) ahead and lp-pool (-8.00%) behind by more than" in text
    assert "the others" not in text


def test_layers_of_ones_own_that_are_all_alike_are_told_so() -> None:
    text = told(result("cnn", 0.98), result("own-attention", 0.981))
    assert "against cnn: attention (+0.10%), no more than the choice of test images" in text


def test_layers_of_ones_own_beside_others_that_are_alike() -> None:
    text = told(result("cnn", 0.98), result("own-attention", 0.99), result("own-lp-pool", 0.98))
    assert "attention (+1.00%) ahead by more than" in text
    assert "explains, the others not." in text


def test_regularisation_is_told_with_the_gap_that_it_closes() -> None:
    text = told(result("cnn", 0.95), result("regularised", 0.99))
    assert "+4.90% for cnn, +0.90% regularised" in text


def test_a_failed_training_counts_for_nothing() -> None:
    failed = result("cnn", 0.1) | {"failure": "step 3: the loss is nan"}
    (groups,) = findings.grouped([result("dense", 0.9), failed]).values()
    assert "cnn" not in groups


@pytest.mark.parametrize(
    ("first", "second", "word"), [(0.1, 0.5, "evener"), (2.0, 3.0, "no evener"), (0.5, 2.0, "no")]
)
def test_gradients_are_even_where_their_ratio_is_near_one_from_either_side(
    first: float, second: float, word: str
) -> None:
    def flow(ratio: float) -> dict[str, Any]:
        return {"gradients_at_start": {"convolutions.0": ratio, "convolutions.1": 1.0}}

    plain, residual = result("depth-6", 0.98), result("depth-6-residual", 0.98)
    text = told(plain | flow(first), residual | flow(second))
    assert f"{second:.2g} with residual connections, {word}" in text


def test_without_a_second_seed_no_network_is_called_better() -> None:
    once = told(result("dense", 0.95), result("cnn", 0.99))
    assert "No training was repeated with another seed" in once
    again = told(result("dense", 0.95), result("dense", 0.951, seed=1), result("cnn", 0.99))
    assert "No training was repeated" not in again
    assert "+3.95%, more than the choice of test images and seeds explains" in again


def test_seeds_of_one_network_widen_the_intervals_of_all() -> None:
    def interval(*more: dict[str, Any]) -> tuple[float, float]:
        (groups,) = findings.grouped([result("cnn", 0.98), *more]).values()
        return groups["cnn"].interval

    low, high = interval()
    assert 0.976 < low < 0.98 < high < 0.984
    wider = interval(result("dense", 0.97), result("dense", 0.98, seed=1))
    assert wider[0] < low
    assert wider[1] > high


def test_networks_that_hold_out_a_few_more_images_are_compared_all_the_same() -> None:
    more, fewer = result("cnn", 0.9), result("residual", 0.9) | {"trained_on": 58_800}
    (groups,) = findings.grouped([more, fewer]).values()
    assert [*groups] == ["cnn", "residual"]
    half = result("residual", 0.9) | {"trained_on": 28_500}
    assert len(findings.grouped([more, half])) == 2


def test_only_networks_that_were_trained_alike_are_compared() -> None:
    short = [result(name, 0.9) | {"epochs": 2} for name in ("cnn", "own-attention")]
    sections = findings.grouped([*short, result("cnn", 0.99), result("residual", 0.98)])
    assert [str(alike) for alike in sections] == [
        "10 epochs of 57,000 images",
        "2 epochs of 57,000 images",
    ]
    assert [list(groups) for groups in sections.values()] == [
        ["cnn", "residual"],
        ["cnn", "own-attention"],
    ]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (0.97, "; 5x5 is ahead by more than the choice of test images explains."),
        (0.9895, "; the choice of test images explains the lead over 3x3, and 3x3 takes 40%"),
    ],
)
def test_kernel_sizes_are_ranked(other: float, said: str) -> None:
    text = told(result("cnn", other), result("kernel-5", 0.99, flop=250))
    assert f"Kernels: 5x5 99.00%, 3x3 {other:.2%}{said}" in text
