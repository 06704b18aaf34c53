"""The face that functions made of ops turn to users; an Op has the same manners of its own.

Inside the library functions trust each other. Those that users call also take numbers and lists for
arrays, and a mistake leaves them as an error of ours that names them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from types import FunctionType
from typing import Any, TypeVar

import numpy as np

from tinygrad_cnn.core.arguments import MISTAKES, array_argument, explain
from tinygrad_cnn.core.tensor import Parameter, Tensor
from tinygrad_cnn.errors import TinygradError

F = TypeVar("F", bound=Callable[..., Any])
_ARRAYS = frozenset((np.ndarray, Tensor, Parameter))
_NUMBERS = frozenset((bool, int, float, complex))
_ABOUT_ARRAYS = frozenset(("creation", "dtypes", "inspection"))  # these take anything by design
_ANNOTATIONS = frozenset(("Any", "Array", "Array | None", "Sequence[Any]"))
_READ_IN_THEIR_OWN_WAY = frozenset(("index", "subscripts", "operands", "q"))


def show(namespace: dict[str, Any], names: Iterable[str]) -> None:
    """Put the face on every plain function of a namespace."""
    for name in names:
        thing = namespace[name]
        if isinstance(thing, FunctionType) and not hasattr(thing, "__wrapped__"):
            namespace[name] = face(thing)


def face(function: F) -> F:
    """`function`, with its arguments converted and its mistakes explained.

    A positional parameter that is annotated `Any` (or `Array`, which means no more) takes an array,
    one that is annotated `Sequence[Any]` several. A number stands for an array in the first place
    alone: in the others it yields to the arrays' dtype.
    """
    parameters = _Parameters(function)
    name = function.__name__

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        try:
            for i, fine in parameters.places:
                if i < len(args) and type(args[i]) not in fine:
                    args = parameters.converted(name, i, args)
            if parameters.several and args:
                args = parameters.each_converted(name, args)
            for key in options:
                if key in parameters.named and isinstance(options[key], list | tuple):
                    options[key] = array_argument(function, name, key, options[key])
            return function(*args, **options)
        except TinygradError as error:
            if name not in str(error):  # it speaks of an op that the user did not call
                error.args = (f"{name}: {error}",)
            raise
        except MISTAKES as error:
            arguments = dict(zip(parameters.positional, args, strict=False)) | options
            raise explain(function, name, error, arguments) from error

    return call  # type: ignore[return-value]


class _Parameters:
    """Where a function takes arrays, read off its signature."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        parameters = list(inspect.signature(function).parameters.values())
        self.positional = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
        self.places: list[tuple[int, frozenset[type]]] = []
        self.several: slice | None = None
        self.named: set[str] = set()
        if function.__module__.rpartition(".")[2] in _ABOUT_ARRAYS:
            return
        for i, p in enumerate(parameters):
            if p.name in _READ_IN_THEIR_OWN_WAY or p.annotation not in _ANNOTATIONS:
                continue
            if p.annotation == "Sequence[Any]":
                self.several = slice(i, i + 1)
            elif p.kind is p.VAR_POSITIONAL:
                self.several = slice(i, None)
            elif p.kind is not p.VAR_KEYWORD:
                self.named.add(p.name)
                if p.kind is not p.KEYWORD_ONLY:
                    fine = _ARRAYS if i == 0 else _ARRAYS | _NUMBERS
                    optional = frozenset((type(None),)) if p.default is None else frozenset()
                    self.places.append((i, fine | optional))

    def converted(self, name: str, i: int, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments with number i as an array."""
        array = self._convert(name, self.positional[i], args[i])
        return (*args[:i], array, *args[i + 1 :])

    def each_converted(self, name: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments with those that are arrays, or a sequence of them, converted one by one."""
        assert self.several is not None
        if self.several.stop is None:  # *arrays
            start = self.several.start
            return (*args[:start], *self._all(name, args[start:]))
        i = self.several.start
        if i >= len(args):
            return args
        return (*args[:i], self._all(name, args[i]), *args[i + 1 :])

    def _all(self, name: str, values: Iterable[Any]) -> list[Any]:
        return [self._convert(name, f"array {i}", value) for i, value in enumerate(values)]

    def _convert(self, name: str, parameter: str, value: Any) -> Any:
        if isinstance(value, Tensor):
            return value
        return array_argument(self.function, name, parameter, value)
