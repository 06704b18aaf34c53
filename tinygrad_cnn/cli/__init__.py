"""The command `tinygrad-cnn`; its subcommands are the modules beside this one.

Exit codes: 0 done; 2 something that the user can mend, told in one line on stderr; 130 Ctrl-C.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

from tinygrad_cnn.cli.parser import parse
from tinygrad_cnn.errors import TinygradError
from tinygrad_cnn.kernels import compiling, one_blas_thread

__all__ = ["main"]

USER_ERROR, INTERRUPTED = 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    >>> main(["data", "--data-dir", "nowhere"])
    2
    """
    try:
        arguments = parse(argv)
        with one_blas_thread(), compiling.announced(_CompilingTold()):
            arguments.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has gone (`| head`): nothing to complain of
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (TinygradError, OSError, MemoryError) as error:
        print(f"tinygrad-cnn: {_one_line(error)}", file=sys.stderr)
        return USER_ERROR
    return 0


class _CompilingTold:
    """Says once, on a terminal, why the first step takes so long."""

    def __init__(self) -> None:
        self.said = not sys.stderr.isatty()

    def __call__(self, folder: str) -> None:
        if not self.said:
            self.said = True
            kept = f"once; they are cached in {folder}" if folder else "there is no place to cache"
            sys.stderr.write(f"\r\033[Kcompiling kernels ({kept})\n")  # over a progress bar


def _one_line(error: Exception) -> str:
    if isinstance(error, MemoryError):
        wanted = f" ({error})" if str(error) else ""
        return f"out of memory{wanted}; make the network, the batches or the pictures smaller"
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        full = "; what is written stays: make room, and repeat the command"
        return f"{place}{error.strerror}{full if error.errno == errno.ENOSPC else ''}"
    return " ".join(str(error).split()) or type(error).__name__
