"""The recipe `mnist-csv`: one convolution, plain gradient descent, digits from a label-first CSV.

A line is the digit, then its 784 pixels: "7,0,0,...,254,...". The loop is written out: forward,
loss, backward, step.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from tinygrad_cnn import Tensor, manual_seed, models, no_grad, optim
from tinygrad_cnn.data import DataLoader, EmbeddedMNIST, load_digits, split, write_csv
from tinygrad_cnn.nn import functional as F

smoke = "--smoke" in sys.argv

digits = EmbeddedMNIST()
if smoke:
    digits = digits.subset(slice(0, 1200))
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "digits.csv"
    write_csv(path, digits.images, digits.labels)
    train, test = split(load_digits(path).train, held_out=0.2)

manual_seed(0)
net = models.OneConv()  # conv 8 of 3x3 -> ReLU -> max-pool -> dense
sgd = optim.SGD(net.parameters(), lr=0.1)
batches = DataLoader(train, batch_size=32, shuffle=True)
for epoch in range(2 if smoke else 10):
    losses = []
    for x, y in batches:
        loss = F.cross_entropy(net(Tensor(x)), y)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        losses.append(loss.item())
    with no_grad():
        x, y = next(iter(DataLoader(test, len(test))))
        accuracy = np.mean(net(Tensor(x)).numpy().argmax(axis=1) == y)
    print(f"epoch {epoch + 1:>2}: loss {np.mean(losses):.3f}, test accuracy {accuracy:.2%}")

assert accuracy > (0.6 if smoke else 0.94)
