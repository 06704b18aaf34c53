"""What a user installs: the wheel, and what make does on a machine that it has not seen."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BESIDE = {"_tinygrad_cnn_command.py", "_tinygrad_cnn_pytest.py"}  # modules beside the package


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy, since setuptools litters the folder that it builds in."""
    pytest.importorskip("setuptools", minversion="77", reason="setuptools (extra `dev`) is absent")
    source = tmp_path_factory.mktemp("source")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", *BESIDE):
        shutil.copy(ROOT / name, source)
    shutil.copytree(
        ROOT / "tinygrad_cnn", source / "tinygrad_cnn", ignore=shutil.ignore_patterns("__pycache__")
    )
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index")
    run(*pip, "--no-build-isolation", "--wheel-dir", source / "dist", ".", cwd=source)
    (built,) = (source / "dist").glob("*.whl")
    return built


def test_the_wheel_carries_the_types_the_licence_and_the_embedded_digits(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "tinygrad_cnn/py.typed" in names
    assert set(names) >= BESIDE
    assert any(name.endswith("/LICENSE") for name in names)
    embedded = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tinygrad_cnn" / "data" / "embedded").iterdir()
        if path.is_file()
    }
    assert embedded
    assert embedded <= set(names)


def test_the_wheel_carries_every_module_and_no_test(wheel: Path) -> None:
    packed = {n for n in zipfile.ZipFile(wheel).namelist() if n.endswith(".py")}
    package = {p.relative_to(ROOT).as_posix() for p in (ROOT / "tinygrad_cnn").rglob("*.py")}
    assert packed == package | BESIDE


def test_the_wheel_needs_numpy_alone(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (path,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
    metadata = Parser().parsestr(archive.read(path).decode())
    needs = [r for r in metadata.get_all("Requires-Dist", []) if "extra ==" not in r]
    assert needs == ["numpy>=2.0"]


def test_the_installed_wheel_reads_its_digits_far_from_the_sources(
    wheel: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index")
    run(*pip, "--target", site, wheel, cwd=tmp_path)
    code = (
        "import tinygrad_cnn, tinygrad_cnn.data as data;"
        "print(tinygrad_cnn.__file__); print(data.EmbeddedMNIST(train=False).images.shape)"
    )
    out = run(sys.executable, "-c", code, cwd=tmp_path, env={"PYTHONPATH": str(site)})
    assert out.splitlines() == [str(site / "tinygrad_cnn" / "__init__.py"), "(2000, 28, 28)"]


def test_the_version_is_told_once() -> None:
    tinygrad_cnn = pytest.importorskip("tinygrad_cnn")
    try:
        installed = importlib.metadata.version("tinygrad-cnn")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package is run from its sources, uninstalled")
    assert tinygrad_cnn.__version__ == installed


# -- make, on a machine that it has not seen ------------------------------------------------------

needs_make = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")


def fake(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def bare_machine(tmp_path: Path) -> Path:
    """A folder to be the whole PATH, holding the few programs that make calls, and no Python."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "make", "head", "echo", "test", "rm", "touch", "awk"):
        where = shutil.which(name)
        assert where
        (programs / name).symlink_to(where)
    return programs


def make(programs: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [programs / "make", f"VENV={programs.parent / 'venv'}", *arguments],
        cwd=ROOT,
        env={"PATH": str(programs)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@needs_make
def test_make_alone_lists_the_targets(bare_machine: Path) -> None:
    done = make(bare_machine)
    assert done.returncode == 0, done.stderr
    assert "make train" in done.stdout
    assert "make test" in done.stdout


@needs_make
def test_without_a_new_python_make_says_which_is_needed_and_how_to_get_it(
    bare_machine: Path,
) -> None:
    fake(
        bare_machine, "python3", 'case "$1" in --version) echo "Python 3.9.2" ;; *) exit 1 ;; esac'
    )
    done = make(bare_machine, "test")
    assert done.returncode == 2
    assert "Python 3.11 or newer is needed" in done.stderr
    assert "Python 3.9.2" in done.stderr
    assert "apt install" in done.stderr


@needs_make
def test_an_old_python3_is_passed_over_for_a_newer_one_by_its_own_name(bare_machine: Path) -> None:
    fake(bare_machine, "python3", "exit 1")
    fake(
        bare_machine,
        "python3.12",
        'case "$1" in -c) exit 0 ;; *) echo "called $*" >&2; exit 1 ;; esac',
    )
    done = make(bare_machine, "test")
    assert "called -m venv" in done.stderr


@needs_make
def test_without_the_venv_module_make_names_the_package_that_brings_it(bare_machine: Path) -> None:
    fake(bare_machine, "python3", 'case "$1" in -c) exit 0 ;; *) exit 1 ;; esac')
    done = make(bare_machine, "test")
    assert done.returncode == 2
    assert "apt install python3-venv" in done.stderr
