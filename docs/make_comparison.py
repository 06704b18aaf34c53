"""Draw the gallery's networks by torchviz and torchview: `python docs/make_comparison.py`.

Needs torch, torchviz, torchview and Graphviz's dot; no test runs it. The networks are those of
make_gallery.py, written once more in PyTorch.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from torchview import draw_graph
from torchviz import make_dot

from tinygrad_cnn.files import write_atomic

IMAGES = Path(__file__).parent / "images" / "others"


class PaddedShortcut(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        channels = x.shape[1]
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, channels))


class BasicBlock(nn.Module):
    def __init__(self, channels: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
            nn.Conv2d(out, out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(out),
        )
        self.shortcut = nn.Identity() if stride == 1 else PaddedShortcut()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


class ResNet20(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()
        )
        self.stages = nn.Sequential(
            nn.Sequential(BasicBlock(16, 16), BasicBlock(16, 16), BasicBlock(16, 16)),
            nn.Sequential(BasicBlock(16, 32, 2), BasicBlock(32, 32), BasicBlock(32, 32)),
            nn.Sequential(BasicBlock(32, 64, 2), BasicBlock(64, 64), BasicBlock(64, 64)),
        )
        self.classify = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classify(self.stages(self.stem(x)).mean((2, 3)))


class MnistLeaky(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3)
        self.hidden = nn.Linear(2704, 128)
        self.classify = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.leaky_relu(self.conv(x)), 2).flatten(1)
        return self.classify(F.leaky_relu(self.hidden(x)))


def main() -> None:
    """Draw both networks by both tools."""
    for name, net, shape in (
        ("resnet20", ResNet20(), (2, 3, 32, 32)),
        ("mnist", MnistLeaky(), (64, 1, 28, 28)),
    ):
        loss = F.cross_entropy(net(torch.zeros(shape)), torch.zeros(shape[0], dtype=torch.long))
        _write(f"torchviz-{name}", make_dot(loss, dict(net.named_parameters())))
        view = draw_graph(net, input_size=shape, device="cpu", depth=10, expand_nested=True)
        _write(f"torchview-{name}", view.visual_graph)


def _write(name: str, graph: object) -> None:
    svg = graph.pipe("svg")  # type: ignore[attr-defined]
    write_atomic(IMAGES / f"{name}.svg", svg)


if __name__ == "__main__":
    main()
