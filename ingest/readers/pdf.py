"""PDF: the text page by page, under the headings that its bookmarks name.

A PDF holds glyphs at places, not paragraphs, so both lines and paragraphs are guessed from the layout; the order of the
text is the order in which it was drawn. Tables come out as lines, formulas as what their glyphs spell. The values of
form fields and the comments pinned on a page are not read.
"""

import re
import shutil
import subprocess
import threading
import unicodedata
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from ctypes import c_double, c_int, create_string_buffer
from datetime import datetime
from functools import partial
from io import BytesIO
from itertools import islice, pairwise
from math import isfinite
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from ingest.reading import Reading, Section, Span, Unreadable, bare_links, line_starts, paragraph_starts
from knowledge.documents import Link, Place

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage, PdfTextPage

# pdfium serves one thread at a time
_PDFIUM = threading.Lock()

#: What is said of pages that Tesseract would read.
INSTALL_TESSERACT = "install Tesseract to read scanned pages"
_OCR_SECONDS = 60  # for a page
_OCR_DPI = 300
_OCR_PIXELS = 30_000_000  # a larger page, a poster, is scaled down to this
_FEW_STROKES = 20
_MOST_BOOKMARKS = 20_000
_LONGEST_TITLE = 200  # characters
_OUTERMOST = 4  # lines from the edge of a page that may be its header or footer

# pdfium writes U+FFFE for a hyphen with the line end behind it
_LINE = re.compile("(.*?)(\r\n|[\r\n\ufffe]|\\Z)")
# a bullet from a font that does not say which character it is
_NAMELESS_BULLET = re.compile("^[\x80-\x9f\ue000-\uf8ff](?=\\s)")
_INVISIBLE = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\xad\ufeff\uffff]")
_BROKEN_WORD = re.compile("([^\\W\\d_]+)[-\u2010]$")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_SENTENCE_END = re.compile(r"[.!?:;…][\"'”’»)\]]*$")
_ITEM = re.compile(r"(?:[•◦▪‣·–—*-]|\(?(?:\d{1,3}|[a-z])[.)])\s")
_NUMBER = re.compile(r"\d{1,9}")
_PAGE_NUMBER = re.compile(r"\W*(?P<word>\w+ )?#(?:\W*(?:\w+ )?#)?\W*")
_ROMAN = re.compile(r"[ivxlc]+")
_HEADING_NUMBER = re.compile(r"^\s*(?:[^\W\d]+\s+)?(?:[\d.]+|[IVXLC]+|[A-Z](?:\.[\d.]+)?)[.:)]?\s+")
_NO_TITLE = re.compile(
    r"microsoft \w+ - .*|\(?untitled.*|unnamed.*|document\d*|\W*"
    r"|.*\.(?:docx?|odt|rtf|pages|tex|dvi|e?ps|pdf|indd|qxd|fm|pptx?|xlsx?|html?|txt|md)",
    re.IGNORECASE,
)


class _Line(NamedTuple):
    """A line of a page; its coordinates are points, with y upwards, on the page as it is shown."""

    text: str
    left: float = 0.0
    baseline: float = 0.0
    height: float = 0.0
    opens: bool = False  # a paragraph


class _Anchor(NamedTuple):
    """A link that covers part of a page."""

    url: str
    text: str
    left: float
    bottom: float
    top: float


class _Page(NamedTuple):
    lines: list[_Line]
    anchors: list[_Anchor]
    drawn: bool  # whether there is more on it than text


_DAMAGED = _Page([], [], drawn=False)


class _Bookmark(NamedTuple):
    path: tuple[str, ...]
    page: int
    top: float | None  # where on the page it leads


def read_pdf(data: bytes) -> Reading:
    """Raises Unreadable. Pages without text are read by Tesseract, where it is installed."""
    with _PDFIUM, _open(data) as pdf:
        pages = [_read_page(pdf, index) for index in range(len(pdf))]
        _drop_running_lines(pages)
        _mark_paragraphs(pages)
        damaged = [number for number, page in enumerate(pages) if page is _DAMAGED]
        problems = [_name_pages(damaged, "is damaged", "are damaged"), _read_scans(pdf, pages)]
        reading = _assemble(pages, list(_bookmarks(pdf)))
        reading.title = _title(pdf) or _headline(pages)
        reading.author = _metadata(pdf, "Author")
        reading.published = _date(_metadata(pdf, "CreationDate"))
    if not reading.text and not any(problems):
        problems.append("holds no text")
    reading.problem = "; ".join(filter(None, problems))
    return reading


