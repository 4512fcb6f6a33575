"""A page and what it says of itself: its tree, its address, its title, author and date."""

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from ingest.decode import decode
from ingest.readers.html import parse
from ingest.reading import Unreadable, day_of

if TYPE_CHECKING:
    from lxml.html import HtmlElement


@dataclass
class ParsedPage:
    """`address` is empty for a file that came from nowhere; `facts` are the objects of the page's JSON-LD."""

    tree: "HtmlElement"
    address: str
    facts: list[dict]

    @property
    def host(self) -> str:
        return _host(self.address)

    @property
    def title(self) -> str:
        """As the page's window would show it."""
        return _one_line(self.tree.xpath("string(//title[not(ancestor::svg)])"))

    @cached_property
    def _metas(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for meta in self.tree.iter("meta"):
            for name in {meta.get("name"), meta.get("property"), meta.get("itemprop")} - {None}:
                if (meta.get("content") or "").strip():
                    found.setdefault(name.lower(), []).append(meta.get("content"))
        return found

    def metas(self, *names: str) -> list[str]:
        """The contents of the page's meta elements of these names, in the order of the names."""
        return [content for name in names for content in self._metas.get(name, ())]


def open_page(data: bytes, url: str = "", charset: str | None = None) -> ParsedPage:
    """Raises Unreadable for something that is no page."""
    text = _text(data, charset)
    tree = parse(text)
    page = ParsedPage(tree, url, _json_ld(tree))
    page.address = url or _own_address(text, page)
    return page


# -- text ----------------------------------------------------------------------------------------------------------

_OTHER_FORMATS = (b"%PDF-", b"PK\x03\x04", b"\x1f\x8b", b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"wOF", b"\x7fELF")
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_DECLARED = re.compile(rb"<(?:meta|\?xml)[^>]*?(?:charset|encoding)\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
#: what browsers take these names for
_BROWSERS_NAMES = {
    **dict.fromkeys(("iso-8859-1", "latin1", "latin-1", "ascii", "us-ascii"), "cp1252"),
    **dict.fromkeys(("gb2312", "gbk", "gb_2312-80", "x-gbk"), "gb18030"),
    **dict.fromkeys(("shift_jis", "shift-jis", "x-sjis", "sjis"), "cp932"),
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987"), "cp949"),
}
_NO_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "unicode-escape", "undefined", "utf-7", "mbcs"})
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def _text(data: bytes, charset: str | None) -> str:
    """The text of a page. What is valid UTF-8 is UTF-8, whatever a server says of it."""
    if data.startswith(_OTHER_FORMATS):
        raise Unreadable("is not a web page")
    text = next((text for text in _readings(data, charset) if text is not None), None)
    if text is None:
        text = decode(data.replace(b"\0", b""))
    start = text[: 2**16]
    if len(_CONTROL.findall(start)) > 10 + len(start) / 50:
        raise Unreadable("holds binary data, not a web page")
    return text.replace("\0", "")


def _readings(data: bytes, charset: str | None) -> Iterator[str | None]:
    for mark, name in _MARKS:
        if data.startswith(mark):
            yield _decoded(data[len(mark) :], name)
    declared = _DECLARED.search(data, 0, 4096)
    wide = "utf-16-le" if data.startswith(b"<\0") else "utf-16-be" if data.startswith(b"\0<") else ""
    # an escape character may belong to an encoding of Japanese in seven bits
    utf8 = "" if b"\x1b" in data else "utf-8"
    names = (wide, utf8, charset, declared.group(1).decode("ascii", "replace") if declared else "")
    yield from (_decoded(data, name) for name in names if name)


def _decoded(data: bytes, name: str) -> str | None:
    """The text, if the bytes are in that encoding but for the odd broken letter."""
    try:
        codec = codecs.lookup(_BROWSERS_NAMES.get(name.strip().lower(), name.strip()))
        text = None if codec.name in _NO_CHARSETS else data.decode(codec.name, "replace")
    except (LookupError, ValueError):
        return None
    return text if text is not None and text.count("\ufffd") <= 2 + len(text) / 1000 else None


# -- address -------------------------------------------------------------------------------------------------------

_SAVED_FROM = re.compile(
    r"<!--\s*saved from url=\(\d+\)(\S+?)\s*-->|<!--\s*Page saved with SingleFile\s+url:\s*(\S+)"
    r"|<!--\s*Mirrored from (\S+) by HTTrack",
    re.IGNORECASE,
)


def _own_address(text: str, page: ParsedPage) -> str:
    """The address that a saved page says it came from."""
    saved = [
        browser or single_file or f"http://{mirror}"
        for browser, single_file, mirror in _SAVED_FROM.findall(text[: 2**16])
    ]
    canonical = page.tree.xpath("//link[@rel='canonical']/@href")
    return next(filter(_is_web_address, [*saved, *canonical, *page.metas("og:url")]), "")


