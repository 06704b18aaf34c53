"""op_property: a test of an op, declared.

    @op_property(inputs=st.conv_cases(2))
    def test_my_conv(x, w, *, stride, padding):
        return my_conv(x, w, stride=stride, padding=padding)

pytest collects it; hypothesis draws the cases, and shrinks the one that fails; check_all judges.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from types import FunctionType
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tinygrad_cnn.errors import ConfigError, require
from tinygrad_cnn.testing import mutants as mutant
from tinygrad_cnn.testing.properties import check_all
from tinygrad_cnn.testing.report import Failure, GradientMismatch, PropertyReport

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
    options = {
        "properties": [properties] if isinstance(properties, str) else properties and [*properties],
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
        test = _Test(body, inputs, reference, vjp, options, chosen.repeatable, count)
        return _in_place_of(body, partial(test.run, mutants=mutants))

    return declare


@dataclass(frozen=True)
class _Test:
    """What op_property makes of a body."""

    body: Callable[..., Any]
    inputs: SearchStrategy[Any]
    reference: Callable[..., Any] | None
    vjp: Callable[..., Any] | None
    options: dict[str, Any]
    repeatable: bool
    examples: int

    def run(self, mutants: bool) -> None:
        """Raise the failure that tells most; of those, the simplest that hypothesis finds."""
        lesser = self.search(MOST)
        if lesser:
            tells, error = max(lesser, key=lambda failure: failure[0])
            self.search(tells)
            raise error.with_traceback(None)  # other cases were drawn this time, and none fails
        if mutants:
            cases = mutant.draw(self.inputs, self.examples, seed=0)
            mutant.must_be_killed(
                self.body, cases, reference=self.reference, vjp=self.vjp, **self.options
            )

    def search(self, wanted: int) -> list[tuple[int, GradientMismatch]]:
        """Raise a failure that tells as much as wanted; else (how much it tells, it) for others."""
        lesser: list[tuple[int, GradientMismatch]] = []
        rejected: list[str] = []
        found = False

        def check(case: Any) -> None:
            nonlocal found
            if len(lesser) >= PATIENCE and not found:
                return
            xs, static = mutant.as_case(case)
            try:
                report = self.check(xs, static)
            except GradientMismatch as error:
                tells = _tells(error.failure, xs)
                if tells >= wanted:
                    found = True
                    raise
                lesser.append((tells, error))
            else:
                if report.rejected:
                    rejected.append(report.rejected)
                    hypothesis.reject()

        self._find(check, rejected)
        return lesser

    def _find(self, check: Callable[[Any], None], rejected: Sequence[str]) -> None:
        """Raise the simplest failure of check, or why nearly every case is rejected."""
        try:
            self.drawn(check)()
        except (GradientMismatch, ConfigError) as error:  # the way through hypothesis says nothing
            raise error.with_traceback(None) from error.__cause__
        except (hypothesis.errors.FailedHealthCheck, hypothesis.errors.Unsatisfiable):
            if not rejected:
                raise
            raise ConfigError(
                f"op_property: hardly a case of {self.name} can be judged: {rejected[-1]}; draw "
                f'other values, such as distinct ones, or test the kinks, by at="kink"'
            ) from None

    def check(self, xs: tuple[Any, ...], static: dict[str, Any]) -> PropertyReport:
        """One case."""
        self._must_take(xs, static)
        return check_all(
            _bound(self.body, static),
            *xs,
            reference=_bound(self.reference, static),
            vjp=_bound(self.vjp, static),
            **self.options,
        )

    @property
    def name(self) -> str:
        """That of the body, if it has one."""
        name = getattr(self.body, "__name__", "")
        return name if name.isidentifier() else "f"

    def _must_take(self, xs: tuple[Any, ...], static: dict[str, Any]) -> None:
        signature = inspect.signature(self.body)
        try:
            signature.bind(*xs, **static)
        except TypeError as error:
            kinds = ["1 input" if len(xs) == 1 else f"{len(xs)} inputs", *static]
            raise ConfigError(
                f"op_property: {self.name}{signature} cannot take a case as it was drawn, "
                f"{' and '.join(kinds)}: {error}; fixtures are not passed: where one is needed, "
                f"write the test of pytest that takes it, and declare and call this one inside"
            ) from None

    def drawn(self, check: Callable[[Any], None]) -> Callable[[], None]:
        """check, on as many cases as asked for; hypothesis calls it by the name of the body."""
        check.__name__ = check.__qualname__ = self.name
        test = hypothesis.given(case=self.inputs)(check)
        return cast("Callable[[], None]", _settings(self.repeatable, self.examples)(test))


MOST = 2
PATIENCE = 10
"""After so many failures that tell less, it is of no use to look for one that tells more."""


def _tells(failure: Failure, xs: Sequence[Any]) -> int:
    """How much a failure says about where: 0 nothing, 1 an element, MOST one of several.

    The simplest case of all is often too simple to say where, or to say what.
    """
    if failure.element is None:
        return 0
    i = failure.input
    alone = i is not None and i < len(xs) and np.size(xs[i]) == 1
    return 1 if alone else MOST


def _must_be_a_function(body: Callable[..., Any]) -> None:
    inside = getattr(body, "__qualname__", "").rpartition(".")[0]
    if inside and not inside.endswith("<locals>"):
        raise ConfigError(
            f"op_property: {body.__qualname__} is written in a class, whose methods are "
            f"called with a self that is no input; write a function outside of the class"
        )


def _settings(repeatable: bool, examples: int) -> Any:
    """No deadline: a slow machine is no failure. In CI the same cases always."""
    explain = hypothesis.Phase.explain  # names the lines that fail: those of the kit, not of f
    always: dict[str, Any] = {"derandomize": True, "database": None}
    return hypothesis.settings(
        phases=[phase for phase in hypothesis.Phase if phase is not explain],
        max_examples=examples,
        deadline=None,
        print_blob=False,  # the report ends in a reproducer
        report_multiple_bugs=False,  # together they would be an ExceptionGroup, no AssertionError
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
        **(always if repeatable else {}),
    )


def _bound(f: Callable[..., Any] | None, static: dict[str, Any]) -> Any:
    return partial(f, **static) if f is not None and static else f


def _in_place_of(body: Callable[..., Any], run: Callable[[], None]) -> Callable[[], None]:
    """run, as a function that looks like the body and has no parameters: they would be fixtures.

    It claims to stand where the body stands, so that pytest shows this place when it fails.
    """
    test = lambda: run()  # noqa: E731 (on one line: the first is the one shown)
    place = getattr(body, "__code__", None)
    if place is not None:
        names = {"co_filename": place.co_filename, "co_firstlineno": place.co_firstlineno}
        code = test.__code__.replace(**names, co_name=place.co_name, co_qualname=place.co_qualname)
        test = FunctionType(code, {}, None, None, test.__closure__)
    test = wraps(body, updated=())(test)
    del test.__wrapped__
    return cast("Callable[[], None]", test)
