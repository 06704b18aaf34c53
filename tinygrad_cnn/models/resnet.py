"""Residual networks for small images (32x32 and near it): a stem, three stages, global pooling.

He et al. 2015, "Deep Residual Learning for Image Recognition", section 4.2, for the basic and the
bottleneck block; Zagoruyko and Komodakis 2016, "Wide Residual Networks", for the wide one, which is
pre-activated as in He et al. 2016, "Identity Mappings in Deep Residual Networks".

Where a block changes the shape, its input cannot be added to its output as it is. The paper's
options: A, every other pixel, and zeros for the new channels, with no parameters; B, a 1x1
convolution with the block's stride. For small images it uses A.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.nn import (
    BatchNorm2d,
    Conv2d,
    Dropout,
    Identity,
    Linear,
    Module,
    ReLU,
    Sequential,
    init,
)
from tinygrad_cnn.nn.functional import Array, pad, relu
from tinygrad_cnn.ops import mean

Option = Literal["A", "B"]


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> Conv2d:
    """A 3x3 convolution that keeps the size (at stride 1); the norm behind it has the bias."""
    return Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)


def conv1x1(in_channels: int, out_channels: int, stride: int = 1) -> Conv2d:
    """A linear map of the channels, pixel by pixel."""
    return Conv2d(in_channels, out_channels, 1, stride, bias=False)


class PaddedShortcut(Module):
    """Option A: every stride-th pixel, zeros for the channels that are new."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        if out_channels < in_channels:
            raise ConfigError(
                "shortcut A pads channels and cannot drop any, got "
                f"{in_channels} -> {out_channels}; use option B"
            )
        self.new_channels = out_channels - in_channels
        self.stride = stride

    def forward(self, x: Array) -> Array:
        sparse = x[:, :, :: self.stride, :: self.stride]
        return pad(sparse, (0, 0, 0, 0, 0, self.new_channels))  # (N, C, H, W) -> (N, F, H/s, W/s)


def shortcut(in_channels: int, out_channels: int, stride: int, option: Option) -> Module:
    """The way around a block: the identity where the shape stays."""
    if option not in ("A", "B"):
        raise ConfigError(f"the shortcut is option 'A' or 'B' of the paper, got {option!r}")
    if in_channels == out_channels and stride == 1:
        return Identity()
    if option == "A":
        return PaddedShortcut(in_channels, out_channels, stride)
    return Sequential(conv1x1(in_channels, out_channels, stride), BatchNorm2d(out_channels))


class BasicBlock(Module):
    """y = relu(body(x) + shortcut(x)), body = conv3x3, norm, ReLU, conv3x3, norm."""

    expansion: ClassVar[int] = 1

    def __init__(self, in_channels: int, width: int, stride: int = 1, option: Option = "A") -> None:
        super().__init__()
        self.body = Sequential(
            conv3x3(in_channels, width, stride),
            BatchNorm2d(width),
            ReLU(),
            conv3x3(width, width),
            BatchNorm2d(width),
        )
        self.shortcut = shortcut(in_channels, width, stride, option)

    def forward(self, x: Array) -> Array:
        return relu(self.body(x) + self.shortcut(x))


class Bottleneck(Module):
    """y = relu(body(x) + shortcut(x)), body = 1x1 down to `width`, 3x3, 1x1 up to 4 * width.

    The stride is in the 3x3 convolution, not, as in the paper's first version, in the 1x1 before
    it, which would never look at three pixels of four.
    """

    expansion: ClassVar[int] = 4

    def __init__(self, in_channels: int, width: int, stride: int = 1, option: Option = "B") -> None:
        super().__init__()
        out_channels = self.expansion * width
        self.body = Sequential(
            conv1x1(in_channels, width),
            BatchNorm2d(width),
            ReLU(),
            conv3x3(width, width, stride),
            BatchNorm2d(width),
            ReLU(),
            conv1x1(width, out_channels),
            BatchNorm2d(out_channels),
        )
        self.shortcut = shortcut(in_channels, out_channels, stride, option)

    def forward(self, x: Array) -> Array:
        return relu(self.body(x) + self.shortcut(x))


