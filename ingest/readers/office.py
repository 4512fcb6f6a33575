"""Word and PowerPoint files (Office Open XML), as Markdown.

Both are read from their XML itself: what stands in a text box, a content control, a formula or a table in a table is
text too, and a wrapper that nobody knows yet is looked through instead of being dropped. Read is what a person sees in
the text: what was inserted is in, what was deleted or hidden is out, and so are comments, headers and footers.
Numbers that Word gives to headings are not known, nor is what charts show.
"""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from ingest.readers.markdown import read_markdown
from ingest.readers.markup import (
    DEEPEST,
    Block,
    ItemList,
    escape,
    escape_starts,
    join_blocks,
    write_heading,
    write_table,
)
from ingest.readers.ooxml import (
    LEFT_OUT,
    Package,
    Runs,
    Style,
    Styles,
    description,
    integer,
    note_mark,
    outline_level,
    val,
)
from ingest.reading import Reading, Unreadable
from knowledge.documents import Place

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

_LONGEST_CELL = 5  # blocks
_MOST_COLUMNS = 63  # of a table in Word
_NO_TITLE = re.compile(r"(?:word document|powerpoint presentation|microsoft \w+ - .*|untitled.*|document\d*)?", re.I)


def read_docx(data: bytes) -> Reading:
    """Raises Unreadable."""
    package = Package(data)
    document = _Document(package)
    reading = read_markdown(join_blocks(document.blocks()))
    _add_properties(reading, package)
    return reading


def read_pptx(data: bytes) -> Reading:
    """Every slide is a section under its title. Raises Unreadable."""
    package = Package(data)
    texts = [_Slide(package, name).markdown(number) for number, name in enumerate(_slide_names(package), start=1)]
    reading = read_markdown("\n\n".join(texts))
    offset = 0
    for number, text in enumerate(texts, start=1):
        reading.places.append((offset, Place("slide", number, number)))
        offset += len(text) + 2
    _add_properties(reading, package)
    return reading


def _add_properties(reading: Reading, package: Package) -> None:
    root = package.first("", "core-properties")
    if root is None:
        return
    title, reading.author, created = (
        " ".join((root.findtext(n) or "").split()) for n in ("title", "creator", "created")
    )
    if not _NO_TITLE.fullmatch(title):
        reading.title = title
    if re.match(r"\d{4}-\d{2}-\d{2}", created):
        reading.published = created[:10]


# -- Word ------------------------------------------------------------------------------------------------------------


class _Numbering:
    """The lists of a document, and how far each has counted."""

    def __init__(self, root: "Element | None") -> None:
        found = [] if root is None else list(root)
        self._lists = {one.get("numId", ""): one for one in found if one.tag == "num"}
        self._kinds = {one.get("abstractNumId", ""): one for one in found if one.tag == "abstractNum"}
        self._linked = {link: name for name, kind in self._kinds.items() if (link := val(kind, "styleLink"))}
        self._counts: dict[tuple[str, int], int] = {}
        self._started: set[tuple[str, int]] = set()

    def mark(self, list_id: str, level: int) -> str | None:
        """The mark of the next item; empty for a paragraph that goes on with the last, None for one of no list."""
        number = self._lists.get(list_id)
        if number is None:
            return None
        name = val(number, "abstractNumId")
        name = self._linked.get(val(self._kinds.get(name), "numStyleLink"), name)
        definition = next(self._at(level, self._kinds.get(name)), None)
        kind = val(definition, "numFmt") or "bullet"
        if kind in ("bullet", "none"):
            blank = kind == "none" or (definition is not None and not val(definition, "lvlText").strip())
            return "" if blank else "-"
        restart = val(next(self._at(level, number), None), "startOverride")
        return f"{self._count(list_id, name, level, restart, val(definition, 'start'))}."

    def _count(self, list_id: str, name: str, level: int, restart: str, start: str) -> int:
        """Lists of one kind count on from each other, unless one says that it starts anew."""
        for deeper in range(level + 1, DEEPEST + 1):
            self._counts.pop((name, deeper), None)
        if restart and (list_id, level) not in self._started:
            self._counts[name, level] = integer(restart) - 1
        self._started.add((list_id, level))
        self._counts[name, level] = self._counts.get((name, level), integer(start or "1") - 1) + 1
        return self._counts[name, level]

    def _at(self, level: int, element: "Element | None") -> Iterator["Element"]:
        """What a list says of a level."""
        for child in () if element is None else element.iterchildren("lvl", "lvlOverride"):
            if child.get("ilvl") == str(level):
                yield child


