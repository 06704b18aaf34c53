"""A layer of one's own whose gradient is written out.

y = x s(b x), s(t) = 1 / (1 + e^-t): an activation between the identity and ReLU, whose sharpness b
is learnt, a number a channel. Its gradients:

    dy/dx = s + b x s (1 - s)          dy/db = x^2 s (1 - s)

`gradcheck` compares them with difference quotients, to the second order.
"""

from __future__ import annotations

import sys

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn import nn, optim
from tinygrad_cnn.data import DataLoader, EmbeddedMNIST
from tinygrad_cnn.testing import gradcheck
from tinygrad_cnn.train import Trainer

smoke = "--smoke" in sys.argv


@tg.op
def sharp(x, b, /):
    """x / (1 + e^(-b x))"""
    return x / (1 + np.exp(-b * x))


def slopes(g, y, x, b):
    """Both gradients at once: they share s."""
    s = tg.sigmoid(b * x)
    bend = s * (1 - s) * x
    return g * (s + b * bend), g * (x * bend)


sharp.vjp_joint(slopes)


class Sharp(nn.Module):
    """The activation as a module: its sharpness is a parameter like any other."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.b = nn.Parameter(np.ones((channels, 1, 1), np.float32))

    def forward(self, x):
        return sharp(x, self.b)


rng = np.random.default_rng(0)
assert gradcheck(sharp, rng.normal(size=(2, 3, 2, 2)), rng.normal(size=(3, 1, 1)), order=2)
print("the gradients of sharp are right, to the second order")

tg.manual_seed(0)
net = nn.Sequential(
    nn.Conv2d(1, 8, 3), Sharp(8), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 13 * 13, 10)
)
trainer = Trainer(net, optim.Adam(net.parameters(), lr=2e-3))
train, test = EmbeddedMNIST(train=True), EmbeddedMNIST(train=False)
if smoke:
    train = train.subset(slice(0, 1000))
trainer.fit(DataLoader(train, 32, shuffle=True), epochs=1 if smoke else 5)
print(f"test accuracy {trainer.evaluate(DataLoader(test, 250)).accuracy:.2%}")
print("sharpness learnt:", net[1].b.numpy().ravel().round(2))
assert not np.allclose(net[1].b.numpy(), 1)
