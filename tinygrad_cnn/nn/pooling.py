"""Pooling layers, in 1, 2 and 3 dimensions."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.nn._options import per_axis
from tinygrad_cnn.nn.functional import Array
from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.ops.windows import SizeLike


class _Pool(Module):
    """Windows of `kernel_size`, `stride` apart (by default touching, not overlapping)."""

    axes: ClassVar[int]
    function: ClassVar[Callable[..., Array]]

    def __init__(
        self, kernel_size: SizeLike, stride: SizeLike | None = None, padding: SizeLike = 0
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        per_axis(self, "kernel_size", kernel_size, self.axes)
        per_axis(self, "stride", self.stride, self.axes)
        per_axis(self, "padding", padding, self.axes, least=0)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _MaxPool(_Pool):
    def __init__(
        self,
        kernel_size: SizeLike,
        stride: SizeLike | None = None,
        padding: SizeLike = 0,
        dilation: SizeLike = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding)
        per_axis(self, "dilation", dilation, self.axes)
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, x: Array) -> Array:
        return self.function(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, dilation={self.dilation}, ceil_mode={self.ceil_mode}"


class MaxPool1d(_MaxPool):
    """y[n,c,i] = max_a x[n, c, s*i + d*a - p]; x (N, C, L)."""

    axes = 1
    function = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPool):
    """y[n,c,i,j] = max_{a,b} x[n, c, s*i + d*a - p, s*j + d*b - p]; x (N, C, H, W).

    The gradient goes to the maximum; on ties, to the first in reading order. `return_indices` gives
    (y, indices), the places in the flattened image, for `MaxUnpool2d`.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> tg.nn.MaxPool2d(2)(tg.Tensor(np.arange(16.0).reshape(1, 1, 4, 4))).tolist()
    [[[[5.0, 7.0], [13.0, 15.0]]]]
    """

    axes = 2
    function = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPool):
    """The same over three axes; x (N, C, D, H, W)."""

    axes = 3
    function = staticmethod(F.max_pool3d)


class _AvgPool(_Pool):
    def __init__(
        self,
        kernel_size: SizeLike,
        stride: SizeLike | None = None,
        padding: SizeLike = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, x: Array) -> Array:
        return self.function(
            x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )


class AvgPool1d(_AvgPool):
    """y[n,c,i] = mean_a x[n, c, s*i + a - p]; x (N, C, L)."""

    axes = 1
    function = staticmethod(F.avg_pool1d)


class AvgPool2d(_AvgPool):
    """y[n,c,i,j] = mean_{a,b} x[n, c, s*i + a - p, s*j + b - p]; x (N, C, H, W).

    Padded zeros count as elements, unless `count_include_pad=False`.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> tg.nn.AvgPool2d(2)(tg.Tensor(np.arange(16.0).reshape(1, 1, 4, 4))).tolist()
    [[[[2.5, 4.5], [10.5, 12.5]]]]
    """

    axes = 2
    function = staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPool):
    """The same over three axes; x (N, C, D, H, W)."""

    axes = 3
    function = staticmethod(F.avg_pool3d)


class _LPPool(Module):
    axes: ClassVar[int]
    function: ClassVar[Callable[..., Array]]

    def __init__(
        self,
        norm_type: float,
        kernel_size: SizeLike,
        stride: SizeLike | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        per_axis(self, "kernel_size", kernel_size, self.axes)
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, x: Array) -> Array:
        return self.function(x, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        names = ("norm_type", "kernel_size", "stride", "ceil_mode")
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)


class LPPool1d(_LPPool):
    """y = (sum over the window of x^p)^(1/p), p = norm_type; x (N, C, L)."""

    axes = 1
    function = staticmethod(F.lp_pool1d)


class LPPool2d(_LPPool):
    """y = (sum over the window of x^p)^(1/p), p = norm_type; x (N, C, H, W).

    p = 1 is a sum, p = inf the maximum of |x|; an odd p is for x >= 0.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> tg.nn.LPPool2d(2, 2)(tg.Tensor(np.ones((1, 1, 2, 4)))).tolist()
    [[[[2.0, 2.0]]]]
    """

    axes = 2
    function = staticmethod(F.lp_pool2d)


class LPPool3d(_LPPool):
    """The same over three axes; x (N, C, D, H, W)."""

    axes = 3
    function = staticmethod(F.lp_pool3d)


class _MaxUnpool(Module):
    axes: ClassVar[int]
    function: ClassVar[Callable[..., Array]]

    def __init__(
        self, kernel_size: SizeLike, stride: SizeLike | None = None, padding: SizeLike = 0
    ) -> None:
        super().__init__()
        self.kernel_size = per_axis(self, "kernel_size", kernel_size, self.axes)
        self.stride = (
            self.kernel_size if stride is None else per_axis(self, "stride", stride, self.axes)
        )
        self.padding = per_axis(self, "padding", padding, self.axes, least=0)

    def forward(self, x: Array, indices: Array, output_size: SizeLike | None = None) -> Array:
        return self.function(x, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """x (N, C, L) back at the places that MaxPool1d took it from, 0 elsewhere."""

    axes = 1
    function = staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpool):
    """x (N, C, H, W) back at the places that MaxPool2d took it from, 0 elsewhere.

    Those are the indices of `MaxPool2d(..., return_indices=True)`. `output_size`, the (H, W) that
    was pooled, settles which of the sizes that pool to x's is meant.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> x = tg.Tensor(np.arange(4.0).reshape(1, 1, 2, 2))
    >>> y, indices = tg.nn.MaxPool2d(2, return_indices=True)(x)
    >>> tg.nn.MaxUnpool2d(2)(y, indices).tolist()
    [[[[0.0, 0.0], [0.0, 3.0]]]]
    """

    axes = 2
    function = staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpool):
    """The same over three axes; x (N, C, D, H, W)."""

    axes = 3
    function = staticmethod(F.max_unpool3d)


class _AdaptivePool(Module):
    axes: ClassVar[int]
    function: ClassVar[Callable[..., Array]]

    def __init__(self, output_size: SizeLike | tuple[int | None, ...] | None) -> None:
        super().__init__()
        sizes = output_size if isinstance(output_size, tuple | list) else (output_size,)
        kept = [1 if size is None else size for size in sizes]  # None keeps the image's
        per_axis(self, "output_size", kept[0] if len(kept) == 1 else kept, self.axes)
        self.output_size = output_size

    def forward(self, x: Array) -> Array:
        return self.function(x, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptivePool):
    """Means over `output_size` windows that cover the axis evenly; x (N, C, L)."""

    axes = 1
    function = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptivePool):
    """Of n windows along H, window i covers floor(i*H/n) .. ceil((i+1)*H/n) - 1; x (N, C, H, W).

    `AdaptiveAvgPool2d(1)` is global average pooling.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> tg.nn.AdaptiveAvgPool2d(1)(tg.Tensor(np.ones((2, 3, 7, 5)))).shape
    (2, 3, 1, 1)
    """

    axes = 2
    function = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptivePool):
    """The same over three axes; x (N, C, D, H, W)."""

    axes = 3
    function = staticmethod(F.adaptive_avg_pool3d)


class _AdaptiveMaxPool(_AdaptivePool):
    def __init__(
        self, output_size: SizeLike | tuple[int | None, ...] | None, return_indices: bool = False
    ) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, x: Array) -> Array:
        return self.function(x, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Maxima over `output_size` windows that cover the axis evenly; x (N, C, L)."""

    axes = 1
    function = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Maxima over the windows of `AdaptiveAvgPool2d`; x (N, C, H, W).

    >>> import numpy as np, tinygrad_cnn as tg
    >>> tg.nn.AdaptiveMaxPool2d((1, None))(tg.Tensor(np.ones((2, 3, 7, 5)))).shape
    (2, 3, 1, 5)
    """

    axes = 2
    function = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The same over three axes; x (N, C, D, H, W)."""

    axes = 3
    function = staticmethod(F.adaptive_max_pool3d)
