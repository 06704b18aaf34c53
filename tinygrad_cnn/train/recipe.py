"""A recipe: a network and every number that its training depends on, as data.

`override` changes settings by name, as the command line does; `settings` and `restored` carry a
recipe through the config.json of a run. What the network itself can be told (its `options`) is
read from its signature, so a network that takes `dropout` has a setting of that name.
"""

from __future__ import annotations

import difflib
import inspect
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import numpy as np

from tinygrad_cnn.core.modes import manual_seed
from tinygrad_cnn.data import ArrayDataset, DataLoader, split, transforms
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.models.images import Images
from tinygrad_cnn.nn import Module
from tinygrad_cnn.optim import SGD, Adam, AdamW, Optimizer
from tinygrad_cnn.train import callbacks as on
from tinygrad_cnn.train.callbacks import Callback

EVALUATION_BATCH = 250  # nothing is kept for a gradient, so it may be larger than a training batch


def setting(default: Any, text: str) -> Any:
    """A field of a recipe that the command line can change, with what its help says of it."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Recipe:
    """What to train and how.

    network    makes the module; `options` are the arguments in which it departs from its defaults
    source     where the network comes from, in a few words
    expected   what the training reaches on the official test sets, as measured
    minutes    ... and how long it took
    images     what the network is built for: `fitted_to` sets it to what the data holds
    adapted    settings that another data set calls for, by its name: see `on`
    """

    name: str
    summary: str
    network: Callable[..., Module] = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    expected: Mapping[str, float] = field(default_factory=dict)
    minutes: float = 0.0
    images: Images = field(default=Images())
    adapted: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    dataset: Literal["mnist", "fashion-mnist", "cifar10"] = setting("mnist", "what to train on")
    epochs: int = setting(30, "at most so many passes over the training set")
    batch_size: int = setting(64, "images in a batch")
    optimizer: Literal["sgd", "adam", "adamw"] = setting("sgd", "the rule of the steps")
    lr: float = setting(0.05, "learning rate after the warm-up")
    momentum: float = setting(0.9, "of sgd: the gradient's running sum")
    beta1: float = setting(0.9, "of adam: the gradient's running mean")
    beta2: float = setting(0.999, "of adam: the running mean of its square")
    weight_decay: float = setting(0.0, "added to the gradient, times the weights")
    label_smoothing: float = setting(0.0, "share of the target that goes to all classes")
    warmup: float = setting(1.0, "epochs in which the rate rises from almost 0")
    clip_grad_norm: float | None = setting(5.0, "largest norm of the gradient, or none")
    schedule: Literal["constant", "plateau", "cosine"] = setting(
        "plateau", "how the rate falls: cosine ends at 0"
    )
    plateau_factor: float = setting(0.5, "lr *= this when val_loss does not improve")
    plateau_patience: int = setting(2, "... for more than so many epochs")
    monitor: Literal["val_accuracy", "val_loss"] = setting(
        "val_accuracy", "which epoch is the best: its weights are kept"
    )
    patience: int | None = setting(8, "epochs without a better one: stop; or none")
    target_accuracy: float | None = setting(None, "stop at this val_accuracy, such as 0.985")
    validation: float = setting(0.1, "share of the training set that is held out")
    held_out: Literal["random", "last"] = setting("random", "... which images these are")
    shift: float = setting(2.0, "augmentation: up to so many pixels each way")
    rotate: float = setting(10.0, "augmentation: up to so many degrees each way")
    flip: bool = setting(False, "augmentation: half of the images mirrored")
    cutout: int = setting(0, "augmentation: a square of so many pixels blanked")
    upstroke: float = setting(0.0, "augmentation: share of digits that get a 1's upstroke")
    seed: int = setting(0, "of weights, order, augmentation, held-out part")

    def __post_init__(self) -> None:
        for names, holds, rule in _RULES:
            for name in names:
                value = getattr(self, name)
                if value is not None and not holds(value):
                    raise ConfigError(f"{name}: {rule}; got {value:g}")

    def build(self) -> Module:
        """The network; its weights are drawn from the generator as it stands."""
        facts = {"images": self.images, "classes": self.images.classes}
        known = inspect.signature(self.network).parameters
        given = {name: value for name, value in facts.items() if name in known}
        return self.network(**given, **self.options)

    def model(self) -> Module:
        """The network, its weights drawn from the recipe's seed."""
        manual_seed(self.seed)
        return self.build()

    def on(self, dataset: str) -> Recipe:
        """The same for another data set, with the settings that this one calls for."""
        return replace(self, **{"dataset": dataset, **self.adapted.get(dataset, {})})

    def fitted_to(self, dataset: ArrayDataset) -> Recipe:
        """The same for a network that takes images like those of `dataset`, where it can."""
        if "images" not in inspect.signature(self.network).parameters:
            return self
        return replace(self, images=describe(dataset))

    def optimized(self, model: Module) -> Optimizer:
        """The optimizer of the model's parameters."""
        parameters, decay = model.parameters(), self.weight_decay
        if self.optimizer == "sgd":
            return SGD(parameters, self.lr, self.momentum, weight_decay=decay)
        rule = Adam if self.optimizer == "adam" else AdamW
        return rule(parameters, self.lr, (self.beta1, self.beta2), weight_decay=decay)

    def callbacks(self) -> list[Callback]:
        """What watches the training and steers it."""
        schedules: dict[str, list[Callback]] = {
            "constant": [],
            "plateau": [
                on.ReduceLROnPlateau("val_loss", self.plateau_factor, self.plateau_patience)
            ],
            "cosine": [on.CosineDecay(self.warmup)],
        }
        patience = self.epochs if self.patience is None else self.patience
        target = [] if self.target_accuracy is None else [on.TargetAccuracy(self.target_accuracy)]
        return [
            on.TerminateOnNaN(),
            on.WarmUp(epochs=self.warmup),
            *schedules[self.schedule],
            on.EarlyStopping(self.monitor, patience, restore_best_weights=True),
            *target,
        ]

    def divide(self, train: ArrayDataset, test: ArrayDataset) -> Data:
        """The training set without its held-out part, that part, and the test set."""
        if self.held_out == "random":
            return Data(*split(train, self.validation, self.seed), test)
        first, last = split(train, self.validation)  # for its count and its complaints
        n = len(first)
        return Data(train.subset(slice(0, n)), train.subset(slice(n, n + len(last))), test)

    def loaders(self, data: Data) -> Loaders:
        """Batches of the three parts; only those of the training set are shuffled and augmented."""
        return Loaders(
            DataLoader(data.train, self.batch_size, True, self.seed, self.augment(), prefetch=4),
            DataLoader(data.validation, EVALUATION_BATCH),
            DataLoader(data.test, EVALUATION_BATCH),
        )

    def augment(self) -> transforms.Transform | None:
        """What is done to the training images; None where nothing is."""
        steps: list[transforms.Transform] = []
        if self.upstroke:
            steps.append(transforms.RandomUpstroke(self.upstroke))
        if self.shift or self.rotate:
            steps.append(transforms.RandomAffine(degrees=self.rotate, translate=self.shift))
        if self.flip:
            steps.append(transforms.RandomFlip())
        if self.cutout:
            steps.append(transforms.Cutout(self.cutout))
        return transforms.Compose(*steps) if steps else None


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


