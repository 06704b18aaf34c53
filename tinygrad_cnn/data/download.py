"""Where the files of a data set lie, and fetching those that do not."""

from __future__ import annotations

import os
import sys
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NoReturn
from urllib.parse import urlsplit

from tinygrad_cnn.data.formats.common import StrPath
from tinygrad_cnn.errors import DataError, require
from tinygrad_cnn.files import write_atomic

DATA_VARIABLE = "TINYGRAD_CNN_DATA"
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class IdxSource:
    """A data set in MNIST's four files: its folders, its mirrors, the MD5 sums of its .gz files."""

    title: str
    folder: str
    torchvision: str
    mirrors: tuple[str, ...]
    md5: dict[str, str]
    only_in: str = ""  # what the name of a folder must contain for files that lie there directly

    def folders(self, root: Path) -> Iterator[Path]:
        """The folders below `root` that may hold the files, the surest first."""
        yield root / self.folder
        yield root / self.torchvision / "raw"
        if self.only_in in root.name.lower():
            yield root

    def find(self, name: str, root: Path) -> Path | None:
        """The file `name`, packed or not, with a dash or a dot in it (train-images.idx3-ubyte)."""
        dotted = name.replace("-idx", ".idx")
        names = (f"{name}.gz", name, f"{dotted}.gz", dotted)
        paths = (folder / each for folder in self.folders(root) for each in names)
        return next((path for path in paths if path.is_file()), None)

    def any_in(self, root: Path) -> bool:
        """Whether at least one of the four files is there."""
        return any(self.find(name, root) for name in self.md5)


def idx_pair(
    source: IdxSource, root: StrPath | None, train: bool, download: bool
) -> tuple[Path, Path]:
    """The paths of the images and the labels of one part, downloaded where that is needed."""
    home = data_home(root)
    part = "train" if train else "t10k"
    names = (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte")
    images, labels = (
        source.find(name, home) or _fetch(source, name, home, download) for name in names
    )
    return images, labels


def data_home(root: StrPath | None) -> Path:
    """The folder to search and to fill: the given one, the environment's, else the user's cache."""
    given = root or os.environ.get(DATA_VARIABLE)
    if not given:
        return Path(require("pooch", "train").os_cache("tinygrad-cnn"))
    home = Path(given)
    if not home.is_dir():
        raise DataError(
            f"{home}: no such folder for data (from {'root' if root else DATA_VARIABLE}); "
            f"correct the path, or make the folder to download into it"
        )
    return home


def _fetch(source: IdxSource, name: str, home: Path, download: bool) -> Path:
    """Download one of the four files into its folder."""
    if not download:
        _missing(source, name, home, "not downloaded, since download=False")
    target = home / source.folder / f"{name}.gz"
    try:
        return retrieve(
            [f"{mirror}{name}.gz" for mirror in source.mirrors], source.md5[name], target
        )
    except DataError as error:
        _missing(source, name, home, str(error))


def retrieve(urls: Sequence[str], md5: str, target: Path) -> Path:
    """Download `target` from the first of `urls` that delivers it whole: pooch checks its MD5 sum.

    A file that is there already and has that sum is taken as it is. Raises DataError, with what
    each host answered, where none delivers.
    """
    pooch = require("pooch", "train")
    downloader = pooch.HTTPDownloader(timeout=_TIMEOUT_SECONDS, progressbar=sys.stderr.isatty())
    failures = []
    for url in urls:
        try:
            return Path(
                pooch.retrieve(
                    url=url,
                    known_hash=f"md5:{md5}",
                    fname=target.name,
                    path=target.parent,
                    downloader=downloader,
                )
            )
        except (OSError, ValueError) as error:  # the network and the disk; a checksum that differs
            failures.append(f"{urlsplit(url).hostname}: {_brief(error)}")
    with suppress(OSError):  # pooch made the folder; it goes again unless it holds something
        target.parent.rmdir()
    raise DataError(f"the download failed ({'; '.join(failures)})")


def unpack(archive: Path, names: Sequence[str], folder: Path) -> None:
    """The files of those names out of a .tar.gz, wherever they lie in it, written into `folder`.

    Only names that were asked for are written, and only there, whatever the archive holds.
    """
    folder.mkdir(exist_ok=True)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                if (name := PurePosixPath(member.name).name) in names and member.isreg():
                    content = tar.extractfile(member)
                    assert content is not None  # it is a regular file
                    write_atomic(folder / name, content.read())
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise DataError(
            f"{archive}: not a sound .tar.gz archive ({error}); fetch it again"
        ) from error


def _brief(error: Exception) -> str:
    """One clause: requests' own messages fill five lines with nested causes."""
    if isinstance(error, ValueError) and "hash" in str(error):
        return "damaged, its checksum differs"
    if (response := getattr(error, "response", None)) is not None:
        return f"answers {response.status_code} {response.reason}"
    strerror = getattr(error, "strerror", None)
    return str(strerror) if strerror else type(error).__name__


def _missing(source: IdxSource, name: str, home: Path, why: str) -> NoReturn:
    looked = ", ".join(str(folder) for folder in source.folders(home))
    raise DataError(
        f"{source.title}: {name}.gz is not in {looked}, and {why}; put the four files there, "
        f"or name their folder by --data-dir or {DATA_VARIABLE}"
    )