def _is_web_address(url: str) -> bool:
    return bool(re.match(r"https?://[^\s<>\"]+\Z", url, re.IGNORECASE)) and bool(_host(url))


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def resolve_links(page: ParsedPage) -> None:
    """Make links absolute; those within the page begin with # then."""
    base = _joined(page.address, next(iter(page.tree.xpath("//base/@href")), ""))
    itself = page.address.partition("#")[0]
    for link in page.tree.iter("a"):
        href = (link.get("href") or "").strip()
        if href and not href.startswith("#"):
            target = _joined(base, href)
            document, _, fragment = target.partition("#")
            try:
                link.set("href", f"#{fragment}" if itself and document == itself else target)
            except ValueError:  # a control character
                del link.attrib["href"]


def _joined(base: str, href: str) -> str:
    try:
        return urljoin(base, href)
    except ValueError:
        return href


# -- title, author, date -------------------------------------------------------------------------------------------


def _json_ld(tree: "HtmlElement") -> list[dict]:
    found: list[dict] = []
    for script in tree.xpath("//script[@type='application/ld+json']"):
        try:
            pending: list[Any] = [json.loads(script.text or "", strict=False)]
        except (ValueError, RecursionError):
            continue
        while pending:
            value = pending.pop()
            if isinstance(value, dict):
                found.append(value)
                pending += reversed(value.values())
            elif isinstance(value, list):
                pending += reversed(value)
    return found


def _articles(page: ParsedPage) -> list[dict]:
    return [fact for fact in page.facts if re.search("Article|Posting|Report", str(fact.get("@type")))]


def title_of(page: ParsedPage) -> str:
    """The page's title without the name of its site; as the heading has it, where it is one of the headings."""
    named = [
        *page.metas("citation_title", "og:title", "twitter:title"),
        *(fact.get("headline") for fact in _articles(page)),
    ]
    title = next((_one_line(name) for name in named if isinstance(name, str) and name.strip()), page.title)
    headings = [_one_line("".join(heading.itertext())).rstrip("¶# ") for heading in islice(page.tree.iter("h1"), 10)]
    for heading in filter(None, headings):
        if re.search(rf"(?:^|\W){re.escape(heading.lower())}(?:$|\W)", title.lower()):
            return heading
    site = next(iter(page.metas("og:site_name")), "")
    parts = re.split(r"\s+[|–—·•»]\s+|\s+-\s+", title)
    if len(parts) > 1 and (parts[-1] == site or title == page.title):
        title = title[: title.rindex(parts[-1])].rstrip(" |–—·•»-")
    return title.removeprefix("GitHub - ") or next(filter(None, headings), "")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]


def author_of(page: ParsedPage) -> str:
    names = [name for fact in _articles(page) for name in _names(fact.get("author"))]
    names = names or page.metas("citation_author", "author", "article:author", "dc.creator")
    names = names or ["".join(e.itertext()) for e in page.tree.xpath("//a[@rel='author'] | //*[@itemprop='author']")]
    clean = dict.fromkeys(_one_line(name) for name in names if "://" not in name)
    return ", ".join([name for name in clean if 1 < len(name) < 80][:5])


def _names(person: object) -> list[str]:
    """The names in what JSON-LD gives as an author: text, an object, or a list of them."""
    people = person if isinstance(person, list) else [person]
    names = [entry.get("name") if isinstance(entry, dict) else entry for entry in people]
    return [name for name in names if isinstance(name, str)]


_DATES = (
    "article:published_time datepublished citation_publication_date citation_online_date citation_date"
    " parsely-pub-date sailthru.date dc.date.issued dc.date date pubdate publish-date og:pubdate"
).split()
_TIMES = """//time[@pubdate or @itemprop='datePublished' or contains(@class, 'publish') or contains(@class, 'date')
    or ancestor::article or ancestor::header]/@datetime"""


def published_of(page: ParsedPage) -> str:
    """The day on which the page says it was published, as YYYY-MM-DD."""
    in_address = re.search(r"/((?:19|20)\d\d/\d{1,2}/\d{1,2})(?:/|$)", page.address)
    candidates = [
        *(fact.get("datePublished") for fact in _articles(page)),
        *page.metas(*_DATES),
        *page.tree.xpath(_TIMES),
        in_address.group(1) if in_address else "",
    ]
    return next(filter(None, map(_day, candidates)), "")


def _day(value: object) -> str:
    day = day_of(value) if isinstance(value, str) else ""
    return day if "1990" <= day <= "2101" else ""
