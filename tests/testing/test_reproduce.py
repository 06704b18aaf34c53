"""The reproducer that a failure prints: pasted into another Python, it fails in the same way."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.testing import GradientMismatch, check_all, gradcheck, gradgradcheck
from tinygrad_cnn.testing.report import Failure

ROOT = Path(__file__).parents[2]
WEIGHTS = np.array([1.0, 2.0, 3.0])
SCALE = 1.5
RANDOM = np.random.default_rng(1)


def helper(x: Any) -> Any:
    return SCALE * x


def of_a_closure(weights: np.ndarray, power: int) -> Callable[..., Any]:
    def f(x: Any) -> Any:
        return (weights * x**power).sum()

    return f


def in_a_comprehension(x: Any) -> Any:
    return np.array([helper(v) for v in x])


@tg.op(name="reproduced")
def reproduced(x: Any) -> Any:
    return x * x


reproduced.vjp(lambda g, y, x: helper(g * x))


@tg.op(name="reproduced_detached")
def detached(x: Any) -> Any:
    return x**3


detached.vjp(lambda g, _y, x: g * (3 * np.square(x.data if isinstance(x, tg.Tensor) else x)))


def failure(check: Callable[..., Any], *args: Any, **options: Any) -> Failure:
    with pytest.raises(GradientMismatch) as caught:
        check(*args, **options)
    return caught.value.failure


def twice(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda g, *xs: tuple(2 * G for G in f(g, *xs))


def failures() -> list[Failure]:
    x = np.array([0.5, -1.5, 2.0])
    k = 3.0
    offset, names = np.float32(2), {"a": [1.0, (2.0,)], "b": slice(1, 2)}
    return [
        failure(gradcheck, np.sin, x, vjp=lambda g, x: (g * np.sin(x),)),
        failure(gradcheck, lambda x: k * x, x, vjp=lambda g, x, k=k: (2 * k * g,)),
        failure(gradcheck, of_a_closure(WEIGHTS, 3), x, vjp=lambda g, x: (0 * x,)),
        failure(gradcheck, in_a_comprehension, x, vjp=lambda g, x: (SCALE * x,)),
        failure(
            gradcheck,
            functools.partial(np.multiply, 2.0),
            x,
            vjp=twice(lambda g, x: (2 * g,)),
        ),
        failure(
            gradcheck,
            lambda x: x * names["a"][1][0] + offset,
            x,
            vjp=lambda g, x: (g * names["a"][0],),
        ),
        failure(gradcheck, lambda x: tg.sum(tg.exp(reproduced(x))), x),
        failure(gradgradcheck, lambda x: tg.tanh(detached(x)), x),
        failure(gradcheck, lambda x, n: x**n, x, 3, vjp=lambda g, x, n: (g * x, None)),
        failure(gradcheck, np.square, np.arange(400.0).reshape(20, 20), vjp=lambda g, x: (g * x,)),
        failure(
            gradcheck, np.tanh, np.array([np.inf, 1.0]), vjp=lambda g, x: (g / 9,), directions=1
        ),
        failure(
            gradcheck,
            lambda x: np.maximum(x, 0),
            np.zeros(2),
            at="kink",
            vjp=lambda g, x: (-g * (x <= 0),),
        ),
        failure(gradcheck, lambda x: x * RANDOM.random(), x, vjp=lambda g, x: (g,)),
        failure(check_all, reproduced, x, properties=["directional_derivative"]),
        failure(
            check_all,
            np.square,
            x,
            vjp=lambda g, x: (2 * g * x + 1,),
            properties=["linearity"],
        ),
    ]


PASTE = """
import json, sys
from tinygrad_cnn.testing import GradientMismatch
told = []
for script in json.load(sys.stdin):
    try:
        exec(compile(script, "<pasted>", "exec"), {})
        told.append(["it passes"])
    except GradientMismatch as error:
        told.append([error.name, error.input, error.element, repr(error.numeric)])
    except Exception as error:
        told.append([script, repr(error)])
