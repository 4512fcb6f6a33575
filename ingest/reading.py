"""What every reader hands to the splitter: a document's text and what is known of its parts."""

import re
from dataclasses import dataclass, field

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


_BARE_URL = re.compile(r"https?://[^\s<>\"'`]{1,4000}")


def bare_urls(text: str) -> list[str]:
    """Addresses standing in plain text, without the punctuation or the unpaired bracket that ends the sentence."""
    urls = []
    for url in _BARE_URL.findall(text):
        url = url.rstrip(".,;:!?*_")
        for opening, closing in ("()", "[]"):
            while url.endswith(closing) and url.count(closing) > url.count(opening):
                url = url[:-1].rstrip(".,;:!?*_")
        urls.append(url)
    return urls


def bare_links(text: str) -> list[tuple[int, Link]]:
    """The bare addresses of a text with the lines that they stand on."""
    return [(line, Link(url, url)) for line, content in enumerate(text.split("\n")) for url in bare_urls(content)]


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
