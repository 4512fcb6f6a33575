"""The catalogue: files, documents, chunks, their full-text index, and the pages that notes link to, in SQLite.

The catalogue is the truth about what is indexed; the vectors (`knowledge.vectors`) are looked up by the ids it
holds. It knows nothing of embeddings.
"""

import json
import math
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, fields, replace
from pathlib import Path
from typing import Any

from knowledge import schema
from knowledge.documents import Chunk, Document, Link, LinkedPage, Listed, Place, Reference, SourceFile
from knowledge.errors import NotesError, remedy
from knowledge.filters import DAY, FUNCTIONS, condition
from knowledge.query import Query
from knowledge.stemming import spellings
from knowledge.text import content_words

#: BM25 weights of the full-text columns: a heading says what its section is about.
HEADING_WEIGHT = 2.0
TEXT_WEIGHT = 1.0
#: What FTS5's bm25() (k1 = 1.2) tends to for one term as it fills a passage, over the term's rarity.
_BM25_CEILING = 2.2
#: How much of the index SQLite keeps in memory. Its own 2 MiB hold a few thousand passages; what does not fit is read
#: from the file again at each search.
_CACHE_KIB = 32 * 1024

_CHUNK_COLUMNS = """chunks.id, documents.source, documents.title, heading_path, first_line, last_line, chunks.text,
    links, tags, documents.kind, documents.url, place, overlong"""
_DOCUMENT_COLUMNS = "source, title, digest, file, kind, url, key, author, published, problem"
_REFERENCE_COLUMNS = (
    "links.text, links.url, links.key, links.line, links.heading_path, documents.source, documents.title"
)


