"""A study: planned within its budget, interrupted and gone on with, and reported."""

from __future__ import annotations

import errno
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tinygrad_cnn.cli import main
from tinygrad_cnn.data import EmbeddedMNIST, write_idx
from tinygrad_cnn.train.study import circumstances, steps, work

pytest.importorskip("matplotlib")
Printed = pytest.CaptureFixture[str]
TIMES = {"seconds", "inference_ms", "history"}


def study(digits: Path, out: str, *more: str, networks: str = "dense,cnn") -> int:
    """With a budget that is just enough for one seed of each network, and three of dense."""
    count = len(networks.split(","))
    budget = f"{2.5 * (count + 2 * (count > 1))}s"
    chosen = ["--networks", networks, "--data-dir", str(digits), "--out", out]
    return main(["study", "--budget", budget, *chosen, *more])


def numbers(out: str) -> dict[str, dict[str, Any]]:
    """Of each training all that one seed fixes."""
    found = {}
    for path in sorted(Path(out).glob(f"*/{work.RESULT}")):
        result = json.loads(path.read_text())
        result["losses"] = result["history"]["val_loss"]
        found[path.parent.name] = {k: v for k, v in result.items() if k not in TIMES}
    return found


@pytest.fixture(autouse=True)
def _same_plan_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "seconds_per_image", lambda network, source: 1e-3)


def test_leaves_a_result_for_each_training_and_one_page(digits: Path, capsys: Printed) -> None:
    assert study(digits, "s", networks="dense,cnn,depth-6,depth-6-residual") == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "s/study.html"
    assert len(numbers("s")) == 4 + 2
    page = Path("s/study.html").read_text()
    for part in ("recognises", "cnn against dense", "Gradient flow", "Receptive fields", "svg+xml"):
        assert part in page
    shown = re.findall(r"!\[.*?\]\((.*?)\)", Path("s/study.md").read_text())
    assert shown
    assert all((Path("s") / name).is_file() for name in shown)


def test_going_on_after_an_interruption_gives_the_same_numbers(
    digits: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert study(digits, "whole") == 0
    original, done = work.do, []

    def interrupted(*arguments: Any) -> Any:
        if done:
            raise KeyboardInterrupt
        done.append(1)
        return original(*arguments)

    monkeypatch.setattr(work, "do", interrupted)
    capsys.readouterr()
    assert study(digits, "broken") == 130
    out = capsys.readouterr().out
    assert "interrupted; the same command goes on from here" in out
    assert "Not finished: 1 of 4 trainings" in Path("broken/study.md").read_text()
    first = next(Path("broken").glob(f"*/{work.RESULT}")).stat().st_mtime_ns

    monkeypatch.setattr(work, "do", original)
    assert study(digits, "broken") == 0
    assert numbers("broken") == numbers("whole")
    times = {path.stat().st_mtime_ns for path in Path("broken").glob(f"*/{work.RESULT}")}
    assert first in times  # what was finished is not repeated
    assert "Not finished" not in Path("broken/study.md").read_text()


def test_going_on_after_an_interruption_of_the_measuring_measures_only_the_rest(
    digits: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def measure(network: str, source: object) -> float:
        asked.append(network)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return 1e-3

    monkeypatch.setattr(steps, "seconds_per_image", measure)
    assert study(digits, "s") == 130
    assert "measuring a step of 2 networks on mnist" in capsys.readouterr().out
    assert study(digits, "s") == 0
    assert asked == ["dense", "cnn", "cnn"]


def test_a_full_disk_costs_only_the_training_that_could_not_be_written(
    digits: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Path.write_bytes

    def full_disk(path: Path, content: bytes) -> int:
        if "cnn" in str(path):
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full_disk)
        assert study(digits, "s") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(r"s/mnist-cnn-\S+/best\.safetensors: No space left on device; what is", line)
    assert len(numbers("s")) == 1
    assert study(digits, "s") == 0
    assert len(numbers("s")) == 4


def test_the_weights_of_a_study_are_a_run(digits: Path, capsys: Printed) -> None:
    study(digits, "s", networks="dense")
    (name,) = numbers("s")
    assert main(["evaluate", f"s/{name}"]) == 0
    reached = numbers("s")[name]["accuracy"]
    assert f"accuracy {reached:.2%}" in capsys.readouterr().out


def test_other_options_do_not_go_on_with_a_study(digits: Path, capsys: Printed) -> None:
    study(digits, "s", networks="dense")
    assert study(digits, "s", networks="cnn") == 2
    begun = "--dataset mnist --budget 2.5s --networks dense"
    said = f"s: holds a study with other options; go on with it by `{begun}`"
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--budget", "long"], "budget: a time such as 30m, 2h or 90s, or full; got 'long'"),
        (["--budget", "0m"], "got '0m'"),
        (["--dataset", "mnist,cifar"], "dataset: no 'cifar'; did you mean cifar10?"),
        (["--networks", "dens"], "network: no 'dens'; did you mean dense?"),
    ],
)
def test_what_cannot_be_planned_is_told(options: list[str], said: str, capsys: Printed) -> None:
    assert main(["study", *options]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not Path("runs").exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"tasks": [{"x": 1}]}', '{"data": []}'])