SETTINGS = tuple(f.name for f in fields(Recipe) if "help" in f.metadata)
FACTS = ("images", "classes")  # arguments of a network that the data answers

# names, what must hold, the same in words
_RULES: tuple[tuple[tuple[str, ...], Callable[[Any], bool], str], ...] = (
    (("epochs", "batch_size"), lambda v: v >= 1, "a whole number from 1 up"),
    (("patience", "plateau_patience", "seed"), lambda v: v >= 0, "a whole number from 0 up"),
    (("cutout",), lambda v: v >= 0, "a whole number from 0 up"),
    (("lr", "clip_grad_norm"), lambda v: 0 < v < float("inf"), "a number above 0"),
    (("weight_decay", "warmup", "shift", "rotate"), lambda v: 0 <= v < 1e6, "a number from 0 up"),
    (
        ("momentum", "beta1", "beta2", "label_smoothing"),
        lambda v: 0 <= v < 1,
        "a number from 0 up and below 1",
    ),
    (("plateau_factor", "validation"), lambda v: 0 < v < 1, "a number between 0 and 1"),
    (("upstroke",), lambda v: 0 <= v <= 1, "a share from 0 to 1"),
    (("target_accuracy",), lambda v: 0 < v <= 1, "a share above 0 and up to 1, such as 0.985"),
)

