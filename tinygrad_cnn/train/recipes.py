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


def setting(default: Any, text: str) -> Any:
    """A field of a recipe that the command line can change, with what its help says of it."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Recipe:
    """What to train and how: a network, and every number that the training depends on."""

    name: str
    summary: str
    build: Callable[[], Module] = field(repr=False)
    epochs: int = setting(30, "at most so many passes over the training set")
    batch_size: int = setting(64, "digits in a batch")
    lr: float = setting(0.05, "learning rate after the warm-up")
    momentum: float = setting(0.9, "of the gradient's running sum")
    weight_decay: float = setting(0.0, "added to the gradient, times the weights")
    warmup: float = setting(1.0, "epochs in which the rate rises from almost 0")
    clip_grad_norm: float | None = setting(5.0, "largest norm of the gradient, or none")
    plateau_factor: float = setting(0.5, "lr *= this when val_loss does not improve")
    plateau_patience: int = setting(2, "... for more than so many epochs")
    patience: int = setting(8, "epochs without better val_accuracy: stop")
    target_accuracy: float | None = setting(None, "stop at this val_accuracy, such as 0.985")
    validation: float = setting(0.1, "share of the training set that is held out")
    shift: float = setting(2.0, "augmentation: up to so many pixels each way")
    rotate: float = setting(10.0, "augmentation: up to so many degrees each way")
    seed: int = setting(0, "of weights, order, augmentation, held-out part")

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


SETTINGS = tuple(f.name for f in fields(Recipe) if "help" in f.metadata)
_TYPES = {f.name: str(f.type) for f in fields(Recipe)}
EVALUATION_BATCH = 250  # nothing is kept for a gradient, so it may be larger than a training batch

# names, what must hold, the same in words
_RULES: tuple[tuple[tuple[str, ...], Callable[[Any], bool], str], ...] = (
    (("epochs", "batch_size"), lambda v: v >= 1, "a whole number from 1 up"),
    (("patience", "plateau_patience", "seed"), lambda v: v >= 0, "a whole number from 0 up"),
    (("lr", "clip_grad_norm"), lambda v: 0 < v < float("inf"), "a number above 0"),
    (("weight_decay", "warmup", "shift", "rotate"), lambda v: 0 <= v < 1e6, "a number from 0 up"),
    (("momentum",), lambda v: 0 <= v < 1, "a number from 0 up and below 1"),
    (("plateau_factor", "validation"), lambda v: 0 < v < 1, "a number between 0 and 1"),
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
            "conv 16 of 3x3, max-pool, dense 128; LeakyReLU, momentum SGD",
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


def settings_table() -> str:
    """The settings with the defaults of the default recipe and what they do, a line each."""
    chosen = [f for f in fields(Recipe) if f.name in SETTINGS]
    cells = [(f"{f.name}={getattr(get(DEFAULT), f.name)}", f.metadata["help"]) for f in chosen]
    return "\n".join(f"  {name.replace('=None', '=none'):<22}  {text}" for name, text in cells)


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
