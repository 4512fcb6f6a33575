"""Cut retrieved passages down to the sentences, list items and code that bear on a question."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice, pairwise

from knowledge.documents import Chunk, Hit, Link
from knowledge.prompt import Passage
from knowledge.query import parse
from knowledge.stemming import stem
from knowledge.store import Store, among
from knowledge.text import (
    MARKDOWN_LINK,
    beginning,
    content_words,
    formula_spans,
    is_only_links,
    lies_inside,
    meaningful_words,
    outside_literals,
    sentence_spans,
    trim,
    words,
)

# in a list however far it is indented; a code span of three backticks at the start of a line ends on it
FENCE = re.compile(r"[ \t]*(`{3,}(?!.*`)|~{3,})")
_ITEM = re.compile(r"[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?")
_TABLE_ROW = re.compile(r"[ \t]*\|.*\|[ \t]*$")
_TABLE_RULE = re.compile(r"[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-{2,}:?[ \t]*)*\|?[ \t]*$")
_ONLY_TAGS = re.compile(r"(?:#\w[\w/-]{0,100}\s*)+")  # they file a note, and say nothing in it
#: Editors wrap lines at this width or more, and what people wrap by hand keeps to this share of the longest line.
_LEAST_WIDTH, _KEPT_TO = 60, 0.8
#: How a line ends that the next one goes on with.
_GOES_ON = re.compile(
    r"(?:[,;:(–-]|\b(?:a|an|and|are|as|at|but|by|for|from|in|is|of|on|or|than|that|the|to|with))[ \t]*$", re.IGNORECASE
)
_LINE_BREAK = re.compile(r"(?:\\| {2,})(?=\n)")
# what Obsidian writes beside Markdown: callouts, links between notes, names of blocks
_QUOTE_MARK = re.compile(r"^[ \t]*>[ \t]?(?:\[!\w{1,30}\][+-]?[ \t]*)?", re.MULTILINE)
_WIKI_LINK = re.compile(r"\[\[([^\[\]|\n]{1,300})(?:\|([^\[\]\n]{0,300}))?\]\]")
_BLOCK_NAME = re.compile(r"[ \t]\^[\w-]+$", re.MULTILINE)


@dataclass(frozen=True)
class Unit:
    """The smallest thing that is quoted: a sentence, a list item, a table row, a code block or a line of links.

    `start` and `end` are offsets in the chunk's text; `head` is the header of the table that a row is of.
    """

    chunk: Chunk
    start: int
    end: int
    kind: str  # "sentence" | "item", a row too | "code" | "links"
    head: str = ""

    @property
    def said(self) -> str:
        """As a sentence of its own, a row behind its header."""
        return f"{plain(self.head)}: {plain(self.text)}" if self.head else plain(self.text)

    @property
    def text(self) -> str:
        return self.chunk.text[self.start : self.end]

    @property
    def lines(self) -> tuple[int, int]:
        return lines_of(self.chunk, self.start, self.end)


def lines_of(chunk: Chunk, start: int, end: int) -> tuple[int, int]:
    """The lines, in the source, of a stretch of a chunk's text. The text ends where the chunk does."""
    last = chunk.lines[1]
    first = last - chunk.text.count("\n", start)
    return max(chunk.lines[0], first), max(chunk.lines[0], last - chunk.text.count("\n", end))


def units(chunk: Chunk) -> list[Unit]:
    """The units of a chunk, in order; with the headers of tables they cover all of its text that says something."""
    found: list[Unit] = []
    head = ""
    typed = chunk.kind == "note" and chunk.place is None  # elsewhere lines are those of a layout
    for start, end, kind in _blocks(chunk.text, typed):
        if kind in ("head", "rule"):
            head = chunk.text[start:end].strip() if kind == "head" else head
            continue
        if kind == "prose":
            by_line = typed and _is_by_line(chunk.text[start:end])
            spans = [(first, last, "sentence") for first, last in _sentences(chunk.text, start, end, by_line)]
        else:
            spans = [(*trim(chunk.text, start, end), "item" if kind == "row" else kind)]
        head = head if kind == "row" else ""
        for first, last, name in spans:
            if first < last and not _ONLY_TAGS.fullmatch(chunk.text, first, last):
                links_only = name != "code" and is_only_links(chunk.text[first:last])
                found.append(Unit(chunk, first, last, "links" if links_only else name, head))
    return found


def plain(text: str) -> str:
    """A unit as a sentence of its own: no list or quote marks, no emphasis, no hard line breaks, on one line."""
    text = _QUOTE_MARK.sub("", text)
    if mark := _ITEM.match(text):
        text = text[mark.end() :]
    if _TABLE_ROW.match(text):
        text = " · ".join(cells(text))
    return " ".join(outside_literals(_without_marks, text.rstrip("\\ ")).split())


