"""Plain values out of a pickle that nobody unpickles.

A pickle is a program for a machine with a stack, and its instructions GLOBAL, REDUCE and BUILD can
call any function there is. Here the program is read and not run: of its instructions only those
are known that build dictionaries, lists, tuples, numbers, texts and NumPy arrays of bytes, as
Python 2 wrote them (protocol 2), and where such an array calls NumPy's functions, the three calls
are recognised by name and an array is made from the bytes at hand. Everything else is refused.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn.data.formats.common import Images, StrPath, refuse


class _Name(NamedTuple):
    """A function or class that the pickle names. It is never looked up."""

    name: str


class _Refused(Exception):
    """Why an instruction is none of those that build plain values."""


_MARK = object()  # on the stack: where the items of a list, tuple or dictionary begin
_ARRAY = _Name("an array without its bytes")
_UINT8 = _Name("the dtype uint8")
_RECONSTRUCT, _NDARRAY, _DTYPE = (
    _Name("numpy.core.multiarray._reconstruct"),
    _Name("numpy.ndarray"),
    _Name("numpy.dtype"),
)


def literal(content: bytes, path: StrPath) -> Any:
    r"""The value that a pickle of plain values describes; texts as bytes.

    Raises DataError, with the byte and the name of the instruction, for any other pickle, for a
    damaged one and for what is none. `path` opens the message.

    >>> literal(b"\x80\x02}U\x01aK\x07s.", "seven.pickle")
    {b'a': 7}
    """
    machine = _Machine()
    opcode, position = "", 0
    try:
        for info, argument, at in pickletools.genops(content):
            opcode, position = info.name, at or 0
            if opcode == "STOP":
                return machine.stack[-1]
            machine.step(opcode, argument)
    except _Refused as error:
        problem = f"the instruction {opcode} {error}, so this is no plain data and is not read"
        refuse(path, f"byte {position:,}", problem, "fetch the file again from its official source")
    except (ValueError, IndexError, KeyError, TypeError) as error:
        problem = f"truncated, damaged or no pickle (after {opcode or 'nothing'}: {error})"
        refuse(path, f"byte {position:,}", problem, "fetch the file again")
    raise AssertionError("genops ends with STOP or raises")  # pragma: no cover


class _Machine:
    """The stack and the memo, and what each known instruction does to them."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, opcode: str, argument: Any) -> None:
        if opcode == "PROTO":
            return
        if opcode in _CONSTANTS:
            self.stack.append(_CONSTANTS[opcode]())
        elif opcode in ("BININT", "BININT1", "BININT2"):
            self.stack.append(argument)
        elif opcode in ("SHORT_BINSTRING", "BINSTRING"):
            self.stack.append(argument.encode("latin-1"))  # as genops decoded it
        elif opcode in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif opcode in ("BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif opcode in _STEPS:
            _STEPS[opcode](self)
        elif opcode == "GLOBAL":
            self.stack.append(_name(argument))
        else:
            raise _Refused("is none that builds numbers, texts or arrays")

    def since_mark(self) -> list[Any]:
        """Take the items above the last mark, and the mark."""
        marks = [i for i, item in enumerate(self.stack) if item is _MARK]
        if not marks:
            raise IndexError("there is no mark on the stack")
        start = marks[-1]
        items = self.stack[start + 1 :]
        del self.stack[start:]
        return items

    def last(self, count: int) -> tuple[Any, ...]:
        """Take the last `count` items."""
        if len(self.stack) < count:
            raise IndexError("the stack is empty")
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        return items

    def push_tuple(self, items: tuple[Any, ...]) -> None:
        self.stack.append(items)

    def append(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise _Refused("appends to what is no list")
        target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict or not all(type(key) in (bytes, int) for key in items[::2]):
            raise _Refused("sets items of what is no dictionary, or under what is no text")
        target.update(zip(items[::2], items[1::2], strict=True))

    def reduce(self) -> None:
        """The calls that stand for an empty array and for uint8."""
        function, arguments = self.last(2)
        if function == _RECONSTRUCT and arguments == (_NDARRAY, (0,), b"b"):
            self.stack.append(_ARRAY)
        elif function == _DTYPE and arguments == (b"u1", 0, 1):
            self.stack.append(_UINT8)
        else:
            shown = function.name if isinstance(function, _Name) else type(function).__name__
            raise _Refused(f"calls {shown} with other arguments than an array of bytes has")

    def build(self) -> None:
        """The states of an array (version, shape, dtype, Fortran order, bytes) and of uint8."""
        target, state = self.last(2)
        if target is _ARRAY:
            self.stack.append(_array(state))
        elif target is _UINT8 and state == (3, b"|", None, None, None, -1, -1, 0):
            self.stack.append(_UINT8)
        else:
            raise _Refused("sets the state of an object")


def _name(argument: str) -> _Name:
    name = _Name(argument.replace(" ", "."))
    if name not in (_RECONSTRUCT, _NDARRAY, _DTYPE):
        raise _Refused(f"names {name.name}, which could run code")
    return name


def _array(state: Any) -> Images:
    if not isinstance(state, tuple) or len(state) != 5:
        raise _Refused("gives an array a state of another form")
    version, shape, dtype, fortran, content = state
    if version != 1 or dtype is not _UINT8 or fortran is not False or type(content) is not bytes:
        raise _Refused("makes an array of anything but bytes in C order")
    if type(shape) is not tuple or not all(type(n) is int and n >= 0 for n in shape):
        raise _Refused("gives an array a shape that is none")
    if math.prod(shape) != len(content):
        raise _Refused(f"makes an array {shape} of {len(content):,} bytes")
    return np.frombuffer(content, np.uint8).reshape(shape)


_CONSTANTS: dict[str, Callable[[], Any]] = {
    "MARK": lambda: _MARK,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}

_STEPS: dict[str, Callable[[_Machine], None]] = {
    "TUPLE1": lambda m: m.push_tuple(m.last(1)),
    "TUPLE2": lambda m: m.push_tuple(m.last(2)),
    "TUPLE3": lambda m: m.push_tuple(m.last(3)),
    "TUPLE": lambda m: m.push_tuple(tuple(m.since_mark())),
    "APPEND": lambda m: m.append(list(m.last(1))),
    "APPENDS": lambda m: m.append(m.since_mark()),
    "SETITEM": lambda m: m.set_items(list(m.last(2))),
    "SETITEMS": lambda m: m.set_items(m.since_mark()),
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}
