"""A network as modules. tinygrad_cnn carries PyTorch's names, so one text builds both."""

from __future__ import annotations

from typing import Any

from tinygrad_cnn.bench import networks as net


def build(nn: Any, F: Any, layers: net.Layers) -> Any:
    """An nn.Sequential of the layers; `nn` and `F` are either library's."""
    return nn.Sequential(*(_module(nn, F, layer) for layer in layers))


def _module(nn: Any, F: Any, layer: net.Layer) -> Any:
    match layer:
        case net.Conv(channels, filters, kernel, stride, padding, bias):
            return nn.Conv2d(channels, filters, kernel, stride, padding, bias=bias)
        case net.Norm(channels):
            return nn.BatchNorm2d(channels)
        case net.Activation(slope):
            return nn.LeakyReLU(slope) if slope else nn.ReLU()
        case net.Pool():
            return nn.MaxPool2d(2)
        case net.Average():
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        case net.Flatten():
            return nn.Flatten()
        case net.Dense(inputs, outputs):
            return nn.Linear(inputs, outputs)
        case net.Residual():
            return _residual(nn, F, layer)


def _residual(nn: Any, F: Any, layer: net.Residual) -> Any:
    class Residual(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.body = build(nn, F, layer.body)

        def forward(self, x: Any) -> Any:
            return F.relu(self.body(x) + self.shortcut(x))

        def shortcut(self, x: Any) -> Any:
            if not layer.new_channels:
                return x
            sparse = x[:, :, :: layer.stride, :: layer.stride]
            return F.pad(sparse, (0, 0, 0, 0, 0, layer.new_channels))

    return Residual()
