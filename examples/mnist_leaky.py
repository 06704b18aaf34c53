"""The recipe `mnist-leaky`, the Module way: a network as a class, and a Trainer with callbacks.

The same as `tinygrad-cnn train`, without the report: momentum, a warm-up, gradients clipped, the
rate halved on a plateau, an early stop. It ends with what is taken for what.
"""

from __future__ import annotations

import sys

from tinygrad_cnn import manual_seed, nn, optim
from tinygrad_cnn.data import DataLoader, EmbeddedMNIST, RandomAffine, split
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.train import Trainer, callbacks, metrics

smoke = "--smoke" in sys.argv


class Net(nn.Module):
    """conv 16 of 3x3 -> LeakyReLU -> max-pool -> 128 -> LeakyReLU -> 10"""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3)
        self.hidden = nn.Linear(16 * 13 * 13, 128)
        self.classify = nn.Linear(128, 10)

    def forward(self, x):
        x = F.max_pool2d(F.leaky_relu(self.conv(x)), 2)  # (N, 1, 28, 28) -> (N, 16, 13, 13)
        x = F.leaky_relu(self.hidden(F.flatten(x, 1)))
        return self.classify(x)


manual_seed(0)
train, validation = split(EmbeddedMNIST(), held_out=0.1)
if smoke:
    train, validation = train.subset(slice(0, 600)), validation.subset(slice(0, 200))
augment = RandomAffine(degrees=10, translate=2)
net = Net()
sgd = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
trainer = Trainer(
    net,
    sgd,
    clip_grad_norm=5.0,
    callbacks=[
        callbacks.TerminateOnNaN(),
        callbacks.WarmUp(epochs=1),
        callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=2),
        callbacks.EarlyStopping("val_accuracy", patience=8, restore_best_weights=True),
        callbacks.ProgressBar(),
    ],
)
trainer.fit(
    DataLoader(train, 64, shuffle=True, transform=augment),
    DataLoader(validation, 250),
    epochs=2 if smoke else 30,
)

test = EmbeddedMNIST(train=False)
logits, labels = trainer.predict(DataLoader(test, 250))
matrix = metrics.confusion_matrix(labels, logits.argmax(axis=1), classes=10)
print(f"test accuracy {metrics.accuracy(logits, labels):.2%}")
for c in metrics.top_confusions(matrix, count=3):
    print(f"{c.truth} is taken for {c.prediction}, {c.times} times")
assert metrics.accuracy(logits, labels) > (0.5 if smoke else 0.97)