def test_a_damaged_plan_is_told(digits: Path, content: str, capsys: Printed) -> None:
    study(digits, "s", networks="dense")
    Path("s/plan.json").write_text(content)
    assert study(digits, "s", networks="dense") == 2
    assert "s/plan.json: not a plan" in capsys.readouterr().err


def test_a_damaged_result_is_told_and_trained_again(digits: Path, capsys: Printed) -> None:
    study(digits, "s", networks="dense")
    before = numbers("s")
    (path,) = Path("s").glob(f"*/{work.RESULT}")
    result = json.loads(path.read_text())
    del result["flop"]
    path.write_text(json.dumps(result))
    capsys.readouterr()
    assert study(digits, "s", networks="dense") == 0
    out = capsys.readouterr().out
    assert "result.json: damaged (holds no flop); it is trained again" in out
    assert numbers("s") == before


def test_a_study_is_not_finished_on_other_images(
    digits: Path, tmp_path: Path, capsys: Printed
) -> None:
    study(digits, "s", networks="dense")
    (tmp_path / "d").mkdir()
    fewer = EmbeddedMNIST(train=True).subset(slice(0, 150))
    for part in ("train", "t10k"):
        write_idx(tmp_path / "d" / f"{part}-images-idx3-ubyte.gz", fewer.images)
        write_idx(tmp_path / "d" / f"{part}-labels-idx1-ubyte.gz", fewer.labels.astype("uint8"))
    before = numbers("s")
    assert study(tmp_path / "d", "s", networks="dense") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "s: was begun on other images of mnist: 200 + 50 images, checksum " in line
    assert "; now got 150 + 150 images, checksum" in line
    assert str(digits) in line
    assert "--data-dir" in line
    assert numbers("s") == before


def test_the_same_images_elsewhere_are_gone_on_with(digits: Path, tmp_path: Path) -> None:
    study(digits, "s", networks="dense")
    shutil.copytree(digits, tmp_path / "moved")
    assert study(tmp_path / "moved", "s", networks="dense") == 0


def test_other_kernels_or_threads_are_told_and_no_error(
    digits: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    study(digits, "s", networks="dense")
    other = circumstances.Machine("blocked", 77)
    monkeypatch.setattr(circumstances, "machine", lambda: other)
    capsys.readouterr()
    assert study(digits, "s", networks="dense") == 0
    assert "goes on with blocked kernels, 77 threads: the last digits" in capsys.readouterr().out


def test_a_result_says_on_how_many_images_it_was_trained_and_how_it_does_on_them(
    digits: Path,
) -> None:
    study(digits, "s", networks="dense")
    ((result),) = numbers("s").values()
    assert result["trained_on"] == 190
    assert result["train_accuracy"] > result["accuracy"]


def test_an_empty_list_of_data_sets_is_the_default(digits: Path) -> None:
    assert study(digits, "s", "--dataset", "", networks=" dense") == 0
    assert {result["dataset"] for result in numbers("s").values()} == {"mnist"}
