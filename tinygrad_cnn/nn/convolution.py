"""Convolution layers and their transposes, in 1, 2 and 3 dimensions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.nn._options import divides, empty, per_axis
from tinygrad_cnn.nn.functional import Array
from tinygrad_cnn.nn.linear import uniform_fan_in
from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.ops.windows import Ints, SizeLike


class _Conv(Module):
    """What all convolutions share: the options, the parameters, the repr."""

    axes: ClassVar[int]
    function: ClassVar[Callable[..., Array]]
    output_padding: Ints

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: SizeLike,
        stride: SizeLike = 1,
        padding: SizeLike | str = 0,
        dilation: SizeLike = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        divides(self, "groups", groups, in_channels=in_channels, out_channels=out_channels)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = per_axis(self, "kernel_size", kernel_size, self.axes)
        self.stride = per_axis(self, "stride", stride, self.axes)
        self.padding = self._padding(padding)
        self.output_padding = (0,) * self.axes
        self.dilation = per_axis(self, "dilation", dilation, self.axes)
        self.groups = groups
        self.weight = empty(*self._weight_shape())
        self.bias = empty(out_channels) if bias else None
        self.reset_parameters()

    def _padding(self, padding: SizeLike | str) -> Ints | str:
        if isinstance(padding, str):  # "same" or "valid": the op knows what they mean
            return padding
        return per_axis(self, "padding", padding, self.axes, least=0)

    def _weight_shape(self) -> Ints:
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    def reset_parameters(self) -> None:
        """Draw the parameters afresh, as `uniform_fan_in` says."""
        uniform_fan_in(self.weight, self.bias)

    def forward(self, x: Array) -> Array:
        return self.function(
            x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        usual: dict[str, Any] = {
            "padding": (0,) * self.axes,
            "output_padding": (0,) * self.axes,
            "dilation": (1,) * self.axes,
            "groups": 1,
        }
        options = [f"{self.in_channels}, {self.out_channels}"]
        options += [f"kernel_size={self.kernel_size}", f"stride={self.stride}"]
        for name, default in usual.items():
            value = getattr(self, name)
            options += [f"{name}={value}"] if value != default else []
        return ", ".join(options + ["bias=False"] * (self.bias is None))


class Conv1d(_Conv):
    """y[n,f,i] = b[f] + sum_{c,a} x[n, c, s*i + d*a - p] * w[f,c,a]; x (N, C, L)."""

    axes = 1
    function = staticmethod(F.conv1d)


class Conv2d(_Conv):
    """y[n,f,i,j] = b[f] + sum_{c,a,b} x[n, c, s*i + d*a - p, s*j + d*b - p] * w[f,c,a,b].

    x (N, C, H, W), w (F, C/groups, KH, KW), y (N, F, OH, OW) with
    OH = (H + 2*padding - dilation*(KH - 1) - 1) // stride + 1.
    With `groups`, each of the groups of filters sees its own share of the channels.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> tg.nn.Conv2d(1, 16, 3)(tg.Tensor(np.zeros((2, 1, 28, 28), np.float32))).shape
    (2, 16, 26, 26)
    """

    axes = 2
    function = staticmethod(F.conv2d)


class Conv3d(_Conv):
    """The same over three axes; x (N, C, D, H, W)."""

    axes = 3
    function = staticmethod(F.conv3d)


class _ConvTranspose(_Conv):
    """The adjoint of a convolution: what `_Conv` gathers, it scatters."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: SizeLike,
        stride: SizeLike = 1,
        padding: SizeLike = 0,
        output_padding: SizeLike = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: SizeLike = 1,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias
        )
        self.output_padding = per_axis(self, "output_padding", output_padding, self.axes, least=0)

    def _weight_shape(self) -> Ints:
        return (self.in_channels, self.out_channels // self.groups, *self.kernel_size)

    def forward(self, x: Array) -> Array:
        return self.function(
            x,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.output_padding,
            self.groups,
            self.dilation,
        )


class ConvTranspose1d(_ConvTranspose):
    """y[n, f, s*i + d*a - p] += x[n,c,i] * w[c,f,a]; x (N, C, L)."""

    axes = 1
    function = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTranspose):
    """y[n, f, s*i + d*a - p, s*j + d*b - p] += x[n,c,i,j] * w[c,f,a,b]; x (N, C, H, W).

    OH = (H - 1)*stride - 2*padding + dilation*(KH - 1) + output_padding + 1: the size that a
    Conv2d of the same options takes to H; `output_padding` chooses among the sizes that it does.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> up = tg.nn.ConvTranspose2d(8, 4, 2, stride=2)
    >>> up(tg.Tensor(np.zeros((1, 8, 7, 7), np.float32))).shape
    (1, 4, 14, 14)
    """

    axes = 2
    function = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTranspose):
    """The same over three axes; x (N, C, D, H, W)."""

    axes = 3
    function = staticmethod(F.conv_transpose3d)
