"""Split a document into chunks: a section each, or parts of a section that is longer than the encoder reads.

A chunk's text is a verbatim stretch of the document, so that it can be quoted and found again by its lines.
"""

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from knowledge.documents import Chunk, Link
from knowledge.encoder import Encoder
from knowledge.text import is_only_links, sentence_spans, trim

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

#: Changes whenever the same file would be split otherwise: the index then rebuilds itself.
CHUNKING = "sections-1"

_TOKENIZED_AT_ONCE = 2**16  # characters; keeps the tokenizer's memory flat on a huge file
_LONGEST_WORD = 100  # characters; the tokenizer calls a longer run one piece, which says nothing of its size
_BARE_URL = re.compile(r"https?://[^\s<>\"'`]+")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)??(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)

Span = tuple[int, int]


@dataclass
class _Section:
    heading_path: tuple[str, ...]
    first_line: int  # of the heading, from 0
    start: int  # of the text under the heading, a character offset
    end: int


@dataclass
class _Outline:
    """A text's sections, where it may be cut (character offsets, ascending), and the links in it."""

    sections: list[_Section]
    title: str = ""
    blocks: list[int] = field(default_factory=list)
    items: list[int] = field(default_factory=list)
    fences: list[Span] = field(default_factory=list)
    links: list[tuple[int, Link]] = field(default_factory=list)  # with their line, from 0


def split_markdown(source: str, title: str, text: str, encoder: Encoder) -> tuple[str, list[Chunk]]:
    """The title and the chunks of a Markdown document (CommonMark with tables, YAML front matter).

    A heading with neither text nor sections below it is a chunk too: it may be all that was noted.
    """
    metadata, body = _front_matter(text)
    outline = _markdown_outline(body)
    title = str(metadata.get("title") or outline.title or title)
    return title, _chunks(source, title, body, outline, encoder, _tags(metadata))


def split_text(source: str, title: str, text: str, encoder: Encoder) -> tuple[str, list[Chunk]]:
    """The title and the chunks of plain text, which is cut at its paragraphs."""
    outline = _Outline(
        sections=[_Section((), 0, 0, len(text))],
        blocks=[match.end() for match in re.finditer(r"\n[ \t]*\n", text)],
        links=[(line, Link(url, url)) for line, content in enumerate(text.split("\n")) for url in _bare_urls(content)],
    )
    return title, _chunks(source, title, text, outline, encoder, ())


def _chunks(
    source: str, title: str, text: str, outline: _Outline, encoder: Encoder, tags: tuple[str, ...]
) -> list[Chunk]:
    line_starts = _line_starts(text)
    links = sorted(outline.links, key=lambda pair: pair[0])
    link_lines = [line for line, _ in links]
    chunks = []
    for section in outline.sections:
        path = section.heading_path or (title,)
        for part, (start, end) in enumerate(_parts(text, section, path, outline, encoder)):
            # the first part of a section begins with its heading
            first = _line_at(start, line_starts) if part else section.first_line
            last = max(first, _line_at(end - 1, line_starts)) if end > start else first
            standing = links[bisect_left(link_lines, first) : bisect_right(link_lines, last)]
            chunks.append(
                Chunk(
                    source=source,
                    title=title,
                    heading_path=path,
                    lines=(first + 1, last + 1),
                    text=text[start:end] or path[-1],
                    links=tuple(dict.fromkeys(link for _, link in standing)),
                    tags=tags,
                )
            )
    return chunks


# -- cutting what is too long --------------------------------------------------------------------------------------


