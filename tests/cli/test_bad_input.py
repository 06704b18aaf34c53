"""What a user can get wrong ends with code 2, one line that says how to mend it, and no files."""

from __future__ import annotations

import gzip
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from tinygrad_cnn.cli import main
from tinygrad_cnn.nn import Linear, Sequential
from tinygrad_cnn.train import checkpoint

Image = pytest.importorskip("PIL.Image")
Printed = pytest.CaptureFixture[str]

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


def refused(capsys: Printed, *arguments: str) -> str:
    """The one line that the command says on stderr."""
    capsys.readouterr()
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("tinygrad-cnn: ")
    assert err.count("\n") == 1
    return err


def refused_training(capsys: Printed, data: Path | str) -> str:
    line = refused(capsys, "train", "--quiet", f"--data-dir={data}")
    assert not Path("runs").exists()
    return line


@pytest.fixture
def copy(digits: Path, tmp_path: Path) -> Path:
    """The digits, to be damaged."""
    return Path(shutil.copytree(digits, tmp_path / "copy"))


class TestIdx:
    def test_missing_file(self, copy: Path, capsys: Printed) -> None:
        (copy / TRAIN_LABELS).unlink()
        assert TRAIN_LABELS in refused_training(capsys, copy)

    def test_truncated_file(self, copy: Path, capsys: Printed) -> None:
        whole = gzip.decompress((copy / TRAIN_IMAGES).read_bytes())
        (copy / TRAIN_IMAGES).write_bytes(gzip.compress(whole[:-100]))
        assert TRAIN_IMAGES in refused_training(capsys, copy)

    def test_truncated_gzip(self, copy: Path, capsys: Printed) -> None:
        packed = (copy / TRAIN_IMAGES).read_bytes()
        (copy / TRAIN_IMAGES).write_bytes(packed[: len(packed) // 2])
        assert "truncated or damaged" in refused_training(capsys, copy)

    def test_wrong_magic_number(self, copy: Path, capsys: Printed) -> None:
        (copy / TRAIN_IMAGES).write_bytes(gzip.compress(b"\x12\x34\x56\x78" + bytes(100)))
        line = refused_training(capsys, copy)
        assert TRAIN_IMAGES in line
        assert "magic" in line

    def test_counts_that_differ(self, copy: Path, capsys: Printed) -> None:
        shutil.copy(copy / "t10k-labels-idx1-ubyte.gz", copy / TRAIN_LABELS)
        assert "200 images but 50 labels" in refused_training(capsys, copy)


class TestCsv:
    ROW = ",".join(["5", *["0"] * 784])

    @pytest.mark.parametrize(
        ("rows", "said"),
        [
            ([ROW, ROW[:-2]], "line 2"),
            ([ROW, ROW[:-1] + "x"], "line 2"),
            ([ROW, ROW[:-1] + "256"], "0..255"),
            ([ROW, "10" + ROW[1:]], "0..9"),
            ([], "holds no rows"),
        ],
        ids=["ragged", "not a number", "pixel outside", "label outside", "empty"],
    )
    def test_is_refused_with_the_place(self, rows: list[str], said: str, capsys: Printed) -> None:
        Path("digits.csv").write_text("".join(f"{row}\n" for row in rows))
        line = refused_training(capsys, "digits.csv")
        assert "digits.csv" in line
        assert said in line

    def test_too_few_rows_to_hold_some_out(self, capsys: Printed) -> None:
        Path("digits.csv").write_text(",".join(["7"] + ["0"] * 784) + "\n")
        line = refused_training(capsys, "digits.csv")
        assert "digits.csv" in line
        assert "give more images" in line


class TestNpz:
    def test_object_arrays_are_refused_and_never_unpickled(self, capsys: Printed) -> None:
        arrays = {name: np.zeros(1, object) for name in ("x_train", "y_train", "x_test", "y_test")}
        np.savez("mnist.npz", **arrays)  # type: ignore[arg-type]
        line = refused_training(capsys, "mnist.npz")
        assert "mnist.npz" in line
        assert "object" in line

    def test_images_of_another_size(self, capsys: Printed) -> None:
        images, labels = np.zeros((30, 20, 20), np.uint8), np.arange(30, dtype=np.uint8) % 10
        np.savez("mnist.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
        line = refused_training(capsys, "mnist.npz")
        assert "images of 20 x 20 do not fit the network of mnist-leaky" in line

    def test_images_that_a_trained_network_does_not_take(self, runs: Path, capsys: Printed) -> None:
        images, labels = np.zeros((30, 20, 20), np.uint8), np.arange(30, dtype=np.uint8) % 10
        np.savez("mnist.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
        line = refused(capsys, "evaluate", str(runs / "mnist-leaky-1"), "--data-dir=mnist.npz")
        assert "mnist.npz test: images of 20 x 20 do not fit the network of mnist-leaky" in line

    def test_an_empty_set(self, capsys: Printed) -> None:
        images, labels = np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8)
        np.savez("mnist.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
        assert "empty" in refused_training(capsys, "mnist.npz")


class TestDataDir:
    def test_that_does_not_exist(self, capsys: Printed) -> None:
        assert "nowhere" in refused_training(capsys, "nowhere")

    def test_without_digits(self, tmp_path: Path, capsys: Printed) -> None:
        (tmp_path / "void").mkdir()
        assert "holds no digits" in refused_training(capsys, tmp_path / "void")


class TestRecipe:
    def test_unknown_names_the_nearest(self, capsys: Printed) -> None:
        assert "did you mean mnist-leaky?" in refused(capsys, "train", "mnist-leeky")

    def test_unknown_setting_names_the_nearest(self, capsys: Printed) -> None:
        line = refused(capsys, "train", "--set", "momentun=0.5")
        assert "no 'momentun'; did you mean momentum?" in line

    @pytest.mark.parametrize(
        ("setting", "said"),
        [
            ("epochs=many", "epochs: takes a whole number; got 'many'"),
            ("batch_size=1.5", "batch_size: takes a whole number; got '1.5'"),
            ("lr=fast", "lr: takes a number; got 'fast'"),
            ("clip_grad_norm=no", "clip_grad_norm: takes a number, or none; got 'no'"),
            ("epochs=0", "epochs: a whole number from 1 up; got 0"),
            ("lr=nan", "lr: a number above 0; got nan"),
            ("momentum=1", "momentum: a number from 0 up and below 1; got 1"),
            ("target_accuracy=98.5", "such as 0.985; got 98.5"),
            ("seed", "takes NAME=VALUE"),
        ],
    )
    def test_values_that_cannot_be(self, setting: str, said: str, capsys: Printed) -> None:
        assert said in refused(capsys, "train", "--set", setting)

    def test_unknown_option_names_the_nearest(self, capsys: Printed) -> None:
        line = refused(capsys, "train", "--epoch", "3")
        assert "no option --epoch; did you mean --epochs? (see `tinygrad-cnn train --help`)" in line

    def test_unknown_command_names_the_nearest(self, capsys: Printed) -> None:
        assert "no command 'trane'; did you mean train?" in refused(capsys, "trane")

    def test_a_word_too_many(self, capsys: Printed) -> None:
        line = refused(capsys, "train", "mnist-csv", "mnist-leaky")
        assert "one argument too many: 'mnist-leaky'" in line


class TestWeights:
    @pytest.fixture
    def run(self, runs: Path, tmp_path: Path) -> Path:
        return Path(shutil.copytree(runs / "mnist-leaky-1", tmp_path / "run"))

    def test_of_another_architecture(self, run: Path, capsys: Printed) -> None:
        file = run / "best.safetensors"
        config = checkpoint.load(file).config
        checkpoint.save(file, Sequential(Linear(4, 2)), config, {})
        line = refused(capsys, "evaluate", str(run))
        assert "best.safetensors" in line
        assert "conv.weight" in line

    def test_with_another_shape_names_both(self, run: Path, capsys: Printed) -> None:
        safetensors = pytest.importorskip("safetensors.numpy")
        file = run / "best.safetensors"
        saved = checkpoint.load(file)
        saved.weights["hidden.weight"] = np.zeros((64, 2704), np.float32)
        metadata = {"config": '{"recipe": {"name": "mnist-leaky"}}', "metrics": "{}"}
        file.write_bytes(safetensors.save(saved.weights, metadata))
        line = refused(capsys, "evaluate", str(run))
        for part in ("hidden.weight", "(64, 2704)", "(128, 2704)"):
            assert part in line

    def test_damaged(self, run: Path, capsys: Printed) -> None:
        file = run / "best.safetensors"
        file.write_bytes(file.read_bytes()[:1000])
        assert "not a whole safetensors file" in refused(capsys, "evaluate", str(run))

    def test_of_an_unknown_recipe(self, run: Path, capsys: Printed) -> None:
        checkpoint.save(run / "best.safetensors", Linear(1, 1), {"recipe": {"name": "x"}}, {})
        assert "names no recipe known here" in refused(capsys, "evaluate", str(run))

    def test_of_no_run(self, tmp_path: Path, capsys: Printed) -> None:
        assert "no such run" in refused(capsys, "evaluate", "runs/mnist-leaky-9")
        assert "holds no best.safetensors" in refused(capsys, "evaluate", str(tmp_path))
        assert "holds no run yet" in refused(capsys, "evaluate")

    def test_a_graph_of_no_run(self, capsys: Printed) -> None:
        assert "no such run" in refused(capsys, "graph", "runs/mnist-leaky-9")


class TestGraph:
    @pytest.mark.parametrize(
        ("option", "said"),
        [
            ("--depth=deep", "--depth: invalid int value: 'deep'"),
            ("--depth=-1", "depth is 0 or more"),
            ("--view=side", "--view: invalid choice: 'side'"),
            ("--fold=all", "--fold: invalid choice: 'all'"),
            ("--color=red", "--color: invalid choice: 'red'"),
            ("--annotate=shape,size", "annotate is a tuple of names out of shape, dtype"),
            ("--engine=neato", "--engine: invalid choice: 'neato'"),
            ("--focus=convv", "no node or module 'convv'; did you mean conv"),
            ("--hops=-1", "hops is 0 or more"),
            ("--out=net.gif", "one of .svg .png .pdf .dot .gv .json .txt .html"),
            ("--out=net", "the suffix says the format"),
            ("--out=nowhere/net.json", "nowhere"),
        ],
    )
    def test_a_bad_value_of_an_option(self, option: str, said: str, capsys: Printed) -> None:
        assert said in refused(capsys, "graph", "mnist-leaky", option)
        assert not list(Path().iterdir())

    def test_an_engine_that_does_not_write_the_format(self, capsys: Printed) -> None:
        line = refused(capsys, "graph", "mnist-leaky", "--out=net.pdf", "--engine=graphviz-pure")
        assert "graphviz-pure writes no PDF" in line


class TestSheet:
    @pytest.mark.parametrize("name", ["digits.txt", "digits", "digits.svg"])
    def test_under_the_name_of_another_format(self, name: str, capsys: Printed) -> None:
        assert "let its name end in .png" in refused(capsys, "data", f"--sheet={name}")
        assert not list(Path().iterdir())


class TestDisk:
    def test_a_full_one_is_told_and_leaves_no_half_files(
        self, digits: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rename, left = os.replace, 9

        def replace(source: str, target: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise OSError(28, "No space left on device", str(target))
            rename(source, target)

        monkeypatch.setattr(os, "replace", replace)
        line = refused(capsys, "train", "--quiet", "--epochs=1", f"--data-dir={digits}")
        assert "No space left on device" in line
        kept = sorted(file.name for file in Path("runs/mnist-leaky-1").iterdir())
        assert kept == [
            "best.safetensors",
            "config.json",
            "curves.png",
            "log.csv",
            "report.html",
            "report.md",
            "summary.json",
        ]

    def test_a_run_folder_that_cannot_be_made(self, digits: Path, capsys: Printed) -> None:
        Path("file").write_text("in the way")
        line = refused(capsys, "train", "--quiet", f"--data-dir={digits}", "--out=file/runs")
        assert "file" in line


def test_what_fits_into_no_memory_is_told_with_its_size(capsys: Printed) -> None:
    line = refused(capsys, "train", "study-dense", "--quiet", "--set=hidden=99999999999")
    assert re.search(r"out of memory \(Unable to allocate [\d.]+ [PT]iB for .*999999", line)
    assert "make the network, the batches or the pictures smaller" in line
    assert not Path("runs").exists()
