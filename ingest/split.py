"""Split a document into chunks: a section each, or parts of a section that is longer than the encoder reads.

A chunk's text is a verbatim stretch of the document, so that it can be quoted and found again by its lines.
"""

import math
import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from ingest.reading import Reading, Section, Span, line_starts
from knowledge.documents import Chunk, Place, Reference
from knowledge.encoder import Encoder
from knowledge.text import formula_spans, is_only_links, lies_inside, sentence_spans, trim

#: Changes whenever the same file would be split otherwise: the index then rebuilds itself.
CHUNKING = "sections-3"

_TOKENIZED_AT_ONCE = 2**16  # characters; keeps the tokenizer's memory flat on a huge file
_LONGEST_HEADING = 300  # characters; more is no heading, and every section below would carry it
_LONGEST_WORD = 100  # characters; the tokenizer calls a longer run one piece, which says nothing of its size


def split(source: str, reading: Reading, encoder: Encoder) -> list[Chunk]:
    """The chunks of a document, in order.

    A heading with neither text nor sections below it is a chunk too: it may be all that was noted.
    """
    starts = line_starts(reading.text)
    links, tags = _Standing(reading.links), _Standing(reading.tags)
    chunks = []
    for section in reading.sections:
        path = _path(section, reading)
        for part, (start, end, overlong) in enumerate(_parts(section, path, reading, encoder)):
            # the first part of a section begins with its heading
            first = _line_at(start, starts) if part else section.first_line
            last = max(first, _line_at(end - 1, starts)) if end > start else first
            chunks.append(
                Chunk(
                    source=source,
                    title=reading.title,
                    heading_path=path,
                    lines=(first + 1, last + 1),
                    text=reading.text[start:end] or section.heading_path[-1],
                    links=links.on(first, last),
                    tags=tuple(dict.fromkeys((*reading.document_tags, *tags.on(first, last)))),
                    kind=reading.kind,
                    url=reading.url,
                    place=_place(reading.places, start, end),
                    overlong=overlong,
                )
            )
    return chunks


T = TypeVar("T")


def references(reading: Reading, key_of: Callable[[str], str]) -> list[Reference]:
    """The links of a document with the sections and the lines on which they stand; `key_of` names their pages."""
    first_lines = [section.first_line for section in reading.sections]
    found = []
    for line, link in sorted(reading.links, key=lambda pair: pair[0]):
        index = bisect_right(first_lines, line) - 1
        path = _path(reading.sections[index], reading) if index >= 0 else (reading.title[:_LONGEST_HEADING],)
        found.append(Reference(link.text, link.url, key_of(link.url), line + 1, path))
    return found


def _path(section: Section, reading: Reading) -> tuple[str, ...]:
    """The headings that a section stands under, the document's title where there are none."""
    return tuple(name[:_LONGEST_HEADING] for name in section.heading_path or (reading.title,))


class _Standing(Generic[T]):
    """Things that stand on lines, looked up by a range of lines."""

    def __init__(self, pairs: list[tuple[int, T]]) -> None:
        self._pairs = sorted(pairs, key=lambda pair: pair[0])
        self._lines = [line for line, _ in self._pairs]

    def on(self, first: int, last: int) -> tuple[T, ...]:
        """What stands on the lines `first` to `last`, each thing once."""
        found = self._pairs[bisect_left(self._lines, first) : bisect_right(self._lines, last)]
        return tuple(dict.fromkeys(thing for _, thing in found))


def _place(places: list[tuple[int, Place]], start: int, end: int) -> Place | None:
    """Where a stretch of text stands; from the first to the last place that it touches."""
    first = bisect_right(places, start, key=lambda mark: mark[0]) - 1
    last = bisect_left(places, max(end, start + 1), key=lambda mark: mark[0]) - 1
    if first < 0:
        return None
    return Place(places[first][1].unit, places[first][1].first, places[max(first, last)][1].last)


# -- cutting what is too long --------------------------------------------------------------------------------------


