"""The support matrix of the documents names everything, and tells the truth."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core import REGISTRY

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def support() -> Iterator[Any]:
    spec = importlib.util.spec_from_file_location("support", DOCS / "support.py")
    assert spec is not None
    assert spec.loader is not None
    path = list(sys.path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = path


def function_at(path: str) -> Any:
    place, _, name = path.rpartition(".")
    return getattr(getattr(tg, place) if place else tg, name)


def test_the_matrix_has_every_function_of_the_standard(support: Any) -> None:
    listed = {id(function_at(row.name)) for row in support.rows()}
    for place, names in support.STANDARD.items():
        for name in names.split():
            assert id(function_at(f"{place}.{name}" if place else name)) in listed


def test_the_standard_is_that_of_array_api_strict(support: Any) -> None:
    strict = pytest.importorskip(
        "array_api_strict", reason="array-api-strict (extra `dev`) is absent"
    )
    later = {"broadcast_shapes", "isin"}  # of 2025.12
    for place, names in support.STANDARD.items():
        namespace = getattr(strict, place) if place else strict
        theirs = {
            name
            for name in namespace.__all__
            if callable(thing := getattr(namespace, name))
            and not isinstance(thing, type)
            and "_strict_flags" not in name
            and not name.startswith("__")
        }
        theirs -= {name for name in theirs if name in later or name in DTYPES_OF_STRICT}
        assert set(names.split()) == theirs


DTYPES_OF_STRICT = {
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float32", "float64", "complex64", "complex128"),
}


def test_the_matrix_has_every_public_function_once(support: Any) -> None:
    names = [row.name for row in support.rows()]
    assert len(names) == len(set(names))
    listed = {id(function_at(name)) for name in names}
    for module in (tg.ops, tg.linalg, tg.fft):
        for name in module.__all__:
            function = getattr(module, name)
            assert not callable(function) or id(function) in listed, name


def test_an_op_without_an_entry_says_that_it_has_no_derivative(support: Any) -> None:
    for row in support.rows():
        op = REGISTRY.get(row.name)
        if op is not None and not row.differentiable:
            assert not op.differentiable, row.name


def test_a_numpy_function_that_the_matrix_names_gives_a_tensor(support: Any) -> None:
    x = tg.Tensor([1.0, 1.0], requires_grad=True)
    tried = 0
    for row in support.rows():
        for path in row.numpy:
            ufunc = getattr(np, path.removeprefix("np."), None)
            if isinstance(ufunc, np.ufunc) and ufunc.nin == 1 and row.differentiable:
                with np.errstate(all="ignore"):
                    assert ufunc(x).requires_grad, path
                tried += 1
    assert tried >= 40
