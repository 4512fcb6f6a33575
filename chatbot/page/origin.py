"""What is known now of where a passage comes from: its date, and whether its source is still as it was indexed."""

from datetime import date
from pathlib import Path

from chatbot.page import texts
from knowledge.models import sha256
from knowledge.store import Store

_LONGEST_DATE = 40  # characters; what a note gives as its date may be anything


def date_of(source: str, store: Store) -> str:
    """The date of a source in words: the one that it gives, else when its file was last written or its page
    fetched; empty where none is known."""
    listed = store.document(source)
    if listed is None:
        return ""
    document = listed.document
    if document.published:
        return texts.dated(_in_words(document.published))
    if document.file:
        return _written(Path(document.file))
    page = store.page(document.key) if document.key else None
    return texts.fetched(_in_words(page.fetched_at)) if page and page.fetched_at else ""


def problem_of(source: str, store: Store) -> str:
    """What has become of a source since it was indexed; empty where it is as it was."""
    listed = store.document(source)
    if listed is None:
        return texts.NOT_INDEXED
    file = store.file(listed.document.file) if listed.document.file else None
    try:
        return "" if file is None or sha256(Path(file.path)) == file.digest else texts.FILE_CHANGED
    except OSError:
        return texts.FILE_GONE


def _written(file: Path) -> str:
    try:
        return texts.changed(_day(date.fromtimestamp(file.stat().st_mtime)))
    except (OSError, OverflowError, ValueError):
        return ""


def _in_words(told: str) -> str:
    try:
        return _day(date.fromisoformat(told[:10]))
    except ValueError:
        return told[:_LONGEST_DATE]


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
