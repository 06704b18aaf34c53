"""gradcheck accuses wrong gradients, at the elements where they are wrong, and no right ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.testing.hard_cases import HARD_RIGHT, HARD_WRONG
from tests.testing.zoo import RIGHT, WRONG, Specimen
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.testing import GradientMismatch, check_all, gradcheck, gradgradcheck
from tinygrad_cnn.testing.report import Failure, GradientReport


def accused(specimen: Specimen, seed: int) -> Failure | None:
    inputs = specimen.draw(np.random.default_rng(seed))
    try:
        gradcheck(specimen.f, *inputs, vjp=specimen.vjp, seed=seed)
    except GradientMismatch as error:
        return error.failure
    return None


def located(specimen: Specimen, failure: Failure, seed: int) -> bool:
    inputs = specimen.draw(np.random.default_rng(seed))
    assert specimen.wrong_at is not None
    assert failure.input is not None
    wrong = np.broadcast_to(specimen.wrong_at(*inputs), np.shape(inputs[failure.input]))
    return failure.input == specimen.wrong_input and all(wrong[e] for e in failure.elements)


@pytest.mark.parametrize("specimen", [*RIGHT, *HARD_RIGHT], ids=str)
def test_a_right_gradient_is_never_accused(specimen: Specimen) -> None:
    assert [seed for seed in range(3) if accused(specimen, seed)] == []


@pytest.mark.parametrize("specimen", [*WRONG, *HARD_WRONG], ids=str)
def test_a_wrong_gradient_is_caught_at_the_elements_where_it_is_wrong(specimen: Specimen) -> None:
    for seed in range(2):
        failure = accused(specimen, seed)
        assert failure is not None
        assert failure.element is not None
        assert located(specimen, failure, seed), failure


@pytest.mark.slow
@pytest.mark.parametrize("specimen", [*RIGHT, *HARD_RIGHT], ids=str)
def test_a_right_gradient_is_accused_by_no_seed(specimen: Specimen) -> None:
    assert [seed for seed in range(1000, 1200) if accused(specimen, seed)] == []


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ({"x": 1.0}, "vjp returned a dict; return a tuple of arrays"),
        ("gradient", "vjp returned a str"),
        (np.array([None, None]), "an ndarray of dtype object"),
        ((1.0, 2.0), "vjp returned 2 gradients for 1 inputs"),
        (np.ones((2, 1)), "shape (2, 1) for input 0 of shape (2,)"),
        (np.ones((3, 2)), "input 0 is broadcast, so sum over axes (0,)"),
    ],
)
def test_what_is_no_gradient_is_named(returned: Any, said: str) -> None:
    with pytest.raises(GradientMismatch) as caught:
        gradcheck(np.sin, np.ones(2), vjp=lambda g, x: returned)
    assert said in caught.value.summary


def test_a_vjp_that_raises_is_quoted() -> None:
    with pytest.raises(GradientMismatch, match="the VJP raised ZeroDivisionError"):
        gradcheck(np.sin, np.ones(2), vjp=lambda g, x: 1 / 0)


@pytest.mark.parametrize("state", [[0.0], np.random.default_rng(0)], ids=["a counter", "chance"])
def test_a_function_that_gives_another_value_each_time_is_called_none(state: Any) -> None:
    def f(x: np.ndarray) -> np.ndarray:
        if isinstance(state, list):
            state[0] += 1
            return x * state[0]
        return x * state.random()

    with pytest.raises(GradientMismatch, match="gives another value when it is run again"):
        gradcheck(f, np.ones(2), vjp=lambda g, x: (g,))


def test_what_cannot_be_told_is_said() -> None:
    report = gradcheck(np.abs, np.zeros(3), vjp=lambda g, x: (g * np.sign(x),))
    assert str(report).startswith("Not judged: ")
    assert report.kinks == ((0, (0,)), (0, (1,)), (0, (2,)))


@pytest.mark.parametrize("check", [gradcheck, check_all])
@pytest.mark.parametrize(
    "options",
    [
        *({"order": 0}, {"order": "2"}, {"directions": 0}, {"at": "corner"}, {"wrt": 3}),
        *({"seed": -1}, {"seed": None}, {"vjp": 3}),
    ],
    ids=str,
)
def test_an_option_that_means_nothing_is_refused(check: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        check(np.sin, np.ones(2), **{"vjp": lambda g, x: (g * np.cos(x),), **options})


@pytest.mark.parametrize("check", [gradcheck, check_all])
@pytest.mark.parametrize(
    ("f", "inputs", "advice"),
    [
        (lambda x: None, (np.ones(2),), "f returned nothing that holds floats, but NoneType"),
        (np.argmax, (np.ones(2),), "but int64"),
        (np.square, (np.array([1, 2]),), "pass floats"),
        (lambda: 1.0, (), "no input holds floats"),
    ],
)
def test_where_there_is_nothing_to_compare_nothing_passes(
    check: Any, f: Any, inputs: Any, advice: str
) -> None:
    with pytest.raises(ConfigError, match=advice):
        check(f, *inputs, vjp=lambda g, *inputs: inputs)


def test_finite_outputs_are_judged_beside_others() -> None:
    x = np.array([-1.0, 2.0, 0.0])
    report = gradcheck(np.log, x, vjp=lambda g, x: (g / x,))
    assert report.checks
    assert "2 of 3 outputs, which are not finite" in report.skipped
    with pytest.raises(GradientMismatch) as caught:
        check_all(np.log, x, vjp=lambda g, x: (-g / x,))
    assert caught.value.elements == ((1,),)


def test_a_bare_vjp_is_checked_to_first_order_and_the_report_says_so() -> None:
    report = gradgradcheck(np.sin, np.ones(2), vjp=lambda g, x: (g * np.cos(x),))
    assert "cannot be differentiated again" in str(report)


def test_of_many_elements_the_wrong_one_is_found_among_blocks() -> None:
    def vjp(g: Any, x: np.ndarray) -> tuple[np.ndarray]:
        G = 2 * g * x
        G[123_456] *= 1.001
        return (G,)

    with pytest.raises(GradientMismatch) as caught:
        gradcheck(lambda x: (x * x).sum(), np.linspace(1, 2, 200_000), vjp=vjp, directions=1)
    assert caught.value.elements == ((123_456,),)


def doubles_its_input(g: Any, x: Any) -> tuple[Any]:
    x *= 2
    return (g * x,)


def clears_its_upstream(g: Any, x: Any) -> tuple[Any]:
    G = 2 * g * x
    g *= 0
    return (G,)


BUFFER = np.empty(4)


def returns_its_buffer(g: Any, x: Any) -> tuple[Any]:
    return (np.multiply(2 * g, x, out=BUFFER),)


@pytest.mark.parametrize(
    ("vjp", "words"),
    [
        (doubles_its_input, "writes into input 0"),
        (clears_its_upstream, "writes into upstream gradient 0"),
        (returns_its_buffer, "changed when the VJP was called again"),
    ],
)
def test_a_right_gradient_that_spoils_the_next_one_is_refused(vjp: Any, words: str) -> None:
    with pytest.raises(GradientMismatch, match=words):
        gradcheck(np.square, np.arange(1.0, 5.0), vjp=vjp)


def test_of_a_complex_gradient_the_conjugate_is_told() -> None:
    z = np.array([1 + 2j, 0.5 - 1j])
    assert gradcheck(np.square, z, vjp=lambda g, z: (2 * g * z,)).checks
    with pytest.raises(GradientMismatch) as caught:
        gradcheck(np.square, z, vjp=lambda g, z: (2 * g * np.conj(z),))
    assert any("it is the conjugate" in hint for hint in caught.value.hints)


@pytest.mark.parametrize("reduce", [np.asarray, np.sum], ids=["each", "sum"])
@pytest.mark.parametrize("steep", [1e-8, 1e-6, 1e-3])
def test_beside_a_steep_element_of_many_a_wrong_one_is_found(reduce: Any, steep: float) -> None:
    def vjp(g: Any, x: np.ndarray) -> tuple[np.ndarray]:
        G = -g / x**2
        G[7] *= 1.01
        return (G,)

    x = np.linspace(1, 2, 24)
    x[3] = steep
    gradcheck(lambda x: reduce(1 / x), x, vjp=lambda g, x: (-g / x**2,))
    with pytest.raises(GradientMismatch) as caught:
        gradcheck(lambda x: reduce(1 / x), x, vjp=vjp)
    assert caught.value.elements == ((7,),)


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (tg.tanh, [0.0, 2.1419441080390423e173, 2.1419441080390423e173]),
        (tg.sigmoid, [3.689348814741928e19, 0.0]),
        (tg.relu, [4.189e-101, 1.696e223]),
        (tg.softplus, [4.189e-101, 1.696e223]),
    ],
)
def test_beside_huge_elements_no_small_one_is_accused(f: Any, x: list[float]) -> None:
    for seed in range(4):
        gradcheck(f, np.array(x), seed=seed)


@pytest.mark.parametrize("scale", [1e-290, 1e-200, 1e-30, 1e200, 1e290])
def test_of_tiny_and_huge_numbers_a_wrong_gradient_is_found(scale: float) -> None:
    x = np.array([0.5, 2.0])

    def outputs(sign: int) -> GradientReport:
        vjp = lambda g, x: (sign * g * scale * np.cos(x),)  # noqa: E731
        return gradcheck(lambda x: scale * np.sin(x), x, vjp=vjp)

    def inputs(sign: int) -> GradientReport:
        vjp = lambda g, x: (sign * g * np.cos(x / scale) / scale,)  # noqa: E731
        return gradcheck(lambda x: np.sin(x / scale), scale * x, vjp=vjp)

    for check in (outputs, inputs):
        assert check(1).checks
        with pytest.raises(GradientMismatch) as caught:
            check(-1)
        assert set(caught.value.elements) == {(0,), (1,)}


@pytest.mark.parametrize("scale", [1e-307, 1e-305, 1e-300, 1e300])
def test_at_the_ends_of_the_numbers_nothing_right_is_accused(scale: float) -> None:
    x = np.array([0.5, 2.0])
    gradcheck(lambda x: scale * np.sin(x), x, vjp=lambda g, x: (g * scale * np.cos(x),))
    gradcheck(
        lambda x: np.sin(x / scale), scale * x, vjp=lambda g, x: (g * np.cos(x / scale) / scale,)
    )


class _Accumulates:
    """A gradient buffer that nobody clears."""

    def __init__(self) -> None:
        self.sum = np.zeros(3)

    def vjp(self, g: np.ndarray, x: np.ndarray) -> tuple[np.ndarray]:
        self.sum += g * np.cos(x)
        return (self.sum.copy(),)


@pytest.mark.parametrize("directions", [1, 3])
def test_a_gradient_that_changes_from_run_to_run_is_told(directions: int) -> None:
    rng = np.random.default_rng(0)
    for vjp in (
        _Accumulates().vjp,
        lambda g, x: (g * np.cos(x) * rng.random(x.shape),),
        lambda g, x: (g * np.cos(x) * (1 + 0.01 * rng.random(x.shape)),),
    ):
        with pytest.raises(GradientMismatch, match="is another one when it is computed again"):
            gradcheck(np.sin, np.array([0.5, 1.0, 2.0]), vjp=vjp, directions=directions)


@tg.op
def _numpy_in_its_vjp(x: Any, /) -> Any:
    return np.exp(x)


_numpy_in_its_vjp.vjp(lambda g, y, x: g * np.asarray(np.exp(np.asarray(x))))


@tg.op
def _shapes_in_its_vjp(x: Any, /) -> Any:
    return np.exp(x)


_shapes_in_its_vjp.vjp(lambda g, y, x: g @ y @ y)


@pytest.mark.parametrize("check", [check_all, gradgradcheck])
def test_a_vjp_that_takes_no_tensors_is_told_where_second_derivatives_are(check: Any) -> None:
    with pytest.raises(GradientMismatch, match=r"second_order: the VJP raised .* given Tensors"):
        check(_numpy_in_its_vjp, np.ones((3, 4)))


def test_what_a_vjp_raises_at_first_order_is_not_lost_at_the_second() -> None:
    with pytest.raises(GradientMismatch, match="directional_derivative: the VJP raised"):
        check_all(_shapes_in_its_vjp, np.ones((3, 4)))


@pytest.mark.parametrize(("n", "unseen"), [(2, "1 element is"), (30, "29 elements are")])
def test_elements_too_small_to_be_seen_are_counted_however_few(n: int, unseen: str) -> None:
    def vjp(g: Any, x: np.ndarray) -> tuple[np.ndarray]:
        G = g * np.exp(x)
        G[1:] *= 5
        return (G,)

    x = np.linspace(-3, 1, n)
    x[0] = 50
    skipped = gradcheck(lambda x: np.exp(x).sum(), x, vjp=vjp).skipped
    assert skipped == (f"input 0: {unseen} too small to be seen beside others",)
    assert not gradcheck(lambda x: np.exp(x), x, vjp=lambda g, x: (g * np.exp(x),)).skipped