print(json.dumps(told))
"""


def test_pasted_elsewhere_it_fails_in_the_same_way() -> None:
    found = failures()
    scripts = json.dumps([f.reproducer for f in found])
    run = subprocess.run(
        [sys.executable, "-c", PASTE], input=scripts, capture_output=True, text=True, cwd=ROOT
    )
    assert run.returncode == 0, run.stderr
    expected = json.dumps([[f.name, f.input, f.element, repr(f.numeric)] for f in found])
    assert json.loads(run.stdout) == json.loads(expected)


def test_what_has_no_source_is_left_for_the_reader_to_fill_in() -> None:
    made: dict[str, Any] = {}
    exec("def f(x): return x * x", made)
    told = failure(gradcheck, made["f"], np.ones(2), vjp=lambda g, x: (g * x,)).reproducer
    assert "f = ...  # TO FILL IN: f (<string>:1): its source is not at hand" in told
    compile(told, "<pasted>", "exec")


def test_an_object_with_a_state_is_left_for_the_reader_to_fill_in() -> None:
    lock = threading.Lock()
    told = failure(
        gradcheck, lambda x: x * x, np.ones(2), vjp=lambda g, x: (g * x, lock)[:1]
    ).reproducer
    assert "lock = ...  # TO FILL IN: a lock" in told
    compile(told, "<pasted>", "exec")


class Model:
    """With a state, a method, its gradient, and a __call__."""

    def __init__(self, scale: float = 2.0) -> None:
        self.scale = scale

    def __call__(self, x: Any) -> Any:
        return self.scale * x

    def vjp(self, g: Any, x: Any) -> Any:
        return (g,)

    def __repr__(self) -> str:
        return f"Model(\n  scale={self.scale}\n)"


def test_a_method_and_a_callable_object_are_those_of_one_object_to_fill_in() -> None:
    model = Model()
    of_call = failure(gradcheck, model, np.ones(2), vjp=model.vjp).reproducer
    of_method = failure(gradcheck, model.__call__, np.ones(2), vjp=model.vjp).reproducer
    assert f"from {__name__} import Model" in of_call
    assert "f = Model()  # TO FILL IN: the state of Model( scale=2.0 )" in of_call
    assert "gradcheck(f, x0, vjp=f.vjp, seed=0)" in of_call
    assert "f_of = Model()  # TO FILL IN" in of_method
    assert "gradcheck(f_of.__call__, x0, vjp=f_of.vjp, seed=0)" in of_method
    for told in (of_call, of_method):
        with pytest.raises(GradientMismatch):
            exec(compile(told, "<pasted>", "exec"), {})


def test_an_object_of_a_class_that_cannot_be_imported_is_named() -> None:
    class Local(Model):
        pass

    told = failure(gradcheck, Local(), np.ones(2), vjp=lambda g, x: (g,)).reproducer
    assert f"f = ...  # TO FILL IN: a Local of {__name__}, Model( scale=2.0 ): its state" in told


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_a_generator_goes_on_where_it_stood(kind: str) -> None:
    noise = np.random.Generator(getattr(np.random, kind)(3))
    noise.standard_normal(7)
    told = failure(
        gradcheck, lambda x: x * x, np.ones(2), vjp=lambda g, x: (g * x, noise)[:1]
    ).reproducer
    pasted: dict[str, Any] = {}
    definitions = told[: told.index("\ngradcheck(")]
    exec(compile(definitions, "<pasted>", "exec"), pasted)
    np.testing.assert_array_equal(pasted["noise"].random(9), noise.random(9))


class OfMine(np.random.PCG64):
    """Whose stream nobody else knows."""


def test_a_generator_of_an_unknown_kind_is_left_to_fill_in() -> None:
    noise = np.random.Generator(OfMine(0))
    told = failure(
        gradcheck, lambda x: x * x, np.ones(2), vjp=lambda g, x: (g * x, noise)[:1]
    ).reproducer
    assert "noise = ...  # TO FILL IN: a Generator of OfMine" in told


def test_a_source_that_has_changed_since_is_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "edited.py"
    path.write_text("\n" * 50 + "def f(x):\n    return x * x\n")
    made: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), made)
    path.write_text("short = 1\n")
    told = failure(gradcheck, made["f"], np.ones(2), vjp=lambda g, x: (g * x,)).reproducer
    assert "TO FILL IN" in told
