"""Words, sentences, formulas and code, found without any data files."""

import re
from bisect import bisect_right
from collections.abc import Callable

#: Function words and the words questions are made of. They say how something is asked, not what about.
STOP_WORDS = frozenset(
    """a about above after again all also am an and any are as at be because been before being below between both but
    by can could did do does doing done down during each else few for from further get gets give given go got had has
    have having he her here hers him his how i if in into is it its itself just know let like made make makes making
    many may me might mine more most much must my myself need no nor not of off on once one only or other our ours out
    over own per please same shall she should show so some such tell than that the their them then there these they
    this those through to too under until up upon us use used uses using very via want was way we well were what when
    where which while who whom whose why will with within without would you your yours""".split()
)

_CONTRACTED = frozenset({"s", "t", "re", "ve", "ll", "d", "m"})
# bounded, since a search from each of a million brackets to the end of the text would take hours
MARKDOWN_LINK = re.compile(r"\[([^\]]{0,500})\]\(([^)\s]{0,4000})\)")
_URL = re.compile(r"https?://\S+")
_LINK_LABEL = re.compile(r"^\W*(?:links?|see(?: also)?|sources?|references?|read more|more)\W*$", re.IGNORECASE)
# with underscores inside it only: around a word they are emphasis
WORD = re.compile(r"[^\W_](?:\w*[^\W_])?(?:['’][^\W_]+)*")
_SENTENCE_END = re.compile(r"[.!?…。！？؟]+[\"'”’»)\]]*(?=\s|$)|[。！？]")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|al|approx|fig|eq|no|nos|vol|pp|ch|sec|dr|mr|mrs|ms|prof|st|jr|sr|inc|ltd|resp|ca)"
    r"|(?<!\w)\w)\.$",
    re.IGNORECASE,
)
# "31. Juli": where days are ordinals, a point ends no sentence before the month
_DAY = re.compile(r"(?<![\w.,])[0-3]?\d\.$")
_MONTH = re.compile(
    r"(?:jan|feb)(?:r?uar[iy]?)?\b|jänner\b|m(?:är|ar)(?:z|s|ch)?\b|apr(?:il)?\b|ma[ijy]\b|ju[nl][iy]?\b|june\b"
    r"|aug(?:ust)?\b|(?:sept?|nov|de[czs])(?:ember)?\b|o[ck]t(?:ober)?\b",
    re.IGNORECASE,
)

#: "May" as the month: with its capital inside a sentence, behind a word that times stand behind, beside a number
_MAY = re.compile(
    r"(?<=[\w,;:(–-] )May\b"
    r"|\b(?i:(?:in|by|since|until|till|last|next|early|mid|late|before|after|during)[ -]may"
    r"|\d(?:st|nd|rd|th|\.)?(?: of)? ?may|may \d{1,4})\b"
)


def words(text: str) -> list[str]:
    """The words of `text`, lower case, in order."""
    return WORD.findall(text.lower())


def content_words(text: str) -> list[str]:
    """The words that carry meaning; every word where all are function words, so that a query is never empty."""
    return meaningful_words(text) or words(text)


def meaningful_words(text: str) -> list[str]:
    """The words but for the function words. "May" is none where it is the month."""
    kept = "may" if _MAY.search(text) else None
    return [word for word in words(text) if word == kept or not is_stop_word(word)]


