"""The pictures in the documents are those that docs/make_gallery.py draws."""

from __future__ import annotations

import importlib
from importlib import metadata
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

pytest.importorskip("graphviz", reason="graphviz (extra `viz`) is absent")
DOCS = Path(__file__).parents[1] / "docs"
DRAWN_BY = "0.2.2"  # of graphviz-pure


@pytest.fixture
def gallery(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(DOCS)
    return importlib.import_module("make_gallery")


def test_the_script_draws_the_committed_pictures_byte_for_byte(gallery: ModuleType) -> None:
    here = [d.version for d in metadata.distributions(name="graphviz-pure")]
    if here != [DRAWN_BY]:
        pytest.skip(f"the pictures were drawn by graphviz-pure {DRAWN_BY}")
    drawn = {name: svg.encode() for name, svg in gallery.drawn()}
    committed = {path.name: path.read_bytes() for path in gallery.IMAGES.glob("*.svg")}
    assert drawn.keys() == committed.keys()
    different = [name for name in drawn if drawn[name] != committed[name]]
    assert not different, "if that is intended, run `python docs/make_gallery.py`"


def test_the_page_shows_every_picture(gallery: ModuleType) -> None:
    page = (DOCS / "gallery.md").read_text(encoding="utf-8")
    assert not [name for name in gallery.PICTURES if f"images/{name}.svg" not in page]


def test_the_pictures_are_small_and_well_formed(gallery: ModuleType) -> None:
    for path in gallery.IMAGES.glob("*.svg"):
        assert path.stat().st_size < 150_000
        ET.parse(path)


def test_the_picture_of_the_readme_fits_beside_text(gallery: ModuleType) -> None:
    root = ET.parse(gallery.IMAGES / "mnist-leaky.svg").getroot()
    assert int(root.attrib["width"]) <= 900
    assert root.attrib["aria-label"]
