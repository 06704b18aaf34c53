"""A reproducer: Python that shows the failure when it is pasted.

Functions that can be imported are imported; others are copied from their source, with whatever
they name (modules, constants, arrays, other functions, ops and their VJPs, generators in the state
that they are in). What has no source (it was made by exec) or has a state (an object, whose method
or whose __call__ is the function) is left to be filled in, by a line that says what it was.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import functools
import inspect
import sys
import textwrap
import zlib
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Op
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.testing.subject import Subject

PRINTED = 256
"""Arrays of up to so many elements are printed as numbers, larger ones as bytes."""
PASTED = 16_000
"""So many characters of bytes are pasted at the most."""


def reproducer(subject: Subject, name: str) -> str:
    """The code that repeats the check `name` of `subject`."""
    script = _Script()
    root = subject.root
    arguments = [script.function("f", root.f)]
    for i, x in enumerate(root.inputs):
        arguments.append(script.value(f"x{i}", x))
    for option in ("vjp", "reference"):
        function = getattr(root, option)
        if function is not None:
            arguments.append(f"{option}={script.function(option, function)}")
    arguments += _options(root)
    if name in ("directional_derivative", "second_order"):
        script.imports.add("from tinygrad_cnn.testing import gradcheck")
        order = subject.generation + 1
        call = f"gradcheck({', '.join(arguments)}{f', order={order}' if order > 1 else ''})"
    else:
        script.imports.add("from tinygrad_cnn.testing import check_all")
        call = f"check_all({', '.join(arguments)}, properties=[{name!r}])"
    return script.text(call)


def _options(subject: Subject) -> list[str]:
    options: dict[str, Any] = {"seed": subject.seed}
    for name, default in (("directions", 3), ("at", "smooth"), ("batched", None), ("wrt", None)):
        if getattr(subject, name) != default:
            options[name] = getattr(subject, name)
    return [f"{name}={value!r}" for name, value in options.items() if name != "batched" or value]


class _Script:
    """Imports, definitions in order, and what has been defined already."""

    def __init__(self) -> None:
        self.imports = {"import numpy as np"}
        self.future: list[str] = []  # annotations may name what is not imported here
        self.lines: list[str] = []
        self.named: dict[int, str] = {}

    def text(self, call: str) -> str:
        """The whole script."""
        return "\n".join([*self.future, *sorted(self.imports), "", *self.lines, call])

    # -- functions --------------------------------------------------------------------------------

    def function(self, name: str, function: Any) -> str:
        """An expression for a function, after whatever defines it."""
        if id(function) in self.named:
            return self.named[id(function)]
        self.named[id(function)] = expression = self._define(name, function)
        return expression

    def _define(self, name: str, function: Any) -> str:
        numpys = getattr(function, "__name__", "")
        if numpys and getattr(np, numpys, None) is function:
            return f"np.{numpys}"
        if imported := self._imported(function):
            return imported
        if isinstance(function, functools.partial):
            return self._partial(name, function)
        if isinstance(function, Op):
            return self._op(name, function)
        if isinstance(function, FunctionType) and (source := _source(function)):
            if function.__annotations__:
                self.future = ["from __future__ import annotations", ""]
            self._free_names(function, source)
            return self._written(name, source)
        if isinstance(function, FunctionType | type):
            return self._missing(name, f"{_described(function)}: its source is not at hand")
        owner = getattr(function, "__self__", None)
        if owner is None or isinstance(owner, ModuleType):
            return self._object(name, function)
        return f"{self.value(f'{name}_of', owner)}.{function.__name__}"

    def _imported(self, function: Any) -> str:
        """The name of a function that a module has at its top, after importing it."""
        module = sys.modules.get(getattr(function, "__module__", None) or "")
        if module is None or not _importable(module):
            return ""
        for attribute in (getattr(function, "__name__", ""), f"_{function!r}"):
            if getattr(module, attribute, None) is function:
                break
        else:
            found = [n for n, v in vars(module).items() if v is function and n.isidentifier()]
            if not found:
                return ""
            attribute = found[0]
        self.imports.add(f"from {module.__name__} import {attribute}")
        return attribute

    def _partial(self, name: str, function: functools.partial[Any]) -> str:
        self.imports.add("import functools")
        parts = [self.function(f"{name}_of", function.func)]
        parts += [self.value(f"{name}_{i}", a) for i, a in enumerate(function.args)]
        parts += [f"{k}={self.value(f'{name}_{k}', v)}" for k, v in function.keywords.items()]
        return f"functools.partial({', '.join(parts)})"

    def _op(self, name: str, op: Op) -> str:
        self.imports.add("import tinygrad_cnn as tg")
        name = op.name if op.name.isidentifier() else name
        forward = self.function(f"{name}_forward", op.forward)
        options = [f"name={op.name!r}"]
        options += [f"residuals={op.residuals!r}"] if op.residuals else []
        options += [f"outputs={op.outputs}"] if op.outputs > 1 else []
        if op.reference is not None:
            options.append(f"reference={self.function(f'{name}_reference', op.reference)}")
        self.lines.append(f"{name} = tg.op({', '.join(options)})({forward})")
        self.named[id(op)] = name  # a VJP may call its own op
        kind = {"per input": "vjp", "each": "vjp_each", "joint": "vjp_joint"}.get(op.vjp_kind)
        if kind:
            vjps = [
                "None" if v is None else self.function(f"{name}_vjp{i}", v)
                for i, v in enumerate(op.vjps)
            ]
            self.lines += [f"{name}.{kind}({', '.join(vjps)})", ""]
        return name

    def _written(self, name: str, source: str) -> str:
        if not source.startswith("def "):
            self.lines += [f"{name} = {source}", ""]
            return name
        self.lines += [*source.splitlines(), ""]
        return source[4 : source.index("(")].strip()

    def _free_names(self, function: FunctionType, source: str) -> None:
        """Define what the function names and does not define itself."""
        for name, value in {**_named_in(function), **_defaults(function, source)}.items():
            if isinstance(value, ModuleType):
                self.imports.add(f"import {value.__name__} as {name}")
            elif (expression := self.value(name, value)) != name:
                self.lines.append(f"{name} = {expression}")

    def _object(self, name: str, value: Any) -> str:
        """An object, whose state nobody can write down: one of its class, to be filled in."""
        if id(value) in self.named:
            return self.named[id(value)]
        self.named[id(value)] = name
        kind = type(value)
        plain = repr(value) == object.__repr__(value)  # its address says nothing elsewhere
        shown = kind.__name__ if plain else textwrap.shorten(repr(value), 60, placeholder=" ...")
        if kind.__module__ in sys.builtin_module_names or not (made := self._imported(kind)):
            of = f"a {kind.__name__} of {kind.__module__}"
            return self._missing(name, f"{of}, {shown}: its state is not at hand")
        self.lines += [f"{name} = {made}()  # TO FILL IN: the state of {shown}", ""]
        return name

    def _missing(self, name: str, what: str) -> str:
        """A line where something is to be filled in."""
        self.lines += [f"{name} = ...  # TO FILL IN: {what}", ""]
        return name

    # -- values -----------------------------------------------------------------------------------

    def value(self, name: str, value: Any) -> str:
        """An expression for a value; arrays get a line, and a name, of their own."""
        if isinstance(value, Tensor):
            self.imports.add("import tinygrad_cnn as tg")
            return f"tg.Tensor({self.value(name, value.data)})"
        if isinstance(value, np.ndarray):
            self.lines.append(f"{name} = {self._array(value, f'{name} = np.array(')}")
            return name
        if isinstance(value, np.generic):
            return f"np.{value.dtype.name}({value.item()!r})"
        if isinstance(value, dict):
            items = (f"{k!r}: {self.value(f'{name}_{k}', v)}" for k, v in value.items())
            return "{" + ", ".join(items) + "}"
        if isinstance(value, list | tuple):
            parts = [self.value(f"{name}_{i}", v) for i, v in enumerate(value)]
            inside = ", ".join(parts) + ("," if len(parts) == 1 else "")
            return f"[{inside}]" if isinstance(value, list) else f"({inside})"
        if isinstance(value, float) and not np.isfinite(value):
            return f"float({str(value)!r})"
        if isinstance(value, np.random.Generator):
            return self._generator(name, value)
        if callable(value):
            return self.function(name, value)
        if isinstance(value, slice | type(...)) or _is_literal(value):
            return repr(value)
        return self._object(name, value)

    def _generator(self, name: str, rng: np.random.Generator) -> str:
        """A generator in the same state, where its kind is one of NumPy's."""
        bits = rng.bit_generator
        kind = type(bits).__name__
        if getattr(np.random, kind, None) is not type(bits):
            return self._missing(name, f"a Generator of {kind}")
        self.lines.append(f"{name} = np.random.Generator(np.random.{kind}())")
        self.lines.append(f"{name}.bit_generator.state = {self.value(f'{name}_state', bits.state)}")
        return name

    def _array(self, a: np.ndarray, before: str) -> str:
        dtype = f"np.{a.dtype.name}" if a.dtype.name != "bool" else "bool"
        if not a.size:
            return f"np.zeros({a.shape}, {dtype})"
        if a.size <= PRINTED:
            if a.dtype.kind in "fc" and not np.isfinite(a).all():
                self.imports.add("from numpy import inf, nan")
            return f"np.array({_numbers(a, before)}, {dtype})"
        packed = base64.b85encode(zlib.compress(a.tobytes(), 9)).decode()
        if len(packed) > PASTED:
            stand_in = f"np.random.default_rng(0).standard_normal({a.shape}).astype({dtype})"
            return f"{stand_in}  # for more numbers than can be pasted"
        self.imports |= {"import base64", "import zlib"}
        unpacked = f"zlib.decompress(base64.b85decode({packed!r}))"
        return f"np.frombuffer({unpacked}, {dtype}).reshape({a.shape}).copy()"


