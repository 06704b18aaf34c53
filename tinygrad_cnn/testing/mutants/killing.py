"""Do the properties notice? Mutants, one at a time, before the cases of a test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cnn.core.modes import Observer, observe
from tinygrad_cnn.core.node import Node
from tinygrad_cnn.core.op import PICK, Op
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import ConfigError, require
from tinygrad_cnn.testing.mutants.catalogue import MUTANTS, Mutant, Work
from tinygrad_cnn.testing.mutants.mutations import MUTATIONS
from tinygrad_cnn.testing.properties import PROPERTIES, check_all
from tinygrad_cnn.testing.report import GradientMismatch

if TYPE_CHECKING:
    import hypothesis
    from hypothesis.strategies import SearchStrategy
else:
    hypothesis = require("hypothesis", "testing")

__tracebackhide__ = True  # in pytest: a failure shows the functions of users, not the kit's

Case = tuple[tuple[Any, ...], dict[str, Any]]
LOOKED_ON = 20
"""After a mutant's death by one property, so many cases are tried for another that kills it."""


def as_case(drawn: Any) -> Case:
    """(inputs, static keywords) of whatever a strategy draws: an array, a tuple of them, a case."""
    if isinstance(drawn, np.ndarray | np.generic | Tensor | float | complex):
        return (drawn,), {}
    if not isinstance(drawn, tuple):
        raise ConfigError(
            f"op_property: inputs must draw an array, a tuple of them, or (inputs, static "
            f"keywords), got {type(drawn).__name__} {drawn!r:.60}"
        )
    if len(drawn) == 2 and isinstance(drawn[1], dict):
        xs, static = drawn
        return (xs if isinstance(xs, tuple) else (xs,)), static
    return drawn, {}


def draw(inputs: SearchStrategy[Any], examples: int, seed: int) -> list[Case]:
    """So many cases of a strategy, the same for the same seed."""
    cases: list[Case] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(inputs)
    def collect(drawn: Any) -> None:
        cases.append(as_case(drawn))

    collect()
    return cases


def violated(f: Callable[..., Any], case: Case, options: dict[str, Any]) -> tuple[str, ...]:
    """The names of the properties that f violates in this case."""
    xs, static = deepcopy(case)
    for name in ("reference", "vjp"):
        if options.get(name) is not None and static:
            options = {**options, name: partial(options[name], **static)}
    try:
        check_all(partial(f, **static) if static else f, *xs, **options)
    except GradientMismatch as error:
        return (error.failure.name, *error.failure.also)
    return ()


# -- the library's mutants ------------------------------------------------------------------------


@dataclass(frozen=True)
class KillMatrix:
    """Which property killed which mutant, and how soon. str() is the table.

    deaths   {mutant: {property: the number of the case, from 1, the largest of all seeds}}
    missed   {mutant: the seeds, from 0, on which no property killed it}
    """

    deaths: dict[str, dict[str, int]]
    missed: dict[str, list[int]] = field(default_factory=dict)

    @property
    def survivors(self) -> list[str]:
        """The mutants that lived through all cases of at least one seed."""
        return [name for name in self.deaths if self.missed.get(name)]

    @property
    def killed_twice(self) -> float:
        """The share of the mutants that two properties killed, or more."""
        return sum(len(d) > 1 for d in self.deaths.values()) / max(len(self.deaths), 1)

    @property
    def only_by(self) -> dict[str, list[str]]:
        """{property: the mutants that it alone killed}"""
        alone: dict[str, list[str]] = {name: [] for name in PROPERTIES}
        for mutant, by in self.deaths.items():
            if len(by) == 1:
                alone[next(iter(by))].append(mutant)
        return alone

    def __str__(self) -> str:
        width = max(map(len, self.deaths), default=0)
        letters = dict(zip(PROPERTIES, ascii_lowercase, strict=False))
        lines = [f"{'':{width}}" + "".join(f"{letter:>3}" for letter in letters.values())]
        for mutant, by in self.deaths.items():
            cells = "".join(f"{by.get(name, '·'):>3}" for name in letters)
            missed = f" survives seed {self.missed[mutant]}" if self.missed.get(mutant) else ""
            lines.append(f"{mutant:{width}}{cells}{missed}")
        n = len(self.deaths)
        lines += [
            "",
            f"{n - len(self.survivors)} of {n} mutants killed, {self.killed_twice:.0%} by two "
            f"properties or more. A number is the case that killed, in the slowest seed.",
            "",
            *(self._legend(letter, name) for name, letter in letters.items()),
        ]
        return "\n".join(lines)

    def _legend(self, letter: str, name: str) -> str:
        kills, alone = sum(name in by for by in self.deaths.values()), self.only_by[name]
        text = f"{letter}  {name:22}{kills:3} kills" + (f", alone: {alone[0]}" if alone else "")
        return "\n".join([text, *(f"{'':40}{mutant}" for mutant in alone[1:])])

    __repr__ = __str__


