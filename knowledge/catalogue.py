"""The catalogue: documents, chunks and their full-text index in one SQLite file.

The catalogue is the truth about what is indexed; the vectors (`knowledge.vectors`) are looked up by the ids it
holds. It knows nothing of embeddings.
"""

import json
import math
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from knowledge.documents import Chunk, Document, Link
from knowledge.errors import NotesError
from knowledge.text import content_words

SCHEMA_VERSION = 1

# The triggers keep the full-text index in step inside every transaction:
# https://sqlite.org/fts5.html#external_content_tables
_SCHEMA = """
CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE roots (path TEXT PRIMARY KEY);
CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    kind TEXT NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    indexed_at TEXT NOT NULL DEFAULT (datetime('now'))
);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY,
    document_id INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    vector_id TEXT NOT NULL,
    heading TEXT NOT NULL,
    text TEXT NOT NULL,
    heading_path TEXT NOT NULL,
    first_line INTEGER NOT NULL,
    last_line INTEGER NOT NULL,
    url TEXT,
    links TEXT NOT NULL,
    tags TEXT NOT NULL
);
CREATE INDEX chunks_by_document ON chunks (document_id);
CREATE INDEX chunks_by_vector ON chunks (vector_id);
CREATE VIRTUAL TABLE chunks_fts USING fts5 (
    heading, text, content = 'chunks', content_rowid = 'id', tokenize = 'porter unicode61 remove_diacritics 2'
);
CREATE TRIGGER chunks_inserted AFTER INSERT ON chunks BEGIN
    INSERT INTO chunks_fts (rowid, heading, text) VALUES (new.id, new.heading, new.text);
END;
CREATE TRIGGER chunks_deleted AFTER DELETE ON chunks BEGIN
    INSERT INTO chunks_fts (chunks_fts, rowid, heading, text) VALUES ('delete', old.id, old.heading, old.text);
END;
"""

#: BM25 weights of the full-text columns: a heading says what its section is about.
HEADING_WEIGHT = 2.0
TEXT_WEIGHT = 1.0
#: What FTS5's bm25() (k1 = 1.2) tends to for one term as it fills a passage, over the term's rarity.
_BM25_CEILING = 2.2

_CHUNK_COLUMNS = """chunks.id, chunks.vector_id, heading_path, first_line, last_line, chunks.text, chunks.url, links,
    tags, documents.source, documents.title, documents.kind"""


