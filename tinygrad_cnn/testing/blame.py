"""How a violation is reported: with the place of the VJP and the code that repeats it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_cnn.errors import ConfigError, NotDifferentiableError
from tinygrad_cnn.testing.culprit import definition
from tinygrad_cnn.testing.report import Failure, GradientMismatch
from tinygrad_cnn.testing.reproduce import reproducer
from tinygrad_cnn.testing.returned import WrongGradientShape
from tinygrad_cnn.testing.subject import Subject


def mismatch(subject: Subject, name: str, summary: str, **fields: Any) -> GradientMismatch:
    """The violation of a property: what is wrong, and whatever fields of Failure are known."""
    fields.setdefault("where", definition(subject, name, fields.get("input")))
    fields.setdefault("reproducer", reproducer(subject, name))
    return GradientMismatch(Failure(name, summary, **fields))


@contextmanager
def blaming(subject: Subject, name: str) -> Iterator[None]:
    """Inside, a gradient is computed; whatever it raises is its failure.

    But not that there is no derivative at these inputs, if there is one beside them.
    """
    try:
        yield
    except (ConfigError, GradientMismatch):
        raise
    except WrongGradientShape as error:
        raise mismatch(subject, name, str(error)) from None
    except Exception as error:
        if isinstance(error, NotDifferentiableError) and differentiable_nearby(subject):
            raise
        summary = f"the VJP raised {type(error).__name__}: {error}"
        if subject.parent is not None:
            summary += (
                " (for a derivative of the gradient it is given Tensors: write it with functions "
                "that take these; or ask for order=1)"
            )
        raise mismatch(subject, name, summary) from error


def differentiable_nearby(subject: Subject) -> bool:
    """Whether the VJP answers at inputs a little off: what it refuses here is these numbers.

    qr refuses a matrix whose columns are dependent, and takes almost every other one.
    """
    root = subject.root
    steps = root.direction(root.rng("beside"))
    xs = [np.asarray(x + 2.0**-5 * v, x.dtype) for x, v in zip(root.xs, steps, strict=True)]
    try:
        root.gradient(xs, root.upstream(root.rng("beside")))
    except NotDifferentiableError:
        return False
    return True
