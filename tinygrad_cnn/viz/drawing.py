"""DOT to SVG, PNG or PDF, by a program that reads it from a pipe: no shell, no temporary files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig

from tinygrad_cnn.errors import ConfigError, GraphError, MissingDependencyError

ENGINES = ("dot", "graphviz-pure")
DPI = 144


def draw(dot: str, form: str, engine: str = "auto") -> bytes:
    """`dot` in the format "svg", "png" or "pdf".

    engine: "dot" (Graphviz's own program), "graphviz-pure", or "auto": the first that is installed.
    The second writes the same bytes on every machine; the first measures text with local fonts.
    """
    program = find(engine, form)
    options = [f"-Gdpi={DPI}"] if form == "png" else []
    done = subprocess.run(
        [program, f"-T{form}", *options], input=dot.encode(), capture_output=True, check=False
    )
    if done.returncode or not done.stdout:
        told = done.stderr.decode(errors="replace").strip().splitlines()
        raise GraphError(f"{os.path.basename(program)}: {told[0] if told else 'drew nothing'}")
    return done.stdout


def find(engine: str, form: str = "svg") -> str:
    """The path of the program that draws."""
    if engine not in ("auto", *ENGINES):
        raise ConfigError(f"engine: one of auto, {', '.join(ENGINES)}; got {engine!r}")
    wanted: tuple[str, ...] = ENGINES if engine == "auto" else (engine,)
    if form == "pdf" and engine == "graphviz-pure":
        raise ConfigError("graphviz-pure writes no PDF: engine='dot' does, or save as .svg or .png")
    if form == "pdf":
        wanted = tuple(e for e in wanted if e == "dot")
    for name in wanted:
        # Beside this Python first: a virtual environment need not be activated.
        found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
        if found:
            return found
    if form == "pdf":
        raise MissingDependencyError(
            "PDF is written by Graphviz's own program `dot`, which is not installed here: install "
            "the system package graphviz, or save as .svg or .png"
        )
    raise MissingDependencyError(
        f"no program that draws graphs was found (looked for {' and '.join(wanted)}); "
        "`pip install 'tinygrad-cnn[viz]'` brings graphviz-pure, which needs no system package. "
        "to_dot(), to_json() and to_text() work without it"
    )
