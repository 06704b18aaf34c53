"""Node: one recorded operation. Nodes point to the nodes of their inputs, and to nothing later.

A graph is therefore acyclic in memory: dropping the last Tensor drops it, by reference count, with
no help from the garbage collector.
"""

from __future__ import annotations

import math
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

if TYPE_CHECKING:
    from tinygrad_cnn.core.op import Op

Shape = tuple[int, ...]
next_number = count().__next__  # atomic: threads may record at once


class Spec(NamedTuple):
    """Shape and dtype of an array whose values no gradient reads."""

    shape: Shape
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


class Node:
    """What one op did.

    seq       order of recording: larger than that of every node it depends on
    op        the Op
    parents   one entry an input: the node that computed it, None for a constant
    args      one entry an input: its array (or scalar), where some gradient reads the values;
              otherwise something with its shape and dtype (its node, or a Spec).
              None once a sweep has released them.
    static    the op's static keywords
    output    the output array where some gradient reads it, else None (a tuple for several outputs)
    residual  dict of the integer and boolean arrays that the forward kept, or None
    shape, dtype   of the output (tuples of them for several outputs)
    scope     the module call that was running, or None
    hooks     functions that the sweep calls with the node's finished gradient, or None
    """

    __slots__ = (
        "args",
        "dtype",
        "hooks",
        "op",
        "output",
        "parents",
        "residual",
        "scope",
        "seq",
        "shape",
        "static",
    )

    seq: int
    op: Op | None
    parents: Any
    args: Any
    static: dict[str, Any]
    output: Any
    residual: dict[str, Any] | None
    shape: Any
    dtype: Any
    scope: object
    hooks: list[Any] | None

    def of(
        self,
        op: Op | None,
        parents: Any,
        args: Any,
        static: dict[str, Any],
        output: Any,
        residual: dict[str, Any] | None,
        shape: Any,
        dtype: Any,
        scope: object,
    ) -> Self:
        """This node, filled in; `__init__`, which Python calls by way of C, takes twice as long."""
        self.seq = next_number()
        self.op = op
        self.parents = parents
        self.args = args
        self.static = static
        self.output = output
        self.residual = residual
        self.shape = shape
        self.dtype = dtype
        self.scope = scope
        self.hooks = None
        return self

    @property
    def ndim(self) -> int:
        """Number of axes of the output."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements of the output."""
        return math.prod(self.shape)

    @property
    def freed(self) -> bool:
        """Whether a sweep has released the arrays."""
        return self.args is None

    def __repr__(self) -> str:
        name = self.op.name if self.op else "leaf"
        return f"<Node {self.seq} {name} {self.shape} {self.dtype}>"


NEW, USED, USED_AND_ADDED_TO = range(3)


class Leaf(Node):
    """A Tensor that requires a gradient and was not computed: here gradients arrive.

    The leaf, not the Tensor, holds `grad`: the graph needs no reference back to the Tensor.
    `used` tells what became of the gradient: NEW, USED by an optimizer's step, USED_AND_ADDED_TO.
    """

    __slots__ = ("grad", "used")

    def __init__(self, shape: Shape, dtype: np.dtype[Any]) -> None:
        self.of(None, (), (), {}, None, None, shape, dtype, None)
        self.grad: Any = None
        self.used = NEW
