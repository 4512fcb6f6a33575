"""Org: Emacs' outlines, with their TODO keywords, tags, blocks, lists and links.

What depends on somebody's Emacs is not known: keywords of their own that the file does not set, abbreviated links,
tags that a heading has from those above it.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator

from ingest.reading import Reading, Section, Span, bare_links, blanked, line_starts, paragraph_starts
from knowledge.documents import Link

_HEADING = re.compile(r"(\*+) (.*)")
_TAGS = re.compile(r"(?:^|[ \t]):([\w@#%:]+):[ \t]*$")
_PRIORITY = re.compile(r"\s*\[#[A-Z0-9]{1,2}\]")
_COOKIE = re.compile(r"\[\d*(?:%|/\d*)\]")
_TODO_SETTINGS = frozenset(("todo", "seq_todo", "typ_todo"))
_USUAL_TODO = frozenset("TODO DONE NEXT STARTED WAITING WAIT HOLD SOMEDAY CANCELLED CANCELED".split())
_KEYWORD = re.compile(r"[ \t]*#\+(\w+):(.*)")
_SETTING = re.compile(r"# -\*-|[ \t]*#\+\w+:")
_BLOCK = re.compile(r"[ \t]*#\+(begin|end)_(src|example|export|comment)(?:[ \t]|$)", re.IGNORECASE)
_FIXED_WIDTH = re.compile(r"[ \t]*:(?: |$)")
_PLANNING = re.compile(r"[ \t]*(?:SCHEDULED|DEADLINE|CLOSED):")
_PROPERTIES = re.compile(r"[ \t]*:PROPERTIES:[ \t]*", re.IGNORECASE)
_END = re.compile(r"[ \t]*:END:[ \t]*", re.IGNORECASE)
_ITEM = re.compile(r"^(?:[ \t]*(?:[-+]|\d{1,9}[.)])(?:[ \t]|$)|[ \t]+\*[ \t]|[ \t]*\|(?!-))", re.MULTILINE)
_LINK = re.compile(r"\[\[([^\[\]\n]+)\](?:\[((?:[^\[\]]++|\[[^\[\]]*\])*+)\])?\]")
_COMMENT = re.compile(r"^[ \t]*#(?:[ \t].*)?$", re.MULTILINE)
_VERBATIM = re.compile(r"(?:^|(?<=[\s\-('\"{]))([=~])(?=\S).{0,400}?(?<=\S)\1(?=[\s\-.,:!?;'\")}\[\\]|$)", re.MULTILINE)
# what has neither a scheme nor a path names a place in the same file
_ADDRESS = re.compile(r"[A-Za-z][\w+-]*:\S|\.{0,2}/|~/")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def read_org(text: str) -> Reading:
    lines = text.split("\n")
    starts = [*line_starts(text), len(text)]
    reading = Reading(text, blocks=paragraph_starts(text))
    reading.fences = [(starts[first], starts[past]) for first, past in _code(lines)]
    prose = reading.without_code()
    reading.items = [match.start() for match in _ITEM.finditer(prose)]
    settings = _settings(prose)
    _add_sections(reading, lines, starts, frozenset(_todo_keywords(settings)) or _USUAL_TODO)
    _add_metadata(reading, settings)
    _add_links(reading, prose, starts)
    return reading


def _code(lines: list[str]) -> Iterator[Span]:
    """The line spans of what is taken literally. As in Emacs, a block that does not end before the next heading is
    none: a line of code that looks like a heading is one, unless a comma stands before it."""
    ends = _block_ends(lines)
    number = 0
    while number < len(lines):
        past = ends.get(number) or number
        while past < len(lines) and number not in ends and _FIXED_WIDTH.match(lines[past]):
            past += 1
        if past > number:
            yield number, past
        number = max(past, number + 1)


def _block_ends(lines: list[str]) -> dict[int, int]:
    """For the first line of each block the line behind its last."""
    ends = {}
    open_blocks: dict[str, int] = {}
    for number, line in enumerate(lines):
        if _HEADING.match(line):
            open_blocks.clear()
        elif block := _BLOCK.match(line):
            edge, kind = block.group(1).lower(), block.group(2).lower()
            if edge == "begin":
                open_blocks.setdefault(kind, number)
            elif kind in open_blocks:
                ends[open_blocks.pop(kind)] = number + 1
    return ends


# -- headings ------------------------------------------------------------------------------------------------------


def _add_sections(reading: Reading, lines: list[str], starts: list[int], todo: frozenset[str]) -> None:
    path: list[tuple[int, str]] = []
    first = _past_settings(lines)
    section = Section((), first, starts[first], len(reading.text))
    for number, line in enumerate(lines):
        if not (heading := _HEADING.match(line)):
            continue
        level = len(heading.group(1))
        section.end = max(section.start, starts[number])
        if not (path and level > path[-1][0] and _past_drawer(lines, section.first_line + 1) == number):
            reading.keep(section)
        name, tags = _heading(heading.group(2), todo)
        reading.tags += [(number, tag) for tag in tags]
        path = [(depth, above) for depth, above in path if depth < level]
        path.append((level, name))
        section = Section(tuple(name for _, name in path), number, starts[number + 1], len(reading.text))
    reading.keep(section)


def _heading(text: str, todo: frozenset[str]) -> tuple[str, list[str]]:
    """The words of a heading, and its tags."""
    tags = _TAGS.search(text)
    name = text[: tags.start()] if tags else text
    keyword, _, rest = name.strip().partition(" ")
    name = rest if keyword in todo else name
    name = name[priority.end() :] if (priority := _PRIORITY.match(name)) else name
    name = _LINK.sub(lambda link: link.group(2) or link.group(1), _COOKIE.sub("", name))
    words = " ".join(name.split()).removeprefix("COMMENT ")
    return words or "(untitled)", [tag for tag in tags.group(1).split(":") if tag] if tags else []


def _past_settings(lines: list[str]) -> int:
    """Where the settings end that a file begins with."""
    number = 0
    while (past := _past_drawer(lines, number)) < len(lines) and _SETTING.match(lines[past]):
        number = past + 1
    return past


def _past_drawer(lines: list[str], number: int) -> int:
    """Where the dates and properties end that Emacs keeps right below a heading, and the blank lines around them."""
    number = _past_blank(lines, number)
    while number < len(lines) and _PLANNING.match(lines[number]):
        number = _past_blank(lines, number + 1)
    end = number
    if number < len(lines) and _PROPERTIES.fullmatch(lines[number]):
        while end < len(lines) and not _HEADING.match(lines[end]):
            end += 1
            if _END.fullmatch(lines[end - 1]):
                return _past_blank(lines, end)
    return number


def _past_blank(lines: list[str], number: int) -> int:
    while number < len(lines) and not lines[number].strip():
        number += 1
    return number


# -- settings and links --------------------------------------------------------------------------------------------


def _settings(text: str) -> list[tuple[str, str]]:
    """The `#+name: value` lines, wherever they stand."""
    found = (_KEYWORD.match(line) for line in text.split("\n"))
    return [(match.group(1).lower(), match.group(2).strip()) for match in found if match]


def _todo_keywords(settings: list[tuple[str, str]]) -> Iterator[str]:
    """The keywords that the file sets, without the keys that choose them."""
    for name, value in settings:
        if name in _TODO_SETTINGS:
            yield from (word.partition("(")[0] for word in value.split() if word != "|")


def _add_metadata(reading: Reading, settings: list[tuple[str, str]]) -> None:
    values: dict[str, list[str]] = {}
    for name, value in settings:
        values.setdefault(name, []).append(value)
    reading.title = " ".join(" ".join(values.get("title", ())).split())
    reading.author = ", ".join(filter(None, values.get("author", ())))
    reading.document_tags = tuple(filter(None, re.split(r"[:\s]+", " ".join(values.get("filetags", ())))))
    date = next(filter(None, values.get("date", ())), "")
    day = _DATE.search(date)
    reading.published = day.group() if day else date


def _add_links(reading: Reading, prose: str, starts: list[int]) -> None:
    """Take the links but for those in comments and in what is taken literally."""
    prose = blanked(_COMMENT, prose)
    outside_code = blanked(_VERBATIM, prose)
    for match in _LINK.finditer(prose):
        url = match.group(1).strip()
        if _ADDRESS.match(url) and outside_code[match.start()] == "[":
            label = " ".join((match.group(2) or url).split())
            reading.links.append((bisect_right(starts, match.start()) - 1, Link(label, url)))
    reading.links += bare_links(blanked(_VERBATIM, blanked(_LINK, prose)))