class _Document:
    """The text of a Word file."""

    def __init__(self, package: Package) -> None:
        root = package.xml(package.main)
        body = root.find("body") if root is not None else None
        if body is None:
            raise Unreadable("is damaged: its text is missing")
        self.body = body
        self._targets = package.targets(package.main)
        self._styles = Styles(package.first(package.main, "styles"))
        self._numbering = _Numbering(package.first(package.main, "numbering"))
        self._styles.fonts_tell_code = not self._is_typescript()
        self._list = ItemList()
        self._notes: dict[tuple[str, str], tuple[Element, dict[str, str]]] = {}
        self._pending: list[tuple[str, str]] = []
        for kind in ("footnote", "endnote"):
            for name in package.related(package.main, f"{kind}s"):
                self._keep_notes(kind, package.xml(name), package.targets(name))

    def blocks(self) -> Iterator[Block]:
        """The text, with the footnotes under the paragraph or the list that refers to them."""
        waiting: list[Block] = []
        for block in self._blocks(self.body):
            if block.kind != "item":
                yield from waiting
                waiting.clear()
            yield block
            waiting += self._take_notes()
        yield from waiting

    def _is_typescript(self) -> bool:
        """Whether most of the text is in a typewriter's letters, so that these say nothing."""
        sizes: Counter[bool] = Counter()
        for run in self.body.iter("r"):
            properties = run.find("rPr")
            sizes[properties is not None and self._styles.is_code(properties)] += len(run.findtext("t") or "")
        return sizes[True] > sizes[False]

    def _blocks(self, parent: "Element") -> Iterator[Block]:
        for child in parent.iterchildren("*"):
            if child.tag == "p":
                yield from self._paragraph(child)
            elif child.tag == "tbl":
                self._list.end()
                yield from self._table(child)
            elif child.tag not in LEFT_OUT:
                yield from self._blocks(child)

    def _apart(self, parent: "Element") -> list[Block]:
        """The blocks of a cell or a text box, whose lists are its own."""
        outer, self._list = self._list, ItemList()
        blocks = list(self._blocks(parent))
        self._list = outer
        return blocks

    def _paragraph(self, paragraph: "Element") -> Iterator[Block]:
        properties = paragraph.find("pPr")
        style = self._styles.of(properties, "pStyle")
        if style.contents or style.hidden:
            return
        runs = Runs(paragraph, self._targets, self._styles, style.code)
        self._pending += runs.notes
        block = self._block(runs, properties, style)
        if block.text or block.kind == "code":
            yield block
        for box in runs.boxes:
            yield from self._apart(box)

    def _block(self, runs: Runs, properties: "Element | None", style: Style) -> Block:
        text = runs.inline
        level = outline_level(val(properties, "outlineLvl")) or style.heading
        if runs.is_code and not level:
            return Block(runs.verbatim, "code")
        if not text:
            return Block("")
        if level:
            self._list.end()
            return write_heading(level, text)
        text = escape_starts(text)
        item = self._item(text, properties, style)
        if item:
            return item
        self._list.end()
        return Block("> " + text.replace("\n", "\n> ") if style.quote else text)

    def _item(self, text: str, properties: "Element | None", style: Style) -> Block | None:
        list_id = val(properties, "numPr/numId") or style.list_id
        level = min(integer(val(properties, "numPr/ilvl")) or style.list_level, DEEPEST)
        mark = self._numbering.mark(list_id, level)
        if mark is None:
            return None
        return self._list.item(level, mark, text) if mark else self._list.more(text)

    def _table(self, table: "Element") -> Iterator[Block]:
        rows = [row for row in _within(table, "tr") if row.find("trPr/del") is None]
        cells = [[self._apart(cell) for cell in _within(row, "tc")] for row in rows]
        if any(_is_layout(cell) for row in cells for cell in row) or all(len(row) < 2 for row in cells):
            for row in cells:
                for cell in row:
                    yield from cell
        else:
            yield Block(write_table(list(self._spread(rows, cells))))

    def _spread(self, rows: list["Element"], cells: list[list[list[Block]]]) -> Iterator[list[str]]:
        """The rows of a table, with what is merged: across, in its first column; down, in every row, so that each row
        says what it is about. A row may begin some columns to the right."""
        above: dict[int, str] = {}
        for row, contents in zip(rows, cells, strict=True):
            texts = [""] * min(integer(val(row, "trPr/gridBefore")), _MOST_COLUMNS)
            for cell, blocks in zip(_within(row, "tc"), contents, strict=True):
                text = " ".join(block.text for block in blocks)
                merged = cell.find("tcPr/vMerge")
                if merged is not None and merged.get("val") != "restart":
                    text = above.get(len(texts), "")
                above[len(texts)] = text
                texts += [text, *[""] * (min(integer(val(cell, "tcPr/gridSpan")), _MOST_COLUMNS) - 1)]
            yield texts

    def _keep_notes(self, kind: str, root: "Element | None", targets: dict[str, str]) -> None:
        for note in () if root is None else root.iter(kind):
            self._notes[kind, note.get("id", "")] = note, targets

    def _take_notes(self) -> Iterator[Block]:
        for key in self._pending:
            if key in self._notes:
                note, targets = self._notes.pop(key)
                texts = (Runs(paragraph, targets, self._styles).markdown for paragraph in note.iter("p"))
                yield Block(f"{note_mark(*key)}: {' '.join(' '.join(texts).split())}")
        self._pending.clear()


