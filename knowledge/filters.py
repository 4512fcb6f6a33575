"""The filters of a query as conditions on the catalogue's tables.

Filters of different kinds hold together. Of several notes, folders, hosts or kinds any will do; of several tags all
are asked for.
"""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date

from knowledge.query import Query, folded, host_of, period

#: SQL and the parameters for its places
Condition = tuple[str, list[str]]

_SUFFIX = re.compile(r"\.\w{1,10}$")


def _documents(condition: str) -> str:
    """A condition on documents as one on their chunks, which is looked at once for each document."""
    return f"chunks.document_id IN (SELECT id FROM documents WHERE {condition})"


# with the quotes that it has in JSON, a heading is found whole alone
_NOTE = f"({_documents('is_called(title, source, ?)')} OR instr(folded(chunks.heading_path), json_quote(?)))"
_TAG = "EXISTS (SELECT 1 FROM json_each(chunks.tags) WHERE is_tag(value, ?))"
_FOLDER = _documents("ends_in(source, ?) OR EXISTS (SELECT 1 FROM roots WHERE lies_in(source, roots.path, ?))")
_HOST = f"""({_documents("kind = 'article' AND is_on(key, ?)")}
    OR (chunks.document_id, chunks.heading_path) IN
       (SELECT document_id, heading_path FROM links WHERE is_on(key, ?)))"""
_KIND = _documents("kind = ?")
#: The day of a document. What does not say when it was written is as old as its file, or as its page when fetched.
DAY = """coalesce(day_of(published, file),
    (SELECT substr(fetched_at, 1, 10) FROM pages WHERE pages.key = documents.key AND fetched_at <> ''))"""
_AFTER = _documents(f"{DAY} >= ?")
_BEFORE = _documents(f"{DAY} < ?")
_PHRASES = "chunks.id IN (SELECT rowid FROM chunks_fts WHERE chunks_fts MATCH ?)"


def condition(query: Query, phrases: str) -> Condition:
    """What a query asks of chunks, in SQL that calls `FUNCTIONS`; empty where it has no filter.

    `phrases` is an FTS5 expression, or empty.
    """
    tests = (
        _joined(" OR ", [_joined(" AND ", _each(_NOTE, _parts(note))) for note in query.notes]),
        _joined(" AND ", _each(_TAG, query.tags)),
        _joined(" OR ", _each(_FOLDER, query.folders)),
        _joined(" OR ", _each(_HOST, query.hosts)),
        _joined(" OR ", _each(_KIND, query.kinds)),
        *_each(_AFTER, filter(None, [query.after])),
        *_each(_BEFORE, filter(None, [query.before])),
        *_each(_PHRASES, filter(None, [phrases])),
    )
    return _joined(" AND ", [test for test in tests if test[0]])


def _each(sql: str, values: Iterable[str]) -> list[Condition]:
    """A condition for each of the values, which takes every place that the condition has for it."""
    return [(sql, [value] * sql.count("?")) for value in values]


def _joined(joint: str, conditions: Sequence[Condition]) -> Condition:
    sql = joint.join(sql for sql, _ in conditions)
    return f"({sql})" if sql else "", [value for _, values in conditions for value in values]


def _parts(note: str) -> list[str]:
    """A note and headings in it, as `note#heading` names them."""
    return [part for part in re.split(r"#(?=\S)", note) if part]


# -- what SQL cannot tell by itself ----------------------------------------------------------------------------------


def _is_called(title: str, source: str, name: str) -> bool:
    """Whether a document has this title, or this end of its path, with or without the suffix."""
    path = f"/{folded(source)}"
    return folded(title) == name or path.endswith(f"/{name}") or _SUFFIX.sub("", path).endswith(f"/{name}")


def _is_tag(tag: str, wanted: str) -> bool:
    """Whether a tag is the one that is wanted, or one below it."""
    return f"{folded(tag)}/".startswith(f"{wanted}/")


def _ends_in(source: str, path: str) -> bool:
    """Whether a path has this end."""
    return f"/{folded(source)}".endswith(f"/{path}")


def _lies_in(source: str, root: str, folder: str) -> bool:
    """Whether these are folders of the path, one in the other, from the name of the ingested root on: those above it
    are the computer's."""
    above, _, name = root.rstrip("/").rpartition("/")
    path = source.removeprefix(f"{above}/")
    return path.startswith(f"{name}/") and f"/{folder}/" in folded(f"/{path}")


def _is_on(key: str, host: str) -> bool:
    """Whether a page, by its key, is of this host or of one below it."""
    return f".{host_of(key)}".endswith(f".{host}")


def _day_of(published: str, file: str) -> str | None:
    """The day of a document (YYYY-MM-DD): when it was published, else when its file was last written."""
    if bounds := period(published[:10]):
        return bounds[0]
    try:
        return date.fromtimestamp(os.stat(file).st_mtime).isoformat()
    except (OSError, OverflowError, ValueError):
        return None


FUNCTIONS: dict[str, tuple[int, Callable[..., str | bool | None]]] = {
    "folded": (1, folded),
    "is_called": (3, _is_called),
    "is_tag": (2, _is_tag),
    "ends_in": (2, _ends_in),
    "lies_in": (3, _lies_in),
    "is_on": (2, _is_on),
    "day_of": (2, _day_of),
}