def kill_matrix(
    seeds: int = 3, examples: int = 100, mutants: Sequence[Mutant] | None = None
) -> KillMatrix:
    """Run the kit on wrong gradients of the library's ops: which property noticed which.

    What is returned is a table when it is printed. The mutants are MUTANTS, unless given. Each
    meets up to so many cases for each seed; once it is killed by one property, a few more, to see
    whether another kills it, too.
    """
    drawn: dict[tuple[int, int], list[Case]] = {}
    deaths: dict[str, dict[str, int]] = {}
    missed: dict[str, list[int]] = {}
    for mutant in MUTANTS if mutants is None else mutants:
        deaths[mutant.name], missed[mutant.name] = {}, []
        for seed in range(seeds):
            key = id(mutant.work), seed
            if key not in drawn:
                drawn[key] = draw(mutant.work.cases, examples, seed)
            found = killers(mutant, drawn[key])
            if not found:
                missed[mutant.name].append(seed)
            for name, number in found.items():
                deaths[mutant.name][name] = max(number, deaths[mutant.name].get(name, 0))
    return KillMatrix(deaths, missed)


def killers(mutant: Mutant, cases: Iterable[Case]) -> dict[str, int]:
    """{property: the number of the first case in which it killed the mutant}"""
    found: dict[str, int] = {}
    with mutant.active() as (f, options, _trace):
        for number, case in enumerate(cases, 1):
            if found and (len(found) > 1 or number > min(found.values()) + LOOKED_ON):
                break
            for name in violated(f, case, options):
                found.setdefault(name, number)
    return found


# -- the mutants of a user's op -------------------------------------------------------------------


def must_be_killed(body: Callable[..., Any], cases: Sequence[Case], **options: Any) -> None:
    """Make every gradient in `body` wrong in every way; AssertionError names those that pass.

    The ops are those that the body records and that are none of the library's; where there are no
    such, the library's. A mutant without any effect on these cases is no survivor; but where none
    has any, the test shows nothing.
    """
    found = mutants_of(body, cases, **options)
    fates = {mutant.name: _fate(mutant, cases) for mutant in found}
    if not {"killed", "survives"} & set(fates.values()):
        raise AssertionError(
            f"no wrong gradient has any effect on this test: in its {len(cases)} cases no gradient "
            f"flows through the body, or through nothing but empty arrays"
        )
    lives = [name for name, fate in fates.items() if fate == "survives"]
    if lives:
        raise AssertionError(
            f"{len(lives)} of {len(found)} wrong gradients pass this test:\n"
            + "".join(f"  {name}\n" for name in lives)
            + f"Its {len(cases)} cases show too little: draw other shapes or values, or more of "
            f"them; or leave fewer properties out."
        )


def mutants_of(body: Callable[..., Any], cases: Sequence[Case], **options: Any) -> list[Mutant]:
    """Every mutation of every gradient that the body computes."""
    work = Work(body, hypothesis.strategies.nothing(), options)
    vjp = options.get("vjp")
    if vjp is not None:
        n = max((len(xs) for xs, _ in cases), default=0)
        return [
            Mutant(f"gradient {i}: {m.name}", work, input=i, mutation=m, vjp=vjp)
            for i in range(n)
            for m in MUTATIONS.values()
        ]
    return [
        Mutant(f"{op.name}, {_input(op, i)}: {m.name}", work, op, i, mutation=m)
        for op, i in _rules(body, cases)
        for m in MUTATIONS.values()
        # The sweep copies where it must; whether a shared buffer does harm depends on the graph.
        if m.name != "one buffer for every gradient"
    ]


def _input(op: Op, i: int) -> str:
    return op.inputs[i] if i < op.arity else f"input {i}"


SLOW = ("directional_derivative", "second_order")
"""The properties that take many runs of f, most of them to explain a failure."""


def _fate(mutant: Mutant, cases: Sequence[Case]) -> str:
    """One of "killed", "survives" and "harmless"; the quick properties are asked first."""
    harmful = False
    with mutant.active() as (f, options, trace):
        names = options.get("properties") or list(PROPERTIES)
        quick = {**options, "properties": [name for name in names if name not in SLOW]}
        slow = [{**options, "properties": [name]} for name in SLOW if name in names]
        for case in cases:
            trace.changed = False
            if violated(f, case, quick):
                return "killed"
            if trace.changed or not quick["properties"]:
                if any(violated(f, case, one) for one in slow):
                    return "killed"
                harmful |= trace.changed
    return "survives" if harmful else "harmless"


class _Rules(Observer):
    """Collects the rules that a graph would use: (op, input)."""

    def __init__(self) -> None:
        self.found: dict[tuple[Op, int], None] = {}

    def recorded(self, node: Node) -> None:
        """Note the inputs through which a gradient flows."""
        op = node.op
        if op is None or op is PICK or not op.vjp_kind:
            return
        for i, parent in enumerate(node.parents):
            if parent is not None and (op.vjp_kind != "per input" or op.vjps[i] is not None):
                self.found[op, i] = None


def _rules(body: Callable[..., Any], cases: Sequence[Case]) -> list[tuple[Op, int]]:
    seen = _Rules()
    with observe(seen), np.errstate(all="ignore"):
        for xs, static in cases:
            body(*(_leaf(x) for x in xs), **static)
    return [(op, i) for op, i in seen.found if not op.of_library] or list(seen.found)


def _leaf(x: Any) -> Any:
    x = x.data if isinstance(x, Tensor) else x
    floats = getattr(x, "dtype", None) is not None and x.dtype.kind in "fc"
    return Tensor(x, requires_grad=True) if floats else x
