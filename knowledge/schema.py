"""The tables of the two kinds of SQLite file that make up the catalogue.

`catalogue.sqlite` holds what the person asked for and what was found out about linked pages. `index/<edition>.sqlite`
holds what was read: it can always be made again, and a new edition is made beside the old one.
"""

CATALOGUE_VERSION = 2

CATALOGUE = """
CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE roots (path TEXT PRIMARY KEY);
CREATE TABLE excluded (path TEXT PRIMARY KEY);
CREATE TABLE pages (
    key TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    checked_at TEXT NOT NULL,
    fetched_at TEXT NOT NULL,
    final_url TEXT NOT NULL,
    digest TEXT NOT NULL,
    etag TEXT NOT NULL,
    last_modified TEXT NOT NULL,
    same_as TEXT NOT NULL
);
"""

INDEX_VERSION = 2

# The triggers keep the full-text index in step inside every transaction:
# https://sqlite.org/fts5.html#external_content_tables
INDEX = """
CREATE TABLE edition.about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE edition.files (
    path TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    problem TEXT NOT NULL,
    failed INTEGER NOT NULL
);
CREATE TABLE edition.left_out (path TEXT PRIMARY KEY, reason TEXT NOT NULL);
CREATE TABLE edition.documents (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    digest TEXT NOT NULL,
    file TEXT NOT NULL,
    kind TEXT NOT NULL,
    url TEXT,
    key TEXT NOT NULL,
    author TEXT NOT NULL,
    published TEXT NOT NULL,
    problem TEXT NOT NULL,
    indexed_at TEXT NOT NULL DEFAULT (datetime('now'))
);
CREATE INDEX edition.documents_by_file ON documents (file);
CREATE TABLE edition.chunks (
    id INTEGER PRIMARY KEY,
    document_id INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    vector_id TEXT NOT NULL,
    heading TEXT NOT NULL,
    text TEXT NOT NULL,
    heading_path TEXT NOT NULL,
    first_line INTEGER NOT NULL,
    last_line INTEGER NOT NULL,
    links TEXT NOT NULL,
    tags TEXT NOT NULL,
    place TEXT NOT NULL,
    overlong INTEGER NOT NULL
);
CREATE INDEX edition.chunks_by_document ON chunks (document_id);
CREATE INDEX edition.chunks_by_vector ON chunks (vector_id);
-- beside the vectors in Chroma, under the same ids
CREATE TABLE edition.token_signs (vector_id TEXT PRIMARY KEY, signs BLOB NOT NULL);
CREATE TABLE edition.links (
    id INTEGER PRIMARY KEY,
    document_id INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    text TEXT NOT NULL,
    url TEXT NOT NULL,
    key TEXT NOT NULL,
    line INTEGER NOT NULL,
    heading_path TEXT NOT NULL
);
CREATE INDEX edition.links_by_document ON links (document_id);
CREATE INDEX edition.links_by_key ON links (key);
CREATE VIRTUAL TABLE edition.chunks_fts USING fts5 (
    heading, text, content = 'chunks', content_rowid = 'id', tokenize = 'porter unicode61 remove_diacritics 2'
);
CREATE TRIGGER edition.chunks_inserted AFTER INSERT ON chunks BEGIN
    INSERT INTO chunks_fts (rowid, heading, text) VALUES (new.id, new.heading, new.text);
END;
CREATE TRIGGER edition.chunks_deleted AFTER DELETE ON chunks BEGIN
    INSERT INTO chunks_fts (chunks_fts, rowid, heading, text) VALUES ('delete', old.id, old.heading, old.text);
END;
"""
