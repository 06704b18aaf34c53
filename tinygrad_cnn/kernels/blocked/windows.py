"""The windows of an image as matrices, a block of samples at a time, in one reused buffer (im2col).

The copies move whole rows of the output, by `memory.as_rows`. For that, the positions that a tap
meets must lie side by side; where the last axis has a stride, x is first sorted into the `stride`
phases of that axis, in the same copy that pads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd, prod
from typing import NamedTuple

import numpy as np

from tinygrad_cnn.kernels.blocked.memory import as_rows, workspace
from tinygrad_cnn.kernels.geometry import Array, Ints, last_axes, window_extent

BLOCK_BYTES = 1 << 21  # of windows at a time: a large second-level cache


class Where(NamedTuple):
    """Output position i and tap a meet x at s*i + d*a - before, on each spatial axis."""

    out: Ints
    kernel: Ints
    stride: Ints
    before: Ints
    dilation: Ints


class Block(NamedTuple):
    """Some samples, and some rows of the first output axis."""

    first: int
    samples: int
    row: int
    rows: int


def blocks(start: int, stop: int, out: Ints, bytes_each: int) -> Iterator[Block]:
    """Samples start to stop in blocks of about BLOCK_BYTES, `bytes_each` for a sample's windows."""
    samples, rows = max(1, BLOCK_BYTES // bytes_each), out[0]
    if len(out) > 1 and bytes_each > 2 * BLOCK_BYTES:
        rows = max(1, rows * BLOCK_BYTES // bytes_each)
    for first in range(start, stop, samples):
        for row in range(0, out[0], rows):
            yield Block(first, min(samples, stop - first), row, min(rows, out[0] - row))


class Windows:
    """columns[n, c, a, i] = x[n, c, s*i + d*a - before], x (N, C, *S) being 0 outside.

    One object serves all blocks of one size: the views it copies between are made once.
    """

    def __init__(
        self, x: Array, where: Where, samples: int, rows: int, samples_inside: bool
    ) -> None:
        out, kernel, stride, before, dilation = where
        self.x, self.outer = x, len(kernel) - 1
        self.framed: int | None = None  # the first sample whose values the frame holds
        self.direct = (
            stride[-1] == 1
            and not any(before)
            and all(e <= n for e, n in zip(_extent(where), x.shape[2:], strict=True))
            and x.flags.c_contiguous
        )
        # A 1x1 kernel's windows are x itself, if it meets all of it.
        single = prod(kernel) == prod(stride) == 1 and x.shape[2:] == tuple(out)
        self.plain = self.direct and single and not samples_inside
        if self.plain:
            return
        block = (rows, *out[1:]) if self.outer else out
        if samples_inside:
            self.columns = workspace("columns", (x.shape[1], *kernel, samples, *block), x.dtype)
            columns = np.moveaxis(self.columns, -len(block) - 1, 0)
        else:
            self.columns = workspace("columns", (samples, x.shape[1], *kernel, *block), x.dtype)
            columns = self.columns

        runs = _runs(kernel[-1], stride[-1], dilation[-1])
        if self.direct:
            source = x[..., None, :]  # (N, C, *outer, 1, length)
        else:
            source, self.framing = _frame(x, where, samples, runs)
        rows_to, axis = as_rows(columns), (slice(None),) * (2 + self.outer)
        self.gathering = [
            (rows_to[(*axis, run.taps)], _meeting(source, where, rows_to.dtype, run, index))
            for index, run in enumerate(runs)
        ]

    def block(self, block: Block) -> Array:
        """The windows of a block: (n, C, *K, *O), or (C, *K, n, *O) with the samples inside."""
        first, samples, row, rows = block
        at = slice(first, first + samples)
        lines = (slice(row, row + rows),) if self.outer else ()
        if self.plain:
            return self.x[(at, slice(None), *lines)]
        if not self.direct:
            if self.framed != first:
                for to, source in self.framing:
                    np.copyto(to, source[at])
                self.framed = first
            at = slice(None)
        for to, source in self.gathering:
            np.copyto(to, source[(at, *(slice(None),) * (2 + self.outer), *lines)])
        return self.columns


class Run(NamedTuple):
    """Taps of the last axis that meet one phase of it, evenly spaced."""

    taps: slice
    phase: int
    shift: int  # where the first of them starts in its phase
    spread: int  # how far apart they start


def _runs(k: int, s: int, d: int) -> list[Run]:
    """All k taps: tap b starts at s*shift + phase = d*b, so each s/gcd(s,d)-th has one phase."""
    step = s // gcd(s, d)
    return [
        Run(slice(b, None, step), d * b % s, d * b // s, d // gcd(s, d))
        for b in range(min(step, k))
    ]


def _meeting(source: Array, where: Where, row: np.dtype[np.void], run: Run, index: int) -> Array:
    """What a run's taps meet in source (N, C, *outer, phases, length), in rows of the output:

    (N, C, *K[:-1], taps, *O[:-1]).
    """
    out, kernel, stride, _, dilation = where
    *steps, phase, step = source.strides
    return np.ndarray(
        (*source.shape[:2], *kernel[:-1], len(range(kernel[-1])[run.taps]), *out[:-1]),
        row,
        source,
        index * phase + run.shift * step,
        (
            *steps[:2],
            *(d * step for d, step in zip(dilation, steps[2:], strict=False)),
            run.spread * step,
            *(s * step for s, step in zip(stride, steps[2:], strict=False)),
        ),
    )


def _extent(where: Where) -> Ints:
    return window_extent(where.out, where.kernel, where.stride, where.dilation)


def _frame(
    x: Array, where: Where, samples: int, runs: list[Run]
) -> tuple[Array, list[tuple[Array, Array]]]:
    """A buffer (n, C, *outer, phases, length) of zeros, and the copies that bring x into it."""
    length = -(-_extent(where)[-1] // where.stride[-1])
    shape = (samples, x.shape[1], *_extent(where)[:-1], len(runs), length)
    frame = workspace("frame", shape, x.dtype)
    frame.fill(0)
    *outer, last = where.before
    meets = [_meet(*axis) for axis in zip(x.shape[2:-1], outer, shape[2:-2], strict=True)]
    copies = []
    for index, run in enumerate(runs):
        to_last, x_last = _meet(x.shape[-1], last, length, where.stride[-1], run.phase)
        to = frame[last_axes([*(to for to, _ in meets), index, to_last])]
        part = x[last_axes([*(at for _, at in meets), x_last])]
        if part.shape[-1] and part.strides[-1] == part.itemsize:
            to, part = as_rows(to), as_rows(part)
        copies.append((to, part))
    return frame, copies


def _meet(n: int, before: int, length: int, stride: int = 1, phase: int = 0) -> tuple[slice, slice]:
    """Where q in range(length) and j in range(n) meet by j = stride*q + phase - before."""
    start = max(-((phase - before) // stride), 0)
    j = stride * start + phase - before
    count = max(min(length - start, -((j - n) // stride)), 0)
    return slice(start, start + count), slice(j, j + stride * count, stride)
