"""The study in small: three networks on the same digits; their accuracy, size and work.

`tinygrad-cnn study` does it for twenty of them, within a time budget, with seeds and a report.
"""

from __future__ import annotations

import sys
import time

from tinygrad_cnn import manual_seed, models, optim
from tinygrad_cnn.data import DataLoader, EmbeddedMNIST
from tinygrad_cnn.train import Trainer
from tinygrad_cnn.viz import summary

smoke = "--smoke" in sys.argv
train, test = EmbeddedMNIST(train=True), EmbeddedMNIST(train=False)
if smoke:
    train, test = train.subset(slice(0, 256)), test.subset(slice(0, 256))
facts = models.Images(channels=1, size=28, classes=10, mean=(0.13,), std=(0.31,))

networks = {
    "dense": models.FullyConnected,
    "convolutional": models.SimpleCNN,
    "residual": models.ResidualCNN,
}
print(f"{'network':<14} {'accuracy':>8} {'parameters':>11} {'MFLOP':>6} {'seconds':>8}")
for name, network in networks.items():
    manual_seed(0)
    net = network(facts)
    trainer = Trainer(net, optim.Adam(net.parameters(), lr=2e-3))
    started = time.perf_counter()
    trainer.fit(DataLoader(train, 128, shuffle=True), epochs=1 if smoke else 3)
    seconds = time.perf_counter() - started
    table = summary(net, (1, 1, 28, 28))
    accuracy = trainer.evaluate(DataLoader(test, 250)).accuracy
    numbers = f"{accuracy:8.2%} {table.parameters:>11,} {table.flops / 1e6:6.1f} {seconds:8.1f}"
    print(f"{name:<14} {numbers}")
