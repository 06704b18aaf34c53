"""The innermost loops of all products: a tile of sums that stays in the processor's registers.

Numba's vectorizer keeps sums in memory, at a third of the speed. Here the tile is written in LLVM's
own vectors: each step loads a few of them and multiplies each by each of a few numbers. That is the
highest ratio of arithmetic to loads that the registers allow, and reaches the processor's peak.

Two tiles, of filters by positions and of filters by taps, serve convolutions (directly, with no
copy of the windows, by a table of where each tap's values lie), their gradients, and Winograd's
products.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils as untyped
from numba.extending import intrinsic

VECTOR_BYTES = 64 if llvmlite.binding.get_host_cpu_features().get("avx512f") else 32
# AVX-512 has 32 registers: 24 sums, 3 vectors and a number. AVX2 has half as many.
ROWS = 8 if VECTOR_BYTES == 64 else 4
WIDE = 3

cgutils: Any = untyped
_INDEX = ir.IntType(64)


class _Tile:
    """The code of one tile: pointers, vectors, and sums that live outside the loop."""

    def __init__(self, context: Any, builder: Any, array: Any) -> None:
        self.context, self.builder = context, builder
        self.element = context.get_value_type(array.dtype)
        self.lanes = VECTOR_BYTES // (array.dtype.bitwidth // 8)
        self.bytes = array.dtype.bitwidth // 8
        self.vector = ir.VectorType(self.element, self.lanes)

    def at(self, array: Any, value: Any, index: Any) -> Any:
        """The address of an element of a contiguous array."""
        data = self.context.make_array(array)(self.context, self.builder, value).data
        return self.builder.gep(data, [index])

    def step(self, pointer: Any, index: Any) -> Any:
        """The address `index` elements further."""
        return self.builder.gep(pointer, [_INDEX(index) if isinstance(index, int) else index])

    def load(self, pointer: Any, lanes: int = 0) -> Any:
        """A vector from any address."""
        vector = ir.VectorType(self.element, lanes or self.lanes)
        loaded = self.builder.load(self.builder.bitcast(pointer, vector.as_pointer()))
        loaded.align = self.bytes
        return loaded

    def store(self, vector: Any, pointer: Any) -> None:
        """A vector to any address."""
        to = self.builder.bitcast(pointer, vector.type.as_pointer())
        self.builder.store(vector, to).align = self.bytes

    def everywhere(self, number: Any, lanes: int = 0) -> Any:
        """A vector of one number."""
        lanes = lanes or self.lanes
        undefined = ir.Constant(ir.VectorType(self.element, lanes), ir.Undefined)
        one = self.builder.insert_element(undefined, number, ir.IntType(32)(0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), lanes), None)
        return self.builder.shuffle_vector(one, undefined, mask)

    def sums(self, rows: int, columns: int) -> list[list[Any]]:
        """Sums that start at zero: LLVM turns these variables into registers."""
        zero = ir.Constant(self.vector, None)
        sums = [
            [cgutils.alloca_once(self.builder, self.vector) for _ in range(columns)]
            for _ in range(rows)
        ]
        for row in sums:
            for each in row:
                self.builder.store(zero, each)
        return sums

    def add_product(self, a: Any, b: Any, to: Any) -> None:
        """to += a * b, rounded once where the processor can."""
        product = self.builder.fmul(a, b, flags=("contract",))
        total = self.builder.fadd(product, self.builder.load(to), flags=("contract",))
        self.builder.store(total, to)

    def total(self, vector: Any) -> Any:
        """The sum of the lanes."""
        name = f"llvm.vector.reduce.fadd.v{self.lanes}f{8 * self.bytes}"
        kind = ir.FunctionType(self.element, [self.element, self.vector])
        add = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(add, [self.element(0.0), vector], fastmath=("reassoc",))

    @contextmanager
    def loop(self, count: Any) -> Iterator[Any]:
        """The index of each pass."""
        with cgutils.for_range(self.builder, count, intp=_INDEX) as loop:
            yield loop.index


def correlation(rows: int, vectors: int) -> Any:
    """y[f*pitch + p] = sum_k w[f + k*rows] * x[p + places[k]] for f < rows, p < vectors * lanes.

    x, w and y are flat arrays, counted from x0, w0 and y0.
    """

    @intrinsic
    def tile(  # type: ignore[no-untyped-def]
        typingctx, x, x0, places, steps, w, w0, y, y0, pitch
    ):
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            x, x0, places, steps, w, w0, y, y0, pitch = args
            t = _Tile(context, builder, signature.args[0])
            x = t.at(signature.args[0], x, x0)
            places = t.at(signature.args[2], places, _INDEX(0))
            w = t.at(signature.args[4], w, w0)
            y = t.at(signature.args[6], y, y0)
            sums = t.sums(rows, vectors)
            with t.loop(steps) as k:
                start = t.step(x, builder.load(t.step(places, k)))
                b = [t.load(t.step(start, v * t.lanes)) for v in range(vectors)]
                weights = t.step(w, builder.mul(k, _INDEX(rows)))
                for f in range(rows):
                    a = t.everywhere(builder.load(t.step(weights, f)))
                    for v in range(vectors):
                        t.add_product(a, b[v], sums[f][v])
            for f in range(rows):
                row = t.step(y, builder.mul(pitch, _INDEX(f)))
                for v in range(vectors):
                    t.store(builder.load(sums[f][v]), t.step(row, v * t.lanes))
            return context.get_dummy_value()

        return types.void(x, x0, places, steps, w, w0, y, y0, pitch), generate

    return tile


def inner_products(rows: int, taps: int) -> Any:
    """s[f*s_pitch + k] += sum_{n,p} g[n*g_step + f*g_pitch + p] * x[n*x_step + places[k] + p].

    For f < rows, k < taps, n < samples, p < vectors * lanes; flat arrays, counted from g0, x0 (and
    k from k0 in places), s0.
    """

    @intrinsic
    def tile(  # type: ignore[no-untyped-def]
        typingctx, g, g0, g_step, g_pitch, x, x0, x_step, places, k0, samples, vectors, s, s0, pitch
    ):
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            g, g0, g_step, g_pitch, x, x0, x_step, places, k0, samples, vectors, s, s0, pitch = args
            t = _Tile(context, builder, signature.args[0])
            g = t.at(signature.args[0], g, g0)
            x = t.at(signature.args[4], x, x0)
            places = t.at(signature.args[7], places, k0)
            s = t.at(signature.args[11], s, s0)
            starts = [builder.load(t.step(places, k)) for k in range(taps)]
            sums = t.sums(rows, taps)
            with t.loop(samples) as n:
                of_g = t.step(g, builder.mul(n, g_step))
                of_x = t.step(x, builder.mul(n, x_step))
                with t.loop(vectors) as v:
                    p = builder.mul(v, _INDEX(t.lanes))
                    b = [t.load(t.step(t.step(of_x, start), p)) for start in starts]
                    for f in range(rows):
                        a = t.load(t.step(t.step(of_g, builder.mul(g_pitch, _INDEX(f))), p))
                        for k in range(taps):
                            t.add_product(a, b[k], sums[f][k])
            for f in range(rows):
                row = t.step(s, builder.mul(pitch, _INDEX(f)))
                for k in range(taps):
                    to = t.step(row, k)
                    total = t.total(builder.load(sums[f][k]))
                    builder.store(builder.fadd(builder.load(to), total), to)
            return context.get_dummy_value()

        signature = types.void(
            *(g, g0, g_step, g_pitch, x, x0, x_step, places, k0, samples, vectors, s, s0, pitch)
        )
        return signature, generate

    return tile


def _move() -> Any:
    @intrinsic
    def move(typingctx, x, x0, y, y0, count, shift):  # type: ignore[no-untyped-def]
        """y[y0 + j] = x[x0 + j] + shift for j < count; x and y are flat arrays.

        Rows of images are short. So what remains behind the last whole vector is no loop:
        a vector that ends with the row writes some elements a second time.
        """

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            x, x0, y, y0, count, shift = args
            t = _Tile(context, builder, signature.args[0])
            x, y = t.at(signature.args[0], x, x0), t.at(signature.args[2], y, y0)

            def move_at(j: Any, lanes: int) -> None:
                b = t.everywhere(shift, lanes)
                t.store(builder.fadd(t.load(t.step(x, j), lanes), b), t.step(y, j))

            def at_least(lanes: int) -> None:
                with builder.if_else(builder.icmp_signed(">=", count, _INDEX(lanes))) as (yes, no):
                    with yes:
                        if lanes == t.lanes:
                            with t.loop(builder.sdiv(count, _INDEX(lanes))) as v:
                                move_at(builder.mul(v, _INDEX(lanes)), lanes)
                        else:
                            move_at(_INDEX(0), lanes)
                        move_at(builder.sub(count, _INDEX(lanes)), lanes)
                    with no:
                        if lanes > 1:
                            at_least(lanes // 2)

            at_least(t.lanes)
            return context.get_dummy_value()

        return types.void(x, x0, y, y0, count, shift), generate

    return move


move = _move()
