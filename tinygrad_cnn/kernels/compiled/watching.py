"""Waiting without falling asleep, for threads that expect work at any moment.

A thread that sleeps is woken in some 30 microseconds, as long as a small kernel takes; one that
looks at a number in memory sees it change in less than one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from tinygrad_cnn.kernels.compiled.jit import jit
from tinygrad_cnn.kernels.geometry import Array

# What it makes is called without the first argument, which its types do not know.
code = cast(Callable[[Callable[..., Any]], Any], intrinsic)


@code
def _load(typing: Any, array: Any) -> Any:
    """array[0] as it is in memory now: an ordinary read the compiler would take out of the loop."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.load_atomic(data, "acquire", 8)

    return types.int64(array), generate


@code
def _store(typing: Any, array: Any, value: Any) -> Any:
    """array[0] = value, after all that was written before it."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.store_atomic(arguments[1], data, "release", 8)

    return types.void(array, types.int64), generate


@jit
def watch(mine: Array, count: int, theirs: Array, seen: int, looks: int) -> None:
    """mine[0] = count; then until theirs[0] is no longer `seen`, or for so many looks.

    Other Python threads run meanwhile, and already when the count is written.
    """
    _store(mine, count)
    for _ in range(looks):
        if _load(theirs) != seen:
            break