def _open(data: bytes) -> "PdfDocument":
    from pypdfium2 import PdfDocument, PdfiumError
    from pypdfium2.raw import FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY

    try:
        return PdfDocument(data)
    except PdfiumError as error:
        if error.err_code == FPDF_ERR_PASSWORD:
            raise Unreadable("is locked with a password") from None
        if error.err_code == FPDF_ERR_SECURITY:
            raise Unreadable("is locked in a way that cannot be opened here") from None
        raise Unreadable("is not a readable PDF (damaged, or cut off)") from None


# -- what pdfium knows of a page -------------------------------------------------------------------------------------


def _read_page(pdf: "PdfDocument", index: int) -> _Page:
    from pypdfium2 import PdfiumError

    try:
        page = pdf[index]
    except PdfiumError:
        return _DAMAGED
    try:
        textpage = page.get_textpage()
        return _Page(list(_lines(page, textpage)), _anchors(page, textpage), _is_drawn(page))
    except PdfiumError:
        return _DAMAGED
    finally:
        page.close()


def _is_drawn(page: "PdfPage") -> bool:
    """Whether there is a picture on a page, or more strokes than the rules around a header are."""
    from pypdfium2.raw import FPDF_PAGEOBJ_PATH, FPDF_PAGEOBJ_TEXT, FPDFPage_CountObjects, FPDFPage_GetObject
    from pypdfium2.raw import FPDFPageObj_GetType as type_of

    types = Counter(type_of(FPDFPage_GetObject(page, n)) for n in range(FPDFPage_CountObjects(page)))
    return types.pop(FPDF_PAGEOBJ_PATH, 0) > _FEW_STROKES or types.keys() - {FPDF_PAGEOBJ_TEXT} != set()


def _lines(page: "PdfPage", textpage: "PdfTextPage") -> Iterator[_Line]:
    turn = page.get_rotation()
    position = 0  # in UTF-16 units, as pdfium counts
    for content, end in _LINE.findall(textpage.get_text_range()):
        text = _INVISIBLE.sub("", _NAMELESS_BULLET.sub("•", content.lstrip())).strip()
        if text:
            first = position + len(content) - len(content.lstrip())
            yield _Line(text + "-" * (end == "\ufffe"), *_geometry(textpage, first, turn))
        position += len((content + end).encode("utf-16-le", "surrogatepass")) // 2


def _geometry(textpage: "PdfTextPage", position: int, turn: int) -> tuple[float, float, float]:
    """The left edge, the baseline and the height of the character at a position of the text."""
    from pypdfium2.raw import (
        FS_RECTF,
        FPDFText_GetCharIndexFromTextIndex,
        FPDFText_GetCharOrigin,
        FPDFText_GetLooseCharBox,
    )

    index = FPDFText_GetCharIndexFromTextIndex(textpage, position)
    x, y, box = c_double(), c_double(), FS_RECTF()
    FPDFText_GetCharOrigin(textpage, index, x, y)
    FPDFText_GetLooseCharBox(textpage, index, box)
    height = box.right - box.left if turn in (90, 270) else box.top - box.bottom
    left, baseline, height = (n if isfinite(n) else 0.0 for n in (*_turned(x.value, y.value, turn), height))
    return left, baseline, height


def _turned(x: float, y: float, turn: int) -> tuple[float, float]:
    """A point of a page that is shown turned clockwise by so many degrees."""
    return {90: (y, -x), 180: (-x, -y), 270: (-y, x)}.get(turn, (x, y))


