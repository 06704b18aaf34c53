"""Tensor: an array, and the node that computed it.

Tensors are values. `x += y` and `x[i] = v` give the name `x` a new value and record how it came
about; no other Tensor changes, and there are no views to reason about.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_cnn.core.modes import default_complex_dtype, default_dtype, is_grad_enabled
from tinygrad_cnn.core.node import NEW, Leaf, Node
from tinygrad_cnn.core.registry import functions as f
from tinygrad_cnn.errors import (
    ConfigError,
    DTypeError,
    GraphError,
    NotALeafWarning,
    ShapeError,
    warn,
)


def check_device(device: Any, name: str) -> None:
    """Refuse a device that is none of ours: "cpu" is the only one, and None means it."""
    if device not in (None, "cpu"):
        raise ConfigError(f'{name}: arrays are on the device "cpu", got device={device!r}')


_new: Any = object.__new__


def wrap(data: Any, node: Node | None) -> Tensor:
    """A Tensor around an array as it is: no copy, no checks."""
    tensor: Tensor = _new(Tensor)
    tensor._data = data
    tensor._node = node
    return tensor


def another_name(x: Any) -> Any:
    """`x` under another name: an in-place operation on one of the two leaves the other alone."""
    if not isinstance(x, Tensor):
        return x
    return wrap(x.data, x._node if is_grad_enabled() else None)


class Tensor:
    """An n-dimensional array that remembers how it was computed.

    Tensor(data, dtype=None, requires_grad=False) copies `data`: a number, a nested list, an array
    or another Tensor. Python floats take the default dtype (float32), arrays keep theirs.

    `requires_grad=True` makes it a leaf: `backward()` on anything computed from it adds the
    derivative to its `.grad`. Only float and complex dtypes can.

    >>> import tinygrad_cnn as tg
    >>> x = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    Tensor([2., 4., 6.], dtype=float32)
    """

    __slots__ = ("__weakref__", "_data", "_node")
    _data: np.ndarray
    _node: Node | None

    def __init__(
        self, data: Any, dtype: DTypeLike | None = None, requires_grad: bool = False
    ) -> None:
        self._data = _copy_array(data, dtype)
        self._node = None
        if requires_grad:
            self.requires_grad = True

    # -- what it is ---------------------------------------------------------------------------

    @property
    def data(self) -> np.ndarray:
        """The array itself. Writing into it is seen by nobody who keeps track of gradients.

        Assigning another array to a leaf gives it that shape and dtype, and no gradient yet where
        these are new; a computed Tensor takes arrays of its own shape and dtype only.
        """
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        array = value if isinstance(value, np.ndarray) else _copy_array(value, None)
        node = self._node
        if node is not None and (array.shape, array.dtype) != (node.shape, node.dtype):
            if not isinstance(node, Leaf):
                raise GraphError(
                    f"data: this Tensor was computed, as {node.shape} {node.dtype}, and cannot "
                    f"become {array.shape} {array.dtype}; make a new Tensor"
                )
            self._node = Leaf(array.shape, array.dtype)
        self._data = array

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of every axis."""
        return self.data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self.data.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.data.size

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return self.data.nbytes

    @property
    def device(self) -> str:
        """Where the elements are: always "cpu"."""
        return "cpu"

    def to_device(self, device: Any, /, *, stream: Any = None) -> Tensor:
        """This Tensor, on the one device that there is."""
        check_device(device, "to_device")
        if stream is not None:
            raise ConfigError(f"to_device: the cpu has no streams, got stream={stream!r}")
        return self

    @property
    def T(self) -> Tensor:
        """The transpose of a matrix."""
        if self.ndim != 2:
            raise ShapeError(
                f"Tensor.T: is the transpose of a matrix, got shape {self.shape}; use .mT to swap "
                f"the last two axes, or permute_dims"
            )
        return self.mT

    @property
    def mT(self) -> Tensor:
        """The last two axes swapped."""
        return f.matrix_transpose(self)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a Tensor without axes")
        return self.shape[0]

    def __repr__(self) -> str:
        body = np.array2string(self.data, separator=", ", prefix="Tensor(")
        extra = ", requires_grad=True" if self.requires_grad else ""
        return f"{type(self).__name__}({body}, dtype={self.dtype}{extra})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    # -- the graph ----------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to or through this Tensor."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and self._node is None:
            if self.dtype.kind not in "fc":
                raise DTypeError(
                    f"requires_grad: only float tensors have gradients, this one is {self.dtype}; "
                    f"convert it first, e.g. Tensor(data, dtype=float)"
                )
            self._node = Leaf(self.shape, self.dtype)
        elif not value and self._node is not None:
            if not self.is_leaf:
                raise GraphError(
                    "requires_grad: this Tensor was computed from others that require gradients; "
                    "use detach() for a value outside the graph"
                )
            self._node = None

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded op computed this Tensor."""
        return self._node is None or isinstance(self._node, Leaf)

    @property
    def grad(self) -> Tensor | None:
        """dL/d(this), added up over the calls of backward(); None before the first one."""
        if isinstance(self._node, Leaf):
            return self._node.grad
        if self._node is not None:
            for hook in self._node.hooks or ():
                if isinstance(hook, _RetainGrad):
                    return hook.grad
            warn(
                "grad: this Tensor was computed from others, and only leaves keep their gradient; "
                "call retain_grad() on it before backward(). If an update such as w -= lr * w.grad "
                "made it a computed one, write the update inside `with tg.no_grad():`",
                NotALeafWarning,
            )
        return None

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if not isinstance(self._node, Leaf):
            raise GraphError("grad: can be set on a leaf that requires a gradient")
        if value is not None:
            value = value if isinstance(value, Tensor) else Tensor(value, dtype=self.dtype)
            value = value if value.dtype == self.dtype else f.astype(value, self.dtype)
            if value.shape != self.shape:
                raise ShapeError(f"grad: must have shape {self.shape}, got {value.shape}")
        self._node.grad, self._node.used = value, NEW

    def zero_grad(self) -> None:
        """Forget the gradient: `.grad` is None again."""
        if isinstance(self._node, Leaf):
            self._node.grad, self._node.used = None, NEW

    def backward(
        self, grad: Any = None, retain_graph: bool = False, create_graph: bool = False
    ) -> None:
        """Add d(this)/d(leaf) to the `.grad` of every leaf that this Tensor was computed from.

        grad          dL/d(this), of this shape; may be left out where this is a single number
        retain_graph  keep the saved arrays, for a second backward() over the same graph
        create_graph  record the computation of the gradients, so that they can be differentiated
        """
        from tinygrad_cnn.core.backward import backward  # it stands on this module

        if self._node is None:
            raise GraphError(
                "backward: this Tensor does not require a gradient: nothing that it was computed "
                "from does, or it was computed under no_grad(), or detached"
            )
        if grad is None:
            if self.size != 1:
                raise GraphError(
                    f"backward: of a Tensor of shape {self.shape} needs a gradient to start from; "
                    f"reduce it to a number first, e.g. .sum(), or pass backward(grad)"
                )
            grad = np.ones(self.shape, self.dtype)
        backward([self], [grad], retain_graph=retain_graph, create_graph=create_graph)

    def detach(self) -> Tensor:
        """The same values, outside the graph. Shares the array."""
        return wrap(self.data, None)

    def requires_grad_(self, value: bool = True) -> Tensor:
        """Set `requires_grad`; returns the Tensor."""
        self.requires_grad = value
        return self

    def retain_grad(self) -> None:
        """Keep the gradient of this computed Tensor, too, in `.grad`."""
        if self._node is None:
            raise GraphError("retain_grad: this Tensor does not require a gradient")
        if not self.is_leaf and not any(isinstance(h, _RetainGrad) for h in self._node.hooks or ()):
            self._add_hook(_RetainGrad())

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Callable[[], None]:
        """`hook(g)` runs when this Tensor's gradient is complete, and may return another instead.

        Returns a function that removes it.
        """
        if self._node is None:
            raise GraphError("register_hook: this Tensor does not require a gradient")
        node, registered = self._node, [hook]
        self._add_hook(hook)

        def remove() -> None:
            if registered and node.hooks:
                node.hooks.remove(registered.pop())

        return remove

    def _add_hook(self, hook: Callable[[Tensor], Any]) -> None:
        assert self._node is not None
        self._node.hooks = [*(self._node.hooks or ()), hook]

    # -- out of the library -------------------------------------------------------------------

    def numpy(self) -> np.ndarray:
        """A copy of the values as a NumPy array."""
        return self.data.copy()

    def item(self) -> Any:
        """The single element as a Python number."""
        if self.size != 1:
            raise ShapeError(f"item: needs exactly one element, this Tensor has shape {self.shape}")
        return self.data.item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        return self.data.tolist()

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        if self.requires_grad and is_grad_enabled():
            raise GraphError(
                "a Tensor that requires a gradient would become a constant array here, and its "
                "gradient would be lost; use .detach() or .numpy() to say that this is meant"
            )
        return np.array(self.data, dtype=dtype, copy=copy)

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Any:
        """The package itself: its functions are those of the array API standard."""
        known = ("2021.12", "2022.12", "2023.12", "2024.12")
        if api_version is not None and api_version not in known:
            raise ConfigError(
                f"__array_namespace__: knows the array API standard of {', '.join(known)}, "
                f"got {api_version!r}"
            )
        return sys.modules[__name__.partition(".")[0]]  # by name: the core imports nothing above it

    def __dlpack__(
        self,
        /,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: Any = None,
        copy: bool | None = None,
    ) -> Any:
        """The memory of the values, for another library (see `from_dlpack` there)."""
        if self.requires_grad:
            raise GraphError(
                "__dlpack__: this Tensor requires a gradient, which would be lost in another "
                "library; hand over its .detach()"
            )
        # Consumers older than DLPack 1.0 have no word for read-only memory.
        data = self.data if self.data.flags.writeable or max_version else self.data.copy()
        return data.__dlpack__(
            stream=stream, max_version=max_version, dl_device=dl_device, copy=copy
        )

    def __dlpack_device__(self, /) -> tuple[int, int]:
        """The kind and the number of the device."""
        return self.data.__dlpack_device__()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return f.array_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return f.array_function(function, args, kwargs)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ShapeError(
                f"bool: only one element is true or false, this Tensor has shape {self.shape}; "
                f"use all() or any(), and & | for `and` and `or`"
            )
        return bool(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise TypeError(f"an index must be an integer, this Tensor is {self.dtype}")
        return int(self.item())

    def __copy__(self) -> Tensor:
        copied = type(self).__new__(type(self))
        copied._data, copied._node = self._data.copy(), self._node
        return copied

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise GraphError("deepcopy: only leaves can be copied; use detach() first")
        copied = memo[id(self)] = _leaf(type(self), self.data.copy(), self.requires_grad)
        return copied

    def __reduce__(self) -> Any:
        # A node of its own when it comes back: the old one's number may be another's by then.
        if not self.is_leaf:
            raise GraphError("pickle: only leaves can be pickled; use detach() first")
        return _leaf, (type(self), self.data, self.requires_grad)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    __hash__ = object.__hash__

    # -- operators ----------------------------------------------------------------------------

    def __add__(self, other: Any) -> Tensor:
        return f.add.apply((self, other))

    def __radd__(self, other: Any) -> Tensor:
        return f.add.apply((other, self))

    def __sub__(self, other: Any) -> Tensor:
        return f.subtract.apply((self, other))

    def __rsub__(self, other: Any) -> Tensor:
        return f.subtract.apply((other, self))

    def __mul__(self, other: Any) -> Tensor:
        return f.multiply.apply((self, other))

    def __rmul__(self, other: Any) -> Tensor:
        return f.multiply.apply((other, self))

    def __truediv__(self, other: Any) -> Tensor:
        return f.divide.apply((self, other))

    def __rtruediv__(self, other: Any) -> Tensor:
        return f.divide.apply((other, self))

    def __floordiv__(self, other: Any) -> Tensor:
        return f.floor_divide.apply((self, other))

    def __rfloordiv__(self, other: Any) -> Tensor:
        return f.floor_divide.apply((other, self))

    def __mod__(self, other: Any) -> Tensor:
        return f.remainder.apply((self, other))

    def __rmod__(self, other: Any) -> Tensor:
        return f.remainder.apply((other, self))

    def __pow__(self, other: Any) -> Tensor:
        return f.pow.apply((self, other))

    def __rpow__(self, other: Any) -> Tensor:
        return f.pow.apply((other, self))

    def __matmul__(self, other: Any) -> Tensor:
        return f.matmul.apply((self, other))

    def __rmatmul__(self, other: Any) -> Tensor:
        return f.matmul.apply((other, self))

    def __neg__(self) -> Tensor:
        return f.negative.apply((self,))

    def __pos__(self) -> Tensor:
        return f.positive.apply((self,))

    def __abs__(self) -> Tensor:
        return f.abs.apply((self,))

    def __invert__(self) -> Tensor:
        return f.bitwise_invert.apply((self,))

    def __and__(self, other: Any) -> Tensor:
        return f.bitwise_and.apply((self, other))

    def __rand__(self, other: Any) -> Tensor:
        return f.bitwise_and.apply((other, self))

    def __or__(self, other: Any) -> Tensor:
        return f.bitwise_or.apply((self, other))

    def __ror__(self, other: Any) -> Tensor:
        return f.bitwise_or.apply((other, self))

    def __xor__(self, other: Any) -> Tensor:
        return f.bitwise_xor.apply((self, other))

    def __rxor__(self, other: Any) -> Tensor:
        return f.bitwise_xor.apply((other, self))

    def __lshift__(self, other: Any) -> Tensor:
        return f.bitwise_left_shift.apply((self, other))

    def __rlshift__(self, other: Any) -> Tensor:
        return f.bitwise_left_shift.apply((other, self))

    def __rshift__(self, other: Any) -> Tensor:
        return f.bitwise_right_shift.apply((self, other))

    def __rrshift__(self, other: Any) -> Tensor:
        return f.bitwise_right_shift.apply((other, self))

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]
        return f.equal.apply((self, other)) if isinstance(other, _NUMERIC) else NotImplemented

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]
        return f.not_equal.apply((self, other)) if isinstance(other, _NUMERIC) else NotImplemented

    def __lt__(self, other: Any) -> Tensor:
        return f.less.apply((self, other))

    def __le__(self, other: Any) -> Tensor:
        return f.less_equal.apply((self, other))

    def __gt__(self, other: Any) -> Tensor:
        return f.greater.apply((self, other))

    def __ge__(self, other: Any) -> Tensor:
        return f.greater_equal.apply((self, other))

    def __getitem__(self, index: Any) -> Tensor:
        return f.getitem(self, index)

    # -- new values for an old name -----------------------------------------------------------

    def _become(self, value: Tensor) -> Tensor:
        """Take the value of another Tensor: of a leaf under no_grad(), its numbers alone."""
        if value.shape != self.shape:
            raise ShapeError(
                f"an in-place operation keeps the shape {self.shape}, and this one gives "
                f"{value.shape}; write x = x + y instead of x += y"
            )
        if value.dtype != self.dtype:
            value = f.astype(value, _same_kind(value, self))
        self._data = value._data
        if is_grad_enabled():
            self._node = value._node
        return self

    def __iadd__(self, other: Any) -> Tensor:
        return self._become(self + other)

    def __isub__(self, other: Any) -> Tensor:
        return self._become(self - other)

    def __imul__(self, other: Any) -> Tensor:
        return self._become(self * other)

    def __itruediv__(self, other: Any) -> Tensor:
        return self._become(self / other)

    def __ifloordiv__(self, other: Any) -> Tensor:
        return self._become(self // other)

    def __imod__(self, other: Any) -> Tensor:
        return self._become(self % other)

    def __ipow__(self, other: Any) -> Tensor:
        return self._become(self**other)

    def __imatmul__(self, other: Any) -> Tensor:
        return self._become(self @ other)

    def __iand__(self, other: Any) -> Tensor:
        return self._become(self & other)

    def __ior__(self, other: Any) -> Tensor:
        return self._become(self | other)

    def __ixor__(self, other: Any) -> Tensor:
        return self._become(self ^ other)

    def __ilshift__(self, other: Any) -> Tensor:
        return self._become(self << other)

    def __irshift__(self, other: Any) -> Tensor:
        return self._become(self >> other)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._become(f.setitem(self, value, index=f.plain_index(index)))

    # -- methods ------------------------------------------------------------------------------

    def astype(self, dtype: DTypeLike, *, copy: bool = True) -> Tensor:
        """Cast; the gradient is cast back. copy=False returns the Tensor itself if it fits."""
        return f.astype(self, dtype, copy=copy)

    def copy(self) -> Tensor:
        """The same value in an array of its own, with the gradient flowing through."""
        return f.copy(self)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Sum over axes."""
        return f.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Mean over axes."""
        return f.mean(self, axis=axis, keepdims=keepdims)

    def var(self, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
        """Variance over axes, divided by n - correction."""
        return f.var(self, axis=axis, correction=correction, keepdims=keepdims)

    def std(self, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
        """Standard deviation over axes."""
        return f.std(self, axis=axis, correction=correction, keepdims=keepdims)

    def prod(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Product over axes."""
        return f.prod(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Maximum over axes; ties share the gradient."""
        return f.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Minimum over axes; ties share the gradient."""
        return f.min(self, axis=axis, keepdims=keepdims)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """Position of the maximum (the first, on ties)."""
        return f.argmax(self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """Position of the minimum (the first, on ties)."""
        return f.argmin(self, axis=axis, keepdims=keepdims)

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in another shape; one length may be -1."""
        return f.reshape(self, _variadic(shape))

    def transpose(self, *axes: Any) -> Tensor:
        """The axes in another order; reversed, where none is given (as NumPy does)."""
        order = _variadic(axes) if axes and axes != (None,) else tuple(range(self.ndim))[::-1]
        return f.permute_dims(self, order)

    def squeeze(self, axis: Any = None) -> Tensor:
        """Without the axes of length 1 (all of them, or those named)."""
        if axis is None:
            axis = tuple(i for i, n in enumerate(self.shape) if n == 1)
        return f.squeeze(self, axis)

    def flatten(self, start_axis: int = 0) -> Tensor:
        """One axis in place of all from `start_axis` on."""
        return f.flatten(self, start_axis=start_axis)

    def broadcast_to(self, shape: tuple[int, ...]) -> Tensor:
        """Repeated along new axes and axes of length 1."""
        return f.broadcast_to(self, shape)

    def clip(self, min: Any = None, max: Any = None) -> Tensor:
        """Limited to [min, max]."""
        return f.clip(self, min, max)

    def exp(self) -> Tensor:
        """e to the power of each element."""
        return f.exp(self)

    def log(self) -> Tensor:
        """Natural logarithm."""
        return f.log(self)

    def sqrt(self) -> Tensor:
        """Square root."""
        return f.sqrt(self)

    def abs(self) -> Tensor:
        """Absolute value."""
        return f.abs(self)

    def tanh(self) -> Tensor:
        """Hyperbolic tangent."""
        return f.tanh(self)

    def sigmoid(self) -> Tensor:
        """1 / (1 + exp(-x))."""
        return f.sigmoid(self)

    def relu(self) -> Tensor:
        """max(x, 0)."""
        return f.relu(self)

    def all(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Whether all elements are true."""
        return f.all(self, axis=axis, keepdims=keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Whether any element is true."""
        return f.any(self, axis=axis, keepdims=keepdims)


# What a Tensor is compared with element by element; anything else is another thing, and not equal.
_NUMERIC = (Tensor, np.ndarray, np.generic, bool, int, float, complex, list, tuple)


class Parameter(Tensor):
    """A Tensor that a Module trains: it requires a gradient from the start."""

    __slots__ = ()

    def __init__(
        self, data: Any, dtype: DTypeLike | None = None, requires_grad: bool = True
    ) -> None:
        super().__init__(data, dtype, requires_grad)


class _RetainGrad:
    """The hook behind retain_grad()."""

    grad: Tensor | None = None

    def __call__(self, gradient: Tensor) -> None:
        kept = gradient if gradient.requires_grad else gradient.detach().copy()
        self.grad = kept if self.grad is None else self.grad + kept


def _leaf(kind: type[Tensor], data: np.ndarray, requires_grad: bool) -> Tensor:
    tensor = kind.__new__(kind)
    tensor._data = data
    tensor._node = Leaf(data.shape, data.dtype) if requires_grad else None
    return tensor


def _copy_array(data: Any, dtype: DTypeLike | None) -> np.ndarray:
    """A new array of numbers; of Python's own floats and complex numbers, in the default dtype."""
    source = data.data if isinstance(data, Tensor) else data
    if dtype is not None and np.dtype(dtype).kind in "iuf" and np.iscomplexobj(source):
        raise DTypeError(
            f"Tensor: complex numbers do not fit {np.dtype(dtype)}; take their real part"
        )
    try:
        array = np.array(source, dtype=dtype)
    except (ValueError, TypeError) as error:
        if "inhomogeneous" in str(error):
            raise ShapeError(f"Tensor: nested lists must have equal lengths ({error})") from error
        raise DTypeError(f"Tensor: {error} (got {data!r:.60}, dtype={dtype})") from error
    python = not isinstance(source, np.ndarray | np.generic)
    if python and dtype is None and array.dtype.kind in "fc":
        real = array.dtype.kind == "f"
        array = array.astype(default_dtype() if real else default_complex_dtype())
    if array.dtype.kind not in "biufc":
        raise DTypeError(f"Tensor: holds numbers, got {type(data).__name__} of dtype {array.dtype}")
    return array


def _same_kind(value: Tensor, target: Tensor) -> np.dtype[Any]:
    """The dtype that an in-place result is stored in: the target's, if that loses no kind."""
    if not np.can_cast(value.dtype, target.dtype, "same_kind"):
        raise DTypeError(
            f"an in-place operation keeps the dtype {target.dtype}, and this one gives "
            f"{value.dtype}; write x = x + y instead of x += y, or convert with astype"
        )
    return target.dtype


def _variadic(args: tuple[Any, ...]) -> tuple[SupportsIndex, ...]:
    """f(2, 3) and f((2, 3)) mean the same."""
    return tuple(args[0]) if len(args) == 1 and isinstance(args[0], tuple | list) else args
