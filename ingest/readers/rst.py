"""reStructuredText, Sphinx's included: titles, literal blocks, lists and links, found on the lines themselves.

Directives and roles are not carried out, so that those of any extension may stand in a text: nothing is included,
substituted or numbered, and the body of a directive is text like any other unless it is known to be code.
"""

# docutils is no help here: "*a " written 20,000 times takes it 11 s, block quotes 200 deep end in a RecursionError,
# and a title that skips a level becomes an error message, with its text left under the title before.

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from ingest.reading import Reading, Section, Span, bare_links, blank, blanked, day_of, line_starts
from knowledge.documents import Link

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1*[ \t]*")
_SIMPLE_TABLE = re.compile(r"=+(?: +=+)+[ \t]*")
_TABLE_BORDER = re.compile(r"=[= ]*[ \t]*")
_FIELD = re.compile(r":(?![: ])((?:[^:\\]|\\.|:(?![ \t`]|$))++)(?<! ):(?:[ \t]+|$)")
_BULLET = re.compile(r"[-*+•‣⁃](?:[ \t]+|$)")
_ENUMERATOR = re.compile(r"\(?(?:\d{1,9}|[A-Za-z]|[ivxlcdmIVXLCDM]{1,9}|#)[.)](?:[ \t]+|$)")
_EXPLICIT = re.compile(r"(?:\.\.|__)(?:[ \t]|$)")
_DIRECTIVE = re.compile(r"\.\.[ \t]+(?:\|[^|\n]+\|[ \t]+)?([\w:.+-]+)::(?:[ \t]|$)")
# what no directive, target, footnote or substitution is
_COMMENT = re.compile(r"\.\.(?:[ \t]+(?!_|\[|\||[\w:.+-]+ ?::(?:[ \t]|$)).*)?")
_OTHER_MARKUP = re.compile(r">>>(?:[ \t]|$)|\|(?:[ \t]|$)|\+[-=+]+\+")
_LITERAL_DIRECTIVES = frozenset(
    """code code-block sourcecode parsed-literal math raw doctest testcode testoutput testsetup testcleanup
    prompt console ipython jupyter-execute graphviz digraph graph uml mermaid productionlist""".split()
)
_LITERAL_TEXT = re.compile(r"``(?=\S)(?:[^`\n]++|`(?!`)|\n(?![ \t]*\n))*+``")
_IMAGE = re.compile(r"^[ \t]*\.\.[ \t]+(?:\|[^|\n]+\|[ \t]+)?(?:image|figure)::.*", re.MULTILINE)
_TARGET = re.compile(
    r"^([ \t]*)(?:\.\.[ \t]+_(?![ _])(`[^`\n]+`|(?:[^:\\\n]|\\.|:(?![ \t\n]|\Z))++):|\.\.[ \t]+__:|__(?=[ \t]))"
    r"((?:[ \t].*)?(?:\n\1[ \t]+\S.*)*)",
    re.MULTILINE,
)
_PHRASE = re.compile(r"(?<![\w`])`(?=\S)((?:[^`\n]++|\n(?![ \t]*\n))++)`(__?)(?!\w)")
_WORD = re.compile(r"(?<!\w)([^\W_]++(?:[-._+:][^\W_]++)*+)((?:__?(?!\w))?+)")
_MARKED = re.compile(
    r"""(?<!\\)(?: ``(?=\S)([^`]+)``
        | (?::[\w+.-]+(?::[\w+.-]+)?:)? `(?=\S)([^`]+)` (?:__?(?!\w))?
        | \*\*(?=\S)([^*]+)(?<=\S)\*\*
        | \*(?=\S)([^*]+)(?<=\S)\*
        | \|(?=\S)([^|]+)(?<=\S)\| (?:__?(?!\w))? )""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)")
_LONGEST_TITLE = 1000  # characters


@dataclass
class _Title:
    """A title with its adornment: the lines `first` up to but without `past`."""

    first: int
    past: int
    style: str
    name: str


def read_rst(text: str) -> Reading:
    lines = text.split("\n")
    literal = _literal_blocks(lines)
    titles = list(_titles(lines, dict(literal)))
    starts = [*line_starts(text), len(text)]
    reading = Reading(text, title=titles[0].name if titles else "")
    reading.fences = [(starts[first], starts[past]) for first, past in literal]
    _add_sections(reading, titles, lines, starts)
    _add_cuts(reading, lines, starts, literal, {title.first for title in titles})
    _add_links(reading)
    _add_fields(reading, lines, titles)
    return reading


def _indent(line: str) -> int:
    space = line[: len(line) - len(line.lstrip())]
    return len(space.expandtabs(8)) if "\t" in space else len(space)


def _is_blank(lines: list[str], number: int) -> bool:
    """Whether a line is blank; there are blank lines before the first and behind the last."""
    return not 0 <= number < len(lines) or not lines[number].strip()


# -- literal blocks ------------------------------------------------------------------------------------------------


def _literal_blocks(lines: list[str]) -> list[Span]:
    """The line spans of code: directives that hold it, what follows `::`, and doctest blocks."""
    blocks: list[Span] = []
    number = 0
    while number < len(lines):
        span = _literal_block(lines, number)
        if span:
            blocks.append(span)
        number = span[1] if span else number + 1
    return blocks


def _literal_block(lines: list[str], number: int) -> Span | None:
    """The literal block that the line begins, or announces."""
    content = lines[number].strip()
    if content.startswith(">>>") and _is_blank(lines, number - 1):
        return number, _next_blank(lines, number)
    if directive := _DIRECTIVE.match(content):
        literal = directive.group(1) in _LITERAL_DIRECTIVES
        return (number, _past_indented(lines, number + 1, _indent(lines[number]))) if literal else None
    if not content.endswith("::") or not _is_blank(lines, number + 1) or _EXPLICIT.match(content):
        return None
    first = number + 1
    while first < len(lines) and _is_blank(lines, first):
        first += 1
    past = _past_literal(lines, first, _text_column(lines[number]))
    return (number if content == "::" else first, past) if past > first else None


def _past_literal(lines: list[str], first: int, column: int) -> int:
    """Where the literal block ends that may begin on the line `first`, behind a paragraph that stands at `column`."""
    if first >= len(lines) or _indent(lines[first]) > column:
        return _past_indented(lines, first, column)
    # an unindented literal block has the same punctuation mark before each of its lines
    mark = lines[first].strip()[0]
    past = first
    if _ADORNMENT.match(mark) and not _EXPLICIT.match(lines[first].strip()):
        while not _is_blank(lines, past) and lines[past].lstrip().startswith(mark):
            past += 1
    return past if _is_blank(lines, past) else first


def _next_blank(lines: list[str], number: int) -> int:
    while not _is_blank(lines, number):
        number += 1
    return number


def _past_indented(lines: list[str], number: int, column: int) -> int:
    """Where the lines end that are indented deeper than `column`, the blank ones behind them left out."""
    past = number
    while number < len(lines) and (not lines[number].strip() or _indent(lines[number]) > column):
        number += 1
        if not _is_blank(lines, number - 1):
            past = number
    return past


def _text_column(line: str) -> int:
    """The column at which a line's text begins, behind the marks of list items."""
    column = _indent(line)
    rest = line.lstrip()
    while marker := _item_marker(rest):
        column += marker.end()
        rest = rest[marker.end() :]
    return column


def _item_marker(content: str) -> re.Match | None:
    return _BULLET.match(content) or _ENUMERATOR.match(content)


# -- titles and sections -------------------------------------------------------------------------------------------


def _titles(lines: list[str], literal: dict[int, int]) -> Iterator[_Title]:
    """The titles: lines at the margin, each where a block may begin, with a line of punctuation below."""
    number = 0
    while number < len(lines):
        line = lines[number]
        if number in literal:
            number = literal[number]
        elif not line.strip() or line[0].isspace() or _is_markup(line):
            number += 1
        elif _SIMPLE_TABLE.fullmatch(line):
            number = _past_table(lines, number)
        elif title := _title_at(lines, number):
            yield title
            number = title.past
        else:
            number = max(number + 1, _past_paragraph(lines, number))


def _title_at(lines: list[str], number: int) -> _Title | None:
    first, second, third = (lines[at].rstrip() if at < len(lines) else "" for at in range(number, number + 3))
    if _ADORNMENT.fullmatch(first) and second and first == third and _covers(third, second.strip()):
        return _Title(number, number + 3, first[0] * 2, _plain(second))
    if _ADORNMENT.fullmatch(second) and not _ADORNMENT.fullmatch(first) and _covers(second, first):
        return _Title(number, number + 2, second[0], _plain(first))
    return None


def _covers(adornment: str, name: str) -> bool:
    """A line of fewer than four marks is an adornment only where it is as long as the title."""
    return len(name) <= (_LONGEST_TITLE if len(adornment) >= 4 else len(adornment))


def _is_markup(line: str) -> bool:
    """Whether a line at the margin begins something that no underline can make a title of."""
    return any(pattern.match(line) for pattern in (_BULLET, _EXPLICIT, _FIELD, _OTHER_MARKUP)) and not (
        _ADORNMENT.fullmatch(line.rstrip())
    )


def _past_table(lines: list[str], number: int) -> int:
    """Where a simple table ends: behind its third border, or the second where a blank line follows."""
    borders = 0
    for past in range(number + 1, len(lines)):
        if _TABLE_BORDER.fullmatch(lines[past]):
            borders += 1
            if borders == 2 or _is_blank(lines, past + 1):
                return past + 1
    return number + 1


def _past_paragraph(lines: list[str], number: int) -> int:
    while not _is_blank(lines, number) and not lines[number][0].isspace():
        number += 1
    return number


def _plain(name: str) -> str:
    """The words of a title, without its markup."""
    words = _MARKED.sub(_unmarked, name)
    return _ESCAPE.sub(r"\1", words).strip() or "(untitled)"


def _unmarked(match: re.Match) -> str:
    words = match.group(match.lastindex or 0)
    return _embedded(words)[0] if match.lastindex == 2 else words


def _add_sections(reading: Reading, titles: list[_Title], lines: list[str], starts: list[int]) -> None:
    """Cut the text at its titles. Each new style of adornment stands one level below all that came before it."""
    levels: dict[str, int] = {}
    path: list[tuple[int, str]] = []
    section = Section((), 0, 0, len(reading.text))
    for title in titles:
        level = levels.setdefault(title.style, len(levels))
        section.end = starts[_before_labels(lines, title.first)]
        reading.keep(section, container=bool(path) and level > path[-1][0])
        path = [(depth, name) for depth, name in path if depth < level]
        path.append((level, title.name))
        names = tuple(name for _, name in path)
        section = Section(names, title.first, starts[title.past], len(reading.text))
    reading.keep(section, container=False)


def _before_labels(lines: list[str], number: int) -> int:
    """Where the labels begin that stand before a title and belong to it."""
    before = number
    while number and (_is_blank(lines, number - 1) or _is_label(lines[number - 1])):
        number -= 1
        if not _is_blank(lines, number):
            before = number
    return before


def _is_label(line: str) -> bool:
    target = _TARGET.match(line)
    return target is not None and not target.group(3).strip()


# -- places to cut -------------------------------------------------------------------------------------------------


def _add_cuts(reading: Reading, lines: list[str], starts: list[int], literal: list[Span], titles: set[int]) -> None:
    """Note where blocks begin, and within them list items and paragraphs: a list is one block, and so is a directive
    with all that it holds."""
    inside = {number for first, past in literal for number in range(first + 1, past)}
    in_list = False
    for number, line in enumerate(lines):
        if number in inside or not line.strip():
            continue
        follows = _is_blank(lines, number - 1)
        item = _begins_item(lines, number)
        indented = line[0].isspace()
        if item or (indented and follows):
            reading.items.append(starts[number])
        if not indented:
            if number in titles or (follows and not (item and in_list)):
                reading.blocks.append(starts[number])
            in_list = item


def _begins_item(lines: list[str], number: int) -> bool:
    """Whether a list item, a field, a defined term or the row of a grid table begins on the line."""
    content = lines[number].strip()
    column = _indent(lines[number])
    previous = lines[number - 1] if number else ""
    if content.startswith(("+-", "+=")):
        return True
    if previous.strip() and _indent(previous) == column and not _ends_block(previous.strip()):
        return False
    below = lines[number + 1] if number + 1 < len(lines) else ""
    defined = bool(below.strip()) and _indent(below) > column and not _ends_block(content)
    return defined or _is_marked_item(content)


def _is_marked_item(content: str) -> bool:
    return bool(_item_marker(content) or _FIELD.match(content)) and not _ADORNMENT.fullmatch(content)


def _ends_block(content: str) -> bool:
    """Whether what stands right below the line is not its continuation."""
    return bool(_is_marked_item(content) or _ADORNMENT.fullmatch(content) or _EXPLICIT.match(content))


# -- links ---------------------------------------------------------------------------------------------------------


@dataclass
class _Targets:
    """The addresses that stand apart from where they are used, with their offsets: by name, or in order."""

    named: dict[str, tuple[int, Link]] = field(default_factory=dict)
    anonymous: list[tuple[int, Link]] = field(default_factory=list)

    def address(self, name: str) -> str:
        """The address behind a name; a name may stand for another, though not in circles."""
        for _ in range(10):
            _, link = self.named.get(_key(name), (0, Link("", "")))
            if not _is_reference(link.url):
                return link.url
            name = link.url[:-1].strip("`")
        return ""


def _key(name: str) -> str:
    """Names are the same whatever their case and spacing."""
    return " ".join(name.split()).casefold()


def _is_reference(address: str) -> bool:
    return address.endswith("_") and "/" not in address


def _add_links(reading: Reading) -> None:
    """Take the links that lead to an address; `:ref:` and its like lead nowhere outside their project."""
    text = blanked(_IMAGE, blanked(_LITERAL_TEXT, _without_comments(reading.without_code())))
    targets = _targets(text)
    text = blanked(_TARGET, text)
    references = sorted(_references(text))
    for offset, words, _ in references:
        label, address = _embedded(words)
        if address and not _is_reference(address):
            targets.named.setdefault(_key(label), (offset, Link(label, address)))
    found = _resolved(references, targets)
    used = {link.url for _, link in found}
    # a list of addresses at the end is a list of links too
    found += [mark for mark in (*targets.named.values(), *targets.anonymous) if _is_unused(mark[1], used)]
    starts = line_starts(text)
    found.sort(key=lambda mark: mark[0])
    reading.links = [(bisect_right(starts, offset) - 1, link) for offset, link in found]
    reading.links += bare_links(blanked(_PHRASE, text))


def _without_comments(text: str) -> str:
    """The text with its comments replaced by spaces."""
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        content = lines[number].strip()
        past = number + 1
        # two dots between blank lines comment nothing out
        if _COMMENT.fullmatch(content) and not (content == ".." and _is_blank(lines, past)):
            past = max(past, _past_indented(lines, past, _indent(lines[number])))
            lines[number:past] = map(blank, lines[number:past])
        number = past
    return "\n".join(lines)


def _is_unused(link: Link, used: set[str]) -> bool:
    return bool(link.url) and link.url not in used and not _is_reference(link.url)


def _targets(text: str) -> _Targets:
    targets = _Targets()
    for match in _TARGET.finditer(text):
        name = _ESCAPE.sub(r"\1", match.group(2) or "").strip("`")
        address = _address(match.group(3))
        if name:
            targets.named.setdefault(_key(name), (match.start(), Link(name, address)))
        else:
            targets.anonymous.append((match.start(), Link(address, address)))
    return targets


def _address(written: str) -> str:
    """An address without the line breaks and escapes it was written with; a reference keeps its spaces."""
    words = " ".join(_ESCAPE.sub(r"\1", written).split())
    return words if _is_reference(words) else words.replace(" ", "")


def _references(text: str) -> Iterator[tuple[int, str, str]]:
    """Everything that may refer to a target: its offset, its words, and the underscores behind it."""
    for pattern, where in ((_PHRASE, text), (_WORD, blanked(_PHRASE, text))):
        for match in pattern.finditer(where):
            if match.group(2):
                yield match.start(), match.group(1), match.group(2)


def _embedded(words: str) -> tuple[str, str]:
    """The label and the address of `label <address>`; an empty address where there is none."""
    label, bracket, address = words.rpartition("<")
    if not bracket or not words.endswith(">"):
        return words, ""
    address = _address(address[:-1])
    return " ".join(label.split()) or address, address


def _resolved(references: list[tuple[int, str, str]], targets: _Targets) -> list[tuple[int, Link]]:
    found = []
    anonymous = iter(targets.anonymous)
    for offset, words, underscores in references:
        label, address = _embedded(words)
        if _is_reference(address):
            address = targets.address(address[:-1])
        elif not address and underscores == "__":
            address = next(anonymous, (0, Link("", "")))[1].url
        elif not address:
            address = targets.address(words)
        if address:
            found.append((offset, Link(" ".join(label.split()), address)))
    return found


# -- fields --------------------------------------------------------------------------------------------------------


def _add_fields(reading: Reading, lines: list[str], titles: list[_Title]) -> None:
    """Author, date and tags from the field list at the top."""
    adorned = {number for title in titles[:2] for number in range(title.first, title.past)}
    for number, line in enumerate(lines):
        if match := _FIELD.match(line):
            _add_field(reading, match.group(1).lower(), line[match.end() :].strip())
        elif line.strip() and not line[0].isspace() and number not in adorned and not _EXPLICIT.match(line):
            return


def _add_field(reading: Reading, name: str, value: str) -> None:
    if value.startswith("$"):  # left by version control, not by a person
        return
    if name in ("author", "authors"):
        reading.author = reading.author or value
    elif name == "date":
        reading.published = reading.published or day_of(value) or value
    elif name == "tags":
        reading.document_tags = tuple(tag for part in value.split(",") if (tag := part.strip()))
