"""`list` tells of every recipe in lines that fit the screen."""

from __future__ import annotations

import pytest

from tinygrad_cnn.cli import main
from tinygrad_cnn.train.recipes import RECIPES

Printed = pytest.CaptureFixture[str]


def test_every_recipe_has_its_parameters_in_the_table(capsys: Printed) -> None:
    assert main(["list"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["recipe", "parameters", "accuracy", "minutes"]
    rows = {line.split()[0]: line.split()[1] for line in lines if not line.startswith(" ")}
    assert rows.keys() == RECIPES.keys()
    assert rows["digits-gap"] == "276,810"
    assert rows["digits-gap-first"] == "485,514"


@pytest.mark.parametrize("name", [None, *RECIPES])
def test_what_it_prints_fits_into_eighty_columns(name: str | None, capsys: Printed) -> None:
    assert main(["list", *([name] if name else [])]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_one_recipe_comes_with_its_source_and_settings(capsys: Printed) -> None:
    main(["list", "digits-gap"])
    out = capsys.readouterr().out
    for part in ("99.35 %", "276,810", "batch_size=128", "dropout=0.5", "held_out=last"):
        assert part in out


def test_an_unknown_recipe_names_the_nearest(capsys: Printed) -> None:
    assert main(["list", "digit-gap"]) == 2
    assert "did you mean digits-gap?" in capsys.readouterr().err
