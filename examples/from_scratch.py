"""A classifier of digits from tensors alone: no nn, no optim.

    h = relu(x W1 + b1)      p = softmax(h W2 + b2)      L = -mean log p[label]

`backward()` leaves dL/dW in `W.grad`; a step of gradient descent is then one line.
"""

from __future__ import annotations

import sys

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn.data import DataLoader, EmbeddedMNIST

smoke = "--smoke" in sys.argv
rng = np.random.default_rng(0)


def weights(rows: int, columns: int) -> tg.Tensor:
    """Numbers from N(0, 2 / rows), after He et al. 2015, to be learnt."""
    values = rng.normal(scale=(2 / rows) ** 0.5, size=(rows, columns)).astype(np.float32)
    return tg.Tensor(values, requires_grad=True)


W1, b1 = weights(784, 64), tg.Tensor(np.zeros(64, np.float32), requires_grad=True)
W2, b2 = weights(64, 10), tg.Tensor(np.zeros(10, np.float32), requires_grad=True)
parameters = [W1, b1, W2, b2]


def logits(x: tg.Tensor) -> tg.Tensor:
    """(N, 1, 28, 28) -> (N, 10)"""
    flat = tg.reshape(x, (x.shape[0], 784))
    return tg.relu(flat @ W1 + b1) @ W2 + b2


def loss(z: tg.Tensor, labels: np.ndarray) -> tg.Tensor:
    """-mean_n log softmax(z[n])[label[n]]"""
    z = z - tg.max(z, axis=1, keepdims=True)  # softmax does not change, and exp cannot overflow
    log_p = z - tg.log(tg.sum(tg.exp(z), axis=1, keepdims=True))
    return -tg.mean(log_p[np.arange(len(labels)), labels])


train, test = EmbeddedMNIST(train=True), EmbeddedMNIST(train=False)
if smoke:
    train = train.subset(slice(0, 1000))
for epoch in range(2 if smoke else 10):
    total = 0.0
    for x, labels in DataLoader(train, batch_size=32, shuffle=True, seed=epoch):
        L = loss(logits(tg.Tensor(x)), labels)
        L.backward()
        for p in parameters:
            p.data -= 0.1 * p.grad.data
            p.zero_grad()
        total += L.item() * len(labels)
    with tg.no_grad():
        x, labels = next(iter(DataLoader(test, batch_size=len(test))))
        accuracy = np.mean(logits(tg.Tensor(x)).numpy().argmax(axis=1) == labels)
    print(f"epoch {epoch + 1}: loss {total / len(train):.3f}, test accuracy {accuracy:.2%}")

assert accuracy > (0.6 if smoke else 0.95)
