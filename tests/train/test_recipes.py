"""Recipes are data: by name, changed by name, and back from JSON."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from tinygrad_cnn.data import ArrayDataset, EmbeddedMNIST
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.models import Images
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


class TestOptionsOfTheNetwork:
    PLUS = recipes.get("mnist-leaky-plus")

    def test_are_settings_of_their_own_types(self) -> None:
        texts = {"second_conv": "8", "batch_norm": "no", "dropout": "0.1"}
        options = override(self.PLUS, texts).options
        assert options == {"second_conv": 8, "batch_norm": False, "dropout": 0.1}

    def test_build_the_network_that_they_describe(self) -> None:
        small = override(self.PLUS, {"second_conv": "8"}).build()
        assert small.state_dict()["features.4.weight"].shape == (8, 16, 3, 3)

    @pytest.mark.parametrize(
        ("recipe", "name", "text", "said"),
        [
            ("mnist-leaky-plus", "second_conv", "many", "takes a whole number; got 'many'"),
            ("mnist-leaky-plus", "batch_norm", "maybe", "takes yes or no; got 'maybe'"),
            ("study-dense", "hidden", "9,x", "takes whole numbers with commas between them"),
            ("study-block-wide", "block", "thin", "takes one of basic, bottleneck, wide"),
            ("mnist-leaky", "optimizer", "sdg", "takes one of sgd, adam, adamw; got 'sdg'"),
            ("mnist-leaky", "patience", "x", "takes a whole number, or none; got 'x'"),
            ("digits-gap", "drop_out", "0.1", "no 'drop_out'; did you mean dropout"),
        ],
    )
    def test_of_the_wrong_type_or_name_are_told(
        self, recipe: str, name: str, text: str, said: str
    ) -> None:
        with pytest.raises(ConfigError, match=re.escape(said)):
            override(recipes.get(recipe), {name: text})

    def test_a_list_is_written_with_commas(self) -> None:
        dense = override(recipes.get("study-dense"), {"hidden": "64,32"})
        assert dense.options["hidden"] == (64, 32)
        assert [p.shape for p in dense.build().parameters()][::2] == [(64, 784), (32, 64), (10, 32)]


class TestSettingsThatNeedAnother:
    def test_are_refused_without_it(self) -> None:
        with pytest.raises(ConfigError, match="momentum: is for optimizer=sgd, and digits-gap has"):
            override(recipes.get("digits-gap"), {"momentum": "0.5"})

    def test_are_taken_with_it(self) -> None:
        changed = override(recipes.get("digits-gap"), {"momentum": "0.5", "optimizer": "sgd"})
        assert changed.momentum == 0.5

    def test_stay_as_they_are_where_the_other_changes(self) -> None:
        assert override(DEFAULT, {"optimizer": "adam"}).optimizer == "adam"


class TestDatasets:
    def test_another_one_brings_its_own_augmentation(self) -> None:
        photos = override(recipes.get("study-cnn"), {"dataset": "cifar10"})
        assert (photos.shift, photos.rotate, photos.flip) == (4.0, 0.0, True)

    def test_what_is_asked_for_goes_before_that(self) -> None:
        assert (
            override(recipes.get("study-cnn"), {"dataset": "cifar10", "flip": "no"}).flip is False
        )

    def test_the_network_is_built_for_the_images_that_are_there(self) -> None:
        images = np.full((20, 3, 16, 16), 51, np.uint8)
        images[:, 0] = 0
        dataset = ArrayDataset(images, np.arange(20) % 5)
        recipe = recipes.get("study-cnn").fitted_to(dataset)
        assert recipe.images == Images(3, 16, 5, (0.0, 0.2, 0.2), (1.0, 1.0, 1.0))
        assert recipes.from_settings(json.loads(json.dumps(settings(recipe)))).images == (
            recipe.images
        )
        assert recipe.build().state_dict()["classify.weight"].shape == (5, 128 * 2 * 2)

    def test_a_network_for_digits_alone_stays_one(self) -> None:
        dataset = ArrayDataset(np.zeros((20, 3, 16, 16), np.uint8), np.arange(20) % 5)
        assert DEFAULT.fitted_to(dataset) is DEFAULT


def test_the_last_images_can_be_those_held_out() -> None:
    digits = EmbeddedMNIST().subset(slice(0, 50))
    data = recipes.get("digits-gap").divide(digits, digits)
    np.testing.assert_array_equal(data.train.images, digits.images[:45])
    np.testing.assert_array_equal(data.validation.images, digits.images[45:])


def test_plain_training_neither_shifts_nor_turns() -> None:
    assert recipes.get("mnist-csv").augment() is None
    assert recipes.get("mnist-5x5").augment() is None


def test_cutout_and_mirrors_come_after_the_affine_map() -> None:
    recipe = override(DEFAULT, {"flip": "yes", "cutout": "6"})
    assert repr(recipe.augment()).index("Affine") < repr(recipe.augment()).index("Flip")
    assert "Cutout(size=6)" in repr(recipe.augment())
