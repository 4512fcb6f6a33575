"""Office Open XML: the package that Word and PowerPoint files are, and the text of a paragraph in either."""

import re
from collections.abc import Callable, Iterable
from itertools import groupby
from posixpath import basename, dirname, join, normpath
from typing import TYPE_CHECKING, NamedTuple

from ingest.readers.markup import code_span, escape_inline, escape_starts
from ingest.readers.zipped import open_zip, read_xml
from ingest.reading import Unreadable

if TYPE_CHECKING:
    from lxml.etree import _Element as Element


# what Office wrote before 2007, and still puts around what a password locks
_COMPOUND_FILE = bytes.fromhex("d0cf11e0a1b11ae1")


class Package:
    """The parts of an Office file. The names of elements and attributes come without namespaces; `r:id` and its like,
    which point at other parts, are called `part.id`."""

    def __init__(self, data: bytes) -> None:
        if data.startswith(_COMPOUND_FILE):
            locked = "EncryptedPackage".encode("utf-16-le") in data
            raise Unreadable("is locked with a password" if locked else "is of Office's old format: save it anew")
        self._archive = open_zip(data)
        main = next(iter(self.related("", "officeDocument")), "")
        if not main:
            raise Unreadable("is damaged: it does not say where its text is")
        self.main = main

    def xml(self, name: str) -> "Element | None":
        try:
            root = read_xml(self._archive, name)
        except KeyError:
            return None
        for element in root.iter("*"):
            element.tag = _local(element.tag)
            for key in list(element.attrib):
                if key.startswith("{"):
                    element.attrib[_local(key)] = element.attrib.pop(key)
        return root

    def first(self, name: str, kind: str) -> "Element | None":
        """The first part that a part has a relation of a kind to."""
        return next((self.xml(other) for other in self.related(name, kind)), None)

    def targets(self, name: str) -> dict[str, str]:
        """Where the relations of a part lead, by their id."""
        return {relation.get("Id", ""): _target(name, relation) for relation in self._relations(name)}

    def related(self, name: str, kind: str) -> list[str]:
        """The parts that a part has a relation of a kind to."""
        return [_target(name, one) for one in self._relations(name) if one.get("Type", "").endswith(f"/{kind}")]

    def _relations(self, name: str) -> Iterable["Element"]:
        root = self.xml(join(dirname(name), "_rels", f"{basename(name)}.rels"))
        return () if root is None else root.iter("Relationship")


def _local(name: str) -> str:
    namespace, _, local = name.rpartition("}")
    return f"part.{local}" if "officeDocument" in namespace and namespace.endswith("relationships") else local


def _target(source: str, relation: "Element") -> str:
    target = relation.get("Target", "")
    return target if relation.get("TargetMode") == "External" else normpath(join("/", dirname(source), target))[1:]


# -- styles ----------------------------------------------------------------------------------------------------------

_CODE_STYLE = re.compile(r"\bcode|sourcecode|source (?:code|text)|preformatted|verbatim")
_QUOTE_STYLE = re.compile(r"quot|block text")
_MONOSPACED = re.compile(r"courier|consol|mono|menlo|fixedsys|lucida sans typewriter|\bcode\b", re.IGNORECASE)
_HEADING_STYLE = re.compile(r"heading ([1-9])")
_LIST_STYLE = re.compile(r"list (?:bullet|number) ([2-5])")


class Style(NamedTuple):
    """What a paragraph or character style says, or what the styles say that it is based on."""

    heading: int = 0  # level, from 1
    list_id: str = ""
    list_level: int = 0
    code: bool = False
    quote: bool = False
    contents: bool = False  # a line of a table of contents
    raised: str = ""  # "superscript" or "subscript"
    hidden: bool = False


class Styles:
    """The styles of a document."""

    def __init__(self, root: "Element | None") -> None:
        found = [] if root is None else root.iter("style")
        self._elements = {element.get("styleId", ""): element for element in found}
        self._styles = {name: self._resolve(name) for name in self._elements}
        self.fonts_tell_code = True

    def of(self, properties: "Element | None", kind: str) -> Style:
        return self._styles.get(val(properties, kind), Style())

    def is_code(self, run_properties: "Element") -> bool:
        fonts = (
            font.get("ascii") or font.get("typeface", "") for font in run_properties.iterchildren("rFonts", "latin")
        )
        monospaced = self.fonts_tell_code and any(map(_MONOSPACED.search, fonts))
        return monospaced or self.of(run_properties, "rStyle").code

    def _resolve(self, name: str) -> Style:
        chain: list[Element] = []
        while name in self._elements and len(chain) < 20:
            chain.append(self._elements[name])
            name = val(chain[-1], "basedOn")
        names = [val(element, "name").casefold() for element in chain]
        numbered = _HEADING_STYLE.fullmatch(names[0])
        outline = _first(chain, "pPr/outlineLvl")
        listed = _LIST_STYLE.fullmatch(names[0])
        return Style(
            heading=1 if names[0] == "title" else int(numbered[1]) if numbered else outline_level(outline),
            list_id=_first(chain, "pPr/numPr/numId"),
            list_level=int(listed[1]) - 1 if listed else integer(_first(chain, "pPr/numPr/ilvl")),
            code=any(_CODE_STYLE.search(name) for name in names),
            quote=any(_QUOTE_STYLE.search(name) for name in names),
            contents=names[0].startswith("toc "),
            raised=_first(chain, "rPr/vertAlign"),
            hidden=any(_is_on(element.find("rPr/vanish")) for element in chain),
        )