def _parts(text: str, section: _Section, path: tuple[str, ...], outline: _Outline, encoder: Encoder) -> list[Span]:
    """The section whole where the encoder can read it, else in parts that it can."""
    whole = trim(text, section.start, section.end)
    if whole[0] >= whole[1]:
        return [(section.start, section.start)] if section.heading_path else []
    heading = " › ".join(path)
    if len(heading) + whole[1] - whole[0] < encoder.max_tokens:  # no token is shorter than a character
        return [whole]
    budget = max(encoder.max_tokens - len(encoder.token_starts(heading)), encoder.max_tokens // 2)
    return _Cutter(text, whole, outline, encoder, budget).parts()


class _Cutter:
    """Cuts one stretch of text into parts of at most `budget` tokens, at the gentlest places that serve:
    between blocks, list items, lines, sentences, words; inside a code fence never."""

    def __init__(self, text: str, span: Span, outline: _Outline, encoder: Encoder, budget: int) -> None:
        self._text = text
        self._span = span
        self._outline = outline
        self._budget = budget
        self._tokens = _token_offsets(text, span, encoder)

    def parts(self) -> list[Span]:
        if self._size(self._span) <= self._budget:
            return [self._span]
        packed: list[Span] = []
        for piece in self._pieces(self._span, level=0):
            # links at the end stay with what they belong to: the reader and the full-text index want them there,
            # and the encoder loses nothing when it stops before an address
            fits = packed and self._size((packed[-1][0], piece[1])) <= self._budget
            if fits or (packed and is_only_links(self._text[slice(*piece)])):
                packed[-1] = (packed[-1][0], piece[1])
            else:
                packed.append(piece)
        return [part for span in packed if (part := trim(self._text, *span))[0] < part[1]]

    def _pieces(self, span: Span, level: int) -> list[Span]:
        if self._size(span) <= self._budget or level > 4:
            return [span]
        cuts = [span[0], *self._cuts(span, level), span[1]]
        return [
            piece for start, end in zip(cuts, cuts[1:], strict=False) for piece in self._pieces((start, end), level + 1)
        ]

    def _cuts(self, span: Span, level: int) -> list[int]:
        """Places strictly inside `span` and outside any fence, ascending; a higher level cuts finer."""
        start, end = span
        if level == 0:
            places: Iterable[int] = _between(self._outline.blocks, start, end)
        elif level == 1:
            places = _between(self._outline.items, start, end)
        elif level == 2:
            places = (start + match.end() for match in re.finditer("\n", self._text[start:end]))
        elif level == 3:
            places = (start + first for first, _ in sentence_spans(self._text[start:end]))
        else:
            first = bisect_left(self._tokens, start)
            places = self._tokens[first : bisect_left(self._tokens, end) : self._budget]
        return [place for place in places if start < place < end and not self._in_fence(place)]

    def _in_fence(self, place: int) -> bool:
        index = bisect_right(self._outline.fences, (place, len(self._text))) - 1
        return index >= 0 and self._outline.fences[index][0] < place < self._outline.fences[index][1]

    def _size(self, span: Span) -> int:
        return bisect_left(self._tokens, span[1]) - bisect_left(self._tokens, span[0])


def _between(places: list[int], start: int, end: int) -> list[int]:
    return places[bisect_right(places, start) : bisect_left(places, end)]


def _token_offsets(text: str, span: Span, encoder: Encoder) -> "array[int]":
    """Offsets at which the tokens in `span` start, with further ones inside words of absurd length."""
    offsets = array("q")
    previous = span[0]
    for start in range(*span, _TOKENIZED_AT_ONCE):
        for offset in encoder.token_starts(text[start : min(start + _TOKENIZED_AT_ONCE, span[1])]):
            offsets.extend(range(previous + _LONGEST_WORD, start + offset, _LONGEST_WORD))
            offsets.append(start + offset)
            previous = start + offset
    offsets.extend(range(previous + _LONGEST_WORD, span[1], _LONGEST_WORD))
    return offsets


# -- Markdown ------------------------------------------------------------------------------------------------------


def _front_matter(text: str) -> tuple[dict, str]:
    """YAML front matter, and the text with it blanked out, so that every offset and line stays where it was."""
    import yaml

    match = _FRONT_MATTER.match(text)
    if not match:
        return {}, text
    try:
        metadata = yaml.safe_load(match.group(1) or "")
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: a date that is none, such as 2024-02-30
        return {}, text
    if not isinstance(metadata, dict):
        return {}, text
    return metadata, re.sub(r"[^\n]", " ", match.group()) + text[match.end() :]


def _tags(metadata: dict) -> tuple[str, ...]:
    tags = metadata.get("tags") or ()
    if isinstance(tags, str):
        tags = tags.replace(",", " ").split()
    return tuple(str(tag).lstrip("#") for tag in tags) if isinstance(tags, (list, tuple)) else ()


def _markdown_outline(text: str) -> _Outline:
    line_starts = _line_starts(text)
    tokens = _parser().parse(text)
    outline = _Outline(sections=[])
    path: list[tuple[int, str]] = []
    section = _Section((), 0, 0, len(text))
    for index, token in enumerate(tokens):
        if token.map is None:
            continue
        start, end = (line_starts[min(line, len(line_starts) - 1)] for line in token.map)
        if token.map[1] >= len(line_starts):
            end = len(text)
        if token.type == "heading_open" and token.level == 0:
            level = int(token.tag[1:])
            contains_next = bool(path) and level > path[-1][0] and bool(section.heading_path)
            section.end = start
            _keep(section, text, outline, container=contains_next)
            path = [(depth, name) for depth, name in path if depth < level]
            path.append((level, _plain(tokens[index + 1]) or "(untitled)"))
            if level == 1 and not outline.title:
                outline.title = path[-1][1]
            section = _Section(tuple(name for _, name in path), token.map[0], end, len(text))
        elif token.type in ("fence", "code_block"):
            outline.fences.append((start, end))
        if token.level == 0:
            outline.blocks.append(start)
        if token.type in ("list_item_open", "tr_open"):
            outline.items.append(start)
        if token.type == "inline":
            outline.links += _links(token)
    _keep(section, text, outline, container=False)
    return outline


def _keep(section: _Section, text: str, outline: _Outline, container: bool) -> None:
    """Keep a section unless nothing stands in it and its heading only announces the sections below it."""
    if text[section.start : section.end].strip() or (section.heading_path and not container):
        outline.sections.append(section)


def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table")
    # addresses are kept as they were written; what may be opened is decided where they are shown
    parser.normalizeLink = lambda url: url  # type: ignore[method-assign]
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    return parser


def _plain(inline: "Token") -> str:
    """The words of a heading, without its markup."""
    pieces = [
        child.content if child.type in ("text", "code_inline") else " "
        for child in inline.children or ()
        if child.type in ("text", "code_inline", "softbreak", "hardbreak")
    ]
    return "".join(pieces).strip()


def _links(inline: "Token") -> list[tuple[int, Link]]:
    """Links and bare addresses of a block, with their lines."""
    line = (inline.map or [0])[0]
    found: list[tuple[int, Link]] = []
    open_link: tuple[str, list[str]] | None = None
    for child in inline.children or ():
        if child.type == "link_open":
            open_link = (str(child.attrs.get("href", "")), [])
        elif child.type == "link_close" and open_link:
            url, words = open_link
            found.append((line, Link("".join(words).strip() or url, url)))
            open_link = None
        elif child.type in ("softbreak", "hardbreak"):
            line += 1
        elif open_link:
            open_link[1].append(child.content)
        elif child.type == "text":
            found += [(line, Link(url, url)) for url in _bare_urls(child.content)]
    return found


def _bare_urls(text: str) -> list[str]:
    """Addresses standing in plain text, without the punctuation or the unpaired bracket that ends the sentence."""
    urls = []
    for url in _BARE_URL.findall(text):
        url = url.rstrip(".,;:!?*_")
        while url.endswith(")") and url.count(")") > url.count("("):
            url = url[:-1].rstrip(".,;:!?*_")
        urls.append(url)
    return urls


# -- lines ---------------------------------------------------------------------------------------------------------


def _line_starts(text: str) -> list[int]:
    return [0, *(match.end() for match in re.finditer("\n", text))]


def _line_at(offset: int, line_starts: list[int]) -> int:
    return bisect_right(line_starts, offset) - 1
