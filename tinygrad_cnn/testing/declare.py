"""op_property: a test of an op, declared.

    @op_property(inputs=st.conv_cases(2))
    def test_my_conv(x, w, b=None, **static):
        return my_conv(x, w, b, **static)

pytest collects it; hypothesis draws the cases, and shrinks the one that fails; check_all judges.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, cast

from tinygrad_cnn.errors import ConfigError, require
from tinygrad_cnn.testing import mutants as mutant
from tinygrad_cnn.testing.properties import check_all
from tinygrad_cnn.testing.report import GradientMismatch

if TYPE_CHECKING:
    import hypothesis
    from hypothesis.strategies import SearchStrategy
else:
    hypothesis = require("hypothesis", "testing")

__tracebackhide__ = True  # in pytest: a failure shows the functions of users, not the kit's


@dataclass(frozen=True)
class Profile:
    """How thoroughly: the number of cases of each test, and whether they are always the same."""

    examples: int
    repeatable: bool


PROFILES = {
    "dev": Profile(25, repeatable=False),
    "ci": Profile(100, repeatable=True),
    "deep": Profile(10_000, repeatable=False),
}
VARIABLE = "GRADCHECK_PROFILE"
"""The environment variable that names the profile; pytest's --gradcheck-profile sets it."""


def profile() -> Profile:
    """The one that is named by the environment; else "ci" on a CI server, "dev" elsewhere."""
    name = os.environ.get(VARIABLE) or ("ci" if os.environ.get("CI") else "dev")
    if name not in PROFILES:
        raise ConfigError(f"{VARIABLE}: must be one of {', '.join(PROFILES)}, got {name!r}")
    return PROFILES[name]


def op_property(
    *,
    inputs: SearchStrategy[Any],
    reference: Callable[..., Any] | None = None,
    order: int = 2,
    directions: int = 1,
    properties: str | Iterable[str] | None = None,
    batched: bool | Sequence[int] | None = None,
    at: str = "smooth",
    vjp: Callable[..., Any] | None = None,
    wrt: int | Sequence[int] | None = None,
    mutants: bool = False,
    examples: int | None = None,
) -> Callable[[Callable[..., Any]], Callable[[], None]]:
    """Turn a function into a test of its gradient, on every case that `inputs` draws.

    inputs      a strategy that draws an array, a tuple of inputs, or (inputs, static keywords);
                those of tinygrad_cnn.testing.strategies do
    reference   a function of the same arguments that must give the same
    properties, order, batched, at, wrt   as in check_all
    directions  how many random directions for each case: one, since there are many cases
    vjp         vjp(g, *inputs, **static), for a function of arrays that records nothing
    mutants     also make the gradient wrong in many ways, and fail if a wrong one passes: then the
                cases are too few, or too tame, to show anything
    examples    how many cases; unless given, the profile says (dev 25, ci 100, deep 10,000)

    A case on a kink of the function cannot be judged, and another is drawn in its place.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.testing import op_property, strategies as st
    >>> @op_property(inputs=st.arrays(), examples=10)
    ... def test_tanh(x):
    ...     return tg.tanh(x)
    >>> test_tanh()
    """
    if isinstance(properties, str):
        properties = [properties]
    options: dict[str, Any] = {
        "properties": None if properties is None else list(properties),
        "order": order,
        "directions": directions,
        "batched": batched,
        "at": at,
        "wrt": wrt,
    }
    chosen = profile()
    count = chosen.examples if examples is None else examples
    if count < 1:
        raise ConfigError(f"op_property: examples must be 1 or more, got {count}")

    def declare(body: Callable[..., Any]) -> Callable[[], None]:
        _must_be_a_function(body)
        unlocated: list[GradientMismatch] = []

        def look_for(anywhere: bool) -> Callable[[], None]:
            @_named_after(body)
            def check(case: Any) -> None:
                xs, static = mutant.as_case(case)
                try:
                    report = check_all(
                        _bound(body, static),
                        *xs,
                        reference=_bound(reference, static),
                        vjp=_bound(vjp, static),
                        **options,
                    )
                except GradientMismatch as error:
                    if anywhere or error.failure.element is not None:
                        raise
                    unlocated.append(error)
                else:
                    if report.rejected:
                        hypothesis.reject()

            test: Callable[[], None] = hypothesis.given(case=inputs)(check)
            return cast("Callable[[], None]", _settings(chosen, count)(test))

        located, any_failure = look_for(anywhere=False), look_for(anywhere=True)

        @_named_after(body)
        def test() -> None:
            unlocated.clear()
            located()
            if unlocated:  # the simplest case of all is often too simple to say where
                any_failure()
                raise unlocated[0]
            if mutants:
                cases = mutant.draw(inputs, count, seed=0)
                mutant.must_be_killed(body, cases, reference=reference, vjp=vjp, **options)

        renamed: Callable[[], None] = test
        return renamed

    return declare


def _must_be_a_function(body: Callable[..., Any]) -> None:
    inside = getattr(body, "__qualname__", "").rpartition(".")[0]
    first = next(iter(inspect.signature(body).parameters), "")
    if inside and not inside.endswith("<locals>") and first == "self":
        raise ConfigError(
            f"op_property: {body.__qualname__} is a method, and its self would be the first input; "
            f"write a function outside of the class"
        )


def _settings(chosen: Profile, examples: int) -> Any:
    """No deadline: a slow machine is no failure. In CI the same cases always, a blob to repeat."""
    always: dict[str, Any] = {"derandomize": True, "database": None, "print_blob": True}
    explain = hypothesis.Phase.explain  # names the lines that fail: those of the kit, not of f
    return hypothesis.settings(
        phases=[phase for phase in hypothesis.Phase if phase is not explain],
        max_examples=examples,
        deadline=None,
        report_multiple_bugs=False,  # together they would be an ExceptionGroup, no AssertionError
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
        **(always if chosen.repeatable else {}),
    )


def _bound(f: Callable[..., Any] | None, static: dict[str, Any]) -> Any:
    return partial(f, **static) if f is not None and static else f


def _named_after(body: Callable[..., Any]) -> Callable[[Any], Any]:
    """As functools.wraps, but the signature stays that of the test: pytest looks for fixtures."""

    def rename(test: Any) -> Any:
        test = wraps(body, updated=())(test)
        del test.__wrapped__
        return test

    return rename
