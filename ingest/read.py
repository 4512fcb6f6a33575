"""Read a file or a page: pick the reader for its format."""

import re
import shutil
from pathlib import PurePath
from urllib.parse import unquote, urlsplit

from ingest.clean import clean
from ingest.decode import decode
from ingest.pages import Page
from ingest.reading import Reading, Unreadable
from knowledge.documents import Place

#: Format by suffix. What is not here is not looked for in folders.
FORMATS = {
    **dict.fromkeys((".md", ".markdown", ".mdown", ".mkd"), "markdown"),
    **dict.fromkeys((".txt", ".text"), "plain"),
    ".rst": "rst",
    ".org": "org",
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    **dict.fromkeys((".mhtml", ".mht"), "mhtml"),
    ".pdf": "pdf",
    ".docx": "docx",
    ".pptx": "pptx",
    ".epub": "epub",
    ".ipynb": "notebook",
    **dict.fromkeys((".csv", ".tsv"), "table"),
    **dict.fromkeys((".warc", ".warc.gz"), "warc"),
    **dict.fromkeys((".zip", ".textpack"), "zip"),
}
#: Formats whose parsers cannot crash: they need no process of their own.
SAFE_FORMATS = frozenset({"markdown", "plain"})
_LINES_UNSEEN = frozenset({"html", "mhtml", "docx", "epub", "warc"})

_MAGIC = ((b"%PDF-", "pdf"), (b"PK\x03\x04", "zip"), (b"WARC/", "warc"))
_TYPES = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "application/pdf": "pdf",
    "text/markdown": "markdown",
    "text/x-markdown": "markdown",
    "text/x-rst": "rst",
    "text/csv": "table",
    "application/x-ipynb+json": "notebook",
    "application/epub+zip": "epub",
}
#: Text that nobody reads as such.
_DATA_TYPES = frozenset(
    """application/json application/xml text/xml application/rss+xml application/atom+xml text/css text/javascript
    application/javascript""".split()
)
# Notion puts the page's id behind its name
_NOTION_ID = re.compile(r"[ _-][0-9a-f]{32}$")


class NoArticle(Unreadable):
    """A page that holds nothing worth indexing; `state` is the link's, as `ingest.links` has them."""

    def __init__(self, state: str, reason: str) -> None:
        super().__init__(state, reason)
        self.state = state
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


def format_of(name: str) -> str | None:
    """The format that a file's name stands for; None for one that is not read."""
    lower = name.lower()
    return "warc" if lower.endswith(".warc.gz") else FORMATS.get(PurePath(lower).suffix)


def sniff(data: bytes) -> str:
    """The format of a file whose name does not tell."""
    start = data[:1024].lstrip()
    found = next((format for magic, format in _MAGIC if start.startswith(magic)), None)
    if found:
        return found
    return "html" if start[:15].lower().startswith((b"<!doctype html", b"<html")) else "plain"


def gives_more_now(problem: str) -> bool:
    """Whether a file of which this was said is worth another reading: what it needs has been installed since."""
    from ingest.readers.pdf import INSTALL_TESSERACT

    return INSTALL_TESSERACT in problem and shutil.which("tesseract") is not None


def read(data: bytes, name: str, format: str) -> list[Reading]:
    """The documents in a file, most often one; `name` gives the title where the document has none.

    Raises Unreadable.
    """
    readings = _read(data, name, format)
    for reading in readings:
        reading.title = reading.title or _title_of(reading.name or name)
        own_format = format_of(reading.name) or format
        reading.own = reading.kind == "note" and own_format not in ("pdf", "epub")
        _number_paragraphs(reading, own_format)
        if own_format == "table":  # a row by itself does not say what it is a row of
            for section in reading.sections:
                section.heading_path = (reading.title, *section.heading_path)
    return readings


def _number_paragraphs(reading: Reading, format: str) -> None:
    """Say where things stand in a document whose lines nobody sees."""
    if format in _LINES_UNSEEN and not reading.places:
        starts = [start for start in reading.blocks if not reading.text.startswith("#", start)]
        reading.places = [(start, Place("paragraph", n, n)) for n, start in enumerate(starts, start=1)]


def _title_of(name: str) -> str:
    path = PurePath(name)
    # Bear keeps a note with its pictures in a folder, as text.md
    stem = path.parent.stem if path.parent.suffix == ".textbundle" else path.stem
    return _NOTION_ID.sub("", stem) or stem or name


def _read(data: bytes, name: str, format: str) -> list[Reading]:
    if format == "warc":
        return _read_warc(data)
    if format == "zip":
        return _read_zip(data)
    return [_read_one(data, name, format)]


