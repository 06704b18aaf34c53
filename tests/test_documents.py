"""What the documents say is so: snippets run, links lead somewhere, make targets exist."""

from __future__ import annotations

import doctest
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tinygrad_cnn.cli.parser import parse

ROOT = Path(__file__).parents[1]
PAGES = [
    path
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    )
    if "_build" not in path.parts
]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, *languages: str) -> Iterator[tuple[int, str, str]]:
    """(line, language, text) of each fenced block in one of the languages."""
    text = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        if match[1] in languages:
            yield text.count("\n", 0, match.start()) + 2, match[1], match[2]


def run_python(source: str, page: Path, line: int, names: dict[str, Any]) -> None:
    # Blank lines in front make a traceback name the line of the page.
    exec(compile("\n" * (line - 1) + source, str(page), "exec"), names)


def run_session(source: str, page: Path, line: int, names: dict[str, Any]) -> None:
    session = doctest.DocTestParser().get_doctest(source, names, name_of(page), str(page), line - 1)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    runner.run(session, out=report.append, clear_globs=False)
    names.update(session.globs)
    assert not report, "".join(report)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_snippet_of_the_page_runs_and_prints_what_the_page_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__page__"}
    for line, language, source in blocks(page, "python", "pycon"):
        (run_session if language == "pycon" else run_python)(source, page, line, names)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_of_the_page_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", FENCE.sub("", page.read_text(encoding="utf-8")))
    dead = [
        link
        for link in links
        if not re.match(r"[a-z]+:", link) and not (page.parent / link).exists()
    ]
    assert not dead


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_make_target_that_the_page_names_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    commands = [*re.findall(r"`(make [^`\n]*)`", text)]
    for _, _, block in blocks(page, "sh", "console", "text"):
        commands += re.findall(r"^(make .*?)(?:\s+#.*)?$", block, re.MULTILINE)
    named = {word for c in commands for word in c.split()[1:2] if re.fullmatch(r"[a-z-]+", word)}
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_command_line_takes_every_command_that_the_page_shows(page: Path) -> None:
    for _, _, block in blocks(page, "sh", "console"):
        for command in re.findall(r"^tinygrad-cnn (.*)$", block, re.MULTILINE):
            parse(shlex.split(command, comments=True))  # raises ConfigError, naming the option