def _parts(section: Section, path: tuple[str, ...], reading: Reading, encoder: Encoder) -> list[tuple[int, int, bool]]:
    """The section whole where the encoder can read it, else in parts that it can; with whether one is too long."""
    whole = trim(reading.text, section.start, section.end)
    if whole[0] >= whole[1]:
        return [(section.start, section.start, False)] if section.heading_path else []
    heading = " › ".join(path)
    # no token is shorter than a byte, though several may be of one character, as in Korean
    if len(f"{heading}\n{reading.text[slice(*whole)]}".encode("utf-8", "replace")) <= encoder.max_tokens:
        return [(*whole, False)]
    budget = max(encoder.max_tokens - len(encoder.token_starts(heading)), encoder.max_tokens // 2)
    return _Cutter(whole, reading, encoder, budget).parts()


class _Cutter:
    """Cuts one stretch of text into parts of at most `budget` tokens, at the gentlest places that serve:
    between blocks, list items, lines, sentences, words; inside a code fence or a formula never."""

    def __init__(self, span: Span, reading: Reading, encoder: Encoder, budget: int) -> None:
        self._text = reading.text
        self._span = span
        self._reading = reading
        self._budget = budget
        self._tokens = _token_offsets(reading.text, span, encoder)
        self._formulas = [(span[0] + first, span[0] + last) for first, last in formula_spans(self._text[slice(*span)])]

    def parts(self) -> list[tuple[int, int, bool]]:
        """Start and end of each part, and whether it is over the budget all the same."""
        return [(*span, self._size(span) > self._budget and not self._ends_in_links(span)) for span in self._spans()]

    def _ends_in_links(self, span: Span) -> bool:
        """Whether what is over the budget is but the links behind the text."""
        last = bisect_left(self._tokens, span[0]) + self._budget
        return is_only_links(self._text[self._tokens[last - 1] : span[1]])

    def _spans(self) -> list[Span]:
        if self._size(self._span) <= self._budget:
            return [self._span]
        packed: list[Span] = []
        for piece in self._pieces(self._span, level=0):
            # links at the end stay with what they belong to: the reader and the full-text index want them there,
            # and the encoder loses nothing when it stops before an address
            size = self._size((packed[-1][0], piece[1])) if packed else math.inf
            if size <= self._budget or (size <= 2 * self._budget and self._belongs(piece, to=packed[-1])):
                packed[-1] = (packed[-1][0], piece[1])
            else:
                packed.append(piece)
        return [part for span in packed if (part := trim(self._text, *span))[0] < part[1]]

    def _belongs(self, piece: Span, to: Span) -> bool:
        """Whether a piece is but the links behind a text."""
        return is_only_links(self._text[slice(*piece)]) and not is_only_links(self._text[slice(*to)])

    def _pieces(self, span: Span, level: int) -> list[Span]:
        if self._size(span) <= self._budget or level > 4:
            return [span]
        cuts = [span[0], *self._cuts(span, level), span[1]]
        return [
            piece for start, end in zip(cuts, cuts[1:], strict=False) for piece in self._pieces((start, end), level + 1)
        ]

    def _cuts(self, span: Span, level: int) -> list[int]:
        """Places strictly inside `span` and outside any fence or formula, ascending; a higher level cuts finer."""
        start, end = span
        if level == 0:
            places: Iterable[int] = _between(self._reading.blocks, start, end)
        elif level == 1:
            places = _between(self._reading.items, start, end)
        elif level == 2:
            places = (start + match.end() for match in re.finditer("\n", self._text[start:end]))
        elif level == 3:
            places = (start + first for first, _ in sentence_spans(self._text[start:end]))
        else:
            first = bisect_left(self._tokens, start)
            places = self._tokens[first : bisect_left(self._tokens, end) : self._budget]
        return [place for place in places if start < place < end and not self._is_whole(place)]

    def _is_whole(self, place: int) -> bool:
        return lies_inside(place, self._reading.fences) or lies_inside(place, self._formulas)

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


def _line_at(offset: int, starts: list[int]) -> int:
    return bisect_right(starts, offset) - 1