def _anchors(page: "PdfPage", textpage: "PdfTextPage") -> list[_Anchor]:
    """The web links of a page; one that covers two lines counts once."""
    from pypdfium2.raw import FPDF_LINK, FS_RECTF, FPDFLink_Enumerate, FPDFLink_GetAnnotRect

    turn = page.get_rotation()
    anchors: list[_Anchor] = []
    position, annotation, box = c_int(0), FPDF_LINK(), FS_RECTF()
    while FPDFLink_Enumerate(page, position, annotation):
        url = _url(page, annotation)
        if not url or not FPDFLink_GetAnnotRect(annotation, box):
            continue
        text = " ".join(textpage.get_text_bounded(box.left, box.bottom, box.right, box.top).split())
        if anchors and anchors[-1].url == url:
            anchors[-1] = anchors[-1]._replace(text=f"{anchors[-1].text} {text}")
            continue
        xs, ys = zip(*(_turned(*point, turn) for point in ((box.left, box.bottom), (box.right, box.top))), strict=True)
        anchors.append(_Anchor(url, text, min(xs), min(ys), max(ys)))
    return anchors


def _url(page: "PdfPage", annotation: object) -> str:
    from pypdfium2.raw import FPDFAction_GetURIPath, FPDFLink_GetAction

    action = FPDFLink_GetAction(annotation)
    length = FPDFAction_GetURIPath(page.pdf, action, None, 0) if action else 0
    buffer = create_string_buffer(length + 1)
    FPDFAction_GetURIPath(page.pdf, action, buffer, length)
    return buffer.value.decode("utf-8", "replace").strip()


def _bookmarks(pdf: "PdfDocument") -> Iterator[_Bookmark]:
    from pypdfium2.raw import PDFDEST_VIEW_FITH, PDFDEST_VIEW_XYZ, FPDFBookmark_GetTitle

    path: list[str] = []
    for bookmark in islice(pdf.get_toc(), _MOST_BOOKMARKS):
        path[bookmark.level :] = [_one_line(partial(FPDFBookmark_GetTitle, bookmark)) or "(untitled)"]
        destination = bookmark.get_dest()
        page = destination.get_index() if destination else None
        if page is None or page >= len(pdf):
            continue
        view, position = destination.get_view()
        top = {PDFDEST_VIEW_XYZ: position[1:2], PDFDEST_VIEW_FITH: position[:1]}.get(view)
        yield _Bookmark(tuple(path), page, top[0] if top else None)


def _metadata(pdf: "PdfDocument", key: str) -> str:
    from pypdfium2.raw import FPDF_GetMetaText

    return _one_line(partial(FPDF_GetMetaText, pdf, key.encode()))


def _one_line(write: Callable[[Any, int], int]) -> str:
    """What pdfium writes into a buffer as UTF-16, however broken."""
    buffer = create_string_buffer(write(None, 0))
    write(buffer, len(buffer))
    return " ".join(_INVISIBLE.sub("", buffer.raw.decode("utf-16-le", "replace")).split())


def _title(pdf: "PdfDocument") -> str:
    """The title that the document says it has, unless a program put it there."""
    title = _metadata(pdf, "Title")
    return "" if _NO_TITLE.fullmatch(title) else title


def _date(stamp: str) -> str:
    """The day of a date such as `D:20240305101500Z`."""
    try:
        return datetime.strptime(stamp.removeprefix("D:")[:8], "%Y%m%d").date().isoformat()
    except ValueError:
        return ""


# -- layout ----------------------------------------------------------------------------------------------------------


def _drop_running_lines(pages: list[_Page]) -> None:
    margins = _Margins(pages)
    for number, page in enumerate(pages):
        page.lines[:] = [line for line in page.lines if not margins.hold(number, line)]


