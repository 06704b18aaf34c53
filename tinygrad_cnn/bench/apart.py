"""A function in a process of its own: fresh memory, another environment, no limits of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from tinygrad_cnn.errors import TinygradError

CODE = """
import importlib, json, sys
module, arguments = json.loads(sys.argv[1])
print(json.dumps(importlib.import_module(module).main(*arguments)))
"""


class ApartError(TinygradError):
    """The process failed; the message is that of its last exception."""


def call(module: str, *arguments: object, variables: Mapping[str, str] | None = None) -> Any:
    """`module.main(*arguments)`, carried back as JSON; `variables` are set in its environment.

    >>> call("math_of_nobody")
    Traceback (most recent call last):
    tinygrad_cnn.bench.apart.ApartError: No module named 'math_of_nobody'
    """
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps([module, arguments])],
        env={**os.environ, **(variables or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        kind, _, message = last.partition(": ")
        raise ApartError(message or kind)
    return json.loads(done.stdout.splitlines()[-1])
