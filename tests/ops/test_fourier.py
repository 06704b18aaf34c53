"""Fourier transforms: NumPy's names for them, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import errors, fft

COMPLEX_INPUT = (
    *("fft", "ifft", "irfft", "hfft", "fftn", "ifftn", "irfftn"),
    *("fft2", "ifft2", "irfft2"),
)
REAL_INPUT = ("rfft", "ihfft", "rfftn", "rfft2", "fftshift", "ifftshift")


@pytest.mark.parametrize("name", [*COMPLEX_INPUT, *REAL_INPUT])
def test_numpys_transform_of_a_tensor_records_and_has_numpys_values(name: str) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4))
    x = x + 0j if name in COMPLEX_INPUT else x
    y = getattr(np.fft, name)(tg.Tensor(x, requires_grad=True))
    assert y.requires_grad
    np.testing.assert_allclose(y.data, getattr(np.fft, name)(x), atol=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: fft.fft(x, norm="none"), errors.ConfigError, '"backward", "ortho"'),
        (lambda x: fft.rfft(x + 0j), errors.DTypeError, "fft.fft takes complex ones"),
        (lambda x: fft.fft(x, n=0), errors.ShapeError, "n is 1 or more, got 0"),
        (lambda x: fft.fft(x, axis=2), errors.AxisError, "fft.fft: an input of 2 axes"),
        (lambda x: fft.fftn(x, s=(2,), axes=(0, 1)), errors.ShapeError, "a length for each"),
        (lambda x: fft.fftfreq(0), errors.ShapeError, "fft.fftfreq: the length n"),
        (lambda x: fft.rfftfreq(4, device="gpu"), errors.ConfigError, '"cpu", got'),
    ],
)
def test_a_wrong_option_is_answered_with_the_rule(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call(tg.ones((2, 3)))


@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
@pytest.mark.parametrize("n", [4, 5])
def test_every_transform_undoes_its_inverse(norm: str, n: int) -> None:
    x = tg.Tensor(np.random.default_rng(0).normal(size=(n, n)))
    round_trips = [
        fft.ifft(fft.fft(x, norm=norm), norm=norm),
        fft.irfft(fft.rfft(x, norm=norm), n=n, norm=norm),
        fft.ifftn(fft.fftn(x, norm=norm), norm=norm),
        fft.irfftn(fft.rfftn(x, norm=norm), s=(n, n), norm=norm),
        fft.hfft(fft.ihfft(x, norm=norm), n=n, norm=norm),
        fft.ifftshift(fft.fftshift(x)),
    ]
    for back in round_trips:
        np.testing.assert_allclose(back.data, x.data, atol=1e-12)


@pytest.mark.parametrize(
    "function",
    [np.nonzero, np.argwhere, np.flatnonzero, np.isreal, np.isposinf],
    ids=lambda f: f.__name__,
)
def test_numpys_functions_with_integer_answers_take_tensors_that_require_gradients(
    function: Any,
) -> None:
    x = tg.Tensor([[0.0, 1.0], [2.0, 0.0]], requires_grad=True)
    answers = function(x)
    for y in answers if isinstance(answers, tuple) else (answers,):
        assert isinstance(y, tg.Tensor)
        assert not y.requires_grad
