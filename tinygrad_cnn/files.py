"""Files are whole or absent: written under a temporary name beside the target, then renamed."""

from __future__ import annotations

import os
import secrets
from errno import ENOENT
from pathlib import Path


def write_atomic(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Write `content` to `path` so that a reader never sees half of it.

    Whatever fails on the way (a full disk, Ctrl-C) leaves the old file as it was and no temporary
    one behind. Text is written as UTF-8. The folder must exist: a rename is atomic only inside one
    file system, so the temporary file lies beside its target.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomic(Path(folder) / "a.txt", "whole")
    ...     Path(folder, "a.txt").read_text()
    'whole'
    """
    target = Path(path)
    data = content.encode() if isinstance(content, str) else content
    if not target.parent.is_dir():
        raise FileNotFoundError(ENOENT, "no such folder to write into; make it", str(target.parent))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(target)  # write says none, and replace the temporary one's
            error.filename2 = None
        raise
