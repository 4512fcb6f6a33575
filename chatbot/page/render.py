"""Answers and passages as HTML for the page.

Notes are hostile until shown otherwise: every word of theirs is escaped, no markup of theirs becomes an image, and
only web addresses become links. Code and emphasis in answers are rendered by markdown-it with raw HTML off.
"""

import os
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import cache
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from chatbot.answer import Answer, Citation, Part
from chatbot.markdown import is_web
from chatbot.page import texts
from chatbot.why import COLUMNS, FIGURE_COLUMNS, LEGEND, figure_row, row, summary
from knowledge.documents import Hit
from knowledge.history import Conversation

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_STATES = {"searching": "Searching your notes …", "reading": "Reading …", "writing": "Writing …"}
_NOTHING_YET = '<p class="empty">The passages behind an answer appear here.</p>'


def answer_html(answer: Answer, turn: int) -> str:
    """An answer, complete or growing, for the conversation. On one line: the page's Markdown would break it up."""
    pieces = []
    in_list = False
    for part in answer.parts:
        item = part.kind in ("item", "quote", "link")
        if item != in_list:
            pieces.append("<ul>" if item else "</ul>")
            in_list = item
        pieces.append(_part_html(part, turn))
    if in_list:
        pieces.append("</ul>")
    if answer.state == "waiting":
        pieces.append(f'<p class="state">{texts.waiting(answer.ahead)}</p>')
    elif answer.state in _STATES:
        pieces.append(f'<p class="state">{_STATES[answer.state]}</p>')
    elif answer.route == "notes" and "total" in answer.timings_ms:
        seconds = answer.timings_ms["total"] / 1000
        who = "quoted from your notes" if answer.engine == "extract" else f"answered by {escape(answer.engine)}"
        pieces.append(f'<p class="foot">{who} in {seconds:.1f} s</p>')
    return f'<div class="answer">{"".join(pieces)}</div>'.replace("\n", "&#10;")


def question_html(question: str) -> str:
    return f"<p>{escape(question)}</p>".replace("\n", "<br>")


def sources_html(turns: Sequence[Answer]) -> str:
    """The passages behind every answer of a conversation and why it is what it is, the latest first. What is open
    ends with the latest answer that has passages."""
    sections: list[str] = []
    is_open = " open"
    for turn in range(len(turns) - 1, -1, -1):
        answer = turns[turn]
        inside = "".join(_passage_html(citation, turn) for citation in answer.citations) + _why_html(answer)
        inside = inside or _found_html(answer)
        if inside:
            sections.append(f"<details{is_open}><summary>{escape(answer.question)}</summary>{inside}</details>")
        if answer.citations:
            is_open = ""
    return "<h2>Sources</h2>" + ("".join(sections) or _NOTHING_YET)


def conversations_html(conversations: Sequence[Conversation], current: str, with_undo: bool = False) -> str:
    """The list of conversations by day, the one that is open marked; `with_undo` offers to bring back one that was
    deleted."""
    undo = '<p class="undo" role="status">Deleted. <button data-do="undo">Undo</button></p>' if with_undo else ""
    days = groupby(conversations, key=lambda each: datetime.fromisoformat(each.changed_at).astimezone().date())
    listed = "".join(
        f"<h3>{_day(day)}</h3><ul>{''.join(_conversation_html(each, current) for each in group)}</ul>"
        for day, group in days
    )
    return undo + (listed or '<p class="empty">What you ask is kept here, on this computer.</p>')


def user_html(user: str) -> str:
    """Who is logged in, and the way out; nothing where there is no login."""
    if not user:
        return ""
    way_out = f'<form method="post" action="logout"><button>{texts.LOG_OUT}</button></form>'
    return f'<div class="user"><span dir="auto">{escape(user)}</span>{way_out}</div>'


def _conversation_html(conversation: Conversation, current: str) -> str:
    title, address = escape(conversation.title), f"api/conversations/{conversation.id}"
    is_open = conversation.id == current
    more = (
        f'<span class="more"><a href="{address}.md" download>Markdown</a> <a href="{address}" download>JSON</a> '
        f'<button data-do="delete" data-id="{conversation.id}" aria-label="Delete {title}">Delete</button></span>'
    )
    mark = ' aria-current="true"' if is_open else ""
    open_it = f'<button data-do="select" data-id="{conversation.id}" dir="auto"{mark}>{title}</button>'
    return f"<li>{open_it}{more if is_open else ''}</li>"


def _day(day: date) -> str:
    days = (date.today() - day).days
    return {0: "Today", 1: "Yesterday"}.get(days) or f"{day.day} {day:%B %Y}"


