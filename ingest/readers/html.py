"""HTML: a tree from a page of any make, and Markdown from an element.

The Markdown is written in one pass over the tree, without recursion, so that no depth of nesting matters. Emphasis and
pictures are dropped. It knows nothing of what is worth reading on a page; see article.py for that.
"""

import re
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from ingest.readers.markup import code_span, escape_inline, escape_starts, fence

if TYPE_CHECKING:
    from lxml.etree import _Element
    from lxml.html import HtmlElement

_BLOCKS = frozenset(
    """address article aside body caption center dd details dialog div dl dt fieldset figcaption figure footer form
    header hgroup html legend main nav noscript optgroup option p search section summary tbody tfoot thead tr""".split()
)
_DROPPED = frozenset(
    """applet audio base canvas datalist embed head iframe link map meta noembed noframes object param script
    select style svg template textarea title video""".split()
)
# what highlighters, documentation tools and mathematics scripts put beside the text
_DROPPED_CLASSES = frozenset(
    """headerlink anchor-link anchorjs-link hash-link viewcode-link copybtn mw-editsection editsection
    blob-num crayon-nums hljs-ln-numbers line-number line-numbers-rows linenodiv linenos lineno rouge-gutter
    MathJax MathJax_Display MathJax_Preview katex-html mwe-math-fallback-image-inline
    mwe-math-fallback-image-display""".split()
)
HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LONGEST_HEADING = 300  # characters; what is longer is a paragraph in large letters
_LONGEST_CODE = 1500  # characters; what is longer and reads like prose is taken in portions
_LONGEST_ADDRESS = 1000  # characters
_LONGEST_CELL = 2000  # characters; a table with longer cells lays out a page
_MOST_COLUMNS = 100  # of a table; a wider one is none
_WIDEST = 20  # columns of one cell, rows that it is repeated in, and columns of such cells
_DEEPEST = 12  # lists and quotes in each other; deeper ones lose their indentation, not their text
_PERMALINKS = frozenset({"", "¶", "#", "§", "🔗", "⚓", "⚓︎"})


# -- parsing ----------------------------------------------------------------------------------------------------------

_TAG = re.compile(rb"<[a-zA-Z][^\s/>]*+(?:[\s/]*+[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s>]*+))?+)*+")
_ATTRIBUTE = re.compile(rb"[\s/]+[^\s/>=]+")
_WRAPPER = re.compile(rb"</?(?:div|span|font|center|section|b|i|u|em|strong|small|big|a)\b[^<>]*>", re.IGNORECASE)
_ANY_TAG = re.compile(rb"</?[a-zA-Z][^<>]*>")
# to the parser the page would end there
_SELF_CLOSED = re.compile(rb"(<(?:html|body)\b[^<>]*)/>", re.IGNORECASE)


def parse(text: str) -> "HtmlElement":
    """The tree of a page; an empty one where there is nothing to parse."""
    from lxml import etree, html

    # as bytes, so that an encoding which the page declares no longer counts
    data = _without_monstrous_tags(_SELF_CLOSED.sub(rb"\1>", text.encode("utf-8", "replace"), count=9))
    parser = html.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True)
    tree = etree.fromstring(data, parser) if data.strip() else None
    for wrappers in (_WRAPPER, _ANY_TAG):
        if any(error.type_name == "ERR_RESOURCE_LIMIT" for error in parser.error_log):
            # nested so deep that the parser stopped: what only wraps text is taken away, then everything
            data = wrappers.sub(b" ", data)
            tree = etree.fromstring(data, parser)
    return html.document_fromstring("<html><body></body></html>") if tree is None else tree


def _without_monstrous_tags(data: bytes) -> bytes:
    """Empties tags of thousands of attributes, on which the parser would spend minutes."""
    if all(match.end() - match.start() < 2**13 for match in _TAG.finditer(data)):
        return data
    return _TAG.sub(lambda match: b"<p" if len(_ATTRIBUTE.findall(match.group())) > 1000 else match.group(), data)


# -- writing -------------------------------------------------------------------------------------------------------


class _Block(NamedTuple):
    kind: str  # text | heading | list | item | term | code | quote | table
    text: str


