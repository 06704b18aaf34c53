from __future__ import annotations

import importlib
import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest

from tinygrad_cnn.bench import apart, networks, peak, run, suites
from tinygrad_cnn.bench.opponents import OURS, LeftOut, Training
from tinygrad_cnn.bench.suites import Session, plan
from tinygrad_cnn.errors import ConfigError, MissingDependencyError


def reasons(session: Session) -> dict[str, str]:
    return {item.side: item.reason for item in session.left_out}


def task(suite: str, case: str) -> suites.Task:
    (found,) = (t for t in plan([suite]) if t.case == case)
    return found


def test_a_side_whose_losses_differ_is_not_timed(library) -> None:
    session = Session([library("ours")], [library("same"), library("other", (2.0, 1.1))], 1, 1)
    task("networks", "3x3").run(session)
    assert {r.side for r in session.results} == {"ours", "same"}
    assert reasons(session)["other"].startswith("its losses 2, 1.1, 1.1")


def test_a_side_that_takes_too_long_is_named_with_its_time(library, monkeypatch) -> None:
    monkeypatch.setattr(suites, "LONGEST_STEP", -1.0)  # whatever it takes
    session = Session([library("ours")], [], 1, 1)
    task("networks", "3x3").run(session)
    assert session.results == []
    assert "a step takes 0 s" in reasons(session)["ours"]


def test_a_slow_side_is_tried_on_one_image_before_a_step_of_minutes_begins(
    library, monkeypatch
) -> None:
    slow = library("slow")
    slow.slow = True
    session = Session([library("ours")], [slow], 1, 1)
    task("networks", "3x3").run(session)
    assert {r.side for r in session.results} == {"ours", "slow"}
    monkeypatch.setattr(suites, "_seconds", lambda work: 0.1)
    images = []
    training = Training(lambda: 1.0, lambda: np.zeros(1))
    slow.training = lambda network, *_: images.append(network.batch) or training
    session = Session([library("ours")], [slow], 1, 1)
    task("networks", "3x3").run(session)  # 64 images, 0.1 s each
    assert images == [1]
    assert "a step would take about 6 s" in reasons(session)["slow"]


def test_another_library_that_fails_costs_its_own_numbers_alone(library) -> None:
    broken = library("broken")
    broken.training = lambda *_: 1 / 0
    session = Session([library("ours")], [broken], 1, 1)
    task("networks", "3x3").run(session)
    assert {r.side for r in session.results} == {"ours"}
    assert reasons(session) == {"broken": "it failed: ZeroDivisionError: division by zero"}
    with pytest.raises(ZeroDivisionError):  # ours must not hide
        task("networks", "3x3").run(Session([broken], [], 1, 1))


def fail() -> None:
    raise RuntimeError("broken")


@pytest.mark.parametrize("suite", ["overhead", "growth"])
def test_another_library_that_fails_at_its_first_call_does_not_end_the_race(
    library, monkeypatch, suite
) -> None:
    monkeypatch.setattr(suites, "SIZES", {"batch": (2,)})
    monkeypatch.setattr(suites.peak, "measure", lambda *_: 1.0)
    broken = library("broken")
    broken.chain = lambda length: fail
    broken.training = lambda *_: Training(fail, fail)
    session = Session([library("ours")], [broken], 1, 1)
    (only,) = plan([suite])
    only.run(session)
    assert {r.side for r in session.results} == {"ours"}
    assert reasons(session) == {"broken": "it failed: RuntimeError: broken"}


def test_another_library_that_fails_later_is_left_out_and_the_others_begin_again(library) -> None:
    calls = itertools.count()

    def fail_at_last() -> float:
        call = next(calls)
        if call > 12:
            raise RuntimeError("out of memory\nsecond line")
        return 1.0 if call else 2.0

    broken = library("broken")
    broken.training = lambda *_: Training(fail_at_last, fail_at_last)
    session = Session([library("ours")], [broken, library("other")], 1, 3)
    task("networks", "3x3").run(session)
    assert {r.side for r in session.results} == {"ours", "other"}
    assert set(reasons(session).values()) == {"it failed: RuntimeError: out of memory"}


