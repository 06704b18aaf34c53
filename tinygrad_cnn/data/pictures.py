"""Image files as people have them: any size and mode, photographs and drawings."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.data.datasets import ArrayDataset
from tinygrad_cnn.data.formats.common import StrPath
from tinygrad_cnn.errors import DataError, require

Part = tuple[float, float, float, float]

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")


class ImageFolder(ArrayDataset):
    """Pictures in one folder for each class, which has the folder's name: root/cat/anything.jpg.

    Each is opened as `open_picture` does it, cut to the square in its middle and scaled to
    `size` x `size`; images are uint8 (N, 3, size, size). Classes are taken in the order of their
    names, pictures as `pictures_in` does it. Raises DataError for a folder without classes or
    pictures, and for a picture that cannot be read.
    """

    def __init__(self, root: StrPath, size: int = 32) -> None:
        folders = sorted(p for p in Path(root).iterdir() if p.is_dir()) if _is_dir(root) else []
        paths = [(path, i) for i, folder in enumerate(folders) for path in pictures_in(folder)]
        if not paths:
            raise DataError(
                f"{os.fspath(root)}: holds no folders with pictures; "
                f"make one for each class and put its pictures there ({', '.join(SUFFIXES)})"
            )
        images = np.stack([square(open_picture(path), size) for path, _ in paths])
        labels = [i for _, i in paths]
        classes = [folder.name for folder in folders]
        super().__init__(images, labels, classes, os.fspath(root))


def pictures_in(folder: StrPath) -> list[Path]:
    """The image files directly in `folder`, told by their suffixes; 2.png before 10.png."""
    found = (p for p in Path(folder).iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    return sorted((p for p in found if not p.name.startswith(".")), key=_natural)


def _natural(path: Path) -> list[tuple[str, int]]:
    """The name cut before its numbers, which count as numbers: what people sort by."""
    return [
        (word, int(number or 0)) for word, number in re.findall(r"([^0-9]*)([0-9]*)", path.name)
    ]


def expand(paths: Iterable[StrPath], but: str = "") -> list[Path]:
    """Each folder replaced by the pictures in it; a DataError for a folder without any.

    Pictures titled `but` are left out: what a program drew there the last time.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        found = pictures_in(path) if path.is_dir() else [path]
        files += found or _none(path)
    own = [file for file in files if not but or title_of(file) != but]
    if not own:
        raise DataError(f"{files[0]}: drawn by this command; give a picture of your own")
    return own


def _none(folder: Path) -> NoReturn:
    """Complain that a folder holds no pictures, and say where there are some."""
    inside = [sub for sub in sorted(folder.iterdir()) if sub.is_dir() and pictures_in(sub)]
    remedy = "give another folder or a file"
    if inside:
        more = " …" if inside[3:] else ""
        remedy = f"its sub-folders do: give {' '.join(map(str, inside[:3]))}{more}"
    raise DataError(f"{folder}: holds no pictures ({', '.join(SUFFIXES)}); {remedy}")


