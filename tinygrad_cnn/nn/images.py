"""Layers that resize, shuffle, cut up or pad images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.nn._options import positive
from tinygrad_cnn.nn.functional import Array
from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.ops.windows import SizeLike


class Upsample(Module):
    """x (N, C, ...) in another size; modes as in `functional.interpolate`.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> tg.nn.Upsample(scale_factor=2, mode="bilinear")(tg.Tensor(np.ones((1, 3, 4, 5)))).shape
    (1, 3, 8, 10)
    """

    def __init__(
        self,
        size: SizeLike | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
    ) -> None:
        super().__init__()
        if (size is None) == (scale_factor is None):
            raise ConfigError("Upsample: takes size or scale_factor, one of the two")
        self.size = size
        self.scale_factor = float(scale_factor) if isinstance(scale_factor, int) else scale_factor
        self.mode = mode
        self.align_corners = align_corners

    def forward(self, x: Array) -> Array:
        return F.interpolate(x, self.size, self.scale_factor, self.mode, self.align_corners)

    def extra_repr(self) -> str:
        name = "size" if self.scale_factor is None else "scale_factor"
        return f"{name}={getattr(self, name)}, mode={self.mode!r}"


class PixelShuffle(Module):
    """(N, C r^2, H, W) -> (N, C, H r, W r), r = upscale_factor. Shi et al. 2016."""

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        positive(self, upscale_factor=upscale_factor)
        self.upscale_factor = upscale_factor

    def forward(self, x: Array) -> Array:
        return F.pixel_shuffle(x, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """(N, C, H r, W r) -> (N, C r^2, H, W), r = downscale_factor."""

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        positive(self, downscale_factor=downscale_factor)
        self.downscale_factor = downscale_factor

    def forward(self, x: Array) -> Array:
        return F.pixel_unshuffle(x, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """The channels of the groups dealt out in turn. Zhang et al. 2018, "ShuffleNet"."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        positive(self, groups=groups)
        self.groups = groups

    def forward(self, x: Array) -> Array:
        return F.channel_shuffle(x, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"


class Unfold(Module):
    """The windows of x as columns: (N, C, H, W) -> (N, C KH KW, L)."""

    def __init__(
        self,
        kernel_size: SizeLike,
        dilation: SizeLike = 1,
        padding: SizeLike = 0,
        stride: SizeLike = 1,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, x: Array) -> Array:
        return F.unfold(x, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        names = ("kernel_size", "dilation", "padding", "stride")
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)


class Fold(Unfold):
    """Columns back into windows, overlaps added: (N, C KH KW, L) -> (N, C, *output_size)."""

    def __init__(
        self,
        output_size: SizeLike,
        kernel_size: SizeLike,
        dilation: SizeLike = 1,
        padding: SizeLike = 0,
        stride: SizeLike = 1,
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = output_size

    def forward(self, x: Array) -> Array:
        return F.fold(
            x, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}, {super().extra_repr()}"


# -- padding ----------------------------------------------------------------------------------


class _Pad(Module):
    """padding: (before, after) of the last axis, then of the one before, ...; or one for all."""

    axes: ClassVar[int]
    mode: ClassVar[Literal["constant", "reflect", "replicate", "circular"]] = "constant"
    value = 0.0

    def __init__(self, padding: SizeLike) -> None:
        super().__init__()
        sides = (padding,) * (2 * self.axes) if isinstance(padding, int) else padding
        if not isinstance(sides, Sequence) or [type(n) for n in sides] != [int] * (2 * self.axes):
            raise ConfigError(
                f"{type(self).__name__}: padding is an integer, or {2 * self.axes} of them (before "
                f"and after, the last axis first), got {padding!r}"
            )
        self.padding = tuple(sides)

    def forward(self, x: Array) -> Array:
        return F.pad(x, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    def __init__(self, padding: SizeLike, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """`value` around x (N, C, L)."""

    axes = 1


class ConstantPad2d(_ConstantPad):
    """`value` around x (N, C, H, W): padding (left, right, top, bottom), or one number.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> tg.nn.ConstantPad2d((1, 0, 0, 0), 9.0)(tg.Tensor(np.zeros((1, 1, 1, 2)))).tolist()
    [[[[9.0, 0.0, 0.0]]]]
    """

    axes = 2


class ConstantPad3d(_ConstantPad):
    """`value` around x (N, C, D, H, W)."""

    axes = 3


class ZeroPad1d(_Pad):
    """Zeros around x (N, C, L)."""

    axes = 1


class ZeroPad2d(_Pad):
    """Zeros around x (N, C, H, W): padding (left, right, top, bottom), or one number."""

    axes = 2


class ZeroPad3d(_Pad):
    """Zeros around x (N, C, D, H, W)."""

    axes = 3


class ReflectionPad1d(_Pad):
    """x (N, C, L) mirrored at its first and last element."""

    axes = 1
    mode = "reflect"


class ReflectionPad2d(_Pad):
    """x (N, C, H, W) mirrored at its border pixels."""

    axes = 2
    mode = "reflect"


class ReflectionPad3d(_Pad):
    """x (N, C, D, H, W) mirrored at its border."""

    axes = 3
    mode = "reflect"


class ReplicationPad1d(_Pad):
    """x (N, C, L) continued by its first and last element."""

    axes = 1
    mode = "replicate"


class ReplicationPad2d(_Pad):
    """x (N, C, H, W) continued by its border pixels."""

    axes = 2
    mode = "replicate"


class ReplicationPad3d(_Pad):
    """x (N, C, D, H, W) continued by its border."""

    axes = 3
    mode = "replicate"


class CircularPad1d(_Pad):
    """x (N, C, L) continued from its other end."""

    axes = 1
    mode = "circular"


class CircularPad2d(_Pad):
    """x (N, C, H, W) continued from its other side."""

    axes = 2
    mode = "circular"


class CircularPad3d(_Pad):
    """x (N, C, D, H, W) continued from its other side."""

    axes = 3
    mode = "circular"
