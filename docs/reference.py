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
    return [f".. autodata:: {path}", ""]


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
    app.connect("autodoc-process-docstring", translate)
    return {"parallel_read_safe": True}