class _Frame:
    """An element that is open: the blocks that stand in it and the words of a paragraph not yet ended."""

    def __init__(self, tag: str, element: "_Element") -> None:
        self.tag = tag
        self.element = element
        self.blocks: list[_Block] = []
        self.inline: list[str] = []
        self.rows: list[list[_Cell]] = []
        self.is_dropped = False

    def add(self, kind: str, text: str) -> None:
        self.end_paragraph()
        if text:
            self.blocks.append(_Block(kind, text))

    def take_over(self, other: "_Frame") -> None:
        """Take what stands in a closed element that makes no block of its own."""
        self.end_paragraph()
        other.end_paragraph()
        self.rows += other.rows
        if self.blocks:
            self.blocks += other.blocks
        else:
            self.blocks = other.blocks

    def end_paragraph(self) -> None:
        if self.inline:
            text, self.inline = "".join(self.inline), []
            self.blocks += [_Block("text", paragraph) for paragraph in _paragraphs(text)]

    def markdown(self) -> str:
        self.end_paragraph()
        return _join(self.blocks)

    def one_line(self) -> str:
        """Everything in one line, for places that hold no more."""
        self.end_paragraph()
        lines = (code_span(_fenced(text)) if kind == "code" else text for kind, text in self.blocks)
        return " ".join(" ".join(lines).split())


class _Cell(NamedTuple):
    text: str
    columns: int
    rows: int


def to_markdown(element: "HtmlElement") -> str:
    """The Markdown of an element. Links stay as they are written: make them absolute before."""
    from lxml import etree

    writer = _Writer(element)
    walker = etree.iterwalk(element, events=("start", "end", "comment", "pi"))
    for event, node in walker:
        if event == "start":
            if writer.open(node):
                walker.skip_subtree()
            continue
        if event == "end":
            writer.close()
        if node is not element and node.tail:
            writer.write(node.tail)
    return writer.markdown()


class _Writer:
    def __init__(self, element: "_Element") -> None:
        self._frames = [_Frame("", element)]
        self._open: dict[str, int] = {}
        self._in_grid = False

    def markdown(self) -> str:
        return self._frames[0].markdown()

    def open(self, element: "_Element") -> bool:
        """Open an element; true where what stands in it is not to be walked through."""
        frame = _Frame(_tag(element), element)
        self._frames.append(frame)
        self._open[frame.tag] = self._open.get(frame.tag, 0) + 1
        frame.is_dropped = self._is_dropped(frame)
        if frame.is_dropped or frame.tag in _LEAVES:
            return True
        if is_fragment(element):
            frame.tag = "pre"
            return True
        if frame.tag == "table":
            self._in_grid = is_grid(element)
        if frame.tag in _TABLE and not self._in_grid:
            frame.tag = "div"
        if element.text:
            self.write(element.text)
        return False

    def close(self) -> None:
        frame = self._frames.pop()
        parent = self._frames[-1]
        tag = _tag(frame.element)
        self._open[tag] -= 1
        if frame.is_dropped:
            return
        close = _LEAVES.get(frame.tag) or _CLOSERS.get(frame.tag)
        if close and not (frame.tag in _NESTED and self._depth() > _DEEPEST):
            close(frame, parent)
        elif frame.blocks or frame.rows or frame.tag in _BLOCKS or close:
            parent.take_over(frame)
        else:
            parent.inline += frame.inline

    def write(self, text: str) -> None:
        self._frames[-1].inline.append(escaped(_SPACES.sub(" ", _INVISIBLE.sub("", text)), bool(self._open.get("a"))))

    def _depth(self) -> int:
        return self._open.get("li", 0) + self._open.get("blockquote", 0)

    def _is_dropped(self, frame: _Frame) -> bool:
        if frame.tag == "button":
            # the questions of a folded list of questions and answers are buttons; beside a heading they are controls
            titles = [open for open in self._frames if open.tag in HEADINGS or open.tag in ("dt", "summary")]
            return not titles or bool("".join(titles[-1].inline).strip())
        if frame.tag in _DROPPED:
            return frame.tag not in _LEAVES or _is_silent(frame.element)
        classes = frame.element.get("class")
        return bool(classes) and not _DROPPED_CLASSES.isdisjoint(classes.split())


