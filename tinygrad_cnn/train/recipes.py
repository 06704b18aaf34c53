"""The recipes, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args

from tinygrad_cnn import models
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.models.study import Part
from tinygrad_cnn.train.recipe import (
    SETTINGS,
    Recipe,
    as_text,
    is_for,
    nearest,
    network_options,
    restored,
)

# No help for the optimizer: gradients as they come, the same rate from the first step to the last.
PLAIN: dict[str, Any] = {
    "warmup": 0.0,
    "clip_grad_norm": None,
    "schedule": "constant",
    "patience": None,
    "shift": 0.0,
    "rotate": 0.0,
}

# As Keras' callbacks are commonly set: the best by val_loss, half the rate after three epochs.
_GAP: dict[str, Any] = {
    "optimizer": "adam",
    "lr": 1e-3,
    "epochs": 15,
    "batch_size": 128,
    "monitor": "val_loss",
    "held_out": "last",
    "plateau_patience": 3,
    "patience": 5,
    "warmup": 0.0,
    "clip_grad_norm": None,
}

_DIGITS = (
    Recipe(
        "mnist-leaky",
        "conv 16 of 3x3, max-pool, dense 128; LeakyReLU, momentum SGD",
        models.MnistLeaky,
        source="a digit recogniser in NumPy, about 96 %",
        expected={"mnist": 0.9928},
        minutes=7,
    ),
    Recipe(
        "mnist-leaky-plus",
        "the same with its wishes: second convolution, BatchNorm, Dropout, Adam",
        models.MnistLeakyPlus,
        source="the list of wishes of mnist-leaky's original",
        expected={"mnist": 0.9948},
        minutes=4,
        optimizer="adam",
        lr=0.002,
        epochs=20,
        schedule="cosine",
        patience=None,
    ),
    Recipe(
        "mnist-5x5",
        "two convolutions 5x5 of 4 channels, max-pool, dense; Adam",
        models.TwoConv5x5,
        source="a network by im2col and col2im, 89.21 % after 80 epochs",
        expected={"mnist": 0.9856},
        minutes=2,
        optimizer="adam",
        lr=0.002,
        epochs=12,
        batch_size=32,
        **{**PLAIN, "schedule": "plateau", "patience": 4},
    ),
    Recipe(
        "mnist-5x5-original",
        "... at the original's rate: 80 epochs at 1e-5",
        models.TwoConv5x5,
        source="the same",
        optimizer="adam",
        lr=1e-5,
        epochs=80,
        batch_size=32,
        **PLAIN,
    ),
    Recipe(
        "mnist-csv",
        "conv 8 of 3x3, ReLU, max-pool, dense; plain SGD",
        models.OneConv,
        source="a network for label-first CSV files, none stated",
        expected={"mnist": 0.9781},
        minutes=1,
        lr=0.1,
        momentum=0.0,
        epochs=10,
        batch_size=32,
        **PLAIN,
    ),
    Recipe(
        "digits-gap",
        "64-64-pool-128-128-global average-128-dropout-10; He, Adam",
        models.DigitsGap,
        source="a digit classifier with global pooling, 99.35 %",
        expected={"mnist": 0.9941},
        minutes=23,
        **_GAP,
    ),
    Recipe(
        "digits-gap-first",
        "its first version: 64-pool-128-pool-flatten-128-10",
        models.DigitsFlat,
        source="the same, before global pooling, 99.27 %",
        expected={"mnist": 0.9941},
        minutes=10,
        shift=1.0,
        rotate=5.0,
        **_GAP,
    ),
)

# What the networks of the study share, so that only the networks differ.
_STUDY: dict[str, Any] = {
    "optimizer": "adam",
    "lr": 2e-3,
    "epochs": 10,
    "batch_size": 128,
    "schedule": "cosine",
    "patience": None,
    "validation": 0.05,
}
_PHOTOS = {
    "cifar10": {"shift": 4.0, "rotate": 0.0, "flip": True},
    "fashion-mnist": {"shift": 1.0, "rotate": 0.0, "flip": True},
}

# Ten epochs are few for photographs: steps as large as norms allow, twice as many, and images that
# hardly move. With the settings of the others the residual network stays at 77.6 %.
_RESIDUAL_PHOTOS: dict[str, Any] = {
    **_PHOTOS["cifar10"],
    "optimizer": "sgd",
    "lr": 0.1,
    "weight_decay": 5e-4,
    "warmup": 2.0,
    "clip_grad_norm": None,
    "batch_size": 64,
    "shift": 1.0,
    "validation": 0.02,
}


def _study(name: str, summary: str, network: Any, /, **changes: Any) -> Recipe:
    shared = {"adapted": _PHOTOS, "source": "the same study", **_STUDY}
    return Recipe(f"study-{name}", summary, network, **{**shared, **changes})


_NETWORKS = (
    _study(
        "dense",
        "fully connected, 512 - 256",
        models.FullyConnected,
        source="an architecture study, 97.9 % on MNIST and 54 % on CIFAR-10",
        expected={"mnist": 0.9891, "cifar10": 0.5699},
        minutes=1,
        adapted={name: {**settings, "shift": 0.0} for name, settings in _PHOTOS.items()},
    ),
    _study(
        "cnn",
        "three convolutions, 32 - 64 - 128, pooling after each",
        models.SimpleCNN,
        source="the same study, 99.2 % and 71 %",
        expected={"mnist": 0.9946, "cifar10": 0.7424},
        minutes=5,
    ),
    _study(
        "residual",
        "residual blocks of 32, 64 / 2 and 64 channels",
        models.ResidualCNN,
        source="the same study, 99.4 % and 81 to 82 %",
        expected={"mnist": 0.9962, "cifar10": 0.8136},
        minutes=21,
        adapted={**_PHOTOS, "cifar10": _RESIDUAL_PHOTOS},
    ),
    _study(
        "regularised",
        "cnn with BatchNorm, dropout, decoupled weight decay, label smoothing",
        models.SimpleCNN,
        options={"batch_norm": True, "dropout": 0.3},
        optimizer="adamw",
        weight_decay=1e-2,
        label_smoothing=0.05,
    ),
    *(
        _study(
            f"kernel-{'+'.join(map(str, kernels))}",
            f"cnn with kernels of {' and '.join(map(str, kernels))}",
            models.SimpleCNN,
            options={"kernels": kernels},
        )
        for kernels in ((5,), (7,), (1, 3))
    ),
    *(
        _study(
            f"depth-{depth}{'-residual' if residual else ''}",
            f"{depth} convolutions{' with residual connections' if residual else ''}, no norms",
            models.DeepCNN,
            options={"depth": depth, "residual": residual},
        )
        for depth, residual in ((2, False), (4, False), (6, False), (6, True))
    ),
    *(
        _study(
            f"own-{part}",
            f"cnn with {part} of one's own",
            models.SimpleCNN,
            options={"own": part},
        )
        for part in get_args(Part)
        if part != "none"
    ),
    *(
        _study(
            f"block-{block}",
            f"three {block} residual blocks",
            models.BlockCNN,
            options={"block": block},
        )
        for block in ("basic", "bottleneck", "wide")
    ),
)

RECIPES = {recipe.name: recipe for recipe in (*_DIGITS, *_NETWORKS)}
DEFAULT = "mnist-leaky"


def get(name: str) -> Recipe:
    """The recipe of that name.

    >>> get("mnist-leaky").momentum
    0.9
    """
    if name not in RECIPES:
        raise ConfigError(f"recipe: no {name!r}; {nearest(name, RECIPES)}")
    return RECIPES[name]


def from_settings(saved: Mapping[str, Any]) -> Recipe:
    """The recipe that `recipe.settings` was called with."""
    return restored(get(str(saved.get("name"))), saved)


def settings_table(recipe: Recipe) -> str:
    """The settings that mean something to a recipe, and its network's options, a line each."""
    chosen = [f for f in fields(Recipe) if f.name in SETTINGS and is_for(recipe, f.name)]
    rows = [(f.name, getattr(recipe, f.name), f.metadata["help"]) for f in chosen]
    rows += [
        (name, recipe.options.get(name, option.default), "of the network")
        for name, option in network_options(recipe.network).items()
    ]
    return "\n".join(f"  {f'{name}={as_text(v)}':<22}  {text}" for name, v, text in rows)