def _part_html(part: Part, turn: int) -> str:
    number = _cite_html(turn, part.n) if part.n else ""
    if part.kind == "code":
        return _markdown().render(part.text) + f"<p>{number}</p>"
    if part.kind == "link":
        return f"<li>{link_html(part.text, part.url)}{number}</li>"
    text = _markdown().renderInline(part.text)
    if part.kind == "item":
        return f'<li class="said">{text}{number}</li>'
    if part.kind == "quote":
        return f"<li>{text}{number}</li>"
    return f'<p class="{"said" if part.kind == "say" else "foot"}">{text}{number}</p>'


def _cite_html(turn: int, n: int) -> str:
    return f'<a class="cite" href="#passage-{turn}-{n}" title="Show passage {n}">[{n}]</a>'


def _passage_html(citation: Citation, turn: int) -> str:
    chunk = citation.chunk
    links = "".join(f"<li>{link_html(link.text or link.url, link.url)}</li>" for link in chunk.links if link.url)
    return (
        f'<article id="passage-{turn}-{citation.n}" tabindex="-1">'
        f"<h3>[{citation.n}] {escape(chunk.heading)}</h3>"
        f'<div class="place">{_source_html(citation)}</div>'
        f'<div class="passage" dir="auto">{_marked(citation)}</div>'
        + (f'<ul class="links">{links}</ul>' if links else "")
        + "</article>"
    )


def _found_html(answer: Answer) -> str:
    """The passages that an answer under way will be written from: they are there before its turn has come."""
    found = answer.sections if answer.state != "done" else ()
    return "".join(
        f'<article><h3>{escape(hit.chunk.heading)}</h3><div class="passage" dir="auto">{escape(hit.chunk.text)}</div>'
        "</article>"
        for hit in found
    )


def _why_html(answer: Answer) -> str:
    """How a finished answer came about, folded away; nothing where the notes held nothing to look at."""
    why = answer.why
    if answer.state != "done" or not why.candidates:
        return ""
    points = "".join(f"<p><strong>{name}</strong> {escape(text)}</p>" for name, text in summary(answer).items())
    figures = map(figure_row, why.decision.figures if why.decision else ())
    weighed = "".join(_row_html("td", cells) for cells in figures)
    candidates = "".join(_candidate_html(number, hit) for number, hit in enumerate(why.candidates, start=1))
    removed = "".join(f"<li>“{escape(each.sentence)}”<br>{escape(each.reason)}</li>" for each in why.removed)
    return (
        f'<details class="why"><summary>Why this answer</summary>{points}'
        f"<table>{_row_html('th', FIGURE_COLUMNS)}{weighed}</table>"
        f"<p><strong>Looked at</strong> {LEGEND}</p><table>{_row_html('th', COLUMNS)}{candidates}</table>"
        + (f"<p><strong>Removed</strong> from what the language model wrote:</p><ul>{removed}</ul>" if removed else "")
        + "</details>"
    )


def _candidate_html(number: int, hit: Hit) -> str:
    """Two rows, so that the figures stand under one another on a phone too."""
    place = _source_html(Citation(number, hit.chunk, ((0, len(hit.chunk.text)),)))
    name = f'{number}. {escape(hit.chunk.heading)}<div class="place">{place}</div>'
    return f'<tr><td colspan="{len(COLUMNS)}">{name}</td></tr>{_row_html("td", row(hit))}'


def _row_html(tag: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def _source_html(citation: Citation) -> str:
    """Where a passage stands; for an article also where the notes link to it."""
    chunk = citation.chunk
    source = link_html(chunk.title or chunk.url, chunk.url) if chunk.url else escape(short_path(chunk.source))
    pieces = [source, *([escape(citation.place)] if citation.place else [])]
    referring = "".join(
        f"<div>linked from {escape(short_path(each.source))}, line {each.line}: {escape(each.heading)}</div>"
        for each in citation.linked_from
    )
    return ", ".join(pieces) + referring


def short_path(source: str) -> str:
    """A path as its owner writes it, with `~` for the home folder."""
    home = f"{Path.home()}{os.sep}"
    return f"~{os.sep}{source.removeprefix(home)}" if source.startswith(home) else source


def _marked(citation: Citation) -> str:
    """The passage with the cited words marked."""
    text = citation.chunk.text
    pieces = []
    position = 0
    for start, end in citation.spans:
        start = max(start, position)
        pieces += [escape(text[position:start]), f"<mark>{escape(text[start:end])}</mark>" if start < end else ""]
        position = max(position, end)
    return "".join((*pieces, escape(text[position:])))


def link_html(text: str, url: str) -> str:
    """A link for a web address; for any other kind only its words."""
    if not is_web(url):
        return escape(f"{text} ({url})" if url != text else text)
    return f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{escape(text)}</a>'


@cache
def _markdown() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).disable(["image", "html_inline", "html_block", "autolink"])
