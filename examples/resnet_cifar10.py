"""A residual network on CIFAR-10: `python examples/resnet_cifar10.py [--data-dir DIR] [--smoke]`.

Crops and mirrored images, SGD with momentum, a warm-up and a cosine: the way that residual networks
are trained. The files are downloaded where they are not found (170 MB). With --smoke it takes a few
steps on noise instead, to see that everything fits together.
"""

from __future__ import annotations

import argparse

import numpy as np

from tinygrad_cnn import manual_seed, models, nn, optim
from tinygrad_cnn.data import CIFAR10, ArrayDataset, Compose, DataLoader, RandomCrop, RandomFlip
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.train import Trainer, callbacks

parser = argparse.ArgumentParser()
parser.add_argument("--data-dir")
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--smoke", action="store_true")
arguments = parser.parse_args()


class Block(nn.Module):
    """y = relu(body(x) + x), body = conv3x3, norm, ReLU, conv3x3, norm"""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x):
        return F.relu(self.body(x) + x)


def network(images: models.Images, width: int) -> nn.Sequential:
    """Standardised pixels -> conv -> block -> conv / 2 -> block -> mean of each map -> classes"""
    return nn.Sequential(
        models.Standardize(images),
        *(nn.Conv2d(images.channels, width, 3, padding=1), nn.ReLU(), Block(width)),
        *(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.ReLU(), Block(2 * width)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(2 * width, images.classes),
    )


if arguments.smoke:
    rng = np.random.default_rng(0)
    train = test = ArrayDataset(
        rng.integers(0, 256, size=(64, 3, 32, 32), dtype=np.uint8), np.arange(64) % 10
    )
    epochs, width = 1, 4
else:
    train = CIFAR10(arguments.data_dir, train=True)
    test = CIFAR10(arguments.data_dir, train=False)
    epochs, width = arguments.epochs, 32

manual_seed(0)
facts = models.Images(3, 32, 10, mean=(0.491, 0.482, 0.447), std=(0.247, 0.243, 0.262))
net = network(facts, width)
sgd = optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
steering = [callbacks.WarmUp(epochs=1), callbacks.CosineDecay(after=1), callbacks.ProgressBar()]
trainer = Trainer(net, sgd, callbacks=steering)
augment = Compose(RandomCrop(32, padding=4), RandomFlip())
batches = DataLoader(train, 32 if arguments.smoke else 128, shuffle=True, transform=augment)
trainer.fit(batches, DataLoader(test, 250), epochs=epochs)
print(f"{trainer.evaluate(DataLoader(test, 250)).accuracy:.2%} of the test images recognised")
