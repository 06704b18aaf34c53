"""Derivatives beyond training: where a network looks, and how sharply its loss is curved.

A saliency map is |d logit / d pixel|: which pixels the decision hangs on. A Hessian-vector product
H v never builds H and costs a few gradients; power iteration with it finds H's largest eigenvalue,
the sharpest direction of the loss, which bounds the learning rate by 2 / eigenvalue.
"""

from __future__ import annotations

import sys

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn import nn, optim
from tinygrad_cnn.data import DataLoader, EmbeddedMNIST
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.train import Trainer

smoke = "--smoke" in sys.argv
tg.manual_seed(0)
net = nn.Sequential(
    nn.Conv2d(1, 4, 5), nn.Tanh(), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(4 * 6 * 6, 10)
)
digits = EmbeddedMNIST().subset(slice(0, 1000 if smoke else 8000))
Trainer(net, optim.Adam(net.parameters(), lr=5e-3)).fit(
    DataLoader(digits, 32, shuffle=True), epochs=2
)
net.eval()

# -- saliency -----------------------------------------------------------------------------------

x, labels = next(iter(DataLoader(digits, 1)))
image = tg.Tensor(x, requires_grad=True)
net(image)[0, int(labels[0])].backward()
saliency = np.abs(image.grad.numpy()[0, 0])
print(f"the pixels that speak for a {labels[0]}, darkest those that matter most:")
for row in saliency[2:26:2, 2:26]:
    print("  " + "".join(" .:-=+*#%@"[int(9 * v / saliency.max())] for v in row))

# -- the sharpest direction of the loss -----------------------------------------------------------

X, Y = next(iter(DataLoader(digits, 128)))
conv, last = net[0], net[4]


def loss(weight: tg.Tensor) -> tg.Tensor:
    """The loss as a function of the last layer's weights alone."""
    features = net[3](net[2](net[1](conv(tg.Tensor(X)))))
    return F.cross_entropy(F.linear(features, weight, last.bias), Y)


w = last.weight.numpy()
v = np.random.default_rng(0).normal(size=w.shape).astype(np.float32)
for step in range(5 if smoke else 20):
    v = v / np.linalg.norm(v)
    Hv = tg.hvp(loss, tg.Tensor(w), tg.Tensor(v)).numpy()
    eigenvalue = float(np.sum(v * Hv))  # Rayleigh's quotient
    v = Hv
    print(f"step {step + 1:>2}: largest eigenvalue of the Hessian about {eigenvalue:.4f}")
print(f"gradient descent on these weights is stable up to a rate of {2 / eigenvalue:.2f}")

# The same number from the outside: the slope of the gradient along v.
v, h = v / np.linalg.norm(v), 1e-2
grad = tg.grad(loss)
ahead, behind = (grad(tg.Tensor(w + s * h * v)).numpy() for s in (1, -1))
assert np.isclose(np.sum(v * (ahead - behind)) / (2 * h), eigenvalue, rtol=0.1)
