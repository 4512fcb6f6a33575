"""Markdown of notes as HTML that is safe to show: code with colours, tables, formulas as MathML, cited words marked.

Notes are hostile until shown otherwise. Raw HTML and images are off, only web addresses become links, and formulas
are built from the elements and attributes that are named here, every word of theirs escaped.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache
from html import escape, unescape
from typing import TYPE_CHECKING, Any

from chatbot.markdown import is_web
from chatbot.page import texts
from knowledge.text import FORMULA, LONGEST_FORMULA, is_formula

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_core import StateCore
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

# Around the words that are marked, while they are Markdown. Markdown takes them for brackets, so that emphasis and
# code beside them stay what they are; those that a note holds itself become brackets of the common kind.
_OPENS, _CLOSES = "⁅", "⁆"
_PLAIN_BRACKETS = str.maketrans(_OPENS + _CLOSES, "[]")
_FENCE = re.compile(r"^[ \t>]*(?:`{3}|~{3})", re.MULTILINE)
# what begins a line and is no word of it: quote marks, list marks, headings, the edge of a table
_LINE_MARKS = re.compile(r"(?:[ \t]*(?:>|(?:[-*+]|\d{1,9}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?|#{1,6}[ \t]+|\|))*[ \t]*")
_HTML_PIECE = re.compile(r"<math.*?</math>|<[^>]*>|[^<]+", re.DOTALL)
_SIGN = re.compile(f"([{_OPENS}{_CLOSES}])")

_LONGEST_CODE = 20_000  # characters; a longer listing is shown without colours
_FORMULA_BLOCK = re.compile(rf"{_OPENS}?(\$\$|\\\[)")
_ENDS = {"$$": "$$", "\\[": "\\]"}
_MATH_ELEMENTS = frozenset(
    """menclose mfrac mi mmultiscripts mn mo mover mpadded mphantom mroot mrow mspace msqrt mstyle msub msubsup msup
    mtable mtd mtext mtr munder munderover""".split()
)
_MATH_ATTRIBUTES = frozenset(
    """accent columnalign columnspacing displaystyle fence form largeop linethickness lspace mathvariant maxsize minsize
    movablelimits notation rowspacing rspace scriptlevel separator stretchy width""".split()
)
_MATH_VALUE = re.compile(r"[\w .%+-]{1,40}")

_TABLE_OPENS = f'<div class="table" tabindex="0" role="region" aria-label="{texts.TABLE}"><table dir="auto">'
_TABLE_CLOSES = "</table></div>"


def inline(text: str) -> str:
    """Words of a note on one line."""
    return _parser().renderInline(_without_signs(text))


@lru_cache(maxsize=512)  # the same passages are drawn again and again while an answer grows
def blocks(text: str, marked: tuple[tuple[int, int], ...] = ()) -> str:
    """A passage, with the stretches that are marked; each lies in one block: a sentence, an item, a row or a fence."""
    signed, fences = _signed(_without_signs(text), marked)
    return _marked(_parser().render(signed, {"marked": fences}))


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of a note's table, the first one its header."""
    head, *body = rows
    lines = (_row("th", head), *(_row("td", row) for row in body))
    return f"{_TABLE_OPENS}{''.join(lines)}{_TABLE_CLOSES}"


