"""Answers as Markdown for other programs. Wherever it is shown, it loads nothing, runs nothing, and leads only to the
web: the words in it are of notes and articles, which anybody may have written."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from chatbot.answer import Answer, Part, joined, quoted_from, table_markdown
from knowledge.text import formula_spans

_HARMLESS = re.compile(r"[\w\s$\\{}()^+\-=/,.|':;*]+")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})\s*([\w+#.-]*)")


def answer_markdown(answer: Answer) -> str:
    """All that a reader sees of an answer; grows as the answer does."""
    return joined(answer.parts, _part)


def conversation_markdown(answers: Iterable[Answer]) -> str:
    """Each question as a heading, with its answer below it."""
    sections = (f"## {words(' '.join(answer.question.split()))}\n\n{answer_markdown(answer)}" for answer in answers)
    return "\n\n".join(sections) + "\n"


def words(text: str) -> str:
    """Text in which no HTML, no fence, no image and no link but to the web can begin; emphasis and short code stay, and
    formulas of signs that begin none of these."""
    pieces = []
    position = 0
    for start, end in formula_spans(text):
        if _HARMLESS.fullmatch(text, start, end):
            pieces += [_tamed(text[position:start]), text[start:end]]
            position = end
    return "".join((*pieces, _tamed(text[position:])))


def _tamed(text: str) -> str:
    text = _inactive(text).replace("![", r"!\[").replace("]:", r"\]:")
    return re.sub(r"\]\((?!https?://)", r"\\](", text, flags=re.IGNORECASE)


def _inactive(text: str) -> str:
    return re.sub(r"[\\<]|(?<=``)`|(?<=~~)~", r"\\\g<0>", text)


def is_web(url: str) -> bool:
    """Whether an address is of the web: any other kind is no link."""
    try:
        return urlsplit(url).scheme in ("http", "https")
    except ValueError:
        return False


def _part(part: Part) -> str:
    number = f" [{part.n}]" if part.n else ""
    if part.kind in ("item", "quote"):
        return f"- {words(part.text)}{number}"
    if part.kind == "code":
        return f"{_code(part.text)}\n{number.strip()}"
    if part.kind == "table":
        return f"{table_markdown([[words(cell) for cell in row] for row in part.rows])}{number.strip()}"
    if part.kind == "link":
        return f"- {_link(part.text, part.url)}{number}"
    if part.kind == "heading":
        return words(quoted_from(part.text))
    return f"{words(part.text)}{number}"


def _link(text: str, url: str) -> str:
    if not is_web(url):
        return words(f"{text} ({url})")
    target = re.sub(r"[\s()<>\\]", lambda found: f"%{ord(found.group()):02X}", url)
    shown = re.sub(r"[\[\]]", r"\\\g<0>", _inactive(text))
    return f"[{shown}]({target})"


def _code(text: str) -> str:
    """The code in a fence that nothing inside it can close."""
    lines = text.splitlines()
    opening = _FENCE.match(lines[0]) if lines else None
    if opening:
        is_closed = len(lines) > 1 and lines[-1].strip() == opening[1]
        lines = lines[1 : -1 if is_closed else None]
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join((fence + (opening[2] if opening else ""), *lines, fence))
