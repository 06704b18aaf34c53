"""The recipe `digits-gap`: global average pooling, He's initialisation, Adam, and four callbacks.

EarlyStopping, ModelCheckpoint, ReduceLROnPlateau and CSVLogger, as many know them from Keras; the
last tenth of the digits is for validation. It takes minutes on the digits inside the package; for
the full set there is `tinygrad-cnn train digits-gap --full`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tinygrad_cnn import manual_seed, nn, optim
from tinygrad_cnn.data import DataLoader, EmbeddedMNIST
from tinygrad_cnn.train import Trainer, callbacks, checkpoint

smoke = "--smoke" in sys.argv


def network(width: int) -> nn.Sequential:
    """width - width - pool - 2 width - 2 width - global average - 128 - dropout - 10"""
    net = nn.Sequential(
        *(nn.Conv2d(1, width, 3), nn.ReLU(), nn.Conv2d(width, width, 3), nn.ReLU()),
        nn.MaxPool2d(2),
        *(nn.Conv2d(width, 2 * width, 3), nn.ReLU()),
        *(nn.Conv2d(2 * width, 2 * width, 3), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        *(nn.Linear(2 * width, 128), nn.ReLU(), nn.Dropout(0.5)),
        nn.Linear(128, 10),
    )
    for layer in net:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return net


manual_seed(0)
digits = EmbeddedMNIST()
n = 400 if smoke else len(digits)
train, validation = digits.subset(slice(0, 9 * n // 10)), digits.subset(slice(9 * n // 10, n))
net = network(4 if smoke else 64)
files = tempfile.TemporaryDirectory()
folder = Path(files.name)
trainer = Trainer(
    net,
    optim.Adam(net.parameters(), lr=1e-3),
    callbacks=[
        callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=3),
        callbacks.ModelCheckpoint(folder / "best.safetensors", "val_loss"),
        callbacks.CSVLogger(folder / "log.csv"),
        callbacks.EarlyStopping("val_loss", patience=5, restore_best_weights=True),
        callbacks.ProgressBar(),
    ],
)
epochs = 2 if smoke else 15
trainer.fit(DataLoader(train, 128, shuffle=True), DataLoader(validation, 250), epochs=epochs)

best = checkpoint.restore(folder / "best.safetensors", net)
test = EmbeddedMNIST(train=False)
reached = trainer.evaluate(DataLoader(test.subset(slice(0, n)), 250))
print(f"weights of epoch {best.metrics['epoch']}, test accuracy {reached.accuracy:.2%}")
print((folder / "log.csv").read_text())
files.cleanup()
assert smoke or reached.accuracy > 0.97
