"""NumPy's other functions on Tensors: np.concatenate([t, a]), np.linalg.norm(t), np.mean(t, 1).

NumPy calls `Tensor.__array_function__`, which comes here. Each adapter below has the signature of
the NumPy function that it stands for and calls the library's own. A function that has none refuses
to cut the graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_cnn.core.registry import functions as f
from tinygrad_cnn.core.tensor import Tensor, wrap
from tinygrad_cnn.errors import ConfigError, DTypeError
from tinygrad_cnn.ops import fourier
from tinygrad_cnn.ops.numpy_ufuncs import refuse_lost_gradient

ADAPTERS: dict[Callable[..., Any], Callable[..., Any]] = {}
"""NumPy function -> what it does to Tensors."""

# These tell about shapes, dtypes and equality, or print: their answers are no Tensors.
_ABOUT = (
    (np.allclose, np.array2string, np.array_equal, np.array_equiv, np.array_repr, np.array_str)
    + (np.can_cast, np.common_type, np.iscomplexobj, np.isrealobj, np.may_share_memory)
    + (np.min_scalar_type, np.ndim, np.result_type, np.shape, np.shares_memory, np.size)
)


def array_function(function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    """What `function(*args, **kwargs)` means where a Tensor is among the arguments."""
    if kwargs.get("out") is not None:
        raise DTypeError(
            f"np.{function.__name__}: out= would write into an array, which cannot hold the graph; "
            f"use the result instead"
        )
    if function in _ABOUT:
        return function(*_plain(args), **_plain(kwargs))
    adapter = ADAPTERS.get(function)
    if adapter is None:
        refuse_lost_gradient(function.__name__, (args, kwargs))
        return _as_tensors(function(*_plain(args), **_plain(kwargs)))
    kwargs.pop("out", None)
    return adapter(*args, **kwargs)


def implements(*numpy_functions: Any) -> Callable[[Any], Any]:
    """The decorated adapter stands for these NumPy functions."""

    def register(adapter: Any) -> Any:
        ADAPTERS.update(dict.fromkeys(numpy_functions, adapter))
        return adapter

    return register


def _plain(tree: Any) -> Any:
    """The same nested structure with arrays in place of Tensors."""
    if isinstance(tree, Tensor):
        return tree.data
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items()}
    return type(tree)(_plain(x) for x in tree) if type(tree) in (list, tuple) else tree


def _as_tensors(y: Any) -> Any:
    if isinstance(y, tuple | list):
        return type(y)(_as_tensors(part) for part in y) if type(y) in (tuple, list) else y
    return wrap(np.asarray(y), None) if isinstance(y, np.ndarray | np.generic) else y


def _tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else wrap(np.asarray(x), None)


def _only_c(order: str, name: str) -> None:
    if order not in ("C", "K", "A"):
        raise ConfigError(f"np.{name}: on Tensors only order='C' is known, got {order!r}")


# -- reductions ---------------------------------------------------------------------------------

_none = np._NoValue  # NumPy's mark for an option that was not given


def _given(option: Any) -> bool:
    return option is not None and option is not _none and option is not True


def _ufunc_reduction(ufunc: np.ufunc) -> Callable[..., Any]:
    """np.sum and its like: the reduction of a ufunc, over all axes unless told otherwise."""

    def reduce(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        keepdims: Any = False,
        initial: Any = None,
        where: Any = True,
    ) -> Any:
        options: dict[str, Any] = {"initial": initial} if _given(initial) else {}
        if _given(where):
            options["where"] = where
        keep = bool(keepdims) if keepdims is not _none else False
        return f.array_ufunc(
            ufunc,
            "reduce",
            (_tensor(a),),
            {"axis": axis, "dtype": dtype, "keepdims": keep, **options},
        )

    return reduce


implements(np.sum)(_ufunc_reduction(np.add))
implements(np.prod)(_ufunc_reduction(np.multiply))


def _no_dtype(reduction: Callable[..., Any]) -> Callable[..., Any]:
    def reduce(
        a: Any, axis: Any = None, keepdims: Any = False, initial: Any = None, where: Any = True
    ) -> Any:
        return reduction(a, axis, None, keepdims, initial, where)

    return reduce


implements(np.max, np.amax)(_no_dtype(_ufunc_reduction(np.maximum)))
implements(np.min, np.amin)(_no_dtype(_ufunc_reduction(np.minimum)))
implements(np.all)(_no_dtype(_ufunc_reduction(np.logical_and)))
implements(np.any)(_no_dtype(_ufunc_reduction(np.logical_or)))


def _keep(keepdims: Any) -> bool:
    return False if keepdims is _none else bool(keepdims)


@implements(np.mean)
def _mean(a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False) -> Any:
    a = _tensor(a) if dtype is None else f.astype(_tensor(a), np.dtype(dtype))
    return f.mean(a, axis=axis, keepdims=_keep(keepdims))


@implements(np.var)
def _var(
    a: Any, axis: Any = None, dtype: Any = None, ddof: float = 0, keepdims: Any = False
) -> Any:
    a = _tensor(a) if dtype is None else f.astype(_tensor(a), np.dtype(dtype))
    return f.var(a, axis=axis, correction=ddof, keepdims=_keep(keepdims))


@implements(np.std)
def _std(
    a: Any, axis: Any = None, dtype: Any = None, ddof: float = 0, keepdims: Any = False
) -> Any:
    return f.sqrt(_var(a, axis, dtype, ddof, keepdims))


@implements(np.average)
def _average(a: Any, axis: Any = None, weights: Any = None, keepdims: Any = False) -> Any:
    if weights is None:
        return _mean(a, axis, keepdims=keepdims)
    a, weights = _tensor(a), _tensor(weights)
    if weights.shape != a.shape:
        weights = f.reshape(
            weights, [n if i == axis % a.ndim else 1 for i, n in enumerate(a.shape)]
        )
    weights = f.broadcast_to(weights, a.shape)
    keep = _keep(keepdims)
    return f.sum(a * weights, axis=axis, keepdims=keep) / f.sum(weights, axis=axis, keepdims=keep)


@implements(np.ptp)
def _ptp(a: Any, axis: Any = None, keepdims: Any = False) -> Any:
    a, keep = _tensor(a), _keep(keepdims)
    return f.max(a, axis=axis, keepdims=keep) - f.min(a, axis=axis, keepdims=keep)


@implements(np.argmax)
def _argmax(a: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return f.argmax(_tensor(a), axis=axis, keepdims=_keep(keepdims))


@implements(np.argmin)
def _argmin(a: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return f.argmin(_tensor(a), axis=axis, keepdims=_keep(keepdims))


def _scan(name: str) -> Callable[..., Any]:
    def scan(a: Any, axis: Any = None, dtype: Any = None) -> Any:
        a = _tensor(a) if dtype is None else f.astype(_tensor(a), np.dtype(dtype))
        return getattr(f, name)(
            a if axis is not None else f.flatten(a), axis=0 if axis is None else axis
        )

    return scan


implements(np.cumsum)(_scan("cumulative_sum"))
implements(np.cumprod)(_scan("cumulative_prod"))


@implements(np.count_nonzero)
def _count_nonzero(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return f.sum(f.astype(_tensor(a) != 0, np.dtype(np.int64)), axis=axis, keepdims=keepdims)


# -- shape --------------------------------------------------------------------------------------


@implements(np.reshape)
def _reshape(a: Any, shape: Any = None, order: str = "C", copy: Any = None, **old: Any) -> Any:
    _only_c(order, "reshape")
    return f.reshape(_tensor(a), old.get("newshape") if shape is None else shape)


@implements(np.ravel)
def _ravel(a: Any, order: str = "C") -> Any:
    _only_c(order, "ravel")
    return f.reshape(_tensor(a), (-1,)) if _tensor(a).size else f.reshape(_tensor(a), (0,))


@implements(np.transpose, np.permute_dims)
def _transpose(a: Any, axes: Any = None) -> Any:
    a = _tensor(a)
    return f.permute_dims(a, tuple(range(a.ndim))[::-1] if axes is None else axes)


@implements(np.matrix_transpose, np.linalg.matrix_transpose)
def _matrix_transpose(x: Any, /) -> Any:
    return f.matrix_transpose(_tensor(x))


@implements(np.swapaxes)
def _swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    return f.moveaxis(_tensor(a), (axis1, axis2), (axis2, axis1))


@implements(np.moveaxis)
def _moveaxis(a: Any, source: Any, destination: Any) -> Any:
    return f.moveaxis(_tensor(a), source, destination)


@implements(np.expand_dims)
def _expand_dims(a: Any, axis: Any) -> Any:
    return f.expand_dims(_tensor(a), axis=axis)


@implements(np.squeeze)
def _squeeze(a: Any, axis: Any = None) -> Any:
    return _tensor(a).squeeze(axis)


@implements(np.broadcast_to)
def _broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    return f.broadcast_to(_tensor(array), (shape,) if isinstance(shape, int) else tuple(shape))


@implements(np.broadcast_arrays)
def _broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    return tuple(f.broadcast_arrays(*map(_tensor, args)))


def _at_least(n: int) -> Callable[..., Any]:
    def raise_rank(*arrays: Any) -> Any:
        raised = tuple(_with_axes(_tensor(a), n) for a in arrays)
        return raised[0] if len(raised) == 1 else raised

    return raise_rank


def _with_axes(a: Tensor, n: int) -> Any:
    """At least n axes, the new ones where NumPy puts them."""
    if a.ndim >= n:
        return a
    shapes = {0: (1,) * n, 1: (1, *a.shape, 1)[:n] if n > 1 else a.shape, 2: (*a.shape, 1)}
    return f.reshape(a, shapes[a.ndim])


implements(np.atleast_1d)(_at_least(1))
implements(np.atleast_2d)(_at_least(2))
implements(np.atleast_3d)(_at_least(3))


@implements(np.concatenate, np.concat)
def _concatenate(arrays: Any, axis: Any = 0, dtype: Any = None, casting: str = "same_kind") -> Any:
    y = f.concat([_tensor(a) for a in arrays], axis=axis)
    return y if dtype is None else f.astype(y, np.dtype(dtype))


@implements(np.stack)
def _stack(arrays: Any, axis: int = 0, dtype: Any = None, casting: str = "same_kind") -> Any:
    y = f.stack([_tensor(a) for a in arrays], axis=axis)
    return y if dtype is None else f.astype(y, np.dtype(dtype))


@implements(np.vstack)
def _vstack(tup: Any, dtype: Any = None, casting: str = "same_kind") -> Any:
    return _concatenate([_with_axes(_tensor(a), 2) for a in tup], 0, dtype)


@implements(np.hstack)
def _hstack(tup: Any, dtype: Any = None, casting: str = "same_kind") -> Any:
    parts = [_with_axes(_tensor(a), 1) for a in tup]
    return _concatenate(parts, 0 if parts[0].ndim == 1 else 1, dtype)


@implements(np.dstack)
def _dstack(tup: Any) -> Any:
    return _concatenate([_with_axes(_tensor(a), 3) for a in tup], 2)


@implements(np.column_stack)
def _column_stack(tup: Any) -> Any:
    parts = [_tensor(a) for a in tup]
    return _concatenate([p[:, None] if p.ndim == 1 else p for p in parts], 1)


@implements(np.flip)
def _flip(m: Any, axis: Any = None) -> Any:
    return f.flip(_tensor(m), axis=axis)


@implements(np.flipud)
def _flipud(m: Any) -> Any:
    return f.flip(_tensor(m), axis=0)


@implements(np.fliplr)
def _fliplr(m: Any) -> Any:
    return f.flip(_tensor(m), axis=1)


@implements(np.rot90)
def _rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    m = _tensor(m)
    for _ in range(k % 4):
        m = f.flip(f.moveaxis(m, tuple(axes), tuple(axes)[::-1]), axis=axes[0])
    return m


@implements(np.roll)
def _roll(a: Any, shift: Any, axis: Any = None) -> Any:
    return f.roll(_tensor(a), shift, axis=axis)


@implements(np.pad)
def _pad(array: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    if mode != "constant" or np.ndim(constant_values) != 0:
        raise ConfigError(
            f"np.pad: on Tensors pads with one constant, got mode={mode!r}, "
            f"constant_values={constant_values!r}"
        )
    array = _tensor(array)
    widths = np.broadcast_to(np.asarray(pad_width), (array.ndim, 2)).tolist()
    return f.pad(array, tuple((before, after) for before, after in widths), value=constant_values)


@implements(np.repeat)
def _repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    a = _tensor(a)
    return f.repeat(f.flatten(a) if axis is None else a, repeats, axis=0 if axis is None else axis)


@implements(np.tile)
def _tile(A: Any, reps: Any) -> Any:
    return f.tile(_tensor(A), (reps,) if isinstance(reps, int) else tuple(reps))


def _splitter(numpy_split: Any) -> Callable[..., Any]:
    """NumPy splits the positions along the axis; each part of them reads its part of the Tensor."""

    def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
        ary = _tensor(ary)
        before = [slice(None)] * (axis % ary.ndim)
        parts = numpy_split(np.arange(ary.shape[axis]), indices_or_sections)
        stops = np.cumsum([len(part) for part in parts]).tolist()
        return [ary[(*before, slice(b - len(p), b))] for p, b in zip(parts, stops, strict=True)]

    return split


implements(np.split)(_splitter(np.split))
implements(np.array_split)(_splitter(np.array_split))


@implements(np.tril)
def _tril(m: Any, k: int = 0) -> Any:
    return f.tril(_tensor(m), k=k)


@implements(np.triu)
def _triu(m: Any, k: int = 0) -> Any:
    return f.triu(_tensor(m), k=k)


@implements(np.diff)
def _diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    ends = {"prepend": prepend, "append": append}
    given = {k: v for k, v in ends.items() if v is not None and v is not _none}
    return f.diff(_tensor(a), n=n, axis=axis, **given)


@implements(np.meshgrid)
def _meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    if sparse:
        raise ConfigError(
            "np.meshgrid: on Tensors sparse=True is not known; index with None instead"
        )
    return tuple(f.meshgrid(*map(_tensor, xi), indexing=indexing))


# -- choosing and ordering ----------------------------------------------------------------------


@implements(np.where)
def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None and y is None:
        return _as_tensors(np.where(_plain(condition)))
    return f.where(condition, x, y)


@implements(np.clip)
def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    missing = (None, _none)
    return f.clip(_tensor(a), *(None if x in missing else x for x in (low, high)))


@implements(np.take)
def _take(a: Any, indices: Any, axis: Any = None, mode: str = "raise") -> Any:
    if mode != "raise":
        raise ConfigError(f"np.take: on Tensors only mode='raise' is known, got {mode!r}")
    a = _tensor(a)
    return f.getitem(
        f.flatten(a) if axis is None else a,
        (*[slice(None)] * (0 if axis is None else axis % a.ndim), np.asarray(_plain(indices))),
    )


@implements(np.take_along_axis)
def _take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    arr = _tensor(arr)
    return f.take_along_axis(
        f.flatten(arr) if axis is None else arr, indices, axis=0 if axis is None else axis
    )


@implements(np.sort)
def _sort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Any:
    a = _tensor(a)
    return f.sort(f.flatten(a) if axis is None else a, axis=-1 if axis is None else axis)


@implements(np.argsort)
def _argsort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Any:
    a = _tensor(a)
    return f.argsort(f.flatten(a) if axis is None else a, axis=-1 if axis is None else axis)


@implements(np.nan_to_num)
def _nan_to_num(
    x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    x = _tensor(x)
    largest = np.finfo(x.dtype).max if x.dtype.kind == "f" else 0
    x = f.where(f.isnan(x), nan, x)
    x = f.where(x == np.inf, largest if posinf is None else posinf, x)
    return f.where(x == -np.inf, -largest if neginf is None else neginf, x)


def _without_derivative(function: Any) -> None:
    """NumPy's own answer: integers and truth values, from which no gradient is missing."""

    def answer(*args: Any, **kwargs: Any) -> Any:
        return _as_tensors(function(*_plain(args), **_plain(kwargs)))

    implements(function)(answer)


