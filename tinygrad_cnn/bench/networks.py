"""The five networks as data, so that every library builds the same one from the same weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import prod, sqrt

import numpy as np
import numpy.typing as npt

Weights = dict[str, npt.NDArray[np.float32]]
Shape = tuple[int, int, int]  # C, H, W
CLASSES = 10


@dataclass(frozen=True)
class Conv:
    """Correlation with `filters` kernels of `kernel` x `kernel`."""

    channels: int
    filters: int
    kernel: int = 3
    stride: int = 1
    padding: int = 0
    bias: bool = True


@dataclass(frozen=True)
class Norm:
    """Batch normalization with running averages."""

    channels: int


@dataclass(frozen=True)
class Activation:
    """max(x, slope * x)."""

    slope: float = 0.0


@dataclass(frozen=True)
class Pool:
    """Maximum of each 2 x 2."""


@dataclass(frozen=True)
class Average:
    """Mean of each channel: (N, C, H, W) -> (N, C)."""


@dataclass(frozen=True)
class Flatten:
    """(N, C, H, W) -> (N, C*H*W)."""


@dataclass(frozen=True)
class Dense:
    """x @ w.T + b."""

    inputs: int
    outputs: int


@dataclass(frozen=True)
class Residual:
    """relu(body(x) + shortcut(x)): every stride-th pixel, zeros for the channels that are new."""

    body: tuple[Layer, ...]
    stride: int
    new_channels: int


Layer = Conv | Norm | Activation | Pool | Average | Flatten | Dense | Residual
Layers = tuple[Layer, ...]


@dataclass(frozen=True)
class Network:
    """Layers, the image that they take, and how many of these are in a batch."""

    name: str
    summary: str
    layers: Layers
    image: Shape = (1, 28, 28)
    batch: int = 64

    @property
    def has_norm(self) -> bool:
        """Whether there is any batch normalization."""
        return any(isinstance(layer, Norm) for layer, _ in walk(self.layers))


def walk(layers: Layers, path: str = "") -> Iterator[tuple[Layer, str]]:
    """Every layer with its path as modules name it, such as "3.body.0"; bodies before their block.

    >>> [path for _, path in walk((Conv(1, 2), Residual((Norm(2),), 1, 0)))]
    ['0', '1.body.0', '1']
    """
    for index, layer in enumerate(layers):
        here = f"{path}{index}"
        if isinstance(layer, Residual):
            yield from walk(layer.body, f"{here}.body.")
        yield layer, here


def weights(network: Network, seed: int = 0) -> Weights:
    """Weights and running averages by path, drawn as He et al. 2015 do; biases and means at 0."""
    rng = np.random.default_rng(seed)
    found: Weights = {}
    for layer, path in walk(network.layers):
        for name, shape, fan_in in _arrays(layer):
            draw = rng.standard_normal(shape) * sqrt(2 / fan_in) if fan_in else np.zeros(shape)
            ones = isinstance(layer, Norm) and name in ("weight", "running_var")
            found[f"{path}.{name}"] = (np.ones(shape) if ones else draw).astype(np.float32)
    return found


def _arrays(layer: Layer) -> list[tuple[str, tuple[int, ...], int]]:
    """(name, shape, fan-in) of each array of a layer; the fan-in is 0 where nothing is drawn."""
    match layer:
        case Conv(channels, filters, kernel):
            shape = (filters, channels, kernel, kernel)
            bias = [("bias", (filters,), 0)] if layer.bias else []
            return [("weight", shape, prod(shape[1:])), *bias]
        case Dense(inputs, outputs):
            return [("weight", (outputs, inputs), inputs), ("bias", (outputs,), 0)]
        case Norm(channels):
            names = ("weight", "bias", "running_mean", "running_var")
            return [(name, (channels,), 0) for name in names]
    return []


def digits(
    network: Network, seed: int = 0
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """A batch of noise in 0..1 and labels: arithmetic takes as long on noise as on digits."""
    rng = np.random.default_rng(seed)
    x = rng.random((network.batch, *network.image), dtype=np.float32)
    return x, rng.integers(0, CLASSES, network.batch)


def products(network: Network) -> tuple[int, int]:
    """Multiply-adds of convolutions and dense layers for one batch: (inference, training step).

    A step computes the output, the gradient of the weights and that of the input, each as many;
    nobody needs the gradient of the images.

    >>> products(NETWORKS["3x3"])[0] // 64  # 26*26 * 8*9 + 1352*10
    62192
    """
    counts = [count for _, count in _costs(network) if count]
    forward = network.batch * sum(counts)
    return forward, 3 * forward - network.batch * counts[0]


def traffic(network: Network) -> int:
    """Bytes that a training step moves if every layer is a pass over memory of its own.

    The outputs of a layer are written, read by the next one and once more by its gradient; their
    gradients are written and read. Weights are read forward and backward, their gradients written
    and read, and the update reads and writes weights and velocities.
    """
    outputs = network.batch * sum(size for size, _ in _costs(network))
    learned = sum(w.size for name, w in weights(network).items() if "running" not in name)
    return 4 * (5 * outputs + 8 * learned)


def _costs(network: Network) -> Iterator[tuple[int, int]]:
    """(outputs, multiply-adds) of each layer, for one image."""
    channels, H, W = network.image
    for layer, _ in walk(network.layers):
        count = 0
        match layer:
            case Conv(inputs, channels, kernel):
                H, W = ((n + 2 * layer.padding - kernel) // layer.stride + 1 for n in (H, W))
                count = channels * H * W * inputs * kernel**2
            case Dense(inputs, channels):
                H, W, count = 1, 1, inputs * channels
            case Pool():
                H, W = H // 2, W // 2
            case Average():
                H, W = 1, 1
        yield (0 if isinstance(layer, Flatten) else channels * H * W), count


def resnet(depth: int, image: int = 32, batch: int = 128) -> Network:
    """The residual network of depth 6n + 2 for small images (He et al. 2015, section 4.2)."""
    blocks = (depth - 2) // 6
    layers: list[Layer] = [Conv(3, 16, padding=1, bias=False), Norm(16), Activation()]
    channels = 16
    for width in (16, 32, 64):
        for _ in range(blocks):
            layers.append(_block(channels, width))
            channels = width
    layers += [Average(), Dense(64, CLASSES)]
    summary = f"ResNet-{depth} on {image} x {image}"
    return Network(f"resnet{depth}", summary, tuple(layers), (3, image, image), batch)


def _block(channels: int, width: int) -> Residual:
    stride = 1 if channels == width else 2
    body: Layers = (
        Conv(channels, width, stride=stride, padding=1, bias=False),
        Norm(width),
        Activation(),
        Conv(width, width, padding=1, bias=False),
        Norm(width),
    )
    return Residual(body, stride, width - channels)


def plain(depth: int, image: int = 28, batch: int = 64) -> Network:
    """`depth` convolutions of 16 filters at one size: as simple as a network can grow."""
    layers: list[Layer] = []
    for channels in (1, *[16] * (depth - 1)):
        layers += [Conv(channels, 16, padding=1), Activation(0.01)]
    layers += [Average(), Dense(16, CLASSES)]
    name = f"{depth} convolutions of 16 on {image} x {image}"
    return Network(name, name, tuple(layers), (1, image, image), batch)


_DEFAULT = Network(
    "default",
    "conv 16 of 3x3, leaky, pool, 2704-128-10",
    (
        Conv(1, 16),
        Activation(0.01),
        Pool(),
        Flatten(),
        Dense(16 * 13 * 13, 128),
        Activation(0.01),
        Dense(128, CLASSES),
    ),
)
_TWO_5X5 = Network(
    "5x5",
    "two convs 4 of 5x5, ReLU, pool, 400-10",
    (
        Conv(1, 4, 5),
        Activation(),
        Conv(4, 4, 5),
        Activation(),
        Pool(),
        Flatten(),
        Dense(4 * 10 * 10, CLASSES),
    ),
)
_ONE_3X3 = Network(
    "3x3",
    "conv 8 of 3x3, ReLU, pool, 1352-10",
    (Conv(1, 8), Activation(), Pool(), Flatten(), Dense(8 * 13 * 13, CLASSES)),
)
_GAP = Network(
    "gap",
    "convs 64-64, pool, 128-128 of 3x3, average, 128-10",
    (
        Conv(1, 64),
        Activation(),
        Conv(64, 64),
        Activation(),
        Pool(),
        Conv(64, 128),
        Activation(),
        Conv(128, 128),
        Activation(),
        Average(),
        Dense(128, 128),
        Activation(),
        Dense(128, CLASSES),
    ),
    batch=128,
)


def of_name(name: str) -> Network:
    """One of the five, or one of a growing family, such as "depth=8".

    >>> of_name("batch=16").batch
    16
    """
    if name in NETWORKS:
        return NETWORKS[name]
    family, _, size = name.partition("=")
    return FAMILIES[family](int(size))


NETWORKS = {network.name: network for network in (_DEFAULT, _TWO_5X5, _ONE_3X3, _GAP, resnet(20))}
FAMILIES: dict[str, Callable[[int], Network]] = {
    "batch": lambda size: replace(_DEFAULT, batch=size),
    "depth": plain,
    "image": lambda size: plain(4, image=size),
}
