"""Modes: what they change, where they hold, and that nothing of them is left behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor
from tinygrad_cnn.core import modes


def records() -> bool:
    return (Tensor(1.0, requires_grad=True) * 2.0).requires_grad


def in_a_thread(f: Callable[[], Any]) -> Any:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(f()))
    thread.start()
    thread.join()
    return results[0]


def test_nothing_is_recorded_under_no_grad_and_everything_again_after_it() -> None:
    with tg.no_grad():
        assert not records()
        assert not tg.is_grad_enabled()
    assert records()


def test_enable_grad_records_inside_no_grad() -> None:
    with tg.no_grad():
        with tg.enable_grad():
            assert records()
        assert not records()


def test_a_mode_ends_with_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), tg.no_grad():
        _ = 1 // 0
    assert records()


def test_one_mode_object_may_be_entered_again_and_within_itself() -> None:
    quiet = tg.no_grad()
    for _ in range(2):
        with quiet:
            with quiet:
                assert not records()
            assert not records()
        assert records()


def test_no_grad_decorates_a_function() -> None:
    @tg.no_grad()
    def f() -> bool:
        """A docstring."""
        return records()

    assert not f()
    assert records()
    assert f.__name__ == "f"
    assert f.__doc__ == "A docstring."


def test_a_decorated_function_may_call_itself_and_raise() -> None:
    @tg.no_grad()
    def count_down(n: int) -> bool:
        if n == 0:
            raise ZeroDivisionError
        with tg.enable_grad():
            assert records()
            if n == 3:
                return count_down(n - 1)
        return count_down(n - 1) or records()

    with pytest.raises(ZeroDivisionError):
        count_down(5)
    assert records()


def test_a_decorated_generator_runs_under_the_mode() -> None:
    @tg.no_grad()
    def steps() -> Iterator[bool]:
        yield records()

    assert list(steps()) == [False]


def test_a_generator_that_is_left_inside_its_mode_does_not_change_that_of_its_caller() -> None:
    def steps() -> Iterator[bool]:
        with tg.no_grad():
            yield records()

    generator = copy_context().run(lambda: list(steps()))
    assert generator == [False]
    assert records()


def test_a_thread_starts_with_the_defaults_whatever_the_mode_of_its_parent() -> None:
    with tg.no_grad():
        assert in_a_thread(records)
        assert not records()


def test_threads_do_not_see_one_anothers_modes() -> None:
    n = 8
    barrier = threading.Barrier(n)
    seen: dict[int, list[bool]] = {}

    def work(i: int) -> None:
        mode = tg.no_grad if i % 2 else tg.enable_grad
        mine = []
        for _ in range(50):
            with mode():
                barrier.wait()
                mine.append(records())
            mine.append(records())
        seen[i] = mine

    threads = [threading.Thread(target=work, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert seen == {i: [not i % 2, True] * 50 for i in range(n)}


def test_one_decorated_function_may_run_in_several_threads_at_once() -> None:
    barrier = threading.Barrier(4)

    @tg.no_grad()
    def f() -> bool:
        barrier.wait()
        return records()

    results: list[bool] = []
    threads = [threading.Thread(target=lambda: results.append(f())) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == [False] * 4
    assert records()


def test_threads_may_record_and_sweep_at_once() -> None:
    results: dict[int, list[float]] = {}

    def work(i: int) -> None:
        x = Tensor(np.full(3, float(i)), requires_grad=True)
        for _ in range(100):
            x.zero_grad()
            tg.sum(tg.exp(x) * x + x * x).backward()
        results[i] = x.grad.tolist()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for i, found in results.items():
        np.testing.assert_allclose(found, np.exp(i) * (i + 1) + 2 * i)


def test_the_default_dtype_is_that_of_its_thread() -> None:
    tg.set_default_dtype(np.float64)
    try:
        assert in_a_thread(lambda: Tensor(1.0).dtype) == np.float32
    finally:
        tg.set_default_dtype(np.float32)


def test_a_thread_keeps_its_own_generator() -> None:
    tg.manual_seed(0)
    here = modes.rng().random()
    in_a_thread(lambda: tg.manual_seed(1))
    again = modes.rng().random()
    tg.manual_seed(0)
    assert [modes.rng().random(), modes.rng().random()] == [here, again]


def test_one_seed_gives_one_sequence() -> None:
    x = np.ones(100)
    tg.manual_seed(3)
    first = tg.dropout(x)
    assert not np.array_equal(tg.dropout(x), first)
    tg.manual_seed(3)
    assert np.array_equal(tg.dropout(x), first)


def test_a_node_remembers_the_scope_in_which_it_was_recorded() -> None:
    x = Tensor(1.0, requires_grad=True)
    with modes.scope("outer"):
        with modes.scope("inner"):
            y = x * 2.0
        z = x * 2.0
    assert (y._node.scope, z._node.scope, (x * 2.0)._node.scope) == ("inner", "outer", None)


def test_a_scope_keeps_the_mode_and_a_mode_keeps_the_scope() -> None:
    x = Tensor(1.0, requires_grad=True)
    with tg.no_grad(), modes.scope("s"):
        assert not records()
        with tg.enable_grad():
            assert (x * 2.0)._node.scope == "s"


def test_the_scope_and_the_observers_end_with_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), modes.scope("s"), modes.observe(modes.Observer()):
        _ = 1 // 0
    assert modes.STATE.get() == modes.State()


def test_the_graph_of_a_gradient_says_of_which_node_it_is() -> None:
    x = Tensor(1.0, requires_grad=True)
    with modes.scope("block"):
        y = tg.sin(x)
    y.backward(create_graph=True)
    assert "block" in str(x.grad._node.scope)
    assert "gradient of sin" in str(x.grad._node.scope)


def test_a_decorated_coroutine_runs_under_the_mode() -> None:
    @tg.no_grad()
    async def ask() -> bool:
        await asyncio.sleep(0)
        return records()

    assert asyncio.run(ask()) is False
    assert records()


def test_an_error_thrown_into_a_decorated_generator_reaches_it() -> None:
    @tg.no_grad()
    def steps() -> Iterator[str]:
        try:
            yield "waiting"
        except KeyError:
            yield f"caught, recording: {records()}"

    generator: Any = steps()
    assert next(generator) == "waiting"
    assert generator.throw(KeyError()) == "caught, recording: False"
