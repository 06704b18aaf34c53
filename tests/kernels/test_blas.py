"""Whose threads multiply."""

from __future__ import annotations

import sys
from subprocess import run

import numpy as np
import pytest

from tinygrad_cnn import kernels
from tinygrad_cnn.kernels import blas
from tinygrad_cnn.kernels.blas import blas_has_one_thread, one_blas_thread
from tinygrad_cnn.kernels.blocked import matrix, workers


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many parts each shared product had."""
    monkeypatch.setattr(blas, "_TOLD", False)
    monkeypatch.setattr(workers, "threads", lambda: 2)
    counts: list[int] = []

    def share(*arguments):
        results = workers.share(*arguments)
        counts.append(len(results))
        return results

    monkeypatch.setattr(matrix, "share", share)
    return counts


def test_a_large_product_is_shared_out_while_blas_is_held_to_one_thread(spans) -> None:
    pytest.importorskip("threadpoolctl")
    a, b = np.ones((256, 300), np.float32), np.ones((300, 256), np.float32)
    with kernels.use("blocked"):
        kernels.matmul(a, b)
        assert spans == []
        with one_blas_thread(), one_blas_thread():
            kernels.matmul(a, b)
        assert spans == [2]
        kernels.matmul(a, b)
    assert spans == [2]


def test_the_hold_ends_when_an_exception_leaves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("threadpoolctl")
    monkeypatch.setattr(blas, "_TOLD", False)

    def fail() -> None:
        with one_blas_thread():
            assert blas_has_one_thread()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not blas_has_one_thread()


def test_blas_is_really_held_to_one_thread() -> None:
    threadpoolctl = pytest.importorskip("threadpoolctl")
    with one_blas_thread():
        found = {m["num_threads"] for m in threadpoolctl.threadpool_info() if _is_blas(m)}
    assert found == {1}


def _is_blas(module: dict[str, object]) -> bool:
    return module["user_api"] == "blas"


def test_holds_of_several_threads_end_with_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    threadpoolctl = pytest.importorskip("threadpoolctl")
    monkeypatch.setattr(blas, "_TOLD", False)

    def count() -> set[int]:
        return {m["num_threads"] for m in threadpoolctl.threadpool_info() if _is_blas(m)}

    before, first, second = count(), one_blas_thread(), one_blas_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert blas_has_one_thread()
    assert count() == {1}
    second.__exit__(None, None, None)
    assert not blas_has_one_thread()
    assert count() == before


def test_without_threadpoolctl_nothing_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    monkeypatch.setattr(blas, "_TOLD", False)
    with one_blas_thread():
        assert not blas_has_one_thread()


def test_halves_are_left_to_numpy_which_adds_them_up_in_single_precision(spans) -> None:
    pytest.importorskip("threadpoolctl")
    a = np.concatenate([np.full(3000, 28), np.full(3000, -28)]).astype(np.float16)
    with kernels.use("blocked"), one_blas_thread():
        found = kernels.matmul(np.tile(a, (40, 1)), np.ones((6000, 40), np.float16))
    assert (found == 0).all()
    assert spans == []


@pytest.mark.parametrize(
    ("variables", "known"),
    [
        ({}, False),
        ({"OPENBLAS_NUM_THREADS": "1"}, True),
        ({"OMP_NUM_THREADS": "1"}, True),
        ({"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "1"}, False),
    ],
)
def test_the_environment_may_say_that_blas_has_one_thread(variables, known) -> None:
    program = "from tinygrad_cnn.kernels import blas; print(blas.blas_has_one_thread())"
    done = run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={"PATH": "", **variables},
        timeout=60,
    )
    assert done.stdout.split() == [str(known)], done.stderr
