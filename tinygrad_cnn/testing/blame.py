"""How a violation is reported: with the place of the VJP and the code that repeats it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.testing.culprit import definition
from tinygrad_cnn.testing.report import Failure, GradientMismatch
from tinygrad_cnn.testing.reproduce import reproducer
from tinygrad_cnn.testing.subject import Subject


def mismatch(subject: Subject, name: str, summary: str, **fields: Any) -> GradientMismatch:
    """The violation of a property: what is wrong, and whatever fields of Failure are known."""
    fields.setdefault("where", definition(subject, name, fields.get("input")))
    fields.setdefault("reproducer", reproducer(subject, name))
    return GradientMismatch(Failure(name, summary, **fields))


@contextmanager
def blaming(subject: Subject, name: str) -> Iterator[None]:
    """Inside, a gradient is computed; whatever it raises is its failure."""
    try:
        yield
    except (ConfigError, GradientMismatch):
        raise
    except Exception as error:
        summary = f"the VJP raised {type(error).__name__}: {error}"
        raise mismatch(subject, name, summary) from error