def _read_one(data: bytes, name: str, format: str) -> Reading:  # noqa: C901  one line for each format
    match format:
        case "markdown":
            from ingest.readers.markdown import read_markdown

            return read_markdown(clean(decode(data)))
        case "plain":
            from ingest.readers.plain import read_plain

            return read_plain(clean(decode(data)))
        case "rst":
            from ingest.readers.rst import read_rst

            return read_rst(clean(decode(data)))
        case "org":
            from ingest.readers.org import read_org

            return read_org(clean(decode(data)))
        case "html":
            from ingest.readers.web import read_html

            return read_html(data)
        case "mhtml":
            from ingest.readers.mhtml import read_mhtml

            return read_mhtml(data)
        case "pdf":
            from ingest.readers.pdf import read_pdf

            return read_pdf(data)
        case "docx":
            from ingest.readers.office import read_docx

            return read_docx(data)
        case "pptx":
            from ingest.readers.office import read_pptx

            return read_pptx(data)
        case "epub":
            from ingest.readers.epub import read_epub

            return read_epub(data)
        case "notebook":
            from ingest.readers.notebook import read_notebook

            return read_notebook(data)
        case "table":
            from ingest.readers.table import read_table

            return read_table(clean(decode(data)), "\t" if name.lower().endswith(".tsv") else None)
        case _:
            raise AssertionError(format)


# -- archives ------------------------------------------------------------------------------------------------------


def _read_zip(data: bytes, inner: bool = False) -> list[Reading]:
    """Every note in a zip file, with those of the archives in it, as Notion exports them; deeper ones are not opened.

    Nothing is unpacked to disk.
    """
    from ingest.readers.zipped import names_of_files, open_zip, read_member

    readings = []
    problems = []
    with open_zip(data) as archive:
        for name in filter(format_of, names_of_files(archive)):
            try:
                found = _read_inside(read_member(archive, name), name, inner)
            except Unreadable as error:
                problems.append(f"{name}: {error}")
                continue
            for reading in found:
                reading.name = f"{name}/{reading.name}" if reading.name else name
            readings += found
    return _with_problems(readings, problems, "holds no notes that can be read")


def _read_inside(data: bytes, name: str, inner: bool) -> list[Reading]:
    """What a file in an archive holds; `inner` is an archive in another."""
    if format_of(name) != "zip":
        return _read(data, name, format_of(name) or "")
    if inner:
        raise Unreadable("is an archive in an archive in an archive: not opened")
    return _read_zip(data, inner=True)


def _read_warc(data: bytes) -> list[Reading]:
    """Every page in a web archive that is an article."""
    from ingest.readers.warc import pages_in

    readings = {}
    problems = []
    try:
        for page in pages_in(data):
            try:
                reading = read_page(page)
            except Unreadable as error:
                problems.append(f"{page.url}: {error}")
                continue
            reading.name = page.url
            readings[page.url] = reading
    except Unreadable:
        if not readings:
            raise
        problems.insert(0, "the rest is damaged or cut off")
    return _with_problems(list(readings.values()), problems, "holds no page that is an article")


def _with_problems(readings: list[Reading], problems: list[str], none: str) -> list[Reading]:
    if not readings:
        raise Unreadable("; ".join((none, *problems[:3])))
    if problems:
        told = f"{len(problems)} of its parts could not be read: " + "; ".join(problems[:3])
        readings[0].problem = "; ".join(filter(None, (readings[0].problem, told)))
    return readings


# -- pages ---------------------------------------------------------------------------------------------------------


def read_page(page: Page) -> Reading:
    """The article in a fetched page. Raises NoArticle where it holds none, Unreadable where it is damaged."""
    format = _format_of_page(page)
    if format == "html":
        from ingest.readers.no_article import why_no_article
        from ingest.readers.web import read_html

        reading = read_html(page.body, page.url, page.charset)
        if why := why_no_article(reading, page.body, page.status):
            raise NoArticle(*why)
    else:
        reading = _read_one(page.body, urlsplit(page.final_url).path, format)
    if not reading.text.strip():
        raise NoArticle("no text", reading.problem or "holds no text")
    reading.title = reading.title or _title_of(unquote(urlsplit(page.url).path).rstrip("/") or page.url)
    reading.kind, reading.own, reading.url = "article", False, page.url
    _number_paragraphs(reading, format)
    return reading


def _format_of_page(page: Page) -> str:
    """By the declared type where it says something; many servers send everything as plain text or as bytes."""
    if page.content_type in _TYPES:
        return _TYPES[page.content_type]
    named = format_of(urlsplit(page.final_url).path)
    sniffed = sniff(page.body)
    format = sniffed if named in (None, "html", "zip", "warc") or sniffed == "pdf" else named
    if format in ("zip", "warc") or (format == "plain" and page.content_type in _DATA_TYPES):
        raise NoArticle("wrong type", f"the link leads to {page.content_type or 'an archive'}, not to an article")
    return format