def _tag(element: "_Element") -> str:
    """The name of an element, also of one in XHTML's name space."""
    tag = element.tag
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""


# -- paragraphs ----------------------------------------------------------------------------------------------------

_SPACES = re.compile(r"[ \t\n\r\f\v\xa0]+")
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1f\x7f\u00ad\u200b\ufeff]")


def escaped(text: str, in_link: bool = False) -> str:
    """A text with a backslash before what would become markup there."""
    text = escape_inline(text)
    return re.sub(r"(?<!\\)[\[\]]", r"\\\g<0>", text) if in_link else text


def _paragraphs(text: str) -> list[str]:
    """The paragraphs of running text, in which only line breaks are left as lines."""
    lines = [" ".join(line.split(" ")).strip() for line in re.sub(" +", " ", text).split("\n")]
    paragraphs = re.split(r"\n{2,}", "\n".join(lines).strip("\n"))
    return [paragraph for paragraph in paragraphs if paragraph]


def _text(block: _Block) -> str:
    """A block, with a backslash before what would become markup at the start of a line."""
    return escape_starts(block.text) if block.kind == "text" else block.text


def _join(blocks: list[_Block], in_item: bool = False) -> str:
    pieces = [_text(block) for block in blocks[:1]]
    for before, block in zip(blocks, blocks[1:], strict=False):
        # a term and its definition are one passage, a list belongs to the item that announces it
        is_tight = (before.kind, block.kind) == ("term", "text") or (
            in_item and (before.kind, block.kind) == ("text", "list") and block.text.startswith(("- ", "1. "))
        )
        pieces += ["\n" if is_tight else "\n\n", _text(block)]
    return "".join(pieces)


# -- elements ------------------------------------------------------------------------------------------------------


def _close_heading(frame: _Frame, parent: _Frame) -> None:
    text = re.sub(r" (#+)$", r" \\\1", frame.one_line())
    if len(re.sub(r"\]\([^)\s]*\)", "", text)) > _LONGEST_HEADING:
        parent.add("text", text)
    elif text:
        parent.add("heading", "#" * HEADINGS[frame.tag] + " " + text)


def _close_link(frame: _Frame, parent: _Frame) -> None:
    if frame.blocks:
        parent.take_over(frame)
        return
    text = " ".join("".join(frame.inline).split())
    address = _address(frame.element.get("href") or "")
    if address.startswith("#") and text.lower() in _PERMALINKS:
        return
    # an address with a line break in it holds a text, such as the code for a playground
    if address.startswith("#") or not address or len(address) > _LONGEST_ADDRESS or "%0a" in address.lower():
        parent.inline += [re.sub(r"\\([\[\]])", r"\1", piece) for piece in frame.inline]
        return
    text = text or next((_plain(image.get("alt") or "") for image in frame.element.iter("img")), "")
    if text in (address, address.removesuffix("/")):
        parent.inline.append(f"<{address}>")
    elif text:
        before = parent.inline[-1] if parent.inline else ""
        if before.endswith("!"):
            # it would become a picture
            parent.inline[-1] = before[:-1] + r"\!"
        inner = "".join(frame.inline)
        parent.inline.append(" " * inner.startswith(" ") + f"[{text}]({address})" + " " * inner.endswith(" "))


def _address(href: str) -> str:
    """An address as Markdown takes it between brackets; empty for what leads nowhere."""
    href = re.sub(r"[\t\n\r]", "", href).strip()
    if re.match(r"(?:javascript|data|vbscript|blob|about):", href, re.IGNORECASE):
        return ""
    if href.count("(") != href.count(")") or href.find(")") < href.find("("):
        href = href.replace("(", "%28").replace(")", "%29")
    return re.sub(
        r"[\s<>\\\x00-\x1f\x7f]", lambda match: f"%{ord(match.group()):02X}" if match.group() < "\x80" else "", href
    )


def _close_item(frame: _Frame, parent: _Frame) -> None:
    frame.end_paragraph()
    if any(block.kind == "heading" for block in frame.blocks):
        # a list that lays out a page
        parent.take_over(frame)
    elif frame.blocks:
        parent.add("item", _join(frame.blocks, in_item=True))


