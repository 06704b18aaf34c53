"""The networks of the architecture study: plain ones, and one change at a time.

All take images of any kind (`Images`) and standardize them, so that they compare on equal terms.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.models import custom
from tinygrad_cnn.models.images import Images, Standardize
from tinygrad_cnn.models.resnet import BasicBlock, Bottleneck, ResNet, WideResNet
from tinygrad_cnn.models.start import he_start
from tinygrad_cnn.nn import (
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Identity,
    Linear,
    MaxPool2d,
    Module,
    ReLU,
    Sequential,
)
from tinygrad_cnn.nn.functional import Array, flatten, relu

Part = Literal[
    "none", "convolution", "squeeze-excitation", "attention", "lp-pool", "mixed-pool", "activation"
]


class FullyConnected(Module):
    """Flattened pixels -> 512 -> 256 -> classes, ReLU and dropout between: no idea of neighbours.

    >>> sum(p.size for p in FullyConnected(Images()).parameters())
    535818
    """

    def __init__(
        self, images: Images, hidden: tuple[int, ...] = (512, 256), dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.standardize = Standardize(images)
        sizes = (images.channels * images.size**2, *hidden)
        layers = [
            layer for n, m in pairwise(sizes) for layer in (Linear(n, m), ReLU(), Dropout(dropout))
        ]
        self.body = Sequential(Flatten(), *layers, Linear(sizes[-1], images.classes))
        he_start(self)

    def forward(self, x: Array) -> Array:
        return self.body(self.standardize(x))


class SimpleCNN(Module):
    """Three stages of convolution, ReLU and pooling, 32 - 64 - 128 channels; then one dense layer.

    kernels      sizes of the convolutions of each stage: (3,), (5,), (7,), or (1, 3) for two
    batch_norm   whether a norm follows each convolution
    dropout      before the dense layer
    own          which part is replaced by the layer of one's own in `custom`

    >>> sum(p.size for p in SimpleCNN(Images()).parameters())
    104202
    """

    def __init__(
        self,
        images: Images,
        widths: tuple[int, ...] = (32, 64, 128),
        kernels: tuple[int, ...] = (3,),
        batch_norm: bool = False,
        dropout: float = 0.0,
        own: Part = "none",
    ) -> None:
        super().__init__()
        self.standardize = Standardize(images)
        channels = (images.channels, *widths)
        self.stages = Sequential(
            *(_stage(n, m, kernels, batch_norm, own) for n, m in pairwise(channels))
        )
        side = images.size // 2 ** len(widths)
        self.attention = _attention(widths[-1], own)
        self.dropout = Dropout(dropout)
        self.classify = Linear(widths[-1] * side * side, images.classes)
        he_start(self)

    def forward(self, x: Array) -> Array:
        x = self.stages(self.standardize(x))  # (N, C, H, W) -> (N, 128, H/8, W/8)
        return self.classify(self.dropout(flatten(self.attention(x), 1)))


def _stage(
    channels: int, filters: int, kernels: tuple[int, ...], batch_norm: bool, own: Part
) -> Sequential:
    layers: list[Module] = []
    for kernel in kernels:
        if own == "convolution":
            layers.append(custom.OwnConv2d(channels, filters, kernel))
        else:
            layers.append(Conv2d(channels, filters, kernel, padding=kernel // 2))
        layers += [BatchNorm2d(filters)] if batch_norm else []
        layers.append(custom.OwnActivation(filters) if own == "activation" else ReLU())
        channels = filters
    pools = {"lp-pool": custom.OwnLpPool, "mixed-pool": custom.OwnMixedPool}
    layers.append(pools[own]() if own in pools else MaxPool2d(2))
    return Sequential(*layers)


def _attention(channels: int, own: Part) -> Module:
    """Among the pixels, or among the channels, of the last stage."""
    if own == "attention":
        return custom.OwnSelfAttention(channels)
    return custom.OwnSqueezeExcitation(channels) if own == "squeeze-excitation" else Identity()


class ResidualCNN(Module):
    """conv 32 -> block 32 -> block 64 / 2 -> block 64 -> average 4x4 -> dense; blocks are basic.

    >>> sum(p.size for p in ResidualCNN(Images(channels=3, size=32)).parameters())
    161450
    """

    def __init__(self, images: Images, width: int = 32, dropout: float = 0.0) -> None:
        super().__init__()
        self.standardize = Standardize(images)
        self.stem = Sequential(
            Conv2d(images.channels, width, 3, padding=1, bias=False), BatchNorm2d(width), ReLU()
        )
        self.blocks = Sequential(
            BasicBlock(width, width, option="B"),
            BasicBlock(width, 2 * width, stride=2, option="B"),
            BasicBlock(2 * width, 2 * width, option="B"),
        )
        self.pool = AvgPool2d(4)
        side = (images.size + 1) // 2 // 4
        self.dropout = Dropout(dropout)
        self.classify = Linear(2 * width * side * side, images.classes)
        he_start(self)

    def forward(self, x: Array) -> Array:
        x = self.blocks(self.stem(self.standardize(x)))  # (N, C, H, W) -> (N, 64, H/2, W/2)
        return self.classify(self.dropout(flatten(self.pool(x), 1)))


class DeepCNN(Module):
    """`depth` convolutions in two stages of 32 and 64 channels, a pooling after each.

    With `residual`, every convolution that keeps the shape is gone around: x + relu(conv(x)).
    Without norms, so that the gradients show what depth does to them.
    """

    def __init__(self, images: Images, depth: int = 4, residual: bool = False) -> None:
        super().__init__()
        if depth < 2 or depth % 2:
            raise ConfigError(f"depth: is even and 2 or more, for two stages; got {depth}")
        self.residual = residual
        self.standardize = Standardize(images)
        half = depth // 2
        channels = [images.channels, *[32] * half, *[64] * half]
        self.convolutions = Sequential(*(Conv2d(n, m, 3, padding=1) for n, m in pairwise(channels)))
        self.pool = MaxPool2d(2)
        self.classify = Linear(64 * (images.size // 4) ** 2, images.classes)
        he_start(self)

    def forward(self, x: Array) -> Array:
        x, half = self.standardize(x), len(self.convolutions) // 2
        for i, convolution in enumerate(self.convolutions):
            y = relu(convolution(x))
            x = x + y if self.residual and x.shape == y.shape else y
            if (i + 1) % half == 0:
                x = self.pool(x)
        return self.classify(flatten(x, 1))


class BlockCNN(Module):
    """Three stages of one residual block each, of the kind that is asked for.

    basic       two 3x3, 16 - 32 - 64 channels
    bottleneck  1x1, 3x3, 1x1 up to four times as many channels
    wide        two 3x3, pre-activated, of twice as many channels
    """

    def __init__(
        self, images: Images, block: Literal["basic", "bottleneck", "wide"] = "basic"
    ) -> None:
        super().__init__()
        self.standardize = Standardize(images)
        self.body = _residual(block, images)

    def forward(self, x: Array) -> Array:
        return self.body(self.standardize(x))


def _residual(block: str, images: Images) -> Module:
    one, C, K = (1, 1, 1), images.channels, images.classes
    if block == "basic":
        return ResNet(BasicBlock, one, classes=K, in_channels=C)
    if block == "bottleneck":
        return ResNet(Bottleneck, one, classes=K, in_channels=C, option="B")
    return WideResNet(one, factor=2, classes=K, in_channels=C)