for _function in (
    *(np.argpartition, np.argwhere, np.digitize, np.flatnonzero, np.isclose, np.iscomplex),
    *(np.isin, np.isneginf, np.isposinf, np.isreal, np.lexsort, np.nonzero, np.searchsorted),
):
    _without_derivative(_function)


# -- elementwise functions that are no ufuncs -----------------------------------------------------


@implements(np.round, np.around)
def _round(a: Any, decimals: int = 0) -> Any:
    if decimals:
        raise ConfigError(f"np.round: on Tensors rounds to integers, got decimals={decimals}")
    return f.round(_tensor(a))


@implements(np.real)
def _real(val: Any) -> Any:
    return f.real(_tensor(val))


@implements(np.imag)
def _imag(val: Any) -> Any:
    return f.imag(_tensor(val))


@implements(np.copy)
def _copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    return f.copy(_tensor(a))


@implements(np.sinc)
def _sinc(x: Any) -> Any:
    """sin(pi x) / (pi x), and its limits 1 and 0 at 0."""
    z = _tensor(x) * np.pi
    small = f.abs(z) < 1e-4  # the series: z^4/120 is below rounding
    safe = f.where(small, 1.0, z)
    return f.where(small, 1 - z * z / 6, f.sin(safe) / safe)


def _constant_like(function: Any) -> Callable[..., Any]:
    def make(a: Any, *args: Any, **kwargs: Any) -> Any:
        return _as_tensors(function(_plain(a), *_plain(args), **_plain(kwargs)))

    return make


