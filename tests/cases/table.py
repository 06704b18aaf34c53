"""How rows are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.oracle import Case, Draw, F, Sample, torch
from tinygrad_cnn import ops
from tinygrad_cnn.core.op import REGISTRY


def case(
    label: str,
    draw: Callable[[Draw], Sample],
    f: Callable[..., Any] | None = None,
    torch_f: Any = "same",
    *,
    twice: bool = True,
) -> Case:
    """A row; where f or torch_f is left out, the function of that name is meant."""
    name = label.split()[0]
    f = f or getattr(ops, name, None) or REGISTRY[name]
    return Case(label, f, torch_function(name) if torch_f == "same" else torch_f, draw, twice)


def torch_function(name: str) -> Callable[..., Any]:
    """torch.name, else torch.nn.functional.name, found when it is called."""
    return lambda *xs, **k: (getattr(torch, name, None) or getattr(F, name))(*xs, **k)


def one(**values: Any) -> Callable[[Draw], Sample]:
    """One input of any shape, with values from an interval."""
    return lambda d: ([d.real(*d.shape(), **values)], {})


def smooth(*kinks: float, **values: Any) -> Callable[[Draw], Sample]:
    """One input of any shape, with values away from the kinks."""
    return lambda d: ([d.away(*d.shape(), kinks=kinks, **values)], {})
