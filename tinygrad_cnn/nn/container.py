"""Modules that hold modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import overload

from tinygrad_cnn.errors import DTypeError
from tinygrad_cnn.nn.functional import Array
from tinygrad_cnn.nn.module import Module


class _Numbered(Module):
    """Holds modules as the attributes "0", "1", ...; a list as far as reading goes."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules)

    def _list(self) -> list[Module]:
        return [value for value in vars(self).values() if isinstance(value, Module)]

    def append(self, module: Module) -> _Numbered:
        """Add one at the end."""
        if not isinstance(module, Module):
            raise DTypeError(
                f"{type(self).__name__}: holds Modules, got a {type(module).__name__}"
                + ("; make an instance: add ()" if isinstance(module, type) else "")
            )
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> _Numbered:
        """Add several at the end."""
        for module in modules:
            self.append(module)
        return self

    def __len__(self) -> int:
        return len(self._list())

    def __iter__(self) -> Iterator[Module]:
        return iter(self._list())

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> _Numbered: ...
    def __getitem__(self, index: int | slice) -> Module | _Numbered:
        chosen = self._list()[index]
        if isinstance(chosen, Module):
            return chosen
        return type(self)(*chosen) if isinstance(self, Sequential) else type(self)(chosen)

    def __setitem__(self, index: int, module: Module) -> None:
        names = [name for name, value in vars(self).items() if isinstance(value, Module)]
        setattr(self, names[index], module)


class Sequential(_Numbered):
    """Calls its modules one after another, each on the output of the one before.

    Takes modules, or one dict of them whose keys become their names.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> net = tg.nn.Sequential(tg.nn.Linear(4, 8), tg.nn.ReLU(), tg.nn.Linear(8, 2))
    >>> net(tg.Tensor(np.zeros((3, 4), np.float32))).shape
    (3, 2)
    >>> net
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): ReLU()
      (2): Linear(in_features=8, out_features=2, bias=True)
    )
    """

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.add_module(name, module)
        else:
            self.extend(modules)  # type: ignore[arg-type]  # append says what is wrong

    def forward(self, x: Array) -> Array:
        for module in self._list():
            x = module(x)
        return x


class ModuleList(_Numbered):
    """A list of modules, for loops of one's own; a plain list would hide their parameters.

    >>> import tinygrad_cnn as tg
    >>> layers = tg.nn.ModuleList(tg.nn.Linear(n, n) for n in (2, 3))
    >>> [name for name, _ in layers.named_parameters()]
    ['0.weight', '0.bias', '1.weight', '1.bias']
    """


class ModuleDict(Module):
    """Modules by name.

    >>> import tinygrad_cnn as tg
    >>> heads = tg.nn.ModuleDict({"digit": tg.nn.Linear(8, 10), "parity": tg.nn.Linear(8, 2)})
    >>> list(heads), heads["parity"].out_features
    (['digit', 'parity'], 2)
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        for name, module in (modules or {}).items():
            self[name] = module

    def __getitem__(self, name: str) -> Module:
        return dict(self.items())[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self.add_module(name, module)

    def __delitem__(self, name: str) -> None:
        delattr(self, name)

    def __len__(self) -> int:
        return len(list(self.items()))

    def __iter__(self) -> Iterator[str]:
        return self.keys()

    def __contains__(self, name: object) -> bool:
        return name in list(self.keys())

    def items(self) -> Iterator[tuple[str, Module]]:
        """(name, module), in the order of insertion."""
        return ((name, value) for name, value in vars(self).items() if isinstance(value, Module))

    def keys(self) -> Iterator[str]:
        """The names."""
        return (name for name, _ in self.items())

    def values(self) -> Iterator[Module]:
        """The modules."""
        return (module for _, module in self.items())
