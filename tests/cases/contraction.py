"""Sums of products: einsum and its relatives."""

from __future__ import annotations

from typing import Any

from tests.cases.table import case
from tests.oracle import Draw, Sample, torch
from tinygrad_cnn import linalg, ops

SUBSCRIPTS = (
    "i->i",
    "ij->ji",
    "ij->",
    "ij->j",
    "ii",
    "ii->i",
    "iji->j",
    "iij->ij",
    "iiki->ik",
    "i,i",
    "i,j->ji",
    "ij,jk",
    "ij,jk->ki",
    "ij,ij->ij",
    "ij,ij",
    "ij,k->i",
    "ii,ij->j",
    "bij,bjk->bik",
    "bij,jk->ikb",
    "...ij,...jk->...ik",
    "...i,i->...",
    "i...,...j->...",
    "...,...->...",
    ",ij->ij",
    "ij,jk,kl->il",
    "ij,ik,il->jkl",
    "i,ij,j",
    "ijj,jk,k,k->i",
    "...i,...j,ij->...",
    "ab,bc,cd,de->ae",
)


def named_axes(d: Draw) -> Sample:
    """Operands for one of the subscripts; axes of an operand may have length 1 and broadcast."""
    subscripts = d.of(*SUBSCRIPTS)
    size = {c: d.of(1, 2, 3, 3, 0) for c in "abcdeijkl"}
    dots = d.ints(d.int(0, 2), 1, 3)
    xs = []
    for term in subscripts.split("->")[0].split(","):
        head, dot, tail = term.partition("...")
        shape = [size[c] for c in head] + [*(dots if dot else ())] + [size[c] for c in tail]
        if len(set(head + tail)) == len(head + tail):  # no diagonal
            shape = [1 if d.int(0, 9) == 9 else n for n in shape]
        xs.append(d.real(*shape))
    return xs, {"subscripts": subscripts}


def paired(d: Draw) -> Sample:
    shape = d.shape(0, 2), d.shape(0, 2), d.shape(0, 2)
    n = len(shape[1])
    if d.flag():
        return [d.real(*shape[0], *shape[1]), d.real(*shape[1], *shape[2])], {"axes": n}
    order = [int(i) for i in d.rng.permutation(n)]
    first = [len(shape[0]) + i - (len(shape[0]) + n if d.flag() else 0) for i in order]
    x2 = d.real(*shape[2], *(shape[1][i] for i in order))
    return [d.real(*shape[0], *shape[1]), x2], {
        "axes": (first, [len(shape[2]) + i for i in range(n)])
    }


def torch_tensordot(a: Any, b: Any, axes: Any) -> Any:
    return torch.tensordot(a, b, axes if isinstance(axes, int) else tuple(map(list, axes)))


def vectors(length: int | None = None) -> Any:
    """Two arrays whose other axes broadcast, with vectors of one length along an axis."""

    def draw(d: Draw) -> Sample:
        n = length if length is not None else d.int(0, 4)
        whole = d.shape(0, 2, empty=False)
        axis = -d.int(1, len(whole) + 1)
        xs = []
        for _ in range(2):
            other = [1 if d.int(0, 3) == 3 else m for m in whole]
            other.insert(len(other) + 1 + axis, n)
            xs.append(d.real(*other))
        return xs, {"axis": axis}

    return draw


CASES = [
    case(
        "einsum",
        named_axes,
        lambda *xs, subscripts: ops.einsum(subscripts, *xs),
        lambda *xs, subscripts: torch.einsum(subscripts, *xs),
    ),
    case("tensordot", paired, None, torch_tensordot),
    case("vecdot", vectors(), None, lambda a, b, axis: torch.linalg.vecdot(a, b, dim=axis)),
    case("cross", vectors(3), linalg.cross, lambda a, b, axis: torch.linalg.cross(a, b, dim=axis)),
    case("outer", lambda d: ([d.real(d.int(0, 3)), d.real(d.int(0, 3))], {}), linalg.outer),
    case(
        "kron",
        lambda d: ([d.real(*d.shape(0, 3)), d.real(*d.shape(0, 3))], {}),
        None,
        lambda a, b: torch.kron(a, b),
    ),
    case(
        "contract",
        lambda d: (
            [d.real(2, 3, 4), d.real(4, 2, 5)],
            {"labels": ((7, 1, 2), (2, 7, 4), (4, 7, 1))},
        ),
        None,
        lambda a, b, labels: torch.einsum("bik,kbj->jbi", a, b),
    ),
]