def is_stop_word(word: str) -> bool:
    """Whether a word is a function word, also with a contracted one behind it ("what's", "don't", "you're")."""
    before, _, ending = word.replace("’", "'").partition("'")
    return word in STOP_WORDS or (
        ending in _CONTRACTED and not STOP_WORDS.isdisjoint({before, before.removesuffix("n")})
    )


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Offsets of the sentences in a piece of prose, in order, without the white space around them.

    A line break ends a sentence only where the line is blank: hard-wrapped prose stays whole. No sentence ends inside a
    formula.
    """
    spans = []
    start = 0
    formulas = formula_spans(text)
    for match in _SENTENCE_END.finditer(text):
        if lies_inside(match.end(), formulas):
            continue
        rest = text[match.end() :].lstrip()
        if match.group().endswith(".") and (rest[:1].islower() or _ABBREVIATION.search(text[start : match.end()])):
            continue
        if _DAY.search(text[start : match.end()]) and _MONTH.match(rest):
            continue
        spans.append((start, match.end()))
        start = match.end()
    spans.append((start, len(text)))
    return [trimmed for span in spans if (trimmed := trim(text, *span))[0] < trimmed[1]]


def beginning(text: str, most: int) -> str:
    """The first words of a text that is longer than `most` characters; a formula stands in it whole or not at all,
    and whole where the text begins with it."""
    if len(text) <= most:
        return text
    cut = text.rfind(" ", 1, most)
    cut = most if cut < 0 else cut
    for start, end in formula_spans(text):
        if start < cut < end:
            cut = start or end
    return text if cut >= len(text) else f"{text[:cut].rstrip()} …"


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """`start` and `end` moved inward past white space."""
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())


def without_links(text: str) -> str:
    """What remains of a text when its links, and a label such as "Links:" before them, are taken out."""
    rest = _URL.sub("", MARKDOWN_LINK.sub("", text))
    return _LINK_LABEL.sub("", rest) if rest != text else text


def is_only_links(text: str) -> bool:
    return not any(map(str.isalnum, without_links(text)))


# -- formulas ------------------------------------------------------------------------------------------------------

LONGEST_FORMULA = 1_000  # characters; bounded as links are
FORMULA = re.compile(
    rf"""\$\$(?P<display>[^$]{{1,{LONGEST_FORMULA}}}?)\$\$
    |\\\[(?P<bracketed>(?:(?!\\\[).){{1,{LONGEST_FORMULA}}}?)\\\]
    |\\\((?P<round>(?:(?!\\\().){{1,{LONGEST_FORMULA}}}?)\\\)
    |(?<![\w$])\$(?![\s$])(?P<inline>(?:\\.|[^$`\\\n]|\n(?!\s*\n)){{1,{LONGEST_FORMULA}}}?)(?<!\s)\$(?![\w${{])""",
    re.DOTALL | re.VERBOSE,
)
# as many backticks behind it as before it; bounded as links are
_CODE = re.compile(r"(?<!`)(`+)(?!`).{1,500}?(?<!`)\1(?!`)")
_MASK = "\ufdd0"  # no character, by Unicode's promise
# a dollar before a digit is money
_FORMULA_BEGINS = re.compile(r"\\[(\[]|\$\$|(?<![\w$])\$(?=[^\s\d$])")


def is_formula(tex: str) -> bool:
    """Whether what stands between the signs of a formula is one: `$5 or US$` is not, and in `\\[sic\\]` the signs are
    escapes."""
    if re.search(r"[\\^_={}]", tex):
        return True
    return bool(re.search(r"[^\W\d]", tex)) and not re.search(r"[^\W\d]{2}", tex)


def formula_spans(text: str) -> list[tuple[int, int]]:
    """Offsets of the formulas of a text, with the signs around them: `$…$`, `$$…$$`, `\\(…\\)` and `\\[…\\]`."""
    return [found.span() for found in FORMULA.finditer(text) if is_formula(found.group(found.lastgroup or 0))]


def lies_inside(offset: int, spans: list[tuple[int, int]]) -> bool:
    """Whether a cut at this offset would cut one of these spans, which are in order."""
    index = bisect_right(spans, (offset,)) - 1
    return index >= 0 and spans[index][0] < offset < spans[index][1]


def outside_literals(change: Callable[[str], str], text: str) -> str:
    """The text changed as if each formula, and each code between backticks, were a sign without a meaning."""
    text = text.replace(_MASK, "")
    spans = _literal_spans(text)
    literals = iter([text[start:end] for start, end in spans])
    for start, end in reversed(spans):
        text = text[:start] + _MASK + text[end:]
    return re.sub(_MASK, lambda _: next(literals), change(text))


def _literal_spans(text: str) -> list[tuple[int, int]]:
    """Offsets of formulas and code, in order; of those that overlap the first one."""
    spans: list[tuple[int, int]] = []
    for span in sorted([*formula_spans(text), *(code.span() for code in _CODE.finditer(text))]):
        if not spans or span[0] >= spans[-1][1]:
            spans.append(span)
    return spans


def breaks_off(text: str) -> bool:
    """Whether what may be a formula begins in a text and does not end there."""
    last = max((found.end() for found in FORMULA.finditer(text)), default=0)
    return bool(_FORMULA_BEGINS.search(text, last))