def _row(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{inline(cell)}</{tag}>' for cell in cells)}</tr>"


def verbatim(text: str, marked: Iterable[tuple[int, int]] = ()) -> str:
    """A passage that is not Markdown, as it stands, with the stretches that are marked."""
    pieces = []
    position = 0
    for start, end in marked:
        start = max(start, position)
        pieces += [escape(text[position:start]), f"<mark>{escape(text[start:end])}</mark>" if start < end else ""]
        position = max(position, end)
    return f'<div class="verbatim" dir="auto">{"".join(pieces)}{escape(text[position:])}</div>'


def link(text: str, url: str) -> str:
    """A link for a web address; for any other kind only its words."""
    if not is_web(url):
        return escape(f"{text} ({url})" if url != text else text)
    return f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{escape(text)}</a>'


# -- marking -------------------------------------------------------------------------------------------------------


def _without_signs(text: str) -> str:
    return text.translate(_PLAIN_BRACKETS)


def _signed(text: str, marked: Sequence[tuple[int, int]]) -> tuple[str, frozenset[int]]:
    """The text with signs around what is marked, and the lines on which a fence begins that is."""
    pieces = []
    fences = set()
    position = 0
    for start, end in marked:
        line_start = text.rfind("\n", 0, start) + 1
        if fence := _FENCE.search(text, line_start, end):
            fences.add(text.count("\n", 0, fence.start()))
            end = len(text[: fence.start()].rstrip())
        if match := _LINE_MARKS.match(text, line_start):
            start = max(start, match.end())
        if text.startswith("|", line_start) and text.startswith("|", end - 1):
            end -= 1
        if position <= start < end:
            pieces += [text[position:start], _OPENS, text[start:end], _CLOSES]
            position = end
    return "".join((*pieces, text[position:])), frozenset(fences)


def _marked(html: str) -> str:
    """HTML with the words between the signs marked, each run of them between two tags by itself: so that it stays well
    formed, however the signs and the tags lie."""
    depth = 0
    pieces = []
    for piece in _HTML_PIECE.findall(html):
        for part in _SIGN.split(piece):
            if part == _OPENS:
                depth += 1
            elif part == _CLOSES:
                depth -= 1
            else:
                is_word = part.strip() and (part.startswith("<math") or not piece.startswith("<"))
                pieces.append(f"<mark>{part}</mark>" if depth > 0 and is_word else part)
    return "".join(pieces)


# -- Markdown ------------------------------------------------------------------------------------------------------


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.disable(["image", "html_inline", "html_block", "autolink"])
    parser.block.ruler.before("fence", "formula", _formula_block, {"alt": ["paragraph", "blockquote", "list"]})
    parser.inline.ruler.before("escape", "formula", _formula_inline)
    parser.core.ruler.push("safe", _tame)
    rules: dict[str, Callable[..., str]] = {
        "fence": _code,
        "code_block": _code,
        "formula": _formula,
        "table_open": lambda *_: _TABLE_OPENS,
        "table_close": lambda *_: _TABLE_CLOSES,
    }
    for name, rule in rules.items():
        parser.add_render_rule(name, lambda _, *told, rule=rule: rule(*told))
    return parser


def _tame(state: "StateCore") -> None:
    """Links lead to the web or nowhere, every block has the direction of its words, and headings stay below ours."""
    for token in state.tokens:
        _tame_links(token.children or ())
        if (
            token.nesting == 1 and token.level == 0
        ):  # a list does not look into items that have a direction of their own
            token.attrs["dir"] = "auto"
        if style := token.attrs.pop("style", None):
            token.attrs["class"] = str(style).removeprefix("text-align:")
        if token.type in ("heading_open", "heading_close"):
            token.tag = "h4"


def _tame_links(children: Iterable["Token"]) -> None:
    leads_on = True
    for token in children:
        if token.type == "link_open":
            url = str(token.attrs.get("href", ""))
            leads_on = is_web(url)
            token.attrs = {"href": url, "target": "_blank", "rel": "noopener noreferrer"} if leads_on else {}
        if token.type in ("link_open", "link_close") and not leads_on:
            token.tag = "span"


def _code(tokens: Sequence["Token"], index: int, options: Any, environment: dict[str, Any]) -> str:
    token = tokens[index]
    language = token.info.strip().partition(" ")[0]
    is_marked = token.map is not None and token.map[0] in environment.get("marked", ())
    code = _coloured(_without_signs(token.content), language)
    return (
        f'<div class="code{" cited" if is_marked else ""}">'
        f'<button type="button" class="copy-code" title="{texts.COPY_CODE}">{texts.COPY}</button>'
        f'<pre dir="ltr" tabindex="0"><code>{code}</code></pre></div>'
    )


def _coloured(code: str, language: str) -> str:
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    if not language or len(code) > _LONGEST_CODE:
        return escape(code)
    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return escape(code)
    return highlight(code, lexer, HtmlFormatter(nowrap=True, classprefix="t-"))


# -- formulas ------------------------------------------------------------------------------------------------------


def _formula_inline(state: "StateInline", silent: bool) -> bool:
    match = FORMULA.match(state.src, state.pos)
    if not match or not is_formula(match.group(match.lastgroup or 0)):
        return False
    if not silent:
        token = state.push("formula", "span", 0)
        token.content = match.group(match.lastgroup or 0)
        token.meta = {"display": match.lastgroup in ("display", "bracketed")}
    state.pos = match.end()
    return True


def _formula_block(state: "StateBlock", first: int, end: int, silent: bool) -> bool:
    """A formula that has lines of its own, which Markdown would take for items of a list where one begins with a minus
    sign."""
    start = state.bMarks[first] + state.tShift[first]
    opening = _FORMULA_BLOCK.match(state.src, start)
    if not opening:
        return False
    closing = state.src.find(_ENDS[opening.group(1)], opening.end(), opening.end() + LONGEST_FORMULA)
    last = next((line for line in range(first, end) if state.eMarks[line] > closing), end)
    if closing < 0 or last == end:
        return False
    text = state.getLines(first, last + 1, state.blkIndent, False).strip()
    inside = text.removeprefix(_OPENS).rstrip(_CLOSES)[2:]
    if not inside.endswith(_ENDS[opening.group(1)]) or not is_formula(inside[:-2]):
        return False
    if not silent:
        token = state.push("formula", "div", 0)
        token.content = f"{_OPENS * text.startswith(_OPENS)}{inside[:-2]}{_CLOSES * text.endswith(_CLOSES)}"
        token.map = [first, last + 1]
        token.meta = {"display": True}
        state.line = last + 1
    return True


def _formula(tokens: Sequence["Token"], index: int, options: Any, environment: dict[str, Any]) -> str:
    """A formula with the signs that stood in it around it: it is marked as a whole."""
    token = tokens[index]
    opens, closes = (sign * token.content.count(sign) for sign in (_OPENS, _CLOSES))
    math = f"{opens}{_mathml(_SIGN.sub('', token.content), token.meta['display'])}{closes}"
    return f'<{token.tag} class="formula" dir="ltr">{math}</{token.tag}>' if token.meta["display"] else math


def _mathml(tex: str, display: bool) -> str:
    """A formula as MathML; what cannot be read, as it is written."""
    from latex2mathml.converter import convert_to_element

    # the converter knows `align` and not `aligned`, which is the same inside a formula
    tex = re.sub(r"\\(begin|end)\{(?:aligned|split|gathered)\}", r"\\\1{align*}", tex.strip())
    try:
        inside = "".join(map(_math_element, convert_to_element(tex)))
    except Exception:  # the converter has a class for each fault and no base for them, and stumbles over more
        return f"<code>{escape(tex)}</code>"
    return f'<math display="{"block" if display else "inline"}">{inside}</math>'


def _math_element(element: "Element") -> str:
    name = element.tag if element.tag in _MATH_ELEMENTS else "mrow"
    attributes = "".join(
        f' {key}="{value}"'
        for key, value in element.attrib.items()
        if key in _MATH_ATTRIBUTES and _MATH_VALUE.fullmatch(value)
    )
    # the converter writes characters as references, and what is in \text{} as it stands
    words = escape(unescape(element.text or ""))
    return f"<{name}{attributes}>{words}{''.join(map(_math_element, element))}</{name}>"
