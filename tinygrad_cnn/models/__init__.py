"""Networks, written as ordinary code that reads like their papers."""

from tinygrad_cnn.models.mlp import MLP
from tinygrad_cnn.models.mnist import MnistLeaky
from tinygrad_cnn.models.resnet import (
    BasicBlock,
    Bottleneck,
    ResNet,
    WideBlock,
    WideResNet,
    resnet,
    resnet20,
    wide_resnet,
)

__all__ = [
    "MLP",
    "BasicBlock",
    "Bottleneck",
    "MnistLeaky",
    "ResNet",
    "WideBlock",
    "WideResNet",
    "resnet",
    "resnet20",
    "wide_resnet",
]
