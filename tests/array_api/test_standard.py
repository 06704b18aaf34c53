"""The array API standard, 2024.12: every function and method against array-api-strict.

The results must have its dtypes, shapes and values; where it refuses (it is stricter than it must
be), we may accept, and what we refuse in turn is an error of ours.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.array_api import samples

strict = pytest.importorskip("array_api_strict", reason="array-api-strict (extra `dev`) is absent")

PYTHONS_OWN = (TypeError, OverflowError)  # float(complex), operands of no type that we know
NOT_IN_2024 = {"broadcast_shapes", "isin"}


@pytest.fixture(autouse=True)
def float64_by_default() -> Iterator[None]:
    """As array-api-strict has it."""
    tg.set_default_dtype(np.float64)
    strict.set_array_api_strict_flags(api_version="2024.12")
    with np.errstate(all="ignore"):
        yield
    strict.reset_array_api_strict_flags()
    tg.set_default_dtype(np.float32)


def in_both(f: Callable[..., Any], *arrays: np.ndarray) -> None:
    """f(namespace, *arrays) gives the same with both, or an error of ours."""
    try:
        expected = f(strict, *(strict.asarray(a) for a in arrays))
    except Exception:
        with ours_or_fine():
            f(tg, *(tg.Tensor(a) for a in arrays))
        return
    try:
        actual = f(tg, *(tg.Tensor(a) for a in arrays))
    except (tg.errors.AxisError, tg.errors.ShapeError):
        assert any(a.ndim == 0 for a in arrays)  # NumPy takes axis=0 of a number, we do not
        return
    assert_same(actual, expected)


@contextmanager
def ours_or_fine() -> Iterator[None]:
    try:
        yield
    except (tg.TinygradError, *PYTHONS_OWN):
        pass


def assert_same(actual: Any, expected: Any) -> None:
    if isinstance(expected, tuple | list):
        assert len(actual) == len(expected)
        for a, b in zip(actual, expected, strict=True):
            assert_same(a, b)
    elif isinstance(actual, tg.Tensor):
        assert_same_arrays(actual.data, expected._array)
    else:
        assert type(actual).__module__ == "builtins"
        assert actual == expected


def assert_same_arrays(actual: np.ndarray, expected: np.ndarray) -> None:
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    single = expected.dtype in (np.float32, np.complex64)
    np.testing.assert_allclose(actual, expected, rtol=1e-6 if single else 1e-12, atol=1e-6)
    if expected.dtype.kind == "f":
        zero = (actual == 0) & (expected == 0)
        np.testing.assert_array_equal(np.signbit(actual[zero]), np.signbit(expected[zero]))


def expression(text: str) -> Callable[..., Any]:
    code = compile(text.strip(), text, "eval")
    return lambda xp, x=None, y=None: eval(code, {"xp": xp, "x": x, "y": y})  # noqa: S307


def statement(text: str) -> Callable[..., Any]:
    code = compile(text, text, "exec")

    def run(xp: Any, x: Any) -> Any:
        names = {"xp": xp, "x": xp.asarray(x, copy=True)}
        exec(code, names)
        return names["x"]

    return run


# -- functions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", samples.UNARY.split())
def test_a_function_of_one_array_gives_the_standards_dtypes_and_values(name: str) -> None:
    for dtype in samples.DTYPES:
        for shape in (*samples.SHAPES, (24,)):
            in_both(lambda xp, x: getattr(xp, name)(x), samples.special(dtype, shape))


@pytest.mark.parametrize("name", samples.BINARY.split())
def test_a_function_of_two_arrays_promotes_and_broadcasts(name: str) -> None:
    def f(xp: Any, x: Any, y: Any) -> Any:
        return getattr(xp, name)(x, y)

    for dtype in samples.DTYPES:
        for other in samples.DTYPES:
            for a, b in (((2, 1), (1, 3)), ((), (3,)), ((0, 3), (1,)), ((24, 1), (1, 24))):
                in_both(f, samples.special(dtype, a), samples.special(other, b, 1))


@pytest.mark.parametrize("name", samples.BINARY.split())
@pytest.mark.parametrize("number", [True, 2, 0.5, 2j, float("nan")], ids=str)
def test_pythons_numbers_yield_to_the_arrays_dtype(name: str, number: Any) -> None:
    for dtype in samples.DTYPES:
        x = samples.ordinary(dtype, (4,))
        in_both(lambda xp, x: getattr(xp, name)(x, number), x)
        in_both(lambda xp, x: getattr(xp, name)(number, x), x)


@pytest.mark.parametrize("text", [text.strip() for text in samples.OPERATORS.split(",")])
def test_an_operator_is_its_function(text: str) -> None:
    for dtype in samples.DTYPES:
        for other in samples.DTYPES:
            x, y = samples.ordinary(dtype, (2, 3)), samples.ordinary(other, (3,), 1)
            in_both(expression(text), x, y)


@pytest.mark.parametrize("name", samples.REDUCTIONS.split())
def test_a_reduction_takes_every_kind_of_axis(name: str) -> None:
    for axis in (None, 0, -1, (0, 1), (), 5):
        for keepdims in (False, True):
            for dtype in samples.DTYPES:
                for shape in samples.SHAPES:
                    in_both(
                        lambda xp, x: getattr(xp, name)(x, axis=axis, keepdims=keepdims),  # noqa: B023
                        samples.ordinary(dtype, shape),
                    )


@pytest.mark.parametrize("text", samples.CALLS)
def test_the_call_gives_what_the_standard_says(text: str) -> None:
    for dtype in samples.DTYPES:
        for shape in samples.SHAPES:
            if 0 in shape and ("irfft" in text or "hfft" in text):
                continue  # NumPy reads memory that is not the array's
            in_both(expression(text), samples.ordinary(dtype, shape))


def test_irfft_of_nothing_is_zero() -> None:
    for x in (tg.zeros(0, dtype=tg.complex64), tg.zeros((0, 2), dtype=tg.complex128)):
        np.testing.assert_array_equal(tg.fft.irfft(x, n=3, axis=0).data, 0)


@pytest.mark.parametrize("text", samples.WRITES)
def test_the_write_gives_what_the_standard_says(text: str) -> None:
    for dtype in samples.DTYPES:
        for shape in samples.SHAPES:
            in_both(statement(text), samples.ordinary(dtype, shape))


@pytest.mark.parametrize("text", samples.FROM_NOTHING)
def test_without_an_array_to_start_from_the_defaults_are_the_standards(text: str) -> None:
    in_both(expression(text))


def test_floor_divide_of_infinity_stays_infinite_where_numpy_says_nan() -> None:
    x = np.array([np.inf, -np.inf, np.inf, np.inf, 7.0])
    y = np.array([2.0, 2.0, -2.0, np.inf, 2.0])
    expected = [np.inf, -np.inf, -np.inf, np.nan, 3.0]
    np.testing.assert_array_equal(tg.floor_divide(tg.Tensor(x), y).data, expected)


# -- names and signatures ------------------------------------------------------------------------


def names_of(namespace: Any) -> list[str]:
    return [n for n in namespace.__all__ if inspect.isfunction(getattr(namespace, n))]


PLACES = [
    *(
        ("", name)
        for name in names_of(strict)
        if name not in NOT_IN_2024 and "strict_flags" not in name
    ),
    *(("linalg", name) for name in names_of(strict.linalg)),
    *(("fft", name) for name in names_of(strict.fft)),
]


@pytest.mark.parametrize(("place", "name"), PLACES)
def test_the_parameters_have_the_standards_names_kinds_and_defaults(place: str, name: str) -> None:
    theirs = getattr(getattr(strict, place) if place else strict, name)
    ours = getattr(getattr(tg, place) if place else tg, name)
    assert_compatible(inspect.signature(ours), inspect.signature(theirs))


METHODS = [
    name
    for name, thing in vars(strict.asarray(0).__class__).items()
    if inspect.isfunction(thing)
    and name.startswith("__")
    and name not in ("__init__", "__buffer__")
]


@pytest.mark.parametrize("name", [*METHODS, "to_device"])
def test_a_tensor_has_every_method_of_the_standard(name: str) -> None:
    assert callable(getattr(tg.Tensor, name))


@pytest.mark.parametrize("name", ["dtype", "device", "mT", "ndim", "shape", "size", "T"])
def test_a_tensor_has_every_attribute_of_the_standard(name: str) -> None:
    assert hasattr(tg.zeros((2, 2)), name)


def assert_compatible(ours: inspect.Signature, theirs: inspect.Signature) -> None:
    positional = [p for p in theirs.parameters.values() if p.kind is not p.KEYWORD_ONLY]
    for parameter, mine in zip(positional, ours.parameters.values(), strict=False):
        if parameter.kind is not parameter.POSITIONAL_ONLY:
            assert (mine.name, mine.kind) == (parameter.name, parameter.kind)
        assert mine.kind is not mine.KEYWORD_ONLY
    for name, parameter in theirs.parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            mine = ours.parameters[name]
            assert mine.kind in (mine.KEYWORD_ONLY, mine.POSITIONAL_OR_KEYWORD)
            if "UNDEF" not in repr(parameter.default):
                assert mine.default == parameter.default


def test_constants_and_dtypes_have_the_standards_names() -> None:
    for name in ("e", "inf", "nan", "newaxis", "pi"):
        assert hasattr(tg, name)
    for name in samples.DTYPES:
        assert tg.zeros(1, dtype=getattr(tg, name)).dtype == getattr(tg, name)
    assert tg.__array_api_version__ == "2024.12"


# -- the defaults of this library ------------------------------------------------------------------


def test_the_default_dtypes_follow_set_default_dtype() -> None:
    for real, both in ((np.float32, np.complex64), (np.float64, np.complex128)):
        tg.set_default_dtype(real)
        info = tg.__array_namespace_info__()
        assert info.default_dtypes()["real floating"] == real
        assert info.default_dtypes()["complex floating"] == both
        for made in (tg.zeros(2), tg.asarray(1.0), tg.arange(1.0), tg.linspace(0, 1, 2), tg.eye(1)):
            assert made.dtype == real
        assert tg.asarray([1j]).dtype == both
        assert tg.fft.fftfreq(4).dtype == real


# -- hypothesis' strategies ------------------------------------------------------------------------


def test_hypothesis_draws_tensors_through_the_standard_alone() -> None:
    from hypothesis import given, settings
    from hypothesis import strategies as st
    from hypothesis.extra import array_api

    xps = array_api.make_strategies_namespace(tg, api_version="2024.12")

    @settings(max_examples=60, derandomize=True)
    @given(data=st.data())
    def draw(data: Any) -> None:
        x = data.draw(xps.arrays(xps.scalar_dtypes(), xps.array_shapes(min_dims=0, min_side=0)))
        y = x[data.draw(xps.indices(x.shape, allow_newaxis=True))]
        assert isinstance(y, tg.Tensor)

    draw()


def test_a_namespace_of_something_else_is_told_apart() -> None:
    assert tg.zeros(1).__array_namespace__() is tg
    assert not hasattr(SimpleNamespace(), "__array_namespace__")
