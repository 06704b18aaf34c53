"""Learning rates over time. Each schedule is a function of the step number t, written as one.

`scheduler.step()` after every epoch (or every batch: t counts its calls) sets the `lr` of each of
the optimizer's groups to the schedule's value for the rate that the group started with.

A rate that somebody else has changed meanwhile (a second schedule, ReduceLROnPlateau, the user) is
respected: the schedule goes on from there, scaled by the same factor. So schedules combine by
multiplication, as PyTorch's chained ones do.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, Literal

from tinygrad_cnn.errors import ConfigError, DTypeError
from tinygrad_cnn.optim.optimizer import Optimizer


class LRScheduler:
    """The base of all: a subclass defines `lr(t, base)`.

    >>> import tinygrad_cnn as tg
    >>> class InverseRoot(tg.optim.lr_scheduler.LRScheduler):
    ...     def lr(self, t, base):
    ...         return base / (1 + t) ** 0.5
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> scheduler = InverseRoot(optimizer)
    >>> for _ in range(3):
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise DTypeError(
                f"{type(self).__name__}: takes the optimizer first, got a "
                f"{type(optimizer).__name__}"
            )
        self.optimizer = optimizer
        self.last_epoch = last_epoch + 1
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])  # the rate before any schedule set it
        self.base_lrs = [float(group["initial_lr"]) for group in optimizer.param_groups]
        self.scales = [1.0] * len(self.base_lrs)
        self._last_lr: list[float] = []
        self._apply(self.last_epoch)

    def lr(self, t: int, base: float) -> float:
        """The rate after t steps, for a group that started with `base`."""
        raise NotImplementedError(f"{type(self).__name__} must define lr(t, base)")

    def lrs(self, t: int) -> list[float]:
        """The rates of all groups after t steps."""
        return [self.lr(t, base) for base in self.base_lrs]

    def step(self) -> None:
        """One step further; call it after `optimizer.step()`."""
        self.last_epoch += 1
        self._apply(self.last_epoch)

    def get_last_lr(self) -> list[float]:
        """The rates that this schedule set last, one a group."""
        return list(self._last_lr)

    def _apply(self, t: int) -> None:
        groups = self.optimizer.param_groups
        for i, last in enumerate(self._last_lr):
            if groups[i]["lr"] != last and last:
                self.scales[i] *= groups[i]["lr"] / last
        self._last_lr = [s * lr for s, lr in zip(self.scales, self.lrs(t), strict=True)]
        for group, lr in zip(groups, self._last_lr, strict=False):
            group["lr"] = lr

    def _restart(self) -> None:
        """Forget what was set last: another schedule was in charge since."""
        self._last_lr = []

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and functions: numbers, strings and lists of them."""
        return {k: deepcopy(v) for k, v in vars(self).items() if _is_plain(v)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict()` gave, with the rates that held then."""
        vars(self).update(deepcopy(dict(state_dict)))
        for group, lr in zip(self.optimizer.param_groups, self._last_lr, strict=False):
            group["lr"] = lr


class LambdaLR(LRScheduler):
    """base * lr_lambda(t), or a function for each group."""

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self.lr_lambdas = _per_group("lr_lambda", lr_lambda, optimizer)
        super().__init__(optimizer, last_epoch)

    def lrs(self, t: int) -> list[float]:
        """The rates of all groups after t steps."""
        return [
            base * float(factor(t))
            for base, factor in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]


class StepLR(LRScheduler):
    """base * gamma^floor(t / step_size).

    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> scheduler = StepLR(optimizer, step_size=2, gamma=0.5)
    >>> rates = []
    >>> for _ in range(5):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = _at_least_1("StepLR", "step_size", step_size)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def lr(self, t: int, base: float) -> float:
        """The rate after t steps."""
        return base * self.gamma ** (t // self.step_size)


class MultiStepLR(LRScheduler):
    """base * gamma^(number of milestones at or before t)."""

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones = sorted(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def lr(self, t: int, base: float) -> float:
        """The rate after t steps."""
        return base * self.gamma ** bisect_right(self.milestones, t)


class ExponentialLR(LRScheduler):
    """base * gamma^t."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def lr(self, t: int, base: float) -> float:
        """The rate after t steps."""
        return base * self.gamma**t


class ConstantLR(LRScheduler):
    """base * factor for t < total_iters, then base."""

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def lr(self, t: int, base: float) -> float:
        """The rate after t steps."""
        return base * self.factor if t < self.total_iters else base