def _within(element: "Element", tag: str) -> Iterator["Element"]:
    """The rows of a table or the cells of a row, also those wrapped in a content control or inserted."""
    for child in element.iterchildren("*"):
        if child.tag == tag:
            yield child
        elif child.tag in ("sdt", "sdtContent", "customXml", "ins"):
            yield from _within(child, tag)


def _is_layout(cell: list[Block]) -> bool:
    """Whether a cell holds more than a table in Markdown can show."""
    return len(cell) > _LONGEST_CELL or any(
        block.level or block.kind == "code" or "\n| ---" in block.text for block in cell
    )


# -- PowerPoint ------------------------------------------------------------------------------------------------------

_ROW = 228_600  # a quarter of an inch in English metric units: shapes that close in height stand side by side
_FURNITURE = {"dt", "ftr", "sldNum", "hdr", "sldImg"}
_TITLES = {"title", "ctrTitle"}
_LISTS = {"", "body", "obj"}  # placeholders whose paragraphs are bullets


def _slide_names(package: Package) -> list[str]:
    root = package.xml(package.main)
    targets = package.targets(package.main)
    found = root.iter("sldId") if root is not None else ()
    return [name for slide in found if (name := targets.get(slide.get("part.id", "")))]


class _Slide:
    """The text of a slide, from top to bottom; none for one that shows only pictures."""

    def __init__(self, package: Package, name: str) -> None:
        self._package = package
        self._name = name
        self._root = package.xml(name)
        self._targets = package.targets(name)
        self._styles = Styles(None)
        layouts = package.related(name, "slideLayout")
        masters = [master for layout in layouts for master in package.related(layout, "slideMaster")]
        self._models = [root for part in (*layouts, *masters) if (root := package.xml(part)) is not None]

    def markdown(self, number: int) -> str:
        shapes = list(self._shapes(self._root)) if self._root is not None else []
        titles = [shape for shape in shapes if _role(shape) in _TITLES]
        title = self._line(titles[0]) if titles else ""
        whole = number == 1 and any(_role(shape) == "ctrTitle" for shape in titles)
        blocks = [block for shape in shapes if shape not in titles[:1] for block in self._blocks(shape)]
        notes = list(self._notes())
        blocks += [*[Block("Notes:")] * bool(notes), *notes]
        if not title and not any(block.text.strip() for block in blocks):
            return ""
        return join_blocks([write_heading(1 if whole else 2, title or f"Slide {number}"), *blocks])

    def _shapes(self, parent: "Element") -> Iterator["Element"]:
        """The shapes in reading order, those of a group together."""
        tree = parent.find("cSld/spTree")
        placed = [shape for shape in _shapes_in(parent if tree is None else tree) if _role(shape) not in _FURNITURE]
        for shape in sorted(placed, key=self._position):
            if shape.tag == "grpSp":
                yield from self._shapes(shape)
            else:
                yield shape

    def _position(self, shape: "Element") -> tuple[int, int]:
        found = (model.find(".//xfrm/off") for model in chain([shape], self._inherited(shape)))
        offset = next((one for one in found if one is not None), None)
        x, y = (0, 0) if offset is None else (integer(offset.get("x")), integer(offset.get("y")))
        return y // _ROW, x

    def _inherited(self, shape: "Element") -> Iterator["Element"]:
        """The placeholders that a placeholder takes its position from."""
        own = shape.find(".//nvPr/ph")
        if own is None:
            return
        for model in self._models:
            for other in model.iter("sp"):
                mark = other.find(".//nvPr/ph")
                if mark is not None and (mark.get("idx"), mark.get("type")) == (own.get("idx"), own.get("type")):
                    yield other

    def _blocks(self, shape: "Element") -> Iterator[Block]:
        if shape.tag == "pic":
            about = shape.find(".//cNvPr")
            text = escape(description(about)) if about is not None else ""
            yield Block(" ".join(text.split()))
        for table in shape.iter("tbl"):
            yield Block(write_table([[self._line(cell) for cell in row.iter("tc")] for row in table.iter("tr")]))
        for diagram in shape.iter("relIds"):
            yield from self._diagram(self._targets.get(diagram.get("part.dm", ""), ""))
        body = shape.find("txBody")
        if body is not None:
            yield from self._paragraphs(body, self._targets, listed=_role(shape) in _LISTS)

    def _diagram(self, name: str) -> Iterator[Block]:
        root = self._package.xml(name)
        for point in root.iter("pt") if root is not None else ():
            text = self._line(point)
            if text:
                yield Block(f"- {text}", "item")

    def _paragraphs(self, body: "Element", targets: dict[str, str], listed: bool) -> Iterator[Block]:
        marks = ItemList()
        counts: dict[int, int] = {}
        for paragraph in body.iterchildren("p"):
            runs = Runs(paragraph, targets, self._styles)
            text = runs.markdown
            properties = paragraph.find("pPr")
            level = min(integer(properties.get("lvl")) if properties is not None else 0, DEEPEST)
            numbered = properties.find("buAutoNum") if properties is not None else None
            if not text:
                continue
            last = counts.get(level)
            counts = {other: count for other, count in counts.items() if other < level}
            if runs.is_code:
                yield Block(runs.verbatim, "code")
            elif numbered is not None:
                counts[level] = integer(numbered.get("startAt") or "1") if last is None else last + 1
                yield marks.item(level, f"{counts[level]}.", text)
            elif _is_bullet(properties, listed or level > 0):
                yield marks.item(level, "-", text)
            else:
                marks.end()
                yield Block(text)

    def _notes(self) -> Iterator[Block]:
        for name in self._package.related(self._name, "notesSlide"):
            root = self._package.xml(name)
            for shape in root.iter("sp") if root is not None else ():
                body = shape.find("txBody")
                if body is not None and _role(shape) not in _FURNITURE:
                    yield from self._paragraphs(body, self._package.targets(name), listed=False)

    def _line(self, element: "Element") -> str:
        texts = (Runs(paragraph, self._targets, self._styles).inline for paragraph in element.iter("p"))
        return " ".join(" ".join(texts).split())


def _shapes_in(tree: "Element") -> Iterator["Element"]:
    for child in tree.iterchildren("*"):
        if child.tag == "AlternateContent":
            yield from (shape for form in list(child)[:1] for shape in _shapes_in(form))
        elif child.tag in ("sp", "pic", "graphicFrame", "grpSp", "cxnSp"):
            yield child


def _role(shape: "Element") -> str | None:
    """What kind of placeholder a shape is, None for none."""
    mark = shape.find("nvSpPr/nvPr/ph")
    return None if mark is None else mark.get("type", "")


def _is_bullet(properties: "Element | None", default: bool) -> bool:
    if properties is None:
        return default
    return properties.find("buChar") is not None or (default and properties.find("buNone") is None)
