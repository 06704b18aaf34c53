"""The slopes of f at points around x: where x is on a kink of f, they tell of all its sides.

The median of three equal numbers stays where it is when one of them moves, up or down; its slope
along each is 0, from the left and from the right, and 1/3, or 1 for one of them, is right all the
same. A subgradient is a mean of gradients at points nearby (Clarke, Optimization and nonsmooth
analysis, 1983): so x is moved at random, as a whole and a little, before a slope is taken.
"""

from __future__ import annotations

import numpy as np

from tinygrad_cnn.testing.arrays import Arrays, size_of
from tinygrad_cnn.testing.slopes import project
from tinygrad_cnn.testing.subject import Subject

PLACES = 4
"""So many points around x, from each of which f is followed along a line."""
NEAR = 2.0**-16
"""How far away they are, relative to x, where the rounding of f asks for no other distance."""
NEARER = 2.0**-6
"""The part of this distance at which it is looked again."""
ZOOMS = 3


def slopes_nearby(
    subject: Subject,
    k: int,
    v: np.ndarray,
    g: np.ndarray,
    near: float,
    points: int = 8,
    seed: int = 0,
) -> np.ndarray:
    """The slopes of <g, f> along v, per unit of v, within `near` of x; where f is finite.

    Along a line through each place, twice as long as the places are far, so that what moves along v
    overtakes whatever it was equal to; of `points` intervals, the steepest are looked into again.
    """
    rng = np.random.default_rng(seed)
    found: list[float] = []
    for _ in range(PLACES):
        place = [_moved(rng, x, near) for x in subject.xs]
        ends = np.linspace(-2 * near, 2 * near, points + 1)
        for _ in range(ZOOMS if points > 8 else 1):
            slopes = _slopes(subject, place, k, v, g, ends)
            found += [s for s in slopes if np.isfinite(s)]
            if not np.isfinite(slopes).all():
                break
            steepest = int(np.argmax(np.abs(slopes - np.median(slopes))))
            ends = np.linspace(ends[steepest], ends[steepest + 1], points + 1)
    return np.array(found)


def _slopes(
    subject: Subject, place: Arrays, k: int, v: np.ndarray, g: np.ndarray, ends: np.ndarray
) -> np.ndarray:
    values = []
    for t in ends:
        xs = [np.asarray(x + t * v, x.dtype) if j == k else x for j, x in enumerate(place)]
        y = subject.value(xs).y
        values.append(project(g, y) if y.shape == g.shape else np.nan)
    return np.asarray(np.diff(values) / np.diff(ends))


def _moved(rng: np.random.Generator, x: np.ndarray, near: float) -> np.ndarray:
    """Each element moved by a part of its own size; of zeros, by a part of the whole input's."""
    sizes = np.where(x == 0, size_of(x), np.where(np.isfinite(x), np.abs(x), 0.0))
    return np.asarray(x + near * sizes * rng.uniform(-1, 1, x.shape), x.dtype)


def on_a_kink(
    subject: Subject, k: int, v: np.ndarray, g: np.ndarray, gap: float, noise: float
) -> bool:
    """Whether the slopes around x differ, at whatever distance, by as much as `gap` might be.

    As near to x as the noise of <g, f> allows slopes to be told from others that differ by the gap.
    """
    near = float(np.clip(2.0**10 * noise / gap, 2.0**-40, 2.0**-4)) if gap else NEAR
    far = _spread(slopes_nearby(subject, k, v, g, near))
    if far <= gap / 4:
        return False
    return _spread(slopes_nearby(subject, k, v, g, NEARER * near)) >= max(gap, far) / 4


def _spread(slopes: np.ndarray) -> float:
    return float(np.ptp(slopes)) if slopes.size else 0.0
