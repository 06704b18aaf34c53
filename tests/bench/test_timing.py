from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tinygrad_cnn.bench import timing
from tinygrad_cnn.bench.timing import Contestant, Ratio, exponent, interleave


class Clock:
    """Time that passes only where somebody works."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[str] = []

    def worker(self, name: str, *seconds: float) -> Callable[[], None]:
        """Takes the seconds given, the last of them for ever."""
        left = list(seconds)

        def work() -> None:
            self.log.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return work


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock.now)
    return clock


def test_each_contestant_has_a_time_for_each_round(clock: Clock) -> None:
    sides = {name: Contestant(clock.worker(name, cost)) for name, cost in (("a", 1), ("b", 2))}
    assert interleave(sides, 4, turn=0.5, seconds=99) == {"a": [1] * 4, "b": [2] * 4}


def test_the_first_call_of_a_turn_is_dropped(clock: Clock) -> None:
    work = clock.worker(
        "a", 1, 1, 9, 1
    )  # two calls to learn its cost, then a turn that begins slow
    assert interleave({"a": Contestant(work)}, 1, turn=1.0) == {"a": [1]}


def test_nobody_always_comes_after_the_same_one(clock: Clock) -> None:
    sides = {name: Contestant(clock.worker(name, 100)) for name in "abc"}
    interleave(sides, 3, turn=1.0, seconds=1e9)
    rounds = "".join(clock.log[3:])
    assert rounds == "abcbcacab"


def test_who_has_had_its_share_of_the_time_leaves_after_three_rounds(clock: Clock) -> None:
    sides = {"fast": Contestant(clock.worker("f", 0.1)), "slow": Contestant(clock.worker("s", 50))}
    times = interleave(sides, 6, turn=0.1, seconds=20)
    assert len(times["slow"]) == 3
    assert len(times["fast"]) == 6


def test_a_call_that_is_long_is_made_once_a_round(clock: Clock) -> None:
    interleave({"slow": Contestant(clock.worker("s", 50))}, 4, turn=0.1, seconds=1)
    assert len(clock.log) == 1 + 3  # one to learn its cost


def test_it_ends_once_the_ratios_are_known(clock: Clock) -> None:
    steady = {name: Contestant(clock.worker(name, 1)) for name in "ab"}
    assert len(interleave(steady, 50, turn=0.01)["a"]) == timing.SETTLING
    unsteady = {**steady, "c": Contestant(clock.worker("c", *[1.0, 2.0] * 50))}
    assert len(interleave(unsteady, 20, turn=0.01, seconds=999)["c"]) == 20


def test_conditions_hold_during_the_turns_of_their_contestant_alone(clock: Clock) -> None:
    @contextmanager
    def conditions() -> Iterator[None]:
        clock.log.append("(")
        yield
        clock.log.append(")")

    sides = {
        "a": Contestant(clock.worker("a", 1), conditions),
        "b": Contestant(clock.worker("b", 1)),
    }
    interleave(sides, 1, turn=0.01)
    assert "".join(clock.log) == "(a)b(a)b"


def test_a_ratio_compares_the_rounds_in_which_both_took_part() -> None:
    assert Ratio.of([2, 2, 2], [1, 1, 1, 50, 50]) == Ratio(2, 2, 2)


def test_the_exponent_of_a_square_is_two() -> None:
    assert exponent([1, 2, 3], [5, 20, 45]) == pytest.approx(2)


@pytest.mark.parametrize(("busy", "waited"), [(0, 1), (3, 4), (999, timing.NAPS)])
def test_a_turn_begins_when_the_threads_of_the_last_one_sleep_or_after_a_while(
    monkeypatch: pytest.MonkeyPatch, busy: int, waited: int
) -> None:
    naps: list[float] = []
    monkeypatch.setattr(timing.time, "sleep", naps.append)
    monkeypatch.setattr(timing.time, "process_time", lambda: timing.NAP * min(len(naps), busy))
    assert interleave({"a": Contestant(lambda: None)}, 1)["a"]
    assert naps == [timing.NAP] * waited