def test_where_memory_cannot_be_measured_the_times_of_growth_remain(library, monkeypatch) -> None:
    monkeypatch.setattr(suites, "SIZES", {"batch": (2, 4)})
    monkeypatch.setattr(peak, "STATUS", Path("no/such/file"))
    session = Session([library("ours")], [], 1, 1)
    task("growth", "batch").run(session)
    assert [r.what for r in session.results] == ["training", "training"]
    assert "which only Linux has" in reasons(session)["ours"]


def test_a_module_that_cannot_be_imported_is_named_and_one_that_prints_is_timed(
    monkeypatch, tmp_path
) -> None:
    (tmp_path / "broken.py").write_text("raise OSError('no such library')")
    (tmp_path / "loud.py").write_text(
        "print('hello', end='')\nimport atexit\natexit.register(print)"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(suites, "IMPORTED", ("broken", "loud"))
    session = Session([], [], 1, 2)
    task("imports", "import").run(session)
    (loud,) = session.results
    assert loud.side == "loud"
    assert len(loud.values) == 2
    assert 0 < max(loud.values) < 1
    assert reasons(session) == {"broken": "it failed: OSError: no such library"}


def test_tiers_of_which_none_can_run_are_refused_before_anything_is_measured(monkeypatch) -> None:
    monkeypatch.setattr("tinygrad_cnn.bench.opponents.ours.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="compiled: Numba is not installed"):
        run(tiers=["compiled"])


def test_a_library_without_metadata_has_a_version_that_is_not_known(library) -> None:
    nameless = library("nameless")
    nameless.package = "no-such-distribution"
    assert nameless.version() == "of unknown version"


def test_a_side_that_cannot_is_named_and_the_others_go_on(library) -> None:
    session = Session([OURS[-1]], [library("other")], 1, 1)
    task("convolutions", str(suites.CONVOLUTIONS[1])).run(session)
    assert [r.side for r in session.results] == [OURS[-1].name]
    assert reasons(session) == {"other": "it has none"}


def test_the_plan_holds_every_suite_and_every_network() -> None:
    assert {t.suite for t in plan()} == {*suites.SUITES}
    assert {t.case for t in plan(["networks"])} == {*networks.NETWORKS}


def test_what_is_not_installed_is_named_with_the_command_that_installs_it(monkeypatch) -> None:
    monkeypatch.setattr("tinygrad_cnn.bench.opponents.base.util.find_spec", lambda name: None)
    monkeypatch.setattr(importlib.import_module("tinygrad_cnn.bench.run"), "plan", lambda only: [])
    report = run(tiers=["reference"], quick=True, threads=1)
    absent = {item.side: item.reason for item in report.left_out}
    assert absent["PyTorch eager"] == "not installed (pip install torch)"
    assert set(report.versions) == {"tinygrad_cnn reference"}


@pytest.mark.parametrize(
    ("options", "words"),
    [({"only": ["nets"]}, "no suite and no network 'nets'"), ({"tiers": ["fast"]}, "got fast")],
)
def test_what_does_not_exist_is_refused_before_anything_is_measured(options, words) -> None:
    with pytest.raises(ConfigError, match=words):
        run(**options)


def test_the_peak_of_a_step_grows_with_the_batch() -> None:
    pytest.importorskip("threadpoolctl")
    if not peak.STATUS.exists():
        pytest.skip("reads /proc")
    small, large = (peak.measure("tinygrad_cnn blocked", f"batch={n}", 1) for n in (64, 512))
    assert 2**20 < small < large / 2


def test_a_side_that_cannot_train_the_network_has_no_peak() -> None:
    pytest.importorskip("autograd")
    with pytest.raises(LeftOut, match="no batch normalization"):
        peak.measure("autograd", "resnet20", 1)


def test_a_process_apart_has_the_variables_that_it_is_given(monkeypatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    machine = apart.call("tinygrad_cnn.bench.machine", variables={"TINYGRAD_CNN_THREADS": "3"})
    assert machine["threads"] == 3
    assert json.loads(json.dumps(machine["variables"])) == {
        **machine["variables"],
        "OPENBLAS_NUM_THREADS": "1",
        "TINYGRAD_CNN_THREADS": "3",
    }
