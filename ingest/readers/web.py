"""Web pages: the article in a page as Markdown, and where a page sends its readers on to.

A page with an address is an article: what stands beside it is left out (see article.py). A page without one is a
person's own note in HTML: only navigation, scripts and forms are. No script is run, so a page that writes its text
itself has none here.
"""

import re
from html import unescape
from itertools import islice
from typing import TYPE_CHECKING

from ingest.readers.article import drop_controls, find_article
from ingest.readers.html import escaped, to_markdown
from ingest.readers.markdown import read_markdown
from ingest.readers.page import ParsedPage, author_of, open_page, published_of, resolve_links, title_of
from ingest.reading import Reading

if TYPE_CHECKING:
    from lxml.html import HtmlElement


def read_html(data: bytes, url: str = "", charset: str | None = None) -> Reading:
    """The article of a page, or a note in HTML as it stands; `charset` is what came with it.

    Raises Unreadable for something that is no page.
    """
    page = open_page(data, url, charset)
    title, author, published = title_of(page), author_of(page), published_of(page)
    resolve_links(page)
    reading = _read_article(_article(page, title)) if page.address else read_markdown(_note(page))
    reading.title = title or reading.title
    reading.author, reading.published = author, published
    if page.address:
        reading.kind, reading.url = "article", page.address
        reading.tags = []  # a word behind a # on somebody else's page files nothing
    return reading


def _note(page: ParsedPage) -> str:
    drop_controls(page.tree)
    return to_markdown(page.tree)


def _article(page: ParsedPage, title: str) -> str:
    root = find_article(page.tree, page.host)
    # headings tell where a passage stands; the one over all may be outside the article
    headings = [_plain(heading) for heading in root.iter("h1", "h2", "h3")]
    has_title = not title or title in headings or any(map(_plain, root.iter("h1")))
    return ("" if has_title else f"# {escaped(title)}\n\n") + to_markdown(root)


def _plain(heading: "HtmlElement") -> str:
    return " ".join("".join(heading.itertext()).split())


# bounded, since a search from each of a million brackets to the end of the text would take hours
_LINK = re.compile(r"(?<![\\!])\[((?:[^\[\]\\\n]|\\.){1,200})\]\((?:[^()\s]|\([^()\s]{0,500}\)){0,4000}\)")
_FENCED = re.compile(r"^( {0,3}[`~]{3,}).*?^\1[`~]*$", re.MULTILINE | re.DOTALL)


def _read_article(markdown: str) -> Reading:
    """An article whose links are known and not spelt out: addresses would be a good part of what the encoder reads."""
    links = read_markdown(markdown).links
    pieces = []
    position = 0
    for fence in _FENCED.finditer(markdown):
        pieces += [_LINK.sub(r"\1", markdown[position : fence.start()]), fence.group()]
        position = fence.end()
    reading = read_markdown("".join((*pieces, _LINK.sub(r"\1", markdown[position:]))))
    reading.links = links
    return reading


_MOST_METAS = 200
_LONGEST_META = 4000  # bytes
_NO_MARKUP = re.compile(rb"(?is)<!--.*?(?:-->|\Z)|<(noscript|script|style|textarea|title)\b.*?(?:</\1|\Z)")
_META = re.compile(rb"<meta(?=[\s/])", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"[\s/]*+([^\s/>=]++)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>\"'][^\s>]*+)))?+")
_ENTITY = re.compile(r"&#?\w{1,31};")
_REFRESH = re.compile(r"(\d{0,4})(?:\.\d*)?(?: ?[;,] ?| )(?:url ?= ?)?[\"']?([^\"' ][^\"']*)", re.IGNORECASE)


def meta_refresh(data: bytes) -> str | None:
    """Where a page sends its readers on to within ten seconds, as it is written there.

    Without a parser, since this is asked where pages are fetched and not where they are read.
    """
    start = _NO_MARKUP.sub(b" ", data[: 2**18])
    for tag in islice(_META.finditer(start), _MOST_METAS):
        attributes = _attributes(start[tag.end() : tag.end() + _LONGEST_META].decode("utf-8", "replace"))
        is_refresh = attributes.get("http-equiv", "").strip().lower() == "refresh"
        match = _REFRESH.match(" ".join(attributes.get("content", "").split())) if is_refresh else None
        if match and int(match.group(1) or 0) <= 10:
            return match.group(2).strip()
    return None


def _attributes(tag: str) -> dict[str, str]:
    """The attributes of a tag from its first one on, whatever follows it; of one given twice, the first."""
    found: dict[str, str] = {}
    position = 0
    while match := _ATTRIBUTE.match(tag, position):
        value = "".join(filter(None, match.groups()[1:]))
        found.setdefault(match.group(1).lower(), _ENTITY.sub(lambda entity: unescape(entity.group()), value))
        position = match.end()
    return found