def _close_list(frame: _Frame, parent: _Frame) -> None:
    frame.end_paragraph()
    number = _number(frame.element.get("start"), 1) if frame.tag == "ol" else None
    parent.end_paragraph()
    items: list[str] = []
    marker = "- "
    for kind, text in frame.blocks:
        if kind == "item" or (kind == "list" and items):
            if kind == "item":
                marker = "- " if number is None else f"{number}. "
                number = None if number is None else number + 1
            indented = text.replace("\n", "\n" + " " * len(marker))
            items.append((marker if kind == "item" else " " * len(marker)) + re.sub(r"\n +(?=\n)", "\n", indented))
        else:
            parent.add("list", _list(items))
            parent.add(kind, text)
            items = []
    parent.add("list", _list(items))


def _list(items: list[str]) -> str:
    return ("\n\n" if any("\n\n" in item for item in items) else "\n").join(items)


def _close_quote(frame: _Frame, parent: _Frame) -> None:
    frame.end_paragraph()
    if not any(kind in ("text", "quote") for kind, _ in frame.blocks):
        # meant as an indentation
        parent.take_over(frame)
        return
    text = frame.markdown()
    parent.add("quote", re.sub("^", "> ", text, flags=re.MULTILINE).replace("> \n", ">\n") if text else "")


def _close_term(frame: _Frame, parent: _Frame) -> None:
    if "sig" in frame.element.get("class", "").split():
        # the signature of a function
        text = code_span(_plain(_text_of(frame.element)))
    else:
        text = re.sub(r"\\?\*", r"\*", frame.one_line())
    parent.add("term", f"**{text}**" if text else "")


def _close_code(frame: _Frame, parent: _Frame) -> None:
    text = _text_of(frame.element)
    if "\n" in text.strip() and frame.element.find(".//br") is not None:
        parent.add("code", fence(_without_blank_edges(text)))
        return
    if parent.inline and parent.inline[-1].endswith("`"):
        parent.inline.append(" ")
    parent.inline.append(code_span(_plain(text)))


def _close_pre(frame: _Frame, parent: _Frame) -> None:
    text = _text_of(frame.element)
    language = _language(frame.element)
    for part in [text] if language or not _is_prose(text) else _portions(text):
        parent.add("code", fence(_without_blank_edges(part), language))


def is_fragment(element: "_Element") -> bool:
    """Whether it is code as Doxygen draws it: an element for each line."""
    return _tag(element) == "div" and "fragment" in (element.get("class") or "").split()


def _is_prose(text: str) -> bool:
    """Whether a long preformatted text is prose: a mail, a memo, a licence. Code has more signs between its words."""
    words = sum(map(str.isalpha, text)) + sum(map(str.isspace, text))
    return len(text) > _LONGEST_CODE and words > 0.92 * len(text)


def _portions(text: str) -> list[str]:
    """Some paragraphs at a time, since a passage is never cut within code."""
    portions = [""]
    for paragraph in re.split(r"\n(?:[ \t]*\n)+", text):
        if portions[-1] and len(portions[-1]) + len(paragraph) > _LONGEST_CODE / 2:
            portions.append(paragraph)
        else:
            portions[-1] += "\n\n" * bool(portions[-1]) + paragraph
    return portions


def _without_blank_edges(text: str) -> str:
    return re.sub(r"\A[ \t]*\n", "", text).rstrip()


def _fenced(block: str) -> str:
    """The code in a fence, in one line."""
    return " ".join(" ".join(block.split("\n")[1:-1]).split())


_LANGUAGE = re.compile(
    r"(?:^|\s)(?:(?:language|lang|highlight-source|highlight-text|highlight)-|sourceCode |brush: ?)([\w+#.-]+)"
)
_LANGUAGES = {"python3": "python", "ipython3": "python", "py": "python", "py3": "python", "js": "javascript"}
_NO_LANGUAGES = frozenset({"default", "none", "text", "plain", "plaintext", "notranslate", "nohighlight", "literal"})


