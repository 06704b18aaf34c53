"""Fourier transforms: linear, so that each gradient is a transform, too.

With W[k, j] = e^(-2 pi i j k / n), which is symmetric:

    fft       y = s W x                 dL/dx = s W g, itself again
    ifft      y = s conj(W) x           dL/dx = s conj(W) g, itself again
    rfft      the first n//2 + 1 of fft(x), x real
    irfft     real(ifft(z)), where z repeats x[1], x[2], ... conjugated, from the end

The factor s is 1 or 1/n ("backward": 1/n in the inverse; "forward": 1/n in the transform), or
1/sqrt(n) in both ("ortho"). An axis is cut off, or filled up with zeros, to the length n.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_cnn.core.modes import default_dtype
from tinygrad_cnn.core.op import op
from tinygrad_cnn.core.tensor import Tensor, check_device, wrap
from tinygrad_cnn.errors import ConfigError, DTypeError, ShapeError
from tinygrad_cnn.ops.axes import normalize_axes, normalize_axis
from tinygrad_cnn.ops.elementwise import conj, multiply, real
from tinygrad_cnn.ops.shape import pad, roll

Axes = int | Sequence[int] | None
_INVERSE_NORM = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


@op(name="fft")
def _fft(x, /, *, n, axis, norm):
    """y = s W x"""
    return np.fft.fft(x, n, axis, norm)


@op(name="ifft")
def _ifft(x, /, *, n, axis, norm):
    """y = s conj(W) x"""
    return np.fft.ifft(x, n, axis, norm)


_fft.vjp(lambda g, _y, _x, n, axis, norm: _resize(_fft(g, n=n, axis=axis, norm=norm), axis, _x))
_ifft.vjp(lambda g, _y, _x, n, axis, norm: _resize(_ifft(g, n=n, axis=axis, norm=norm), axis, _x))


@op(name="rfft")
def _rfft(x, /, *, n, axis, norm):
    """y = s W x, its first n//2 + 1 elements"""
    return np.fft.rfft(x, n, axis, norm)


# g is that of the first half alone: fft fills it up with zeros, to the length n.
_rfft.vjp(
    lambda g, _y, _x, n, axis, norm: _resize(real(_fft(g, n=n, axis=axis, norm=norm)), axis, _x)
)


@op(name="irfft")
def _irfft(x, /, *, n, axis, norm):
    """y = s conj(W) z, real"""
    if x.shape[axis] == 0:  # NumPy would read an element that is not there
        x = np.zeros((*x.shape[:axis], 1, *x.shape[axis + 1 :]), x.dtype)
    return np.fft.irfft(x, n, axis, norm)


def _irfft_slope(g: Any, _y: Any, _x: Any, n: int, axis: int, norm: str) -> Any:
    """y = s real(sum_k w[k] x[k] conj(W)[k]), where w[k] = 2 counts x[k] and its conjugate."""
    half = n // 2 + 1
    w = np.full(half, 2, g.dtype)
    w[0] = 1
    if n % 2 == 0:
        w[-1] = 1
    along = [1] * _x.ndim
    along[axis] = half
    whole = _ifft(g, n=n, axis=axis, norm=norm)
    return _resize(multiply(whole[_first(half, axis)], w.reshape(along)), axis, _x)


_irfft.vjp(_irfft_slope)


def _first(n: int, axis: int) -> tuple[slice, ...]:
    return (slice(None),) * axis + (slice(n),)


def _resize(g: Any, axis: int, like: Any) -> Any:
    """The first elements of g along an axis, as many as `like` has, zeros where g has fewer."""
    missing = like.shape[axis] - g.shape[axis]
    if missing <= 0:
        return g[_first(like.shape[axis], axis)] if missing else g
    return pad(g, tuple((0, missing if i == axis else 0) for i in range(g.ndim)))


# -- one axis ---------------------------------------------------------------------------------


def _transform(function: Any, name: str, x: Any, n: int | None, axis: int, norm: str) -> Any:
    """A transform along one axis, its options checked; n=None takes the axis as long as it is."""
    if norm not in _INVERSE_NORM:
        raise ConfigError(f'fft.{name}: norm is "backward", "ortho" or "forward", got {norm!r}')
    if name in ("rfft", "ihfft") and x.dtype.kind == "c":
        raise DTypeError(
            f"fft.{name}: takes a real array, got {x.dtype}; fft.fft takes complex ones"
        )
    i = normalize_axis(axis, x.ndim, f"fft.{name}")
    if n is None:
        n = 2 * (x.shape[i] - 1) if name in ("irfft", "hfft") else x.shape[i]
    if n < 1:
        raise ShapeError(
            f"fft.{name}: the length n is 1 or more, got {n} (axis {axis} of {x.shape})"
        )
    return function(x, n=n, axis=i, norm=norm)


def fft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
    """y[k] = sum_j x[j] e^(-2 pi i j k / n)

    >>> fft(np.array([1.0, 0.0, 0.0])).real
    array([1., 1., 1.])
    """
    return _transform(_fft, "fft", x, n, axis, norm)


