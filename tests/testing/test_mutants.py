"""Wrong gradients are found, all of them; and they are gone when they should be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core.op import REGISTRY
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.testing import mutants
from tinygrad_cnn.testing.mutants import MUTANTS, MUTATIONS, Mutant


def gradient_of_sin() -> float:
    x = tg.Tensor(np.array(0.0), requires_grad=True)
    tg.sin(x).backward()
    assert x.grad is not None
    return float(x.grad.item())


def test_the_wrong_gradient_is_there_inside_and_gone_after_an_exception() -> None:
    before = REGISTRY["sin"].vjps

    def fails() -> None:
        with mutants.mutate("sin", "factor 2"):
            assert gradient_of_sin() == 2
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert gradient_of_sin() == 1
    assert REGISTRY["sin"].vjps is before


def test_a_mutant_says_whether_it_had_an_effect() -> None:
    with mutants.mutate("sin", "transposed") as trace:
        gradient_of_sin()
        assert not trace.changed
    with mutants.mutate("sin", "sign") as trace:
        gradient_of_sin()
        assert trace.changed


@pytest.mark.parametrize(
    ("op", "mutation", "input", "message"),
    [
        ("sinus", "sign", 0, "no op 'sinus'; the nearest are sin"),
        ("conv2d", "sign", 0, "no op 'conv2d'; the nearest are conv"),
        ("qqqq", "sign", 0, "no op 'qqqq'; all are in tinygrad_cnn.core.op.REGISTRY"),
        ("sin", "sing", 0, "no mutation 'sing'; the nearest are sign"),
        ("sin", "ties all paid", 0, "those of mutants.MUTANTS are run by kill_matrix"),
        ("sin", "sign", 1, "sin has no VJP for an input 1"),
    ],
)
def test_a_mistake_in_making_a_mistake_is_told(
    op: str, mutation: str, input: int, message: str
) -> None:
    with pytest.raises(ConfigError, match=message), mutants.mutate(op, mutation, input):
        pass


def test_every_mutation_leaves_the_op_as_it_was() -> None:
    x = tg.Tensor(np.ones((2, 2)), requires_grad=True)
    for mutation in MUTATIONS:
        with mutants.mutate("multiply", mutation, 1):
            (x * x).backward(np.ones((2, 2)))
    x = tg.Tensor(np.ones((2, 2)), requires_grad=True)  # some write into what was saved
    (x * x).backward(np.ones((2, 2)))
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.data, 2 * np.ones((2, 2)))


CASES: dict[int, Any] = {}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_every_mutant_is_killed(mutant: Mutant) -> None:
    cases = CASES.setdefault(id(mutant.work), mutants.draw(mutant.work.cases, 40, seed=0))
    with mutant.active() as (f, options, _):
        assert any(mutants.violated(f, case, options) for case in cases)


@pytest.mark.parametrize("work", {id(m.work): m.work for m in MUTANTS}.values())
def test_no_right_gradient_is_killed(work: mutants.Work) -> None:
    vjp = next((m.vjp for m in MUTANTS if m.work is work and m.vjp), None)
    for case in mutants.draw(work.cases, 2 if "at" in work.options else 8, seed=1):
        options = {**work.options, **({"vjp": vjp} if vjp else {})}
        assert mutants.violated(work.f, case, options) == ()


def test_the_matrix_shows_who_killed_whom() -> None:
    chosen = [m for m in MUTANTS if m.op in ("tanh", "add")][:4]
    matrix = mutants.kill_matrix(seeds=1, examples=15, mutants=chosen)
    assert repr(matrix) == str(matrix)
    assert not matrix.survivors
    assert f"4 of {len(chosen)} mutants killed" in str(matrix)


@pytest.mark.slow
def test_all_are_killed_on_three_seeds_and_most_by_two_properties() -> None:
    matrix = mutants.kill_matrix(seeds=3, examples=100)
    assert matrix.survivors == []
    assert matrix.killed_twice >= 0.8