class WideBlock(Module):
    """y = body(a) + shortcut(a or x), a = relu(norm(x)); body = conv3x3, norm, ReLU, conv3x3.

    Pre-activated: nothing stands between the sum of one block and the next, so that x itself goes
    around where the shape stays; where it changes, a 1x1 convolution of `a` does (as in the
    authors' code). `dropout` acts between the two convolutions.
    """

    def __init__(self, in_channels: int, width: int, stride: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.activate = Sequential(BatchNorm2d(in_channels), ReLU())
        self.body = Sequential(
            conv3x3(in_channels, width, stride),
            BatchNorm2d(width),
            ReLU(),
            Dropout(dropout) if dropout else Identity(),
            conv3x3(width, width),
        )
        same_shape = in_channels == width and stride == 1
        self.shortcut = None if same_shape else conv1x1(in_channels, width, stride)

    def forward(self, x: Array) -> Array:
        a = self.activate(x)
        return self.body(a) + (x if self.shortcut is None else self.shortcut(a))


class ResNet(Module):
    """conv3x3 -> norm -> ReLU -> three stages of blocks -> global average -> Linear.

    The stages have `widths` filters and halve the image where a new one begins. x (N, C, H, W) with
    H and W of about 32 -> logits (N, classes).

    >>> import tinygrad_cnn as tg
    >>> net = tg.models.ResNet(tg.models.Bottleneck, blocks=(1, 1, 1), option="B")
    >>> sum(p.size for p in net.parameters())
    127642
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        blocks: Sequence[int],
        widths: Sequence[int] = (16, 32, 64),
        classes: int = 10,
        in_channels: int = 3,
        option: Option = "A",
    ) -> None:
        super().__init__()
        self.stem = Sequential(conv3x3(in_channels, widths[0]), BatchNorm2d(widths[0]), ReLU())
        self.stages = _stages(
            lambda c, width, stride: block(c, width, stride, option),
            blocks,
            widths,
            widths[0],
            block.expansion,
        )
        self.classify = Linear(block.expansion * widths[-1], classes)
        self.apply(_he_start)

    def forward(self, x: Array) -> Array:
        x = self.stages(self.stem(x))
        return self.classify(mean(x, axis=(2, 3)))  # (N, F, H, W) -> (N, F) -> (N, classes)


class WideResNet(Module):
    """conv3x3 -> three stages of wide blocks -> norm -> ReLU -> global average -> Linear.

    The stages have 16, 32 and 64 filters times `factor`; WRN-d-k of the paper has
    (d - 4) / 6 blocks a stage and the factor k.
    """

    def __init__(
        self,
        blocks: Sequence[int],
        factor: int = 2,
        dropout: float = 0.0,
        classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        widths = [16 * factor, 32 * factor, 64 * factor]
        self.stem = conv3x3(in_channels, 16)
        self.stages = _stages(
            lambda c, width, stride: WideBlock(c, width, stride, dropout), blocks, widths, 16
        )
        self.activate = Sequential(BatchNorm2d(widths[-1]), ReLU())
        self.classify = Linear(widths[-1], classes)
        self.apply(_he_start)

    def forward(self, x: Array) -> Array:
        x = self.activate(self.stages(self.stem(x)))
        return self.classify(mean(x, axis=(2, 3)))  # (N, F, H, W) -> (N, F) -> (N, classes)


def resnet(depth: int, classes: int = 10, in_channels: int = 3, option: Option = "A") -> ResNet:
    """The networks of the paper's table 6: `depth` = 6n + 2 layers, n basic blocks a stage.

    >>> sum(p.size for p in resnet(20).parameters())
    269722
    """
    return ResNet(
        BasicBlock,
        _blocks(depth, 2, "resnet"),
        classes=classes,
        in_channels=in_channels,
        option=option,
    )


def resnet20(classes: int = 10, in_channels: int = 3, option: Option = "A") -> ResNet:
    """ResNet-20 for 32x32 images: 0.27 million parameters (269,722 with option A)."""
    return resnet(20, classes, in_channels, option)


def wide_resnet(
    depth: int, factor: int, dropout: float = 0.0, classes: int = 10, in_channels: int = 3
) -> WideResNet:
    """WRN-depth-factor, depth = 6n + 4; WRN-28-10 is the paper's best without dropout.

    >>> sum(p.size for p in wide_resnet(16, 4).parameters())
    2748890
    """
    return WideResNet(_blocks(depth, 4, "wide_resnet"), factor, dropout, classes, in_channels)


def _blocks(depth: int, fixed: int, name: str) -> tuple[int, int, int]:
    """Blocks a stage of a network of `depth` layers, `fixed` of them outside the stages."""
    n, rest = divmod(depth - fixed, 6)
    if rest or n < 1:
        near = ", ".join(str(6 * k + fixed) for k in range(max(n, 1), max(n, 1) + 2))
        raise ConfigError(f"{name}: the depth is 6n + {fixed}, e.g. {near}; got {depth}")
    return n, n, n


def _stages(
    block: Callable[[int, int, int], Module],
    blocks: Sequence[int],
    widths: Sequence[int],
    channels: int,
    expansion: int = 1,
) -> Sequential:
    """One Sequential a stage; the first block of every stage but the first has stride 2."""
    stages = []
    for i, (n, width) in enumerate(zip(blocks, widths, strict=True)):
        stage = []
        for j in range(n):
            stage.append(block(channels, width, 2 if i > 0 and j == 0 else 1))
            channels = expansion * width
        stages.append(Sequential(*stage))
    return Sequential(*stages)


def _he_start(module: Module) -> None:
    """Convolutions as He et al. 2015, "Delving Deep into Rectifiers", over the fan-out."""
    if isinstance(module, Conv2d):
        init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