class LinearLR(LRScheduler):
    """base * (start + (end - start) * min(t / total_iters, 1)): a warm-up.

    From `start_factor` to `end_factor`; Goyal et al. 2017, "Accurate, Large Minibatch SGD", 2.2.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not (0 < start_factor <= 1 and 0 <= end_factor <= 1):
            raise ConfigError(
                "LinearLR: needs 0 < start_factor <= 1 and 0 <= end_factor <= 1, got "
                f"{start_factor} and {end_factor}"
            )
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = _at_least_1("LinearLR", "total_iters", total_iters)
        super().__init__(optimizer, last_epoch)

    def lr(self, t: int, base: float) -> float:
        """The rate after t steps."""
        done = min(t / self.total_iters, 1.0)
        return base * (self.start_factor + (self.end_factor - self.start_factor) * done)


class CosineAnnealingLR(LRScheduler):
    """eta_min + (base - eta_min) * (1 + cos(pi t / T_max)) / 2.

    Loshchilov and Hutter 2016, "SGDR", eq. 5, without the restarts.
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = _at_least_1("CosineAnnealingLR", "T_max", T_max)
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def lr(self, t: int, base: float) -> float:
        """The rate after t steps."""
        return _cosine(base, self.eta_min, t / self.T_max)


class OneCycleLR(LRScheduler):
    """Up from max_lr / div_factor to max_lr, then down to a `final_div_factor`-th of the start.

    The first `pct_start` of the `total_steps` (or epochs * steps_per_epoch) lead up, along a cosine
    or a line; `three_phase` comes down as it went up, and then on. `cycle_momentum` moves the
    momentum (or Adam's beta1) the other way: between `max_momentum` and `base_momentum`.
    One step a batch. Smith and Topin 2017, "Super-Convergence".
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ConfigError(
                    "OneCycleLR: needs its length: total_steps, or epochs and steps_per_epoch"
                )
            total_steps = epochs * steps_per_epoch
        if anneal_strategy not in ("cos", "linear"):
            raise ConfigError(
                f"OneCycleLR: anneal_strategy is 'cos' or 'linear', got {anneal_strategy!r}"
            )
        if not 0 <= pct_start <= 1:
            raise ConfigError(f"OneCycleLR: pct_start lies between 0 and 1, got {pct_start}")
        if cycle_momentum and not {"momentum", "betas"} & set(optimizer.defaults):
            raise ConfigError(
                f"OneCycleLR: {type(optimizer).__name__} has neither momentum nor betas to cycle; "
                "pass cycle_momentum=False"
            )
        self.total_steps = _at_least_1("OneCycleLR", "total_steps", total_steps)
        self.anneal_strategy = anneal_strategy
        self.cycle_momentum = cycle_momentum
        # (last step, rate and momentum at it, as weights of the start, the peak and the floor)
        peak = pct_start * total_steps - 1
        phases = [(peak, "peak")]
        phases += [(2 * pct_start * total_steps - 2, "start")] if three_phase else []
        self.phases = [(0.0, "start"), *phases, (total_steps - 1.0, "floor")]
        self.momenta = {"start": max_momentum, "peak": base_momentum, "floor": max_momentum}
        self.max_lrs = _per_group("max_lr", max_lr, optimizer)
        self.div_factor = div_factor
        self.final_div_factor = final_div_factor
        for group, top in zip(optimizer.param_groups, self.max_lrs, strict=True):
            group["initial_lr"] = group["lr"] = top / div_factor
        super().__init__(optimizer, last_epoch)

    def lrs(self, t: int) -> list[float]:
        """The rates of all groups after t steps."""
        return [
            self._between(
                t,
                {
                    "start": top / self.div_factor,
                    "peak": top,
                    "floor": top / self.div_factor / self.final_div_factor,
                },
            )
            for top in self.max_lrs
        ]

    def _between(self, t: int, marks: Mapping[str, float]) -> float:
        """The value at step t of a curve that takes the values `marks` where the phases meet."""
        if t > self.total_steps:
            raise ConfigError(
                f"OneCycleLR: step {t} lies beyond total_steps={self.total_steps}; call step() "
                "once a batch, and give the cycle as many steps as there are batches in all epochs"
            )
        ends = [end for end, _ in self.phases[1:]]
        k = min(sum(t > end for end in ends), len(ends) - 1)
        (begin, here), (end, there) = self.phases[k], self.phases[k + 1]
        done = (t - begin) / (end - begin)
        if self.anneal_strategy == "cos":
            return _cosine(marks[here], marks[there], done)
        return marks[here] + (marks[there] - marks[here]) * done

    def _apply(self, t: int) -> None:
        super()._apply(t)
        if self.cycle_momentum:
            momentum = self._between(t, self.momenta)
            for group in self.optimizer.param_groups:
                if "betas" in group:
                    group["betas"] = (momentum, group["betas"][1])
                else:
                    group["momentum"] = momentum


class SequentialLR(LRScheduler):
    """schedulers[k] from milestone k - 1 to milestone k, each counting from 0 there.

    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> warm_up = LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> decay = ExponentialLR(optimizer, gamma=0.5)
    >>> scheduler = SequentialLR(optimizer, [warm_up, decay], milestones=[2])
    >>> rates = []
    >>> for _ in range(5):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [0.5, 0.75, 1.0, 0.5, 0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        for scheduler in schedulers:
            if not isinstance(scheduler, LRScheduler) or scheduler.optimizer is not optimizer:
                raise ConfigError(
                    "SequentialLR: takes schedules over step numbers, of the same optimizer; got a "
                    f"{type(scheduler).__name__}"
                )
        if len(milestones) != len(schedulers) - 1 or sorted(milestones) != list(milestones):
            raise ConfigError(
                "SequentialLR: needs increasing milestones, one fewer than schedulers, got "
                f"{list(milestones)} for {len(schedulers)} schedulers"
            )
        self.schedulers = list(schedulers)
        self.milestones = list(milestones)
        self.active = -1
        super().__init__(optimizer, last_epoch)

    def _apply(self, t: int) -> None:
        k = bisect_right(self.milestones, t)
        active = self.schedulers[k]
        if k != self.active:
            active._restart()
        self.active = k
        active.last_epoch = t - (self.milestones[k - 1] if k else 0)
        active._apply(active.last_epoch)
        self._last_lr = active.get_last_lr()

    def _restart(self) -> None:
        super()._restart()
        self.active = -1

    def state_dict(self) -> dict[str, Any]:
        """The state of this schedule and, under "schedulers", of the ones it is made of."""
        return {**super().state_dict(), "schedulers": [s.state_dict() for s in self.schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict()` gave."""
        for scheduler, state in zip(self.schedulers, state_dict["schedulers"], strict=True):
            scheduler.load_state_dict(state)
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "schedulers"})


class ReduceLROnPlateau:
    """lr <- max(lr * factor, min_lr) when the metric has not improved for `patience` epochs.

    "Improved": below best * (1 - threshold) for mode "min", above best * (1 + threshold) for "max";
    `threshold_mode="abs"` adds the threshold instead. After a reduction, `cooldown` epochs do not
    count; a reduction of less than `eps` is not made.

    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> scheduler = ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in (0.9, 0.8, 0.8, 0.8):
    ...     scheduler.step(loss)
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: Literal["min", "max"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ConfigError(
                "ReduceLROnPlateau: mode is 'min' or 'max' and threshold_mode 'rel' or 'abs', got "
                f"{mode!r} and {threshold_mode!r}"
            )
        if not 0 <= factor < 1:
            raise ConfigError(f"ReduceLROnPlateau: needs 0 <= factor < 1, got {factor}")
        self.optimizer = optimizer
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.min_lrs = _per_group("min_lr", min_lr, optimizer)
        self.eps = eps
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        self.last_epoch = 0

    def step(self, metrics: float) -> None:
        """Tell the metric of another epoch."""
        metric = float(metrics)
        self.last_epoch += 1
        if self._improves(metric):
            self.best = metric
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0

    def _improves(self, metric: float) -> bool:
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "rel":
            return sign * metric > sign * self.best * (1 + sign * self.threshold)
        return sign * metric > sign * self.best + self.threshold

    def _reduce(self) -> None:
        for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
            lr = max(group["lr"] * self.factor, least)
            if group["lr"] - lr > self.eps:
                group["lr"] = lr

    def get_last_lr(self) -> list[float]:
        """The present rates, one a group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {k: deepcopy(v) for k, v in vars(self).items() if _is_plain(v)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict()` gave."""
        vars(self).update(state_dict)


def _cosine(start: float, end: float, done: float) -> float:
    """Half a cosine wave from `start` (done = 0) to `end` (done = 1)."""
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


def _at_least_1(owner: str, name: str, value: int) -> int:
    if value < 1:
        raise ConfigError(f"{owner}: {name} is at least 1, got {value}")
    return value


def _per_group(name: str, value: Any, optimizer: Optimizer) -> list[Any]:
    """One value a group, from one for all or a list."""
    groups = len(optimizer.param_groups)
    values = list(value) if isinstance(value, Sequence) else [value] * groups
    if len(values) != groups:
        raise ConfigError(f"{name}: one for all groups or {groups} of them, got {len(values)}")
    return values


def _is_plain(value: object) -> bool:
    """Whether it is made of numbers and strings alone: neither the optimizer nor a function."""
    if isinstance(value, list | tuple):
        return all(_is_plain(v) for v in value)
    if isinstance(value, dict):
        return all(_is_plain(v) for v in value.values())
    return value is None or isinstance(value, bool | int | float | str)
