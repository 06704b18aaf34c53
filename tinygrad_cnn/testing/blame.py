"""What went wrong and where: from a failed comparison to a report that a person can act on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.testing.report import Failure, GradientMismatch
from tinygrad_cnn.testing.subject import Subject

if TYPE_CHECKING:
    from tinygrad_cnn.testing.gradcheck import Claim, Judge, Verdict


def mismatch(subject: Subject, name: str, summary: str, **fields: Any) -> GradientMismatch:
    """The violation of a property: what is wrong, and whatever fields of Failure are known."""
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


def accuse(judge: Judge, claim: Claim, verdict: Verdict) -> Failure:
    """The failure of one comparison: the element, the hints, the verdict, the place."""
    return Failure(
        judge.name,
        f"{claim.what}: the gradient disagrees with the slope of f",
        input=judge.subject.places[claim.k],
        analytic=claim.value,
        numeric=verdict.slope.value,
        uncertainty=verdict.tolerance,
    )