def _language(pre: "_Element") -> str:
    """The language that a class names: of the block, of the code in it, or of what is drawn around it."""
    for element in (pre, *pre.iterchildren("code"), *islice(pre.iterancestors(), 8)):
        named = _LANGUAGE.search(element.get("class") or "")
        name = (element.get("data-lang") or element.get("data-language") or (named and named.group(1)) or "").lower()
        if re.fullmatch(r"[\w+#.-]{1,20}", name) and name not in _NO_LANGUAGES:
            return _LANGUAGES.get(name, name)
    return ""


def _text_of(element: "_Element") -> str:
    """The text of an element as it stands, without line numbers; what begins a line of its own does so."""
    from lxml import etree

    lines = set(element) if is_fragment(element) else set()
    pieces = ["" if lines else element.text or ""]
    walker = etree.iterwalk(element, events=("start", "end", "comment", "pi"))
    for event, node in walker:
        if node is element:
            continue
        tag = _tag(node)
        if event == "start":
            if tag in _DROPPED or tag == "button" or not _DROPPED_CLASSES.isdisjoint((node.get("class") or "").split()):
                walker.skip_subtree()
            else:
                pieces.append(node.text or "")
            continue
        if tag == "br" or (tag in ("div", "li", "tr", "p") and not "".join(pieces[-2:]).endswith("\n")):
            pieces.append("\n")
        pieces.append("" if node in lines else node.tail or "")
    return _INVISIBLE.sub("", "".join(pieces)).replace("\xa0", " ").replace("\r\n", "\n").replace("\r", "\n")


def _plain(text: str) -> str:
    return " ".join(text.split())


def _close_break(frame: _Frame, parent: _Frame) -> None:
    parent.inline.append("\n")


def _close_input(frame: _Frame, parent: _Frame) -> None:
    if frame.element.get("type") == "checkbox" and parent.tag in ("li", "p", "label"):
        parent.inline.append("[ ] " if frame.element.get("checked") is None else "[x] ")


def _close_rule(frame: _Frame, parent: _Frame) -> None:
    parent.end_paragraph()


def _close_power(frame: _Frame, parent: _Frame) -> None:
    """10<sup>6</sup> must not become 106."""
    text = "" if frame.blocks else "".join(frame.inline).strip()
    if text and frame.element.find(".//a") is not None:
        # the mark of a note
        parent.inline.append(text if text.startswith(("[", "(", "\\")) else f"[{text}]")
    elif re.fullmatch(r"[-−–+]?[\d.,]+|[nkmxyijNKTM]", text) and parent.inline and parent.inline[-1].strip():
        parent.inline.append("^" + text)
    else:
        _pass_on(frame, parent)


def _close_index(frame: _Frame, parent: _Frame) -> None:
    text = "".join(frame.inline).strip()
    if re.fullmatch(r"[a-zA-Z]{1,3}", text) and not frame.blocks:
        parent.inline.append("_" + text)
    else:
        _pass_on(frame, parent)


def _close_struck(frame: _Frame, parent: _Frame) -> None:
    text = "".join(frame.inline).strip()
    if text and not frame.blocks:
        parent.inline.append(f"~~{text}~~")
    else:
        _pass_on(frame, parent)


def _close_quotation(frame: _Frame, parent: _Frame) -> None:
    parent.inline += ["“", *frame.inline, "”"]


def _pass_on(frame: _Frame, parent: _Frame) -> None:
    if frame.blocks:
        parent.take_over(frame)
    else:
        parent.inline += frame.inline


# -- tables --------------------------------------------------------------------------------------------------------


def is_grid(table: "_Element") -> bool:
    """Whether a table holds data; false for one that only lays out a page or code with its line numbers."""
    if table.get("role") in ("presentation", "none"):
        return False
    rows, cells, widest, size = 0, 0, 0, 0
    for node in table.iter():
        tag = _tag(node)
        if node is not table and (tag in ("table", *HEADINGS) or (tag == "pre" and "\n" in _text_of(node).strip())):
            return False
        if tag == "tr":
            rows, cells = rows + 1, 0
        elif tag in ("td", "th"):
            cells, size = cells + 1, 0
            widest = max(widest, cells)
        size += len(node.text or "") + len(node.tail or "")
        if size > _LONGEST_CELL:
            return False
    return rows > 1 and 1 < widest <= _MOST_COLUMNS


