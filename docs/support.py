"""The support matrix: what each function is, read off the library itself.

A function is differentiable where the table of derivatives (tests/cases) has a row for it: there
its values, first and second derivatives are held against PyTorch and difference quotients. Its
gradient is written in ops that have gradients in turn, so that there is no last order.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/cases

import tinygrad_cnn as tg
from tests.cases import CASES
from tinygrad_cnn.ops.numpy_functions import ADAPTERS
from tinygrad_cnn.ops.numpy_ufuncs import find_op

STANDARD = {
    "": """
    abs acos acosh add all any arange argmax argmin argsort asarray asin asinh astype atan atan2
    atanh bitwise_and bitwise_invert bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor
    broadcast_arrays broadcast_to can_cast ceil clip concat conj copysign cos cosh count_nonzero
    cumulative_prod cumulative_sum diff divide empty empty_like equal exp expand_dims expm1 eye
    finfo flip floor floor_divide from_dlpack full full_like greater greater_equal hypot iinfo imag
    isdtype isfinite isinf isnan less less_equal linspace log log10 log1p log2 logaddexp
    logical_and logical_not logical_or logical_xor matmul matrix_transpose max maximum mean
    meshgrid min minimum moveaxis multiply negative nextafter nonzero not_equal ones ones_like
    permute_dims positive pow prod real reciprocal remainder repeat reshape result_type roll round
    searchsorted sign signbit sin sinh sort sqrt square squeeze stack std subtract sum take
    take_along_axis tan tanh tensordot tile tril triu trunc unique_all unique_counts unique_inverse
    unique_values unstack var vecdot where zeros zeros_like
    """,
    "linalg": """
    cholesky cross det diagonal eigh eigvalsh inv matmul matrix_norm matrix_power matrix_rank
    matrix_transpose outer pinv qr slogdet solve svd svdvals tensordot trace vecdot vector_norm
    """,
    "fft": """
    fft fftfreq fftn fftshift hfft ifft ifftn ifftshift ihfft irfft irfftn rfft rfftfreq rfftn
    """,
}
"""The functions of the array API standard, 2024.12, by namespace."""

NUMPYS_NAMES = {
    "amax": "max",
    "amin": "min",
    "around": "round",
    "concatenate": "concat",
    "cumprod": "cumulative_prod",
    "cumsum": "cumulative_sum",
    "transpose": "permute_dims",
}
"""NumPy's names for functions of ours, where they differ (those of ufuncs are known to find_op)."""


class Row(NamedTuple):
    """What there is to say of one function."""

    name: str  # "linalg.inv"
    family: str  # "linalg", the module that declares it
    differentiable: bool  # to any order
    numpy: tuple[str, ...]  # NumPy's functions that become this one on a Tensor
    standard: bool


def rows() -> list[Row]:
    """A row for every public function, once: under its first name, where it has two."""
    differentiable = {case.name for case in CASES}
    numpys = _numpys_functions()
    found: dict[int, Row] = {}
    for place, name, function in _public_functions():
        path = f"{place}.{name}" if place else name
        row = Row(
            path,
            function.__module__.rpartition(".")[2],
            name in differentiable,
            tuple(sorted(numpys[path if place == "fft" else name])),
            name in STANDARD[place].split(),
        )
        found.setdefault(id(function), row)
    return list(found.values())


def _public_functions() -> Iterator[tuple[str, str, Any]]:
    for place, module in (("", tg.ops), ("linalg", tg.linalg), ("fft", tg.fft)):
        for name in module.__all__:
            function = getattr(module, name)
            if callable(function):
                yield place, name, function


def _numpys_functions() -> dict[str, set[str]]:
    """Our name -> NumPy's names for it."""
    found = defaultdict(set)
    for place, module in (("np", np), ("np.linalg", np.linalg), ("np.fft", np.fft)):
        for name in dir(module):
            if ours := _ours(getattr(module, name)):
                found[f"fft.{ours}" if module is np.fft else ours].add(f"{place}.{name}")
    return found


def _ours(function: Any) -> str | None:
    """The name under which we would have a function of NumPy's; None where Tensors lack it."""
    if isinstance(function, np.ufunc):
        op = find_op(function.__name__)
        return op.__name__ if op else None
    if not callable(function) or isinstance(function, type) or function not in ADAPTERS:
        return None
    return NUMPYS_NAMES.get(function.__name__, function.__name__)


def numpys_other_functions() -> list[str]:
    """NumPy's functions that take Tensors and are none of ours: made of several."""
    ours = {name for row in rows() for name in row.numpy}
    return sorted(set().union(*_numpys_functions().values()) - ours)