# settings that mean something under one choice of another setting alone
_ONLY_WITH = {
    "momentum": ("optimizer", ("sgd",)),
    "beta1": ("optimizer", ("adam", "adamw")),
    "beta2": ("optimizer", ("adam", "adamw")),
    "plateau_factor": ("schedule", ("plateau",)),
    "plateau_patience": ("schedule", ("plateau",)),
}


def describe(dataset: ArrayDataset) -> Images:
    """What a network has to know of the images of a training set."""
    x = dataset.images if dataset.images.ndim == 4 else dataset.images[:, None]
    scale = 255.0 if x.dtype == np.uint8 else 1.0
    means = x.mean(axis=(0, 2, 3), dtype=np.float64) / scale
    stds = x.std(axis=(0, 2, 3), dtype=np.float64) / scale
    return Images(
        x.shape[1],
        x.shape[2],
        len(dataset.classes),
        tuple(round(float(m), 4) for m in means),
        tuple(round(float(s), 4) or 1.0 for s in stds),  # a channel of one shade stays as it is
    )


def override(recipe: Recipe, changes: Mapping[str, str]) -> Recipe:
    """`recipe` with settings, or options of its network, changed by name, their values as text.

    >>> from tinygrad_cnn.train import recipes
    >>> override(recipes.get("mnist-leaky"), {"lr": "0.01", "clip_grad_norm": "none"}).lr
    0.01
    """
    kinds = _kinds()
    own = network_options(recipe.network)
    values, options = {}, dict(recipe.options)
    if "dataset" in changes:
        recipe = recipe.on(_parse("dataset", changes["dataset"], kinds["dataset"]))
    for name, text in changes.items():
        if name in kinds:
            values[name] = _parse(name, text, kinds[name])
        elif name in own:
            options[name] = _parse(name, text, own[name].kind)
        else:
            raise ConfigError(f"setting: no {name!r}; {nearest(name, [*kinds, *own])}")
    changed = replace(recipe, options=options, **values)
    for name in values:
        if not is_for(changed, name):
            other, choices = _ONLY_WITH[name]
            raise ConfigError(
                f"{name}: is for {other}={' or '.join(choices)}, and {recipe.name} has "
                f"{other}={getattr(changed, other)}; change both or neither"
            )
    return changed


def is_for(recipe: Recipe, name: str) -> bool:
    """Whether the setting means anything beside the recipe's other settings."""
    other, choices = _ONLY_WITH.get(name, ("name", (recipe.name,)))
    return getattr(recipe, other) in choices


class Option(NamedTuple):
    """An argument of a network: its type and its default."""

    kind: Any
    default: Any


def network_options(network: Callable[..., Module]) -> dict[str, Option]:
    """What the network can be told, beside what the data answers."""
    hints = get_type_hints(vars(network)["__init__"] if isinstance(network, type) else network)
    parameters = inspect.signature(network).parameters
    return {
        name: Option(hints[name], parameter.default)
        for name, parameter in parameters.items()
        if name not in FACTS
    }


def settings(recipe: Recipe) -> dict[str, Any]:
    """The recipe as JSON can hold it: its name, each setting, the network's options and images."""
    own = {name: option.default for name, option in network_options(recipe.network).items()}
    return {
        **{name: getattr(recipe, name) for name in ("name", *SETTINGS)},
        "options": _lists({**own, **recipe.options}),
        "images": _lists(recipe.images._asdict()),
    }