def _without_marks(text: str) -> str:
    text = _BLOCK_NAME.sub("", _LINE_BREAK.sub("", text))
    text = _WIKI_LINK.sub(lambda link: link.group(2) or link.group(1), text)
    return re.sub(r"(?<!\w)(\*\*|__|\*|_)(?=\S)(.+?)(?<=\S)\1(?!\w)", r"\2", text)


def cells(row: str) -> tuple[str, ...]:
    """The cells of a table's row."""
    inside = row.strip().removeprefix("|")
    inside = inside if inside.endswith("\\|") else inside.removesuffix("|")
    return tuple(cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inside))


def _blocks(text: str, typed: bool) -> Iterator[tuple[int, int, str]]:
    """Stretches of a chunk: code fences, list items, the headers, rules and rows of tables, and the prose between. Of
    `typed` lines a short one at the margin below an item is no part of it."""
    start = 0  # of the open stretch
    kind = "prose"
    fence = ""
    offset = 0
    formulas = formula_spans(text)
    lines = text.splitlines(keepends=True)
    for line, following in zip(lines, [*lines[1:], ""], strict=False):
        begins = None
        if fence:
            if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                yield start, offset + len(line), "code"
                fence, start, kind = "", offset + len(line), "prose"
        elif opened := FENCE.match(line):
            fence, begins = opened.group(1), "code"
        elif not lies_inside(offset, formulas):
            begins = _begun(line, following, kind)
            if typed and kind == "item" and not (begins or line[0].isspace()):
                begins = "prose" if _is_by_line(text[start:offset] + line) else None
        if begins:
            yield start, offset, kind
            start, kind = offset, begins
        offset += len(line)
    yield start, len(text), "code" if fence else kind


def _begun(line: str, following: str, kind: str) -> str | None:
    """The kind of stretch that a line begins behind one of this kind; None where it goes on with it."""
    if _is_rule(line):
        return "rule"
    if "|" in line and _is_rule(following):
        return "head"
    if _TABLE_ROW.match(line) or (kind in ("rule", "row") and "|" in line):
        return "row"
    if _ITEM.match(line):
        return "item"
    if not line.strip() or kind in ("rule", "row") or (kind == "item" and _starts_with_link(line)):
        return "prose"
    return None


def _is_by_line(paragraph: str) -> bool:
    """Whether each line of a paragraph says something of its own, as in quick notes, and not all of them one wrapped
    text: one at least is broken off though the first word of the next one had room behind it."""
    lines = _QUOTE_MARK.sub("", paragraph).split("\n")
    width = _KEPT_TO * max(_LEAST_WIDTH, *map(len, lines))
    return any(
        len(f"{line.rstrip()} {following.split()[0]}") <= width
        for line, following in pairwise(lines)
        if _is_text(line) and _is_text(following) and not _ends(line, following)
    )


def _is_text(line: str) -> bool:
    """Not links, tags or the name of a block, which have a line of their own in a wrapped text too."""
    text = line.strip()
    return bool(text) and not (_starts_with_link(text) or _ONLY_TAGS.fullmatch(text) or text.startswith("^"))


def _ends(line: str, following: str) -> bool:
    """Whether a line shows by how it ends that the next one goes on with it, or does not: its length tells nothing."""
    ends = line.rstrip().endswith((".", "!", "?")) and following.lstrip()[0].isupper()
    return ends or line.endswith(("\\", "  ")) or bool(_GOES_ON.search(line))


def _is_rule(line: str) -> bool:
    """The line between the header and the rows of a table."""
    return "|" in line and bool(_TABLE_RULE.match(line))


def _starts_with_link(line: str) -> bool:
    """A line of links right under a list belongs to the section, not to the last item."""
    return bool(MARKDOWN_LINK.match(line))


def _sentences(text: str, start: int, end: int, by_line: bool) -> Iterable[tuple[int, int]]:
    """Sentences of a paragraph; a hard line break, and a change from words to links, end one too, and so does every
    line of one that is written `by_line`, outside of formulas."""
    begin = line_start = start
    formulas = formula_spans(text[start:end])
    for line in text[start:end].splitlines(keepends=True):
        line_end = line_start + len(line)
        ends_hard = by_line or line.rstrip("\n").endswith(("\\", "  "))
        ends_hard = ends_hard and not lies_inside(line_end - begin, formulas)
        next_line = text[line_end:end].split("\n", 1)[0]
        if ends_hard or line_end >= end or _starts_with_link(next_line) or _starts_with_link(line):
            for first, last in sentence_spans(text[start:line_end]):
                while last > first and text[start + last - 1] in "\\ ":
                    last -= 1
                yield start + first, start + last
            start = line_end
        line_start = line_end


# -- gathering -----------------------------------------------------------------------------------------------------

