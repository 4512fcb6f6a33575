"""The evidence of one answer as HTML: what it cites, what was found beside it, why it is what it is; and whole notes.

As in `chatbot.page.render`, every word of the notes is escaped.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import PurePath

from chatbot.answer import Answer, Citation
from chatbot.page import markdown, texts
from chatbot.page.render import short_path
from chatbot.why import COLUMNS, FIGURE_COLUMNS, LEGEND, figure_row, row, summary
from knowledge.documents import Chunk, Hit
from knowledge.evidence import units
from knowledge.text import beginning

#: Formats whose lines mean what they are: they are shown as they stand.
_VERBATIM = frozenset({".txt", ".text", ".rst", ".org", ".csv", ".tsv", ".pdf"})
_AROUND = 60  # chunks of a long note that are shown before and behind the cited one
_LONGEST_LINE = 120


def evidence_html(answer: Answer | None, turn: int, dates: Mapping[str, str]) -> str:
    """The evidence of the answer with this number in its conversation; `dates` are those of its sources."""
    if answer is None:
        return f'<h2>{texts.EVIDENCE}</h2><p class="empty">{texts.NO_EVIDENCE_YET}</p>'
    passages = "".join(_passage_html(citation, turn, dates) for citation in answer.citations)
    if answer.state == "done":
        inside = passages + _unused_html(answer, dates) + _why_html(answer) or _empty(texts.NO_PASSAGES)
    else:
        inside = passages or _found_html(answer, dates) or _empty(texts.LOOKING)
    return (
        f'<section class="evidence" id="evidence" data-turn="{turn}" tabindex="-1" aria-label="{texts.EVIDENCE}">'
        f'<h2>{texts.EVIDENCE}</h2><p class="asked" dir="auto">{escape(answer.question)}</p>{inside}</section>'
    )


def whole_html(citation: Citation, turn: int, chunks: Sequence[Chunk], date: str, problem: str) -> str:
    """The note or article of a citation as it was indexed, the cited words marked; `chunks` are its chunks in order,
    none where it is no longer indexed, and `problem` is what has become of it since."""
    parts = _with_cited(chunks, citation) if chunks else [citation.chunk]
    near, is_cut = _near(parts, citation.chunk)
    told = [problem, texts.CUT * is_cut, texts.PASSAGE_GONE * (citation.chunk not in parts)]
    title = citation.chunk.title or short_path(citation.chunk.source)
    return (
        f'<section class="whole" data-turn="{turn}" aria-label="{texts.WHOLE[citation.chunk.kind]}">'
        f'<button type="button" data-do="collapse" data-value="{turn}-{citation.n}">← {texts.BACK}</button>'
        f'<h2 dir="auto">{escape(title)}</h2>{_place_html(citation, date)}'
        + "".join(f'<p class="told" role="status">{escape(words)}</p>' for words in told if words)
        + "".join(_section_html(before, chunk, citation) for before, chunk in zip([None, *near], near, strict=False))
        + "</section>"
    )


def _with_cited(chunks: Sequence[Chunk], citation: Citation) -> list[Chunk]:
    """The chunks with the cited section in the place of those that it was joined from."""
    cited = citation.chunk
    parts: list[Chunk] = []
    for chunk in chunks:
        if chunk.heading_path == cited.heading_path and chunk.text in cited.text:
            chunk = cited  # wherever it stands now: lines above it may have come or gone
        if chunk not in parts[-1:]:
            parts.append(chunk)
    return parts


def _near(parts: Sequence[Chunk], cited: Chunk) -> tuple[Sequence[Chunk], bool]:
    """The parts around the cited one, and whether others are left out."""
    place = parts.index(cited) if cited in parts else 0
    near = parts[max(0, place - _AROUND) : place + _AROUND + 1]
    return near, len(near) < len(parts)


def _section_html(before: Chunk | None, chunk: Chunk, citation: Citation) -> str:
    """A part of a note, under the headings that are new in it."""
    known = before.heading_path if before else (chunk.title,)
    same = len(os.path.commonprefix([known, chunk.heading_path]))
    headings = "".join(f'<h3 dir="auto">{escape(name)}</h3>' for name in chunk.heading_path[same:])
    if chunk != citation.chunk:
        return f'{headings}<div class="passage">{_text_html(chunk)}</div>'
    text = _text_html(chunk, citation.spans)
    return f'{headings}<div class="passage shown" id="cited" tabindex="-1">{text}</div>'


def _passage_html(citation: Citation, turn: int, dates: Mapping[str, str]) -> str:
    chunk = citation.chunk
    links = "".join(f"<li>{markdown.link(link.text or link.url, link.url)}</li>" for link in chunk.links if link.url)
    place = f"{turn}-{citation.n}"
    return (
        f'<article id="passage-{place}" tabindex="-1">'
        f'<h3 dir="auto">[{citation.n}] {escape(chunk.heading)}</h3>'
        f"{_place_html(citation, dates.get(chunk.source, ''))}"
        f'<div class="passage">{_text_html(chunk, citation.spans)}</div>'
        + (f'<ul class="links" dir="auto">{links}</ul>' if links else "")
        + f'<button type="button" data-do="expand" data-value="{place}">{texts.WHOLE[chunk.kind]}</button></article>'
    )


def _found_html(answer: Answer, dates: Mapping[str, str]) -> str:
    """The passages that an answer will be written from: they are there before its turn at the language model."""
    return "".join(
        f'<article><h3 dir="auto">{escape(chunk.heading)}</h3>'
        f"{_place_html(_as_citation(chunk), dates.get(chunk.source, ''))}"
        f'<div class="passage">{_text_html(chunk)}</div></article>'
        for chunk in (hit.chunk for hit in answer.sections)
    )


def _unused_html(answer: Answer, dates: Mapping[str, str]) -> str:
    """What was found and not cited, folded away, each passage by itself."""
    found = unused(answer)
    if not found:
        return ""
    inside = "".join(
        f'<details><summary dir="auto"><strong>{escape(chunk.heading)}</strong> {escape(_first_line(chunk))}</summary>'
        f"{_place_html(_as_citation(chunk), dates.get(chunk.source, ''))}"
        f'<div class="passage">{_text_html(chunk)}</div></details>'
        for chunk in (hit.chunk for hit in found)
    )
    return f'<details class="unused"><summary>{texts.unused(len(found))}</summary>{inside}</details>'


def unused(answer: Answer) -> list[Hit]:
    """The best chunk of each section that was found and not cited, best first."""
    found: dict[tuple[str, tuple[str, ...]], Hit] = {}
    for hit in answer.why.candidates:
        if not any(citation.chunk.holds(hit.chunk) for citation in answer.citations):
            found.setdefault(hit.chunk.section, hit)
    return list(found.values())


def _first_line(chunk: Chunk) -> str:
    return beginning(next((unit.said for unit in units(chunk)), ""), _LONGEST_LINE)


def _text_html(chunk: Chunk, spans: Iterable[tuple[int, int]] = ()) -> str:
    """The text of a passage, with what is cited of it marked."""
    spans = tuple(spans)
    if not chunk.url and PurePath(chunk.source).suffix.lower() in _VERBATIM:
        return markdown.verbatim(chunk.text, spans)
    cited = (
        (unit.start, unit.end)
        for unit in (units(chunk) if spans else ())
        if any(unit.start < end and start < unit.end for start, end in spans)
    )
    return markdown.blocks(chunk.text, tuple(cited))


def _why_html(answer: Answer) -> str:
    """How a finished answer came about, folded away; nothing where the notes held nothing to look at."""
    why = answer.why
    if not why.candidates:
        return ""
    points = "".join(
        f'<p dir="auto"><strong>{name}</strong> {escape(text)}</p>' for name, text in summary(answer).items()
    )
    figures = map(figure_row, why.decision.figures if why.decision else ())
    weighed = "".join(_row_html("td", cells) for cells in figures)
    candidates = "".join(_candidate_html(number, hit) for number, hit in enumerate(why.candidates, start=1))
    removed = "".join(f'<li dir="auto">“{escape(each.sentence)}”<br>{escape(each.reason)}</li>' for each in why.removed)
    return (
        f'<details class="why"><summary>{texts.WHY}</summary>{points}'
        f"<table>{_row_html('th', FIGURE_COLUMNS)}{weighed}</table>"
        f"<p><strong>{texts.LOOKED_AT}</strong> {LEGEND}</p><table>{_row_html('th', COLUMNS)}{candidates}</table>"
        + (f"<p>{texts.REMOVED_FROM}</p><ul>{removed}</ul>" if removed else "")
        + "</details>"
    )


def _candidate_html(number: int, hit: Hit) -> str:
    """Two rows, so that the figures stand under one another on a phone too."""
    name = f"{number}. {escape(hit.chunk.heading)}{_place_html(_as_citation(hit.chunk), '')}"
    return f'<tr><td colspan="{len(COLUMNS)}" dir="auto">{name}</td></tr>{_row_html("td", row(hit))}'


def _row_html(tag: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def _as_citation(chunk: Chunk) -> Citation:
    """A whole passage as if it were cited."""
    return Citation(0, chunk, ((0, len(chunk.text)),))


def _place_html(citation: Citation, date: str) -> str:
    """Where a passage stands and of when it is; for an article also where the notes link to it."""
    chunk = citation.chunk
    source = markdown.link(chunk.title or chunk.url, chunk.url) if chunk.url else escape(short_path(chunk.source))
    place = ", ".join([source, *([escape(citation.place)] if citation.place else [])])
    referring = "".join(
        f"<div>linked from {escape(short_path(each.source))}, line {each.line}: {escape(each.heading)}</div>"
        for each in citation.linked_from
    )
    return f'<div class="place">{place}{f" · {escape(date)}" if date else ""}{referring}</div>'


def _empty(words: str) -> str:
    return f'<p class="empty">{words}</p>'
