"""Functions that a user hangs on a module: before its forward, after it, and around its gradient.

A backward hook needs two places in the graph: one that the gradient passes on its way into the
module, and one where it leaves. Both are identities; recording them costs a module without hooks
nothing, since it has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from tinygrad_cnn.core.op import Op
from tinygrad_cnn.core.tensor import Tensor, wrap
from tinygrad_cnn.errors import DTypeError, ShapeError

if TYPE_CHECKING:
    from tinygrad_cnn.nn.module import Module

KINDS = ("forward_pre", "forward", "backward_pre", "backward")


class Hook(NamedTuple):
    """A user's function and how it wants to be called."""

    call: Callable[..., Any]
    with_kwargs: bool = False
    always_call: bool = False


class Handle:
    """Takes a hook off again: by `remove()`, or at the end of a `with` block."""

    def __init__(self, module: Module, kind: str, hook: Hook) -> None:
        self._module, self._kind, self._hook = module, kind, hook

    def remove(self) -> None:
        """Take the hook off; doing it twice does no harm."""
        hooks = self._module._hooks
        if hooks is None:
            return
        setattr(hooks, self._kind, [h for h in getattr(hooks, self._kind) if h is not self._hook])
        if not any(getattr(hooks, kind) for kind in KINDS):
            del vars(self._module)["_hooks"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.remove()


class Hooks:
    """The hooks of one module, and its call with them."""

    def __init__(self) -> None:
        self.forward_pre: list[Hook] = []
        self.forward: list[Hook] = []
        self.backward_pre: list[Hook] = []
        self.backward: list[Hook] = []

    def run(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """module.forward(*args, **kwargs) with everything that hangs on it."""
        called: list[Hook] = []
        try:
            for hook in self.forward_pre:
                args, kwargs = _before(hook, module, args, kwargs)
            crossing = Crossing(module, self) if self.backward or self.backward_pre else None
            if crossing:
                args = crossing.enter(args)
            y = module.forward(*args, **kwargs)
            for hook in self.forward:
                called.append(hook)
                new = _after(hook, module, args, kwargs, y)
                y = y if new is None else new
            return crossing.leave(y) if crossing else y
        except Exception:
            for hook in self.forward:
                if hook.always_call and hook not in called:
                    _after(hook, module, args, kwargs, None)
            raise


def add(module: Module, kind: str, hook: Hook, prepend: bool) -> Handle:
    """Hang a hook on a module, before or after those that are there."""
    if not callable(hook.call):
        raise DTypeError(f"a hook is a function, got a {type(hook.call).__name__}")
    if module._hooks is None:
        vars(module)["_hooks"] = Hooks()
    there = getattr(module._hooks, kind)
    setattr(module._hooks, kind, [hook, *there] if prepend else [*there, hook])
    return Handle(module, kind, hook)


def _before(
    hook: Hook, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments after a forward pre-hook, which may return others."""
    if not hook.with_kwargs:
        new = hook.call(module, args)
        if new is not None:
            args = new if isinstance(new, tuple) else (new,)
        return args, kwargs
    new = hook.call(module, args, kwargs)
    if new is None:
        return args, kwargs
    if not (isinstance(new, tuple) and len(new) == 2 and isinstance(new[1], dict)):
        raise DTypeError(
            f"{type(module).__name__}: a forward pre-hook with_kwargs returns None or (args, "
            f"kwargs), got a {type(new).__name__}"
        )
    return tuple(new[0]), new[1]


def _after(
    hook: Hook, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], y: Any
) -> Any:
    return hook.call(module, args, kwargs, y) if hook.with_kwargs else hook.call(module, args, y)


class Crossing:
    """One call of a module with backward hooks: where its gradient comes in and goes out."""

    def __init__(self, module: Module, hooks: Hooks) -> None:
        self.module, self.hooks = module, hooks
        self.places: list[int] = []  # of the arguments that get a gradient
        self.count = 0  # of all positional arguments
        self.grad_output: tuple[Any, ...] = ()

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, those with a gradient behind an identity that runs the hooks."""
        self.count = len(args)
        self.places = [i for i, a in enumerate(args) if isinstance(a, Tensor) and a.requires_grad]
        if not self.places:
            return args
        inside = _identity(len(self.places), "module_input", Crossing.out_of)(
            *(args[i] for i in self.places), crossing=self
        )
        inside = inside if len(self.places) > 1 else (inside,)
        new = dict(zip(self.places, inside, strict=True))
        return tuple(new.get(i, a) for i, a in enumerate(args))

    def leave(self, y: Any) -> Any:
        """The output, its tensors behind an identity that takes down their gradients."""
        tensors = [t for t in _tensors(y) if t.requires_grad]
        if not tensors:
            return y
        outside = _identity(len(tensors), "module_output", Crossing.into)(*tensors, crossing=self)
        replaced = iter(outside if len(tensors) > 1 else (outside,))
        return _with_tensors(y, lambda t: next(replaced) if t.requires_grad else t)

    def into(self, gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        """dL/d(outputs) on their way in: through the pre-hooks, and kept for the hooks."""
        for hook in self.hooks.backward_pre:
            gradients = self._replaced(gradients, hook.call(self.module, _as_tensors(gradients)))
        self.grad_output = _as_tensors(gradients)
        if not self.places:  # no gradient will come out
            for hook in self.hooks.backward:
                hook.call(self.module, (None,) * self.count, self.grad_output)
        return gradients

    def out_of(self, gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        """dL/d(inputs) on their way out: through the hooks, which may return others."""
        for hook in self.hooks.backward:
            of_place = dict(zip(self.places, _as_tensors(gradients), strict=True))
            grad_input = tuple(of_place.get(i) for i in range(self.count))
            new = hook.call(self.module, grad_input, self.grad_output)
            if new is not None:
                new = new if isinstance(new, tuple | list) else (new,)
                if len(new) != self.count:
                    raise ShapeError(
                        f"{type(self.module).__name__}: a backward hook returns None, or a "
                        f"gradient for each of the {self.count} positional arguments, got "
                        f"{len(new)}"
                    )
                gradients = self._replaced(gradients, [new[i] for i in self.places])
        return gradients

    def _replaced(self, old: tuple[Any, ...], new: Any) -> tuple[Any, ...]:
        """The gradients that a hook returned, in the form and shapes of the old ones."""
        if new is None:
            return old
        new = new if isinstance(new, tuple | list) else (new,)
        new = [o * 0 if g is None else g for g, o in zip(new, old, strict=False)]
        if [np.shape(g) for g in new] != [g.shape for g in old]:
            raise ShapeError(
                f"{type(self.module).__name__}: a backward hook returns gradients of the shapes "
                f"that it was given, {[g.shape for g in old]}, got {[np.shape(g) for g in new]}"
            )
        return tuple(
            g if isinstance(o, Tensor) else g.data if isinstance(g, Tensor) else np.asarray(g)
            for g, o in zip(new, old, strict=True)
        )


@cache
def _identity(
    n: int, name: str, visit: Callable[[Crossing, tuple[Any, ...]], tuple[Any, ...]]
) -> Op:
    """y = x for n arrays at once; their gradients go through `visit`."""

    def forward(*xs: Any, crossing: Crossing) -> Any:
        return xs if n > 1 else xs[0]

    def gradient(g: Any, _y: Any, *_xs: Any, crossing: Crossing) -> tuple[Any, ...]:
        return visit(crossing, g if n > 1 else (g,))

    made = Op(forward, name=name, outputs=n).vjp_joint(gradient)
    return made


def _as_tensors(gradients: tuple[Any, ...]) -> tuple[Tensor, ...]:
    return tuple(g if isinstance(g, Tensor) else wrap(g, None) for g in gradients)


def _tensors(y: Any) -> Iterator[Tensor]:
    """The Tensors in an output: itself, or in tuples, lists and dicts."""
    if isinstance(y, Tensor):
        yield y
    elif isinstance(y, tuple | list | dict):
        for part in y.values() if isinstance(y, dict) else y:
            yield from _tensors(part)


def _with_tensors(y: Any, new: Callable[[Tensor], Any]) -> Any:
    """The same output with other Tensors, taken in the order of `_tensors`."""
    if isinstance(y, Tensor):
        return new(y)
    if isinstance(y, dict):
        return type(y)((key, _with_tensors(value, new)) for key, value in y.items())
    if isinstance(y, tuple | list):
        parts = [_with_tensors(part, new) for part in y]
        return type(y)(*parts) if hasattr(y, "_fields") else type(y)(parts)
    return y
