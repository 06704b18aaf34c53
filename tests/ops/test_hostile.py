"""What a hostile user hands to every function and layer leaves as an error of ours, or is taken.

The message of each names the function, what arrived, and what is wrong; no AttributeError or
IndexError comes out of the inside.
"""

from __future__ import annotations

import inspect
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.cases import CASES
from tests.oracle import Case, Seeded, differentiable
from tinygrad_cnn import Tensor, nn, ops
from tinygrad_cnn.core import Op
from tinygrad_cnn.errors import AxisError, DTypeError, IndexingError, ShapeError, TinygradError
from tinygrad_cnn.nn import functional as F

INPUTS = [
    "abc",
    None,
    {},
    [[1.0, 2.0], [3.0]],
    [1.0, 2.0, 3.0],
    [],
    2.5,
    np.zeros((2, 1, 4, 1, 1, 3)),
    np.array([1, 2, 3]),
    np.ones(3) * 1j,
]
OPTIONS = ["abc", None, 7.5, -99, 99, (9, 9, 9, 9, 9), {}, np.zeros(3)]
PUBLIC = {
    name
    for space in (ops, tg.linalg, tg.fft)
    for name in space.__all__
    if callable(getattr(space, name))
}
PUBLIC_CASES = [case for case in CASES if case.name in PUBLIC]
HERE = str(Path(__file__).parents[1])


def attempt(f: Any, *args: Any, **options: Any) -> None:
    """Call it; any error must be ours, or have arisen in the tests themselves."""
    try:
        with np.errstate(all="ignore"):
            f(*args, **options)
    except TinygradError:
        return
    except Exception as error:
        innermost = traceback.extract_tb(error.__traceback__)[-1].filename
        if not innermost.startswith(HERE):
            raise


def as_tensors(xs: list[Any]) -> list[Any]:
    return [Tensor(x, requires_grad=True) if differentiable(x) else x for x in xs]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", PUBLIC_CASES, ids=str)
def test_no_input_or_option_makes_a_function_fail_from_inside(case: Case) -> None:
    xs, options = case.draw(Seeded(1))
    for i in range(len(xs)):
        for hostile in INPUTS:
            attempt(case.f, *xs[:i], hostile, *xs[i + 1 :], **options)
    recorded = as_tensors(xs)
    for name in options:
        for hostile in OPTIONS:
            attempt(case.f, *recorded, **{**options, name: hostile})


def layers() -> list[Any]:
    return [
        nn.Linear(2, 3),
        nn.Conv2d(2, 3, 2),
        nn.ConvTranspose1d(2, 3, 2),
        nn.MaxPool2d(2),
        nn.AvgPool3d(2),
        nn.LPPool2d(2, 2),
        nn.AdaptiveMaxPool2d(2),
        nn.BatchNorm2d(3),
        nn.InstanceNorm1d(3),
        nn.LayerNorm(3),
        nn.GroupNorm(1, 3),
        nn.Dropout(0.5),
        nn.Dropout2d(0.5),
        nn.PReLU(3),
        nn.GLU(),
        nn.Softplus(),
        nn.Embedding(3, 2),
        nn.Flatten(),
        nn.Unflatten(1, (2, 2)),
        nn.Upsample(2),
        nn.PixelShuffle(2),
        nn.ZeroPad2d(1),
        nn.ReflectionPad1d(1),
        nn.SqueezeExcitation(4, 2),
    ]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("layer", layers(), ids=lambda layer: type(layer).__name__)
def test_no_input_makes_a_layer_fail_from_inside(layer: nn.Module) -> None:
    for hostile in INPUTS:
        attempt(layer, hostile)


X = np.ones((2, 3))


