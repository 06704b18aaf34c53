"""Whose threads multiply: those of BLAS, or the kernels' own.

Both at once fight for the cores: on a busy machine a training step was measured to take three to
eight times longer. So the kernels share out a product among their own threads only where BLAS is
known to use one: an environment variable says so, or `one_blas_thread` has seen to it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tinygrad_cnn.errors import MissingDependencyError, require

_lock = threading.Lock()
_holds = 0  # how many `one_blas_thread` are in force; BLAS's setting is the process's, too
_limit: Any = None  # of the first of them, which the last one takes back


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS held to one thread, so that the kernels' own share out large products as well.

    For the whole process; nothing happens where threadpoolctl (extra `fast`) is not installed.
    Before NumPy is loaded, OPENBLAS_NUM_THREADS=1 with TINYGRAD_CNN_THREADS does the same.

    >>> with one_blas_thread():
    ...     pass  # train
    """
    global _holds, _limit
    try:
        threadpoolctl = require("threadpoolctl", "fast")
    except MissingDependencyError:
        yield
        return
    with _lock:
        if not _holds:
            _limit = threadpoolctl.threadpool_limits(1, user_api="blas")
        _holds += 1
    try:
        yield
    finally:
        with _lock:
            _holds -= 1
            if not _holds:
                _limit.restore_original_limits()


def blas_has_one_thread() -> bool:
    """Whether that is known."""
    return _holds > 0 or _TOLD


# OpenBLAS reads its own variable first, then OpenMP's, when NumPy is loaded: about now.
_TOLD = (os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS")) == "1"
