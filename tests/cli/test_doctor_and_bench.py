"""`doctor` and `bench`: what they print, what they leave behind, what they refuse."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tinygrad_cnn.bench import Report, machine, remedies, suites
from tinygrad_cnn.bench.machine import Blas, Machine
from tinygrad_cnn.cli import main

pytest.importorskip("tqdm")
Printed = pytest.CaptureFixture[str]
HERE = Machine(
    processor="A processor",
    vectors="AVX-512",
    cores=4,
    threads=4,
    limit=None,
    memory_gib=8.0,
    system="Linux",
    python="3.13",
    numpy="2.4",
    tinygrad_cnn="0.1",
    tier="compiled",
    blas=(Blas("openblas", "0.3", "Haswell", 4),),
    variables={},
)


class TestDoctor:
    @pytest.fixture(autouse=True)
    def _machine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A machine on which Haswell's kernels are slow, and nothing else matters."""

        def probe(variables: Mapping[str, str]) -> dict[str, float]:
            slow = variables.get("OPENBLAS_CORETYPE") != "SkylakeX"
            return dict.fromkeys(remedies.WORKS, 0.02 if slow else 0.01)

        monkeypatch.setattr(machine, "of_a_program", lambda: HERE)
        monkeypatch.setattr(remedies, "_probe", probe)
        faster = remedies.Remedy({"OPENBLAS_CORETYPE": "SkylakeX"}, "OpenBLAS for SkylakeX")
        other = remedies.Remedy({"MALLOC_TRIM_THRESHOLD_": "1"}, "malloc keeps memory")
        monkeypatch.setattr(remedies, "candidates", lambda: [faster, other])

    def test_says_what_runs_and_recommends_what_was_measured_to_be_faster(
        self, capsys: Printed
    ) -> None:
        assert main(["doctor", "--rounds=1"]) == 0
        out = capsys.readouterr().out
        assert "✓ BLAS       openblas 0.3, kernels for Haswell, 4 threads" in out
        assert re.search(r"^as it is +107 GFLOP/s +20.0 ms", out, re.MULTILINE)
        assert re.search(r"^OpenBLAS for SkylakeX +x 2.00 +x 2.00 +x 2.00$", out, re.MULTILINE)
        assert "    export OPENBLAS_CORETYPE=SkylakeX\n" in out
        assert max(map(len, out.splitlines())) <= 80

    def test_measures_nothing_when_asked_not_to(self, capsys: Printed) -> None:
        assert main(["doctor", "--no-try"]) == 0
        assert "GFLOP" not in capsys.readouterr().out

    def test_gives_json(self, capsys: Printed) -> None:
        assert main(["doctor", "--json", "--rounds=1"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["machine"]["processor"] == "A processor"
        assert found["recommended"] == {"OPENBLAS_CORETYPE": "SkylakeX"}
        assert [tried["pays"] for tried in found["tried"]] == [True, False]

    def test_names_the_command_where_numba_is_missing(
        self, capsys: Printed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(machine, "version_of", lambda package: "")
        assert main(["doctor", "--no-try"]) == 0
        assert "! kernels" in (out := capsys.readouterr().out)
        assert "pip install 'tinygrad-cnn[fast]'" in out

    def test_warns_where_the_container_grants_less_than_the_threads_take(
        self, capsys: Printed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        small = Machine(**{**vars(HERE), "limit": 1.5})
        monkeypatch.setattr(machine, "of_a_program", lambda: small)
        main(["doctor", "--no-try"])
        assert "! cores      4 to use, 4 threads of our own, but this container grants 1.5" in (
            capsys.readouterr().out
        )

    def test_refuses_no_rounds(self, capsys: Printed) -> None:
        assert main(["doctor", "--rounds=0"]) == 2
        assert "rounds: a whole number from 1 up; got 0" in capsys.readouterr().err


class TestBench:
    def test_prints_and_writes_what_it_measured(self, capsys: Printed) -> None:
        command = ["bench", "--quick", "--only=overhead", "--tier=blocked", "--json=numbers.json"]
        assert main(command) == 0
        out = capsys.readouterr().out
        assert re.search(r"^tinygrad_cnn blocked +\d+\.\d\d", out, re.MULTILINE)
        assert out.splitlines()[-1] == "numbers.json"
        report = Report.from_json(Path("numbers.json").read_text())
        assert {result.suite for result in report.results} == {"overhead"}
        assert "tinygrad_cnn compiled" not in report.versions

    @pytest.mark.parametrize(
        ("option", "words"),
        [
            ("--only=all", "no suite and no network 'all'"),
            ("--tier=fast", "got fast"),
            ("--threads=4096", "threads: from 1 to the"),
            ("--minutes=0", "minutes: a number above 0; got 0"),
            ("--json=no/such/folder/a.json", "no such folder"),
            ("--json=.", ".: a folder; name a file in it"),
            ("--plot=.", ".: a folder; name a file in it"),
            ("--plot=ratios.txt", "ratios.txt: the plot is a PNG; let its name end in .png"),
        ],
    )
    def test_refuses_what_it_cannot_do_before_it_measures(
        self, capsys: Printed, option: str, words: str
    ) -> None:
        assert main(["bench", option]) == 2
        assert words in capsys.readouterr().err

    def test_refuses_a_plot_of_no_networks(self, capsys: Printed) -> None:
        pytest.importorskip("matplotlib")
        assert main(["bench", "--only=overhead", "--plot=ratios.png"]) == 2
        assert "--only names none" in capsys.readouterr().err

    def test_writes_what_was_finished_when_it_was_interrupted(
        self, capsys: Printed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(session: suites.Session) -> None:
            session.results.append(suites.Result("imports", "import", "import", "half", [1.0]))
            raise KeyboardInterrupt

        monkeypatch.setattr(suites, "_imports", interrupt)
        command = ["bench", "--quick", "--only=overhead,imports", "--tier=blocked", "--json=a.json"]
        assert main(command) == 130
        report = Report.from_json(Path("a.json").read_text())
        assert {result.suite for result in report.results} == {"overhead"}
        assert report.missing == ["imports import"]
        assert "interrupted; not measured\n  imports import\n" in capsys.readouterr().out