for _like in (np.zeros_like, np.ones_like, np.full_like, np.empty_like):
    implements(_like)(_constant_like(_like))

# -- products and linear algebra ------------------------------------------------------------------


@implements(np.dot)
def _dot(a: Any, b: Any) -> Any:
    """Sum over the last axis of a and the second to last of b; a product with a number."""
    a, b = _tensor(a), _tensor(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if a.ndim <= 2 and b.ndim <= 2:
        return f.matmul(a, b)
    return f.tensordot(a, b, axes=([a.ndim - 1], [max(b.ndim - 2, 0)]))


@implements(np.inner)
def _inner(a: Any, b: Any) -> Any:
    a, b = _tensor(a), _tensor(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    return f.tensordot(a, b, axes=([a.ndim - 1], [b.ndim - 1]))


@implements(np.outer)
def _outer(a: Any, b: Any) -> Any:
    return f.flatten(_tensor(a))[:, None] * f.flatten(_tensor(b))


@implements(np.tensordot)
def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    return f.tensordot(_tensor(a), _tensor(b), axes=axes)


@implements(np.einsum)
def _einsum(subscripts: Any, *operands: Any, optimize: Any = False) -> Any:
    return f.einsum(subscripts, *map(_tensor, operands))


@implements(np.kron)
def _kron(a: Any, b: Any) -> Any:
    return f.kron(_tensor(a), _tensor(b))


@implements(np.cross, np.linalg.cross)
def _cross(a: Any, b: Any, *, axis: int = -1) -> Any:
    return f.cross(_tensor(a), _tensor(b), axis=axis)


@implements(np.trace)
def _trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    return f.sum(_diagonal(a, offset, axis1, axis2), axis=-1)


@implements(np.diagonal)
def _diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return f.diagonal(f.moveaxis(_tensor(a), (axis1, axis2), (-2, -1)), offset=offset)


@implements(np.diag)
def _diag(v: Any, k: int = 0) -> Any:
    v = _tensor(v)
    if v.ndim == 2:
        return f.diagonal(v, offset=k)
    n = v.shape[0] + abs(k)
    rows = np.arange(v.shape[0]) + max(-k, 0)
    return f.scatter_add(v, index=(rows, rows + k), shape=(n, n))


def _same(name: str, *numpy_functions: Any) -> None:
    """NumPy's function takes what ours takes."""

    def adapter(*args: Any, **kwargs: Any) -> Any:
        return getattr(f, name)(
            *(_tensor(a) if not isinstance(a, int) else a for a in args), **kwargs
        )

    implements(*numpy_functions)(adapter)


for _name in ("det", "slogdet", "inv", "solve", "pinv", "matrix_power", "eigvalsh", "matrix_rank"):
    _same(_name, getattr(np.linalg, _name))


@implements(np.linalg.cholesky)
def _cholesky(a: Any, /, *, upper: bool = False) -> Any:
    return f.cholesky(_tensor(a), upper=upper)


@implements(np.linalg.eigh)
def _eigh(a: Any, UPLO: str = "L") -> Any:
    return f.eigh(_tensor(a))


@implements(np.linalg.qr)
def _qr(a: Any, mode: str = "reduced") -> Any:
    return f.qr(_tensor(a), mode=mode)


@implements(np.linalg.svd)
def _svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    if not compute_uv:
        return f.svdvals(_tensor(a))
    return f.svd(_tensor(a), full_matrices=full_matrices)


@implements(np.linalg.norm)
def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    return f.norm(_tensor(x), ord=ord, axis=axis, keepdims=keepdims)


# -- Fourier transforms ---------------------------------------------------------------------------


def _transform(name: str) -> None:
    """np.fft's transform along one axis: norm=None is "backward"."""

    def transform(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
        return getattr(fourier, name)(_tensor(a), n=n, axis=axis, norm=norm or "backward")

    implements(getattr(np.fft, name))(transform)


def _transform_axes(name: str, target: str, axes: Any) -> None:
    """The same along several."""

    def transform(a: Any, s: Any = None, axes: Any = axes, norm: Any = None) -> Any:
        return getattr(fourier, target)(_tensor(a), s=s, axes=axes, norm=norm or "backward")

    implements(getattr(np.fft, name))(transform)


for _name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
    _transform(_name)
for _name in ("fft", "ifft", "rfft", "irfft"):
    _transform_axes(f"{_name}n", f"{_name}n", None)
    _transform_axes(f"{_name}2", f"{_name}n", (-2, -1))


@implements(np.fft.fftshift)
def _fftshift(x: Any, axes: Any = None) -> Any:
    return fourier.fftshift(_tensor(x), axes=axes)


@implements(np.fft.ifftshift)
def _ifftshift(x: Any, axes: Any = None) -> Any:
    return fourier.ifftshift(_tensor(x), axes=axes)
