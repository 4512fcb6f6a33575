"""EPUB: the chapters of a book in reading order, as Markdown.

A chapter that has no heading of its own gets the one that the table of contents has for it. Pictures are left out, and
so are links from one place of the book to another.
"""

import re
import zipfile
from collections.abc import Iterator
from posixpath import dirname, join, normpath
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from ingest.decode import decode
from ingest.readers.html import parse, to_markdown
from ingest.readers.markdown import read_markdown
from ingest.readers.zipped import open_zip, read_member, read_xml
from ingest.reading import Reading, Unreadable

if TYPE_CHECKING:
    from lxml.etree import _Element as Element
    from lxml.html import HtmlElement

_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_CONTAINERS = ("body", "section", "article", "main", "div")
_WEB = re.compile(r"https?:|mailto:", re.IGNORECASE)
_DATE = re.compile(r"\d{4}(?:-\d{2}(?:-\d{2})?)?")


class _Entry(NamedTuple):
    """A line of the table of contents."""

    file: str
    anchor: str
    title: str
    depth: int  # from 1


def read_epub(data: bytes) -> Reading:
    """Raises Unreadable."""
    archive = open_zip(data)
    book = _Book(archive)
    if not set(book.chapters).isdisjoint(_locked(archive)):
        raise Unreadable("is locked (DRM)")
    texts = [book.markdown(name) for name in book.chapters]
    reading = read_markdown("\n\n".join(text for text in texts if text))
    reading.title = book.metadata("title") or reading.title
    reading.author = book.metadata("creator")
    date = _DATE.match(book.metadata("date"))
    reading.published = date.group() if date else ""
    if None in texts:
        reading.problem = f"{texts.count(None)} of its {len(texts)} parts are missing"
    return reading


def _locked(archive: zipfile.ZipFile) -> Iterator[str]:
    """The files that are encrypted. Fonts often are, and lock nothing."""
    root = _xml(archive, "META-INF/encryption.xml")
    for reference in () if root is None else root.iter("{*}CipherReference"):
        yield unquote(reference.get("URI", ""))


def _xml(archive: zipfile.ZipFile, name: str) -> "Element | None":
    try:
        return read_xml(archive, name)
    except KeyError:
        return None


class _Book:
    """A book's package file, which knows what the other files are and in which order they are read."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        container = _xml(archive, "META-INF/container.xml")
        pointer = None if container is None else container.find(".//{*}rootfile")
        self._name = "" if pointer is None else pointer.get("full-path", "")
        package = _xml(archive, self._name)
        if package is None:
            raise Unreadable("is damaged: it does not say what its chapters are")
        self._package = package
        items = {item.get("id", ""): item for item in package.iter("{*}item")}
        spine = (items.get(reference.get("idref", "")) for reference in package.iter("{*}itemref"))
        # each once, however often it is listed
        self.chapters = list(
            dict.fromkeys(self._path(item) for item in spine if item is not None and not _is_nav(item))
        )
        self._contents: dict[str, list[_Entry]] = {}
        for entry in self._table_of_contents(list(items.values())):
            self._contents.setdefault(entry.file, []).append(entry)

    def metadata(self, name: str) -> str:
        elements = self._package.iterfind(f"{{*}}metadata//{{http://purl.org/dc/elements/1.1/}}{name}")
        values = (" ".join("".join(element.itertext()).split()) for element in elements)
        return ", ".join(filter(None, values)) if name == "creator" else next(filter(None, values), "")

    def markdown(self, name: str) -> str | None:
        """The text of a chapter, None where its file is missing."""
        tree = self._tree(name)
        if tree is None:
            return None
        for link in tree.iter("a"):
            if not _WEB.match(link.get("href", "")):
                link.attrib.pop("href", None)
        if next(tree.iter(*_HEADINGS), None) is None:
            _insert_headings(tree, self._contents.get(name, []))
        return to_markdown(tree)

    def _tree(self, name: str) -> "HtmlElement | None":
        try:
            return parse(decode(read_member(self._archive, name)))
        except KeyError:
            return None

    def _path(self, item: "Element") -> str:
        return _resolved(self._name, item.get("href", ""))[0]

    def _table_of_contents(self, items: list["Element"]) -> Iterator[_Entry]:
        for item in filter(_is_nav, items):
            yield from self._nav(self._path(item))
            return
        for item in items:
            if item.get("media-type") == "application/x-dtbncx+xml":
                yield from self._ncx(self._path(item))

    def _nav(self, name: str) -> Iterator[_Entry]:
        """The table of contents of EPUB 3."""
        tree = self._tree(name)
        lists = [] if tree is None else [nav for nav in tree.iter("nav") if "toc" in " ".join(nav.attrib.values())]
        for link in (link for nav in lists[:1] for link in nav.iter("a")):
            depth = sum(1 for _ in link.iterancestors("ol"))
            yield _Entry(*_resolved(name, link.get("href", "")), _title("".join(link.itertext())), depth)

    def _ncx(self, name: str) -> Iterator[_Entry]:
        """The table of contents of EPUB 2."""
        root = _xml(self._archive, name)
        for point in () if root is None else root.iter("{*}navPoint"):
            depth = 1 + sum(1 for _ in point.iterancestors("{*}navPoint"))
            target = point.find("{*}content")
            href = "" if target is None else target.get("src", "")
            yield _Entry(*_resolved(name, href), _title(point.findtext("{*}navLabel/{*}text") or ""), depth)


def _is_nav(item: "Element") -> bool:
    return "nav" in item.get("properties", "").split()


def _title(text: str) -> str:
    """One line, without the characters that XML does not take."""
    return "".join(filter(str.isprintable, " ".join(text.split())))


def _resolved(source: str, href: str) -> tuple[str, str]:
    """The file and the place in it that a link in the file `source` leads to."""
    path, _, anchor = href.partition("#")
    return normpath(join(dirname(source), unquote(path))), unquote(anchor)


def _insert_headings(tree: "HtmlElement", entries: list[_Entry]) -> None:
    """Put a heading before each block that the table of contents leads to; at the start where it names no place."""
    body = tree.find("body")
    if body is None:
        return
    named = {element.get("id"): element for element in body.iter("*")}
    for entry in entries:
        target = named.get(entry.anchor, body) if entry.anchor else body
        while target is not body and (parent := target.getparent()) is not None and parent.tag not in _CONTAINERS:
            target = parent
        if entry.title:
            heading = body.makeelement(f"h{min(max(entry.depth, 1), 6)}")
            heading.text = entry.title
            target.addprevious(heading)
