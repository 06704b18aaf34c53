"""What to test on: strategies of hypothesis that draw the inputs of ops.

    from tinygrad_cnn.testing import strategies as st

    st.arrays()            one array                    st.reduction_cases()   x; axis, keepdims
    st.broadcastable(2)    two that broadcast           st.reshape_cases()     x; shape
    st.conv_cases()        x, w; stride, padding        st.index_cases()       x; index
    st.pool_cases()        x; kernel_size, ...          st.logits_with_labels()
    st.matmul_cases()      x1, x2                       st.residual_dags()     x, w; program

A case is what a call needs: a tuple of inputs, and a dict of static keywords. Values are short
fractions, multiples of 1/8 within -4..4, that can be checked by hand. A failure shrinks to 1/8,
2/8, 3/8, ...: in arrays of zeros, or of one number, half of all mistakes look alike. One case in
eight has few different values, zero among them; arrays of more than 16 elements are drawn by a
seed. Axes of length 0 and 1 are among the shapes, the empty ones rarely.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike

import tinygrad_cnn.ops as ops
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import require
from tinygrad_cnn.testing.layouts import LAYOUTS

if TYPE_CHECKING:
    import hypothesis.extra.numpy as hnp
    from hypothesis import strategies as hs
else:
    hs = require("hypothesis.strategies", "testing")
    hnp = require("hypothesis.extra.numpy", "testing")

Shape = tuple[int, ...]
Case = tuple[tuple[Any, ...], dict[str, Any]]
"""(inputs, static keywords) of one call."""
T = TypeVar("T")

__all__ = [
    "LAYOUTS",
    "Case",
    "Program",
    "arrays",
    "awkward_layouts",
    "axes",
    "broadcastable",
    "conv_cases",
    "index_cases",
    "index_expressions",
    "logits_with_labels",
    "matmul_cases",
    "pool_cases",
    "reduction_cases",
    "reshape_cases",
    "residual_dags",
    "shapes",
    "tensors",
    "tuples_of_one_shape",
    "values",
]

UNIT = 0.125
"""All values are multiples of it, which a float holds exactly, and so do their sums."""
BY_HAND = 16
"""Up to so many elements are drawn, and shrink, one by one; more are drawn by a seed."""

# -- numbers and arrays ---------------------------------------------------------------------------


def values(low: float = -4.0, high: float = 4.0) -> hs.SearchStrategy[float]:
    """A multiple of 1/8 in low..high; the simplest is 1/8, and 0 comes last.

    >>> from hypothesis import find
    >>> find(values(), lambda v: v > 1)
    1.125
    """
    return hs.sampled_from(_multiples(low, high)).map(lambda k: k * UNIT)


def _multiples(low: float, high: float) -> list[int]:
    """The numbers k with low <= k/8 <= high, the simplest first: 1, 2, 3, ..., -1, -2, ..., 0."""
    ks = range(math.ceil(low / UNIT), math.floor(high / UNIT) + 1)
    return sorted(ks, key=lambda k: (k == 0, k < 0, abs(k)))


@dataclass
class _Numbering:
    """What the arrays of one case have in common, so that its simplest numbers are all different.

    few  whether there are few different values in this case
    """

    few: bool
    used: int = 0

    def choices(self, low: float, high: float) -> list[int]:
        """The numbers k that an array may hold; beginning with those that no other array has."""
        ks = _multiples(low, high)
        if self.few:
            return sorted(ks, key=abs)[:3]
        start = self.used % max(len(ks), 1)
        return ks[start:] + ks[:start]


_NUMBERING = hs.shared(hs.integers(0, 7).map(lambda k: _Numbering(k == 7)), key="numbering")
"""One for each case: drawn again within the same case, it is the same one."""


@hs.composite
def shapes(
    draw: hs.DrawFn, min_dims: int = 0, max_dims: int = 3, max_side: int = 4, empty: bool = True
) -> Shape:
    """A shape; one in eight has an axis of length 0, if `empty`."""
    sides = draw(hs.lists(hs.integers(1, max_side), min_size=min_dims, max_size=max_dims))
    if sides and not _least(draw, empty):
        sides[draw(hs.integers(0, len(sides) - 1))] = 0
    return tuple(sides)


def _least(draw: hs.DrawFn, empty: bool) -> int:
    """The shortest axis of a case: 0 one time in eight, else most arrays would be empty."""
    return 0 if empty and draw(hs.integers(0, 7)) == 7 else 1


@hs.composite
def arrays(
    draw: hs.DrawFn,
    shape: Shape | hs.SearchStrategy[Shape] | None = None,
    *,
    low: float = -4.0,
    high: float = 4.0,
    distinct: bool = False,
    dtype: DTypeLike = np.float64,
) -> np.ndarray:
    """An array of multiples of 1/8 in low..high, of any shape unless one is given.

    distinct: no two elements are equal (for sorting, maxima); there, low and high do not count.

    >>> from hypothesis import find
    >>> find(arrays((2,)), lambda x: x.sum() > 1)
    array([0.125, 1.   ])
    """
    if shape is None:
        shape = draw(shapes())
    elif not isinstance(shape, tuple):
        shape = draw(shape)
    n = math.prod(shape)
    k = _permutation(draw, n) if distinct else _numbers(draw, n, low, high)
    return np.asarray(k * UNIT, dtype).reshape(shape)


def _numbers(draw: hs.DrawFn, n: int, low: float, high: float) -> np.ndarray:
    """n numbers k with low <= k/8 <= high, drawn one by one or by a seed."""
    numbering = draw(_NUMBERING)
    choices = numbering.choices(low, high)
    if n > BY_HAND:
        return _generator(draw).choice(choices, n)
    each = hs.integers(0, len(choices) - 1)
    drawn = np.array(draw(hs.lists(each, min_size=n, max_size=n)), np.int64)
    if not numbering.few:  # counted from the element's own place: all zeros are different numbers
        drawn = (drawn + np.arange(n)) % len(choices)
        numbering.used += n
    return np.array(choices)[drawn]


def _generator(draw: hs.DrawFn) -> np.random.Generator:
    # A seed of as many numbers as the largest array drawn by hand: hypothesis takes few choices for
    # simple, and would otherwise shrink towards the arrays that a single number makes.
    return np.random.default_rng(
        draw(hs.lists(hs.integers(0, 255), min_size=BY_HAND, max_size=BY_HAND))
    )


def _permutation(draw: hs.DrawFn, n: int) -> np.ndarray:
    """n integers in a row, in any order: all positive, all negative, or some of each and zero."""
    if n <= BY_HAND:
        order = np.array(draw(hs.permutations(range(n))), np.int64)
    else:
        order = _generator(draw).permutation(n)
    return order + 1 - draw(hs.integers(0, n + 1))


def tensors(
    shape: Shape | hs.SearchStrategy[Shape] | None = None,
    *,
    requires_grad: bool = True,
    **options: Any,
) -> hs.SearchStrategy[Tensor]:
    """`arrays`, as Tensors that require a gradient."""
    return arrays(shape, **options).map(lambda x: Tensor(x, requires_grad=requires_grad))


@hs.composite
def broadcastable(
    draw: hs.DrawFn, /, n: int = 2, *, max_dims: int = 3, max_side: int = 3, **options: Any
) -> tuple[np.ndarray, ...]:
    """n arrays whose shapes broadcast together; options are those of `arrays`.

    Each third time the axes of the result have one length, so that a sum over the wrong one of
    them is not betrayed by its shape.
    """
    if draw(hs.integers(0, 2)) == 2:
        side = draw(hs.integers(2, max_side))
        small = [_square(draw, side, max_dims) for _ in range(n - 1)]
        several = draw(hs.permutations([*small, (side,) * min(max_dims, 2)]))
    else:
        drawn = hnp.mutually_broadcastable_shapes(
            num_shapes=n, max_dims=max_dims, min_side=1, max_side=max_side
        )
        several = list(draw(drawn).input_shapes)
        if not _least(draw, empty=True):
            several = _emptied(draw, several)
    return tuple(draw(arrays(shape, **options)) for shape in several)


@hs.composite
def tuples_of_one_shape(draw: hs.DrawFn, n: int = 2) -> tuple[np.ndarray, ...]:
    """n arrays of one shape."""
    shape = draw(shapes())
    return tuple(draw(arrays(shape)) for _ in range(n))


def _emptied(draw: hs.DrawFn, several: list[Shape]) -> list[Shape]:
    """The same with one axis of the result of length 0."""
    whole = np.broadcast_shapes(*several)
    if not whole:
        return several
    at = -draw(hs.integers(1, len(whole)))
    return [
        tuple(0 if a - len(shape) == at and m == whole[at] else m for a, m in enumerate(shape))
        for shape in several
    ]


def _square(draw: hs.DrawFn, side: int, max_dims: int) -> Shape:
    return tuple(draw(hs.lists(hs.sampled_from((side, 1)), min_size=1, max_size=min(max_dims, 2))))


# -- memory layouts -------------------------------------------------------------------------------


@hs.composite
def awkward_layouts(draw: hs.DrawFn, cases: hs.SearchStrategy[T]) -> T:
    """What `cases` draws, its arrays in Fortran order, reversed, strided or read-only.

    >>> from hypothesis import find
    >>> find(awkward_layouts(arrays((2, 2))), lambda x: x.strides[-1] < 0).strides
    (-16, -8)
    """
    laid: T = _lay_out(draw, draw(cases))
    return laid


def _lay_out(draw: hs.DrawFn, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        lay_out = draw(hs.sampled_from([None, *LAYOUTS.values()]))
        return value if lay_out is None else lay_out(value)
    return tuple(_lay_out(draw, v) for v in value) if type(value) is tuple else value


# -- windows --------------------------------------------------------------------------------------


@hs.composite
def conv_cases(
    draw: hs.DrawFn,
    ndim: int | None = None,
    *,
    bias: bool = False,
    dilated: bool = False,
    groups: bool = False,
) -> Case:
    """(x, w), {stride, padding} as conv1d, conv2d and conv3d take them.

    x (N, C, *S), w (F, C/groups, *K). Images are 0 to 3 pixels larger than they need be, so that
    most strides do not divide them. ndim: spatial axes, 1 to 3 unless given. bias: half the cases
    have a third input b (F,). dilated, groups: `dilation` and `groups` are drawn as well.

    >>> from hypothesis import find
    >>> (x, w), static = find(conv_cases(2, groups=True), lambda case: case[1]["groups"] > 1)
    >>> x.shape, w.shape, static["groups"]
    ((1, 2, 1, 1), (2, 1, 1, 1), 2)
    """
    n = draw(hs.integers(1, 3)) if ndim is None else ndim
    kernel, size, static = _windows(draw, n, pooling=False, dilated=dilated)
    parts = draw(hs.integers(1, 3)) if groups else 1
    C, F = (parts * draw(hs.integers(1, 2)) for _ in range(2))
    N = draw(hs.integers(1, 2)) if _least(draw, empty=True) else 0
    inputs = [draw(arrays((N, C, *size))), draw(arrays((F, C // parts, *kernel)))]
    if bias and draw(hs.booleans()):
        inputs.append(draw(arrays((F,))))
    if not dilated:
        del static["dilation"]
    if groups:
        static["groups"] = parts
    return tuple(inputs), static


@hs.composite
def pool_cases(
    draw: hs.DrawFn, ndim: int | None = None, *, ties: bool | None = None, dilated: bool = False
) -> Case:
    """(x,), {kernel_size, stride, padding} as max_pool2d and avg_pool2d take them.

    ties: True draws few different values, so that windows hold their maximum several times; False
    draws distinct ones; either unless given. dilated: with `dilation`, which max_pool2d alone
    takes. Windows overlap where the stride is smaller than the kernel.
    """
    n = draw(hs.integers(1, 3)) if ndim is None else ndim
    kernel, size, static = _windows(draw, n, pooling=True, dilated=dilated)
    tied = draw(hs.booleans()) if ties is None else ties
    N, C = draw(hs.integers(1, 2)), draw(hs.integers(1, 2))
    whole = (N, C, *size)
    x = draw(arrays(whole, low=-UNIT, high=UNIT) if tied else arrays(whole, distinct=True))
    if not dilated:
        del static["dilation"]
    return (x,), {"kernel_size": kernel, **static}


def _windows(
    draw: hs.DrawFn, n: int, *, pooling: bool, dilated: bool = True
) -> tuple[Shape, Shape, dict[str, Any]]:
    """(kernel, image size, stride and padding and dilation), n of each."""

    def each(low: int, high: int) -> Shape:
        return tuple(draw(hs.integers(low, high)) for _ in range(n))

    kernel, stride = each(1, 3), each(1, 3)
    dilation = each(1, 2) if dilated else (1,) * n
    most = [k // 2 for k in kernel] if pooling else [2] * n  # a window of padding has no maximum
    padding = tuple(draw(hs.integers(0, p)) for p in most)
    extent = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    least = [max(e - 2 * p, 1) for e, p in zip(extent, padding, strict=True)]
    if pooling and dilated:
        least = extent
    room = {1: 5, 2: 3}.get(n, 1)
    size = tuple(m + draw(hs.integers(0, room)) for m in least)
    return kernel, size, {"stride": stride, "padding": padding, "dilation": dilation}


# -- products, reductions, shapes, indices --------------------------------------------------------


@hs.composite
def matmul_cases(draw: hs.DrawFn, max_side: int = 3) -> Case:
    """(x1, x2), {}: vectors, matrices and stacks of them whose product exists.

    A third of them are square, so that a transpose is not betrayed by its shape.
    """
    if draw(hs.integers(0, 2)) == 2:
        n = draw(hs.integers(2, max_side))
        stack = draw(shapes(0, 1, 2, empty=False))
        several = (*stack, n, n)
        a, b = draw(hs.sampled_from([(several, (n, n)), ((n, n), several), ((n,), several)]))
        return (draw(arrays(a)), draw(arrays(b))), {}
    least = _least(draw, empty=True)
    drawn = hnp.mutually_broadcastable_shapes(
        signature=np.matmul.signature,
        max_dims=1,
        min_side=least,
        max_side=max_side if least else 1,
    )
    return tuple(draw(arrays(shape)) for shape in draw(drawn).input_shapes), {}


def axes(ndim: int) -> hs.SearchStrategy[int | tuple[int, ...] | None]:
    """What `axis=` may be for so many axes: None, one of them, or several, counted either way."""
    if not ndim:
        return hs.sampled_from((None, ()))
    one = hs.integers(-ndim, ndim - 1)
    several = hs.lists(one, max_size=ndim, unique_by=lambda a: a % ndim).map(tuple)
    return hs.one_of(hs.none(), one, several)


@hs.composite
def reduction_cases(draw: hs.DrawFn, /, **options: Any) -> Case:
    """(x,), {axis, keepdims}; options are those of `arrays`."""
    x = draw(arrays(**options))
    return (x,), {"axis": draw(axes(x.ndim)), "keepdims": draw(hs.booleans())}


@hs.composite
def reshape_cases(draw: hs.DrawFn) -> Case:
    """(x,), {shape}: another shape of the same size, one of its lengths perhaps written -1."""
    x = draw(arrays())
    left, shape = x.size, []
    while left > 1:
        side = draw(hs.sampled_from([d for d in range(2, left + 1) if left % d == 0]))
        shape.append(side)
        left //= side
    if not x.size:
        shape = [0, draw(hs.integers(0, 3))]
    shape.insert(draw(hs.integers(0, len(shape))), 1)
    if x.size and draw(hs.booleans()):
        shape[draw(hs.integers(0, len(shape) - 1))] = -1
    return (x,), {"shape": tuple(shape)}


@hs.composite
def index_expressions(draw: hs.DrawFn, shape: Shape) -> Any:
    """An index into that shape: integers, slices, ..., None, arrays of integers, or a mask.

    Arrays of integers may name an element twice; a gradient adds up there.
    """
    kinds = ["basic", "mask"]
    if shape and 0 not in shape:
        kinds += ["integers", "repeated"]
    kind = draw(hs.sampled_from(kinds))
    if kind == "basic":
        return draw(hnp.basic_indices(shape, allow_newaxis=True))
    if kind == "mask":
        return draw(hnp.arrays(np.bool_, shape))
    if kind == "integers":
        return draw(hnp.integer_array_indices(shape, result_shape=shapes(0, 2, 3, empty=False)))
    rows = hs.integers(-shape[0], shape[0] - 1)
    return np.array(draw(hs.lists(rows, min_size=2, max_size=5)), np.int64)


@hs.composite
def index_cases(draw: hs.DrawFn) -> Case:
    """(x,), {index}."""
    x = draw(arrays(shapes(1, 3)))
    return (x,), {"index": draw(index_expressions(x.shape))}


@hs.composite
def logits_with_labels(draw: hs.DrawFn, saturated: bool | None = None, max_classes: int = 5) -> Any:
    """(logits (N, K), labels (N,)), {}.

    saturated: logits a hundred apart, where the naive softmax overflows or vanishes; a quarter of
    the time unless given.
    """
    N, K = draw(hs.integers(1, 4)), draw(hs.integers(1, max_classes))
    far = draw(hs.integers(0, 3)) == 3 if saturated is None else saturated
    logits = draw(arrays((N, K))) * (256.0 if far else 1.0)
    labels = draw(hs.lists(hs.integers(0, K - 1), min_size=N, max_size=N))
    return (logits, np.array(labels, np.int64)), {}


# -- programs -------------------------------------------------------------------------------------

STEPS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "a + b": lambda a, b, w: a + b,
    "a - b / 2": lambda a, b, w: a - b / 2,
    "a * tanh(b)": lambda a, b, w: a * ops.tanh(b),
    "a + sigmoid(b)": lambda a, b, w: a + ops.sigmoid(b),
    "tanh(a @ w) + b": lambda a, b, w: ops.tanh(ops.matmul(a, w)) + b,
    "a + relu(b)": lambda a, b, w: a + ops.relu(b),
    "a - mean(b, axis=0)": lambda a, b, w: a - ops.mean(b, axis=0, keepdims=True),
}
"""What a step of a program may do with two earlier values a and b, and the weight w."""


@dataclass(frozen=True)
class Program:
    """A function of x (N, D) and w (D, D): each step joins two earlier values; the last is given.

    Its graph is a DAG with skips: values are used several times, or not at all.
    """

    steps: tuple[tuple[str, int, int], ...]

    def __call__(self, x: Any, w: Any) -> Any:
        """The last value, plus the input: the residual."""
        found = [x]
        for text, a, b in self.steps:
            found.append(STEPS[text](found[a], found[b], w))
        return found[-1] + x

    def __repr__(self) -> str:
        lines = [
            f"v{i} = {text} (a = v{a}, b = v{b})" for i, (text, a, b) in enumerate(self.steps, 1)
        ]
        return f"<v0 = x; {'; '.join(lines)}; v{len(self.steps)} + x>"


@hs.composite
def residual_dags(draw: hs.DrawFn, max_steps: int = 6) -> Case:
    """(x, w), {program}: a random program with skips, and what it runs on (see Program).

    >>> from hypothesis import find
    >>> (x, w), static = find(residual_dags(), lambda case: len(case[1]["program"].steps) == 1)
    >>> static["program"]
    <v0 = x; v1 = a + b (a = v0, b = v0); v1 + x>
    """
    N, D = draw(hs.integers(1, 3)), draw(hs.integers(1, 3))
    steps = []
    for i in range(draw(hs.integers(1, max_steps))):
        before = hs.integers(0, i)
        steps.append((draw(hs.sampled_from(list(STEPS))), draw(before), draw(before)))
    inputs = draw(arrays((N, D), low=-2, high=2)), draw(arrays((D, D), low=-1, high=1))
    return inputs, {"program": Program(tuple(steps))}
