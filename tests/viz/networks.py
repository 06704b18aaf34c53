"""Small networks whose graphs the tests know by heart."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn import nn, viz
from tinygrad_cnn.nn import functional as F


class Block(nn.Module):
    """relu(norm(conv(x)) + shortcut(x))"""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(out)
        self.shortcut = nn.Identity() if out == channels else nn.Conv2d(channels, out, 1)

    def forward(self, x: Any) -> Any:
        return F.relu(self.norm(self.conv(x)) + self.shortcut(x))


class Residual(nn.Module):
    """A stem, blocks, a head: a ResNet in small."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.layers = nn.Sequential(Block(4, 4), Block(4, 4), Block(4, 8))
        self.head = nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        return self.head(tg.mean(self.layers(F.relu(self.stem(x))), axis=(2, 3)))


def residual_loss() -> tuple[Residual, tg.Tensor]:
    """The network and its loss on two images of 6 by 6."""
    model = Residual()
    x = tg.Tensor(np.ones((2, 1, 6, 6), np.float32))
    return model, F.cross_entropy(model(x), np.array([0, 1]))


def by_id(g: viz.Graph) -> dict[str, viz.Node]:
    """The nodes of a graph by id."""
    return {n.id: n for n in g.picture.nodes}


def kinds(g: viz.Graph) -> list[str]:
    """What the nodes are, in order."""
    return [n.kind for n in g.picture.nodes]