class Catalogue:
    """One SQLite file. Safe to share between threads; other processes may read while one writes."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.RLock()
        try:
            self._db = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA foreign_keys = ON")
            self._create()
        except sqlite3.Error as error:
            raise NotesError(
                f"{path}: the catalogue cannot be opened ({error}): move the file away and run `askmynotes ingest`"
            ) from error

    def _create(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise NotesError(f"{self._path} was made by a newer askmynotes: update the program")
        if version == SCHEMA_VERSION:
            return
        with self.transaction():
            if self._db.execute("PRAGMA user_version").fetchone()[0] == 0:
                for statement in _statements(_SCHEMA):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, for this thread alone."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _rows(self, query: str, parameters: Iterable[object] = ()) -> list[tuple]:
        with self._lock:
            return self._db.execute(query, tuple(parameters)).fetchall()

    # -- state and roots --------------------------------------------------------------------------------------------

    def get_state(self, key: str) -> str | None:
        rows = self._rows("SELECT value FROM state WHERE key = ?", [key])
        return rows[0][0] if rows else None

    def set_state(self, key: str, value: str) -> None:
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, value))

    def roots(self) -> list[str]:
        """The files and folders the user asked to index."""
        return [path for (path,) in self._rows("SELECT path FROM roots ORDER BY path")]

    def add_root(self, path: str) -> None:
        with self._lock:
            self._db.execute("INSERT OR IGNORE INTO roots VALUES (?)", (path,))

    def remove_root(self, path: str) -> None:
        with self._lock:
            self._db.execute("DELETE FROM roots WHERE path = ?", (path,))

    # -- documents --------------------------------------------------------------------------------------------------

    def documents(self) -> list[tuple[Document, int, str]]:
        """Every document without its chunks, with the number of its chunks and when it was indexed (UTC)."""
        rows = self._rows(
            """SELECT source, title, digest, size, mtime_ns, kind, indexed_at,
                      (SELECT count(*) FROM chunks WHERE document_id = documents.id)
               FROM documents ORDER BY source"""
        )
        return [(Document(*row[:6]), row[7], row[6]) for row in rows]

    def put(self, document: Document) -> None:
        """Add `document`, or replace the one of the same source. Call inside a transaction."""
        self.delete(document.source)
        cursor = self._db.execute(
            "INSERT INTO documents (source, title, kind, digest, size, mtime_ns) VALUES (?, ?, ?, ?, ?, ?)",
            (document.source, document.title, document.kind, document.digest, document.size, document.mtime_ns),
        )
        self._db.executemany(
            """INSERT INTO chunks (document_id, vector_id, heading, text, heading_path, first_line, last_line, url,
                                   links, tags) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            [(cursor.lastrowid, *_chunk_row(chunk)) for chunk in document.chunks],
        )

    def touch(self, document: Document) -> None:
        """Remember the new size and time of a file whose content is the same."""
        with self._lock:
            self._db.execute(
                "UPDATE documents SET size = ?, mtime_ns = ? WHERE source = ?",
                (document.size, document.mtime_ns, document.source),
            )

    def delete(self, source: str) -> None:
        with self._lock:
            self._db.execute("DELETE FROM documents WHERE source = ?", (source,))

    # -- chunks -----------------------------------------------------------------------------------------------------

    def counts(self) -> tuple[int, int]:
        """Numbers of documents and of chunks."""
        return self._rows("SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM chunks)")[0]

    def count_links(self) -> int:
        """Number of different addresses in all chunks; links without one do not count."""
        rows = self._rows(
            """SELECT count(DISTINCT json_extract(link.value, '$[1]')) FROM chunks, json_each(chunks.links) AS link
               WHERE json_extract(link.value, '$[1]') <> ''"""
        )
        return rows[0][0]

    def headings(self, limit: int) -> list[str]:
        """Up to `limit` different headings, taken evenly from the whole."""
        rows = self._rows("SELECT heading_path FROM chunks WHERE heading <> '' GROUP BY heading ORDER BY min(id)")
        step = max(1, len(rows) // limit)
        return [json.loads(path)[-1] for (path,) in rows[::step]][:limit]

    def vector_ids(self) -> set[str]:
        return {vector_id for (vector_id,) in self._rows("SELECT DISTINCT vector_id FROM chunks")}

    def unused(self, vector_ids: Iterable[str]) -> list[str]:
        """Those of `vector_ids` that no chunk refers to any more."""
        return [
            vector_id
            for vector_id in vector_ids
            if not self._rows("SELECT 1 FROM chunks WHERE vector_id = ? LIMIT 1", [vector_id])
        ]

    def vector_ids_of(self, source: str) -> set[str]:
        rows = self._rows(
            "SELECT vector_id FROM chunks JOIN documents ON documents.id = document_id WHERE source = ?", [source]
        )
        return {vector_id for (vector_id,) in rows}

    def chunks(self, chunk_ids: Iterable[int]) -> dict[int, Chunk]:
        """The chunks of these row ids, by id."""
        wanted = list(chunk_ids)
        rows = self._rows(
            f"""SELECT {_CHUNK_COLUMNS} FROM chunks JOIN documents ON documents.id = document_id
                WHERE chunks.id IN ({", ".join("?" * len(wanted))})""",
            wanted,
        )
        return {row[0]: _chunk_of(row) for row in rows}

    def chunks_of(self, source: str) -> list[Chunk]:
        """The chunks of one document, in the order in which they stand there."""
        rows = self._rows(
            f"""SELECT {_CHUNK_COLUMNS} FROM chunks JOIN documents ON documents.id = document_id
                WHERE documents.source = ? ORDER BY chunks.id""",
            [source],
        )
        return [_chunk_of(row) for row in rows]

    def chunk_ids_of_vectors(self, vector_ids: list[str]) -> dict[str, list[int]]:
        """Row ids of the chunks that each vector stands for."""
        rows = self._rows(
            f"SELECT vector_id, id FROM chunks WHERE vector_id IN ({', '.join('?' * len(vector_ids))}) ORDER BY id",
            vector_ids,
        )
        found: dict[str, list[int]] = {}
        for vector_id, chunk_id in rows:
            found.setdefault(vector_id, []).append(chunk_id)
        return found

    def match(self, query: str, limit: int) -> list[tuple[int, float]]:
        """Row ids of the chunks that share words with `query`, best first, each with its coverage.

        Coverage is the chunk's BM25 score as a share of the most that any chunk could score for this query: 1 where
        a passage is full of every word asked for, rare ones counting most. Words that no note holds lower it too.
        """
        terms = list(dict.fromkeys(content_words(query)))
        if not terms:
            return []
        rows = self._rows(
            """SELECT rowid, bm25(chunks_fts, ?, ?) AS score FROM chunks_fts WHERE chunks_fts MATCH ?
               ORDER BY score, rowid LIMIT ?""",
            [HEADING_WEIGHT, TEXT_WEIGHT, " OR ".join(map(_quoted, terms)), limit],
        )
        attainable = _BM25_CEILING * sum(self.rarity(term) for term in terms)
        return [(chunk_id, min(1.0, -score / attainable)) for chunk_id, score in rows]

    def frequency(self, word: str) -> int:
        """Number of chunks that hold `word` in any of its forms."""
        return self._rows("SELECT count(*) FROM chunks_fts WHERE chunks_fts MATCH ?", [_quoted(word)])[0][0]

    def rarity(self, word: str) -> float:
        """Inverse document frequency of `word` in any of its forms, as FTS5's bm25() has it."""
        total, holding = self.counts()[1], self.frequency(word)
        return max(1e-6, math.log((total - holding + 0.5) / (holding + 0.5)))


def _quoted(term: str) -> str:
    """A term as an FTS5 string, so that nothing in it is taken for an operator."""
    return '"' + term.replace('"', "") + '"'


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, so that they can run inside one transaction (executescript would commit)."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _chunk_row(chunk: Chunk) -> tuple:
    return (
        chunk.vector_id,
        chunk.heading,
        chunk.text,
        json.dumps(chunk.heading_path, ensure_ascii=False),
        *chunk.lines,
        chunk.url,
        json.dumps([[link.text, link.url] for link in chunk.links], ensure_ascii=False),
        json.dumps(chunk.tags, ensure_ascii=False),
    )


def _chunk_of(row: tuple) -> Chunk:
    _, _, heading_path, first_line, last_line, text, url, links, tags, source, title, kind = row
    return Chunk(
        source=source,
        title=title,
        heading_path=tuple(json.loads(heading_path)),
        lines=(first_line, last_line),
        text=text,
        links=tuple(Link(*link) for link in json.loads(links)),
        tags=tuple(json.loads(tags)),
        kind=kind,
        url=url,
    )