class _Margins:
    """Knows headers, footers and page numbers: they stand at the edge of most pages at the same height, again and
    again, in letters no larger than the text's."""

    def __init__(self, pages: list[_Page]) -> None:
        body = _letter_height(pages)
        self._edges = {
            number: [line for line in _edge_lines(page.lines) if line.height <= 1.4 * body]
            for number, page in enumerate(pages)
            if page.lines
        }
        self._shift = self._find_shift()
        # on how many pages a line says the same, and on how many something that recurs stands at the same height
        self._seen = Counter(pattern for lines in self._edges.values() for pattern in set(map(_pattern, lines)))
        self._recurring = Counter(
            slot
            for lines in self._edges.values()
            for slot in {_slot(line) for line in lines if self._seen[_pattern(line)] > 2}
        )

    def hold(self, page: int, line: _Line) -> bool:
        if line not in self._edges.get(page, ()):
            return False
        numbered = self._shift is not None and page + self._shift in _numbers(line)
        repeated = self._seen[_pattern(line)] > 1
        if 2 * self._recurring[_slot(line)] >= len(self._edges) and (numbered or repeated):
            return True
        number = _PAGE_NUMBER.fullmatch(_pattern(line)[1])
        return numbered and number is not None and (repeated or not number["word"])

    def _find_shift(self) -> int | None:
        """What to add to a page's index for the number printed on it."""
        shifts = Counter(
            shift
            for page, lines in self._edges.items()
            for shift in {number - page for line in lines for number in _numbers(line)}
        )
        [(shift, pages)] = shifts.most_common(1) or [(0, 0)]
        return shift if pages > 1 and 2 * pages >= len(self._edges) else None


def _letter_height(pages: list[_Page]) -> float:
    """How high the letters of the text are."""
    return median([line.height for page in pages for line in page.lines if line.height] or [0])


def _edge_lines(lines: list[_Line]) -> list[_Line]:
    by_height = sorted(lines, key=lambda line: line.baseline)
    return by_height if len(lines) <= 2 * _OUTERMOST else by_height[:_OUTERMOST] + by_height[-_OUTERMOST:]


def _slot(line: _Line) -> int:
    return round(line.baseline)


def _pattern(line: _Line) -> tuple[int, str]:
    """Where a line stands and what it says, whatever the number in it."""
    text = line.text.casefold()
    return _slot(line), "#" if _ROMAN.fullmatch(text) else _NUMBER.sub("#", text)


def _numbers(line: _Line) -> set[int]:
    return {int(digits) for digits in _NUMBER.findall(line.text)}


def _headline(pages: list[_Page]) -> str:
    """What the first page says in by far the largest letters, as papers do whose metadata are empty."""
    lines = pages[0].lines if pages else []
    largest = max((line.height for line in lines), default=0)
    text = " ".join(line.text for line in lines if line.height > 0.97 * largest)
    worded = sum(character.isalpha() for character in text) > len(text) / 2 and not _ITEM.match(text)
    return text if worded and len(text) <= _LONGEST_TITLE and largest > 1.4 * _letter_height(pages) else ""


def _mark_paragraphs(pages: list[_Page]) -> None:
    """A paragraph opens below a gap, at an indented first line, and where the size of the letters changes."""
    gaps = [a.baseline - b.baseline for page in pages for a, b in pairwise(page.lines)]
    leading = median([gap for gap in gaps if gap > 1] or [0])
    for page in pages:
        if page.lines:
            following = [*page.lines[2:], page.lines[-1]]
            opens = [_opens(*three, leading) for three in zip(page.lines, page.lines[1:], following, strict=False)]
            page.lines[1:] = [line._replace(opens=yes) for line, yes in zip(page.lines[1:], opens, strict=True)]


def _opens(before: _Line, line: _Line, after: _Line, leading: float) -> bool:
    gap = before.baseline - line.baseline
    if gap < 0:  # the next column
        return not _runs_on(before.text, line.text)
    larger = max(before.height, line.height) / (min(before.height, line.height) or 1)
    if gap > 1.3 * leading * max(1, line.height / (before.height or 1)) or (larger > 1.25 and gap > 0.9 * leading):
        return True
    indent = 0.7 * line.height
    indented = line.left - before.left > indent and (line.left - after.left > indent or after is line)
    return indented and bool(_SENTENCE_END.search(before.text)) and not _ITEM.match(before.text)


def _runs_on(before: str, after: str) -> bool:
    """Whether a sentence goes on in the next column or on the next page."""
    return bool(_BROKEN_WORD.search(before)) or (not _SENTENCE_END.search(before) and after[:1].islower())


# -- OCR -------------------------------------------------------------------------------------------------------------