@pytest.mark.parametrize(
    ("call", "kind", "parts"),
    [
        (lambda: tg.var("abc"), DTypeError, ["var: x must be", "str 'abc'", "var(x, /, *, axis="]),
        (lambda: tg.var(None), DTypeError, ["var: x must be", "got None"]),
        (lambda: tg.var([[1], [2, 3]]), ShapeError, ["var: x", "equal lengths", "[2, 3]"]),
        (lambda: tg.var(X, axis="a"), DTypeError, ["var", "an axis is an integer", "'a'"]),
        (lambda: tg.var(X, axis=5), AxisError, ["var", "2 axes", "axis=5"]),
        (lambda: tg.var(X, axs=1), DTypeError, ["var", "axs", "correction=0.0"]),
        (lambda: tg.sum(X, axs=1), TypeError, ["sum", "did you mean 'axis'"]),
        (lambda: tg.sum(None), DTypeError, ["sum: x must be", "got None"]),
        (lambda: tg.sum(), TypeError, ["sum: input 'x'", "is missing"]),
        (lambda: tg.concat([X, None]), DTypeError, ["concat: array 1 must be", "got None"]),
        (lambda: tg.concat([]), ShapeError, ["concat", "at least one"]),
        (lambda: tg.stack([X, 3]), ShapeError, ["stack", "one shape", "(2, 3)"]),
        (lambda: tg.matrix_transpose(3), ShapeError, ["matrix_transpose", "2 axes", "()"]),
        (lambda: tg.silu("a"), DTypeError, ["silu: x must be", "str 'a'"]),
        (lambda: tg.silu(np.array(["a"])), TinygradError, ["silu", "<U1"]),
        (lambda: tg.add(X, np.ones(4)), ShapeError, ["add", "from the right", "(2, 3)", "(4,)"]),
        (lambda: tg.conv2d(X, X), ShapeError, ["conv2d", "(N, C, H, W)", "(2, 3)"]),
        (lambda: F.conv2d("a", X), DTypeError, ["conv2d: x must be", "str 'a'"]),
        (lambda: F.mse_loss(X, [1, 2]), ShapeError, ["mse_loss", "one shape", "(2, 3)", "(2,)"]),
        (lambda: F.pad("a", (1, 1)), DTypeError, ["pad: x must be", "str 'a'"]),
        (lambda: F.embedding([3], X), IndexingError, ["embedding", "0..1", "3..3"]),
        (lambda: F.cross_entropy(X, [0, 7]), ShapeError, ["cross_entropy", "0..2", "got 7"]),
        (lambda: F.gelu(X, "fast"), ValueError, ["gelu", '"tanh"', "'fast'"]),
        (lambda: F.mse_loss(X, X, "max"), ValueError, ["mse_loss", '"mean"', "'max'"]),
        (lambda: tg.linalg.inv("a"), DTypeError, ["inv: x must be", "str 'a'"]),
        (lambda: tg.fft.fft(X, n="a"), TinygradError, ["fft", "'a'"]),
        (
            lambda: tg.max_pool2d(np.ones((1, 1, 4, 4)), kernel=2),
            DTypeError,
            ["max_pool2d", "kernel", "max_pool2d(x, *, kernel_size, stride=None"],
        ),
        (
            lambda: tg.max_pool2d(np.ones((1, 1, 4, 4)), kernel_size=2, padding=2),
            ValueError,
            ["max_pool2d", "at most half the kernel", "(2, 2)"],
        ),
    ],
)
def test_a_mistake_is_told_by_name_with_what_arrived(
    call: Any, kind: type[Exception], parts: list[str]
) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert [part for part in parts if part not in str(caught.value)] == []


def test_lists_and_numbers_are_taken_for_arrays_of_the_default_dtypes() -> None:
    assert tg.var([1.0, 3.0]).dtype == np.float32
    assert float(tg.var([1.0, 3.0])) == 1.0
    assert tg.exp([0.0, 0.0]).tolist() == [1.0, 1.0]
    assert tg.mish(0.0).shape == ()
    assert tg.stack([[1, 2], [3, 4]]).dtype == np.int64
    assert tg.linalg.inv([[2.0, 0.0], [0.0, 4.0]]).tolist() == [[0.5, 0.0], [0.0, 0.25]]
    loss = F.cross_entropy(Tensor([[0.0, 0.0]]), [1], weight=[1.0, 3.0])
    np.testing.assert_allclose(float(loss), np.log(2), rtol=1e-6)


def test_a_number_beside_a_double_keeps_its_digits() -> None:
    x = np.array([1.0, 2.0])
    np.testing.assert_array_equal(tg.clip(x, 0.1 + 1, 1.7), np.clip(x, 0.1 + 1, 1.7))
    np.testing.assert_array_equal(tg.quantile(x, 0.1), [1.1])


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_function_shows_its_signature_and_keeps_its_name(name: str) -> None:
    f = next(getattr(s, name) for s in (ops, tg.linalg, tg.fft) if hasattr(s, name))
    if isinstance(f, Op) or inspect.isclass(f) or not inspect.isfunction(f):
        return
    assert f.__name__ == name
    kinds = {p.kind for p in inspect.signature(f).parameters.values()}
    assert inspect.Parameter.VAR_KEYWORD not in kinds
