"""Normalisation layers: (x - mean) / sqrt(var + eps) * weight + bias, over different axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.errors import ShapeError
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.nn import init
from tinygrad_cnn.nn._options import divides, empty, positive
from tinygrad_cnn.nn.functional import Array
from tinygrad_cnn.nn.module import Module


class _BatchNorm(Module):
    """Over the batch and all positions, for each channel by itself.

    In training mode with the batch's mean and (biased) variance, which also move the running ones:
    running = (1 - momentum) * running + momentum * batch, there with the unbiased variance;
    `momentum=None` averages all batches alike. In inference mode with the running ones.
    """

    shapes: ClassVar[dict[int, str]]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        positive(self, num_features=num_features)
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self.weight = empty(num_features) if affine else None
        self.bias = empty(num_features) if affine and bias else None
        self.running_mean: Tensor | None
        self.running_var: Tensor | None
        self.num_batches_tracked: Tensor | None
        tracked = track_running_stats
        self.register_buffer("running_mean", empty(num_features).detach() if tracked else None)
        self.register_buffer("running_var", empty(num_features).detach() if tracked else None)
        self.register_buffer("num_batches_tracked", np.array(0) if tracked else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the batches seen: mean 0, variance 1."""
        if self.running_mean is not None and self.running_var is not None:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
        if self.num_batches_tracked is not None:
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, no batches seen."""
        self.reset_running_stats()
        _ones_and_zeros(self)

    def _acts_by_mode(self) -> bool:
        return self.running_mean is not None

    def _check(self, x: Array) -> None:
        shape = getattr(x, "shape", None)  # what has none, the function blames
        if shape is not None and (len(shape) not in self.shapes or shape[1] != self.num_features):
            raise ShapeError(
                f"{type(self).__name__}: takes {' or '.join(self.shapes.values())} with "
                f"C = num_features = {self.num_features}, got {shape}"
            )

    def forward(self, x: Array) -> Array:
        self._check(x)
        return F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=self.training or self.running_mean is None,
            momentum=self._count_batch(),
            eps=self.eps,
        )

    def _count_batch(self) -> float:
        """The weight of this batch in the running statistics."""
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.data += 1
            if self.momentum is None:
                return 1 / float(self.num_batches_tracked.data)
        return self.momentum or 0.0

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of x (N, C) or (N, C, L), as `BatchNorm2d`."""

    shapes: ClassVar = {2: "(N, C)", 3: "(N, C, L)"}


class BatchNorm2d(_BatchNorm):
    """y = (x - mean[c]) / sqrt(var[c] + eps) * weight[c] + bias[c]; x (N, C, H, W).

    Training mode takes mean and variance from the batch and lets `running_mean` and `running_var`
    follow them (by `momentum`, the weight of the newest batch; None: all batches alike). Inference
    mode uses those. Ioffe and Szegedy 2015, "Batch Normalization", algorithms 1 and 2.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> norm = tg.nn.BatchNorm2d(3)
    >>> y = norm(tg.Tensor(np.random.default_rng(0).normal(5.0, 2.0, (8, 3, 4, 4))))
    >>> bool(np.allclose(y.numpy().mean((0, 2, 3)), 0, atol=1e-6))
    True
    """

    shapes: ClassVar = {4: "(N, C, H, W)"}


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of x (N, C, D, H, W), as `BatchNorm2d`."""

    shapes: ClassVar = {5: "(N, C, D, H, W)"}


class _InstanceNorm(_BatchNorm):
    """Over the positions, for each sample and channel by itself, in both modes.

    With `track_running_stats` running statistics follow in training mode, and serve in inference.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias=bias)

    def forward(self, x: Array) -> Array:
        self._check(x)
        return F.instance_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            use_input_stats=self.training or self.running_mean is None,
            momentum=self.momentum or 0.0,
            eps=self.eps,
        )


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of x (N, C, L), as `InstanceNorm2d`."""

    shapes: ClassVar = {3: "(N, C, L)"}


class InstanceNorm2d(_InstanceNorm):
    """y = (x - mean[n,c]) / sqrt(var[n,c] + eps) * weight[c] + bias[c]; x (N, C, H, W).

    Weight and bias are there with `affine=True`. Ulyanov et al. 2016, "Instance Normalization".

    >>> import numpy as np, tinygrad_cnn as tg
    >>> y = tg.nn.InstanceNorm2d(1)(tg.Tensor(np.array([[[[0.0, 4.0]]]])))
    >>> y.tolist()  # doctest: +ELLIPSIS
    [[[[-0.99999..., 0.99999...]]]]
    """

    shapes: ClassVar = {4: "(N, C, H, W)"}


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of x (N, C, D, H, W), as `InstanceNorm2d`."""

    shapes: ClassVar = {5: "(N, C, D, H, W)"}


class LayerNorm(Module):
    """Normalises each sample over its last axes, those of `normalized_shape`.

    Weight and bias have that shape. Ba et al. 2016, "Layer Normalization".

    >>> import numpy as np, tinygrad_cnn as tg
    >>> tg.nn.LayerNorm(2)(tg.Tensor([[0.0, 4.0]])).tolist()[0]  # doctest: +ELLIPSIS
    [-0.99999..., 0.99999...]
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if not isinstance(normalized_shape, Sequence):
            normalized_shape = (normalized_shape,)
        shape = tuple(normalized_shape)
        positive(self, **{f"normalized_shape[{i}]": n for i, n in enumerate(shape)})
        self.normalized_shape = shape
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.weight = empty(*shape) if elementwise_affine else None
        self.bias = empty(*shape) if elementwise_affine and bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        _ones_and_zeros(self)

    def forward(self, x: Array) -> Array:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class GroupNorm(Module):
    """Normalises each sample over groups of channels and all positions; x (N, C, *positions).

    One group is layer normalisation over the sample, C groups are instance normalisation.
    Weight and bias are (C,). Wu and He 2018, "Group Normalization".

    >>> import numpy as np, tinygrad_cnn as tg
    >>> tg.nn.GroupNorm(2, 6)(tg.Tensor(np.ones((4, 6, 5, 5)))).shape
    (4, 6, 5, 5)
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        divides(self, "num_groups", num_groups, num_channels=num_channels)
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self.weight = empty(num_channels) if affine else None
        self.bias = empty(num_channels) if affine and bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        _ones_and_zeros(self)

    def forward(self, x: Array) -> Array:
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


def _ones_and_zeros(norm: _BatchNorm | LayerNorm | GroupNorm) -> None:
    if norm.weight is not None:
        init.ones_(norm.weight)
    if norm.bias is not None:
        init.zeros_(norm.bias)
