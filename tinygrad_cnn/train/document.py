"""A report as data, written as Markdown beside its pictures or as one HTML file that holds them.

Words may carry **bold**, `code` and [links](target), in either format. Tables become cards on a
narrow screen: no table is wider than what it is read on. Pictures scroll there, each in its own
box: made as narrow as the screen, their words could not be read.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Heading:
    """A section begins."""

    words: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    words: str


@dataclass(frozen=True)
class Points:
    """A list."""

    items: Sequence[str]


@dataclass(frozen=True)
class Table:
    """Rows of words under their head; the columns named in `right` hold numbers."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[str] = ()


@dataclass(frozen=True)
class Code:
    """Words as they are, each line a line."""

    words: str
    language: str = ""


@dataclass(frozen=True)
class Picture:
    """A file beside the report; where it is missing, `missing` says why."""

    name: str
    caption: str
    missing: str = ""


@dataclass(frozen=True)
class Folded:
    """What only some will want to read: closed at first, where the format can."""

    title: str
    blocks: Sequence[Block]


Block = Heading | Text | Points | Table | Code | Picture | Folded


@dataclass(frozen=True)
class Document:
    """A title and what stands below it."""

    title: str
    blocks: Sequence[Block] = field(default=())


# -- Markdown -----------------------------------------------------------------------------------


def markdown(document: Document) -> str:
    """The document as Markdown; pictures are links to the files beside it."""
    blocks = [_markdown(block) for block in document.blocks]
    return "\n\n".join([f"# {document.title}", *filter(None, blocks)]) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(words, level):
            return f"{'#' * level} {words}"
        case Text(words):
            return words
        case Points(items):
            return "\n".join(f"- {item}" for item in items)
        case Table():
            return _markdown_table(block)
        case Code(words, language):
            return f"```{language}\n{words}\n```"
        case Picture(name, caption, missing):
            return f"*No {name}: {missing}.*" if missing else f"![{caption}]({name})"
        case Folded(title, blocks):
            return "\n\n".join([f"### {title}", *(_markdown(inner) for inner in blocks)])


def _markdown_table(table: Table) -> str:
    rule = ["---:" if name in table.right else "---" for name in table.head]
    rows = [table.head, rule, *table.rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in r)} |" for r in rows)


# -- HTML ---------------------------------------------------------------------------------------

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --faint: #5a5a5a;
  --rule: #ddd; --shade: #f5f5f5; --link: #005a9c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --paper: #161616; --faint: #a6a6a6;
  --rule: #3a3a3a; --shade: #222; --link: #7cb8ff; } }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; color: var(--ink);
  background: var(--paper); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; } h2 { margin-top: 2.2rem; font-size: 1.3rem;
  border-bottom: 1px solid var(--rule); } h3 { font-size: 1.05rem; margin-bottom: .3rem; }
a { color: var(--link); }
figure { margin: 1rem 0; } figcaption { color: var(--faint); font-size: .9rem; }
figure img, figure svg { display: block; max-width: 100%; height: auto; background: #fff;
  border-radius: 4px; }
pre { overflow-x: auto; background: var(--shade); padding: .7rem; font-size: .85rem; }
table { border-collapse: collapse; margin: 1rem 0; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: left; border-bottom: 1px solid var(--rule);
  overflow-wrap: normal; vertical-align: top; }
th { color: var(--faint); font-weight: 600; } .n { text-align: right; }
summary { cursor: pointer; font-weight: 600; margin: .8rem 0; }
@media (max-width: 45rem) {
  figure { overflow-x: auto; } figcaption { position: sticky; left: 0; }
  figure img, figure svg { max-width: max(100%, 44rem); }
  table, tbody, tr, td { display: block; width: 100%; } thead { display: none; }
  tr { border-bottom: 1px solid var(--rule); padding: .4rem 0; }
  td { display: flex; justify-content: space-between; gap: 1rem; border: 0; padding: .1rem 0;
    text-align: right; box-sizing: border-box; }
  td::before { content: attr(data-name); color: var(--faint); text-align: left; }
  td:first-child { font-weight: 600; } td:empty { display: none; } }
"""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


Pictures = Mapping[str, bytes]


def page(document: Document, pictures: Pictures) -> str:
    """The document as one HTML file; it holds its pictures, given as name -> content."""
    body = "\n".join(_html(block, pictures) for block in document.blocks)
    return PAGE.format(title=html.escape(document.title), style=STYLE, body=body)


def _html(block: Block, pictures: Pictures) -> str:
    match block:
        case Heading(words, level):
            return f"<h{level}>{_inline(words)}</h{level}>"
        case Text(words):
            return f"<p>{_inline(words)}</p>" if words else ""
        case Points(items):
            return f"<ul>{''.join(f'<li>{_inline(item)}</li>' for item in items)}</ul>"
        case Table():
            return _html_table(block)
        case Code(words):
            return f"<pre>{html.escape(words)}</pre>"
        case Picture():
            return _figure(block, pictures)
        case Folded(title, blocks):
            inner = "\n".join(_html(b, pictures) for b in blocks)
            return f"<details><summary>{_inline(title)}</summary>{inner}</details>"


def _html_table(table: Table) -> str:
    def cell(tag: str, name: str, words: str) -> str:
        side = ' class="n"' if name in table.right else ""
        label = f' data-name="{html.escape(name)}"' if tag == "td" else ""
        return f"<{tag}{side}{label}>{_inline(words)}</{tag}>"

    head = "".join(cell("th", name, name) for name in table.head)
    rows = [
        "".join(cell("td", name, words) for name, words in zip(table.head, row, strict=True))
        for row in table.rows
    ]
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _figure(picture: Picture, pictures: Pictures) -> str:
    if picture.missing:
        return f"<p><em>No {html.escape(picture.name)}: {html.escape(picture.missing)}.</em></p>"
    content, alt = pictures[picture.name], html.escape(picture.caption)
    kind = "svg+xml" if picture.name.endswith(".svg") else "png"
    source = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return f'<figure><img alt="{alt}" src="{source}"><figcaption>{alt}</figcaption></figure>'


_MARKUP = (
    (re.compile(r"\*\*(.+?)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"`(.+?)`"), r"<code>\1</code>"),
    (re.compile(r"\[(.+?)\]\((.+?)\)"), r'<a href="\2">\1</a>'),
)


def _inline(words: str) -> str:
    """Bold, code and links; everything else as it is.

    >>> _inline("**1 < 2**, see [log](log.csv)")
    '<strong>1 &lt; 2</strong>, see <a href="log.csv">log</a>'
    """
    text = html.escape(words, quote=False)
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    return text