#: How many chunks are looked at, and how many of their sections are told of.
CONSIDERED = 10
READ = 3
#: The share of their runs of three words that near copies have in common at least.
_NEAR_COPY = 0.85
#: Sections of fewer words say the same only under the same heading: there it says what they are about.
_SPEAKS_FOR_ITSELF = 10


@dataclass(frozen=True)
class Scored:
    """A unit with how well it matches the question by itself."""

    unit: Unit
    score: float


@dataclass(frozen=True)
class Evidence:
    """What was found for a question: chunks, their sections, and the units of those that are read, in reading order;
    all best first."""

    hits: tuple[Hit, ...]
    sections: tuple[Hit, ...]
    scored: tuple[Scored, ...]


def gather(question: str, store: Store, keep: Sequence[Chunk] = ()) -> Evidence:
    """Search, and score each unit of the best section and of those that match about as well.

    The sections in `keep` are looked at whatever else is found. What stands in several places is read in the best one.
    """
    hits = store.search(question, CONSIDERED, keep)
    return weigh(question, hits, list(islice(_without_copies(_whole(hits, store)), READ)), store)


def weigh(question: str, hits: Sequence[Hit], sections: Sequence[Hit], store: Store) -> Evidence:
    """What was found for a question as evidence: with the units that are read, scored."""
    return Evidence(tuple(hits), tuple(sections), tuple(read(parse(question).topic, about_as_good(sections), store)))


def _whole(hits: Iterable[Hit], store: Store) -> Iterator[Hit]:
    """The section of each hit, once, as far as it is read around the best hit in it."""
    seen: set[Chunk] = set()
    for hit in hits:
        parts = store.section_of(hit.chunk)
        if parts[0] not in seen:
            seen.add(parts[0])
            yield replace(hit, chunk=among(parts, hit.chunk))


def _without_copies(sections: Iterable[Hit]) -> Iterator[Hit]:
    """The sections but for those that say the same as one before."""
    seen: list[Chunk] = []
    for section in sections:
        if not any(_says_the_same(section.chunk, other) for other in seen):
            seen.append(section.chunk)
            yield section


def _says_the_same(one: Chunk, other: Chunk) -> bool:
    """Whether a section is a copy of the other, or, in another note, one but for a few words and no number."""
    ours, theirs = one.text.casefold().split(), other.text.casefold().split()
    if one.heading_path[-1] != other.heading_path[-1] and min(len(ours), len(theirs)) < _SPEAKS_FOR_ITSELF:
        return False
    # in one note alike sections are meant to differ, and a number that differs says something else
    if ours == theirs or one.source == other.source or _numbers(one) != _numbers(other):
        return ours == theirs
    runs, their_runs = (set(zip(text, text[1:], text[2:], strict=False)) for text in (ours, theirs))
    return len(runs & their_runs) > _NEAR_COPY * len(runs | their_runs)


def _numbers(chunk: Chunk) -> list[str]:
    return re.findall(r"\d+", chunk.text)


def about_as_good(sections: Sequence[Hit]) -> list[Hit]:
    """The best section, and the others that match about as well."""
    return [section for section in sections if section.score >= _BESIDE_SECTION * sections[0].score]


def read(question: str, sections: Sequence[Hit], store: Store) -> list[Scored]:
    """Every unit of the sections, in order, lines of links aside, scored by the mean of the cosine of its embedding to
    the question's and of the share of the question's words, weighted by rarity, that it or its heading holds."""
    candidates = [unit for section in sections for unit in units(section.chunk) if unit.kind != "links"]
    if not candidates:
        return []
    vectors = store.vectors_of([question, *(unit.said for unit in candidates)])
    weights = word_weights(question, store)
    return [
        # what the heading, or the header of a table, says holds for every unit under it, so that the words that are
        # only in some of them tell these apart
        Scored(unit, (float(cosine) + overlap(weights, f"{unit.chunk.heading}\n{unit.head}\n{unit.text}")) / 2)
        for unit, cosine in zip(candidates, vectors[1:] @ vectors[0], strict=True)
    ]


def word_weights(question: str, store: Store) -> dict[str, float]:
    """The stems of the question's content words, each with its share of the question's rarity in the index."""
    rarity = {stem(word): store.rarity(word) for word in content_words(question)}
    total = sum(rarity.values()) or 1.0
    return {word: value / total for word, value in rarity.items()}


def overlap(weights: dict[str, float], text: str) -> float:
    """Share of the weighted words (`word_weights`) that stand in a text, in some form."""
    inside = stems(text)
    return sum(weight for word, weight in weights.items() if word in inside)


#: How many units a model reads: it answers best from little. The four best hold the gold answer of 94% of SQuAD's
#: questions, those of the best section alone 88% (tests/benchmarks/README.md).
READ_BY_MODEL = 4
_MOST_LINKS = 4
_LONGEST_LINE = 600  # characters


