"""Jupyter notebooks of every version, as Markdown: prose as it was written, code and what it printed in fences.

Pictures, tables as HTML and whatever else a cell shows are left out; so are tracebacks.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from ingest.decode import decode
from ingest.readers.markdown import read_markdown
from ingest.readers.markup import fence
from ingest.reading import Reading, Unreadable
from knowledge.documents import Place

# Read without nbformat, which refuses a whole notebook for one cell that lacks a key.

_LONGEST_OUTPUT = 2000  # characters
_ESCAPE_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])?")
#: What Python says of an object that has nothing to say for itself.
_BARE_OBJECT = re.compile(r"[\[(]?<[\w.]+(?: object| at 0x[0-9a-f]+)+>[\])]?|<Figure size [^>]*>")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)", re.MULTILINE)
_DATA_ADDRESS = re.compile(r"(data:[\w.+/-]{1,100};base64,)[\w+/=%]{64,}", re.ASCII)
_NO_TEXT = re.compile(r"[\0\ud800-\udfff]")
_LANGUAGE = re.compile(r"[\w+#.-]{1,40}")


def read_notebook(data: bytes) -> Reading:
    """Raises Unreadable for what is no notebook."""
    notebook = _parse(data)
    metadata = _dict(notebook.get("metadata"))
    language = _language(metadata)
    places = []
    pieces: list[str] = []
    offset = 0
    for number, cell in enumerate(_cells(notebook), start=1):
        text = _DATA_ADDRESS.sub(r"\1…", _NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", _cell_text(cell, language)))
        if text.strip():
            places.append((offset, Place("cell", number, number)))
            pieces.append(text + "\n\n")
            offset += len(pieces[-1])
    reading = read_markdown("".join(pieces))
    reading.places = places
    headings = (section.heading_path[0] for section in reading.sections if section.heading_path)
    reading.title = _text(metadata.get("title")).strip() or reading.title or next(headings, "")
    return reading


def _parse(data: bytes) -> dict[str, Any]:
    try:
        notebook = json.loads(decode(data))
    except (ValueError, RecursionError):
        notebook = None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells", notebook.get("worksheets")), list):
        raise Unreadable("is no Jupyter notebook, or only a part of one; save it again in Jupyter")
    return notebook


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    """A text that may be stored as a list of its lines."""
    pieces = value if isinstance(value, list) else [value]
    return "".join(piece for piece in pieces if isinstance(piece, str)).replace("\r\n", "\n")


def _language(metadata: dict[str, Any]) -> str:
    """The language of a notebook, or up to version 3 of a cell."""
    infos = (_dict(metadata.get("language_info")), _dict(metadata.get("kernelspec")), metadata)
    names = (_text(info.get(key)) for info, key in zip(infos, ("name", "language", "language"), strict=True))
    return next(filter(_LANGUAGE.fullmatch, names), "")


def _cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """The cells in order; up to version 3 they stood on worksheets."""
    if "cells" in notebook:
        return _dicts(notebook["cells"])
    return [cell for sheet in _dicts(notebook["worksheets"]) for cell in _dicts(sheet.get("cells"))]


def _cell_text(cell: dict[str, Any], language: str) -> str:
    """A cell as Markdown."""
    kind = cell.get("cell_type")
    # the later names are those of older versions
    names = ("source", "input", "code", "text")
    source = next((_text(cell[name]) for name in names if name in cell), "").replace("\r", "\n").strip("\n")
    if kind == "code":
        outputs = (fence(_shortened(text), "text") for text in _outputs(cell))
        return "\n\n".join(filter(None, (fence(source, language or _language(cell)), *outputs)))
    if kind == "heading":
        return f"{'#' * _level(cell)} {' '.join(source.split())}"
    # a raw cell is for another program; the front matter for Quarto says what it is about
    return fence(source, "text") if kind == "raw" and not source.startswith("---\n") else _closed(source)


def _level(cell: dict[str, Any]) -> int:
    level = cell.get("level")
    return min(max(level, 1), 6) if isinstance(level, int) else 1


def _closed(markdown: str) -> str:
    """A cell's Markdown, with the fence closed that it leaves open: it ends with its cell."""
    fence = ""
    for edge in _FENCE.finditer(markdown):
        marks, info = edge.groups()
        if not fence and not (marks[0] == "`" and "`" in info):
            fence = marks
        elif fence and marks.startswith(fence) and not info.strip():
            fence = ""
    return f"{markdown}\n{fence}" if fence else markdown


# -- outputs -------------------------------------------------------------------------------------------------------


def _outputs(cell: dict[str, Any]) -> Iterator[str]:
    """What a code cell printed, one text for each output that is text."""
    for output in _dicts(cell.get("outputs")):
        kind = output.get("output_type")
        if kind in ("error", "pyerr"):
            yield ": ".join(filter(None, (_text(output.get("ename")), _text(output.get("evalue")))))
        elif kind == "stream":
            yield _text(output.get("text"))
        else:
            yield _shown(output)


def _shown(output: dict[str, Any]) -> str:
    """The text of what a cell shows; none where it only stands in for a picture."""
    data = _dict(output.get("data")) or output  # up to version 3 the texts stood beside the type
    text = _text(data.get("text/plain", data.get("text")))
    return "" if _BARE_OBJECT.fullmatch(text.strip()) else text


def _shortened(output: str) -> str:
    """An output as a terminal would show it, up to the last whole line that is let in."""
    text = _ESCAPE_SEQUENCE.sub("", output[: 100 * _LONGEST_OUTPUT])
    # a carriage return goes back to the start of the line, to write over it
    text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")).strip("\n")
    if len(text) <= _LONGEST_OUTPUT:
        return text
    return text[: max(text.rfind("\n", 0, _LONGEST_OUTPUT), 0) or _LONGEST_OUTPUT] + "\n…"
