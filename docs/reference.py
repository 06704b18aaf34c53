r"""The API reference: a directive that documents what a module shows to users.

Docstrings are written to be read in the source and in `help()`: plain text and formulas, not
reStructuredText. They are translated here, so that nobody needs to write `x\_` or `\|x|`.
"""

from __future__ import annotations

import importlib
import inspect
import re
from types import ModuleType
from typing import Any

import numpy as np
import support
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

FORMULA = re.compile(r"^(\S.*)?(<-| = |->|  )")


class Public(SphinxDirective):
    """`.. public:: tinygrad_cnn.optim` documents its docstring, then every public name.

    `:without: tinygrad_cnn.ops` leaves out what that module lists too.
    """

    required_arguments = 1
    option_spec = {"without": directives.unchanged}  # noqa: RUF012 (docutils' own way)

    def run(self) -> list[nodes.Node]:
        module = importlib.import_module(self.arguments[0])
        without = self.options.get("without")
        told = importlib.import_module(without).__all__ if without else ()
        lines = [f".. automodule:: {module.__name__}", "   :no-members:", ""]
        for name in _public(module):
            if name not in told:
                lines += _directive(f"{module.__name__}.{name}", getattr(module, name))
        return self.parse_text_to_nodes("\n".join(lines))


def _public(module: ModuleType) -> list[str]:
    """What the module lists; where it lists nothing, what it defines."""
    return getattr(module, "__all__", None) or [
        name
        for name, thing in vars(module).items()
        if not name.startswith("_") and getattr(thing, "__module__", "") == module.__name__
    ]


def _directive(path: str, thing: Any) -> list[str]:
    if isinstance(thing, ModuleType):
        return []
    if inspect.isclass(thing):
        return [f".. autoclass:: {path}", "   :members:", ""]
    if callable(thing):
        return [f".. autofunction:: {path}", ""]
    if isinstance(thing, np.dtype | float | None):  # their classes' docstrings say nothing of them
        return [f".. py:data:: {path}", f"   :value: {thing!r}", ""]
    return [f".. autodata:: {path}", ""]


class Support(SphinxDirective):
    """`.. support::` is the support matrix, a table for every family of functions."""

    def run(self) -> list[nodes.Node]:
        families: dict[str, list[support.Row]] = {}
        for row in support.rows():
            families.setdefault(row.family, []).append(row)
        lines = []
        for family in sorted(families, key=lambda f: (not any(r.standard for r in families[f]), f)):
            lines += _family(family, families[family])
        return self.parse_text_to_nodes("\n".join(lines))


class OtherFunctions(SphinxDirective):
    """`.. numpys-other-functions::` names those that take Tensors and are none of ours."""

    def run(self) -> list[nodes.Node]:
        names = (f"``{name}``" for name in support.numpys_other_functions())
        return self.parse_text_to_nodes(", ".join(names) + ".")


def _family(family: str, rows: list[support.Row]) -> list[str]:
    told = importlib.import_module(f"tinygrad_cnn.ops.{family}").__doc__ or ""
    lines = [f".. rubric:: {_prose(told.partition(chr(10))[0].rstrip('.'))}", ""]
    lines += [".. list-table::", "   :header-rows: 1", "   :widths: 30 15 40 15", ""]
    header = ("Function", "Derivatives", "NumPy", "Array API")
    for first, *others in [header, *map(_cells, rows)]:
        lines += [f"   * - {first}", *(f"     - {cell}" for cell in others)]
    return [*lines, ""]


def _cells(row: support.Row) -> tuple[str, ...]:
    place, _, name = row.name.rpartition(".")
    return (
        f":py:func:`{row.name} <tinygrad_cnn.{place or 'ops'}.{name}>`",
        "any order" if row.differentiable else "",
        ", ".join(f"``{name}``" for name in row.numpy),
        "yes" if row.standard else "",
    )


def translate(
    app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """Turn a docstring of ours into reStructuredText, paragraph by paragraph."""
    paragraphs = re.split(r"\n(?:[ \t]*\n)+", "\n".join(lines).strip("\n"))
    lines[:] = "\n\n".join(_paragraph(p) for p in paragraphs).split("\n") + [""]


def _paragraph(text: str) -> str:
    first, *rest = text.split("\n")
    if first.lstrip().startswith(">>>"):
        return inspect.cleandoc(text) + "\n\n.."  # an empty comment: two examples are not one
    if first.endswith(":") and rest and all(line.startswith(" ") for line in rest):
        return f"{_prose(first)}\n\n{_literal(rest)}"
    drawn = first.startswith(" ") or any(line.startswith(" ") for line in rest)
    if drawn or (rest and all(FORMULA.match(line) for line in (first, *rest))):
        return _literal([first, *rest])
    return _prose(text)


def _literal(lines: list[str]) -> str:
    block = inspect.cleandoc("\n" + "\n".join(lines)).split("\n")
    return "::\n\n" + "\n".join(f"    {line}".rstrip() for line in block)


def _prose(text: str) -> str:
    """`code` becomes ``code``; what reStructuredText would take for markup is escaped."""
    pieces = re.split(r"(`[^`\n]+(?:\n[^`\n]+)?`)", text)
    return "".join(
        f"`{piece}`" if piece.startswith("`") else re.sub(r"([*|_`\\])", r"\\\1", piece)
        for piece in pieces
    )


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("public", Public)
    app.add_directive("support", Support)
    app.add_directive("numpys-other-functions", OtherFunctions)
    app.connect("autodoc-process-docstring", translate)
    return {"parallel_read_safe": True}
