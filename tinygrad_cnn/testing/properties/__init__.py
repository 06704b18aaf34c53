"""What holds of every gradient: each property is a function, and its docstring is its statement.

A property takes a Subject and returns an Outcome: it holds, or it does not apply, and why. It
raises GradientMismatch where it is violated. PROPERTIES has them by name; check_all runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.testing.properties import derivatives, graphs, memory, shapes  # they register
from tinygrad_cnn.testing.properties.registry import PROPERTIES, Property
from tinygrad_cnn.testing.report import GradientMismatch, Outcome, PropertyReport
from tinygrad_cnn.testing.subject import Subject

__tracebackhide__ = True  # in pytest: a failure shows the functions of users, not the kit's

__all__ = ["PROPERTIES", "Property", "check_all", "derivatives", "graphs", "memory", "shapes"]


def check_all(
    f: Callable[..., Any],
    *inputs: Any,
    properties: str | Iterable[str] | None = None,
    batched: bool | Sequence[int] | None = None,
    seed: int = 0,
    order: int = 2,
    directions: int = 3,
    at: str = "smooth",
    reference: Callable[..., Any] | None = None,
    vjp: Callable[..., Any] | None = None,
    wrt: int | Sequence[int] | None = None,
) -> PropertyReport:
    """Check every property of f's gradient at these inputs; a report, or GradientMismatch.

    properties  names from PROPERTIES, or one; all of them unless given
    batched     False: the first axis is no batch, whatever it looks like; True, or the positions of
                the inputs that have one: it must be. Unless given, f's values decide
    reference   a function that must give the same values and, if it takes Tensors, gradients
    The rest is gradcheck's.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> bool(check_all(tg.tanh, np.array([[0.5, 2.0]])))
    True
    """
    if isinstance(properties, str):
        properties = [properties]
    names = list(PROPERTIES) if properties is None else list(properties)
    unknown = [name for name in names if name not in PROPERTIES]
    if unknown:
        raise ConfigError(
            f"check_all: no property {unknown[0]!r}; there are {', '.join(PROPERTIES)}"
        )
    if order not in (1, 2):
        raise ConfigError(f"check_all: order is 1 or 2, got {order!r}; gradcheck takes higher ones")
    subject = Subject(
        f,
        inputs,
        vjp=vjp,
        reference=reference,
        order=order,
        directions=directions,
        at=at,
        batched=batched if batched is None or isinstance(batched, bool) else tuple(batched),
        seed=seed,
        wrt=wrt,
    )
    subject.must_have_a_gradient()
    outcomes: dict[str, Outcome] = {}
    failures: list[GradientMismatch] = []
    for name in names:
        try:
            outcomes[name] = PROPERTIES[name](subject)
        except GradientMismatch as failure:
            failures.append(failure)
        except Exception:
            if not failures:
                raise
            break  # what was found before tells more
    if failures:
        first = failures[0]
        also = tuple(failure.failure.name for failure in failures[1:])
        raise GradientMismatch(replace(first.failure, also=also)) from first.__cause__
    return PropertyReport(outcomes)