@dataclass(frozen=True)
class Excerpt:
    """What a model reads of a section: its best units, in reading order; none where it holds only links."""

    section: Chunk
    units: tuple[Unit, ...]

    @property
    def passage(self) -> Passage:
        # the header of a table once, before the first of its rows
        said = dict.fromkeys(plain(text) for unit in self.units for text in (unit.head, unit.text) if text)
        lines = [beginning(line, _LONGEST_LINE) for line in said]
        links = dict.fromkeys(_link_name(link) for link in self.section.links if "://" in link.url)
        if links:
            lines.append(f"Links: {', '.join(list(links)[:_MOST_LINKS])}")
        return Passage(self.section.heading_path[-1], tuple(lines))


def excerpts(sections: Sequence[Hit], scored: Sequence[Scored]) -> list[Excerpt]:
    """The best units of all of these sections, by section, and the sections that hold nothing but links."""
    best = {item.unit for item in sorted(scored, key=lambda item: -item.score)[:READ_BY_MODEL]}
    found = []
    for section in sections:
        inside = [item.unit for item in scored if item.unit.chunk == section.chunk]
        chosen = tuple(unit for unit in inside if unit in best)
        if chosen or not inside:
            found.append(Excerpt(section.chunk, chosen))
    return found


def _link_name(link: Link) -> str:
    """The text of a link; its host where the text says nothing."""
    return link.text if link.says_something else link.url.split("://")[-1].partition("/")[0].removeprefix("www.")


# -- choosing ------------------------------------------------------------------------------------------------------

#: A section with no more than so many words is quoted whole: it is a note already.
_SHORT_SECTION = 80
#: How good a unit must be, as a share of the best one's score, to be quoted beside it.
_BESIDE_BEST = 0.5
_MOST_UNITS = 4
#: How good another section must be, as a share of the best one's score, to be quoted too.
_BESIDE_SECTION = 0.88
_MOST_ITEMS = 12
#: How much better than the next an item must be to answer by itself.
_STANDS_OUT = 1.2


def choose(section: Hit, evidence: Evidence) -> list[Scored]:
    """The few units of a section that answer, best first; none where it holds only links.

    A list is quoted with its introduction and its items, since half a list answers nothing.
    """
    beside = [item for item in evidence.scored if item.unit.chunk == section.chunk]
    if not beside:
        return []
    ranked = sorted(beside, key=lambda item: -item.score)
    if sum(len(words(item.unit.text)) for item in beside) <= _SHORT_SECTION:
        return ranked
    good = [item for item in ranked[:_MOST_UNITS] if item.score >= _BESIDE_BEST * ranked[0].score]
    chosen: dict[Scored, None] = {}
    for item in good:
        # an item by itself may be the answer; only the best one brings its whole list along
        in_list = _list_around(item, beside) if item is ranked[0] or _introduces(item) else []
        chosen |= dict.fromkeys([item, *in_list])
    return list(chosen)[:_MOST_ITEMS]


def _list_around(item: Scored, beside: Sequence[Scored]) -> list[Scored]:
    """The list that a unit introduces or is an item of, with its introduction; nothing where there is none."""
    index = beside.index(item)
    kinds = [other.unit.kind for other in beside]
    if kinds[index] != "item" and not _introduces(item):
        return []
    first = index
    while first > 0 and kinds[first] == "item":
        first -= 1
    last = max(index, first + 1)
    while last < len(beside) and kinds[last] == "item":
        last += 1
    start = first if kinds[first] == "item" or _introduces(beside[first]) else first + 1
    return list(beside[start:last])


def enumeration(chosen: Sequence[Scored]) -> list[Scored]:
    """The list that answers as a whole, in reading order, with its introduction; none where one unit stands out."""
    if not chosen:
        return []
    listed = _list_around(chosen[0], sorted(chosen, key=lambda item: item.unit.start))
    others = [item.score for item in listed if item.unit.kind == "item" and item is not chosen[0]]
    stands_out = chosen[0].unit.kind == "item" and chosen[0].score > _STANDS_OUT * max(others, default=0.0)
    if len(others) < 2 or stands_out:
        return []
    return listed


def with_introduction(chosen: Sequence[Scored]) -> list[Scored]:
    """The best unit; code behind the words that introduce it, where these are chosen too."""
    ordered = sorted(chosen, key=lambda item: item.unit.start)
    index = ordered.index(chosen[0])
    is_introduced = chosen[0].unit.kind == "code" and index > 0 and _introduces(ordered[index - 1])
    return ordered[index - is_introduced : index + 1]


def _introduces(item: Scored) -> bool:
    return item.unit.text.rstrip("\\* ").endswith(":")


@lru_cache(maxsize=4096)
def stems(text: str) -> frozenset[str]:
    """The stems of all words of `text` that carry meaning."""
    return frozenset(map(stem, meaningful_words(text)))
