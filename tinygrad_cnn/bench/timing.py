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
SETTLING, PRECISE = 7, 0.01  # rounds before the spread is believed; the relative error of a ratio
NAP, NAPS = 0.002, 25  # seconds, and how many of them the last one's threads have to fall asleep
LONG = 20  # turns: a call that lasts so long is not repeated within its turn


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
    seconds: float = 60.0,
) -> dict[str, list[float]]:
    """Seconds of one call, for each contestant and round: `rounds` of them at most.

    A turn begins when the threads of the one before have fallen asleep (those of OpenMP look out
    for work for milliseconds, which would slow the next one down). In about `turn` seconds a
    contestant is called at least twice where it is quick enough: the first call, which finds the
    caches full of another's data, is dropped, and the turn's time is the median of the rest.

    It ends sooner once the ratios are known well enough (`settled`). `seconds` are shared out
    equally: who has had its share leaves, after FEWEST rounds at the least.
    """
    costs = {name: _first_cost(contestant, turn) for name, contestant in contestants.items()}
    times: dict[str, list[float]] = {name: [] for name in contestants}
    names, spent = list(contestants), dict.fromkeys(contestants, 0.0)
    share = seconds / max(len(names), 1)
    for index in range(rounds if names else 0):
        if index >= SETTLING and settled(times):
            break
        first = index % len(names)
        for name in names[first:] + names[:first]:  # nobody always comes after the same one
            if index < FEWEST or spent[name] < share:
                begun = time.perf_counter()
                times[name].append(_turn(contestants[name], _calls(costs[name], turn)))
                spent[name] += time.perf_counter() - begun
    return times


def settled(times: Mapping[str, Sequence[float]]) -> bool:
    """Whether every ratio to the first contestant is known to about PRECISE.

    The standard error of a median of n values is 1.25 sigma / sqrt(n), and sigma about the
    interquartile range over 1.35. Who has left is waited for no longer.

    >>> settled({"a": [1.0] * 5, "b": [2.0] * 5}), settled({"a": [1.0] * 5, "b": [1, 2, 3, 2, 1]})
    (True, False)
    """
    base, *others = ([*each] for each in times.values())
    for other in others:
        if len(other) == len(base):
            ratio = Ratio.of(other, base)
            error = 1.25 * (ratio.high - ratio.low) / 1.35 / np.sqrt(len(base))
            if error > PRECISE * ratio.value:
                return False
    return True


def _first_cost(contestant: Contestant, turn: float) -> float:
    with contestant.conditions():
        first = _once(contestant.work)
        return first if first > LONG * turn else min(first, _once(contestant.work))


def _calls(cost: float, turn: float) -> int:
    return 1 if cost > LONG * turn else min(int(turn / cost) + 2, 50)


def _turn(contestant: Contestant, calls: int) -> float:
    _wait_for_sleep()
    with contestant.conditions():
        times = [_once(contestant.work) for _ in range(calls)]
    return float(np.median(times[1:] or times))


def _wait_for_sleep() -> None:
    for _ in range(NAPS):
        before = time.process_time()
        time.sleep(NAP)
        if time.process_time() - before < NAP / 4:
            return


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