def open_picture(
    path: StrPath, side: int | None = None, part: Part | None = None
) -> NDArray[np.uint8]:
    """The picture as bytes (H, W, 3), upright, its longer side scaled down to `side` if given.

    Or a part of it: (left, top, right, bottom) as shares of its width and height.

    Turned as its camera says (EXIF); sixteen bits become eight; transparent parts are white, or
    black where that leaves nothing to see; of several frames, the first.

    Raises:
        DataError: no image that Pillow can read, a damaged one, one of so many pixels that
            unpacking it would fill the memory, or no regular file.
        FileNotFoundError: there is no such file.
    """
    Image = require("PIL.Image", "train")
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe would be waited for
        raise DataError(f"{os.fspath(path)}: no regular file; save the picture, and give its name")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata hurt nobody
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if side and not part:
                    image.draft(None, (2 * side, 2 * side))  # JPEG unpacks a half or less itself
                whole = _eight_bits(image)
                picture = _opaque(_cut(whole, part) if part else whole, side)
    except FileNotFoundError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise DataError(
            f"{os.fspath(path)}: too large to be unpacked safely ({error}); scale it down first"
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        raise DataError(
            f"{os.fspath(path)}: not an image that can be read ({_brief(error)}); "
            "give a PNG or JPEG file"
        ) from error
    return picture


def title_of(path: StrPath) -> str | None:
    """What the file says that it shows; None where it says nothing, or cannot be read."""
    Image = require("PIL.Image", "train")
    if not Path(path).is_file():
        return None
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            title: str | None = image.info.get("Title")
            return title
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def thumbnail(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """(H, W, 3) scaled to fit into side x side, centred there on a ground of its border's shade."""
    Image = require("PIL.Image", "train")
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    canvas = Image.new("RGB", (side, side), tuple(map(int, np.median(border, axis=0))))
    image = require("PIL.ImageOps", "train").contain(Image.fromarray(picture), (side, side))
    canvas.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return np.asarray(canvas)


def _eight_bits(image: Any) -> Any:
    """Whole numbers of 16 and 32 bits and floats scaled into a byte; Pillow would cut them off."""
    Image = require("PIL.Image", "train")
    turned = require("PIL.ImageOps", "train").exif_transpose(image)
    if not turned.mode.startswith(("I", "F")):
        return turned
    values = np.nan_to_num(np.asarray(turned, np.float64), posinf=0.0, neginf=0.0)
    white = next((w for w in (1, 255, 65535) if values.max() <= w), values.max())
    white = 255 if turned.mode != "F" and white == 1 else white
    return Image.fromarray((np.clip(values / white, 0, 1) * 255).astype(np.uint8))


def _cut(image: Any, part: Part) -> Any:
    """The part in whole pixels, one at least."""
    size = np.array([image.width, image.height])
    start = np.clip(np.floor(part[:2] * size), 0, size - 1)
    stop = np.clip(np.ceil(part[2:] * size), start + 1, size)
    return image.crop(tuple(np.concatenate([start, stop]).astype(int).tolist()))


def _opaque(image: Any, side: int | None) -> NDArray[np.uint8]:
    """(H, W, 3), the longer side at most `side`, the transparent parts filled."""
    Image = require("PIL.Image", "train")
    colour = image.convert("RGBA")
    if side and max(colour.size) > side:
        scale = side / max(colour.size)
        size = tuple(max(round(scale * length), 1) for length in colour.size)
        colour = colour.resize(size, Image.Resampling.BOX)
    for shade in ("white", "black"):
        paper = Image.new("RGBA", colour.size, shade)
        whole = np.asarray(Image.alpha_composite(paper, colour).convert("RGB"))
        if np.ptp(whole) > 32:
            break
    return whole


def square(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The middle of (H, W, 3), scaled to (3, size, size)."""
    fit = require("PIL.ImageOps", "train").fit
    image = fit(require("PIL.Image", "train").fromarray(picture), (size, size))
    return np.asarray(image).transpose(2, 0, 1)  # (H, W, C) -> (C, H, W)


def _is_dir(root: StrPath) -> bool:
    return Path(root).is_dir()


def _brief(error: BaseException) -> str:
    """Pillow names the file at length; it stands at the head of the message already."""
    if type(error).__name__ == "UnidentifiedImageError":
        return "its format is unknown"
    return str(error) or type(error).__name__


def label_of(path: StrPath, classes: Sequence[str]) -> int | None:
    """The class that a file's name is or begins with: 7.png, 7-01.jpg, cat_3.png; or None.

    >>> digits = list("0123456789")
    >>> [label_of(name, digits) for name in ("7.png", "photos/7-01.jpg", "IMG_7.jpg", "71.png")]
    [7, 7, None, None]
    """
    stem = Path(path).stem
    for i, name in enumerate(classes):
        if stem.startswith(name) and stem[len(name) :][:1] in ("", "-", "_", " "):
            return i
    return None
