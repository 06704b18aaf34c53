"""The modes: what changes how ops run, held in context variables.

A context variable survives exceptions (the `with` block restores it) and is seen by its own thread
or task alone, so that `no_grad()` in one thread never stops another from recording.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ContextDecorator, contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, replace
from functools import wraps
from inspect import iscoroutinefunction, isgeneratorfunction
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_cnn.errors import DTypeError

if TYPE_CHECKING:
    from tinygrad_cnn.core.node import Node
    from tinygrad_cnn.core.op import Op


class Observer:
    """Sees every op run, forward and backward, while `observe(self)` is active.

    Anomaly detection, timing and the branch witnesses of the test kit are observers. Each method
    does nothing here; a subclass overrides those that it wants.
    """

    def before_forward(self, op: Op, values: list[Any], static: dict[str, Any]) -> None:
        """An op is about to compute its output from `values` (arrays and scalars)."""

    def after_forward(self, op: Op, values: list[Any], static: dict[str, Any], out: Any) -> None:
        """An op has returned `out`: its output, or the tuple of its outputs and residuals."""

    def recorded(self, node: Node) -> None:
        """A node has joined the graph."""

    def before_backward(self, node: Node, gradient: Any) -> None:
        """The sweep is about to pull `gradient` back through `node`."""

    def after_backward(self, node: Node, gradients: list[Any]) -> None:
        """The sweep has the gradients of the node's inputs (None where nobody needs one)."""


@dataclass(slots=True)
class State:
    """What an op reads, in one look-up, each time that it runs on a Tensor. Never changed."""

    grad: bool = True
    scope: object = None
    observers: tuple[Observer, ...] = ()


STATE: ContextVar[State] = ContextVar("tinygrad_cnn_state", default=State())  # noqa: B039
current_state = STATE.get  # bound once: every op calls it
_DEFAULT_DTYPE: ContextVar[np.dtype[Any]] = ContextVar(
    "tinygrad_cnn_default_dtype", default=np.dtype(np.float32)
)
_RNG: ContextVar[np.random.Generator | None] = ContextVar("tinygrad_cnn_rng", default=None)


class _GradMode(ContextDecorator):
    """Sets whether ops record, as a `with` block or as a decorator; re-entrant and reusable."""

    _record: bool

    def __init__(self) -> None:
        self._tokens: list[Token[State]] = []

    def _recreate_cm(self) -> _GradMode:
        return type(self)()  # a decorated function may run in several threads at once

    def __call__(self, function: Any) -> Any:
        """The function, run under the mode; of a generator or a coroutine, each of its steps."""
        if isgeneratorfunction(function):
            return wraps(function)(lambda *args, **kwargs: self._steps(function(*args, **kwargs)))
        if iscoroutinefunction(function):

            @wraps(function)
            async def run(*args: Any, **kwargs: Any) -> Any:
                with self._recreate_cm():  # a task has a context of its own
                    return await function(*args, **kwargs)

            return run
        return super().__call__(function)

    def _steps(self, generator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """The generator, each of whose steps runs under the mode, and none of its caller's."""
        step, value = generator.send, None
        try:
            while True:
                with self._recreate_cm():
                    value = step(value)
                try:
                    value, step = (yield value), generator.send
                except GeneratorExit:
                    raise
                except BaseException as error:  # it.throw(error): for the generator to handle
                    value, step = error, generator.throw
        except StopIteration as end:
            return end.value
        finally:
            generator.close()

    def __enter__(self) -> None:
        self._tokens.append(STATE.set(replace(STATE.get(), grad=self._record)))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        STATE.reset(self._tokens.pop())


class no_grad(_GradMode):
    """Nothing is recorded inside: outputs do not require a gradient.

    >>> import tinygrad_cnn as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> with tg.no_grad():
    ...     y = w * 2
    >>> y.requires_grad
    False
    """

    _record = False


class enable_grad(_GradMode):
    """Records again, inside a `no_grad()`."""

    _record = True


def is_grad_enabled() -> bool:
    """Whether ops on Tensors record here."""
    return STATE.get().grad


@contextmanager
def scope(owner: object) -> Iterator[None]:
    """Nodes recorded inside remember `owner` (a Module's call) as the place where they arose."""
    token = STATE.set(replace(STATE.get(), scope=owner))
    try:
        yield
    finally:
        STATE.reset(token)


@contextmanager
def observe(observer: Observer) -> Iterator[Observer]:
    """`observer` sees every op that runs inside the block."""
    state = STATE.get()
    token = STATE.set(replace(state, observers=(*state.observers, observer)))
    try:
        yield observer
    finally:
        STATE.reset(token)


def default_dtype() -> np.dtype[Any]:
    """The dtype that Python floats and lists of them become: float32 unless set otherwise."""
    return _DEFAULT_DTYPE.get()


def default_complex_dtype() -> np.dtype[Any]:
    """The dtype that Python's complex numbers become: its parts have the default dtype."""
    return np.result_type(default_dtype(), np.complex64)


def set_default_dtype(dtype: DTypeLike) -> None:
    """Set the dtype that Python floats and lists of them become (a float dtype), in this thread.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> tg.set_default_dtype(np.float64)
    >>> tg.Tensor(0.1).dtype
    dtype('float64')
    >>> tg.set_default_dtype(np.float32)
    """
    new = np.dtype(dtype)
    if new.kind != "f":
        raise DTypeError(f"set_default_dtype: takes a float dtype, got {new}; use float32 or 64")
    _DEFAULT_DTYPE.set(new)


def manual_seed(seed: int) -> np.random.Generator:
    """Seed the generator that initialisation and dropout draw from, in this thread; returns it.

    >>> import tinygrad_cnn as tg
    >>> float(tg.manual_seed(0).random()) == float(tg.manual_seed(0).random())
    True
    """
    generator = np.random.default_rng(seed)
    _RNG.set(generator)
    return generator


def rng() -> np.random.Generator:
    """The current generator (seeded from the system where `manual_seed` was not called)."""
    generator = _RNG.get()
    if generator is None:
        generator = np.random.default_rng()
        _RNG.set(generator)
    return generator
