"""Conclusions, computed from the results: every sentence here depends on the numbers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tinygrad_cnn.train import metrics

Result = dict[str, Any]

# The two-sided 95 % quantile of Student's t for n - 1 degrees of freedom, n seeds.
T95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
CERTAIN = 1.96  # standard errors
DEEP = "depth-6", "depth-6-residual"


@dataclass(frozen=True)
class Group:
    """One network on one data set, over its seeds."""

    network: str
    dataset: str
    results: tuple[Result, ...]

    @property
    def accuracy(self) -> float:
        """The mean over the seeds."""
        return self.mean("accuracy")

    @property
    def variance(self) -> float:
        """Of that mean, as an estimate: by the choice of test images, and of seeds.

        p (1 - p) / n for the images, which all seeds share, and s^2 / k for k seeds.
        """
        p, n, k = self.accuracy, int(self.results[0]["images"]), len(self.results)
        seeds = statistics.variance(r["accuracy"] for r in self.results) / k if k > 1 else 0.0
        return p * (1 - p) / n + seeds

    @property
    def interval(self) -> tuple[float, float]:
        """95 %: Student's over two or more seeds, else Wilson's over the test images."""
        k = len(self.results)
        if k == 1:
            return metrics.wilson_interval(self.results[0]["hits"], self.results[0]["images"])
        spread = statistics.stdev(r["accuracy"] for r in self.results)
        half = T95.get(k, 2.0) * spread / math.sqrt(k)
        return max(self.accuracy - half, 0.0), min(self.accuracy + half, 1.0)

    def mean(self, key: str) -> float:
        """The mean of a number over the seeds."""
        return statistics.fmean(float(r[key]) for r in self.results)


class Alike(NamedTuple):
    """What the trainings that are compared with each other have in common."""

    dataset: str
    epochs: int
    trained_on: int  # images

    def __str__(self) -> str:
        epochs = "1 epoch" if self.epochs == 1 else f"{self.epochs} epochs"
        return f"{epochs} of {self.trained_on:,} images"


def grouped(results: Sequence[Result]) -> dict[Alike, dict[str, Group]]:
    """What is compared -> network -> its results, without those that failed; the longest first."""
    groups: dict[Alike, dict[str, Group]] = {}
    for r in results:
        if "failure" not in r:
            own = groups.setdefault(Alike(r["dataset"], r["epochs"], r["trained_on"]), {})
            before = own[r["network"]].results if r["network"] in own else ()
            own[r["network"]] = Group(r["network"], r["dataset"], (*before, r))
    datasets = list(dict.fromkeys(r["dataset"] for r in results))
    order = sorted(groups, key=lambda a: (datasets.index(a.dataset), -a.epochs * a.trained_on))
    return {alike: groups[alike] for alike in order}


def conclusions(groups: dict[str, Group]) -> list[str]:
    """What networks trained alike say, the most important first."""
    return [sentence for rule in RULES for sentence in rule(groups)]


def _best(groups: dict[str, Group]) -> Iterator[str]:
    ranked = sorted(groups.values(), key=lambda g: -g.accuracy)
    if not ranked:
        return
    best = ranked[0]
    equals = [g for g in ranked[1:] if not differ(best, g)]
    yield f"**{best.network}** recognises most, {best.accuracy:.2%} of the test images" + (
        f"; {_list(equals)} cannot be told from it with these numbers of images and seeds."
        if equals
        else ", and is ahead of every other network by more than chance explains."
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
        word = (
            "no sure difference"
            if not differ(own[first], own[last])
            else (f"a {'gain' if change > 0 else 'loss'} of {abs(change):.2%}")
        )
        yield f"Depth: {told}; from {first} to {last} {word}."
    if all(name in groups for name in DEEP):
        plain, residual = (groups[name] for name in DEEP)
        yield _against(plain, residual)
        a, b = (_evenness(g) for g in (plain, residual))
        more = "evener" if b > a else "no evener"
        yield (
            "Gradients at the start, first layer against last: "
            f"{a:.2g} without and {b:.2g} with residual connections, {more} with them."
        )


def _own(groups: dict[str, Group]) -> Iterator[str]:
    if "cnn" not in groups:
        return
    own = [g for name, g in groups.items() if name.startswith("own-")]
    better = [g for g in own if differ(groups["cnn"], g) and g.accuracy > groups["cnn"].accuracy]
    worse = [g for g in own if differ(groups["cnn"], g) and g.accuracy < groups["cnn"].accuracy]
    if own:
        yield (
            f"Layers of one's own, against cnn: {_gains(better, groups['cnn']) or 'none'} better, "
            f"{_gains(worse, groups['cnn']) or 'none'} worse, the others without a sure difference."
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
    like = (
        f"; {_words(equal)} cannot be told from the first" if equal else f"; {best} is surely ahead"
    )
    share = own[cheap].mean("flop") / own[best].mean("flop")
    cost = f", and {cheap} takes {share:.0%} of its work" if cheap != best else ""
    return f"{told}{like}{cost}."


def _regularised(groups: dict[str, Group]) -> Iterator[str]:
    if "cnn" not in groups or "regularised" not in groups:
        return
    plain, other = groups["cnn"], groups["regularised"]
    yield _against(plain, other)
    gaps = [_gap(g) for g in (plain, other)]
    if None not in gaps:
        yield (
            "Training accuracy minus test accuracy at the end: "
            f"{gaps[0]:+.2%} for cnn, {gaps[1]:+.2%} regularised."
        )


RULES = (_best, _steps, _kernels, _depth, _own, _blocks, _regularised)


def differ(a: Group, b: Group) -> bool:
    """Whether two accuracies are apart by more than two standard errors."""
    return abs(a.accuracy - b.accuracy) > CERTAIN * math.sqrt(a.variance + b.variance)


def _against(a: Group, b: Group) -> str:
    change = b.accuracy - a.accuracy
    errors = abs(change) / math.sqrt(a.variance + b.variance or 1e-12)
    doubt = "" if differ(a, b) else ", no sure difference"
    work = _times(b.mean("flop") / (a.mean("flop") or math.nan), "work")
    size = _times(b.mean("parameters") / a.mean("parameters"), "number of parameters")
    return (
        f"{b.network} against {a.network}: {change:+.2%} ({errors:.1f} standard errors{doubt}), "
        f"for {work} and {size}."
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


def _gap(group: Group) -> float | None:
    last = [r["history"]["train_accuracy"][-1:] for r in group.results]
    if not all(last):
        return None
    return statistics.fmean(values[0] for values in last) - group.accuracy


def _gains(groups: Sequence[Group], base: Group) -> str:
    told = (f"{g.network.removeprefix('own-')} ({g.accuracy - base.accuracy:+.2%})" for g in groups)
    return ", ".join(told)


def _list(groups: Sequence[Group]) -> str:
    return _words([g.network for g in groups])


def _words(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
