"""Questions, answers and the list of conversations as HTML for the page.

Notes are hostile until shown otherwise: every word of theirs is escaped, here or in `chatbot.page.markdown`.
"""

import os
from collections.abc import Sequence
from datetime import date, datetime
from html import escape
from itertools import groupby
from pathlib import Path

from chatbot.answer import Answer, Part, quoted_from
from chatbot.page import markdown, texts
from knowledge.history import Conversation


def answer_html(answer: Answer, turn: int, selected: bool) -> str:
    """An answer, complete or growing, for the conversation; `selected` where its evidence is shown. On one line: the
    page's Markdown would break it up."""
    pieces = []
    in_list = False
    for part in answer.parts:
        item = part.kind in ("item", "quote", "link")
        if item != in_list:
            pieces.append('<ul dir="auto">' if item else "</ul>")
            in_list = item
        pieces.append(_part_html(part, turn))
    if in_list:
        pieces.append("</ul>")
    if answer.state == "waiting":
        pieces.append(f'<p class="state">{texts.waiting(answer.ahead)}</p>')
    elif answer.state in texts.STATES:
        pieces.append(f'<p class="state">{texts.STATES[answer.state]}</p>')
    else:
        pieces.append(_foot_html(answer, selected))
    mark = " selected" if selected else ""
    return f'<div class="answer{mark}" id="answer-{turn}">{"".join(pieces)}</div>'.replace("\n", "&#10;")


def _foot_html(answer: Answer, selected: bool) -> str:
    """Who answered in what time, and the way to the evidence."""
    pieces = []
    if answer.route == "notes" and "total" in answer.timings_ms:
        pieces.append(escape(texts.answered(answer.engine, answer.timings_ms["total"] / 1000)))
    if answer.why.candidates:
        button = f'<button type="button" class="show">{texts.SHOW_EVIDENCE}</button>'
        pieces.append(f'<span class="shown">{texts.EVIDENCE_SHOWN}</span>' if selected else button)
    return f'<p class="foot">{" · ".join(pieces)}</p>' if pieces else ""


def question_html(question: str, turn: int) -> str:
    asked = f'<p dir="auto">{escape(question)}</p>'.replace("\n", "<br>")
    # the conversation keeps no attribute that would name the button
    which = f'<span class="unseen"> “{escape(" ".join(question.split()))}”</span>'
    return f'{asked}<button type="button" class="edit" id="edit-{turn}">{texts.EDIT}{which}</button>'


def editing_html(turn: int, turns: int) -> str:
    """What asking the question with this number again will do, and the way back."""
    told = texts.editing(turn + 1, turns - turn - 1)
    return f'<p role="status">{told} <button type="button">{texts.CANCEL}</button></p>'


def conversations_html(conversations: Sequence[Conversation], current: str, with_undo: bool = False) -> str:
    """The list of conversations by day, the one that is open marked; `with_undo` offers to bring back one that was
    deleted."""
    way_back = f'<p class="undo" role="status">{texts.DELETED} <button data-do="undo">{texts.UNDO}</button></p>'
    days = groupby(conversations, key=lambda each: datetime.fromisoformat(each.changed_at).astimezone().date())
    listed = "".join(
        f"<h2>{_day(day)}</h2><ul>{''.join(_conversation_html(each, current) for each in group)}</ul>"
        for day, group in days
    )
    return way_back * with_undo + (listed or f'<p class="empty">{texts.KEPT_HERE}</p>')


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
        f'<span class="more"><a href="{address}.md" download>{texts.AS_MARKDOWN}</a> '
        f'<a href="{address}" download>{texts.AS_JSON}</a> '
        f'<button data-do="delete" data-id="{conversation.id}" aria-label="{texts.DELETE} {title}">{texts.DELETE}'
        "</button></span>"
    )
    mark = ' aria-current="true"' if is_open else ""
    open_it = f'<button data-do="select" data-id="{conversation.id}" dir="auto"{mark}>{title}</button>'
    return f"<li>{open_it}{more if is_open else ''}</li>"


def _day(day: date) -> str:
    days = (date.today() - day).days
    return {0: texts.TODAY, 1: texts.YESTERDAY}.get(days) or f"{day.day} {day:%B %Y}"


def _part_html(part: Part, turn: int) -> str:
    number = _cite_html(turn, part.n) if part.n else ""
    if part.kind == "code":
        return f"{markdown.blocks(part.text)}<p>{number}</p>"
    if part.kind == "table":
        return f"{markdown.table(part.rows)}<p>{number}</p>"
    if part.kind == "link":
        return f"<li>{markdown.link(part.text, part.url)}{number}</li>"
    if part.kind == "heading":
        return f'<p dir="auto" class="from">{escape(quoted_from(part.text))}</p>'
    text = markdown.inline(part.text)
    if part.kind == "item":
        return f'<li class="said">{text}{number}</li>'
    if part.kind == "quote":
        return f"<li>{text}{number}</li>"
    return f'<p dir="auto" class="{"said" if part.kind == "say" else "foot"}">{text}{number}</p>'


def _cite_html(turn: int, n: int) -> str:
    return f'<a class="cite" href="#passage-{turn}-{n}" title="{texts.show_passage(n)}">[{n}]</a>'


def short_path(source: str) -> str:
    """A path as its owner writes it, with `~` for the home folder."""
    home = f"{Path.home()}{os.sep}"
    return f"~{os.sep}{source.removeprefix(home)}" if source.startswith(home) else source
