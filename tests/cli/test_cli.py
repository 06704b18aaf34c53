"""The commands, run in this process: what they print, what they leave behind, how they exit."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tinygrad_cnn import __version__
from tinygrad_cnn.cli import main, parser
from tinygrad_cnn.data import load_digits
from tinygrad_cnn.models import Images
from tinygrad_cnn.train import checkpoint, recipes
from tinygrad_cnn.train.recipe import settings
from tinygrad_cnn.viz import Picture

COMMANDS = [command.__name__.rpartition(".")[2] for command in parser.COMMANDS]
Image = pytest.importorskip("PIL.Image")
Printed = pytest.CaptureFixture[str]

PICTURES = {"curves.png", "confusion.png", "errors.png"}


class TestTrain:
    def test_leaves_a_run_folder_with_everything_in_it(self, runs: Path) -> None:
        names = {file.name for file in (runs / "mnist-leaky-1").iterdir()}
        assert names >= {"config.json", "log.csv", "best.safetensors", "report.md"} | PICTURES

    def test_the_report_shows_every_picture_that_there_is(self, runs: Path) -> None:
        folder = runs / "mnist-leaky-1"
        shown = set(re.findall(r"!\[.*?\]\((.*?)\)", (folder / "report.md").read_text()))
        assert shown == {file.name for file in folder.iterdir() if file.suffix in (".png", ".svg")}

    def test_the_log_has_a_row_an_epoch(self, runs: Path) -> None:
        with open(runs / "mnist-leaky-1" / "log.csv", newline="") as file:
            assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]

    def test_the_configuration_says_what_was_asked_for(self, runs: Path, digits: Path) -> None:
        config = json.loads((runs / "mnist-leaky-1" / "config.json").read_text())
        assert config["recipe"]["epochs"] == 2
        assert config["data"]["where"] == str(digits)
        assert config["data"]["test"] == 50

    def test_weights_carry_configuration_and_test_accuracy(self, runs: Path) -> None:
        saved = checkpoint.load(runs / "mnist-leaky-1" / "best.safetensors")
        config = json.loads((runs / "mnist-leaky-1" / "config.json").read_text())
        assert saved.config == config
        assert 0 <= saved.metrics["test_accuracy"] <= 1

    def test_ends_with_accuracy_report_and_what_to_do_next(
        self, digits: Path, capsys: Printed
    ) -> None:
        assert main(["train", "--epochs=1", f"--data-dir={digits}"]) == 0
        *_, accuracy, report, predict = capsys.readouterr().out.splitlines()
        assert re.match(r"Test accuracy +\d+\.\d\d% \(\d+ of 50;", accuracy)
        assert report.split() == ["Report", "runs/mnist-leaky-1/report.html"]
        assert predict.endswith("tinygrad-cnn predict IMAGE.png --model runs/mnist-leaky-1")

    def test_runs_are_numbered(self, digits: Path) -> None:
        for _ in range(2):
            assert main(["train", "--epochs=1", "--quiet", f"--data-dir={digits}"]) == 0
        assert sorted(path.name for path in Path("runs").iterdir()) == [
            "mnist-leaky-1",
            "mnist-leaky-2",
        ]

    def test_one_seed_gives_the_same_weights_to_the_bit(self, digits: Path) -> None:
        for seed in (7, 7, 8):
            arguments = ["--epochs=2", "--quiet", f"--seed={seed}", f"--data-dir={digits}"]
            assert main(["train", *arguments]) == 0
        a, b, c = (
            checkpoint.load(f"runs/mnist-leaky-{n}/best.safetensors").weights for n in (1, 2, 3)
        )
        assert all(a[name].tobytes() == b[name].tobytes() for name in a)
        assert any(a[name].tobytes() != c[name].tobytes() for name in a)

    def test_settings_are_changed_by_flag_and_by_name(self, digits: Path) -> None:
        changes = ["--lr=0.02", "--set", "momentum=0.5", "--clip-grad-norm=none"]
        options = ["--set", "negative_slope=0.1"]
        main(["train", "--epochs=1", "--quiet", f"--data-dir={digits}", *changes, *options])
        recipe = json.loads(Path("runs/mnist-leaky-1/config.json").read_text())["recipe"]
        assert (recipe["lr"], recipe["momentum"], recipe["clip_grad_norm"]) == (0.02, 0.5, None)
        assert recipe["options"] == {"negative_slope": 0.1}

    def test_the_report_tells_the_command_that_repeats_it(self, digits: Path) -> None:
        main(["train", "--epochs=1", "--quiet", "--seed=3", f"--data-dir={digits}"])
        first = checkpoint.load("runs/mnist-leaky-1/best.safetensors").weights
        report = Path("runs/mnist-leaky-1/report.md").read_text()
        (command,) = re.findall(r"^tinygrad-cnn (train .*)$", report, re.MULTILINE)
        assert main([*command.split(), "--quiet"]) == 0
        again = checkpoint.load("runs/mnist-leaky-2/best.safetensors").weights
        assert all(first[name].tobytes() == again[name].tobytes() for name in first)

    def test_quiet_prints_the_summary_alone(self, digits: Path, capsys: Printed) -> None:
        main(["train", "--epochs=1", "--quiet", f"--data-dir={digits}"])
        assert len(capsys.readouterr().out.strip().splitlines()) == 4

    def test_a_target_that_is_reached_ends_the_training(
        self, digits: Path, capsys: Printed
    ) -> None:
        main(["train", "--quiet", "--target-accuracy=0.01", f"--data-dir={digits}"])
        assert "Stopped after 1 epoch: val_accuracy has reached the target of 1.00%" in (
            capsys.readouterr().out
        )

    def test_csv_digits_are_trained_on_and_a_fifth_is_held_out(self, digits: Path) -> None:
        main(["data", f"--data-dir={digits}", "--csv=exported"])
        file = "exported/mnist_train.csv"
        assert main(["train", "--epochs=1", "--quiet", f"--data-dir={file}"]) == 0
        data = json.loads(Path("runs/mnist-leaky-1/config.json").read_text())["data"]
        assert (data["train"], data["validation"], data["test"]) == (144, 16, 40)


class TestEvaluate:
    def test_gives_the_accuracy_that_the_run_reached(
        self, runs: Path, digits: Path, capsys: Printed
    ) -> None:
        run = runs / "mnist-leaky-1"
        assert main(["evaluate", str(run), f"--data-dir={digits}"]) == 0
        reached = checkpoint.load(run / "best.safetensors").metrics["test_accuracy"]
        assert f"accuracy {reached:.2%}" in capsys.readouterr().out

    def test_takes_the_newest_run_and_the_data_it_was_trained_with(
        self, runs: Path, digits: Path, capsys: Printed
    ) -> None:
        assert main(["evaluate", f"--runs={runs}"]) == 0
        assert f"{runs / 'mnist-leaky-1'} on MNIST test, {digits}" in capsys.readouterr().out

    def test_has_a_line_for_each_class(self, runs: Path, digits: Path, capsys: Printed) -> None:
        main(["evaluate", f"--runs={runs}", f"--data-dir={digits}"])
        assert re.findall(r"^(\d) ", capsys.readouterr().out, re.MULTILINE) == list("0123456789")


class TestData:
    def test_counts_the_digits_of_each_class(self, capsys: Printed) -> None:
        assert main(["data"]) == 0
        out = capsys.readouterr().out
        assert "inside the package: images of 28 x 28" in out
        assert re.search(r"all +8,000 +2,000", out)

    def test_draws_a_sheet(self, digits: Path, capsys: Printed) -> None:
        assert main(["data", f"--data-dir={digits}", "--sheet=sheet.png"]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == "sheet.png"
        with Image.open("sheet.png") as sheet:
            assert sheet.width > 500

    @pytest.mark.parametrize("option", ["--csv", "--idx"])
    def test_what_it_exports_is_read_back_the_same(self, digits: Path, option: str) -> None:
        assert main(["data", f"--data-dir={digits}", option, "exported"]) == 0
        exported, original = load_digits("exported"), load_digits(digits)
        for a, b in zip(exported, original, strict=True):
            assert a is not None
            assert b is not None
            np.testing.assert_array_equal(a.images, b.images)
            np.testing.assert_array_equal(a.labels, b.labels)

    def test_the_environment_names_a_data_directory(
        self, digits: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
    ) -> None:
        monkeypatch.setenv("TINYGRAD_CNN_DATA", str(digits))
        assert main(["data"]) == 0
        assert str(digits) in capsys.readouterr().out


class TestHelp:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_command_shows_examples(
        self, command: str, capsys: Printed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        out = capsys.readouterr().out
        assert ended.value.code == 0
        assert f"examples:\n  tinygrad-cnn {command}" in out
        assert max(map(len, out.splitlines())) <= 80

    def test_the_version_is_the_package_s(self, capsys: Printed) -> None:
        with pytest.raises(SystemExit):
            main(["--version"])
        assert capsys.readouterr().out == f"tinygrad-cnn {__version__}\n"


class TestGraph:
    @pytest.fixture(autouse=True)
    def _graphviz(self) -> None:
        pytest.importorskip("graphviz")

    def test_draws_a_recipe(self, capsys: Printed) -> None:
        assert main(["graph", "mnist-leaky", "-o", "net.svg"]) == 0
        assert capsys.readouterr().out == "net.svg\n"
        assert "max_pool" in Path("net.svg").read_text()

    def test_draws_a_page_by_all_its_options(self, capsys: Printed) -> None:
        options = "--depth 2 --view both --fold none --color time --annotate shape,saved,time"
        assert main(["graph", "mnist-leaky", "-o", "net.html", *options.split()]) == 0
        assert capsys.readouterr().out == "net.html\n"
        page = Path("net.html").read_text()
        assert page.startswith("<!DOCTYPE html>")
        assert '"overlay":"time"' in page
        assert "backward" in page

    def test_what_can_be_measured_is_measured_for_it(self) -> None:
        options = "--annotate shape,saved,time,backward_time,stats --color grad_norm"
        assert main(["graph", "mnist-leaky", "-o", "net.txt", *options.split()]) == 0
        table = Path("net.txt").read_text()
        assert "not known" not in table
        for word in ("saves", "forward", "backward", "mean"):
            assert word in table

    def test_the_same_network_gives_the_same_file_unless_times_are_asked_for(self) -> None:
        for name in ("a.json", "b.json"):
            assert main(["graph", "mnist-leaky", "-o", name]) == 0
        assert Path("a.json").read_bytes() == Path("b.json").read_bytes()

    def test_shows_one_module_and_what_is_near_it(self) -> None:
        focus = ["--focus", "conv", "--hops", "1", "--engine", "graphviz-pure"]
        assert main(["graph", "mnist-leaky", "-o", "net.json", *focus]) == 0
        nodes = Picture.from_json(Path("net.json").read_text()).nodes
        assert 2 <= len(nodes) < 8
        assert any(n.name == "conv" for n in nodes)

    @pytest.mark.parametrize("suffix", ["svg", "png", "dot", "gv", "json", "txt", "html"])
    def test_the_help_names_every_format(self, suffix: str, capsys: Printed) -> None:
        with pytest.raises(SystemExit):
            main(["graph", "--help"])
        assert f".{suffix}" in capsys.readouterr().out

    def test_draws_a_file_of_weights(self, runs: Path) -> None:
        weights = runs / "mnist-leaky-1" / "best.safetensors"
        assert main(["graph", str(weights), "-o", "net.dot", "--view", "backward"]) == 0
        assert Path("net.dot").read_text().startswith("digraph")

    def test_draws_a_network_of_coloured_images(self, tmp_path: Path) -> None:
        recipe = replace(recipes.get("study-block-basic"), images=Images(channels=3, size=16))
        weights = tmp_path / "best.safetensors"
        checkpoint.save(weights, recipe.build(), {"recipe": settings(recipe)}, {})
        assert main(["graph", str(weights), "-o", "net.txt", "--depth=1"]) == 0
        assert "(128, 3, 16, 16)" in Path("net.txt").read_text()

    def test_draws_a_run(self, runs: Path) -> None:
        assert main(["graph", str(runs / "mnist-leaky-1"), "-o", "net.dot"]) == 0
        assert Path("net.dot").read_text().startswith("digraph")
