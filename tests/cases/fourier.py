"""Fourier transforms, and the other functions of complex numbers: seen through real ones.

A complex input is made of two real ones, and a complex output is taken apart into two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.cases.table import case
from tests.oracle import Draw, Sample, torch
from tinygrad_cnn import fft, ops


def joined(*parts: Any) -> Any:
    """re + i im, or the real array alone."""
    return parts[0] if len(parts) == 1 else parts[0] + parts[1] * 1j


def apart(y: Any) -> Any:
    return ops.stack([ops.real(y), ops.imag(y)]) if y.dtype.kind == "c" else y


def torch_apart(y: Any) -> Any:
    return torch.stack([y.real, y.imag]) if y.is_complex() else y


def complex_case(label: str, f: Any, torch_f: Any, draw: Callable[[Draw], Sample]) -> Any:
    return case(
        label,
        draw,
        lambda *parts, **options: apart(f(joined(*parts), **options)),
        torch_f and (lambda *parts, **options: torch_apart(torch_f(joined(*parts), **options))),
    )


def one_axis(parts: int, shortest: int = 1) -> Callable[[Draw], Sample]:
    """A length that cuts, fills up or fits; any axis; any norm."""

    def draw(d: Draw) -> Sample:
        shape = list(d.shape(1, 3, empty=False))
        axis = d.axis(len(shape))
        shape[axis] = d.int(shortest, 5)
        options = {"n": d.of(None, 1, 2, 3, 4, 7), "axis": axis, "norm": norm(d)}
        return [d.real(*shape) for _ in range(parts)], options

    return draw


def several_axes(parts: int) -> Callable[[Draw], Sample]:
    def draw(d: Draw) -> Sample:
        shape = tuple(d.int(2, 4) for _ in range(d.int(2, 3)))
        lengths = d.of(None, (2, 5))
        axes = d.of(None, (-1, 0), (0, 1), (1,) if lengths is None else (0, -1))
        options = {"s": lengths, "axes": axes, "norm": norm(d)}
        return [d.real(*shape) for _ in range(parts)], options

    return draw


def norm(d: Draw) -> Any:
    return d.of("backward", "ortho", "forward")


def torch_fft(name: str) -> Callable[..., Any]:
    """PyTorch's transform, which says `dim` and is found when it is called."""

    def f(x: Any, **options: Any) -> Any:
        along = {"dim" if key in ("axis", "axes") else key: value for key, value in options.items()}
        return getattr(torch.fft, name)(x, **along)

    return f


def transform(name: str, draw: Callable[[Draw], Sample]) -> Any:
    return complex_case(name, getattr(fft, name), torch_fft(name), draw)


def shifted(d: Draw) -> Sample:
    shape = d.shape(1, 3)
    return [d.real(*shape), d.real(*shape)], {"axes": d.of(None, 0, -1, (0,))}


def complex_pair(d: Draw) -> Sample:
    """Complex numbers away from 0, and from the cuts along the real axis."""
    shape = d.shape()
    return [d.away(*shape), d.away(*shape)], {}


def by_name(name: str, torch_name: str | None = None) -> Any:
    return complex_case(
        f"{name} of complex numbers",
        getattr(ops, name),
        lambda z: getattr(torch, torch_name or name)(z),
        complex_pair,
    )


CASES = [
    transform("fft", one_axis(2)),
    transform("fft", one_axis(1)),
    transform("ifft", one_axis(2)),
    transform("rfft", one_axis(1)),
    transform("irfft", one_axis(2, shortest=2)),
    transform("hfft", one_axis(2, shortest=2)),
    transform("ihfft", one_axis(1)),
    transform("fftn", several_axes(2)),
    transform("ifftn", several_axes(2)),
    transform("rfftn", several_axes(1)),
    transform("irfftn", several_axes(2)),
    transform("fftshift", shifted),
    transform("ifftshift", shifted),
    by_name("abs"),
    by_name("sign", "sgn"),
    by_name("conj"),
    by_name("exp"),
    by_name("log"),
    by_name("sqrt"),
    by_name("sin"),
    by_name("tanh"),
    by_name("reciprocal"),
    by_name("square"),
    by_name("expm1"),
    by_name("asinh"),
    by_name("atan"),
]
