"""Recipes are data: by name, changed by name, and back from JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tinygrad_cnn.data import EmbeddedMNIST
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.train import recipes
from tinygrad_cnn.train.recipe import Data, Recipe, as_text, changes, is_for, override, settings
from tinygrad_cnn.train.recipes import RECIPES

DEFAULT = recipes.get(recipes.DEFAULT)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_settings_come_back_from_json(recipe: Recipe) -> None:
    saved = settings(recipe)
    assert settings(recipes.from_settings(json.loads(json.dumps(saved)))) == saved


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_every_setting_can_be_changed_by_the_text_of_its_value(recipe: Recipe) -> None:
    values = {**settings(recipe), **settings(recipe)["options"]}
    texts = {
        name: as_text(value)
        for name, value in values.items()
        if name not in ("name", "options", "images") and is_for(recipe, name)
    }
    assert settings(override(recipe, texts)) == settings(recipe)


def test_what_was_changed_can_be_listed() -> None:
    changed = override(DEFAULT, {"lr": "0.5", "clip_grad_norm": "none"})
    assert changes(changed, DEFAULT) == {"lr": 0.5, "clip_grad_norm": None}
    assert changes(DEFAULT, DEFAULT) == {}


def test_a_whole_number_is_a_number_too() -> None:
    assert override(DEFAULT, {"warmup": "2"}).warmup == 2


def test_an_unknown_name_lists_all_where_none_is_near() -> None:
    with pytest.raises(ConfigError, match=r"no 'xyz'; there are: mnist-leaky"):
        recipes.get("xyz")


def test_impossible_settings_are_refused_in_code_as_on_the_command_line() -> None:
    with pytest.raises(ConfigError, match="batch_size: a whole number from 1 up; got 0"):
        Recipe("x", "", DEFAULT.build, batch_size=0)


def test_one_seed_gives_one_model() -> None:
    a, b = DEFAULT.model().state_dict(), DEFAULT.model().state_dict()
    c = override(DEFAULT, {"seed": "1"}).model().state_dict()
    assert all(np.array_equal(a[name], b[name]) for name in a)
    assert not all(np.array_equal(a[name], c[name]) for name in a)


def test_only_the_training_digits_are_augmented() -> None:
    digits = EmbeddedMNIST(train=False).subset(slice(0, 64))
    train, validation, test = DEFAULT.loaders(Data(digits, digits, digits))
    plain = digits.images[:, None] / np.float32(255)
    for loader in (validation, test):
        x, y = next(iter(loader))
        np.testing.assert_array_equal(x, plain)
        np.testing.assert_array_equal(y, digits.labels)
    x, y = next(iter(train))
    assert sorted(y) == sorted(digits.labels)
    assert not any(np.array_equal(a, b) for a in x for b in plain)