def restored(recipe: Recipe, saved: Mapping[str, Any]) -> Recipe:
    """`recipe` with what `settings` had written."""
    values = {name: saved[name] for name in SETTINGS if name in saved}
    options = {name: _tuple(value) for name, value in saved.get("options", {}).items()}
    images = {name: _tuple(value) for name, value in saved.get("images", {}).items()}
    return replace(recipe, **values, options=options, images=Images(**images))


def changes(recipe: Recipe, default: Recipe) -> dict[str, Any]:
    """The settings and options in which `recipe` differs from `default`."""
    a, b = ({**settings(r), **settings(r)["options"]} for r in (recipe, default))
    return {k: a[k] for k in a if k not in ("name", "options", "images") and a[k] != b.get(k)}


def as_text(value: Any) -> str:
    """A value as the command line takes it.

    >>> as_text(None), as_text(True), as_text((256, 128)), as_text(0.05)
    ('none', 'yes', '256,128', '0.05')
    """
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, tuple | list):
        return ",".join(map(as_text, value))
    return str(value)


def as_option(name: str, value: Any) -> str:
    """A setting, or an option of the network, as the command line changes it.

    >>> as_option("clip_grad_norm", None), as_option("kernels", (5, 3))
    ('--clip-grad-norm none', '--set kernels=5,3')
    """
    if name in SETTINGS:
        return f"--{name.replace('_', '-')} {as_text(value)}"
    return f"--set {name}={as_text(value)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """What the user may have meant, as the end of a complaint."""
    known = list(known)
    alike = {k: difflib.SequenceMatcher(None, name, k).ratio() for k in known}
    best = max(alike.values(), default=0.0)
    near = [k for k in sorted(known, key=lambda k: -alike[k]) if alike[k] > max(best - 0.1, 0.4)]
    near = near[:3]
    return f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known)}"


def help_of(name: str) -> str:
    """What a setting is, in a few words."""
    return next(str(f.metadata["help"]) for f in fields(Recipe) if f.name == name)


def placeholder(name: str) -> str:
    """What stands for the value of a setting where its use is shown.

    >>> placeholder("epochs"), placeholder("clip_grad_norm"), placeholder("optimizer")
    ('N', 'X|none', 'sgd|adam|adamw')
    """
    return _placeholder(_kinds()[name])


@cache
def _kinds() -> dict[str, Any]:
    hints = get_type_hints(Recipe)
    return {name: hints[name] for name in SETTINGS}


def _parse(name: str, text: str, kind: Any) -> Any:
    """`text` as a value of the type `kind`, or a ConfigError that says the type in words."""
    try:
        return _value(text, kind)
    except ValueError as error:
        raise ConfigError(f"{name}: takes {_words(kind)}; got {text!r}") from error


def _value(text: str, kind: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        if text.lower() == "none":
            return None
        kind = next(k for k in get_args(kind) if k is not type(None))
    if get_origin(kind) is Literal:
        return get_args(kind)[get_args(kind).index(text)]  # ValueError where there is none
    if kind is bool:
        return bool(_SWITCH.index(text.lower()) % 2)
    if get_origin(kind) in (tuple, Sequence):
        item = get_args(kind)[0]
        return tuple(_value(part, item) for part in text.split(",") if part)
    return kind(text)


_SWITCH = ("no", "yes", "false", "true", "off", "on")  # odd places are true


def _words(kind: Any) -> str:
    if get_origin(kind) in (Union, types.UnionType):
        return f"{_words(next(k for k in get_args(kind) if k is not type(None)))}, or none"
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    if get_origin(kind) in (tuple, Sequence):
        return "whole numbers with commas between them"
    return {int: "a whole number", float: "a number", bool: "yes or no", str: "a word"}[kind]


def _placeholder(kind: Any) -> str:
    if get_origin(kind) in (Union, types.UnionType):
        return "|".join(_placeholder(k) if k is not type(None) else "none" for k in get_args(kind))
    if get_origin(kind) is Literal:
        return "|".join(get_args(kind))
    return {int: "N", float: "X", bool: "yes|no"}[kind]


def _lists(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