def _numbers(a: np.ndarray, before: str) -> str:
    """Nested lists of the elements, each with as many digits as tell it from its neighbours."""
    with np.printoptions(floatmode="unique", threshold=PRINTED + 1, linewidth=92):
        return np.array2string(a, separator=", ", prefix=before)


def _importable(module: ModuleType) -> bool:
    """Whether `import` finds this very module by its name."""
    file = getattr(module, "__file__", None)
    if module.__name__ == "__main__" or file is None:
        return module.__name__ != "__main__" and module.__name__ in sys.builtin_module_names
    spec_path = Path(file).resolve()
    parts = module.__name__.split(".")
    for root in map(Path, sys.path):
        base = root.joinpath(*parts)
        for candidate in (base.with_suffix(".py"), base / "__init__.py"):
            if candidate.exists() and candidate.resolve() == spec_path:
                return True
    return False


def _source(function: FunctionType) -> str:
    """The source of a function, without decorators: a `def`, or the text of a lambda."""
    try:
        lines, _ = inspect.findsource(function)
        text = "".join(lines)
        tree = ast.parse(text)
    except (OSError, TypeError, SyntaxError, IndexError):  # IndexError: of an edited file
        return ""
    first = function.__code__.co_firstlineno
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == function.__name__:
            if first in (node.lineno, *(d.lineno for d in node.decorator_list)):
                return textwrap.dedent("".join(lines[node.lineno - 1 : node.end_lineno]))
        elif isinstance(node, ast.Lambda) and node.lineno == first:
            found = ast.get_source_segment(text, node) or ""
            if _same_code(found, function):
                return found if "\n" not in found else f"({found})"
    return ""


