"""A network as functions of its weights, for libraries that have no modules of layers."""

from __future__ import annotations

from typing import Any, Protocol

from tinygrad_cnn.bench import networks as net


class Functions(Protocol):
    """What a library must offer; arrays are its own, (N, C, H, W)."""

    def conv(self, x: Any, w: Any, b: Any, stride: int, padding: int) -> Any:
        """Correlation, and the bias where there is one."""

    def norm(self, x: Any, path: str) -> Any:
        """Batch normalization by the arrays under `path`."""

    def activation(self, x: Any, slope: float) -> Any:
        """max(x, slope * x)."""

    def pool(self, x: Any) -> Any:
        """Maximum of each 2 x 2."""

    def shortcut(self, x: Any, stride: int, new_channels: int) -> Any:
        """Every stride-th pixel, and zeros for new channels."""


def forward(f: Functions, layers: net.Layers, weights: Any, x: Any, path: str = "") -> Any:
    """The logits of `x`; `weights` by the paths of `networks.walk`."""
    for index, layer in enumerate(layers):
        here = f"{path}{index}"
        match layer:
            case net.Conv():
                w, b = weights[f"{here}.weight"], weights.get(f"{here}.bias")
                x = f.conv(x, w, b, layer.stride, layer.padding)
            case net.Norm():
                x = f.norm(x, here)
            case net.Activation(slope):
                x = f.activation(x, slope)
            case net.Pool():
                x = f.pool(x)
            case net.Average():
                x = x.mean(axis=(2, 3))
            case net.Flatten():
                x = x.reshape(x.shape[0], -1)
            case net.Dense():
                x = x @ weights[f"{here}.weight"].T + weights[f"{here}.bias"]
            case net.Residual():
                y = forward(f, layer.body, weights, x, f"{here}.body.")
                x = f.activation(y + f.shortcut(x, layer.stride, layer.new_channels), 0.0)
    return x