def _close_cell(frame: _Frame, parent: _Frame) -> None:
    columns = min(_number(frame.element.get("colspan"), 1), _WIDEST)
    rows = _number(frame.element.get("rowspan"), 1)
    parent.rows = parent.rows or [[]]
    parent.rows[-1].append(_Cell(re.sub(r"(?<!\\)\|", r"\\|", frame.one_line()), columns, rows))


def _close_table(frame: _Frame, parent: _Frame) -> None:
    parent.take_over(frame)  # the caption
    rows = [row for row in _spread(frame.rows) if any(row)]
    if not rows:
        return
    width = max(len(row) for row in rows)
    header = rows[0] + [""] * (width - len(rows[0]))
    lines = [header, ["---"] * width, *rows[1:]]
    parent.add("table", "\n".join("| " + " | ".join(row) + " |" for row in lines))


def _spread(rows: list[list[_Cell]]) -> list[list[str]]:
    """The rows as a grid: a cell over several columns leaves the others empty, one over several rows stands in each."""
    grid = []
    hanging: dict[int, tuple[str, int]] = {}  # by column: a cell of an earlier row and the rows that it still covers
    for row in rows:
        line: list[str] = []
        for cell in row:
            while len(line) in hanging:
                line.append(hanging[len(line)][0])
            if cell.rows > 1 and len(line) < _WIDEST:
                hanging[len(line)] = (cell.text[:_LONGEST_HEADING], min(cell.rows, _WIDEST))
            line += [cell.text] + [""] * (cell.columns - 1)
        while len(line) in hanging:
            line.append(hanging[len(line)][0])
        hanging = {column: (text, left - 1) for column, (text, left) in hanging.items() if left > 1}
        grid.append(line)
    return grid


def _number(value: str | None, default: int) -> int:
    return int(value) if value and re.fullmatch(r"\d{1,4}", value.strip()) and int(value) else default


# -- mathematics ---------------------------------------------------------------------------------------------------


def _is_silent(script: "_Element") -> bool:
    return _tag(script) == "script" and not (script.get("type") or "").startswith("math/tex")


def _close_math(frame: _Frame, parent: _Frame) -> None:
    """The TeX that a formula was made from."""
    element = frame.element
    if frame.tag == "script":
        tex, display = element.text or "", "display" in element.get("type", "")
    else:
        notes = (node for node in element.iter() if _tag(node) == "annotation" and "tex" in node.get("encoding", ""))
        tex = next((node.text or "" for node in notes), "") or element.get("alttext") or ""
        display = element.get("display") == "block"
    tex = _plain(tex)
    if tex.startswith(r"{\displaystyle ") and tex.endswith("}"):
        tex = tex[len(r"{\displaystyle ") : -1].strip()
    if not tex:
        parent.inline.append(escaped(_plain(_text_of(element))))
    else:
        parent.inline.append(f"$${tex}$$" if display else f"${tex}$")


_Closer = Callable[[_Frame, _Frame], None]
_LEAVES: dict[str, _Closer] = {
    **dict.fromkeys(("code", "kbd", "samp", "tt"), _close_code),
    **dict.fromkeys(("pre", "listing", "xmp"), _close_pre),
    **dict.fromkeys(("math", "script"), _close_math),
}
_CLOSERS: dict[str, _Closer] = {
    **dict.fromkeys(HEADINGS, _close_heading),
    **dict.fromkeys(("ul", "ol", "menu", "dir"), _close_list),
    **dict.fromkeys(("del", "s", "strike"), _close_struck),
    **dict.fromkeys(("td", "th"), _close_cell),
    "a": _close_link,
    "blockquote": _close_quote,
    "br": _close_break,
    "dt": _close_term,
    "hr": _close_rule,
    "input": _close_input,
    "li": _close_item,
    "q": _close_quotation,
    "sub": _close_index,
    "sup": _close_power,
    "table": _close_table,
}
_TABLE = frozenset({"table", "caption", "thead", "tbody", "tfoot", "tr", "td", "th"})
_NESTED = frozenset({"ul", "ol", "menu", "dir", "li", "blockquote"})