def _named_in(function: FunctionType) -> dict[str, Any]:
    """The values of the free names of a function, and of those that are written within it."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    found = {}
    for name, cell in cells:
        with contextlib.suppress(ValueError):  # not yet bound
            found[name] = cell.cell_contents
    for name in sorted(_names(function.__code__)):
        if name in function.__globals__:
            found.setdefault(name, function.__globals__[name])
    return found


def _names(code: Any) -> set[str]:
    inner = [c for c in code.co_consts if hasattr(c, "co_code")]
    return set(code.co_names).union(*map(_names, inner))


def _defaults(function: FunctionType, source: str) -> dict[str, Any]:
    """The values of defaults that are written as names: lambda x, k=k: ..."""
    node = next(
        n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef | ast.Lambda)
    )
    written = [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]
    values = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    return {d.id: v for d, v in zip(written, values, strict=True) if isinstance(d, ast.Name)}


def _is_literal(value: Any) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, TypeError):
        return False


def _same_code(source: str, function: FunctionType) -> bool:
    """Whether the lambda `source` compiles to the function's code."""
    code = compile(f"({source})", "<lambda>", "eval")
    inner = [c for c in code.co_consts if hasattr(c, "co_code")]
    return any(
        _free(c) == _free(function.__code__)
        and c.co_varnames == function.__code__.co_varnames
        and _constants(c) == _constants(function.__code__)
        for c in inner
    )


def _free(code: Any) -> set[str]:
    return {*code.co_names, *code.co_freevars}


def _constants(code: Any) -> list[Any]:
    return [c for c in code.co_consts if not hasattr(c, "co_code")]


def _described(function: Any) -> str:
    from tinygrad_cnn.testing.culprit import location

    return f"{getattr(function, '__name__', type(function).__name__)} ({location(function)})"