def _read_scans(pdf: "PdfDocument", pages: list[_Page]) -> str:
    """Read the pages that are pictures; what to tell where that does not work."""
    scans = [number for number, page in enumerate(pages) if page.drawn and not page.lines]
    tesseract = shutil.which("tesseract")
    if not tesseract:
        advice = f"no text: {INSTALL_TESSERACT}"
        return _name_pages(scans, f"holds {advice}", f"hold {advice}")
    unread = []
    for number in scans:
        text = _recognise(_picture(pdf, number), tesseract)
        if text is None:
            unread.append(number)
        else:
            pages[number].lines[:] = _recognised_lines(text)
    return _name_pages(unread, "could not be read by Tesseract", "could not be read by Tesseract")


def _picture(pdf: "PdfDocument", number: int) -> bytes:
    page = pdf[number]
    try:
        width, height = page.get_size()
        scale = min(_OCR_DPI / 72, (_OCR_PIXELS / max(width * height, 1)) ** 0.5)
        bitmap = page.render(scale=scale, grayscale=True)
        png = BytesIO()
        bitmap.to_pil().save(png, "PNG", compress_level=1)
        return png.getvalue()
    finally:
        page.close()


def _recognise(picture: bytes, tesseract: str) -> str | None:
    command = [tesseract, "stdin", "stdout", "--dpi", str(_OCR_DPI)]
    try:
        done = subprocess.run(command, input=picture, capture_output=True, timeout=_OCR_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace")


def _recognised_lines(text: str) -> Iterator[_Line]:
    opens = False
    for line in text.split("\n"):
        content = _INVISIBLE.sub("", line).strip()
        if content:
            yield _Line(content, opens=opens)
        opens = not content


def _name_pages(indices: list[int], one: str, several: str) -> str:
    """`page 2 <one>` or `pages 2, 5–7 <several>`, counted from 1; nothing where there are none."""
    runs: list[list[int]] = []
    for number in (index + 1 for index in indices):
        if runs and runs[-1][-1] == number - 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    named = ", ".join("–".join(map(str, run)) for run in runs)
    if not runs:
        return ""
    return f"page {named} {one}" if len(indices) == 1 else f"pages {named} {several}"


# -- putting it together ---------------------------------------------------------------------------------------------


def _assemble(pages: list[_Page], bookmarks: list[_Bookmark]) -> Reading:
    text, offsets = _join(pages)
    starts = line_starts(text)
    reading = Reading(text)
    reading.places = [
        (offsets[number][0], Place("page", number + 1, number + 1)) for number in range(len(pages)) if offsets[number]
    ]
    reading.sections = _sections(text, starts, pages, offsets, bookmarks)
    reading.blocks = sorted({*paragraph_starts(text), *(offset for offset, _ in reading.places)})
    reading.items = [start for start in starts if _ITEM.match(text, start)]
    reading.links = _links(text, starts, pages, offsets)
    return reading


def _join(pages: list[_Page]) -> tuple[str, list[list[int]]]:
    """The text of all pages, and the offset at which each line of each page starts in it."""
    words = _vocabulary(pages)
    pieces: list[str] = []
    length = 0
    before = ""
    offsets: list[list[int]] = []
    for page in pages:
        offsets.append([])
        for position, line in enumerate(page.lines):
            opens = line.opens if position else not _runs_on(before, line.text)
            end, separator = _line_end(before, line.text, opens, words)
            if before:
                pieces += [before[:end], separator]
                length += len(before[:end]) + len(separator)
            offsets[-1].append(length)
            before = line.text
    return "".join(pieces) + before, offsets


def _vocabulary(pages: list[_Page]) -> set[str]:
    """The words of a document, without the halves of those that a line end broke."""
    words: set[str] = set()
    broken = False
    for line in (line for page in pages for line in page.lines):
        whole = _BROKEN_WORD.sub("", line.text)
        found = _WORD.findall(whole.casefold())
        words.update(found[1:] if broken else found)
        broken = whole != line.text
    return words


def _line_end(before: str, after: str, opens: bool, words: set[str]) -> tuple[int, str]:
    """How much of a line is kept in front of the next, and what goes between them: a word broken at the line end is
    joined, without its hyphen unless the document writes it with one elsewhere."""
    broken = _BROKEN_WORD.search(before)
    rest = _WORD.match(after)
    if not broken or not rest or opens or not after[0].islower():
        return len(before), "\n\n" if opens else "\n"
    first, last = broken.group(1).casefold(), rest.group().casefold()
    compound = first + last not in words and (f"{first}-{last}" in words or {first, last} <= words)
    return len(before) - (not compound), ""


def _sections(
    text: str, starts: list[int], pages: list[_Page], offsets: list[list[int]], bookmarks: list[_Bookmark]
) -> list[Section]:
    """The sections that the bookmarks announce; a part without text is left out where it holds other sections."""
    titles = {number: _titles(pages[number]) for number in {bookmark.page for bookmark in bookmarks}}
    headings = sorted(
        (_heading(bookmark, pages[bookmark.page], titles[bookmark.page], offsets[bookmark.page]), order, bookmark.path)
        for order, bookmark in enumerate(bookmarks)
        if offsets[bookmark.page]
    )
    sections = [Section((), 0, 0, headings[0][0][0] if headings else len(text))]
    for ((first, start), _, path), following in zip(headings, [*headings[1:], None], strict=False):
        end = max(start, following[0][0]) if following else len(text)
        if text[start:end].strip() or not (following and following[2][: len(path)] == path):
            sections.append(Section(path, bisect_right(starts, first) - 1, start, end))
    return [section for section in sections if section.heading_path or text[section.start : section.end].strip()]


def _heading(bookmark: _Bookmark, page: _Page, titles: dict[str, list[Span]], offsets: list[int]) -> tuple[int, int]:
    """Where a bookmark's title stands in the text, and where the text under it starts."""
    lines = page.lines
    title = bookmark.path[-1]
    found = titles.get(_letters(title)) or titles.get(_letters(_HEADING_NUMBER.sub("", title)))
    top = bookmark.top
    if not found:
        below = (n for n, line in enumerate(lines) if top is not None and line.baseline <= top)
        first = offsets[next(below, 0)]
        return first, first
    start, stop = found[0] if top is None else min(found, key=lambda span: abs(lines[span[0]].baseline - top))
    return offsets[start], offsets[stop] if stop < len(offsets) else offsets[stop - 1] + len(lines[stop - 1].text)


def _titles(page: _Page) -> dict[str, list[Span]]:
    """Every run of a few lines that may be a heading, by its letters, with and without the number in front."""
    titles = defaultdict(list)
    lines = page.lines
    for start in range(len(lines)):
        text = ""
        for stop in range(start + 1, min(start + 5, len(lines) + 1)):
            text += " " + lines[stop - 1].text
            if len(text) > _LONGEST_TITLE:
                break
            for letters in {_letters(text), _letters(_HEADING_NUMBER.sub("", text))}:
                titles[letters].append((start, stop))
    return titles


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text)).casefold()


def _links(text: str, starts: list[int], pages: list[_Page], offsets: list[list[int]]) -> list[tuple[int, Link]]:
    """The links laid over the pages, and the bare addresses in the text that are not among them."""
    links = []
    near = defaultdict(list)
    for page, places in zip(pages, offsets, strict=True):
        for anchor in page.anchors if places else ():
            line = bisect_right(starts, places[_line_under(anchor, page.lines)]) - 1
            bare = _letters(anchor.text) in _letters(anchor.url)
            links.append((line, Link(anchor.url if bare else anchor.text.rstrip(" .,;:"), anchor.url)))
            for other in (line - 1, line, line + 1):
                near[other].append(anchor.url)
    # of an address that is broken over two lines the text alone gives only the first part
    links += [(line, link) for line, link in bare_links(text) if not any(link.text in url for url in near[line])]
    return sorted(links, key=lambda pair: pair[0])


def _line_under(anchor: _Anchor, lines: list[_Line]) -> int:
    """The line that a link lies on: at its height, the last that starts left of it."""
    level = [n for n, line in enumerate(lines) if anchor.bottom <= line.baseline + 1 <= anchor.top]
    return max(level, key=lambda n: (lines[n].left <= anchor.left + 3, lines[n].left), default=0)
