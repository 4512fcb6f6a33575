"""Conversations, kept in `conversations.sqlite` of the home folder: the one thing there that nothing else can rebuild.

Each belongs to a user and is not there for anybody else; where nobody logs in, the user is the empty string. An answer
is kept as JSON that only `chatbot` reads. What a user deletes can be brought back until they delete the next one.
"""

import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from knowledge.errors import NotesError, remedy

_VERSION = 2
_TABLES = """
CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0,
    user TEXT NOT NULL DEFAULT ''
);
CREATE TABLE turns (
    conversation TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
    number INTEGER NOT NULL,
    question TEXT NOT NULL,
    answer TEXT NOT NULL,
    asked_at TEXT NOT NULL,
    rating INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (conversation, number)
);
"""
_FROM_VERSION_1 = "ALTER TABLE conversations ADD COLUMN user TEXT NOT NULL DEFAULT ''"
_TURNS = """SELECT number, question, answer, asked_at, rating, reason
    FROM turns JOIN conversations ON id = conversation WHERE NOT deleted"""
_LONGEST_TITLE = 120
# only where nobody has given it a name of its own
_RENAMED = f"""UPDATE conversations SET title = ?1 WHERE id = ?2
    AND title = (SELECT substr(question, 1, {_LONGEST_TITLE}) FROM turns WHERE conversation = ?2 AND number = 0)"""


@dataclass(frozen=True)
class Conversation:
    """A conversation; `changed_at` is in ISO 8601, UTC."""

    id: str
    title: str
    changed_at: str


@dataclass(frozen=True)
class Turn:
    """A question and its answer; `rating` is 1, -1 or 0 where it was not rated."""

    number: int
    question: str
    answer: str
    asked_at: str
    rating: int
    reason: str


class History:
    """All conversations of a home folder. May be shared between threads and processes."""

    def __init__(self, home: Path) -> None:
        self._lock = threading.Lock()
        self._path = home / "conversations.sqlite"
        try:
            home.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self._path, timeout=30, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA foreign_keys = ON")
            with self._writing():
                found = self._db.execute("PRAGMA user_version").fetchone()[0]
                if found > _VERSION:
                    raise NotesError(f"{self._path} was made by a newer askmynotes: update the program")
                if found < _VERSION:
                    for statement in filter(str.strip, (_FROM_VERSION_1 if found else _TABLES).split(";")):
                        self._db.execute(statement)
                    self._db.execute(f"PRAGMA user_version = {_VERSION}")
        except (sqlite3.Error, OSError) as error:
            what = remedy(self._path, "move the file away")
            raise NotesError(f"{self._path}: the conversations cannot be opened ({error}): {what}") from error

    def close(self) -> None:
        self._db.close()

    def conversations(self, user: str, containing: str = "") -> list[Conversation]:
        """Those of a user with this text in the title, a question or an answer, the last changed first."""
        pattern = f"%{_escaped(containing)}%"
        rows = self._rows(
            r"""SELECT id, title, changed_at FROM conversations
                WHERE NOT deleted AND user = ?2 AND (title LIKE ?1 ESCAPE '\'
                OR EXISTS (SELECT 1 FROM turns WHERE conversation = id
                           AND (question LIKE ?1 ESCAPE '\' OR answer LIKE ?1 ESCAPE '\')))
                ORDER BY changed_at DESC, id""",
            pattern,
            user,
        )
        return [Conversation(*row) for row in rows]

    def turns(self, user: str, conversation: str) -> list[Turn]:
        """The turns of a conversation in order; none where the user has no such one."""
        rows = self._rows(f"{_TURNS} AND user = ? AND conversation = ? ORDER BY number", user, conversation)
        return [Turn(*row) for row in rows]

    def put(self, user: str, conversation: str, number: int, question: str, answer: str) -> str:
        """Keep the turn with this number, in the place of what was there and behind it. Where the user has no such
        conversation one is begun; a deleted one comes back. It is called after its first question, unless it was
        renamed. Returns its id."""
        now = datetime.now(UTC).isoformat()
        with self._writing():
            known = "SELECT 1 FROM conversations WHERE id = ? AND user = ?"
            if not self._db.execute(known, (conversation, user)).fetchone():
                conversation = uuid.uuid4().hex
                self._db.execute(
                    "INSERT INTO conversations (id, title, changed_at, user) VALUES (?, ?, ?, ?)",
                    (conversation, question[:_LONGEST_TITLE], now, user),
                )
            if number == 0:
                self._db.execute(_RENAMED, (question[:_LONGEST_TITLE], conversation))
            self._db.execute("DELETE FROM turns WHERE conversation = ? AND number >= ?", (conversation, number))
            self._db.execute(
                "INSERT INTO turns (conversation, number, question, answer, asked_at) VALUES (?, ?, ?, ?, ?)",
                (conversation, number, question, answer, now),
            )
            # what was deleted in another window comes back with the question that was asked in it since
            self._db.execute("UPDATE conversations SET changed_at = ?, deleted = 0 WHERE id = ?", (now, conversation))
        return conversation

    def rate(self, user: str, conversation: str, number: int, rating: int, reason: str = "") -> None:
        """Keep what the user thought of an answer."""
        with self._writing():
            self._db.execute(
                """UPDATE turns SET rating = ?, reason = ? WHERE number = ?
                   AND conversation = (SELECT id FROM conversations WHERE id = ? AND user = ?)""",
                (rating, reason, number, conversation, user),
            )

    def rated(self, rating: int) -> list[Turn]:
        """All turns with this rating, of all users, the oldest first."""
        rows = self._rows(f"{_TURNS} AND rating = ? ORDER BY asked_at", rating)
        return [Turn(*row) for row in rows]

    def rename(self, user: str, conversation: str, title: str) -> None:
        with self._writing():
            self._db.execute(
                "UPDATE conversations SET title = ? WHERE id = ? AND user = ?",
                (title[:_LONGEST_TITLE], conversation, user),
            )

    def delete(self, user: str, conversation: str) -> None:
        """Take a conversation out; what the user deleted before goes for good."""
        with self._writing():
            self._db.execute("DELETE FROM conversations WHERE deleted AND user = ?", (user,))
            self._db.execute("UPDATE conversations SET deleted = 1 WHERE id = ? AND user = ?", (conversation, user))

    def restore(self, user: str) -> str:
        """Bring back what the user deleted last; returns its id, or nothing where there is none."""
        with self._writing():
            rows = self._db.execute("SELECT id FROM conversations WHERE deleted AND user = ?", (user,)).fetchall()
            self._db.execute("UPDATE conversations SET deleted = 0 WHERE deleted AND user = ?", (user,))
        return rows[0][0] if rows else ""

    def forget(self, user: str) -> None:
        """Remove all that a user asked, for good."""
        with self._writing():
            self._db.execute("DELETE FROM conversations WHERE user = ?", (user,))

    def _rows(self, query: str, *values: object) -> list[tuple]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
