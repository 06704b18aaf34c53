"""The picture's own model: what is drawn, before anybody asks how.

A Picture is nodes in the order in which they ran, edges between them, and scopes (module calls)
that nest. Everything else works on it: views make another Picture of it, renderers write it down.
It is plain data that JSON carries unchanged, and its ids come from names and the order of
recording, so that the same network gives the same bytes in every process.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from tinygrad_cnn.errors import DataError

FORMAT = "tinygrad_cnn picture"
VERSION = 1

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A box.

    kind         input, parameter, buffer, constant, op, module (a closed scope), gradient or output
    name         what is written on it
    scope        id of the innermost scope that it lies in, "" for none
    op, family   of an op: its name and the chapter that it stands in
    detail       the settings that matter, such as "3x3, stride 2"
    shape, dtype of what comes out of it; None and "" where that is unknown
    order        1 for the forward pass, 2 for the graph of its gradient, and so on
    notes        measurements and facts by name: saved (bytes), parameters (a count), ...
    """

    id: str
    kind: str
    name: str
    scope: str = ""
    op: str = ""
    family: str = ""
    detail: str = ""
    shape: Shape | None = None
    dtype: str = ""
    order: int = 1
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Edge:
    """An array on its way: `source` computes or holds it, `target` takes it as its input `name`.

    kind   data, skip (past a closed residual block), gradient, or saved (kept for the gradient)
    """

    source: str
    target: str
    name: str = ""
    shape: Shape | None = None
    dtype: str = ""
    kind: str = "data"


@dataclass(frozen=True, slots=True)
class Scope:
    """One call of a module.

    path, module   the module's path from the outermost one, and its class
    parent         id of the scope around it, "" for none
    call           1 for the first call of that module, 2 for the second ...
    parameters     how many numbers the module trains
    repeats        how many equal blocks in a row this one stands for
    shared         of repeated blocks: whether they share their parameters
    """

    id: str
    name: str
    path: str = ""
    module: str = ""
    parent: str = ""
    call: int = 1
    parameters: int = 0
    repeats: int = 1
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """Nodes in order of execution, edges, scopes (each after its parent), and remarks to print."""

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    scopes: tuple[Scope, ...] = ()
    remarks: tuple[str, ...] = ()

    def to_json(self) -> str:
        """The picture as JSON, a line each for nodes, edges and scopes, so that it diffs well."""
        head = {"format": FORMAT, "version": VERSION, "remarks": list(self.remarks)}
        lists = (("scopes", self.scopes), ("nodes", self.nodes), ("edges", self.edges))
        parts = [f'"{key}": {_dumps(value)}' for key, value in head.items()]
        parts += [f'"{key}": {_lines(items)}' for key, items in lists]
        return "{\n" + ",\n".join(parts) + "\n}\n"

    @classmethod
    def from_json(cls, text: str) -> Picture:
        """The picture that `to_json` wrote.

        >>> picture = Picture(nodes=(Node("a", "op", "exp", shape=(2, 3)),))
        >>> Picture.from_json(picture.to_json()) == picture
        True
        """
        try:
            held = json.loads(text)
            form, version = held["format"], held["version"]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"not the JSON of a picture ({error!r}): see Graph.to_json") from error
        if form != FORMAT or version != VERSION:
            raise DataError(
                f"a picture of format {form!r}, version {version!r}; this release reads "
                f"{FORMAT!r}, version {VERSION}: write it again with Graph.to_json"
            )
        try:
            return cls(
                tuple(_read(Node, item) for item in held["nodes"]),
                tuple(_read(Edge, item) for item in held["edges"]),
                tuple(_read(Scope, item) for item in held["scopes"]),
                tuple(held["remarks"]),
            )
        except (KeyError, TypeError) as error:
            raise DataError(f"the JSON of a picture lacks or adds a field: {error}") from error


class Ids:
    """Makes names unique: the second "conv" becomes "conv#2"."""

    def __init__(self) -> None:
        self._uses: dict[str, int] = {}

    def __call__(self, name: str) -> str:
        """`name`, or the first free one that starts with it."""
        uses = self._uses.get(name, 0)
        self._uses[name] = uses + 1
        return name if not uses else self(f"{name}#{uses + 1}")


def chain(scopes: Mapping[str, Scope], scope: str) -> Iterator[str]:
    """The ids of a scope and of all around it, from the inside out."""
    while scope:
        yield scope
        scope = scopes[scope].parent


def _lines(items: tuple[Any, ...]) -> str:
    rows = ",\n".join(f"  {_dumps(_without_defaults(item))}" for item in items)
    return f"[\n{rows}\n]" if rows else "[]"


def _without_defaults(item: Any) -> dict[str, Any]:
    blank: dict[str, Any] = {f.name: {} if f.name == "notes" else f.default for f in fields(item)}
    return {key: value for key, value in asdict(item).items() if value != blank[key]}


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False)


def _read(cls: type[Any], item: dict[str, Any]) -> Any:
    if isinstance(item.get("shape"), list):
        item = item | {"shape": tuple(item["shape"])}
    return cls(**item)
