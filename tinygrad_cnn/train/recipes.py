"""Recipes: a network and every setting of its training, by name.

A recipe is data. `override` changes settings by name, as the command line does; `settings` and
`from_settings` carry a recipe through a run folder's config.json.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

from tinygrad_cnn.core.modes import manual_seed
from tinygrad_cnn.data import ArrayDataset, DataLoader, transforms
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.models import MnistLeaky
from tinygrad_cnn.nn import Module
from tinygrad_cnn.optim import SGD, Optimizer
from tinygrad_cnn.train import callbacks as on
from tinygrad_cnn.train.callbacks import Callback


@dataclass(frozen=True)
class Recipe:
    """What to train and how.

    epochs, batch_size      at most so many passes over the training set, in batches so large
    lr, momentum, weight_decay   of SGD
    warmup                  epochs over which the learning rate rises linearly from almost zero
    clip_grad_norm          gradients are scaled down to at most this norm; none: not at all
    plateau_factor          lr *= plateau_factor when val_loss has not improved
    plateau_patience        for more than so many epochs
    patience                stop when val_accuracy has not improved for so many epochs
    target_accuracy         stop when val_accuracy reaches this share; none: no target
    validation              share of the training set that is held out to decide all of these
    shift, rotate           augmentation: at most so many pixels and degrees, either way
    seed                    of weights, order, augmentation and the held-out part
    """

    name: str
    summary: str
    build: Callable[[], Module] = field(repr=False)
    epochs: int = 30
    batch_size: int = 64
    lr: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 0.0
    warmup: float = 1.0
    clip_grad_norm: float | None = 5.0
    plateau_factor: float = 0.5
    plateau_patience: int = 2
    patience: int = 8
    target_accuracy: float | None = None
    validation: float = 0.1
    shift: float = 2.0
    rotate: float = 10.0
    seed: int = 0

    def __post_init__(self) -> None:
        for names, holds, rule in _RULES:
            for name in names:
                value = getattr(self, name)
                if value is not None and not holds(value):
                    raise ConfigError(f"{name}: {rule}; got {value:g}")

    def model(self) -> Module:
        """The network, its weights drawn from the recipe's seed."""
        manual_seed(self.seed)
        return self.build()

    def optimizer(self, model: Module) -> Optimizer:
        """The optimizer of the model's parameters."""
        return SGD(model.parameters(), self.lr, self.momentum, weight_decay=self.weight_decay)

    def callbacks(self) -> list[Callback]:
        """What watches the training and steers it."""
        target = [] if self.target_accuracy is None else [on.TargetAccuracy(self.target_accuracy)]
        return [
            on.TerminateOnNaN(),
            on.WarmUp(epochs=self.warmup),
            on.ReduceLROnPlateau("val_loss", self.plateau_factor, self.plateau_patience),
            on.EarlyStopping("val_accuracy", self.patience, restore_best_weights=True),
            *target,
        ]

    def loaders(self, data: Data) -> Loaders:
        """Batches of the three parts; only those of the training set are shuffled and augmented."""
        augment = transforms.RandomAffine(degrees=self.rotate, translate=self.shift)
        return Loaders(
            DataLoader(data.train, self.batch_size, True, self.seed, augment, prefetch=4),
            DataLoader(data.validation, EVALUATION_BATCH),
            DataLoader(data.test, EVALUATION_BATCH),
        )


SETTINGS = tuple(f.name for f in fields(Recipe) if f.name not in ("name", "summary", "build"))
_TYPES = {f.name: str(f.type) for f in fields(Recipe)}
EVALUATION_BATCH = 250  # nothing is kept for a gradient, so it may be larger than a training batch

# names, what must hold, the same in words
_RULES: tuple[tuple[tuple[str, ...], Callable[[Any], bool], str], ...] = (
    (("epochs", "batch_size"), lambda v: v >= 1, "a whole number from 1 up"),
    (("patience", "plateau_patience", "seed"), lambda v: v >= 0, "a whole number from 0 up"),
    (("lr", "clip_grad_norm"), lambda v: 0 < v < float("inf"), "a number above 0"),
    (("weight_decay", "warmup", "shift", "rotate"), lambda v: 0 <= v < 1e6, "a number from 0 up"),
    (("momentum", "plateau_factor"), lambda v: 0 <= v < 1, "a number from 0 up and below 1"),
    (("validation",), lambda v: 0 < v < 1, "a share between 0 and 1, such as 0.1"),
    (("target_accuracy",), lambda v: 0 < v <= 1, "a share above 0 and up to 1, such as 0.985"),
)


class Data(NamedTuple):
    """The three parts of a data set. The test part is for one evaluation, at the very end."""

    train: ArrayDataset
    validation: ArrayDataset
    test: ArrayDataset


class Loaders(NamedTuple):
    """The same as batches."""

    train: DataLoader
    validation: DataLoader
    test: DataLoader


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "mnist-leaky",
            "conv 16 3x3, LeakyReLU, max-pool, dense 128, LeakyReLU, dense 10; momentum SGD",
            MnistLeaky,
        ),
    )
}
DEFAULT = "mnist-leaky"


def get(name: str) -> Recipe:
    """The recipe of that name.

    >>> get("mnist-leaky").momentum
    0.9
    """
    if name not in RECIPES:
        raise ConfigError(f"recipe: no {name!r}; {_nearest(name, RECIPES)}")
    return RECIPES[name]


def override(recipe: Recipe, changes: Mapping[str, str]) -> Recipe:
    """`recipe` with settings changed by name, their values read from text.

    >>> override(get("mnist-leaky"), {"lr": "0.01", "clip_grad_norm": "none"}).lr
    0.01
    """
    values = {}
    for name, text in changes.items():
        if name not in SETTINGS:
            raise ConfigError(f"setting: no {name!r}; {_nearest(name, SETTINGS)}")
        values[name] = _parse(name, text, _TYPES[name])
    return replace(recipe, **values)


def settings(recipe: Recipe) -> dict[str, Any]:
    """The recipe as JSON can hold it: its name, and each setting."""
    return {name: getattr(recipe, name) for name in ("name", *SETTINGS)}


def from_settings(saved: Mapping[str, Any]) -> Recipe:
    """The recipe that `settings` was called with."""
    recipe = get(str(saved.get("name")))
    return replace(recipe, **{name: saved[name] for name in SETTINGS if name in saved})


def changes(recipe: Recipe) -> dict[str, Any]:
    """The settings in which `recipe` differs from the registered one of its name."""
    default = get(recipe.name)
    return {
        name: getattr(recipe, name)
        for name in SETTINGS
        if getattr(recipe, name) != getattr(default, name)
    }


def table() -> str:
    """The recipes, a line each."""
    return "\n".join(f"  {r.name:<14}  {r.summary}" for r in RECIPES.values())


def defaults() -> str:
    """The settings of the default recipe, three to a line."""
    cells = [f"{name}={getattr(get(DEFAULT), name)}".lower() for name in SETTINGS]
    rows = [cells[i : i + 3] for i in range(0, len(cells), 3)]
    return "\n".join("  " + "".join(f"{cell:<28}" for cell in row).rstrip() for row in rows)


def _parse(name: str, text: str, kind: str) -> Any:
    """`text` as the type of the setting `name`: "int", "float" or "float | None"."""
    if text.lower() == "none" and "None" in kind:
        return None
    number = int if "int" in kind else float
    try:
        return number(text)
    except ValueError as error:
        want = "a whole number" if number is int else "a number"
        want += ", or none" if "None" in kind else ""
        raise ConfigError(f"{name}: takes {want}; got {text!r}") from error


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.4)
    return f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known)}"
