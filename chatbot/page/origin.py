"""What is known now of where a passage comes from: its date, and whether its source is still as it was indexed."""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from chatbot.page import texts
from knowledge.documents import Document, SourceFile
from knowledge.store import Store

_LONGEST_DATE = 40  # characters; what a note gives as its date may be anything


@dataclass(frozen=True)
class Origin:
    """The date of a source in words, and what has become of it since it was indexed; empty where there is nothing to
    tell."""

    date: str = ""
    problem: str = ""


def origin_of(source: str, store: Store) -> Origin:
    listed = store.document(source)
    if listed is None:
        return Origin(problem=texts.NOT_INDEXED)
    document = listed.document
    file = store.file(document.file) if document.file else None
    return Origin(_date(document, file, store), _problem(file))


def _date(document: Document, file: SourceFile | None, store: Store) -> str:
    if document.published:
        return texts.dated(_in_words(document.published))
    if file and file.mtime_ns:
        return texts.changed(_day(datetime.fromtimestamp(file.mtime_ns / 1e9)))
    page = store.page(document.key) if document.key else None
    return texts.fetched(_in_words(page.fetched_at)) if page and page.fetched_at else ""


def _in_words(told: str) -> str:
    try:
        return _day(date.fromisoformat(told[:10]))
    except ValueError:
        return told[:_LONGEST_DATE]


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _problem(file: SourceFile | None) -> str:
    if file is None:
        return ""
    try:
        now = Path(file.path).stat()
    except OSError:
        return texts.FILE_GONE
    return "" if (now.st_size, now.st_mtime_ns) == (file.size, file.mtime_ns) else texts.FILE_CHANGED
