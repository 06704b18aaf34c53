"""The numbers and dtypes that have names, as the array API standard spells them."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

DType = np.dtype[Any]

bool: DType = np.dtype(builtins.bool)
int8: DType = np.dtype(np.int8)
int16: DType = np.dtype(np.int16)
int32: DType = np.dtype(np.int32)
int64: DType = np.dtype(np.int64)
uint8: DType = np.dtype(np.uint8)
uint16: DType = np.dtype(np.uint16)
uint32: DType = np.dtype(np.uint32)
uint64: DType = np.dtype(np.uint64)
float32: DType = np.dtype(np.float32)
float64: DType = np.dtype(np.float64)
complex64: DType = np.dtype(np.complex64)
complex128: DType = np.dtype(np.complex128)

e = np.e
pi = np.pi
inf = np.inf
nan = np.nan
newaxis = None
