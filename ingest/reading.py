"""What every reader hands to the splitter: a document's text and what is known of its parts."""

import re
from dataclasses import dataclass, field
from datetime import date, datetime

from knowledge.documents import Link, Place

Span = tuple[int, int]


class Unreadable(Exception):
    """A file or page that cannot be read; the message is the reason, without the name of the file."""


@dataclass
class Section:
    """The text under one heading, down to the next heading of any depth."""

    heading_path: tuple[str, ...]
    first_line: int  # of the heading, from 0
    start: int  # of the text under the heading, a character offset
    end: int


@dataclass
class Reading:
    """One document: its text, verbatim, and where it may be cut (character offsets, ascending).

    Lines count from 0. `name` tells the documents of one archive apart. `places` says from which offset on the text
    stands on which page, slide, row or cell, for sources whose lines mean nothing to a reader. `problem` is what a
    person should know about a document that was read only in part, or not at all. `own` tells what people write
    themselves, the links in which lead to what they want to know, from books and papers with their hundreds of links.
    `published` is a day (YYYY-MM-DD) where one is told, else what is told instead, such as a year.
    """

    text: str
    sections: list[Section] = field(default_factory=list)
    title: str = ""
    blocks: list[int] = field(default_factory=list)
    items: list[int] = field(default_factory=list)
    fences: list[Span] = field(default_factory=list)
    links: list[tuple[int, Link]] = field(default_factory=list)  # with their line
    tags: list[tuple[int, str]] = field(default_factory=list)  # with their line
    document_tags: tuple[str, ...] = ()
    places: list[tuple[int, Place]] = field(default_factory=list)
    name: str = ""
    kind: str = "note"
    own: bool = True
    url: str | None = None
    author: str = ""
    published: str = ""
    problem: str = ""

    def keep(self, section: Section, container: bool = False) -> None:
        """Keep a section unless nothing stands in it and its heading only announces the sections below it."""
        section.end = max(section.start, section.end)
        if self.text[section.start : section.end].strip() or (section.heading_path and not container):
            self.sections.append(section)

    def without_code(self) -> str:
        """The text with its code replaced by spaces."""
        pieces, position = [], 0
        for start, end in self.fences:
            pieces += [self.text[position:start], blank(self.text[start:end])]
            position = end
        return "".join((*pieces, self.text[position:]))


# marks that stand in no address: quotes, the brackets and stops of Chinese and Japanese, what is not seen
_ENDS = (
    r"\s<>\"'`“”„«»‹›\u3001\u3002\u3008-\u3011\u3014-\u301b\u301d-\u301f\uff01\uff02\uff07-\uff09\uff0c\uff0e\uff1a-\uff1c"
    r"\uff1e\uff1f\uff3b\uff3d\uff5b\uff5d\uff5f-\uff64\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff"
)
# as GitHub does, http is assumed where an address begins with www
_BARE_ADDRESS = re.compile(
    rf"(?:https?://(?=[^\W_]|\[)|(?<![A-Za-z0-9./:@=_-])www\.(?=[\w-]+\.\w))[^{_ENDS}]{{1,4000}}", re.IGNORECASE
)
_END_OF_SENTENCE = ".,;:!?*_~…’،؛؟۔।"


def bare_links(text: str) -> list[tuple[int, Link]]:
    """The addresses that stand in plain text, with their lines; without the punctuation or the unpaired bracket that
    ends the sentence."""
    return [
        (line, Link(written, web_address(written)))
        for line, content in enumerate(text.split("\n"))
        for written in map(_without_end, _BARE_ADDRESS.findall(content))
    ]


def _without_end(address: str) -> str:
    address = address.rstrip(_END_OF_SENTENCE)
    for opening, closing in ("()", "[]", "{}"):
        while address.endswith(closing) and address.count(closing) > address.count(opening):
            address = address[:-1].rstrip(_END_OF_SENTENCE)
    return address


def web_address(text: str) -> str:
    """The web address that a text is, in whole; empty where it is none."""
    beginning = text[:8].lower()
    if beginning.startswith("www."):
        return f"http://{text}"
    return text if beginning.startswith(("http://", "https://")) else ""


_WRITTEN_DAYS = ("%B %d, %Y", "%d %B %Y", "%b %d, %Y", "%d %b %Y", "%d.%m.%Y")
_DAY = re.compile(r"(\d{4})(?:([-/.])(\d{1,2})\2(\d{1,2})|(\d\d)(\d\d))(?!\d)")


def day_of(text: str) -> str:
    """The day that a text is or begins with, as YYYY-MM-DD; empty where it is none, or may be either of two."""
    text = text.strip()
    for pattern in _WRITTEN_DAYS:
        try:
            return datetime.strptime(text, pattern).date().isoformat()
        except ValueError:
            continue
    match = _DAY.match(text)
    try:
        return date(*(int(part) for part in match.group(1, 3, 4, 5, 6) if part)).isoformat() if match else ""
    except ValueError:
        return ""


def paragraph_starts(text: str) -> list[int]:
    """Offsets at which a paragraph begins behind a blank line."""
    return [match.end() for match in re.finditer(r"\n[ \t]*\n", text)]


def line_starts(text: str) -> list[int]:
    """The offset at which each line begins."""
    return [0, *(match.end() for match in re.finditer("\n", text))]


def blank(text: str) -> str:
    """Spaces in the place of a text, so that every offset and line behind it stays true."""
    return re.sub(r"[^\n]", " ", text)


def blanked(pattern: re.Pattern, text: str) -> str:
    """The text with what the pattern finds replaced by spaces."""
    return pattern.sub(lambda match: blank(match.group()), text)
