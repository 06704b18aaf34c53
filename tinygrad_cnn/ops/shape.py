"""The same numbers in another arrangement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from tinygrad_cnn.core.op import op
from tinygrad_cnn.core.tensor import Tensor, another_name
from tinygrad_cnn.errors import ConfigError, ShapeError
from tinygrad_cnn.ops.axes import Axis, normalize_axes, normalize_axis

Shape = tuple[int, ...]


@op
def reshape(x, /, shape, *, copy=None):
    """The same elements, in row-major order, in another shape; one length may be -1."""
    shape = (shape,) if np.ndim(shape) == 0 else tuple(shape)
    x = np.asarray(x)
    known = math.prod(n for n in shape if n != -1)
    fits = x.size == known if -1 not in shape else known > 0 and x.size % known == 0
    if shape.count(-1) > 1 or not fits:
        raise ShapeError(
            f"reshape: {x.size} elements (shape {x.shape}) do not fill shape {shape}; "
            f"the lengths must multiply to {x.size}, one of them may be -1"
        )
    y = np.reshape(x, shape)
    return y.copy() if copy else y


reshape.vjp(lambda g, _y, _x, **_: reshape(g, _x.shape))


@op
def permute_dims(x, /, axes):
    """y[i_axes[0], i_axes[1], ...] = x[i_0, i_1, ...]: the axes of x in the order `axes`."""
    order = normalize_axes(tuple(axes), np.ndim(x), "permute_dims")
    if len(order) != np.ndim(x):
        raise ShapeError(
            f"permute_dims: names each of the {np.ndim(x)} axes once, got axes={tuple(axes)}"
        )
    return np.transpose(x, order)


permute_dims.vjp(
    lambda g, _y, _x, axes: permute_dims(g, tuple(np.argsort([a % _x.ndim for a in axes])))
)


def matrix_transpose(x: Any, /) -> Any:
    """The last two axes swapped."""
    if x.ndim < 2:
        raise ShapeError(f"matrix_transpose: needs at least 2 axes, got shape {x.shape}")
    return permute_dims(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def moveaxis(x: Any, source: Axis, destination: Axis, /) -> Any:
    """The axes `source` moved to the places `destination`; the others keep their order."""
    sources = normalize_axes(source, x.ndim, "moveaxis")
    places = normalize_axes(destination, x.ndim, "moveaxis")
    if len(sources) != len(places):
        raise ShapeError(f"moveaxis: as many sources as destinations, got {source}, {destination}")
    order = [a for a in range(x.ndim) if a not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return permute_dims(x, tuple(order))


def expand_dims(x: Any, /, axis: Axis = 0) -> Any:
    """New axes of length 1, at the places `axis` of the result."""
    places = tuple(axis) if isinstance(axis, Sequence) else () if axis is None else (axis,)
    new = normalize_axes(places, x.ndim + len(places), "expand_dims")
    lengths = iter(x.shape)
    return reshape(x, tuple(1 if i in new else next(lengths) for i in range(x.ndim + len(new))))


def squeeze(x: Any, /, axis: Axis) -> Any:
    """Without the axes named, each of length 1."""
    axes = normalize_axes(axis, x.ndim, "squeeze")
    for i in axes:
        if x.shape[i] != 1:
            raise ShapeError(f"squeeze: axis {i} of shape {x.shape} has length {x.shape[i]}, not 1")
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in axes))


def flatten(x: Any, /, *, start_axis: int = 0) -> Any:
    """One axis in place of all from `start_axis` on."""
    start = normalize_axis(start_axis, x.ndim, "flatten") if x.ndim else 0
    return reshape(x, (*x.shape[:start], math.prod(x.shape[start:])))


@op
def broadcast_to(x, /, shape):
    """x repeated along new leading axes and along its axes of length 1."""
    try:
        return np.broadcast_to(x, shape)
    except ValueError:
        raise ShapeError(
            f"broadcast_to: shape {np.shape(x)} does not broadcast to {tuple(shape)}; its axes, "
            f"counted from the right, must be equal to the target's or 1"
        ) from None


broadcast_to.vjp(lambda g, _y, _x, shape: g)  # the sweep sums it back to the shape of x


@op
def sum_to(x, /, shape):
    """The transpose of broadcast_to: x summed over the axes along which `shape` was repeated."""
    x = np.asarray(x)
    lead = x.ndim - len(shape)
    stretched = tuple(
        lead + i for i, n in enumerate(shape) if lead >= 0 and n == 1 != x.shape[lead + i]
    )
    fits = lead >= 0 and all(n in (1, x.shape[lead + i]) for i, n in enumerate(shape))
    if not fits:
        raise ShapeError(f"sum_to: shape {tuple(shape)} does not broadcast to {x.shape}")
    y = np.sum(x, axis=(*range(lead), *stretched), keepdims=True)
    return np.reshape(y, shape)


sum_to.vjp(lambda g, _y, _x, shape: broadcast_to(g, _x.shape))


def broadcast_arrays(*arrays: Any) -> list[Any]:
    """All of them in their common broadcast shape."""
    shapes = [a.shape for a in arrays]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(
            f"broadcast_arrays: the axes, counted from the right, must be equal or 1, got shapes "
            f"{', '.join(map(str, shapes))}"
        ) from None
    return [another_name(a) if a.shape == shape else broadcast_to(a, shape) for a in arrays]


@op
def _concat(*xs, axis):
    """The arrays one after another along `axis`."""
    axis = normalize_axis(axis, np.ndim(xs[0]), "concat")
    shapes = [np.shape(x) for x in xs]
    rest = {(*s[:axis], *s[axis + 1 :]) for s in shapes}
    if len(rest) > 1:
        raise ShapeError(
            f"concat: shapes must be equal but along axis {axis}, got {', '.join(map(str, shapes))}"
        )
    return np.concatenate(xs, axis=axis)


def _own_parts(g: Any, _y: Any, *_xs: Any, axis: int) -> tuple[Any, ...]:
    """The part of g that belongs to each input, at once: their ends are one running sum."""
    axis %= _xs[0].ndim
    before = (slice(None),) * axis
    lengths = [x.shape[axis] for x in _xs]
    ends = accumulate(lengths)
    return tuple(g[(*before, slice(end - n, end))] for n, end in zip(lengths, ends, strict=True))


_concat.vjp_joint(_own_parts)


def concat(arrays: Sequence[Any], /, *, axis: int | None = 0) -> Any:
    """The arrays one after another along `axis` (flattened first, for None)."""
    if not arrays:
        raise ShapeError("concat: needs at least one array")
    if axis is None:
        arrays, axis = [reshape(a, (-1,)) for a in arrays], 0
    return _concat(*arrays, axis=axis)


def stack(arrays: Sequence[Any], /, *, axis: int = 0) -> Any:
    """The arrays, of one shape, along a new axis."""
    if not arrays:
        raise ShapeError("stack: needs at least one array")
    shapes = {a.shape for a in arrays}
    if len(shapes) > 1:
        raise ShapeError(f"stack: the arrays must have one shape, got {sorted(shapes)}")
    return concat([expand_dims(a, axis=axis) for a in arrays], axis=axis)


@op
def pad(x, /, pad_width, *, value=0.0):
    """x with `pad_width[a] = (before, after)` elements of `value` added at each end of axis a.

    One pair, or one number, stands for all axes.
    """
    return np.pad(x, _pairs(pad_width, np.ndim(x)), constant_values=value)


def _pairs(pad_width: Any, ndim: int) -> list[list[int]]:
    try:
        return np.broadcast_to(pad_width, (ndim, 2)).tolist()  # type: ignore[no-any-return]
    except ValueError:
        raise ShapeError(
            f"pad: pad_width is a number, a pair (before, after), or a pair for each of the {ndim} "
            f"axes, got {pad_width!r}"
        ) from None


pad.vjp(
    lambda g, _y, _x, pad_width, **_: g[
        tuple(
            slice(p, p + n)
            for (p, _after), n in zip(_pairs(pad_width, _x.ndim), _x.shape, strict=True)
        )
    ]
)


@op
def flip(x, /, *, axis=None):
    """The elements along `axis` in reverse order."""
    return np.flip(x, normalize_axes(axis, np.ndim(x), "flip"))


flip.vjp(lambda g, _y, _x, axis: flip(g, axis=axis))


@op
def roll(x, /, shift, *, axis=None):
    """The elements along `axis` moved by `shift` places; those pushed out come in at the other end.

    Several axes may be given, with a shift for each or one for all; axis=None rolls x flattened.
    """
    if axis is not None:
        normalize_axes(axis, np.ndim(x), "roll")
        _check_shifts(shift, axis)
    return np.roll(x, shift, axis)


def _check_shifts(shift: Any, axis: Any) -> None:
    shifts, axes = np.size(shift), np.size(axis)
    if shifts not in (1, axes):
        raise ShapeError(
            f"roll: one shift for each axis, or one for all, got {shift} for axis={axis}"
        )


roll.vjp(lambda g, _y, _x, shift, axis: roll(g, np.negative(shift), axis=axis))


@op(name="repeat")
def _repeat(x, /, *, counts, axis):
    """The runs x[i], ..., x[i], counts[i] long, one after another."""
    return np.repeat(x, counts, axis)


@op
def sum_runs(g, /, *, counts, axis):
    """y[i] = the sum over run i, counts[i] long: the transpose of `repeat`. axis from the front."""
    before, n = (slice(None),) * axis, len(counts)
    r = counts[0] if n else 0
    if 0 < r <= 8 and (counts == r).all():  # short runs: a few long additions beat many short ones
        y = np.array(g[(*before, slice(0, None, r))])
        for k in range(1, r):
            y += g[(*before, slice(k, None, r))]
        return y
    y = np.zeros((*g.shape[:axis], n, *g.shape[axis + 1 :]), g.dtype)
    some = counts > 0  # reduceat takes an empty run for one of length 1
    if some.any():
        y[(*before, some)] = np.add.reduceat(g, (np.cumsum(counts) - counts)[some], axis)
    return y


_repeat.vjp(lambda g, _y, _x, **runs: sum_runs(g, **runs))
sum_runs.vjp(lambda h, _y, _g, **runs: _repeat(h, **runs))


def repeat(x: Any, repeats: Any, /, *, axis: int | None = None) -> Any:
    """Each element along `axis` several times in a row; axis=None takes x flattened.

    repeats: how often, one integer for all elements or one for each along the axis.

    >>> repeat(np.array([1.0, 2.0]), 2)
    array([1., 1., 2., 2.])
    >>> repeat(np.array([1.0, 2.0]), np.array([0, 3]))
    array([2., 2., 2.])
    """
    if axis is None:
        x, axis = reshape(x, (math.prod(x.shape),)), 0
    axis = normalize_axis(axis, x.ndim, "repeat")
    n = x.shape[axis]
    return _repeat(x, counts=np.broadcast_to(_check_repeats(repeats, n), (n,)), axis=axis)


def _check_repeats(repeats: Any, n: int) -> np.ndarray:
    times = np.asarray(repeats.data if isinstance(repeats, Tensor) else repeats)
    if (
        times.dtype.kind not in "iu"
        or times.ndim > 1
        or times.size not in (1, n)
        or (times < 0).any()
    ):
        raise ShapeError(
            f"repeat: repeats must be an integer >= 0, or {n} of them (one for each element along "
            f"the axis), got {repeats!r}"
        )
    return times


def tile(x: Any, repetitions: tuple[int, ...], /) -> Any:
    """x side by side, repetitions[a] times along axis a; the shorter of both gets leading ones.

    >>> tile(np.array([1.0, 2.0]), (2, 2))
    array([[1., 2., 1., 2.],
           [1., 2., 1., 2.]])
    """
    ndim = max(x.ndim, len(repetitions))
    shape = (1,) * (ndim - x.ndim) + x.shape
    times = (1,) * (ndim - len(repetitions)) + tuple(repetitions)
    pairs = list(zip(times, shape, strict=True))
    apart = reshape(x, tuple(n for m in shape for n in (1, m)))  # (1, n0, 1, n1, ...)
    whole = broadcast_to(apart, tuple(n for pair in pairs for n in pair))  # (r0, n0, r1, n1, ...)
    return reshape(whole, tuple(r * n for r, n in pairs))


def split(x: Any, indices_or_sections: int | Sequence[int], /, *, axis: int = 0) -> list[Any]:
    """x cut along `axis` into equal sections, or before each of the indices given.

    >>> split(np.arange(5), [2, 3])
    [array([0, 1]), array([2]), array([3, 4])]
    """
    axis = normalize_axis(axis, x.ndim, "split")
    n, cuts = x.shape[axis], indices_or_sections
    if isinstance(cuts, int):
        if cuts < 1 or n % cuts:
            raise ShapeError(
                f"split: {cuts} equal sections must divide the length {n} of axis {axis} (shape "
                f"{x.shape}); give the indices to cut at instead"
            )
        cuts = [n // cuts * i for i in range(1, cuts)]
    edges = [0, *cuts, n]
    before = (slice(None),) * axis
    return [x[(*before, slice(a, b))] for a, b in pairwise(edges)]


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """The slices x[i] along `axis`, without that axis: what `stack` puts together again."""
    axis = normalize_axis(axis, x.ndim, "unstack")
    return tuple(x[(slice(None),) * axis + (i,)] for i in range(x.shape[axis]))


def meshgrid(*arrays: Any, indexing: str = "xy") -> list[Any]:
    """The vectors broadcast against each other: y_k[i_0, i_1, ...] = x_k[i_k].

    indexing="xy" (the default) swaps the first two axes, so that x_0 runs along the columns.
    """
    if indexing not in ("xy", "ij"):
        raise ConfigError(f'meshgrid: indexing must be "xy" or "ij", got {indexing!r}')
    if any(a.ndim > 1 for a in arrays):
        raise ShapeError(f"meshgrid: takes vectors, got shapes {[a.shape for a in arrays]}")
    n = len(arrays)
    places = [1, 0, *range(2, n)] if indexing == "xy" and n > 1 else range(n)
    columns = [
        reshape(a, tuple(a.size if i == place else 1 for i in range(n)))
        for a, place in zip(arrays, places, strict=True)
    ]
    return broadcast_arrays(*columns)


# -- parts of matrices ------------------------------------------------------------------------


@op
def tril(x, /, *, k=0):
    """x[..., i, j] where j <= i + k, and 0 above that diagonal."""
    return np.tril(_matrices(x, "tril"), k)


@op
def triu(x, /, *, k=0):
    """x[..., i, j] where j >= i + k, and 0 below that diagonal."""
    return np.triu(_matrices(x, "triu"), k)


tril.vjp(lambda g, _y, _x, k: tril(g, k=k))
triu.vjp(lambda g, _y, _x, k: triu(g, k=k))


@op
def diagonal(x, /, *, offset=0):
    """y[..., i] = x[..., i, i + offset] (x[..., i - offset, i] for an offset below 0)."""
    return np.diagonal(_matrices(x, "diagonal"), offset, -2, -1)


@op
def diagonal_matrix(g, /, *, offset=0, shape):
    """Matrices of the given shape, zero but for g on the diagonal: the transpose of `diagonal`."""
    y = np.zeros(shape, g.dtype)
    i = np.arange(g.shape[-1])
    y[..., i - min(offset, 0), i + max(offset, 0)] = g
    return y


diagonal.vjp(lambda g, _y, _x, offset: diagonal_matrix(g, offset=offset, shape=_x.shape))
diagonal_matrix.vjp(lambda h, _y, _g, offset, shape: diagonal(h, offset=offset))


def _matrices(x: Any, name: str) -> np.ndarray:
    if np.ndim(x) < 2:
        raise ShapeError(f"{name}: takes matrices (..., M, N), got shape {np.shape(x)}")
    return np.asarray(x)
