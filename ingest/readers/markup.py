"""Text as Markdown: what writes it for formats that are no text."""

import re
from collections.abc import Iterable
from typing import NamedTuple

DEEPEST = 8  # level of a list, from 0; deeper ones count as this
_WIDEST_TABLE = 100  # columns; Word has 63

_MARKUP = re.compile(r"\\(?=[!-/:-@\[-`{-~\n])|`|\](?=\()|(?<=\^)\[|<(?=[A-Za-z/!?])|&(?=#?\w{1,31};)|~(?=~)")
_STAR = re.compile(r"\*(?=\S)|(?<=\S)\*")
_OPENING_UNDERSCORES = re.compile(r"(?<!\w)_++(?=\S)")
_CLOSING_UNDERSCORES = re.compile(r"(?<=[^\s_])_++(?![^\W_])")
_MANY_BRACKETS = 200
_NUMBERED = re.compile(r"^(\d{1,9})(?=[.)](?:\s|$))", re.MULTILINE)
_LINE_START = re.compile(
    r"^(?=#{1,6}(?:\s|$)|[-+*](?:\s|$)|>|\+\+\+|=+[ \t]*$|(?:[-*_][ \t]*){2,}$|[:|-][ \t:|-]*$|\[[^\]\n]*\]:)",
    re.MULTILINE,
)


def escape(text: str) -> str:
    """Plain text as Markdown that shows it. Nothing is escaped that would not be markup where it stands."""
    lines = "\n".join(line.strip() for line in text.split("\n"))
    return escape_starts(escape_inline(lines))


def escape_inline(text: str) -> str:
    """A piece of running text; a star or an underscore by itself is left alone, since it is markup only in pairs."""
    text = _MARKUP.sub(r"\\\g<0>", text)
    if text.count("[") > _MANY_BRACKETS:
        # each might begin a link for all that a reader of Markdown knows
        text = re.sub(r"(?<!\\)\[", r"\\[", text)
    if len(_STAR.findall(text)) > 1:
        text = _STAR.sub(r"\\*", text)
    opening = _OPENING_UNDERSCORES.search(text)
    if opening and _CLOSING_UNDERSCORES.search(text, opening.end()):
        text = _OPENING_UNDERSCORES.sub(lambda match: r"\_" * len(match.group()), text)
    return text


def escape_starts(text: str) -> str:
    return _NUMBERED.sub(r"\1\\", _LINE_START.sub(r"\\", text))


class Block(NamedTuple):
    """A paragraph, a heading, an item of a list, or a line of code; all but the last as Markdown."""

    text: str
    kind: str = "text"  # or "item", "code"
    level: int = 0  # of a heading


def join_blocks(blocks: Iterable[Block]) -> str:
    """Blocks as Markdown: items without blank lines between them, lines of code in one fence."""
    pieces: list[str] = []
    code: list[str] = []
    before = ""
    for block in (*blocks, Block("", "end")):
        if block.kind != "code" and any(code):
            pieces += ["\n\n" * bool(pieces), fence("\n".join(code).strip("\n"))]
            code = []
        if block.kind == "code":
            code.append(block.text)
        elif block.text:
            pieces += [("\n" if before == block.kind == "item" else "\n\n") * bool(pieces), block.text]
        before = block.kind
    return "".join(pieces)


def fence(code: str, language: str = "") -> str:
    """A block of code, in marks that nothing in it can close; nothing for nothing."""
    if not code.strip():
        return ""
    marks = "`" * max(3, 1 + max(map(len, re.findall("`+", code)), default=0))
    return f"{marks}{language}\n{code}\n{marks}"


class ItemList:
    """Gives list items their marks and indents. A level counts from 0."""

    def __init__(self) -> None:
        self._open: list[tuple[int, int]] = []  # the levels above, and the widths of their marks

    def item(self, level: int, mark: str, text: str) -> Block:
        while self._open and self._open[-1][0] >= level:
            self._open.pop()
        indent = " " * sum(width for _, width in self._open)
        self._open.append((level, len(mark) + 1))
        return Block(indent + f"{mark} {text}".replace("\n", f"\n{indent}{' ' * (len(mark) + 1)}"), "item")

    def more(self, text: str) -> Block:
        """A further paragraph of the last item."""
        indent = " " * sum(width for _, width in self._open)
        return Block(indent + text.replace("\n", f"\n{indent}"))

    def end(self) -> None:
        self._open.clear()


def write_table(rows: list[list[str]]) -> str:
    """A table, whose first row is taken for its header; one of absurd width as lines, an empty one as nothing."""
    width = max(map(len, rows), default=0)
    if not any(cell.strip() for row in rows for cell in row):
        return ""
    if width > _WIDEST_TABLE:
        return "\n\n".join(" ".join(filter(None, row)) for row in rows)
    header = [*rows[0], *[""] * (width - len(rows[0]))]
    return "\n".join(map(_table_row, (header, ["---"] * width, *rows[1:])))


def _table_row(cells: list[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


def write_heading(level: int, text: str) -> Block:
    line = re.sub(r"(?<=\s)(#+)$", r"\\\1", " ".join(text.split()))
    return Block(f"{'#' * min(level, 6)} {line}", level=level)


def code_span(code: str) -> str:
    if not code.strip():
        return code
    marks = "`" * (max(map(len, re.findall("`+", code)), default=0) + 1)
    space = " " * ("`" in (code[0], code[-1]))
    return f"{marks}{space}{code}{space}{marks}"
