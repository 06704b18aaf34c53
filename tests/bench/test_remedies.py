from __future__ import annotations

from collections.abc import Mapping

import pytest

from tinygrad_cnn.bench import machine, remedies
from tinygrad_cnn.bench.machine import Blas
from tinygrad_cnn.bench.remedies import Remedy, judge

QUICK, SLOW, USELESS = (Remedy({name: "1"}, name) for name in ("QUICK", "SLOW", "USELESS"))
COST = {"QUICK": 0.5, "SLOW": 2.0, "USELESS": 0.99}


@pytest.fixture(autouse=True)
def _probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that take as long as their variables say."""

    def probe(variables: Mapping[str, str]) -> dict[str, float]:
        seconds = 1.0
        for name in variables:
            seconds *= COST[name]
        return dict.fromkeys(remedies.WORKS, seconds)

    monkeypatch.setattr(remedies, "_probe", probe)


def test_what_was_measured_to_be_faster_is_recommended() -> None:
    verdict = judge([QUICK, SLOW], rounds=2)
    assert verdict.recommended
    assert verdict.recommended.remedy == QUICK
    assert verdict.recommended.gain == pytest.approx(2)
    assert [outcome.factor("product") for outcome in verdict.tried] == [2, 0.5]


def test_nothing_is_recommended_where_nothing_pays() -> None:
    assert judge([SLOW, USELESS], rounds=2).recommended is None


def test_several_are_recommended_only_after_they_were_tried_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = Remedy({"OTHER": "1"}, "other")
    monkeypatch.setitem(COST, "OTHER", 0.8)
    verdict = judge([QUICK, other], rounds=2)
    assert verdict.recommended
    assert set(verdict.recommended.remedy.variables) == {"QUICK", "OTHER"}
    assert len(verdict.tried) == 3


def test_one_good_round_of_many_is_no_recommendation(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = iter([0.1, 1.2, 0.9, 1.1])

    def probe(variables: Mapping[str, str]) -> dict[str, float]:
        return dict.fromkeys(remedies.WORKS, next(rounds) if variables else 1.0)

    monkeypatch.setattr(remedies, "_probe", probe)
    assert judge([QUICK], rounds=4).recommended is None


@pytest.mark.parametrize(
    ("flags", "offered"),
    [
        ({"avx2", "fma"}, ["Zen"]),
        ({"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl"}, ["Zen", "SkylakeX"]),
        (set(), []),
    ],
)
def test_only_kernels_that_the_processor_can_run_are_tried(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], offered: list[str]
) -> None:
    monkeypatch.setattr(machine, "cpu_flags", lambda: frozenset(flags))
    monkeypatch.setattr(machine, "blas", lambda: (Blas("openblas", "1", "Haswell", 1),))
    found = [r.variables.get("OPENBLAS_CORETYPE") for r in remedies.candidates()]
    assert [name for name in found if name] == offered


def test_settings_in_force_are_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    for remedy in remedies.candidates():
        for name, value in remedy.variables.items():
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(machine, "blas", lambda: ())
    assert remedies.candidates() == []
