"""The command as a process of its own: signals, pipes, exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tinygrad_cnn.train import checkpoint

COMMAND = [sys.executable, "-m", "tinygrad_cnn"]
REPOSITORY = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}

posix = pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        preexec_fn=heed_ctrl_c if os.name == "posix" else None,
    )


def heed_ctrl_c() -> None:
    """A shell starts background jobs deaf to SIGINT, and their children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@posix
def test_ctrl_c_writes_what_was_reached_and_exits_130(digits: Path) -> None:
    with start(
        "train", "--epochs=9999", "--set", "patience=9999", f"--data-dir={digits}"
    ) as process:
        assert process.stdout
        for line in process.stdout:
            if line.startswith("  2/9999"):
                process.send_signal(signal.SIGINT)
                break
        out, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "Interrupted after" in out
    folder = Path("runs/mnist-leaky-1")
    assert len((folder / "log.csv").read_text().splitlines()) >= 3
    assert "**Interrupted after" in (folder / "report.md").read_text()
    assert "test_accuracy" in checkpoint.load(folder / "best.safetensors").metrics
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_an_error_is_one_line_without_a_traceback() -> None:
    with start("evaluate", "no/such/run") as process:
        out, err = process.communicate(timeout=300)
    assert process.returncode == 2
    assert out == ""
    assert err == "tinygrad-cnn: no/such/run: no such run; `train` writes one below runs/\n"


@posix
def test_a_reader_that_leaves_is_no_error() -> None:
    with start("data") as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        assert process.stderr.read() == ""
        assert process.wait(60) == 0


def test_two_processes_with_one_seed_give_the_same_bits(digits: Path) -> None:
    arguments = ["train", "--quiet", "--epochs=1", f"--data-dir={digits}"]
    both = [start(*arguments) for _ in range(2)]  # at once: they must also not share a run folder
    for process in both:
        with process:
            _, err = process.communicate(timeout=300)
            assert process.returncode == 0, err
    a, b = (checkpoint.load(f"runs/mnist-leaky-{n}/best.safetensors").weights for n in (1, 2))
    assert all(a[name].tobytes() == b[name].tobytes() for name in a)


@posix
def test_ctrl_c_before_anything_is_imported_shows_no_traceback() -> None:
    # As if it came in the midst of the imports: a module that every command needs raises it.
    interrupt = (
        "import builtins, sys, _tinygrad_cnn_command\n"
        "original = builtins.__import__\n"
        "def importing(name, *rest):\n"
        "    if name == 'numpy':\n"
        "        raise KeyboardInterrupt\n"
        "    return original(name, *rest)\n"
        "builtins.__import__ = importing\n"
        "sys.exit(_tinygrad_cnn_command.main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", interrupt],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@posix
def test_a_second_ctrl_c_does_not_cost_the_report(digits: Path) -> None:
    endless = ["--epochs=9999", "--set", "patience=9999", f"--data-dir={digits}"]
    with start("train", *endless) as process:
        assert process.stdout
        assert process.stderr
        for line in process.stdout:
            if line.startswith("  2/9999"):
                process.send_signal(signal.SIGINT)
                break
        while process.poll() is None and not Path("runs/mnist-leaky-1/summary.json").exists():
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)  # while the pictures are drawn
        _, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "data:image/png" in Path("runs/mnist-leaky-1/report.html").read_text()
