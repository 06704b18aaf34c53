"""Module: a function with parameters, and the tree that modules form.

A module's parameters, buffers and sub-modules are its attributes, found where they are kept
(`vars(self)`): assigning one registers it, deleting it forgets it, and no second list can disagree.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_cnn.core.modes import STATE, State
from tinygrad_cnn.core.tensor import Parameter, Tensor
from tinygrad_cnn.errors import (
    CheckpointError,
    ConfigError,
    DTypeError,
    TrainingModeWarning,
    warn,
)
from tinygrad_cnn.nn import hooks
from tinygrad_cnn.nn.hooks import Handle, Hook, Hooks

if TYPE_CHECKING:
    from tinygrad_cnn.viz.summaries import Summary

T = TypeVar("T")


class Call:
    """One call of a module: nodes recorded while it runs hold it as their `scope`.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> net = tg.nn.Sequential(tg.nn.Sequential(tg.nn.Linear(2, 3)), tg.nn.ReLU())
    >>> y = net(tg.Tensor(np.ones((1, 2))))
    >>> str(y._node.scope), str(y._node.parents[0].scope)
    ('1', '0.0')
    """

    __slots__ = ("enclosing", "module")

    def __init__(self, module: Module, enclosing: object) -> None:
        self.module = module
        self.enclosing = enclosing

    @property
    def path(self) -> str:
        """The module's name as seen from the outermost module running, "" for that one itself.

        Looked up when somebody asks, so that a call costs nothing for it. A module that its caller
        calls without owning it (kept in a plain list, say) goes by the name of its class.
        """
        if not isinstance(self.enclosing, Call):
            return ""
        for name, module in self.enclosing.module.named_modules():
            if module is self.module:
                return _join(self.enclosing.path, name)
        return _join(self.enclosing.path, type(self.module).__name__)

    def __str__(self) -> str:
        return self.path or type(self.module).__name__

    def __repr__(self) -> str:
        return f"<Call of {self}: {type(self.module).__name__}>"


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict(..., strict=False)` left out, on either side."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """A function `forward` of tensors, with parameters that it owns.

    Subclasses assign Parameters, buffers and other Modules to attributes and define `forward`.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> class Scale(tg.nn.Module):
    ...     def __init__(self, size):
    ...         super().__init__()
    ...         self.factor = tg.nn.Parameter(np.ones(size))
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> [(name, p.shape) for name, p in Scale(3).named_parameters()]
    [('factor', (3,))]
    """

    training: bool
    _persistent: dict[str, bool]  # buffer name -> whether state_dict() holds it
    _hooks: Hooks | None = None
    _told_of_its_mode = False

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        # Here, not in __init__: a subclass that forgets super().__init__() is whole all the same.
        self = super().__new__(cls)
        vars(self).update(training=True, _persistent={})
        return self

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; called through `module(...)`."""
        raise NotImplementedError(
            f"{type(self).__name__} has no forward: define `def forward(self, x): ...` in the class"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        state = STATE.get()
        if not state.grad and self.training and not isinstance(state.scope, Call):
            _warn_of_training_mode(self)
        token = STATE.set(State(state.grad, Call(self, state.scope), state.observers))
        try:
            hung = self._hooks
            return self.forward(*args, **kwargs) if hung is None else hung.run(self, args, kwargs)
        finally:
            STATE.reset(token)

    # -- attributes --------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        held = vars(self).get(name)
        if isinstance(held, Parameter) and not isinstance(value, Parameter | None):
            raise DTypeError(
                f"{type(self).__name__}.{name} is a parameter and cannot become a "
                f"{type(value).__name__}: `.{name} = nn.Parameter(value)` replaces it, "
                f"`.{name}.data[...] = value` writes into it"
            )
        if isinstance(held, Module) and not isinstance(value, Module | None):
            raise DTypeError(
                f"{type(self).__name__}.{name} is a module and cannot become a "
                f"{type(value).__name__}: assign a Module or None, or use another name"
            )
        if isinstance(value, Module) and any(module is self for module in value.modules()):
            raise ConfigError(
                f"{type(self).__name__}.{name}: a module cannot contain itself; keep a reference "
                "to a parent outside the tree, e.g. in a one-element list"
            )
        if _is_stray_leaf(value):
            raise DTypeError(
                f"{type(self).__name__}.{name}: a Tensor that requires a gradient is not a "
                "parameter and no optimizer would see it: assign nn.Parameter(tensor) to train it, "
                "or tensor.detach() to keep it as a constant"
            )
        if name in self._persistent and not isinstance(value, Tensor | None):
            value = Tensor(value)
        super().__setattr__(name, value)

    if not TYPE_CHECKING:  # a type checker shall go on flagging names that do not exist

        def __getattr__(self, name: str) -> Any:
            message = f"{type(self).__name__} has no attribute {name!r}"
            near = difflib.get_close_matches(name, dir(self), n=1)
            if near and not name.startswith("_"):
                message += f"; did you mean {near[0]!r}?"
            raise AttributeError(message, name=name, obj=self)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._persistent.pop(name, None)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """The same as `self.name = param`, for a name that is computed; None: no such parameter."""
        if not isinstance(param, Parameter | None):
            raise DTypeError(
                f"register_parameter({name!r}): takes an nn.Parameter or None, got a "
                f"{type(param).__name__}; wrap it: nn.Parameter(value)"
            )
        setattr(self, _fresh_name(self, name), param)

    def register_buffer(
        self, name: str, tensor: ArrayLike | Tensor | None, persistent: bool = True
    ) -> None:
        """Keep an array that is state but is not trained, such as a running mean.

        `persistent=False` leaves it out of `state_dict()`.
        """
        self._persistent[_fresh_name(self, name)] = persistent
        setattr(self, name, tensor)

    def add_module(self, name: str, module: Module | None) -> None:
        """The same as `self.name = module`, for a name that is computed."""
        if not isinstance(module, Module | None):
            raise DTypeError(
                f"add_module({name!r}): takes a Module or None, got a {type(module).__name__}"
            )
        setattr(self, _fresh_name(self, name), module)

    # -- the tree ----------------------------------------------------------------------------

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the modules that this one holds itself, each once."""
        return _once((name, m) for name, m in vars(self).items() if isinstance(m, Module))

    def children(self) -> Iterator[Module]:
        """The modules that this one holds itself."""
        return (module for _, module in self.named_children())

    def named_modules(
        self, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """(path, module) of this module and all below it, depth first, parents before children.

        >>> import tinygrad_cnn as tg
        >>> [name for name, _ in tg.nn.Sequential(tg.nn.Sequential(tg.nn.ReLU())).named_modules()]
        ['', '0', '0.0']
        """
        tree = self._walk(prefix)
        return _once(tree) if remove_duplicate else tree

    def _walk(self, path: str) -> Iterator[tuple[str, Module]]:
        yield path, self
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield from value._walk(_join(path, name))

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(path, parameter), in the order of assignment; a shared parameter appears once."""
        found = (
            (_join(path, name), value)
            for path, module in self._owners(prefix, recurse)
            for name, value in vars(module).items()
            if isinstance(value, Parameter)
        )
        return _once(found) if remove_duplicate else found

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once: what an optimizer takes."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """(path, buffer), in the order of registration; a shared buffer appears once."""
        found = (
            (_join(path, name), vars(module)[name])
            for path, module in self._owners(prefix, recurse)
            for name in module._persistent
            if vars(module)[name] is not None
        )
        return _once(found) if remove_duplicate else found

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def _owners(self, prefix: str, recurse: bool) -> Iterator[tuple[str, Module]]:
        return self._walk(prefix) if recurse else iter([(prefix, self)])

    def apply(self, fn: Callable[[Module], object]) -> Self:
        """Call `fn` on every module below this one, then on this one; returns it.

        >>> import tinygrad_cnn as tg
        >>> def zero_bias(module):
        ...     if isinstance(module, tg.nn.Linear):
        ...         tg.nn.init.zeros_(module.bias)
        >>> float(tg.nn.Sequential(tg.nn.Linear(2, 1)).apply(zero_bias)[0].bias.item())
        0.0
        """
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # -- modes -------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Put the whole tree into training mode: dropout drops, batch norm uses the batch."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Put the whole tree into inference mode: `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze (False) or thaw all parameters; a frozen one gets no gradient."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters (`p.grad` becomes None)."""
        for parameter in self.parameters():
            parameter.zero_grad()

    def _acts_by_mode(self) -> bool:
        """Whether training mode changes what this module, by itself, computes."""
        return False

    # -- hooks -------------------------------------------------------------------------------

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> Handle:
        """`hook(module, args)` runs before every forward, and may return other arguments.

        with_kwargs=True: `hook(module, args, kwargs)`, which may return (args, kwargs). Returns a
        handle whose `remove()` takes the hook off.
        """
        return hooks.add(self, "forward_pre", Hook(hook, with_kwargs), prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> Handle:
        """`hook(module, args, output)` runs after every forward, and may return another output.

        with_kwargs=True: `hook(module, args, kwargs, output)`. always_call=True: also where the
        forward raised an exception (the output is None then).

        >>> import tinygrad_cnn as tg
        >>> shapes = []
        >>> net = tg.nn.Sequential(tg.nn.Linear(2, 3), tg.nn.ReLU())
        >>> with net[0].register_forward_hook(lambda module, args, y: shapes.append(y.shape)):
        ...     y = net(tg.Tensor([[1.0, 2.0]]))
        >>> shapes
        [(1, 3)]
        """
        return hooks.add(self, "forward", Hook(hook, with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> Handle:
        """`hook(module, grad_output)` runs before the gradient flows through the module.

        grad_output is a tuple with dL/d(output) for each output that has a gradient; the hook may
        return others in their place.
        """
        return hooks.add(self, "backward_pre", Hook(hook), prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> Handle:
        """`hook(module, grad_input, grad_output)` runs when the gradient has flowed through.

        grad_input is a tuple with dL/d(argument) for each positional argument, None for those
        without a gradient; the hook may return another such tuple, and the sweep goes on with it.

        >>> import tinygrad_cnn as tg
        >>> layer, x = tg.nn.ReLU(), tg.Tensor([1.0, -1.0], requires_grad=True)
        >>> handle = layer.register_full_backward_hook(lambda module, gin, gout: (gin[0] * 10,))
        >>> layer(x).sum().backward()
        >>> x.grad.tolist()
        [10.0, 0.0]
        """
        return hooks.add(self, "backward", Hook(hook), prepend)

    # -- state -------------------------------------------------------------------------------

    def _state(self) -> dict[str, Tensor]:
        """Every saved tensor by its path, in PyTorch's order; shared ones under every name."""
        state: dict[str, Tensor] = {}
        for path, module in self._walk(""):
            for name, parameter in module.named_parameters(path, False, False):
                state[name] = parameter
            for name in module._persistent:
                if module._persistent[name] and vars(module)[name] is not None:
                    state[_join(path, name)] = vars(module)[name]
        return state

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of the parameters and persistent buffers by path, named as PyTorch names them.

        >>> import tinygrad_cnn as tg
        >>> list(tg.nn.Sequential(tg.nn.Linear(2, 3)).state_dict())
        ['0.weight', '0.bias']
        """
        return {name: tensor.data.copy() for name, tensor in self._state().items()}

    def load_state_dict(
        self, state_dict: Mapping[str, ArrayLike], strict: bool = True
    ) -> IncompatibleKeys:
        """Write saved arrays into the parameters and buffers, each cast to the dtype held here.

        Everything is checked before anything is written. `strict=False` allows names that only one
        side has, and returns them.

        Raises:
            CheckpointError: a shape or dtype that does not fit (the first one is named, with both
                shapes), or, with `strict`, names that are missing or unexpected.
        """
        own = self._state()
        arrays = {name: np.asarray(value) for name, value in state_dict.items()}
        keys = IncompatibleKeys(
            [name for name in own if name not in arrays],
            [name for name in arrays if name not in own],
        )
        shared = [(name, own[name], arrays[name]) for name in own if name in arrays]
        for name, tensor, array in shared:
            _check_fits(self, name, tensor, array)
        if strict and (keys.missing_keys or keys.unexpected_keys):
            raise CheckpointError(
                f"load_state_dict: the weights are not those of this {type(self).__name__}: "
                f"missing {_some(keys.missing_keys)}; unexpected {_some(keys.unexpected_keys)}; "
                "build the model that was saved, or pass strict=False to load the names in common"
            )
        for _, tensor, array in shared:
            tensor.data[...] = array
        return keys

    def to(self, dtype: DTypeLike) -> Self:
        """Cast floating-point parameters and buffers to another float dtype; returns the module.

        >>> import numpy as np, tinygrad_cnn as tg
        >>> tg.nn.Linear(2, 3).to(np.float64).weight.dtype
        dtype('float64')
        """
        target = np.dtype(dtype)
        if target.kind != "f":
            raise ConfigError(f"Module.to: takes a float dtype, got {target}; use float32 or 64")
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.dtype.kind == "f":
                tensor.data = tensor.data.astype(target)
        return self

    # -- text --------------------------------------------------------------------------------

    def summary(self, x: Any = None, depth: int | None = None) -> Summary:
        """A table of the modules with their parameters and, given an input, shapes and FLOPs.

        x is an input, a tuple of several, or a shape such as (1, 3, 32, 32); see `viz.summary`.

        >>> import tinygrad_cnn as tg
        >>> tg.nn.Sequential(tg.nn.Linear(784, 10), tg.nn.ReLU()).summary()
        layer        parameters
        Sequential        7,850
          0  Linear       7,850
          1  ReLU
        -----------------------
        7,850 parameters (31.4 kB), 0 of them frozen
        """
        from tinygrad_cnn.viz.summaries import summary  # the one import upward: see setup.cfg

        return summary(self, x, depth)

    def extra_repr(self) -> str:
        """What stands in the parentheses of the repr: the options of this layer."""
        return ""

    def __repr__(self) -> str:
        children = [f"({n}): {m!r}" for n, m in vars(self).items() if isinstance(m, Module)]
        lines = [text for text in (self.extra_repr(), *children) if text]
        if not children:
            return f"{type(self).__name__}({self.extra_repr()})"
        body = "\n".join(lines).replace("\n", "\n  ")
        return f"{type(self).__name__}(\n  {body}\n)"


def _warn_of_training_mode(module: Module) -> None:
    """Once a module: that it drops, or takes the batch's statistics, where it seems to predict."""
    if module._told_of_its_mode:
        return
    acting = [name for name, m in module.named_modules() if m.training and m._acts_by_mode()]
    if acting:
        vars(module)["_told_of_its_mode"] = True
        kind = type(module).__name__
        where = f" ({_some([name for name in acting if name])})" if any(acting) else ""
        warn(
            f"{kind} was called under no_grad() in training mode, in which dropout drops and batch "
            f"normalisation takes the batch's own statistics{where}; for a prediction call eval() "
            f"first",
            TrainingModeWarning,
        )


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name


def _once(pairs: Iterable[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    """Each object under the first of its names."""
    seen: set[int] = set()
    for name, thing in pairs:
        if id(thing) not in seen:
            seen.add(id(thing))
            yield name, thing


def _is_stray_leaf(value: object) -> bool:
    return (
        isinstance(value, Tensor)
        and not isinstance(value, Parameter)
        and value.is_leaf
        and value.requires_grad
    )


def _fresh_name(module: Module, name: str) -> str:
    """`name`, if a parameter, buffer or sub-module of the module can be called so."""
    if not name or "." in name:
        raise ConfigError(f"a name in a module must be non-empty and without dots, got {name!r}")
    registered = isinstance(vars(module).get(name), Tensor | Module)
    if hasattr(type(module), name) or (name in vars(module) and not registered):
        raise ConfigError(f"{type(module).__name__} has an attribute {name!r}; use another name")
    return name


def _check_fits(model: Module, name: str, tensor: Tensor, array: np.ndarray) -> None:
    if array.shape != tensor.shape:
        raise CheckpointError(
            f"load_state_dict: {name} has shape {tensor.shape} in this {type(model).__name__} and "
            f"{array.shape} in the saved weights; build the model with the options of the saved one"
        )
    if array.dtype.kind not in "biuf" or not np.can_cast(array.dtype, tensor.dtype, "same_kind"):
        raise CheckpointError(
            f"load_state_dict: {name} is {tensor.dtype} in this {type(model).__name__} and "
            f"{array.dtype} in the saved weights, which cannot be cast without loss of kind"
        )


def _some(names: list[str], most: int = 4) -> str:
    """The first names of a list, for an error message."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "none") + rest
