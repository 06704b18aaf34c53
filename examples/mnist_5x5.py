"""The recipe `mnist-5x5`: a convolution as a product of matrices (im2col), data from a .npz file.

The first part computes a convolution by hand and compares it; the second trains two of them with
Adam and prints, for every digit, how well it is told from all others.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from tinygrad_cnn import manual_seed, models, optim
from tinygrad_cnn.data import DataLoader, EmbeddedMNIST, load_digits
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.train import Trainer, metrics

smoke = "--smoke" in sys.argv

# -- im2col: every window is a column, so that a convolution is one product of matrices ---------

x = np.random.default_rng(0).normal(size=(2, 3, 9, 9))
w = np.random.default_rng(1).normal(size=(4, 3, 5, 5))
columns = F.unfold(x, 5)  # (N, C H W) -> (N, 3*5*5, L), L = 5 * 5 windows
y = (w.reshape(4, -1) @ columns).reshape(2, 4, 5, 5)
np.testing.assert_allclose(y, F.conv2d(x, w))

# ... and col2im, its transpose, adds the columns back to where they came from: the gradient of x.
g = np.random.default_rng(2).normal(size=y.shape)
dx = F.fold(w.reshape(4, -1).T @ g.reshape(2, 4, -1), (9, 9), 5)
np.testing.assert_allclose(dx, F.conv_transpose2d(g, w))
print("im2col and col2im agree with the library's convolution and its gradient")

# -- a file as Kaggle and Keras give it ---------------------------------------------------------

train, test = EmbeddedMNIST(), EmbeddedMNIST(train=False)
n = 1500 if smoke else len(train)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "mnist.npz"
    np.savez(
        path,
        x_train=train.images[:n],
        y_train=train.labels[:n],
        x_test=test.images,
        y_test=test.labels,
    )
    digits = load_digits(path)

# -- training -----------------------------------------------------------------------------------

manual_seed(0)
net = models.TwoConv5x5()
trainer = Trainer(net, optim.Adam(net.parameters(), lr=0.002))
history = trainer.fit(
    DataLoader(digits.train, 32, shuffle=True), epochs=2 if smoke else 12
).columns()
losses = history["train_loss"]
for epoch, value in zip(history["epoch"], losses, strict=True):
    print(f"epoch {epoch:>2}  loss {value:.3f}  {'#' * round(40 * value / losses[0])}")

logits, labels = trainer.predict(DataLoader(digits.test, 250))
matrix = metrics.confusion_matrix(labels, logits.argmax(axis=1), classes=10)
print("\ndigit  accuracy  precision  recall  F-score")
for digit, s in enumerate(metrics.class_scores(matrix)):
    print(f"{digit:>5}  {s.accuracy:8.2%}  {s.precision:9.2%}  {s.recall:6.1%}  {s.fscore:7.3f}")
print(f"\ntest accuracy {metrics.accuracy(logits, labels):.2%}")
assert metrics.accuracy(logits, labels) > (0.6 if smoke else 0.95)
