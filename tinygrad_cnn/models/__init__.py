"""Networks, written as ordinary code that reads like their papers."""

from tinygrad_cnn.models.digits_gap import DigitsFlat, DigitsGap
from tinygrad_cnn.models.images import Images, Standardize
from tinygrad_cnn.models.mlp import MLP
from tinygrad_cnn.models.mnist import MnistLeaky, MnistLeakyPlus, OneConv, TwoConv5x5
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
    "DigitsFlat",
    "DigitsGap",
    "Images",
    "MnistLeaky",
    "MnistLeakyPlus",
    "OneConv",
    "ResNet",
    "Standardize",
    "TwoConv5x5",
    "WideBlock",
    "WideResNet",
    "resnet",
    "resnet20",
    "wide_resnet",
]