def val(element: "Element | None", path: str) -> str:
    """The `val` of what a path leads to."""
    found = element.find(path) if element is not None else None
    return found.get("val", "") if found is not None else ""


def _first(chain: list["Element"], path: str) -> str:
    return next((value for element in chain if (value := val(element, path))), "")


def integer(text: str | None) -> int:
    return int(text) if text and re.fullmatch(r"\d{1,9}", text) else 0


def outline_level(value: str) -> int:
    """The level of a heading, from 1; 0 for body text, which Word calls level 9."""
    return int(value) + 1 if value in tuple("012345678") else 0


# -- paragraphs ------------------------------------------------------------------------------------------------------

LEFT_OUT = {"del", "moveFrom", "rt", "pPr", "rPr"}
_HYPERLINK = re.compile(r'\s*HYPERLINK\s+"([^"]+)"')
_RAISED = {
    "superscript": str.maketrans("0123456789+-=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿ"),
    "subscript": str.maketrans("0123456789+-=()", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎"),
}
# what Office and its like put in the place of words where nobody wrote any
_FILE_NAME = re.compile(
    r"[^\n]*\.(?:png|jpe?g|jfif|gif|bmp|tiff?|svg|emf|wmf|webp|heic|avif|ico|eps)\s*", re.IGNORECASE
)

# what fonts of symbols show in place of letters
_SYMBOLS = {
    "symbol": dict(zip(range(0x41, 0x5B), "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ", strict=True))
    | dict(zip(range(0x61, 0x7B), "αβχδεφγηιϕκλμνοπθρστυϖωξψζ", strict=True))
    | dict(zip(bytes.fromhex("a3 a5 ac ae b0 b1 b3 b4 b7 b8 b9 bb ce d6 e5 f2"), "≤∞←→°±≥×•÷≠≈∈√∑∫", strict=True)),
    "wingdings": dict(zip(bytes.fromhex("a7 a8 d8 e0 fb fc fd fe"), "▪☐➢→✗✓☒☑", strict=True)),
}


class _Piece(NamedTuple):
    text: str
    kind: str = "text"  # or "code", or "markdown", which it is already


class Runs:
    """What stands in a paragraph: its text, the text boxes anchored in it, and the footnotes it refers to."""

    def __init__(self, paragraph: "Element", targets: dict[str, str], styles: Styles, code: bool = False) -> None:
        self.boxes: list[Element] = []
        self.notes: list[tuple[str, str]] = []  # kind and id
        self._targets = targets
        self._styles = styles
        self._kind = "code" if code else "text"
        self._pieces: list[_Piece] = []
        self._fields: list[_Field] = []
        self._handlers = {
            "t": lambda element: self._add(element.text or ""),
            "tab": lambda _: self._add("\t"),
            "br": self._break,
            "cr": lambda _: self._add("\n"),
            "noBreakHyphen": lambda _: self._add("-"),
            "sym": lambda element: self._add(_symbol(element)),
            "docPr": lambda element: self._add(description(element)),
            "oMath": lambda element: self._add(_formula(element)),
            "r": self._run,
            "hyperlink": self._hyperlink,
            "fldSimple": self._simple_field,
            "fldChar": self._field_mark,
            "instrText": self._instruction,
            "footnoteReference": self._note,
            "endnoteReference": self._note,
            "txbxContent": self.boxes.append,
            "AlternateContent": self._alternatives,
        }
        self._walk(paragraph)

    @property
    def inline(self) -> str:
        lines = _markdown(self._pieces).strip().split("\n")
        return "\n".join(line.strip() for line in lines)

    @property
    def markdown(self) -> str:
        return escape_starts(self.inline)

    @property
    def is_code(self) -> bool:
        kinds = {piece.kind for piece in self._pieces if piece.text.strip()}
        return kinds == {"code"} or (not kinds and self._kind == "code")

    @property
    def verbatim(self) -> str:
        return "".join(piece.text for piece in self._pieces)

    def _add(self, text: str) -> None:
        instructing = self._fields and self._fields[-1].result is None
        if text and not instructing:
            self._pieces.append(_Piece(text, self._kind))

    def _walk(self, element: "Element") -> None:
        for child in element.iterchildren("*"):
            handler = self._handlers.get(child.tag)
            if handler:
                handler(child)
            elif child.tag not in LEFT_OUT:
                self._walk(child)

    def _run(self, run: "Element") -> None:
        properties = run.find("rPr")
        start, kind = len(self._pieces), self._kind
        if properties is None:
            self._walk(run)
            return
        style = self._styles.of(properties, "rStyle")
        vanish = properties.find("vanish")
        if style.hidden if vanish is None else _is_on(vanish):
            return
        if self._styles.is_code(properties):
            self._kind = "code"
        self._walk(run)
        self._kind = kind
        table = _RAISED.get(val(properties, "vertAlign") or style.raised)
        if table:
            self._pieces[start:] = [_raise(piece, table) for piece in self._pieces[start:]]
        link = properties.find("hlinkClick")
        if link is not None:
            self._close_link(start, self._targets.get(link.get("part.id", ""), ""))

    def _break(self, element: "Element") -> None:
        self._add("" if element.get("type") in ("page", "column") else "\n")

    def _hyperlink(self, element: "Element") -> None:
        start = len(self._pieces)
        self._walk(element)
        self._close_link(start, self._targets.get(element.get("part.id", ""), ""))

    def _simple_field(self, element: "Element") -> None:
        start = len(self._pieces)
        self._walk(element)
        self._close_link(start, _address_in(element.get("instr", "")))

    def _field_mark(self, element: "Element") -> None:
        kind = element.get("fldCharType")
        if kind == "begin":
            self._fields.append(_Field())
        elif kind == "separate" and self._fields:
            self._fields[-1].result = len(self._pieces)
        elif kind == "end" and self._fields:
            field = self._fields.pop()
            if field.result is not None:
                self._close_link(field.result, _address_in(field.instruction))

    def _instruction(self, element: "Element") -> None:
        if self._fields:
            self._fields[-1].instruction += element.text or ""

    def _note(self, element: "Element") -> None:
        self.notes.append((element.tag.removesuffix("Reference"), element.get("id", "")))
        self._pieces.append(_Piece(note_mark(*self.notes[-1]), "markdown"))

    def _alternatives(self, element: "Element") -> None:
        """Of several forms of the same thing, the first that says something."""
        before = len(self._pieces), len(self.boxes)
        for form in element.iterchildren("*"):
            self._walk(form)
            if (len(self._pieces), len(self.boxes)) != before:
                return

    def _close_link(self, start: int, url: str) -> None:
        """Make a link of the pieces since `start`."""
        label = _markdown(self._pieces[start:]).replace("\n", " ").strip()
        if not url or not label or url.startswith(("#", "ppt/", "word/")):  # from one place of the document to another
            return
        if label in (url, f"mailto:{url}"):
            link = url
        else:
            link = f"[{label}](<{url}>)" if re.search(r"[\s()<>]", url) else f"[{label}]({url})"
        self._pieces[start:] = [_Piece(link, "markdown")]


class _Field:
    """A field, such as a link, that is spelt out over several runs."""

    def __init__(self) -> None:
        self.instruction = ""
        self.result: int | None = None  # the piece with which its result starts


def _markdown(pieces: list[_Piece]) -> str:
    groups = ((kind, "".join(piece.text for piece in group)) for kind, group in groupby(pieces, lambda one: one.kind))
    write: dict[str, Callable[[str], str]] = {"text": escape_inline, "code": code_span, "markdown": str}
    return "".join(write[kind](text) for kind, text in groups)


def _raise(piece: _Piece, table: dict[int, int]) -> _Piece:
    """10 with a small 6 above is no 106."""
    raised = piece.text.translate(table)
    return piece._replace(text=raised) if all(ord(character) in table for character in piece.text) else piece


def _symbol(element: "Element") -> str:
    """The character that a symbol looks like; Word writes codes of symbol fonts as F000 to F0FF."""
    digits = element.get("char", "")
    code = int(digits, 16) if re.fullmatch("[0-9a-fA-F]{1,4}", digits) else 0
    if not 0xE000 <= code <= 0xF8FF:
        return chr(code) if code >= 0x20 and not 0xD800 <= code <= 0xDFFF else ""
    return _SYMBOLS.get(element.get("font", "").casefold(), {}).get(code & 0xFF, "")


def _address_in(instruction: str) -> str:
    found = _HYPERLINK.match(instruction)
    return found.group(1) if found else ""


def description(element: "Element") -> str:
    """The words that stand for a picture; the name of its file is none."""
    words = element.get("descr", "")
    return "" if _FILE_NAME.fullmatch(words) else words


def note_mark(kind: str, number: str) -> str:
    return f"[^{'' if kind == 'footnote' else 'e'}{number}]"


def _is_on(element: "Element | None") -> bool:
    return element is not None and element.get("val", "1") not in ("0", "false", "off")


def _formula(element: "Element") -> str:
    """A formula on one line."""
    if element.tag == "t":
        return element.text or ""
    text = "".join(_formula(child) for child in element.iterchildren("*"))
    if element.tag in ("sup", "sub", "den"):
        sign = {"sup": "^", "sub": "_", "den": "/"}[element.tag]
        return f"{sign}{text if len(text) < 2 else f'({text})'}" if text else ""
    if element.tag == "num" and len(text) > 1:
        return f"({text})"
    if element.tag == "naryPr":
        sign_of = element.find("chr")
        return "∫" if sign_of is None else sign_of.get("val", "")
    if element.tag == "rad":
        return f"√({text})"
    if element.tag == "d":
        return f"({text})"
    parent = element.getparent()
    return f" {text}" if element.tag == "e" and parent is not None and parent.tag == "nary" else text
