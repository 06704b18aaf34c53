"""Draw the pictures of gallery.md into images/: `python docs/make_gallery.py`.

No picture holds a number that a machine measures or rounds in its own way, so that the same bytes
come out everywhere; a test compares them with the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from front_picture import compose

import tinygrad_cnn as tg
from tinygrad_cnn import models, nn, viz
from tinygrad_cnn.files import write_atomic
from tinygrad_cnn.nn import functional as F

IMAGES = Path(__file__).parent / "images"
ENGINE = "graphviz-pure"  # measures text by tables of its own and not by the fonts that are here


def loss_of(model: nn.Module, *shape: int) -> tg.Tensor:
    """The loss of a batch of zeros."""
    loss: tg.Tensor = F.cross_entropy(model(zeros(*shape)), np.zeros(shape[0], np.int64))
    return loss


def zeros(*shape: int) -> tg.Tensor:
    """A batch: the pictures show its shape and not its values."""
    return tg.Tensor(np.zeros(shape, np.float32))


def mnist(**options: Any) -> viz.Graph:
    """The default network on a batch of 64 digits."""
    model = models.MnistLeaky()
    return viz.graph(loss_of(model, 64, 1, 28, 28), model, engine=ENGINE, **options)


def resnet20(**options: Any) -> viz.Graph:
    """ResNet-20 on two images of CIFAR's size."""
    model = models.resnet20()
    return viz.graph(loss_of(model, 2, 3, 32, 32), model, engine=ENGINE, **options)


def block(channels: int, out: int, stride: int = 1, **options: Any) -> viz.Graph:
    """A residual block, with the gradient of its input."""
    x = tg.Tensor(np.zeros((2, channels, 32, 32), np.float32), requires_grad=True)
    y = models.BasicBlock(channels, out, stride)(x)
    return viz.graph(y, inputs={"x": x}, engine=ENGINE, **options)


class Entropy(nn.Module):
    """-sum_i p_i log p_i, written without care: 0 log 0 is NaN."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(4, 8)
        self.scores = nn.Linear(8, 3)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        h = self.scores(F.relu(self.hidden(x)))
        p = F.relu(h) / 3.0
        entropy: tg.Tensor = -tg.sum(p * tg.log(p), axis=-1)
        return entropy


def broken() -> viz.Graph:
    """A network whose output is NaN, and where that began."""
    model = Entropy()
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    with np.errstate(all="ignore"):
        loss = tg.mean(model(zeros(5, 4)))
    return viz.graph(loss, model, engine=ENGINE)


def changed() -> viz.Graph:
    """A block, and the same one after somebody worked on it."""

    def graph(activation: nn.Module, *more: nn.Module) -> viz.Graph:
        net = nn.Sequential(nn.Conv2d(3, 8, 3), activation, nn.MaxPool2d(2), *more)
        return viz.graph(net(zeros(2, 3, 10, 10)), net, engine=ENGINE)

    return viz.diff(graph(nn.ReLU()), graph(nn.LeakyReLU(0.1), nn.BatchNorm2d(8)))


def folded() -> viz.Graph:
    """Twelve equal residual blocks between a stem and a head."""
    blocks = [models.BasicBlock(16, 16) for _ in range(12)]
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.Sequential(*blocks),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    )
    return viz.graph(net(zeros(2, 3, 32, 32)), net, engine=ENGINE, depth=1, annotate=NOTES)


NOTES = ("shape", "saved", "flops")
PICTURES: dict[str, Callable[[], viz.Graph]] = {
    "mnist-depth-0": lambda: mnist(depth=0),
    "mnist-full": lambda: mnist(annotate=NOTES, color="flops"),
    "mnist-both": lambda: mnist(view="both", annotate=("shape", "saved")),
    "resnet20-depth-1": lambda: resnet20(depth=1),
    "resnet20-depth-2": lambda: resnet20(depth=2),
    "resnet20-full": resnet20,
    "block": lambda: block(16, 32, stride=2),
    "block-both": lambda: block(16, 16, view="both", annotate=("shape", "saved")),
    "nan": broken,
    "diff": changed,
    "folded": folded,
}


def front() -> str:
    """The picture of the README."""
    graph = mnist(view="both", annotate=("shape", "saved"), legend=False)
    return compose(graph, IMAGES / "mnist-leaky.csv")


def drawn() -> Iterator[tuple[str, str]]:
    """(name of the file, its content) of every picture."""
    for name, draw in PICTURES.items():
        yield f"{name}.svg", draw().to_svg()
    yield "mnist-leaky.svg", front()


def main() -> None:
    """Draw them all."""
    for name, svg in drawn():
        write_atomic(IMAGES / name, svg)


if __name__ == "__main__":
    main()
