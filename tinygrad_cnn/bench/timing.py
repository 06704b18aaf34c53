"""Timing side by side: every round asks each contestant in turn, and only ratios are believed.

A computer that is warm, throttled or busy with other things slows all the contestants of a round
alike; medians over the rounds then hide the disturbance, and absolute times do not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np

FEWEST = 3  # rounds that even the slowest contestant takes part in


@dataclass(frozen=True)
class Contestant:
    """What is timed, and the conditions that hold during its turns."""

    work: Callable[[], object]
    conditions: Callable[[], AbstractContextManager[object]] = nullcontext


@dataclass(frozen=True)
class Ratio:
    """Median of one side over median of another, with the quartiles of the rounds' own ratios."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, these: Sequence[float], those: Sequence[float]) -> Ratio:
        """Of two sides, over the rounds in which both took part.

        >>> Ratio.of([2.0, 2.0, 3.0], [1.0, 2.0, 2.0])
        Ratio(value=1.0, low=1.25, high=1.75)
        """
        n = min(len(these), len(those))
        a, b = np.asarray(these[:n]), np.asarray(those[:n])
        low, high = np.quantile(a / b, (0.25, 0.75))
        return cls(float(np.median(a) / np.median(b)), float(low), float(high))


def interleave(
    contestants: Mapping[str, Contestant],
    rounds: int,
    turn: float = 0.05,
    patience: float = 10.0,
) -> dict[str, list[float]]:
    """Seconds of one call, for each contestant and round.

    In a turn of about `turn` seconds a contestant is called at least twice where it is quick
    enough: the first call, which finds the caches full of another's data and the cores claimed by
    another's threads, is dropped, and the turn's time is the median of the rest. Contestants that
    would need more than `patience` seconds in all leave after fewer rounds.
    """
    costs = {name: _first_cost(contestant) for name, contestant in contestants.items()}
    times: dict[str, list[float]] = {name: [] for name in contestants}
    names = list(contestants)
    for index in range(rounds if names else 0):
        first = index % len(names)
        for name in names[first:] + names[:first]:  # nobody always comes after the same one
            calls = _calls(costs[name], turn)
            if index < max(FEWEST, patience / (calls * costs[name])):
                times[name].append(_turn(contestants[name], calls))
    return times


def _first_cost(contestant: Contestant) -> float:
    with contestant.conditions():
        return min(_once(contestant.work) for _ in range(2))


def _calls(cost: float, turn: float) -> int:
    return 1 if cost > 20 * turn else min(int(turn / cost) + 2, 50)


def _turn(contestant: Contestant, calls: int) -> float:
    with contestant.conditions():
        times = [_once(contestant.work) for _ in range(calls)]
    return float(np.median(times[1:] or times))


def _once(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """k of cost ~ size^k, by least squares of the logarithms.

    >>> round(exponent([1, 2, 4], [3, 6, 12]), 6)
    1.0
    """
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])
