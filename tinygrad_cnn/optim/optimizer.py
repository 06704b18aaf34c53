"""What all optimizers share: groups of parameters, their state, and the loop over both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

import numpy as np

from tinygrad_cnn.core.node import USED, USED_AND_ADDED_TO, Leaf
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import (
    CheckpointError,
    ConfigError,
    DTypeError,
    FootgunWarning,
    GraphError,
    MissingGradientWarning,
    StaleGradientWarning,
    warn,
)

Group = dict[str, Any]
State = dict[str, Any]  # of one parameter: arrays of its shape, and numbers


class Optimizer:
    """Changes parameters in place, so as to lower the loss that their gradients come from.

    `params` is an iterable of Tensors, or of dicts {"params": [...], "lr": ...} whose options hold
    for their parameters alone. Every option may be changed between steps in `param_groups`.

    A subclass passes its options and their defaults to `__init__` and writes its update rule as
    `update`.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> class SignDescent(tg.optim.Optimizer):
    ...     def __init__(self, params, lr):
    ...         super().__init__(params, {"lr": lr})
    ...     def update(self, p, g, state, *, lr):
    ...         p -= lr * np.sign(g)
    >>> w = tg.nn.Parameter([1.0, -1.0])
    >>> (w * w).sum().backward()
    >>> SignDescent([w], lr=0.5).step()
    >>> w.tolist()
    [0.5, -0.5]
    """

    def __init__(
        self, params: Iterable[Tensor] | Iterable[Mapping[str, Any]], defaults: Group
    ) -> None:
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise DTypeError(
                f"{type(self).__name__}: takes a list of Tensors, or of dicts with their options, "
                f"got a {type(params).__name__}; pass model.parameters() or [tensor]"
            )
        self.defaults = defaults
        self.param_groups: list[Group] = []
        self.state: dict[Tensor, State] = {}
        self._scratch: dict[np.dtype[Any], np.ndarray] = {}
        self._warned: set[type[FootgunWarning]] = set()
        entries = list(params)
        if not entries:
            raise ConfigError(
                f"{type(self).__name__}: got no parameters; does the model assign its layers to "
                "attributes (a plain list of layers hides them, ModuleList does not), and has the "
                "iterator been used up?"
            )
        if any(isinstance(entry, Mapping) for entry in entries):
            for group in entries:
                self.add_param_group(group)
        else:
            self.add_param_group({"params": entries})

    def add_param_group(self, group: Any) -> None:
        """Train more parameters, with options of their own where the dict gives some."""
        if not isinstance(group, Mapping) or "params" not in group:
            raise DTypeError(
                f"{type(self).__name__}: a group is a dict with the key 'params', got "
                f"{_describe(group)}; pass either Tensors or such dicts, not both"
            )
        params = group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        for p in params:
            if not isinstance(p, Tensor):
                raise DTypeError(
                    f"{type(self).__name__}: optimizes Tensors, got {_describe(p)}; "
                    "pass model.parameters()"
                )
            if not p.is_leaf or p.dtype.kind != "f":
                raise DTypeError(
                    f"{type(self).__name__}: optimizes leaves of a float dtype, got a {p.dtype} of "
                    f"shape {p.shape}{'' if p.is_leaf else ' that was computed from others'}"
                )
        known = {id(p) for p in chain(params, *(g["params"] for g in self.param_groups))}
        if len(known) < len(params) + sum(len(g["params"]) for g in self.param_groups):
            raise ConfigError(
                f"{type(self).__name__}: a parameter appears twice and would be updated twice; "
                "list each once, in one group"
            )
        merged = {**self.defaults, **group, "params": params}
        unknown = sorted(set(merged) - {*self.defaults, "params", "initial_lr"})
        if unknown:
            raise ConfigError(
                f"{type(self).__name__}: has no option {unknown[0]!r}; its options are "
                f"{', '.join(self.defaults)}"
            )
        self.check(**{name: merged[name] for name in self.defaults})
        self.param_groups.append(merged)

    def check(self, **options: Any) -> None:
        """Refuse options that make no sense: numbers are at least 0."""
        for name, value in options.items():
            if isinstance(value, int | float) and not value >= 0:
                raise ConfigError(f"{type(self).__name__}: {name} is at least 0, got {value}")

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters (`p.grad` becomes None)."""
        for group in self.param_groups:
            for p in group["params"]:
                p.zero_grad()

    def step(self) -> None:
        """Update every parameter that has a gradient.

        Warns, once, of parameters that have none (MissingGradientWarning), and of gradients that
        hold those of the step before, too (StaleGradientWarning).
        """
        missing, stale = [], False
        for group in self.param_groups:
            options = {name: group[name] for name in self.defaults}
            for p in group["params"]:
                leaf = p._node
                if leaf is None:
                    continue  # frozen
                if not isinstance(leaf, Leaf):
                    raise GraphError(
                        f"{type(self).__name__}.step: a parameter of shape {p.shape} has been "
                        f"computed from others since; change its numbers under no_grad()"
                    )
                if leaf.grad is None:
                    missing.append(p)
                    continue
                stale |= leaf.used == USED_AND_ADDED_TO
                state = self.state.setdefault(p, {})
                self.update(p.data, leaf.grad.data, state, **options)
                leaf.used = USED
        if missing or stale:
            self._warn_of(missing, stale)

    def _warn_of(self, missing: list[Tensor], stale: bool) -> None:
        name = f"{type(self).__name__}.step"
        if stale and StaleGradientWarning not in self._warned:
            self._warned.add(StaleGradientWarning)
            warn(
                f"{name}: gradients were added to those that the last step used already; call "
                f"zero_grad() between a step and the next backward()",
                StaleGradientWarning,
            )
        if missing and MissingGradientWarning not in self._warned:
            self._warned.add(MissingGradientWarning)
            count = sum(p.requires_grad for p in self._parameters())
            shapes = ", ".join(str(p.shape) for p in missing[:3]) + ", ..." * (len(missing) > 3)
            some = (
                f"{name}: {len(missing)} of {count} parameters have no gradient and stay as they "
                f"are (of shape {shapes}); does the loss depend on them? What is not to learn is "
                f"frozen by p.requires_grad = False"
            )
            none = (
                f"{name}: no parameter has a gradient; call backward() on the loss first, and "
                f"zero_grad() not between the two"
            )
            warn(none if len(missing) == count else some, MissingGradientWarning)

    def update(
        self, p: np.ndarray, g: np.ndarray, state: State, *args: Any, **options: Any
    ) -> None:
        """Change the array `p` in place, given its gradient `g`, which is not to be written to."""
        raise NotImplementedError(f"{type(self).__name__} must define update(p, g, state, ...)")

    def scratch(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Two arrays like `p` for intermediate values: the same memory for every parameter."""
        memory = self._scratch.get(p.dtype)
        if memory is None or memory.shape[1] < p.size:
            memory = self._scratch[p.dtype] = np.empty((2, p.size), p.dtype)
        return memory[0, : p.size].reshape(p.shape), memory[1, : p.size].reshape(p.shape)

    def state_dict(self) -> dict[str, Any]:
        """The options and a copy of the state, as arrays and numbers; parameters by their position.

        {"state": {0: {"step": 5, "exp_avg": array, ...}, ...},
         "param_groups": [{"lr": 0.001, ..., "params": [0, 1, ...]}]}
        """
        place = {id(p): i for i, p in enumerate(self._parameters())}
        state = {place[id(p)]: _copy(s) for p, s in self.state.items() if s}
        groups = [{**g, "params": [place[id(p)] for p in g["params"]]} for g in self.param_groups]
        return {"state": dict(sorted(state.items())), "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict()` gave; everything is checked before anything changes.

        Raises:
            CheckpointError: groups, numbers of parameters or shapes that are not these.
        """
        saved = state_dict["param_groups"]
        sizes = [len(g["params"]) for g in self.param_groups]
        saved_sizes = [len(g["params"]) for g in saved]
        if saved_sizes != sizes:
            raise CheckpointError(
                f"{type(self).__name__}: holds groups of {sizes} parameters, the saved state "
                f"{saved_sizes}; build the optimizer as it was built when it was saved"
            )
        params = self._parameters()
        state: dict[Tensor, State] = {}
        for i, entry in state_dict["state"].items():
            p = params[int(i)]
            state[p] = _copy(entry)
            for name, value in state[p].items():
                if isinstance(value, np.ndarray) and value.shape != p.shape:
                    raise CheckpointError(
                        f"{type(self).__name__}: {name} of parameter {i} has shape {value.shape} "
                        f"in the saved state and the parameter {p.shape}"
                    )
        for group, saved_group in zip(self.param_groups, saved, strict=True):
            group.update({**saved_group, "params": group["params"]})
        self.state = state

    def _parameters(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def __repr__(self) -> str:
        lines = []
        for i, group in enumerate(self.param_groups):
            options = ", ".join(f"{k}={v}" for k, v in group.items() if k != "params")
            lines.append(f"  group {i}: {len(group['params'])} parameters, {options}\n")
        return f"{type(self).__name__}(\n{''.join(lines)})"


def penalized(
    g: np.ndarray, p: np.ndarray, weight_decay: float, maximize: bool, out: np.ndarray
) -> np.ndarray:
    """±g + weight_decay * p: the gradient of ±L + weight_decay/2 |p|^2, minus to maximize L.

    Written to `out`; it is `g` itself where there is nothing to add.
    """
    if not weight_decay:
        return np.negative(g, out=out) if maximize else g
    np.multiply(p, weight_decay, out=out)
    if maximize:
        out -= g
    else:
        out += g
    return out


def _copy(state: Mapping[str, Any]) -> State:
    return {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in state.items()}


def _describe(thing: object) -> str:
    return f"a {type(thing).__name__}"
