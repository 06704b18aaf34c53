"""Conclusions, computed from the results: every sentence here depends on the numbers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tinygrad_cnn.train.study import chance
from tinygrad_cnn.train.study.plan import counted

Result = dict[str, Any]

DEEP = "depth-6", "depth-6-residual"


@dataclass(frozen=True)
class Group:
    """One network on one data set, over its seeds."""

    network: str
    dataset: str
    results: tuple[Result, ...]
    seeds: chance.Seeds  # as pooled from all that it is compared with

    @property
    def accuracies(self) -> list[float]:
        """A number a seed."""
        return [float(r["accuracy"]) for r in self.results]

    @property
    def accuracy(self) -> float:
        """The mean over the seeds."""
        return statistics.fmean(self.accuracies)

    @property
    def spread(self) -> chance.Spread:
        """How far this mean would be another one with other images and seeds."""
        n = int(self.results[0]["images"])
        return chance.spread(self.accuracy, n, len(self.results), self.seeds)

    @property
    def interval(self) -> tuple[float, float]:
        """95 %."""
        margin = self.spread.margin
        return max(self.accuracy - margin, 0.0), min(self.accuracy + margin, 1.0)

    def mean(self, key: str) -> float:
        """The mean of a number over the seeds."""
        return statistics.fmean(float(r[key]) for r in self.results)


HELD_OUT = 0.05  # of the images: trainings that differ by no more are compared


class Alike(NamedTuple):
    """What the trainings that are compared with each other have in common."""

    dataset: str
    epochs: int
    trained_on: int  # images

    def __str__(self) -> str:
        return f"{counted(self.epochs, 'epoch')} of {counted(self.trained_on, 'image')}"


def grouped(results: Sequence[Result]) -> dict[Alike, dict[str, Group]]:
    """What is compared -> network -> its results, without those that failed; the longest first."""
    groups: dict[Alike, dict[str, list[Result]]] = {}
    for r in results:
        if "failure" not in r:
            own = groups.setdefault(_alike(r, groups), {})
            own.setdefault(r["network"], []).append(r)
    datasets = list(dict.fromkeys(r["dataset"] for r in results))
    order = sorted(groups, key=lambda a: (datasets.index(a.dataset), -a.epochs * a.trained_on))
    return {alike: _compared(alike, groups[alike]) for alike in order}


def _alike(result: Result, known: Iterable[Alike]) -> Alike:
    """Among `known`, or new. Some networks hold out a few images more than others."""
    own = Alike(result["dataset"], result["epochs"], result["trained_on"])
    for other in known:
        few = abs(own.trained_on - other.trained_on) <= HELD_OUT * other.trained_on
        if own[:2] == other[:2] and few:
            return other
    return own


def _compared(alike: Alike, own: dict[str, list[Result]]) -> dict[str, Group]:
    images = next(iter(own.values()))[0]["images"]
    seeds = chance.pooled([[r["accuracy"] for r in rs] for rs in own.values()], images)
    return {name: Group(name, alike.dataset, tuple(rs), seeds) for name, rs in own.items()}


def conclusions(groups: dict[str, Group]) -> list[str]:
    """What networks trained alike say, the most important first."""
    return [sentence for rule in RULES for sentence in rule(groups)]


def _best(groups: dict[str, Group]) -> Iterator[str]:
    ranked = sorted(groups.values(), key=lambda g: -g.accuracy)
    if not ranked:
        return
    best = ranked[0]
    equals = [g for g in ranked[1:] if not differ(best, g)]
    if len(ranked) == 1:
        yield f"**{best.network}** recognises {best.accuracy:.2%} of the test images."
        return
    yield f"**{best.network}** recognises most, {best.accuracy:.2%} of the test images" + (
        f"; {best.seeds.chance} its lead over {_list(equals)}."
        if equals
        else f", and is ahead of every other network by more than {best.seeds.chance}."
    )
    if not best.seeds.freedom:
        yield (
            "No training was repeated with another seed, so how much a seed changes is not known, "
            "and no network is called better than another."
        )
    frugal = min([best, *equals], key=lambda g: g.mean("flop"))
    if frugal is not best:
        ratio = best.mean("flop") / frugal.mean("flop")
        yield f"Of these, {frugal.network} computes least, {ratio:.1f} times less than the first."


def _steps(groups: dict[str, Group]) -> Iterator[str]:
    """Along the main line: from dense to convolutions to residual blocks."""
    for a, b in (("dense", "cnn"), ("cnn", "residual")):
        if a in groups and b in groups:
            yield _against(groups[a], groups[b])


def _kernels(groups: dict[str, Group]) -> Iterator[str]:
    family = {"3x3": "cnn", "5x5": "kernel-5", "7x7": "kernel-7", "1x1 and 3x3": "kernel-1+3"}
    own = {size: groups[name] for size, name in family.items() if name in groups}
    if len(own) > 1:
        yield f"Kernels: {_ranking(own)}"


def _depth(groups: dict[str, Group]) -> Iterator[str]:
    own = {d: groups[f"depth-{d}"] for d in (2, 4, 6) if f"depth-{d}" in groups}
    if len(own) > 1:
        told = ", ".join(f"{d} layers {g.accuracy:.2%}" for d, g in own.items())
        first, last = min(own), max(own)
        change = own[last].accuracy - own[first].accuracy
        doubt = _doubt(own[first], own[last])
        yield f"Depth: {told}; from {first} to {last} {change:+.2%}, {doubt}."
    if all(name in groups for name in DEEP):
        plain, residual = (groups[name] for name in DEEP)
        yield _against(plain, residual)
        a, b = (_evenness(g) for g in (plain, residual))
        more = "evener" if _uneven(b) < _uneven(a) else "no evener"
        yield (
            "Gradients at the start, first layer against last: "
            f"{a:.2g} without and {b:.2g} with residual connections, {more} with them."
        )


def _own(groups: dict[str, Group]) -> Iterator[str]:
    if "cnn" not in groups:
        return
    base = groups["cnn"]
    own = [g for name, g in groups.items() if name.startswith("own-")]
    apart = [g for g in own if differ(base, g)]
    ahead = [g for g in apart if g.accuracy > base.accuracy]
    behind = [g for g in apart if g.accuracy < base.accuracy]
    if apart:
        places = (ahead, "ahead"), (behind, "behind")
        told = [f"{_gains(some, base)} {place}" for some, place in places if some]
        others = ", the others not" if len(apart) < len(own) else ""
        yield (
            f"Layers of one's own, against cnn: {' and '.join(told)} "
            f"by more than {base.seeds.chance}{others}."
        )
    elif own:
        yield (
            f"Layers of one's own, against cnn: {_gains(own, base)}, "
            f"no more than {base.seeds.chance}."
        )


def _blocks(groups: dict[str, Group]) -> Iterator[str]:
    own = {n.removeprefix("block-"): g for n, g in groups.items() if n.startswith("block-")}
    if len(own) > 1:
        yield f"Residual blocks: {_ranking(own)}"


def _ranking(own: dict[str, Group]) -> str:
    """Names with their accuracies, best first; which are as good; and which of these is cheap."""
    ranked = sorted(own, key=lambda name: -own[name].accuracy)
    best = ranked[0]
    equal = [name for name in ranked[1:] if not differ(own[best], own[name])]
    cheap = min([best, *equal], key=lambda name: own[name].mean("flop"))
    told = ", ".join(f"{name} {own[name].accuracy:.2%}" for name in ranked)
    reason = f"{own[best].seeds.chance}"
    like = (
        f"; {reason} the lead over {_words(equal)}"
        if equal
        else f"; {best} is ahead by more than {reason}"
    )
    share = own[cheap].mean("flop") / own[best].mean("flop")
    cost = f", and {cheap} takes {share:.0%} of its work" if cheap != best else ""
    return f"{told}{like}{cost}."


def _regularised(groups: dict[str, Group]) -> Iterator[str]:
    if "cnn" not in groups or "regularised" not in groups:
        return
    plain, other = groups["cnn"], groups["regularised"]
    yield _against(plain, other)
    gaps = [g.mean("train_accuracy") - g.accuracy for g in (plain, other)]
    yield (
        "Accuracy on training images, as they are, minus that on test images: "
        f"{gaps[0]:+.2%} for cnn, {gaps[1]:+.2%} regularised."
    )


RULES = (_best, _steps, _kernels, _depth, _own, _blocks, _regularised)


def differ(a: Group, b: Group) -> bool:
    """Whether two accuracies are apart by more than chance makes in 95 % of cases."""
    return abs(a.accuracy - b.accuracy) > a.spread.plus(b.spread).margin


def _doubt(a: Group, b: Group) -> str:
    return f"{'more' if differ(a, b) else 'no more'} than {a.seeds.chance}"


def _against(a: Group, b: Group) -> str:
    change = b.accuracy - a.accuracy
    errors = abs(change) / a.spread.plus(b.spread).error
    work = _times(b.mean("flop") / (a.mean("flop") or math.nan), "work")
    size = _times(b.mean("parameters") / a.mean("parameters"), "number of parameters")
    return (
        f"{b.network} against {a.network}: {change:+.2%}, {_doubt(a, b)} "
        f"({errors:.1f} standard errors), for {work} and {size}."
    )


def _times(ratio: float, what: str) -> str:
    """A ratio in words.

    >>> _times(1.004, "work"), _times(14.0, "work")
    ('the same work', '14 times the work')
    """
    return f"the same {what}" if abs(ratio - 1) < 0.05 else f"{ratio:.2g} times the {what}"


def _evenness(group: Group) -> float:
    """First convolution's gradient over the last one's, at the start; the mean over the seeds."""
    ratios = []
    for r in group.results:
        norms = [v for name, v in r["gradients_at_start"].items() if "convolutions" in name]
        ratios.append(norms[0] / norms[-1] if norms and norms[-1] else math.nan)
    return statistics.fmean(ratios)


def _uneven(ratio: float) -> float:
    """How far a ratio is from 1, either way.

    >>> _uneven(0.5) == _uneven(2.0) > _uneven(1.5)
    True
    """
    return abs(math.log(ratio)) if ratio > 0 else math.inf


def _gains(groups: Sequence[Group], base: Group) -> str:
    told = (f"{g.network.removeprefix('own-')} ({g.accuracy - base.accuracy:+.2%})" for g in groups)
    return ", ".join(told)


def _list(groups: Sequence[Group]) -> str:
    return _words([g.network for g in groups])


def _words(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
