"""Arrays of every dtype and of awkward shapes, and what to call on them.

A call is an expression in `xp`, the namespace, and `x`, the array: it reads the same for us and for
array-api-strict, NumPy's reference of the standard.
"""

from __future__ import annotations

import numpy as np

DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float32", "float64", "complex64", "complex128"),
)
SHAPES = ((), (0,), (3,), (2, 3), (2, 1), (0, 3), (3, 3), (2, 2, 3), (2, 0, 3))
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 1e30, -1e30, np.inf, -np.inf, np.nan)


def ordinary(dtype: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Small numbers, with repetitions among the integers."""
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype).kind
    if kind == "b":
        values = rng.random(shape) > 0.5
    elif kind in "iu":
        values = rng.integers(0 if kind == "u" else -4, 8, shape)
    else:
        values = rng.normal(size=shape) + (1j * rng.normal(size=shape) if kind == "c" else 0.0)
    return np.asarray(values, dtype)


def special(dtype: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Zeros of both signs, infinities, NaN, huge numbers; ordinary ones where there are none."""
    if np.dtype(dtype).kind != "f":
        return ordinary(dtype, shape, seed)
    return np.asarray(np.random.default_rng(seed).choice(SPECIAL, shape), dtype)


UNARY = """
abs acos acosh asin asinh atan atanh bitwise_invert ceil conj cos cosh exp expm1 floor imag isfinite
isinf isnan log log10 log1p log2 logical_not negative positive real reciprocal round sign signbit
sin sinh sqrt square tan tanh trunc
"""

BINARY = """
add atan2 bitwise_and bitwise_or bitwise_xor copysign divide equal greater greater_equal hypot less
less_equal logaddexp logical_and logical_or logical_xor maximum minimum multiply nextafter not_equal
remainder subtract
"""

OPERATORS = """
x + y, x - y, x * y, x / y, x % y, abs(x) ** y, x == y, x != y, x < y, x <= y, x > y, x >= y,
x & y, x | y, x ^ y, x << abs(y), x >> abs(y), -x, +x, abs(x), ~x
"""

REDUCTIONS = "sum prod max min mean std var all any argmax argmin count_nonzero"

CALLS = """
xp.sum(x, dtype=xp.float64)
xp.prod(x, dtype=xp.complex128)
xp.var(x, correction=1)
xp.std(x, correction=0.5)
xp.cumulative_sum(x, axis=0)
xp.cumulative_sum(x, axis=-1, include_initial=True)
xp.cumulative_sum(x, axis=0, dtype=xp.float32)
xp.cumulative_prod(x, axis=0)
xp.cumulative_prod(x, axis=-1, include_initial=True)
xp.reshape(x, (-1,))
xp.reshape(x, x.shape[::-1], copy=True)
xp.reshape(x, (7, 5))
xp.permute_dims(x, tuple(range(x.ndim))[::-1])
xp.permute_dims(x, (0,))
xp.matrix_transpose(x)
x.mT
x.T
xp.moveaxis(x, 0, -1)
xp.moveaxis(x, (0, 1), (1, 0))
xp.expand_dims(x, axis=0)
xp.expand_dims(x, axis=-1)
xp.expand_dims(x, axis=5)
xp.squeeze(x, 0)
xp.squeeze(x, axis=(0, 1))
xp.flip(x)
xp.flip(x, axis=(0, -1))
xp.roll(x, 1)
xp.roll(x, -2, axis=0)
xp.roll(x, (1, 2), axis=(0, 1))
xp.repeat(x, 2)
xp.repeat(x, 2, axis=0)
xp.repeat(x, 0, axis=-1)
xp.repeat(x, xp.asarray([0, 2, 1]), axis=-1)
xp.tile(x, (2,))
xp.tile(x, (2, 1, 3))
xp.tile(x, ())
xp.unstack(x)
xp.unstack(x, axis=-1)
xp.stack([x, x])
xp.stack((x, x, x), axis=-1)
xp.concat([x, x])
xp.concat((x, x), axis=-1)
xp.concat((x, x, x), axis=None)
xp.broadcast_to(x, (2, *x.shape))
xp.broadcast_to(x, (4, 5))
xp.broadcast_arrays(x, xp.asarray([[True], [False]]))
xp.tril(x)
xp.triu(x, k=1)
xp.where(x == x, x, x)
xp.where(x == x, x, 0)
xp.where(x == x, 1, x)
xp.clip(x, 0, 3)
xp.clip(x, 0)
xp.clip(x, max=2)
xp.clip(x)
xp.clip(x, x, x)
xp.sort(x)
xp.sort(x, descending=True, axis=0)
xp.argsort(x)
xp.argsort(x, axis=0, descending=True)
xp.nonzero(x)
xp.unique_all(x)
xp.unique_counts(x)
xp.unique_inverse(x)
xp.unique_values(x)
xp.take(x, xp.asarray([0, 0, 1]), axis=0)
xp.take(x, xp.asarray([], dtype=xp.int64), axis=-1)
xp.take(x, xp.asarray([0, -1]))
xp.take_along_axis(x, xp.zeros(x.shape, dtype=xp.int64))
xp.diff(x)
xp.diff(x, axis=0, n=2)
xp.diff(x, prepend=x, append=x)
xp.searchsorted(xp.sort(x), x)
xp.searchsorted(x, x, side="right", sorter=xp.argsort(x))
xp.zeros_like(x)
xp.ones_like(x)
xp.full_like(x, 1)
xp.full_like(x, 3, dtype=xp.float64)
xp.empty_like(x, dtype=xp.int8).shape
xp.asarray(x, copy=True)
xp.asarray(x, copy=False)
xp.asarray(x, dtype=xp.complex128)
xp.astype(x, xp.float32)
xp.astype(x, xp.float64, copy=False)
xp.astype(x, xp.int64)
xp.astype(x, xp.bool)
xp.from_dlpack(x)
xp.from_dlpack(x, copy=True)
xp.matmul(x, xp.matrix_transpose(x))
xp.vecdot(x, x)
xp.tensordot(x, x, axes=0)
xp.tensordot(x, x, axes=((0,), (0,)))
xp.can_cast(x, x.dtype)
xp.isdtype(x.dtype, ("integral", "bool"))
x[0]
x[-1]
x[...]
x[None]
x[..., None]
x[::-1]
x[0, 1]
x[:, None, 0]
x[..., 0]
x[1:, ::2]
x[()]
x[x == x]
x[x != x]
x[xp.asarray(True)]
x[xp.asarray([0, 0]), 0]
x[xp.asarray([[0], [0]]), xp.asarray([1, 1])]
x[5]
x[:, 9]
x[0, 0, 0, 0, 0]
x[0.5]
x["a"]
x[xp.asarray([9])]
x[xp.asarray([0.5])]
x[xp.asarray([True] * 9)]
bool(x)
int(x)
float(x)
complex(x)
xp.linalg.diagonal(x, offset=1)
xp.linalg.trace(x)
xp.linalg.outer(x, x)
xp.linalg.cross(x, x)
xp.linalg.vector_norm(x, axis=0)
xp.linalg.vector_norm(x, ord=1, keepdims=True)
xp.linalg.matrix_norm(x)
xp.linalg.matrix_rank(x)
xp.linalg.matrix_power(x, 2)
xp.linalg.det(x)
xp.linalg.inv(x)
xp.linalg.pinv(x)
xp.linalg.solve(x, x)
xp.linalg.svdvals(x)
xp.linalg.qr(x)
xp.fft.fft(x)
xp.fft.fft(x, n=5, axis=0, norm="ortho")
xp.fft.ifft(x, n=2)
xp.fft.fftn(x)
xp.fft.fftn(x, s=(3, 4), axes=(1, 0))
xp.fft.ifftn(x, norm="ortho")
xp.fft.rfft(x, n=6)
xp.fft.irfft(x)
xp.fft.irfft(x, n=3)
xp.fft.rfftn(x, s=(3, 4), norm="forward")
xp.fft.irfftn(x)
xp.fft.irfftn(x, s=(3, 4), axes=(0, 1))
xp.fft.hfft(x, n=5, norm="ortho")
xp.fft.ihfft(x, n=5, norm="forward")
xp.fft.fftshift(x)
xp.fft.ifftshift(x, axes=(0, 1))
""".strip().splitlines()

WRITES = """
x[0] = 1
x[-1] = xp.asarray(1, dtype=x.dtype)
x[...] = xp.ones(x.shape[1:], dtype=x.dtype)
x[::-1] = x
x[:, 0] = True
x[x == x] = 1
x[xp.asarray([0, 1])] = 0
x[0] = 2.5
x[0] = 1j
x[9] = 1
x[:, :, :, 9] = 1
x[0] = xp.ones((7, 7), dtype=x.dtype)
x += 1
x -= x
x *= xp.ones((2, 3, 4), dtype=x.dtype)
x **= 2
x /= 2
x //= 2
x @= x
x &= x
x <<= 1
""".strip().splitlines()

FROM_NOTHING = """
xp.zeros(3)
xp.zeros((2, 0), dtype=xp.int8)
xp.zeros(-1)
xp.zeros(2.5)
xp.ones([2, 3], dtype=xp.complex64)
xp.empty((2, 3), dtype=xp.int16).shape
xp.full((2, 3), 1)
xp.full((2, 3), True)
xp.full((2, 3), 1.5)
xp.full((2, 3), 1j)
xp.full((), 2, dtype=xp.float32)
xp.full(3, 2**63, dtype=xp.uint64)
xp.eye(3)
xp.eye(2, 3, k=1, dtype=xp.int8)
xp.eye(3, None, k=-5)
xp.arange(5)
xp.arange(5, 1, -2)
xp.arange(5, 1)
xp.arange(0.0, 1.0, 0.1)
xp.arange(5.0)
xp.arange(5, dtype=xp.float32)
xp.arange(0, 10, 3, dtype=xp.uint8)
xp.arange(0, 1, 0)
xp.arange(2**62, 2**62 + 3)
xp.linspace(0, 1, 5)
xp.linspace(0, 1, 0)
xp.linspace(0, 10, 5, endpoint=False)
xp.linspace(0, 1j, 3)
xp.linspace(0, 1, -1)
xp.asarray(1)
xp.asarray(1.0)
xp.asarray(1j)
xp.asarray(True)
xp.asarray([[1.0, 2], [3, 4]])
xp.asarray([1, 2.5, 1j])
xp.asarray([])
xp.asarray([1, 2], dtype=xp.uint8)
xp.asarray(2**65)
xp.asarray([[1], [1, 2]])
xp.asarray("a")
xp.asarray(None)
xp.asarray(1, copy=False)
xp.asarray(1, device="gpu")
xp.asarray(xp.asarray([1, 2]), dtype=xp.float32, copy=False)
xp.finfo(xp.float32).eps
xp.finfo(xp.float64).min
xp.finfo(xp.complex64).bits
xp.finfo(xp.complex64).smallest_normal
xp.finfo(xp.asarray(1.0)).max
xp.finfo(xp.complex128).dtype == xp.float64
xp.finfo(xp.int8)
xp.iinfo(xp.uint64).max
xp.iinfo(xp.int64).min
xp.iinfo(xp.int16).dtype == xp.int16
xp.iinfo(xp.float32)
xp.isdtype(xp.complex64, (xp.complex128, "bool"))
xp.isdtype(xp.complex64, "nonsense")
xp.isdtype(xp.complex64, 3)
xp.can_cast(xp.int16, xp.int8)
xp.can_cast(xp.float32, xp.complex64)
xp.result_type(xp.int8, xp.uint8) == xp.int16
xp.result_type(xp.asarray([1.0], dtype=xp.float32), 1.0) == xp.float32
xp.result_type(xp.float32, 1j) == xp.complex64
xp.result_type(xp.int8, 2) == xp.int8
xp.result_type()
xp.e, xp.pi, xp.inf, xp.newaxis
sorted(xp.__array_namespace_info__().dtypes())
sorted(xp.__array_namespace_info__().dtypes(kind=("bool", "real floating")))
sorted(xp.__array_namespace_info__().default_dtypes())
sorted(xp.__array_namespace_info__().capabilities().items())
xp.asarray(1.0).__array_namespace__(api_version="2023.12") is not None
xp.asarray(1.0).__array_namespace__(api_version="1999.12") is not None
xp.asarray(1.0).__dlpack_device__()
xp.meshgrid(xp.asarray([1, 2]), xp.asarray([1.0, 2, 3]))
xp.meshgrid(xp.asarray([1, 2]), xp.asarray([1, 2, 3]), indexing="ij")
xp.meshgrid()
xp.fft.fftfreq(5, d=0.5)
xp.fft.rfftfreq(6)
""".strip().splitlines()
