"""A report reads the same as Markdown and as one HTML file."""

from __future__ import annotations

import pytest

from tinygrad_cnn.train.document import (
    Code,
    Document,
    Folded,
    Heading,
    Picture,
    Points,
    Table,
    Text,
    markdown,
    page,
)

TABLE = Table(["class", "images"], [["a|b", "7"]], right=["images"])
WHOLE = Document(
    "Title & more",
    [
        Text("**bold** and `code` with a [link](log.csv); 1 < 2"),
        Points(["one", "two"]),
        Heading("Section"),
        TABLE,
        Code("x < y"),
        Picture("absent.png", "A curve", "matplotlib is missing"),
        Folded("More", [Text("inside")]),
    ],
)


def test_markdown_has_every_block_in_order() -> None:
    text = markdown(WHOLE)
    parts = ["# Title & more", "**bold**", "- two", "## Section", "| a&#124;b | 7 |"]
    parts += ["```\nx < y\n```", "*No absent.png: matplotlib is missing.*", "### More", "inside"]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_the_page_escapes_what_html_would_read_and_keeps_the_markup() -> None:
    text = page(WHOLE, {})
    for part in (
        "<title>Title &amp; more</title>",
        "<strong>bold</strong>",
        '<a href="log.csv">link</a>',
        "1 &lt; 2",
        "<pre>x &lt; y</pre>",
        '<td class="n" data-name="images">7</td>',
        "<details><summary>More</summary>",
    ):
        assert part in text


def test_on_a_narrow_screen_a_picture_keeps_its_size_and_scrolls_in_its_own_box() -> None:
    narrow = page(WHOLE, {}).split("@media (max-width: 45rem)")[1]
    assert "figure { overflow-x: auto; }" in narrow
    assert "max-width: max(100%, 44rem)" in narrow


def test_the_page_holds_its_pictures() -> None:
    document = Document("t", [Picture("a.png", "A"), Picture("b.svg", "B")])
    text = page(document, {"a.png": b"\x89PNG", "b.svg": b"<svg/>"})
    assert 'alt="A" src="data:image/png;base64,iVBORw=="' in text
    assert "data:image/svg+xml;base64," in text


def test_a_row_that_does_not_fit_its_head_is_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        page(Document("t", [Table(["a", "b"], [["1"]])]), {})
