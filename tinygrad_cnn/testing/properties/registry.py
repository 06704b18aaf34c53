"""The table of properties, and when one does not apply."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import numpy as np

from tinygrad_cnn.errors import NotDifferentiableError
from tinygrad_cnn.testing.blame import differentiable_nearby
from tinygrad_cnn.testing.report import Outcome
from tinygrad_cnn.testing.subject import Subject

__tracebackhide__ = True  # in pytest: a failure shows the functions of users, not the kit's

Property = Callable[[Subject], Outcome]
PROPERTIES: dict[str, Property] = {}
"""Every property by its name, in the order in which check_all runs them."""

HOLDS = Outcome()


def prop(
    *, bare: bool = True, order: int = 1, finite: bool = True
) -> Callable[[Property], Property]:
    """Put a property into PROPERTIES; where it does not apply it says so.

    bare: whether it applies to a bare vjp=; order: the order of derivatives that it needs;
    finite: whether it needs outputs that are all finite.
    """

    def register(check: Property) -> Property:
        @wraps(check)
        def guarded(subject: Subject) -> Outcome:
            why = _does_not_apply(subject, bare, order, finite)
            if why:
                return Outcome(skipped=why)
            with np.errstate(all="ignore"):  # gradients may be infinite
                try:
                    return check(subject)
                except NotDifferentiableError as error:
                    if not differentiable_nearby(subject):
                        raise
                    return Outcome(skipped=str(error))

        PROPERTIES[check.__name__] = guarded
        return guarded

    return register


def _does_not_apply(subject: Subject, bare: bool, order: int, finite: bool) -> str:
    if subject.vjp is not None and not bare:
        return "a bare vjp= records nothing"
    if order > subject.order:
        return f"order={subject.order}"
    if not any(x.size for x in subject.xs):
        return "the inputs have no elements"
    if not subject.finite.size:
        return "the outputs have no elements"
    if finite and not subject.finite.all():
        return "f is not finite at these inputs"
    return ""
