"""The innermost loops of all products: a tile of sums that stays in the processor's registers.

Numba's vectorizer keeps sums in memory, at a third of the speed. Here the tile is written in LLVM's
own vectors: each step loads a few of them and multiplies each by each of a few numbers. That is the
highest ratio of arithmetic to loads that the registers allow, and reaches the processor's peak.

Two tiles, of filters by positions and of filters by taps, serve convolutions (directly, with no
copy of the windows, by a table of where each tap's values lie), their gradients, and Winograd's
products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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

    def totals(self, vectors: list[Any]) -> list[Any]:
        """The sums of the lanes of each vector: those of the first ones in the first vector, ...

        Two vectors become one by adding neighbours, until each has become one lane.
        """
        zero = ir.Constant(self.vector, None)
        vectors = vectors + [zero] * (-len(vectors) % self.lanes)
        lanes = self.lanes
        while lanes > 1:
            vectors = [
                self.builder.fadd(self.pick(a, b, 2, 0), self.pick(a, b, 2, 1))
                for a, b in zip(vectors[::2], vectors[1::2], strict=True)
            ]
            lanes //= 2
        return vectors

    def pick(self, a: Any, b: Any, step: int, first: int) -> Any:
        """Every step-th lane of two vectors side by side."""
        width = 2 * a.type.count
        return self.shuffle(a, b, range(first, width, step))

    def shuffle(self, a: Any, b: Any, order: Iterable[int]) -> Any:
        """Lanes of two vectors side by side, in that order."""
        lanes = list(order)
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
        return self.builder.shuffle_vector(a, b, mask)

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
    """s[f*taps + k] += sum_{n,p} g[n*g_step + f*g_pitch + p] * x[n*x_step + places[k] + p].

    For f < rows, k < taps, n < samples, p < vectors * lanes; flat arrays, counted from g0, x0 (and
    k from k0 in places), s0. A row of s has room for whole vectors.
    """

    @intrinsic
    def tile(  # type: ignore[no-untyped-def]
        typingctx, g, g0, g_step, g_pitch, x, x0, x_step, places, k0, samples, vectors, s, s0
    ):
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            g, g0, g_step, g_pitch, x, x0, x_step, places, k0, samples, vectors, s, s0 = args
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
            totals = t.totals([builder.load(each) for row in sums for each in row])
            for i, total in enumerate(totals):
                to = t.step(s, i * t.lanes)
                t.store(builder.fadd(t.load(to), total), to)
            return context.get_dummy_value()

        arguments = (g, g0, g_step, g_pitch, x, x0, x_step, places, k0, samples, vectors, s, s0)
        return types.void(*arguments), generate

    return tile


class _Lanes:
    """A vector that formulas can be written with."""

    def __init__(self, tile: _Tile, value: Any) -> None:
        self.tile, self.value = tile, value

    def __add__(self, other: _Lanes) -> _Lanes:
        add = self.tile.builder.fadd(self.value, other.value, flags=("contract",))
        return _Lanes(self.tile, add)

    def __sub__(self, other: _Lanes) -> _Lanes:
        subtract = self.tile.builder.fsub(self.value, other.value, flags=("contract",))
        return _Lanes(self.tile, subtract)

    def __rmul__(self, factor: float) -> _Lanes:
        number = self.tile.everywhere(self.tile.element(float(factor)))
        return _Lanes(self.tile, self.tile.builder.fmul(number, self.value, flags=("contract",)))


def elementwise(
    formula: Callable[..., Any], taken: int, split: bool = False, join: bool = False
) -> Any:
    """y[i*y_pitch + q] = formula(x[q], x[x_pitch + q], ...)[i] for q < vectors * lanes.

    `formula` takes that many vectors. With `split` its first four are x[4q], ..., x[4q+3], the
    others x[x_pitch + 4q], ...; with `join` its four results go to y[4q], ..., y[4q+3].
    """

    @intrinsic
    def transform(  # type: ignore[no-untyped-def]
        typingctx, x, x0, x_pitch, y, y0, y_pitch, vectors
    ):
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            x, x0, x_pitch, y, y0, y_pitch, vectors = args
            t = _Tile(context, builder, signature.args[0])
            x, y = t.at(signature.args[0], x, x0), t.at(signature.args[3], y, y0)

            def quarters(start: Any, count: int) -> list[Any]:
                a, b, c, d = (t.load(t.step(start, i * t.lanes)) for i in range(4))
                ab, cd = t.shuffle(a, b, range(2 * t.lanes)), t.shuffle(c, d, range(2 * t.lanes))
                return [t.pick(ab, cd, 4, i) for i in range(count)]

            def inputs(q: Any) -> list[Any]:
                if not split:
                    starts = (builder.mul(x_pitch, _INDEX(k)) for k in range(taken))
                    return [t.load(t.step(t.step(x, start), q)) for start in starts]
                start = t.step(x, builder.mul(q, _INDEX(4)))
                more = quarters(t.step(start, x_pitch), taken - 4) if taken > 4 else []
                return quarters(start, 4) + more

            def store(q: Any, results: list[Any]) -> None:
                if not join:
                    for i, result in enumerate(results):
                        to = t.step(y, builder.mul(y_pitch, _INDEX(i)))
                        t.store(result, t.step(to, q))
                    return
                a, b, c, d = results
                ab, cd = t.shuffle(a, b, range(2 * t.lanes)), t.shuffle(c, d, range(2 * t.lanes))
                to = t.step(y, builder.mul(q, _INDEX(4)))
                for i in range(4):
                    lanes = range(i * t.lanes // 4, (i + 1) * t.lanes // 4)
                    order = [k * t.lanes + lane for lane in lanes for k in range(4)]
                    t.store(t.shuffle(ab, cd, order), t.step(to, i * t.lanes))

            with t.loop(vectors) as v:
                q = builder.mul(v, _INDEX(t.lanes))
                store(q, [r.value for r in formula(*(_Lanes(t, each) for each in inputs(q)))])
            return context.get_dummy_value()

        return types.void(x, x0, x_pitch, y, y0, y_pitch, vectors), generate

    return transform


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