class Catalogue:
    """`catalogue.sqlite` and one edition of the index, beside it in `index/`.

    Safe to share between threads; other processes may read while one writes. Without `edition` it is the current one,
    and `follow` turns to another that has become current since.
    """

    def __init__(self, home: Path, edition: str | None = None) -> None:
        self._home = home
        self._fixed = edition is not None
        self._lock = threading.RLock()
        with self._told(home / "catalogue.sqlite", "`askmynotes ingest PATH` for each of your folders"):
            (home / "index").mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                home / "catalogue.sqlite", timeout=30, check_same_thread=False, isolation_level=None
            )
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA foreign_keys = ON")
            for name, (parameters, function) in FUNCTIONS.items():
                self._db.create_function(name, parameters, function, deterministic=True)
            self._create("main", schema.CATALOGUE, schema.CATALOGUE_VERSION)
            if self.get_state("edition") is None:  # it is new, perhaps in the place of one that was lost
                self.set_state("edition", self._newest_edition())
        self.edition = edition or self.current_edition()
        self._attach()

    def _attach(self) -> None:
        path = edition_path(self._home, self.edition)
        with self._told(path, "`askmynotes ingest`"):
            self._db.execute("ATTACH ? AS edition", [str(path)])
            self._db.execute("PRAGMA edition.journal_mode = WAL")
            # what a power cut may take from the index, the next ingest puts back
            self._db.execute("PRAGMA edition.synchronous = NORMAL")
            self._db.execute(f"PRAGMA edition.cache_size = -{_CACHE_KIB}")
            self._create("edition", schema.INDEX, schema.INDEX_VERSION)

    def follow(self) -> None:
        """Turn to the current edition, if another process has made a new one current."""
        with self._lock:
            if not self._fixed and self.edition != self.current_edition():
                self._db.execute("DETACH edition")
                self.edition = self.current_edition()
                self._attach()

    def current_edition(self) -> str:
        return self.get_state("edition") or "1"

    def _newest_edition(self) -> str:
        names = [path.stem for path in (self._home / "index").glob("*.sqlite")]
        return max((name for name in names if name.isdigit()), key=int, default="1")

    @contextmanager
    def _told(self, path: Path, advice: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            what = remedy(path, f"move the file away and run {advice}")
            raise NotesError(f"{path}: the catalogue cannot be opened ({error}): {what}") from error

    def _create(self, database: str, script: str, version: int) -> None:
        if self._version(database) == version:
            return
        with self.transaction():
            found = self._version(database)
            if found > version:
                raise NotesError(f"{self._home} was made by a newer askmynotes: update the program")
            if found < version:
                asked_for = self._drop_tables(database)
                for statement in _statements(script):
                    self._db.execute(statement)
                for table, paths in asked_for.items():
                    self._db.executemany(f"INSERT INTO {table} VALUES (?)", paths)
                self._db.execute(f"PRAGMA {database}.user_version = {version}")

    def _version(self, database: str) -> int:
        return self._db.execute(f"PRAGMA {database}.user_version").fetchone()[0]

    def _drop_tables(self, database: str) -> dict[str, list[tuple]]:
        """Make room for a new layout, and return what the person asked for: from it what was indexed can be read
        again."""
        found = self._rows(f"SELECT type, name FROM {database}.sqlite_master WHERE type IN ('table', 'trigger')")
        asked_for = {
            name: self._rows(f"SELECT path FROM {name}")
            for kind, name in found
            if kind == "table" and name in ("roots", "excluded")
        }
        # triggers first, and a full-text index before the tables that it takes with it
        for kind, name in sorted(found, key=lambda item: (item[0] == "table", not item[1].endswith("_fts"))):
            self._db.execute(f"DROP {kind} IF EXISTS {database}.{name}")
        return asked_for

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, for this thread alone. Raises NotesError where the disk is full or the file damaged."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    self._db.execute("COMMIT")
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise NotesError(
                    f"{self._home}: cannot be written ({error}); what was indexed before is kept"
                ) from error

    def _rows(self, query: str, parameters: Iterable[object] = ()) -> list[tuple]:
        with self._lock:
            return self._db.execute(query, tuple(parameters)).fetchall()

    def _write(self, statement: str, parameters: Iterable[object] = ()) -> None:
        with self._lock:
            if self._db.in_transaction:
                self._db.execute(statement, tuple(parameters))
                return
        with self.transaction():
            self._db.execute(statement, tuple(parameters))

    # -- what the person asked for ----------------------------------------------------------------------------------

    def get_state(self, key: str) -> str | None:
        return self._one("SELECT value FROM state WHERE key = ?", key)

    def set_state(self, key: str, value: str) -> None:
        self._write("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, value))

    def roots(self) -> list[str]:
        """The files, folders and addresses the user asked to index."""
        return [path for (path,) in self._rows("SELECT path FROM roots ORDER BY path")]

    def add_root(self, path: str) -> None:
        self._write("INSERT OR IGNORE INTO roots VALUES (?)", (path,))

    def remove_root(self, path: str) -> None:
        self._write("DELETE FROM roots WHERE path = ?", (path,))

    def excluded(self) -> list[str]:
        """What lies inside a root and was taken out by hand."""
        return [path for (path,) in self._rows("SELECT path FROM excluded ORDER BY path")]

    def exclude(self, path: str) -> None:
        self._write("INSERT OR IGNORE INTO excluded VALUES (?)", (path,))

    def include(self, path: str) -> None:
        self._write("DELETE FROM excluded WHERE path = ?", (path,))

    # -- the edition ------------------------------------------------------------------------------------------------

    def about(self, key: str) -> str | None:
        """What is recorded of this edition of the index."""
        return self._one("SELECT value FROM about WHERE key = ?", key)

    def set_about(self, key: str, value: str) -> None:
        self._write("INSERT OR REPLACE INTO about VALUES (?, ?)", (key, value))

    # -- files and documents ----------------------------------------------------------------------------------------

    def files(self) -> list[SourceFile]:
        """Every file that was looked at, also those that gave nothing."""
        return self._files("1", ())

    def file(self, path: str) -> SourceFile | None:
        """One file that was looked at."""
        return next(iter(self._files("path = ?", [path])), None)

    def _files(self, condition: str, parameters: Iterable[object]) -> list[SourceFile]:
        columns = "path, digest, size, mtime_ns, problem, failed"
        rows = self._rows(f"SELECT {columns} FROM files WHERE {condition} ORDER BY path", parameters)
        return [
            SourceFile(path, digest, size, mtime_ns, problem, bool(failed))
            for path, digest, size, mtime_ns, problem, failed in rows
        ]

    def put_file(self, file: SourceFile) -> None:
        self._write("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", astuple(file))

    def delete_file(self, path: str) -> None:
        """Forget a file with the documents that were read from it."""
        self._write("DELETE FROM documents WHERE file = ?", [path])
        self._write("DELETE FROM files WHERE path = ?", [path])

    def left_out(self) -> list[tuple[str, str]]:
        """What was passed over in the folders, with the reason."""
        return self._rows("SELECT path, reason FROM left_out ORDER BY path")

    def set_left_out(self, inside: Iterable[str], left_out: Iterable[tuple[str, str]]) -> None:
        """Replace what is known to be passed over inside these files and folders."""
        with self.transaction():
            for root in inside:
                self._db.execute(
                    "DELETE FROM left_out WHERE path = ? OR substr(path, 1, ?) = ?", (root, len(root) + 1, f"{root}/")
                )
            self._db.executemany("INSERT OR REPLACE INTO left_out VALUES (?, ?)", list(left_out))

    def documents(self) -> list[Listed]:
        """Every document, without its chunks."""
        return self._documents("1", ())

    def document(self, source: str) -> Listed | None:
        """One document, without its chunks."""
        return next(iter(self._documents("source = ?", [source])), None)

    def _documents(self, condition: str, parameters: Iterable[object]) -> list[Listed]:
        rows = self._rows(
            f"""SELECT {_DOCUMENT_COLUMNS}, (SELECT count(*) FROM chunks WHERE document_id = documents.id), indexed_at
                FROM documents WHERE {condition} ORDER BY source""",
            parameters,
        )
        return [Listed(Document(*row[:-2]), row[-2], row[-1]) for row in rows]

    def put(self, document: Document) -> None:
        """Add `document`, or replace the one of the same source. Call inside a transaction."""
        self.delete(document.source)
        columns = [column.strip() for column in _DOCUMENT_COLUMNS.split(",")]
        cursor = self._db.execute(
            f"INSERT INTO documents ({_DOCUMENT_COLUMNS}) VALUES ({_places(columns)})",
            [getattr(document, column) for column in columns],
        )
        self._db.executemany(
            """INSERT INTO chunks (document_id, vector_id, heading, text, heading_path, first_line, last_line, links,
                                   tags, place, overlong) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            [(cursor.lastrowid, *_chunk_row(chunk)) for chunk in document.chunks],
        )
        self._db.executemany(
            "INSERT INTO links (document_id, text, url, key, line, heading_path) VALUES (?, ?, ?, ?, ?, ?)",
            [(cursor.lastrowid, *_reference_row(reference)) for reference in document.references],
        )

    def set_address(self, source: str, url: str, key: str) -> None:
        """Make a document the article of this address; where it leads is then nobody's note."""
        self._write("DELETE FROM links WHERE document_id IN (SELECT id FROM documents WHERE source = ?)", [source])
        self._write("UPDATE documents SET kind = 'article', url = ?, key = ? WHERE source = ?", (url, key, source))

    def delete(self, source: str) -> None:
        self._write("DELETE FROM documents WHERE source = ?", (source,))

    # -- chunks -----------------------------------------------------------------------------------------------------

    def counts(self) -> tuple[int, int]:
        """Numbers of documents and of chunks."""
        return self._rows("SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM chunks)")[0]

    def headings(self, limit: int) -> list[str]:
        """Up to `limit` different headings of notes, taken evenly from the whole."""
        rows = self._rows(
            """SELECT heading_path FROM chunks JOIN documents ON documents.id = document_id
               WHERE heading <> '' GROUP BY heading ORDER BY min(documents.kind <> 'note'), min(chunks.id)"""
        )
        step = max(1, len(rows) // limit)
        return [json.loads(path)[-1] for (path,) in rows[::step]][:limit]

    def sections(self, limit: int) -> list[Chunk]:
        """The first chunks of up to `limit` sections, taken evenly from the whole."""
        rows = self._rows(
            "SELECT min(id) FROM chunks WHERE heading <> '' GROUP BY document_id, heading_path ORDER BY min(id)"
        )
        step = max(1, -(-len(rows) // limit))
        return list(self.chunks(chunk_id for (chunk_id,) in rows[::step]).values())

    def chunks_by_day(self) -> dict[str, int]:
        """Numbers of chunks by the day (YYYY-MM-DD) of their document, as the filters have it; those that have none
        are left out."""
        return dict(
            self._rows(
                f"""SELECT day, sum(chunks) FROM (SELECT {DAY} AS day, (SELECT count(*) FROM chunks
                        WHERE document_id = documents.id) AS chunks FROM documents)
                    WHERE day IS NOT NULL GROUP BY day ORDER BY day"""
            )
        )

    def overlong(self) -> list[Chunk]:
        """The chunks that the encoder does not read to their end."""
        return self._chunks("overlong", ())

    def vector_ids(self) -> set[str]:
        return {vector_id for (vector_id,) in self._rows("SELECT DISTINCT vector_id FROM chunks")}

    def unused(self, vector_ids: Iterable[str]) -> list[str]:
        """Those of `vector_ids` that no chunk refers to any more."""
        return [
            vector_id
            for vector_id in vector_ids
            if not self._rows("SELECT 1 FROM chunks WHERE vector_id = ? LIMIT 1", [vector_id])
        ]

    def vector_ids_of(self, source: str = "", file: str = "") -> set[str]:
        """The vectors of one document, or of all that were read from one file."""
        column, value = ("file", file) if file else ("source", source)
        rows = self._rows(
            f"SELECT vector_id FROM chunks JOIN documents ON documents.id = document_id WHERE {column} = ?", [value]
        )
        return {vector_id for (vector_id,) in rows}

    def chunks(self, chunk_ids: Iterable[int]) -> dict[int, Chunk]:
        """The chunks of these row ids, by id."""
        wanted = list(chunk_ids)
        rows = self._chunk_rows(f"chunks.id IN ({_places(wanted)})", wanted)
        return {row[0]: _chunk_of(row) for row in rows}

    def chunks_of(self, source: str) -> list[Chunk]:
        """The chunks of one document, in the order in which they stand there."""
        return self._chunks("documents.source = ?", [source])

    def chunks_under(self, chunk: Chunk) -> list[Chunk]:
        """The chunks that stand in the same document under headings of the same names, in order; of a table's row, of
        which there may be very many, only its own."""
        condition, parameters = "source = ? AND heading_path = ?", [chunk.source, _as_json(chunk.heading_path)]
        if chunk.place and chunk.place.unit == "row":
            condition, parameters = f"{condition} AND place = ?", [*parameters, _as_json(astuple(chunk.place))]
        return self._chunks(condition, parameters)

    def _chunks(self, condition: str, parameters: Iterable[object]) -> list[Chunk]:
        return [_chunk_of(row) for row in self._chunk_rows(condition, parameters)]

    def _chunk_rows(self, condition: str, parameters: Iterable[object]) -> list[tuple]:
        return self._rows(
            f"""SELECT {_CHUNK_COLUMNS} FROM chunks JOIN documents ON documents.id = document_id
                WHERE {condition} ORDER BY chunks.id""",
            parameters,
        )

    def chunk_ids_of_vectors(self, vector_ids: Iterable[str], limit: int) -> dict[str, list[int]]:
        """Row ids of the chunks that each vector stands for, of each at most the first `limit`: a passage may stand
        in a table a hundred thousand times."""
        query = "SELECT id FROM chunks WHERE vector_id = ? ORDER BY id LIMIT ?"
        return {
            vector_id: [chunk_id for (chunk_id,) in self._rows(query, (vector_id, limit))] for vector_id in vector_ids
        }

    def vectors_of_chunks(self, chunk_ids: Collection[int]) -> dict[int, str]:
        """The vector that each chunk stands for, by row id."""
        query = f"SELECT id, vector_id FROM chunks WHERE id IN ({_places(chunk_ids)})"
        return dict(self._rows(query, chunk_ids))

    def chunk_ids_of_section(self, section: Chunk, limit: int) -> list[int]:
        """Row ids of the chunks that a section was joined from (`Store.around`), at most the first `limit`."""
        query = """SELECT chunks.id FROM chunks JOIN documents ON documents.id = document_id
                   WHERE source = ? AND heading_path = ? AND instr(?, chunks.text) ORDER BY chunks.id LIMIT ?"""
        values = [section.source, _as_json(section.heading_path), section.text, limit]
        return [chunk_id for (chunk_id,) in self._rows(query, values)]

    def within(self, query: Query) -> dict[str, list[int]] | None:
        """Row ids of the chunks that the filters of a query let through, by their vectors; None where it has none.

        A tag that no chunk has, and words in quotes that stand nowhere, are no filters.
        """
        query = replace(query, tags=tuple(filter(self._is_used, query.tags)))
        asked, values = condition(query, self._standing(query.phrases))
        if not asked:
            return None
        found: dict[str, list[int]] = {}
        for vector_id, chunk_id in self._rows(f"SELECT vector_id, id FROM chunks WHERE {asked} ORDER BY id", values):
            found.setdefault(vector_id, []).append(chunk_id)
        return found

    def _is_used(self, tag: str) -> bool:
        asked, values = condition(Query("", tags=(tag,)), "")
        return bool(self._rows(f"SELECT 1 FROM chunks WHERE {asked} LIMIT 1", values))

    def _standing(self, phrases: Iterable[str]) -> str:
        """What finds the chunks that hold all of the phrases, or any where none holds all; empty where none stands
        anywhere: in a question words are often quoted for no more than their look."""
        quoted = list(map(_quoted, phrases))
        for expression in (" AND ".join(quoted), " OR ".join(quoted)):
            if expression and self._rows("SELECT 1 FROM chunks_fts WHERE chunks_fts MATCH ? LIMIT 1", [expression]):
                return expression
        return ""

    def match(self, query: str, limit: int, within: Iterable[int] | None = None) -> list[tuple[int, float]]:
        """Row ids of the chunks that share words with `query`, best first, each with its coverage; only those of
        `within` where it is given.

        Coverage is the chunk's BM25 score as a share of the most that any chunk could score for this query: 1 where
        a passage is full of every word asked for, rare ones counting most. Words that no note holds lower it too.
        """
        terms = list(dict.fromkeys(content_words(query)))
        if not terms:
            return []
        expression = " OR ".join(map(_in_any_form, terms))
        # the plus sign keeps SQLite from asking the full-text index for each row by itself
        only = "" if within is None else "AND +rowid IN (SELECT value FROM json_each(?))"
        inside = [] if within is None else [json.dumps(list(within))]
        rows = self._rows(
            f"""SELECT rowid, bm25(chunks_fts, ?, ?) AS score FROM chunks_fts WHERE chunks_fts MATCH ? {only}
                ORDER BY score, rowid LIMIT ?""",
            [HEADING_WEIGHT, TEXT_WEIGHT, expression, *inside, limit],
        )
        attainable = _BM25_CEILING * sum(self.rarity(term) for term in terms)
        return [(chunk_id, min(1.0, -score / attainable)) for chunk_id, score in rows]

    def frequency(self, word: str) -> int:
        """Number of chunks that hold `word` in any of its forms."""
        return self._one("SELECT count(*) FROM chunks_fts WHERE chunks_fts MATCH ?", _in_any_form(word)) or 0

    def rarity(self, word: str) -> float:
        """Inverse document frequency of `word` in any of its forms, as FTS5's bm25() has it."""
        total, holding = self.counts()[1], self.frequency(word)
        return max(1e-6, math.log((total - holding + 0.5) / (holding + 0.5)))

    # -- what late interaction reads ----------------------------------------------------------------------------------

    def token_signs(self, vector_ids: list[str]) -> dict[str, bytes]:
        """The signs of the word pieces (`late_interaction.signs`) of those of `vector_ids` that are here."""
        return dict(
            self._rows(
                f"SELECT vector_id, signs FROM token_signs WHERE vector_id IN ({_places(vector_ids)})", vector_ids
            )
        )

    def with_token_signs(self, vector_ids: Iterable[str]) -> set[str]:
        """Those of `vector_ids` whose signs are here."""
        return {
            vector_id
            for vector_id in vector_ids
            if self._rows("SELECT 1 FROM token_signs WHERE vector_id = ?", [vector_id])
        }

    def put_token_signs(self, signs: dict[str, bytes]) -> None:
        with self.transaction():
            self._db.executemany("INSERT OR REPLACE INTO token_signs VALUES (?, ?)", list(signs.items()))

    def delete_token_signs(self, vector_ids: Iterable[str]) -> None:
        with self.transaction():
            self._db.executemany("DELETE FROM token_signs WHERE vector_id = ?", [(key,) for key in vector_ids])

    # -- links and the pages they lead to ---------------------------------------------------------------------------

    def references(self) -> list[Reference]:
        """Every link that stands in a note, in the order of the notes and their lines."""
        return self._references("1", ())

    def referring(self, key: str) -> list[Reference]:
        """The places in the notes that link to a page, also by an address that was redirected to it."""
        return self._references("links.key IN (SELECT ? UNION SELECT key FROM pages WHERE same_as = ?)", (key, key))

    def references_of(self, source: str) -> list[Reference]:
        """The links that stand in one document."""
        return self._references("documents.source = ?", [source])

    def _references(self, condition: str, parameters: Iterable[object]) -> list[Reference]:
        rows = self._rows(
            f"""SELECT {_REFERENCE_COLUMNS} FROM links JOIN documents ON documents.id = document_id
                WHERE {condition} ORDER BY documents.source, links.line, links.id""",
            parameters,
        )
        return [
            Reference(text, url, key, line, tuple(json.loads(heading_path)), source, title)
            for text, url, key, line, heading_path, source, title in rows
        ]

    def key_of_document(self, source: str) -> str:
        return self._one("SELECT key FROM documents WHERE source = ?", source) or ""

    def pages(self) -> dict[str, LinkedPage]:
        """What is known of every page that was tried, by its key."""
        return {page.key: page for page in self._pages("1", ())}

    def page(self, key: str) -> LinkedPage | None:
        """What is known of one page."""
        return next(iter(self._pages("key = ?", [key])), None)

    def _pages(self, condition: str, parameters: Iterable[object]) -> list[LinkedPage]:
        columns = ", ".join(field.name for field in fields(LinkedPage))
        rows = self._rows(f"SELECT {columns} FROM pages WHERE {condition} ORDER BY url", parameters)
        return [LinkedPage(*row) for row in rows]

    def put_page(self, page: LinkedPage) -> None:
        columns = ", ".join(field.name for field in fields(LinkedPage))
        values = astuple(page)
        self._write(f"INSERT OR REPLACE INTO pages ({columns}) VALUES ({_places(values)})", values)

    def _one(self, query: str, *parameters: object) -> Any:
        rows = self._rows(query, parameters)
        return rows[0][0] if rows else None


def edition_path(home: Path, edition: str) -> Path:
    return home / "index" / f"{edition}.sqlite"


def _places(values: Collection) -> str:
    return ", ".join("?" * len(values))


def _quoted(term: str) -> str:
    """A term as an FTS5 string, so that nothing in it is taken for an operator."""
    return '"' + term.replace('"', "") + '"'


def _in_any_form(word: str) -> str:
    """An FTS5 expression for a word and for what else it may be called (`spellings`)."""
    return " OR ".join(map(_quoted, spellings(word)))


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
        _as_json(chunk.heading_path),
        *chunk.lines,
        _as_json([[link.text, link.url] for link in chunk.links]),
        _as_json(chunk.tags),
        _as_json(astuple(chunk.place) if chunk.place else None),
        chunk.overlong,
    )


def _chunk_of(row: tuple) -> Chunk:
    _, source, title, heading_path, first_line, last_line, text, links, tags, kind, url, place, overlong = row
    place = json.loads(place)
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
        place=Place(*place) if place else None,
        overlong=bool(overlong),
    )


def _reference_row(reference: Reference) -> tuple:
    return (reference.text, reference.url, reference.key, reference.line, _as_json(reference.heading_path))


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
