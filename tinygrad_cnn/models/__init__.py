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
from tinygrad_cnn.models.study import (
    BlockCNN,
    DeepCNN,
    FullyConnected,
    ResidualCNN,
    SimpleCNN,
)

__all__ = [
    "MLP",
    "BasicBlock",
    "BlockCNN",
    "Bottleneck",
    "DeepCNN",
    "DigitsFlat",
    "DigitsGap",
    "FullyConnected",
    "Images",
    "MnistLeaky",
    "MnistLeakyPlus",
    "OneConv",
    "ResNet",
    "ResidualCNN",
    "SimpleCNN",
    "Standardize",
    "TwoConv5x5",
    "WideBlock",
    "WideResNet",
    "resnet",
    "resnet20",
    "wide_resnet",
]
