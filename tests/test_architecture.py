"""What holds of the package as a whole: who imports whom, and what is public."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import tinygrad_cnn

ROOT = Path(__file__).parents[1]
FACES = [
    "tinygrad_cnn",
    *(f"tinygrad_cnn.{m.name}" for m in pkgutil.iter_modules(tinygrad_cnn.__path__) if m.ispkg),
]
"""The modules whose `__all__` is a promise to users."""


def in_a_fresh_interpreter(code: str) -> str:
    # Not one of pytest-xdist's processes, which plugins treat in their own way.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_XDIST")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_imports_point_downward_only(capsys: pytest.CaptureFixture[str]) -> None:
    cli = pytest.importorskip("importlinter.cli", reason="import-linter (extra `dev`) is absent")
    broken = cli.lint_imports(config_filename=str(ROOT / "setup.cfg"), no_cache=True, no_logo=True)
    assert not broken, capsys.readouterr().out


def test_nothing_below_train_imports_the_package_by_its_root() -> None:
    # `import tinygrad_cnn as tg` below the surface would reach every layer at once, unseen by the
    # rule above, which knows layers and not names.
    grimp = pytest.importorskip("grimp", reason="import-linter (extra `dev`) is absent")
    graph = grimp.build_graph("tinygrad_cnn", cache_dir=None)
    importers = graph.find_modules_that_directly_import("tinygrad_cnn")
    top = ("tinygrad_cnn.train", "tinygrad_cnn.bench", "tinygrad_cnn.cli", "tinygrad_cnn.__main__")
    assert not {module for module in importers if not module.startswith(top)}


def test_importing_the_package_imports_nothing_but_numpy_and_the_standard_library() -> None:
    new = json.loads(
        in_a_fresh_interpreter(
            "import json, sys; before = set(sys.modules); import tinygrad_cnn;"
            "print(json.dumps([m for m in sys.modules if m not in before]))"
        )
    )
    tops = {module.partition(".")[0] for module in new}
    assert tops - sys.stdlib_module_names - {"numpy", "tinygrad_cnn"} == set()


WITHOUT_EXTRAS = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"PIL", "autograd", "graphviz", "graphviz_pure",
            "hypothesis", "jax", "llvmlite", "matplotlib", "mygrad", "numba", "pooch", "pytest",
            "safetensors", "scipy", "sklearn", "threadpoolctl", "tqdm", "torch"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""


def test_a_cnn_takes_a_training_step_with_no_extra_installed() -> None:
    code = WITHOUT_EXTRAS + (
        "import numpy as np\n"
        "import tinygrad_cnn as tg\n"
        "from tinygrad_cnn import nn, optim\n"
        "from tinygrad_cnn.nn import functional as F\n"
        "net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3))\n"
        "sgd = optim.SGD(net.parameters(), lr=0.1)\n"
        "x = np.ones((4, 1, 8, 8), np.float32)\n"
        "F.cross_entropy(net(tg.Tensor(x)), np.array([0, 1, 2, 0])).backward()\n"
        "sgd.step()\n"
    )
    in_a_fresh_interpreter(code)


@pytest.mark.parametrize("module", ["data", "models", "train", "viz", "bench", "cli"])
def test_a_part_with_extras_imports_without_them(module: str) -> None:
    in_a_fresh_interpreter(WITHOUT_EXTRAS + f"import tinygrad_cnn.{module}\n")


def test_every_test_can_be_collected_without_pytorch() -> None:
    in_a_fresh_interpreter(
        "import sys; sys.modules['torch'] = None; import pytest;"  # None: an import fails
        "sys.exit(pytest.main(['--collect-only', '-qq']))"
    )


@pytest.mark.parametrize("face", FACES)
def test_what_a_module_lists_as_public_exists_is_listed_once_and_has_a_docstring(face: str) -> None:
    module = importlib.import_module(face)
    names = list(module.__all__)
    assert len(names) == len(set(names))
    missing = [name for name in names if not hasattr(module, name)]
    assert not missing
    silent = [
        name
        for name in names
        if (inspect.isroutine(thing := getattr(module, name)) or inspect.isclass(thing))
        and not (thing.__doc__ or "").strip()
    ]
    assert not silent


@pytest.mark.parametrize("face", ["tinygrad_cnn", "tinygrad_cnn.nn", "tinygrad_cnn.optim"])
def test_what_a_face_of_the_library_gathers_from_below_it_also_lists(face: str) -> None:
    module = importlib.import_module(face)
    unlisted = [
        name
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and name not in module.__all__
        and not isinstance(thing, ModuleType)
        and getattr(thing, "__module__", "").startswith("tinygrad_cnn")
        and thing.__module__ != module.__name__
    ]
    assert not unlisted


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        info.name
        for info in pkgutil.walk_packages(tinygrad_cnn.__path__, "tinygrad_cnn.")
        if not info.name.endswith("__main__") and not importlib.import_module(info.name).__doc__
    ]
    assert not silent
