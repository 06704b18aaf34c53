"""Runs side by side: a table, a verdict, a picture."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tinygrad_cnn.cli import main

pytest.importorskip("matplotlib")
Printed = pytest.CaptureFixture[str]


@pytest.fixture
def pair(runs: Path, tmp_path: Path) -> list[str]:
    """The run, and one like it with another rate that recognised one image less of fifty."""
    first = tmp_path / "a-1"
    second = tmp_path / "b-1"
    for folder in (first, second):
        shutil.copytree(runs / "mnist-leaky-1", folder)
    for name, change in (
        ("summary.json", lambda s: s.update(test_accuracy=s["test_accuracy"] - 0.02)),
        ("config.json", lambda c: c["recipe"].update(lr=0.01)),
    ):
        content = json.loads((second / name).read_text())
        change(content)
        (second / name).write_text(json.dumps(content))
    return [str(first), str(second)]


def test_the_best_comes_first_with_the_settings_that_differ(
    pair: list[str], capsys: Printed
) -> None:
    assert main(["compare", *reversed(pair)]) == 0
    head, *rows, _, verdict, path = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["run", "accuracy"]
    assert head.split()[-1] == "lr"
    assert [row.split()[0] for row in rows] == ["a-1", "b-1"]
    assert [row.split()[-1] for row in rows] == ["0.05", "0.01"]
    assert "a-1 is ahead of b-1 by 2.00% of the images: no more than" in verdict
    assert path == "compare.html"
    assert "data:image/png" in Path("compare.html").read_text()


@pytest.mark.parametrize(("out", "files"), [("c.md", {"c.md", "c.png"}), ("d.png", {"d.png"})])
def test_the_ending_says_the_format(
    pair: list[str], out: str, files: set[str], capsys: Printed
) -> None:
    assert main(["compare", *pair, "-o", out]) == 0
    assert {path.name for path in Path().iterdir() if path.is_file()} == files
    assert set(capsys.readouterr().out.splitlines()[-len(files) :]) == files


def test_runs_on_different_images_are_not_judged(pair: list[str], capsys: Printed) -> None:
    path = Path(pair[1]) / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"test_images": 7}))
    main(["compare", *pair])
    assert "their accuracies do not compare" in capsys.readouterr().out


def test_equal_runs_are_not_ahead_of_each_other(pair: list[str], capsys: Printed) -> None:
    shutil.copy(Path(pair[0]) / "summary.json", Path(pair[1]) / "summary.json")
    main(["compare", *pair])
    out = capsys.readouterr().out
    assert "a-1 and b-1 recognise equally many of the images." in out
    assert "ahead" not in out


def test_runs_of_one_name_are_told_apart_by_their_paths(
    pair: list[str], tmp_path: Path, capsys: Printed
) -> None:
    shutil.copytree(pair[1], tmp_path / "else" / "a-1")
    main(["compare", pair[0], str(tmp_path / "else" / "a-1")])
    assert str(tmp_path / "else" / "a-1") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{0}"], "takes two runs or more; got one"),
        (["{0}", "{1}", "{0}"], "a-1; name each run once"),
        (["{0}", "{0}/../a-1"], "a-1/../a-1: the same run as "),
        (["{0}", "nowhere"], "nowhere: no such run folder"),
        (["{0}", "."], ".: holds no summary.json; give the folder of a run that has ended"),
        (["{0}", "{1}", "-o", "x.gif"], "x.gif: the ending is one of .html .md .png"),
    ],
)
def test_what_cannot_be_compared_is_told(
    pair: list[str], arguments: list[str], said: str, capsys: Printed
) -> None:
    assert main(["compare", *(a.format(*pair) for a in arguments)]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_a_damaged_summary_is_told(pair: list[str], capsys: Printed) -> None:
    (Path(pair[0]) / "summary.json").write_text("{")
    assert main(["compare", *pair]) == 2
    assert "is damaged" in capsys.readouterr().err