def ifft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
    """y[j] = 1/n sum_k x[k] e^(2 pi i j k / n): the inverse of fft."""
    return _transform(_ifft, "ifft", x, n, axis, norm)


def rfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
    """The first n//2 + 1 elements of fft(x), for a real x: the others are their conjugates.

    >>> rfft(np.ones(4)).real
    array([4., 0., 0.])
    """
    return _transform(_rfft, "rfft", x, n, axis, norm)


def irfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
    """The real array of length n whose rfft is x: the inverse of rfft on inputs of length n.

    n=None means an even one, 2 (m - 1), where m is the length of x.
    """
    return _transform(_irfft, "irfft", x, n, axis, norm)


def hfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
    """The fft, real, of an array whose first half is x and second half its mirror, conjugated."""
    return _transform(_irfft, "hfft", conj(x), n, axis, _INVERSE_NORM.get(norm, norm))


def ihfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
    """The inverse of hfft: the first n//2 + 1 elements of ifft(x), for a real x."""
    return conj(_transform(_rfft, "ihfft", x, n, axis, _INVERSE_NORM.get(norm, norm)))


# -- several axes: one after another ----------------------------------------------------------


def fftn(
    x: Any,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Any:
    """fft along several axes: all, the last len(s) where lengths s are given, or those named."""
    return _along(fft, x, *_lengths_and_axes(x, s, axes, "fftn"), norm)


def ifftn(
    x: Any,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Any:
    """The inverse of fftn."""
    return _along(ifft, x, *_lengths_and_axes(x, s, axes, "ifftn"), norm)


def rfftn(
    x: Any,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Any:
    """rfft along the last of several axes, then fft along the others."""
    lengths, places = _lengths_and_axes(x, s, axes, "rfftn")
    y = rfft(x, n=lengths[-1], axis=places[-1], norm=norm)
    return _along(fft, y, lengths[:-1], places[:-1], norm)


def irfftn(
    x: Any,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Any:
    """The inverse of rfftn: ifft along several axes, then irfft along the last."""
    lengths, places = _lengths_and_axes(x, s, axes, "irfftn")
    y = _along(ifft, x, lengths[:-1], places[:-1], norm)
    return irfft(y, n=None if s is None else lengths[-1], axis=places[-1], norm=norm)


def _along(
    transform: Callable[..., Any], x: Any, lengths: Sequence[int], axes: Sequence[int], norm: str
) -> Any:
    for n, axis in zip(lengths, axes, strict=True):
        x = transform(x, n=n, axis=axis, norm=norm)
    return x


def _lengths_and_axes(
    x: Any, s: Sequence[int] | None, axes: Sequence[int] | None, name: str
) -> tuple[Sequence[int], tuple[int, ...]]:
    """The length of each transform, and its axis."""
    if axes is None:
        axes = range(x.ndim) if s is None else range(x.ndim - len(s), x.ndim)
    places = normalize_axes(tuple(axes), x.ndim, f"fft.{name}")
    lengths = [x.shape[i] for i in places] if s is None else s
    if len(lengths) != len(places) or not places:
        raise ShapeError(
            f"fft.{name}: a length for each of one or more axes, got s={s}, axes={axes}"
        )
    return lengths, places


# -- frequencies ------------------------------------------------------------------------------


def fftfreq(
    n: int, /, *, d: float = 1.0, dtype: DTypeLike | None = None, device: Any = None
) -> Tensor:
    """The frequencies of fft's elements, in cycles per unit: 0, 1, ..., -2, -1 over n d.

    d is the distance between two samples.
    """
    return _frequencies(np.fft.fftfreq, "fftfreq", n, d, dtype, device)


def rfftfreq(
    n: int, /, *, d: float = 1.0, dtype: DTypeLike | None = None, device: Any = None
) -> Tensor:
    """The frequencies of rfft's elements, in cycles per unit: 0, 1, ..., n//2 over n d."""
    return _frequencies(np.fft.rfftfreq, "rfftfreq", n, d, dtype, device)


def _frequencies(
    function: Any, name: str, n: int, d: float, dtype: DTypeLike | None, device: Any
) -> Tensor:
    check_device(device, f"fft.{name}")
    if n < 1:
        raise ShapeError(f"fft.{name}: the length n is 1 or more, got {n}")
    return wrap(function(n, d).astype(default_dtype() if dtype is None else np.dtype(dtype)), None)


def fftshift(x: Any, /, *, axes: Axes = None) -> Any:
    """The zero frequency moved to the middle of each axis."""
    return _shift(x, axes, 1, "fftshift")


def ifftshift(x: Any, /, *, axes: Axes = None) -> Any:
    """The inverse of fftshift: the middle moved to the front of each axis."""
    return _shift(x, axes, -1, "ifftshift")


def _shift(x: Any, axes: Axes, sign: int, name: str) -> Any:
    places = normalize_axes(
        tuple(axes) if isinstance(axes, Sequence) else axes, x.ndim, f"fft.{name}"
    )
    return roll(x, tuple(sign * (x.shape[i] // 2) for i in places), axis=places)
