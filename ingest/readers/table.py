"""Tables as CSV or TSV: each row is a passage of its own, in which every value stands behind the name of its column.

The file's text is not kept as it is written: a line of bare values says nothing without the header. Types, formulas
and tables that begin with a title are not known; cells are text, and the first row is the header.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from ingest.reading import Reading, Section, bare_links
from knowledge.documents import Place

_DELIMITERS = "\t;|,"  # the comma last: it stands in numbers and in sentences too
_LOOKED_AT = 2**16  # characters that the delimiter is guessed from
_SEPARATOR_LINE = re.compile(r"\"?sep=([^\w\s\"]|\t)\"?\n", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?[$€£¥]?\s?\d[\d.,:/ '-]*(?:[eE][-+]?\d+)?\s?[%$€£¥]?")
_LONGEST_NAME = 80  # characters of a heading, or of a column's name, which every row repeats


def read_table(text: str, delimiter: str | None) -> Reading:
    """The rows of a table; the delimiter is guessed where it is None."""
    if separator := _SEPARATOR_LINE.match(text):  # written for Excel, which shows no row for it
        delimiter, text = separator.group(1), text[separator.end() :]
    # no cell can mean anything by a NUL, and not everything that handles text endures it
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    rows = list(_rows(text, delimiter or _delimiter(text)))
    has_header = len(rows) > 1 and not all(_NUMBER.fullmatch(cell) for cell in rows[0][1])
    names = [_short(name) for name in rows[0][1]] if has_header else []
    return _reading(names, rows[has_header:])


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that hold anything, with the numbers under which a spreadsheet shows them."""
    lines = io.StringIO(text, newline=None).readlines()
    for number, record in enumerate(_records(lines, delimiter), start=1):
        cells = [cell.strip() for cell in record]
        if any(cells):
            yield number, cells


def _records(lines: list[str], delimiter: str) -> Iterator[list[str]]:
    """The table as it parses, but for a quote that is never closed, which would swallow the rows below it."""
    csv.field_size_limit(2**31 - 1)
    first = 0
    while first < len(lines):
        start = first
        reader = csv.reader((lines[number] for number in range(start, len(lines))), delimiter=delimiter)
        for record in reader:
            past = start + reader.line_num
            if past - first > 1 and sum(line.count('"') for line in lines[first:past]) % 2:
                yield lines[first].split(delimiter)
                first += 1
                break
            yield record
            first = past


def _delimiter(text: str) -> str:
    """The delimiter that gives the most rows the same number of cells."""
    return max(_DELIMITERS, key=lambda delimiter: _evenness(text[:_LOOKED_AT], delimiter))


def _evenness(text: str, delimiter: str) -> float:
    """The share of the rows that are as wide as most, where that is more than one cell."""
    widths = Counter(len(cells) for _, cells in islice(_rows(text, delimiter), 100))
    width, rows = max(widths.items(), key=lambda item: item[1], default=(0, 0))
    return rows / widths.total() if width > 1 else 0


def _reading(names: list[str], rows: list[tuple[int, list[str]]]) -> Reading:
    reading = Reading("")
    entries: list[str] = []
    offset = line = 0
    for number, cells in rows:
        section = Section((_short(next(filter(None, cells))),), line, offset, offset)
        for column, cell in enumerate(cells):
            if cell:
                entries.append(f"{_name(names, column)}: {cell}\n")
                reading.items.append(offset)
                offset += len(entries[-1])
                line += entries[-1].count("\n")
        section.end = offset
        reading.sections.append(section)
        reading.places.append((section.start, Place("row", number, number)))
    reading.text = "".join(entries)
    reading.links = bare_links(reading.text)
    return reading


def _name(names: list[str], column: int) -> str:
    return names[column] if column < len(names) and names[column] else f"column {column + 1}"


def _short(text: str) -> str:
    """A text on one line, and no longer than a heading should be."""
    words = " ".join(text[: 10 * _LONGEST_NAME].split())
    return words if len(words) <= _LONGEST_NAME else words[: _LONGEST_NAME - 1].rstrip() + "…"
